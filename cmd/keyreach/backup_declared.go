package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/route"
)

// declaredFlags name the backup part of a route, which says what no flag says.
type declaredFlags struct {
	routeName, dir, as string

	file   *route.File  // nil when none is read
	route  *route.Route // with a backup part; nil when none is meant
	caller string       // the account whose way in makes the calls; empty for the SDK's own chain
	// ownKeys is set when the keys are those of the route.
	ownKeys bool
}

func (d *declaredFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&d.routeName, "route", "", "take what no flag says from the backup part of this `ROUTE` of keyreach.yaml (default without --store: the only one)")
	fs.StringVar(&d.dir, "dir", ".", "the `DIR|FILE` of keyreach.yaml")
	fs.StringVar(&d.as, "as", "", "make the calls by the way into this `ACCOUNT` of keyreach.yaml, a name or number (default: as the AWS configuration says)")
}

// declared reads the file and finds the route that is meant. store is what --store says.
func (d *declaredFlags) declared(fs *pflag.FlagSet, store string) error {
	named := d.routeName != "" || d.as != "" || fs.Changed("dir")
	if !named && store != "" {
		return nil
	}
	file, dir, err := routesBeside(d.dir)
	switch {
	case err != nil:
		return err
	case file == nil && named:
		return misuse(fmt.Errorf("there is no %s in %s", route.FileName, dir)).hinting("name its directory with --dir; keyreach init backup writes one")
	case file == nil:
		return nil
	}
	d.file = file
	if d.routeName == "" && store != "" {
		return d.signIn()
	}
	if err := d.choose(); err != nil {
		return err
	}
	return d.signIn()
}

// choose finds the route: the one that is named, or the only one with a backup part.
func (d *declaredFlags) choose() error {
	var names []string
	for i := range d.file.Routes {
		r := &d.file.Routes[i]
		if r.Backup != nil {
			names = append(names, r.Name)
		}
		switch {
		case r.Name != d.routeName:
		case r.Backup == nil:
			return misuse(d.file.Wrong(r.Name, "the route "+r.Name+" has no backup part", "add backup: with store and source; keyreach init backup shows one", "name"))
		default:
			d.route = r
		}
	}
	switch {
	case d.route != nil:
		return nil
	case d.routeName != "":
		return misuse(fmt.Errorf("--route: %s has no route %q", d.file.Path, d.routeName)).hinting(namedRoutes(names))
	case len(names) == 1:
		d.routeName = names[0]
		return d.choose()
	case len(names) == 0:
		return misuse(fmt.Errorf("no route of %s has a backup part", d.file.Path)).hinting("add backup: with store and source to a route of kind backup, or give --store")
	}
	return misuse(fmt.Errorf("%s has %d routes with a backup part", d.file.Path, len(names))).hinting("name one with --route: " + strings.Join(names, ", "))
}

func namedRoutes(names []string) string {
	if len(names) == 0 {
		return "none of its routes has a backup part"
	}
	return "with a backup part there is " + strings.Join(names, ", ")
}

// signIn finds the account whose way in is meant.
func (d *declaredFlags) signIn() error {
	if d.as == "" {
		return nil
	}
	var names []string
	for name, a := range d.file.Accounts {
		names = append(names, name)
		if name == d.as || a.ID == d.as {
			d.caller = a.ID
		}
	}
	if d.caller == "" {
		slices.Sort(names)
		return misuse(fmt.Errorf("--as: %s has no account %q", d.file.Path, d.as)).hinting("there is " + strings.Join(names, ", "))
	}
	return nil
}

// beside is a path of the file: one that is not absolute begins where the file lies.
func (d *declaredFlags) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file.Path), path)
}

// wrong refuses what a member of the route's backup part says.
func (d *declaredFlags) wrong(text, hint string, member ...string) error {
	return misuse(d.file.Wrong(d.route.Name, text, hint, append([]string{"backup"}, member...)...))
}

// declare takes from the route what all commands on backups share and no flag says. id is
// that of the backup that is meant, or empty.
func (f *backupFlags) declare(ctx context.Context, fs *pflag.FlagSet, id string) error {
	if err := f.declared(fs, f.at); err != nil {
		return err
	}
	if f.caller != "" {
		if _, err := f.reach().Caller(ctx, f.caller); err != nil { // and not somebody of another account
			return cloudFailure(err)
		}
	}
	if err := f.checkSeries(); err != nil || f.route == nil {
		return err
	}
	b := f.route.Backup
	if !fs.Changed("store") {
		f.declareStore(fs)
	}
	if id == "" {
		setUnless(fs, "kind", &f.kind, b.Source.Kind)
		setUnless(fs, "name", &f.name, b.Name)
	}
	if !fs.Changed("kms-key") && !fs.Changed("kms-account") {
		for _, p := range f.route.WrapKeys() {
			f.keys, f.ownKeys = append(f.keys, p.KeyID()), true
		}
	}
	if b.PassphraseFile != "" && !fs.Changed("passphrase-file") && !fs.Changed("passphrase-fd") && len(f.keys) == 0 {
		f.passphrase = f.beside(b.PassphraseFile)
	}
	return nil
}

func (f *backupFlags) declareStore(fs *pflag.FlagSet) {
	_, _, inS3 := f.route.Backup.Bucket()
	if !inS3 {
		f.at = f.beside(f.route.Backup.Store)
		return
	}
	f.at = f.route.Backup.Store
	if vault := f.route.Parties["vault"]; len(vault) > 0 { // the bucket is its
		f.owner = vault[0].Account
		setUnless(fs, "bucket-region", &f.bucketRegion, vault[0].Region)
	}
	setUnless(fs, "sse-key", &f.sseKey, f.route.ObjectKey())
}

// setUnless sets what a flag stands for, unless the flag is given.
func setUnless[T any](fs *pflag.FlagSet, flag string, at *T, value T) {
	if !fs.Changed(flag) {
		*at = value
	}
}
