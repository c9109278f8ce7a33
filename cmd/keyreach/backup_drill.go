package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
)

type drillFlags struct {
	backupFlags
	scratch      string
	caPasswordAt string
}

func newBackupDrill(s *streams) *cobra.Command {
	var f drillFlags
	c := &cobra.Command{
		Use:   "drill [ID]",
		Short: "Restore a backup into a scratch place, and prove that what is restored works",
		Long: `Restore a backup (without an id: the newest) into a scratch directory and prove it:
of etcd, a server is started on it and every key compared; of a step-ca, its key issues
a certificate that chains to the root. The scratch directory is removed afterwards.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return onBackup(c, s, args, &f) },
	}
	fs := c.Flags()
	f.addBackup(fs)
	fs.StringVar(&f.scratch, "scratch", "", "the `DIR` in which the scratch directory is made (default: that of temporary files)")
	fs.StringVar(&f.caPasswordAt, "ca-password-file", "", "the `FILE` with the password of the CA's key, when the backup has none")
	return c
}

func (f *drillFlags) run(ctx context.Context, s *streams, id string) error {
	o, b, err := f.find(ctx, s, id)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(f.scratch, "keyreach-drill-")
	if err != nil {
		return failure(fmt.Errorf("making a scratch directory: %w", err)).hinting("name another place with --scratch")
	}
	defer os.RemoveAll(dir)
	show := newMeter(s.err, "read")
	o.Progress = show.of
	proof, err := o.Drill(ctx, &b, dir, f.caPasswordAt)
	show.end()
	if err != nil {
		return drilling(err, b.ID.Kind)
	}
	if f.format.format != textFormat {
		return f.format.writeLine(s.out, struct {
			FormatVersion int      `json:"format_version"`
			ID            string   `json:"id"`
			Proven        []string `json:"proven"`
			Open          []string `json:"open"`
			Warnings      []string `json:"warnings,omitempty"`
		}{estate.FormatVersion, b.Object.ID, proof.Proven, proof.Open, proof.Warnings})
	}
	p := &printer{w: s.out}
	p.line(0, 0, "%s WORKS, as far as it was tried here:", b.Object.ID)
	for _, x := range proof.Proven {
		p.line(2, 2, "- %s", x)
	}
	if len(proof.Open) > 0 {
		p.line(0, 0, "Not tried:")
	}
	for _, x := range proof.Open {
		p.line(2, 2, "- %s", x)
	}
	for _, w := range proof.Warnings {
		p.line(0, len("WARNING: "), "WARNING: %s", w)
	}
	return p.err
}
