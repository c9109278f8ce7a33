package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/estate"
)

func newBackupList(s *streams) *cobra.Command {
	var f backupFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List the backups of a store, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.declare(c.Context(), c.Flags(), ""); err != nil {
				return err
			}
			at, err := f.openStore(c.Context(), false)
			if err != nil {
				return err
			}
			list, err := backup.List(c.Context(), at, backup.Select{Kind: f.kind, Name: f.name})
			if err != nil {
				return backupFailure(err)
			}
			return f.printList(s, list)
		},
	}
	f.addStore(c.Flags())
	f.addSeries(c.Flags())
	c.Flags().BoolVar(&f.versions, "versions", false, "list all versions, where the bucket has them")
	c.Flags().BoolVar(&f.details, "details", false, "look at each for its version, checksum and lock (a call for each)")
	return c
}

func (f *backupFlags) printList(s *streams, list []backup.Backup) error {
	if f.format.format != textFormat {
		v := struct {
			FormatVersion int          `json:"format_version"`
			Store         string       `json:"store"`
			Backups       []backupView `json:"backups"`
		}{estate.FormatVersion, f.at, []backupView{}}
		for i := range list {
			v.Backups = append(v.Backups, storedView(&list[i]))
		}
		return f.format.writeLine(s.out, v)
	}
	if len(list) == 0 {
		fmt.Fprintf(s.out, "There is no %s in %s.\n", backup.Select{Kind: f.kind, Name: f.name}, f.at)
		return nil
	}
	cells := [][]string{{"backup", "made", "size", "version"}}
	for i := range list {
		b := &list[i]
		cells = append(cells, []string{b.Object.ID, clockText(b.ID.Created), bytesText(b.Size), orDash(b.VersionID)})
	}
	p := &printer{w: s.out}
	p.columns(cells)
	return p.err
}
