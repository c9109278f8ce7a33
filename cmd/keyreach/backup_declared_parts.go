package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/backup"
)

// declare takes what no flag and no argument says from the route. kind and path are those
// of the command line, or empty.
func (f *createFlags) declare(ctx context.Context, fs *pflag.FlagSet, kind, path string) error {
	f.of, f.path = kind, path
	if err := f.backupFlags.declare(ctx, fs, ""); err != nil || f.route == nil {
		return err
	}
	if err := f.declareSource(fs); err != nil {
		return err
	}
	b := f.route.Backup
	passphrase := fs.Changed("passphrase-file") || fs.Changed("passphrase-fd")
	switch {
	case b.PassphraseFile != "" && (fs.Changed("kms-key") || fs.Changed("recipient")):
		return f.wrong("the route's backups open with a passphrase, which cannot be mixed with --kms-key and --recipient", "leave the flags out, or name keys in the file in place of passphrase_file", "passphrase_file")
	case b.PassphraseFile == "" && passphrase:
		return f.wrong("the route's backups open with KMS keys, and a passphrase cannot be mixed with them", "leave the passphrase out, or write passphrase_file: here")
	}
	f.recipientFlags.declare(fs, &f.backupFlags)
	setUnless(fs, "ping", &f.ping, b.Ping)
	if keep := passOver(time.Duration(b.Retention.Days)*24*time.Hour, b.MaxAge); keep > 0 {
		setUnless(fs, "retention", &f.retention, keep.String())
	}
	return nil
}

// passOver is the time of which an unchanged source is passed over for half: how long
// backups are kept, or how old the newest may be, whichever is shorter.
func passOver(kept, oldest time.Duration) time.Duration {
	if kept > 0 && oldest > 0 {
		return min(kept, oldest)
	}
	return kept
}

func (f *createFlags) declareSource(fs *pflag.FlagSet) error {
	s := &f.route.Backup.Source
	if f.of != "" && f.of != s.Kind {
		return f.wrong(fmt.Sprintf("the route %s is of a source of kind %s, and %s is asked for", f.route.Name, s.Kind, f.of), "leave the source out on the command line, or name another route with --route", "source", "kind")
	}
	f.of = s.Kind
	if f.path == "" && !fs.Changed("endpoints") {
		f.path = f.beside(s.Path)
		f.endpoints = s.Endpoints
	}
	setUnless(fs, "exclude", &f.exclude, s.Exclude)
	if len(f.endpoints) > 0 {
		setUnless(fs, "cert", &f.cert, f.beside(s.Cert))
		setUnless(fs, "key", &f.key, f.beside(s.Key))
		setUnless(fs, "cacert", &f.cacert, f.beside(s.CACert))
	}
	f.hooks.dir = f.beside(".")
	setUnless(fs, "before", &f.hooks.before, s.Before)
	setUnless(fs, "after", &f.hooks.after, s.After)
	return nil
}

// declare takes who is to open it from the route.
func (r *recipientFlags) declare(fs *pflag.FlagSet, f *backupFlags) {
	setUnless(fs, "recipient", &r.recipients, f.route.Backup.Recipients)
	if f.ownKeys { // it counts these
		setUnless(fs, "min-wraps", &r.minWraps, f.route.Backup.MinWraps)
	}
}

// declare takes the greatest age from the route. A backup that is named is verified
// whatever its age.
func (f *verifyFlags) declare(ctx context.Context, fs *pflag.FlagSet, id string) error {
	if err := f.backupFlags.declare(ctx, fs, id); err != nil || f.route == nil {
		return err
	}
	if oldest := f.route.Backup.MaxAge; oldest > 0 && id == "" {
		setUnless(fs, "max-age", &f.maxAge, oldest.String())
	}
	return nil
}

// declare takes what stays from the route, unless a flag says it.
func (f *pruneFlags) declare(ctx context.Context, fs *pflag.FlagSet) error {
	if err := f.backupFlags.declare(ctx, fs, ""); err != nil || f.route == nil {
		return err
	}
	for _, name := range []string{"last", "daily", "weekly", "monthly", "yearly", "within"} {
		if fs.Changed("keep-" + name) {
			return nil
		}
	}
	r := f.route.Backup.Retention
	f.keep = backup.Retention{Last: r.Keep.Last, Daily: r.Keep.Daily, Weekly: r.Keep.Weekly, Monthly: r.Keep.Monthly, Yearly: r.Keep.Yearly}
	if r.Days > 0 {
		f.within = fmt.Sprintf("%dd", r.Days)
	}
	if f.keep.None() && f.within == "" {
		return f.wrong("the route does not say which backups to keep", "add retention: with days or keep, or give --keep-last and the like", "retention")
	}
	return nil
}

// declare takes the keys and recipients to put backups under from the route.
func (f *rewrapFlags) declare(ctx context.Context, fs *pflag.FlagSet, id string) error {
	if err := f.backupFlags.declare(ctx, fs, id); err != nil || f.route == nil {
		return err
	}
	if f.route.Backup.PassphraseFile != "" {
		if len(f.newKeys)+len(f.recipients) == 0 {
			return f.wrong("rewrap puts backups under KMS keys and recipients, and the route has a passphrase", "give --to-kms-key or --recipient", "passphrase_file")
		}
		return nil
	}
	if !fs.Changed("to-kms-key") {
		for _, p := range f.route.WrapKeys() {
			f.newKeys = append(f.newKeys, p.KeyID())
		}
		setUnless(fs, "min-wraps", &f.minWraps, f.route.Backup.MinWraps)
	}
	setUnless(fs, "recipient", &f.recipients, f.route.Backup.Recipients)
	return nil
}
