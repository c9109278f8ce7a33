package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// Scope says what Collect reads.
type Scope struct {
	Accounts []ScopeAccount
	// Keys, when there are any, are the ARNs of the only keys that are read, with the
	// snapshots under them. Everything else is read all the same.
	Keys []string
	// Concurrency is how many calls are on their way at once; 0 means 8.
	Concurrency int
	// Resume is what an earlier run left, and Record how far that run came: what is
	// done is not read again.
	Resume *estate.Estate
	Record Record
}

// ScopeAccount is an account to read.
type ScopeAccount struct {
	ID, Name string
	// Regions to read; none means those that the account has enabled, or with
	// Scope.Keys those of the keys.
	Regions []string
}

// Progress is one part that was read, or one more key of it.
type Progress struct {
	Account, Region string
	Part            string // iam, organization, kms, snapshots
	// Done of Of keys are read, of part kms; otherwise both are 1.
	Done, Of int
}

// Incomplete is returned with an estate that lacks parts, which another run may get:
// AWS was busy, gave no answer or no longer took the credentials.
type Incomplete struct {
	// Parts are the parts that lack, as account/Region/part, Err is why the first does.
	Parts []string
	Err   error
}

func (e *Incomplete) Error() string {
	return fmt.Sprintf("collecting: %d parts could not be read, the first being %s: %v", len(e.Parts), e.Parts[0], e.Err)
}

func (e *Incomplete) Unwrap() error { return e.Err }

// Collect reads an estate. It writes nothing. What the caller may not read is recorded
// as unreadable, with AWS's words, and collecting goes on. The estate is the same, but
// for its time, however often and in whatever order it is read.
//
// With an *Incomplete, or when the context is cancelled, the estate and the Stats hold
// what was read; give both back in a Scope to go on. Credentials that are missing or
// another account's end it with kind cloud.Credentials before anything is read. report
// is called by one goroutine at a time, and may be nil.
func (c *Cloud) Collect(ctx context.Context, scope Scope, report func(Progress)) (*estate.Estate, Stats, error) {
	k := newCollector(c, scope, report)
	for i := range scope.Accounts {
		if _, err := c.Caller(ctx, scope.Accounts[i].ID); err != nil {
			return k.estate, k.sum(k.began), fmt.Errorf("collecting: %w", err)
		}
	}
	var all sync.WaitGroup
	for i := range scope.Accounts {
		all.Go(func() { k.account(ctx, &scope.Accounts[i]) })
	}
	all.Go(func() { k.organizations(ctx) })
	all.Wait()
	err := k.finish()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err == nil && len(k.failed) > 0 {
		slices.Sort(k.failed)
		err = &Incomplete{Parts: k.failed, Err: k.failure}
	}
	k.stats.Accounts, k.stats.Keys = len(k.estate.Accounts), len(k.estate.Keys)
	return k.estate, k.sum(k.began), err
}

// collector is one run of Collect.
type collector struct {
	*tally
	cloud  *Cloud
	scope  Scope
	pace   *pacer
	began  time.Time
	tell   sync.Mutex // held while report is called
	report func(Progress)

	lock    sync.Mutex // over what follows
	estate  *estate.Estate
	failed  []string
	failure error
}

func newCollector(c *Cloud, scope Scope, report func(Progress)) *collector {
	if scope.Concurrency <= 0 {
		scope.Concurrency = 8
	}
	k := &collector{
		tally: &tally{stats: Stats{Calls: map[string]int{}, Record: Record{Done: slices.Clone(scope.Record.Done), Unread: slices.Clone(scope.Record.Unread)}}, perKey: map[string]int{}},
		cloud: c, scope: scope, pace: newPacer(scope.Concurrency), began: time.Now(), report: report,
		estate: &estate.Estate{FormatVersion: estate.FormatVersion},
	}
	if e := scope.Resume; e != nil {
		k.estate = &estate.Estate{
			FormatVersion: estate.FormatVersion, Organization: e.Organization, Accounts: slices.Clone(e.Accounts), Principals: slices.Clone(e.Principals),
			Keys: slices.Clone(e.Keys), Resources: slices.Clone(e.Resources), Endpoints: slices.Clone(e.Endpoints),
		}
		for i := range k.estate.Accounts {
			a := &k.estate.Accounts[i]
			a.EBSDefaults = maps.Clone(a.EBSDefaults)
		}
	}
	return k
}

// told reports progress.
func (k *collector) told(p Progress) {
	if k.report == nil {
		return
	}
	k.tell.Lock()
	defer k.tell.Unlock()
	k.report(p)
}

// reader makes the calls to one account in one Region.
type reader struct {
	*collector
	account, region string
	cfg             aws.Config
}

// at returns a reader of an account in a Region; none is the Region that calls go to
// when none is named.
func (k *collector) at(ctx context.Context, account, region string) (*reader, error) {
	cfg, err := k.cloud.config(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return &reader{collector: k, account: account, region: region, cfg: k.pace.paced(cfg, account, k.count)}, nil
}

// refused takes the failure of a call. What AWS refused is noted, and its words are
// returned: that is an answer. Whatever may be otherwise next time is an error.
func (r *reader) refused(err error, operation string) (string, error) {
	err = r.cloud.failed(err, operation, r.account, r.region)
	var e *cloud.Error
	if !errors.As(err, &e) {
		return "", err
	}
	switch e.Kind {
	case cloud.Throttled, cloud.Lost, cloud.Expired, cloud.Credentials:
		if !nowhere(err) {
			return "", err
		}
	case cloud.Unavailable:
		if e.Code != "NotImplemented" { // which no later call changes
			return "", err
		}
	}
	r.unread(e)
	return operation + ": " + e.Err.Error(), nil
}

// part reads one part of the estate unless it is there already.
func (k *collector) part(ctx context.Context, account, region, name string, read func(context.Context, *reader) error) {
	part := account + "/" + region + "/" + name
	if ctx.Err() != nil || k.isDone(part) {
		return
	}
	r, err := k.at(ctx, account, region)
	if err == nil {
		err = read(ctx, r)
	}
	if err != nil {
		k.fail(ctx, part, err)
		return
	}
	k.done(part)
	k.told(Progress{Account: account, Region: region, Part: name, Done: 1, Of: 1})
}

// fail notes a part that could not be read. Of one that was interrupted there is
// nothing to say.
func (k *collector) fail(ctx context.Context, part string, err error) {
	if ctx.Err() != nil {
		return
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	if k.failure == nil {
		k.failure = err
	}
	k.failed = append(k.failed, part)
}

// add puts something into the estate.
func (k *collector) add(change func(*estate.Estate)) {
	k.lock.Lock()
	defer k.lock.Unlock()
	change(k.estate)
}

// account reads an account.
func (k *collector) account(ctx context.Context, a *ScopeAccount) {
	k.part(ctx, a.ID, "", "regions", func(ctx context.Context, r *reader) error { return r.readAccount(ctx, a) })
	if !k.isDone(a.ID + "//regions") {
		return
	}
	regions := k.regionsOf(a)
	k.mu.Lock()
	k.stats.Regions += len(regions)
	k.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() {
		k.part(ctx, a.ID, "", "iam", func(ctx context.Context, r *reader) error { return r.readPrincipals(ctx) })
	})
	all.Go(func() {
		k.part(ctx, a.ID, "", "s3", func(ctx context.Context, r *reader) error { return r.readBuckets(ctx, regions) })
	})
	for _, region := range regions {
		all.Go(func() { k.inRegion(ctx, a.ID, region) })
	}
	all.Wait()
}

// inRegion reads what an account has in a Region: the keys first, since which snapshots
// matter is a question of their keys, and the images after the snapshots that they are
// made of.
func (k *collector) inRegion(ctx context.Context, account, region string) {
	k.part(ctx, account, region, "kms", func(ctx context.Context, r *reader) error { return r.readKeys(ctx) })
	parts := map[string]func(*reader, context.Context) error{
		"ebs": (*reader).readEBSDefault, "snapshots": (*reader).readSnapshots, "endpoints": (*reader).readEndpoints,
		"rds": (*reader).readDatabases, "rds-snapshots": (*reader).readDatabaseSnapshots, "drs": (*reader).readRecovery, "backup": (*reader).readVaults,
	}
	var all sync.WaitGroup
	for name, read := range parts {
		all.Go(func() {
			k.part(ctx, account, region, name, func(ctx context.Context, r *reader) error { return read(r, ctx) })
			if name == "snapshots" {
				k.part(ctx, account, region, "images", func(ctx context.Context, r *reader) error { return r.readImages(ctx) })
			}
		})
	}
	all.Wait()
}

// regionsOf are the Regions of an account that are read.
func (k *collector) regionsOf(a *ScopeAccount) []string {
	if len(a.Regions) > 0 {
		return a.Regions
	}
	var regions []string
	for _, key := range k.scope.Keys {
		if of, err := arn.Parse(key); err == nil && of.Account == a.ID && !slices.Contains(regions, of.Region) {
			regions = append(regions, of.Region)
		}
	}
	if len(k.scope.Keys) > 0 {
		return regions
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	for i := range k.estate.Accounts {
		if k.estate.Accounts[i].ID == a.ID {
			regions = slices.Clone(k.estate.Accounts[i].Regions)
		}
	}
	return regions
}

// collectEach does the work on every item, on some at once. It ends with the first
// failure in the order of the items, after having tried all.
func collectEach[T any](ctx context.Context, atOnce int, items []T, work func(context.Context, T) error) error {
	errs := make([]error, len(items))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(atOnce, len(items)) {
		workers.Go(func() {
			for i := range next {
				errs[i] = work(ctx, items[i])
			}
		})
	}
	for i := range items {
		if ctx.Err() != nil {
			errs[i] = ctx.Err()
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
