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
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, setting := range info.Settings {
					if setting.Key == "vcs.revision" {
						revision = " " + setting.Value
					}
				}
				revision += " " + info.GoVersion
			}
			source, data, date := awsfacts.DataVersion()
			fmt.Fprintf(s.out, "keyreach %s%s\nKMS actions and condition keys: %s %s of %s\n", programVersion(), revision, source, data, date)
			return nil
		},
	}
}

// programVersion is the version that the program was built as.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
