package main

import "github.com/spf13/cobra"

func newCan(s *streams) *cobra.Command { return &cobra.Command{Use: "can"} }
