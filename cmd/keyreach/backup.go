package main

import "github.com/spf13/cobra"

func newBackup(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup",
		Short: "Make backups that open when they must",
		Args:  unknownCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBackupSetup(s))
	return c
}
