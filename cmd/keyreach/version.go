package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/awsfacts"
)

func newVersion(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the date of the built-in AWS data",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			version, revision := "(devel)", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" {
					version = info.Main.Version
				}
				for _, setting := range info.Settings {
					if setting.Key == "vcs.revision" {
						revision = " " + setting.Value
					}
				}
				revision += " " + info.GoVersion
			}
			source, data, date := awsfacts.DataVersion()
			fmt.Fprintf(s.out, "keyreach %s%s\nKMS actions and condition keys: %s %s of %s\n", version, revision, source, data, date)
			return nil
		},
	}
}
