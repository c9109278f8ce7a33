package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// roots reaches the accounts of a sandbox as their root users.
func roots(s *sandboxtest.Server, change func(*live.Options)) *live.Cloud {
	o := live.Options{Endpoint: s.URL, Region: "us-east-1", SignIn: func(_ context.Context, account string) (live.Keys, error) {
		return live.Keys{AccessKeyID: account, SecretAccessKey: "any"}, nil
	}}
	if change != nil {
		change(&o)
	}
	return live.Open(o)
}

// everything is the scope of all accounts that an estate speaks of, in the Regions that
// it has anything in.
func everything(e *estate.Estate) live.Scope {
	regions := map[string][]string{}
	note := func(account, region string) {
		if region == "" {
			region = "us-east-1"
		}
		if account != "" && !slices.Contains(regions[account], region) {
			regions[account] = append(regions[account], region)
		}
	}
	for i := range e.Accounts {
		note(e.Accounts[i].ID, "")
		for region := range e.Accounts[i].EBSDefaults {
			note(e.Accounts[i].ID, region)
		}
	}
	for i := range e.Principals {
		if p, err := arn.ParsePrincipal(e.Principals[i].ARN); err == nil {
			note(p.Account, "")
		}
	}
	for i := range e.Keys {
		if a, err := arn.Parse(e.Keys[i].ARN); err == nil {
			note(a.Account, a.Region)
		}
	}
	for i := range e.Resources {
		note(e.Resources[i].Account, e.Resources[i].Region)
	}
	if e.Organization != nil {
		note(e.Organization.ManagementAccount, "")
	}
	var s live.Scope
	for _, id := range slices.Sorted(maps.Keys(regions)) {
		a := live.ScopeAccount{ID: id, Regions: regions[id]}
		if known := e.Account(id); known != nil {
			a.Name = known.Name
		}
		s.Accounts = append(s.Accounts, a)
	}
	return s
}

func collect(t *testing.T, c *live.Cloud, s live.Scope) (*estate.Estate, live.Stats) {
	t.Helper()
	e, stats, err := c.Collect(t.Context(), s, nil)
	if err != nil {
		t.Fatalf("collecting: %v", err)
	}
	return e, stats
}

// plain is an estate as a tree that can be compared, without what cannot be the same.
func plain(t *testing.T, e *estate.Estate, strip func(tree map[string]any)) map[string]any {
	t.Helper()
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	strip(tree)
	return tree
}

func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../examples/*/estate.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	return files
}

// readers lets an account read a key. The key policies of the examples let nobody.
const readers = `{"Sid": "Readers", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:root"}, "Resource": "*",
	"Action": ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags", "kms:GetKeyRotationStatus"]}`

// sandboxOf is a sandbox of an estate in which whoever has to read may: keys let their
// accounts, and the management account is in its organization.
func sandboxOf(t *testing.T, file string) (*sandboxtest.Server, *estate.Estate) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	for _, k := range tree["keys"].([]any) {
		key, err := arn.Parse(k.(map[string]any)["arn"].(string))
		if err != nil {
			t.Fatal(err)
		}
		var reading any
		if err := json.Unmarshal(fmt.Appendf(nil, readers, key.Account), &reading); err != nil {
			t.Fatal(err)
		}
		if p, ok := k.(map[string]any)["policy"].(map[string]any); ok {
			statements, many := p["Statement"].([]any)
			if !many {
				statements = []any{p["Statement"]}
			}
			p["Statement"] = append(statements, reading)
		}
	}
	if o, ok := tree["organization"].(map[string]any); ok {
		id := o["management_account"]
		root := o["root"].(map[string]any)
		root["accounts"] = append(root["accounts"].([]any), map[string]any{"id": id, "scps": []any{"FullAWSAccess"}})
		tree["accounts"] = append(tree["accounts"].([]any), map[string]any{"id": id})
	}
	text, err = json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.Load(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return sandboxtest.Start(t, sandbox.Options{Estate: e}), e
}

func TestWhatIsCollectedIsWhatTheSandboxHolds(t *testing.T) {
	t.Parallel()
	for _, file := range examples(t) {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			s, _ := sandboxOf(t, file)
			want, err := s.Estate()
			if err != nil {
				t.Fatal(err)
			}
			got, _ := collect(t, roots(s, nil), everything(want))
			if d := cmp.Diff(plain(t, want, incomparable), plain(t, got, incomparable)); d != "" {
				t.Errorf("what was collected (+) is not what there is (-):\n%s", d)
			}
		})
	}
}

// incomparable takes away what the sandbox knows and collecting cannot, and the other
// way round.
func incomparable(tree map[string]any) {
	delete(tree, "collected_at") // the time
	for _, a := range tree["accounts"].([]any) {
		// An estate that was made by hand need not know the Regions, and does not list
		// the defaults that are AWS's own.
		delete(a.(map[string]any), "regions")
		defaults, _ := a.(map[string]any)["ebs_defaults"].(map[string]any)
		maps.DeleteFunc(defaults, func(_ string, d any) bool {
			return d.(map[string]any)["encrypt"] == false && d.(map[string]any)["key"] == nil
		})
		if len(defaults) == 0 {
			delete(a.(map[string]any), "ebs_defaults")
		}
	}
	for _, p := range tree["principals"].([]any) {
		delete(p.(map[string]any), "not_attached") // AWS does not hold it
		if trust, ok := p.(map[string]any)["trust"].(map[string]any); ok && len(trust["Statement"].([]any)) == 0 {
			delete(p.(map[string]any), "trust") // the sandbox shows one for a role of which the estate says none
		}
		policies, _ := p.(map[string]any)["policies"].([]any)
		slices.SortFunc(policies, byJSON)
	}
	keys := tree["keys"].([]any)
	for _, k := range keys {
		delete(k.(map[string]any), "rotation")      // the sandbox does not tell it in its estate
		delete(k.(map[string]any), "principal_ids") // AWS shows no ids of principals that are there
		grants, _ := k.(map[string]any)["grants"].([]any)
		for _, g := range grants {
			delete(g.(map[string]any), "token")                // ListGrants has none
			delete(g.(map[string]any), "grantee_principal_id") // nor this
			delete(g.(map[string]any), "created_at")           // to the second on the wire
			if p, err := arn.ParsePrincipal(g.(map[string]any)["issuing_account"].(string)); err == nil {
				g.(map[string]any)["issuing_account"] = p.Account // ListGrants writes it as an ARN
			}
			operations := g.(map[string]any)["operations"].([]any)
			slices.SortFunc(operations, byJSON)
		}
	}
	resources, _ := tree["resources"].([]any)
	for _, r := range resources {
		attributes, _ := r.(map[string]any)["attributes"].(map[string]any)
		delete(attributes, "SSEAlgorithm") // a word of the example's own
		if at, ok := attributes["stagingArea.stagingSourceServerArn"].(string); ok && strings.HasSuffix(at, "::source-server/") {
			delete(attributes, "stagingArea.stagingSourceServerArn") // of a server of which the example does not say where it is staged
		}
	}
	tree["resources"] = slices.DeleteFunc(append([]any{}, resources...), func(r any) bool {
		return r.(map[string]any)["id"] == "Default" // a vault under a key of AWS's, which the sandbox does not tell
	})
	for _, list := range []string{"accounts", "principals", "keys", "resources"} {
		all, _ := tree[list].([]any)
		slices.SortFunc(all, byJSON)
	}
}

func byJSON(a, b any) int {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return strings.Compare(string(x), string(y))
}

func TestCheckSaysTheSameOfWhatWasCollected(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, file := range examples(t) {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			s, e := sandboxOf(t, file)
			got, _ := collect(t, roots(s, nil), everything(e))
			f, err := route.LoadFile(filepath.Join(filepath.Dir(file), route.FileName))
			if err != nil {
				t.Fatal(err)
			}
			for i := range f.Routes {
				want, err := route.Prove(&f.Routes[i], e, at)
				if err != nil {
					t.Fatal(err)
				}
				have, err := route.Prove(&f.Routes[i], got, at)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(verdicts(&want), verdicts(&have)); d != "" {
					t.Errorf("route %s on the estate (-) and on what was collected (+):\n%s", f.Routes[i].Name, d)
				}
			}
		})
	}
}

func verdicts(p *route.Proof) []string {
	list := []string{p.Route + " " + p.Verdict.String()}
	for i := range p.Steps {
		s := &p.Steps[i]
		list = append(list, s.Name+" "+s.For+" "+s.Verdict.String())
		for j := range s.Preconditions {
			list = append(list, "  needs: "+s.Preconditions[j].Text+" "+s.Preconditions[j].Verdict.String())
		}
		for j := range s.Requests {
			q := &s.Requests[j]
			list = append(list, "  "+q.Use.Action+" "+q.Caller+" "+q.Key+" "+q.Verdict.String())
		}
	}
	return list
}
