package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
)

// judging is where an estate comes from by which failures are judged.
type judging struct {
	liveFlags
	estate string
	live   bool
	dir    string
	file   *route.File // of dir; nil is none
	cloud  *live.Cloud
	loaded *estate.Estate
	read   map[string]*estate.Estate // what was read of AWS, by what was to be read
}

// addJudging adds the flags.
func (j *judging) addJudging(f *pflag.FlagSet) {
	j.add(f)
	f.StringVar(&j.estate, "estate", "", "ask the estate in this `FILE` which cause is true")
	f.BoolVar(&j.live, "live", false, "ask AWS as it is now: the accounts of the caller and of the key are read")
	f.StringVar(&j.dir, "dir", ".", "the `DIR|FILE` of keyreach.yaml, which says how to get into the accounts")
}

// asks reports whether there is an estate to ask.
func (j *judging) asks() bool { return j.live || j.estate != "" }

// prepare reads what is at hand before anything is called.
func (j *judging) prepare() error {
	if j.live && j.estate != "" {
		return misuse(errors.New("--live and --estate exclude each other")).hinting("--live reads AWS as it is now, --estate a file")
	}
	var err error
	if j.file, _, err = routesBeside(j.dir); err != nil {
		return err
	}
	j.cloud = j.liveFlags.open(j.file, nil)
	if j.estate == "" {
		return nil
	}
	if j.loaded, err = estate.LoadFile(j.estate); err != nil {
		return unreadable(err).hinting(hintFor(err, estateOrLive))
	}
	return nil
}

// of is the estate for an incident: the file's, or what AWS has now in the accounts of
// the caller and of the key. An account into which there is no way is left out, and said.
func (j *judging) of(ctx context.Context, s *streams, in *diagnose.Incident) (*estate.Estate, error) {
	if !j.live {
		return j.loaded, nil
	}
	var scope live.Scope
	key, err := arn.Parse(in.Key)
	if err == nil && key.IsKMSKey() {
		scope.Keys = []string{in.Key}
	}
	var refused error
	for _, id := range accountsOfIncident(in) {
		if _, err := j.cloud.Caller(ctx, id); err != nil {
			if errors.Is(err, context.Canceled) {
				return nil, err
			}
			refused = err
			fmt.Fprintf(s.err, "keyreach: account %s is not read: %v\n", id, err)
			continue
		}
		scope.Accounts = append(scope.Accounts, live.ScopeAccount{ID: id, Name: namesIn(j.file)[id], Regions: regionsOfIncident(in, &key)})
	}
	switch {
	case len(scope.Accounts) > 0:
		return j.collect(ctx, s, scope)
	case refused != nil:
		return nil, refused
	}
	return nil, errors.New("the text does not tell whose account it is")
}

// collect reads AWS, once for what several failures are about.
func (j *judging) collect(ctx context.Context, s *streams, scope live.Scope) (*estate.Estate, error) {
	what := fmt.Sprint(scope.Accounts, scope.Keys)
	if e := j.read[what]; e != nil {
		return e, nil
	}
	e, err := collectScope(ctx, s, j.cloud, scope)
	if err != nil {
		return nil, err
	}
	if j.read == nil {
		j.read = map[string]*estate.Estate{}
	}
	j.read[what] = e
	return e, nil
}

// accountsOfIncident are those of the caller and of the key.
func accountsOfIncident(in *diagnose.Incident) []string {
	list := []string{in.Account, in.KeyAccount}
	for _, text := range []string{in.Principal, in.Key} {
		if a, err := arn.Parse(text); err == nil {
			list = append(list, a.Account)
		}
	}
	list = slices.DeleteFunc(list, func(id string) bool { return !arn.IsAccount(id) })
	slices.Sort(list)
	return slices.Compact(list)
}

// regionsOfIncident are the Regions that are read; none is all.
func regionsOfIncident(in *diagnose.Incident, key *arn.ARN) []string {
	region := in.Region
	if key.Region != "" {
		region = key.Region
	}
	return nonEmpty(region)
}

// decode has AWS open the encoded part of a refusal, and fills in what it says. That it
// is refused is said, and ends nothing.
func (j *judging) decode(ctx context.Context, s *streams, in *diagnose.Incident) (*cloud.Decoded, error) {
	if !j.live || in.Encoded == "" {
		return nil, nil
	}
	account := in.Account
	if !arn.IsAccount(account) {
		own, err := j.cloud.Own(ctx)
		if err != nil {
			return nil, cloudFailure(err)
		}
		account = own
	}
	d, err := j.cloud.Decode(ctx, account, in.Encoded)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		fmt.Fprintf(s.err, "keyreach: the encoded message was not decoded: %v\n", err)
		return nil, nil
	}
	diagnose.Tell(in, &d)
	in.Encoded = "" // it is told decoded
	return &d, nil
}
