package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
)

// liveFlags are those of the commands that call AWS.
type liveFlags struct {
	profile, region, endpoint string
	noEstate                  string // what to do where there is no estate, unless estateOrLive
}

// add adds the flags.
func (l *liveFlags) add(f *pflag.FlagSet) {
	l.addAccess(f)
	f.StringVar(&l.region, "region", "", "the `REGION` of calls that have no other")
}

// addAccess adds them without --region, for a command with one of its own.
func (l *liveFlags) addAccess(f *pflag.FlagSet) {
	f.StringVar(&l.profile, "profile", "", "the `PROFILE` of the AWS configuration, for accounts that keyreach.yaml gives none")
	f.StringVar(&l.endpoint, "endpoint-url", "", "call this `URL` instead of AWS, such as a sandbox's")
}

// open returns the way to AWS: through the accounts of the file when there is one. It
// calls nobody yet. more, if any, changes the options.
func (l *liveFlags) open(file *route.File, more func(*live.Options)) *live.Cloud {
	o := live.Options{Profile: l.profile, Region: l.region, Endpoint: l.endpoint}
	if file != nil {
		o.Accounts = file.Accounts
	}
	if more != nil {
		more(&o)
	}
	return live.Open(o)
}

// cloudFailure gives the failure of calls to AWS its exit code.
func cloudFailure(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	switch cloud.KindOf(err) {
	case cloud.Credentials:
		return (&exitError{code: exitCredentials, err: err}).hinting("give each account a way in with access: in keyreach.yaml, or name a --profile of the account")
	case cloud.Expired:
		return (&exitError{code: exitCredentials, err: err}).hinting("renew the credentials, and try again")
	}
	return failure(err)
}

// routesBeside reads the keyreach.yaml of a directory or the file itself. There need be
// none in the directory.
func routesBeside(path string) (file *route.File, dir string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", misuse(fmt.Errorf("looking for the routes: %w", err)).hinting("name a directory, or a " + route.FileName)
	}
	dir = filepath.Dir(path)
	if info.IsDir() {
		dir, path = path, filepath.Join(path, route.FileName)
		if !exists(path) {
			return nil, dir, nil
		}
	}
	file, err = route.LoadFile(path)
	if err != nil {
		return nil, dir, unreadable(err)
	}
	return file, dir, nil
}

// scopeOf are the accounts of the file, or those of them that are named, by number or by
// the name that the file gives them. Without a file they are named by their numbers, or
// none is: then it is the caller's own.
func scopeOf(ctx context.Context, c *live.Cloud, file *route.File, named []string) ([]live.ScopeAccount, error) {
	known := map[string]string{}
	if file != nil {
		for name, a := range file.Accounts {
			known[name] = a.ID
		}
	}
	var list []live.ScopeAccount
	for _, n := range named {
		switch id := known[n]; {
		case id != "":
			list = append(list, live.ScopeAccount{ID: id, Name: n})
		case arn.IsAccount(n):
			list = append(list, live.ScopeAccount{ID: n, Name: nameOf(known, n)})
		default:
			return nil, misuse(fmt.Errorf("--account %q is neither an account number nor an account of %s", n, route.FileName)).hinting(fmt.Sprintf("it has %q", slices.Sorted(maps.Keys(known))))
		}
	}
	if len(named) > 0 {
		return once(list), nil
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		list = append(list, live.ScopeAccount{ID: known[name], Name: name})
	}
	if len(list) > 0 {
		return once(list), nil
	}
	own, err := c.Own(ctx)
	if err != nil {
		return nil, cloudFailure(err)
	}
	return []live.ScopeAccount{{ID: own}}, nil
}

func nameOf(known map[string]string, id string) string {
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if known[name] == id {
			return name
		}
	}
	return ""
}

// once leaves out accounts that are named again.
func once(list []live.ScopeAccount) []live.ScopeAccount {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(a live.ScopeAccount) bool {
		again := seen[a.ID]
		seen[a.ID] = true
		return again
	})
}
