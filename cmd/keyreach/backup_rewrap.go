package main

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/estate"
)

type rewrapFlags struct {
	backupFlags
	recipientFlags
	newKeys []string
	all     bool
}

func newBackupRewrap(s *streams) *cobra.Command {
	var f rewrapFlags
	c := &cobra.Command{
		Use:   "rewrap [ID] --to-kms-key ARN…",
		Short: "Put backups under other keys, without reading what is in them",
		Long: `Open the file key of a backup (without an id: of the newest; --all: of all) and put
it under the keys named, and no others. The payload stays as it is: in a directory the
header is exchanged, S3 copies the rest itself. In a bucket with versions the object as
it was, with its old keys, stays until the lifecycle deletes it.

With a route, the keys and recipients that keyreach.yaml has now are those to put it
under. What it lies under until then is named by --kms-key, --kms-account or --identity
when the file has it no longer.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return onBackup(c, s, args, &f) },
	}
	fs := c.Flags()
	f.addBackup(fs)
	f.recipientFlags.add(fs)
	fs.StringSliceVar(&f.newKeys, "to-kms-key", nil, "a KMS `KEY` that is to open it from now on")
	fs.BoolVar(&f.all, "all", false, "rewrap all backups of the store, or of the series")
	return c
}

func (f *rewrapFlags) run(ctx context.Context, s *streams, id string) error {
	if f.all && id != "" {
		return misuse(errors.New("an id and --all exclude each other"))
	}
	if len(f.newKeys)+len(f.recipients) == 0 {
		return misuse(errors.New("nothing says who can open the backup from now on")).hinting("give --to-kms-key or --recipient")
	}
	to := f.backupFlags
	to.cloud, to.keys = f.reach(), f.newKeys
	recipients, err := f.prepare(ctx, &to, "", s)
	if err != nil {
		return err
	}
	o, list, err := f.which(ctx, s, id)
	if err != nil {
		return err
	}
	views, failed := f.each(ctx, s, o, list, recipients)
	if f.format.format != textFormat && (failed == nil || len(views) > 0) {
		if err := f.format.writeLine(s.out, struct {
			FormatVersion int          `json:"format_version"`
			Store         string       `json:"store"`
			Rewrapped     []backupView `json:"rewrapped"`
		}{estate.FormatVersion, f.at, views}); err != nil {
			return err
		}
	}
	return partly(failed, len(views), len(list))
}

// which are the backups that are meant, of which there is one at least.
func (f *rewrapFlags) which(ctx context.Context, s *streams, id string) (*backup.Opener, []backup.Backup, error) {
	if !f.all {
		o, b, err := f.find(ctx, s, id)
		return o, []backup.Backup{b}, err
	}
	at, err := f.openStore(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	want := f.meant(at, "")
	list, err := backup.List(ctx, at, want)
	if err == nil {
		_, err = backup.First(list, at, want)
	}
	if err != nil {
		return nil, nil, backupFailure(err)
	}
	o, err := f.opener(ctx, s, at)
	return o, list, err
}

// each rewraps the backups of a list. One that does not open or is damaged keeps none of the
// others from it; the failure is that of the first. What is taken away meanwhile is none.
func (f *rewrapFlags) each(ctx context.Context, s *streams, o *backup.Opener, list []backup.Backup, recipients func(backup.ID) ([]age.Recipient, error)) (views []backupView, failed error) {
	views = []backupView{}
	for i := range list {
		v, err := f.one(ctx, s, o, &list[i], recipients)
		switch {
		case err == nil:
			views = append(views, v)
			continue
		case f.all && o.Gone(ctx, list[i].Object.ID, err):
			continue
		case failed == nil:
			failed = backupFailure(err)
		default:
			fmt.Fprintf(s.err, "warning: %s\n", oneLine(err))
		}
		if !ofOne(err) {
			break
		}
	}
	return views, failed
}

// ofOne reports whether a failure is of one backup, and says nothing of others.
func ofOne(err error) bool {
	switch envelope.ClassOf(err) {
	case envelope.NoKey, envelope.Corrupt, envelope.Truncated, envelope.NotFound:
		return calledOf(err) != "kms"
	}
	return false
}

// one rewraps a backup, and says so.
func (f *rewrapFlags) one(ctx context.Context, s *streams, o *backup.Opener, b *backup.Backup, recipients func(backup.ID) ([]age.Recipient, error)) (backupView, error) {
	rs, err := recipients(b.ID)
	if err != nil {
		return backupView{}, err
	}
	at, err := o.Rewrap(ctx, b, rs)
	if err != nil {
		return backupView{}, err
	}
	made := backup.Backup{Object: at, ID: b.ID}
	v := storedView(&made)
	if v.Warnings, err = o.Warnings(ctx, &made); err != nil || f.format.format != textFormat {
		return v, err
	}
	p := &printer{w: s.out}
	p.line(0, 0, "%s: under %s and %s now", b.Object.ID, count(len(f.newKeys), "KMS key"), count(len(f.recipients), "recipient"))
	for _, w := range v.Warnings {
		p.line(2, len("WARNING: "), "WARNING: %s", w)
	}
	return v, p.err
}

// partly says how many were done before a failure.
func partly(err error, done, of int) error {
	var exit *exitError
	if of > 1 && errors.As(err, &exit) && exit.err != nil {
		return (&exitError{code: exit.code, err: fmt.Errorf("%d of %d are rewrapped: %w", done, of, exit.err)}).hinting(exit.hint)
	}
	return err
}
