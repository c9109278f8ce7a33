package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/stepca"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/estate"
)

type restoreFlags struct {
	backupFlags
	to      string
	version string
}

func newBackupRestore(s *streams) *cobra.Command {
	var f restoreFlags
	c := &cobra.Command{
		Use:   "restore [ID] --to DIR",
		Short: "Restore a backup: whole, or not at all",
		Long: `Unpack a backup (without an id: the newest) beside the directory, verify all of it,
and swap it in at once. What was there before is kept as DIR.previous. When anything
is wrong, the directory is as it was.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return onBackup(c, s, args, &f) },
	}
	fs := c.Flags()
	f.addBackup(fs)
	fs.StringVar(&f.to, "to", "", "the `DIR` that becomes the backup")
	fs.StringVar(&f.version, "version-id", "", "the `VERSION` of the object, where the bucket has versions (default: the newest)")
	return c
}

func (f *restoreFlags) run(ctx context.Context, s *streams, id string) error {
	if f.to == "" {
		return misuse(errors.New("nothing says where to restore to")).hinting("give --to DIR; what is there is kept as DIR.previous")
	}
	if _, err := os.Stat(filepath.Dir(filepath.Clean(f.to))); errors.Is(err, fs.ErrNotExist) {
		return misuse(fmt.Errorf("looking at where to restore to: %w", err)).hinting("make the directory that --to is in")
	}
	if err := apart(f.to, f.at); err != nil {
		return err
	}
	o, b, err := f.found(ctx, s, id)
	if err != nil {
		return err
	}
	show := newMeter(s.err, "read")
	o.Progress = show.of
	done, err := o.Restore(ctx, &b, f.to)
	show.end()
	if err != nil {
		return backupFailure(err)
	}
	return f.print(s, &b, &done)
}

// found is the backup that is meant. A version of one that is named may be hidden.
func (f *restoreFlags) found(ctx context.Context, s *streams, id string) (*backup.Opener, backup.Backup, error) {
	if id == "" || f.version == "" {
		o, b, err := f.find(ctx, s, id)
		b.VersionID = cmp.Or(f.version, b.VersionID)
		return o, b, err
	}
	at, err := f.openStore(ctx, false)
	if err != nil {
		return nil, backup.Backup{}, err
	}
	o, err := f.opener(ctx, s, at)
	return o, backup.At(store.Object{ID: f.meant(at, id).ID, VersionID: f.version}), err
}

// apart refuses a target that holds the store, which the exchange would move away with all
// the backups, or that lies in it.
func apart(to, store string) error {
	switch {
	case store == "" || strings.Contains(store, "://"):
		return nil
	case holds(to, store):
		return misuse(fmt.Errorf("the store %s lies in %s, and would be moved to %s.previous with it", store, to, filepath.Clean(to))).hinting("name another --to, beside the store")
	case holds(store, to):
		return misuse(fmt.Errorf("%s lies in the store %s", to, store)).hinting("name another --to, beside the store")
	}
	return nil
}

// find opens the store and looks for the backup that is meant.
func (f *backupFlags) find(ctx context.Context, s *streams, id string) (*backup.Opener, backup.Backup, error) {
	at, err := f.openStore(ctx, false)
	if err != nil {
		return nil, backup.Backup{}, err
	}
	b, err := backup.Find(ctx, at, f.meant(at, id))
	if err != nil {
		return nil, b, backupFailure(err)
	}
	if id == "" && b.ID.Ahead(time.Now()) {
		fmt.Fprintf(s.err, "warning: %s is taken for the newest, and its time is yet to come: the clock was wrong that made it, or this one is; name the id of another if it is not the one that is meant\n", b.Object.ID)
	}
	o, err := f.opener(ctx, s, at)
	return o, b, err
}

func (f *restoreFlags) print(s *streams, b *backup.Backup, done *backup.Restored) error {
	if f.format.format != textFormat {
		return f.format.writeLine(s.out, struct {
			FormatVersion int `json:"format_version"`
			*backup.Restored
		}{estate.FormatVersion, done})
	}
	p := &printer{w: s.out}
	p.line(0, 0, "%s is at %s: %s, %s, every file verified.", done.ID, done.Target, count(done.Count, "entry"), bytesText(done.Total))
	if done.Previous != "" {
		p.line(0, 0, "What was there before is at %s.", done.Previous)
	}
	if b.ID.Kind == "etcd" {
		without := ""
		if done.Notes[etcd.NoteHash] == "none" {
			without = "--skip-hash-check "
		}
		p.line(0, 0, "Next: etcdutl snapshot restore %s/%s %s--data-dir NEW-DIR, then start etcd on it.", done.Target, etcd.Member, without)
	}
	if home := done.Notes[stepca.NoteHome]; b.ID.Kind == "step-ca" && home != "" {
		p.line(0, 0, "Next: put it at %s, which its paths are of, and start step-ca on it.", home)
		if outside := done.Target + "/" + stepca.OutsideDir; exists(outside) {
			p.line(0, 0, "What lay outside of that is in %s.", outside)
		}
	}
	return p.err
}
