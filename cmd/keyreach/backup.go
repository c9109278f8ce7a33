package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newBackup(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup",
		Short: "Make backups that open when they must, and prove that they do",
		Long: `Backups of etcd, of a step-ca and of any files: encrypted under KMS keys, age
recipients or a passphrase, in a directory or a bucket, read back while they are
written. They are age files with a tar in zstd inside: age and its plugin
age-plugin-keyreach, which is this program under another name, open them too.

What the backup part of a route of keyreach.yaml says, no flag has to say: beside a
keyreach.yaml with one such route the commands need none, and --route names one of
several.

Exit codes of their own: 10 no key opens it · 11 corrupt · 12 truncated · 13 access
denied · 14 not found.`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args)
			}
			return c.Help()
		},
		Args: unknownCommand,
	}
	c.AddCommand(newBackupCreate(s), newBackupList(s), newBackupVerify(s), newBackupRestore(s), newBackupPrune(s), newBackupRewrap(s), newBackupDrill(s), newBackupSetup(s), newBackupOpenLegacy(s))
	return c
}

// backupWork is a command on the backup whose id is given, or on the newest.
type backupWork interface {
	declare(ctx context.Context, fs *pflag.FlagSet, id string) error
	run(ctx context.Context, s *streams, id string) error
}

// onBackup has a command do its work, with what its route declares.
func onBackup(c *cobra.Command, s *streams, args []string, work backupWork) error {
	id := ""
	if len(args) == 1 {
		id = args[0]
	}
	if err := work.declare(c.Context(), c.Flags(), id); err != nil {
		return err
	}
	return work.run(c.Context(), s, id)
}
