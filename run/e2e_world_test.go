package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/run"
	"github.com/keyreach/keyreach/sandbox"
	record "github.com/keyreach/keyreach/sandbox/cloudtrail"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// Where the tests of whole estates are.
const (
	home = "us-east-1"
	away = "us-west-2"
)

// twin is an AWS that holds an estate, with a Cloud that reaches it and a journal.
type twin struct {
	testing.TB
	*sandboxtest.Server
	faults  *sandboxtest.Faults
	cloud   *live.Cloud
	journal *run.Journal
	// writers are those who write in an account, by its number, where that is not its root.
	writers map[string]string
}

func newTwin(t testing.TB, e *estate.Estate) *twin {
	t.Helper()
	w := &twin{TB: t}
	e, w.writers = staged(t, e)
	w.Server, w.faults = sandboxtest.StartFaulty(t, sandbox.Options{Estate: e})
	w.cloud = w.open()
	j, err := run.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	w.journal = j
	return w
}

// open is a Cloud with credentials of its own, as of another process. It calls once: how
// often a call is made is for the run to say.
func (w *twin) open() *live.Cloud {
	return live.Open(live.Options{Endpoint: w.URL, Region: home, SignIn: w.signIn, SessionName: "e2e", MaxAttempts: 1, HTTP: w.Client()})
}

// signIn gives credentials of an actor, and of who writes in an account.
func (w *twin) signIn(_ context.Context, principal string) (live.Keys, error) {
	if len(principal) == 12 {
		principal = w.writer(principal)
	}
	c, err := w.SignIn(principal, 12*time.Hour)
	return live.Keys{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expires: c.Expires}, err
}

func (w *twin) writer(account string) string {
	if p := w.writers[account]; p != "" {
		return p
	}
	return rootOf(account)
}

func rootOf(account string) string { return "arn:aws:iam::" + account + ":root" }

// staged is an estate as a twin of it can be worked with, and who writes in the accounts in
// place of their roots. Control policies that nobody could read would leave every call
// undecided, so there are none; and who writes may do anything in its account but where a
// key or a control policy says no.
func staged(t testing.TB, e *estate.Estate) (*estate.Estate, map[string]string) {
	t.Helper()
	s := *e
	if o := s.Organization; o != nil && o.Unreadable != "" {
		s.Organization = nil
	}
	if err := s.Index(); err != nil {
		t.Fatal(err)
	}
	return writing(t, &s)
}

// writing chooses, for each account with keys of which its root may not write all policies,
// who may write the most of them.
func writing(t testing.TB, e *estate.Estate) (*estate.Estate, map[string]string) {
	t.Helper()
	writers := map[string]string{}
	for account, keys := range keysByAccount(e) {
		most := puts(e, rootOf(account), keys)
		best := e
		for _, p := range holdersIn(e, account) {
			if most == len(keys) {
				break
			}
			with, err := e.Apply(&estate.InlinePolicy{Principal: p, Name: "Writes", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`})
			if err != nil {
				t.Fatal(err)
			}
			if n := puts(with, p, keys); n > most {
				most, best, writers[account] = n, with, p
			}
		}
		e = best
	}
	return e, writers
}

func keysByAccount(e *estate.Estate) map[string][]string {
	keys := map[string][]string{}
	for i := range e.Keys {
		if a, err := arn.Parse(e.Keys[i].ARN); err == nil && e.Keys[i].Manager != "AWS" {
			keys[a.Account] = append(keys[a.Account], a.String())
		}
	}
	return keys
}

// puts is of how many keys somebody may write the policy.
func puts(e *estate.Estate, principal string, keys []string) int {
	n := 0
	for _, key := range keys {
		if mayPut(e, principal, key) {
			n++
		}
	}
	return n
}

// holdersIn are the users and roles of an account that a person can be.
func holdersIn(e *estate.Estate, account string) []string {
	var list []string
	for i := range e.Principals {
		p, err := arn.ParsePrincipal(e.Principals[i].ARN)
		if err == nil && e.Principals[i].Unreadable == "" && p.Account == account && !p.IsServiceLinked() && (p.Kind == arn.Role || p.Kind == arn.User) {
			list = append(list, p.Text)
		}
	}
	slices.Sort(list)
	return list
}

func mayPut(e *estate.Estate, principal, key string) bool {
	r, err := estate.NewRequest(principal, "kms:PutKeyPolicy", key)
	if err != nil {
		return false
	}
	r.At = time.Now()
	c := e.Bind(r)
	return access.Decide(&c) == access.Allow
}

// twinClock is the clock of a twin: waiting moves it on.
type twinClock struct{ box *sandbox.Sandbox }

func (c twinClock) Now() time.Time { return c.box.Now() }

func (c twinClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.box.Advance(d)
}

func (w *twin) options() run.Options { return run.Options{Clock: twinClock{w.Sandbox}} }

// estate is what the twin holds.
func (w *twin) estate() *estate.Estate {
	w.Helper()
	e, err := w.Estate()
	if err != nil {
		w.Fatal(err)
	}
	return e
}

// facts are what an estate says that ops can change, each in a form that is the same for
// things that say the same. What AWS gives names to by itself, such as grants, is without
// these names.
func facts(e *estate.Estate) map[string]string {
	all := map[string]string{}
	for i := range e.Keys {
		keyFacts(all, &e.Keys[i])
	}
	for i := range e.Principals {
		p := &e.Principals[i]
		all["principal "+p.ARN] = strings.Join([]string{hashOf(p.Trust), hashOf(p.Boundary), p.Unreadable}, " ")
		for j := range p.Policies {
			a := &p.Policies[j]
			all[fmt.Sprintf("policy %s %s of %s", a.Kind, a.Name, p.ARN)] = a.ARN + " " + hashOf(a.Document)
		}
	}
	for i := range e.Accounts {
		for region, d := range e.Accounts[i].EBSDefaults {
			if d != (estate.EBSDefault{}) {
				all["default of "+e.Accounts[i].ID+" in "+region] = fmt.Sprint(d)
			}
		}
	}
	for i := range e.Resources {
		r := e.Resources[i]
		r.Attributes = nil
		all[fmt.Sprintf("resource %s %s of %s in %s", r.Type, r.ID, r.Account, r.Region)] = asJSON(r)
		for name, value := range e.Resources[i].Attributes {
			all[fmt.Sprintf("%s of resource %s %s of %s in %s", name, r.Type, r.ID, r.Account, r.Region)] = estate.CanonicalPolicy(value)
		}
	}
	return all
}

func keyFacts(all map[string]string, k *estate.Key) {
	all["key "+k.ARN] = strings.Join([]string{k.State, k.Rotation, fmt.Sprint(slices.Sorted(slices.Values(k.Aliases))), fmt.Sprint(k.Tags), k.PrimaryKey}, " ")
	all["policy of "+k.ARN] = hashOf(k.Policy)
	for i := range k.Grants {
		g := &k.Grants[i]
		ops := slices.Sorted(slices.Values(g.Operations))
		grantee := g.GranteePrincipal + g.GranteeServicePrincipal
		all[fmt.Sprintf("grant %s on %s to %s", g.Name, k.ARN, grantee)] = asJSON([]any{ops, g.Constraints, g.IssuingAccount, g.RetiringPrincipal})
	}
}

// differences are the facts that are not the same before and after, one a line.
func differences(before, after map[string]string) string {
	var b strings.Builder
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case !has:
			fmt.Fprintf(&b, "- %s: %s\n", name, was)
		case !had:
			fmt.Fprintf(&b, "+ %s: %s\n", name, is)
		case was != is:
			fmt.Fprintf(&b, "~ %s: %s, now %s\n", name, was, is)
		}
	}
	return b.String()
}

func hashOf(d *estate.Document) string {
	switch {
	case d == nil:
		return ""
	case d.Source == nil:
		return d.Unreadable
	}
	return d.Source.Hash()
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is texts
	}
	return string(text)
}

// pendingDeletion are the keys that AWS keeps only until it deletes them.
func pendingDeletion(e *estate.Estate) []string {
	var list []string
	for i := range e.Keys {
		if strings.HasPrefix(e.Keys[i].State, "Pending") && strings.HasSuffix(e.Keys[i].State, "Deletion") {
			list = append(list, e.Keys[i].ARN)
		}
	}
	return list
}

// effects are the calls that wrote something in the accounts, the first first.
func (w *twin) effects(accounts ...string) []record.Record {
	w.Helper()
	w.faults.Clear()
	var list []record.Record
	for _, account := range accounts {
		for _, region := range []string{home, away} {
			c := cloudtrail.NewFromConfig(w.Root(account, region))
			pages := cloudtrail.NewLookupEventsPaginator(c, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(50)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(w.Context())
				if err != nil {
					w.Fatal(err)
				}
				for _, e := range page.Events {
					var r record.Record
					if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &r); err != nil {
						w.Fatal(err)
					}
					if !r.ReadOnly && r.ErrorCode == "" {
						list = append(list, r)
					}
				}
			}
		}
	}
	slices.Reverse(list)
	return list
}
