package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// fakeClock moves when somebody sleeps.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func newClock() *fakeClock { return &fakeClock{now: time.Date(2026, 11, 25, 0, 3, 5, 0, time.UTC)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), c.slept+d
	return ctx.Err()
}

// fault is a way in which a call of the fake fails.
type fault struct {
	kind cloud.Kind
	// after: what was asked for was done nevertheless.
	after bool
	code  string
}

// call is one call of the fake, to hooks.
type call struct {
	n    int // counts from 1
	name string
	op   estate.Op
}

// fakeCloud is AWS in memory: an estate that ops change.
type fakeCloud struct {
	mu     sync.Mutex
	e      *estate.Estate
	n      int
	log    []call
	faults map[int]fault
	// refuse, when set, says how calls fail whatever their number.
	refuse func(call) error
	// before and after are called around what a call does.
	before, after func(call)
	// writes counts the writes that changed something, by slot.
	writes map[estate.Slot]int
	// callers are those of accounts, where it is not the administrator.
	callers map[string]string
	// lag is how many reads after a write still show what was there before.
	lag   int
	stale map[estate.Slot]*staleRead
	file  string // where the estate is kept, when it is
}

type staleRead struct {
	left int
	op   estate.Op
}

func newFake(e *estate.Estate) *fakeCloud {
	return &fakeCloud{e: e, faults: map[int]fault{}, writes: map[estate.Slot]int{}, callers: map[string]string{}, stale: map[estate.Slot]*staleRead{}}
}

// enter counts a call and says how it fails.
func (f *fakeCloud) enter(name string, op estate.Op) (call, *fault, error) {
	f.mu.Lock()
	f.n++
	c := call{f.n, name, op}
	f.log = append(f.log, c)
	var how *fault
	if bad, ok := f.faults[f.n]; ok {
		how = &bad
	}
	f.mu.Unlock()
	if f.before != nil {
		f.before(c)
	}
	if f.refuse != nil {
		return c, how, f.refuse(c)
	}
	return c, how, nil
}

func (b *fault) error(name string) error {
	return &cloud.Error{Kind: b.kind, Operation: name, Code: b.code, Err: errors.New("a fault of the test")}
}

func (f *fakeCloud) Caller(_ context.Context, account string) (string, error) {
	_, bad, err := f.enter("Caller", nil)
	if bad != nil {
		err = bad.error("sts:GetCallerIdentity")
	}
	if err != nil {
		return "", err
	}
	if c, ok := f.callers[account]; ok {
		return c, nil
	}
	return "arn:aws:sts::" + account + ":assumed-role/Admin/keyreach", nil
}

func (f *fakeCloud) Current(_ context.Context, op estate.Op) (estate.Op, error) {
	c, bad, err := f.enter("Current", op)
	if bad != nil {
		err = bad.error("reading")
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.stale[op.Slot()]; s != nil && s.left > 0 {
		s.left--
		return s.op, nil
	}
	have, err := f.current(op)
	if f.after != nil {
		f.after(c)
	}
	return have, err
}

// plannedTag is how the fake finds again a key that it named.
const plannedTag = "keyreach:planned"

func (f *fakeCloud) current(op estate.Op) (estate.Op, error) {
	if key, ok := op.(*estate.NewKey); ok {
		for i := range f.e.Keys {
			if k := &f.e.Keys[i]; k.Tags[plannedTag] == key.ARN && k.State != "PendingDeletion" {
				op = &estate.NewKey{ARN: k.ARN, Primary: key.Primary}
			}
		}
	}
	have, err := f.e.Current(op)
	if errors.Is(err, estate.ErrNoSubject) {
		err = &cloud.Error{Kind: cloud.NotFound, Operation: "reading", Err: err}
	}
	return have, err
}

func (f *fakeCloud) Perform(_ context.Context, op estate.Op) (map[string]string, error) {
	c, bad, err := f.enter("Perform", op)
	if err != nil {
		return nil, err
	}
	if bad != nil && !bad.after {
		return nil, bad.error("writing")
	}
	made, err := f.perform(op)
	if f.after != nil {
		f.after(c)
	}
	if err == nil && bad != nil {
		err = bad.error("writing")
	}
	return made, err
}

func (f *fakeCloud) perform(op estate.Op) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, err := f.current(op)
	if err != nil {
		return nil, err
	}
	slot := op.Slot()
	var made map[string]string
	if key, ok := op.(*estate.NewKey); ok {
		switch {
		case key.Absent:
			made = map[string]string{cloud.MadeDeletion: "2026-12-25T00:00:00Z"}
		case key.Primary == "" && f.e.Key(key.ARN) == nil:
			var named estate.NewKey
			if named, err = f.named(key); err != nil {
				return nil, err
			}
			made, op = map[string]string{key.ARN: named.ARN}, &named
		}
	}
	after, err := f.e.Apply(op)
	if errors.Is(err, estate.ErrNoSubject) {
		return nil, &cloud.Error{Kind: cloud.NotFound, Operation: "writing", Err: err}
	}
	if err != nil {
		return nil, &cloud.Error{Kind: cloud.Invalid, Operation: "writing", Err: err}
	}
	if was.Value() != op.Value() || made != nil {
		f.writes[slot]++
		if f.lag > 0 {
			f.stale[op.Slot()] = &staleRead{f.lag, was}
			f.stale[slot] = f.stale[op.Slot()] // a key is not found by its tags either
		}
	}
	f.e = after
	return made, f.keep()
}

// named is a key with the name that AWS gives it.
func (f *fakeCloud) named(key *estate.NewKey) (estate.NewKey, error) {
	out := *key
	region := key.Slot().Region
	prefix := ""
	if key.MultiRegion {
		prefix = "mrk-"
	}
	out.ARN = fmt.Sprintf("arn:aws:kms:%s:%s:key/%s00000000-0000-4000-8000-%012d", region, key.Slot().Account, prefix, len(f.e.Keys)+1)
	out.Tags = maps.Clone(key.Tags)
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	out.Tags[plannedTag] = key.ARN
	return out, nil
}

// keep writes the estate to its file, as a whole or not at all.
func (f *fakeCloud) keep() error {
	if f.file == "" {
		return nil
	}
	text, err := f.e.AppendJSON(nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(f.file+".new", f.file)
}

// intrude has somebody else write.
func (f *fakeCloud) intrude(t testing.TB, op estate.Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	after, err := f.e.Apply(op)
	if err != nil {
		t.Fatal(err)
	}
	f.e = after
}

func (f *fakeCloud) performed() int {
	n := 0
	for _, c := range f.writes {
		n += c
	}
	return n
}

const (
	oldKey   = "arn:aws:kms:us-east-1:111122223333:key/11111111-1111-4111-8111-111111111111"
	spareKey = "arn:aws:kms:us-east-1:111122223333:key/22222222-2222-4222-8222-222222222222"
	newKey   = "arn:aws:kms:us-east-1:111122223333:key/mrk-planned-1"
	replica  = "arn:aws:kms:us-west-2:111122223333:key/mrk-planned-1"
	appRole  = "arn:aws:iam::444455556666:role/app"
	madeRole = "arn:aws:iam::444455556666:role/made"
)

// keyPolicy is the policy of a key that lets another account do what is named.
func keyPolicy(actions ...string) string {
	text := `{"Sid":"root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`
	for _, action := range actions {
		text += `,{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:` + action + `","Resource":"*"}`
	}
	return `{"Version":"2012-10-17","Statement":[` + text + `]}`
}

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

func trust(service string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
}

// smallEstate is two accounts with a little of everything that ops change.
func smallEstate(t testing.TB) *estate.Estate {
	t.Helper()
	text := `{"format_version":1,
	"accounts":[{"id":"111122223333","ebs_defaults":{"us-east-1":{"encrypt":false}}},{"id":"444455556666","ebs_defaults":{"us-east-1":{"encrypt":false}}}],
	"principals":[{"arn":"` + appRole + `","trust":` + trust("ec2.amazonaws.com") + `,"policies":[{"name":"own","kind":"inline","document":` + allow("s3:GetObject", "*") + `}]}],
	"keys":[
		{"arn":"` + oldKey + `","rotation":"off","aliases":["alias/old"],"policy":` + keyPolicy() + `,
		 "grants":[{"grant_id":"g1","name":"there","grantee_principal":"` + appRole + `","operations":["Decrypt"],"issuing_account":"111122223333"}]},
		{"arn":"` + spareKey + `","rotation":"off","policy":` + keyPolicy() + `}],
	"resources":[
		{"type":"s3:Bucket","id":"data","arn":"arn:aws:s3:::data","account":"111122223333","region":"us-east-1","attributes":{"versioning":"Enabled"}},
		{"type":"ec2:Snapshot","id":"snap-1","account":"111122223333","region":"us-east-1","key":"` + oldKey + `"}]}`
	e, err := estate.Load("small.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// severalOps are ops of many kinds in two accounts, of which later ones need earlier
// ones.
func severalOps() []estate.Op {
	return []estate.Op{
		&estate.NewKey{ARN: newKey, MultiRegion: true, Document: keyPolicy(), Tags: map[string]string{"for": "data"}},
		&estate.NewKey{ARN: replica, Primary: newKey, Document: keyPolicy()},
		&estate.Alias{Name: "alias/data", Account: "111122223333", Region: "us-east-1", Key: newKey},
		&estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")},
		&estate.GrantTo{Key: newKey, Name: "keyreach-1", Issuer: "111122223333", Grantee: appRole, Operations: []string{"Decrypt", "CreateGrant"}},
		&estate.NewRole{ARN: madeRole, Trust: trust("drs.amazonaws.com")},
		&estate.InlinePolicy{Principal: madeRole, Name: "keyreach", Document: allow("kms:Decrypt", newKey)},
		&estate.Rotation{Key: newKey, On: true},
		&estate.EBSEncryption{Account: "444455556666", Region: "us-east-1", Encrypt: true, Key: newKey},
		&estate.NewBucket{Bucket: "copies", Account: "444455556666", Region: "us-east-1"},
		&estate.BucketSetting{Bucket: "copies", Account: "444455556666", Region: "us-east-1", Setting: estate.BucketEncryption, Text: newKey},
		&estate.Share{Type: "ec2:Snapshot", ID: "snap-1", Account: "111122223333", Region: "us-east-1", With: "444455556666"},
	}
}

// planOf is a plan of ops on an estate.
func planOf(t testing.TB, e *estate.Estate, ops ...estate.Op) *plan.Plan {
	t.Helper()
	p := &plan.Plan{FormatVersion: plan.FormatVersion, Kind: "open", Change: "CHG-1", Routes: []string{"nightly"}}
	for _, op := range ops {
		was, err := e.Current(op)
		if err != nil {
			t.Fatal(err)
		}
		if e, err = e.Apply(op); err != nil {
			t.Fatal(err)
		}
		p.Steps = append(p.Steps, plan.Step{Op: op, Was: was, Why: "the test wants it"})
	}
	return p
}

// asText is an estate in a form that is the same for estates that say the same.
func asText(t testing.TB, e *estate.Estate) string {
	t.Helper()
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := estate.Load("copy.json", text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out.Keys {
		k := &out.Keys[i]
		slices.Sort(k.Aliases)
		for n := range k.Grants {
			k.Grants[n].GrantID = "" // of a grant that was made again
			slices.Sort(k.Grants[n].Operations)
		}
		slices.SortFunc(k.Grants, func(a, b estate.Grant) int { return strings.Compare(a.Name, b.Name) })
		if k.State == "Enabled" {
			k.State = ""
		}
		if k.Rotation == "off" {
			k.Rotation = ""
		}
	}
	// What AWS does not take back at once.
	out.Keys = slices.DeleteFunc(out.Keys, func(k estate.Key) bool { return k.State == "PendingDeletion" })
	slices.SortFunc(out.Keys, func(a, b estate.Key) int { return strings.Compare(a.ARN, b.ARN) })
	for i := range out.Principals {
		slices.SortFunc(out.Principals[i].Policies, func(a, b estate.Attached) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(out.Principals, func(a, b estate.Principal) int { return strings.Compare(a.ARN, b.ARN) })
	slices.SortFunc(out.Resources, func(a, b estate.Resource) int { return strings.Compare(a.Type+a.ID, b.Type+b.ID) })
	for i := range out.Resources {
		slices.Sort(out.Resources[i].SharedWith)
	}
	text, err = out.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(text))
}

// testJournal is a journal of its own. That it is safe from a crash of the machine,
// which no test makes, would only cost time.
func testJournal(t testing.TB) *Journal {
	t.Helper()
	j, err := open(filepath.Join(t.TempDir(), "state"), "OFF")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// callStep: of the calls and records, one in so many is tried: all of them, but for the race
// detector, to which one is as good as another.
func callStep() int {
	if testing.Short() {
		return 5
	}
	return 1
}
