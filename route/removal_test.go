package route_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// right is one permission: a principal may make one KMS call on one key.
type right struct{ caller, action, key string }

// routeOf makes a route of a kind in which everybody takes part.
func routeOf(k route.Kind) *route.Route {
	r := &route.Route{Name: k.Name, Kind: k, Parties: map[string][]route.Party{}}
	keys := 0
	newKey := func(region, account string) string {
		keys++
		return fmt.Sprintf("arn:aws:kms:%s:%s:key/%08d-12ab-34cd-56ef-1234567890ab", region, account, keys)
	}
	copies := slices.ContainsFunc(k.Parties, func(p route.PartyKind) bool { return p.Many && p.Source })
	for i, p := range k.Parties {
		account := fmt.Sprintf("%012d", 111111111111*(i+1))
		regions, as := []string{"us-east-1"}, []string{""}
		if p.Many && p.Source {
			account, regions = r.Parties[k.Parties[0].Name][0].Account, []string{"us-west-2"}
		}
		if p.Actor == "consumer" {
			as, regions = []string{"role"}, []string{"us-east-1", "us-east-1"}
			if copies {
				regions[1] = "us-west-2"
			}
		}
		for j, region := range regions {
			party := route.Party{Account: account, Name: fmt.Sprint(p.Name, j), Region: region, As: as[min(j, len(as)-1)]}
			if p.Key != "" {
				party.Key = newKey(region, account)
			}
			if p.Actor != "" {
				party.Actor.Principal = "arn:aws:iam::" + account + ":role/" + p.Name
			}
			r.Parties[p.Name] = append(r.Parties[p.Name], party)
		}
	}
	return r
}

// grantedEstate is the estate in which the rights are given and the
// preconditions of the proof hold.
func grantedEstate(t testing.TB, p *route.Proof, rights []right) *estate.Estate {
	t.Helper()
	keys, principals, resources := map[string]map[string]any{}, map[string][]any{}, map[string]map[string]any{}
	for _, s := range p.Steps {
		for _, q := range s.Requests {
			keys[q.Key] = map[string]any{"arn": q.Key}
			principals[q.Caller] = nil
		}
		for _, c := range s.Preconditions {
			satisfy(c, principals, resources)
		}
	}
	statements := map[string][]any{}
	for _, r := range rights {
		principals[r.caller] = append(principals[r.caller], map[string]any{"Effect": "Allow", "Action": r.action, "Resource": r.key})
		statements[r.key] = append(statements[r.key], map[string]any{
			"Effect": "Allow", "Principal": map[string]any{"AWS": r.caller}, "Action": r.action, "Resource": "*",
		})
	}
	var file struct {
		FormatVersion int   `json:"format_version"`
		Organization  any   `json:"organization"`
		Accounts      []any `json:"accounts"`
		Principals    []any `json:"principals"`
		Keys          []any `json:"keys"`
		Resources     []any `json:"resources"`
	}
	file.FormatVersion, file.Accounts, file.Principals, file.Keys, file.Resources = 1, []any{}, []any{}, []any{}, []any{}
	members := map[string]bool{}
	for _, s := range p.Steps {
		members[s.Account] = true
		for _, q := range s.Requests {
			key, _ := arn.Parse(q.Key)
			members[key.Account] = true
		}
	}
	var placed []any
	for id := range members {
		placed = append(placed, map[string]any{"id": id, "scps": []string{"FullAWSAccess"}})
	}
	file.Organization = map[string]any{"id": "o-abc1234567", "root": map[string]any{"id": "r-ab12", "scps": []string{"FullAWSAccess"}, "accounts": placed}}
	document := func(statements []any) any {
		return map[string]any{"Version": "2012-10-17", "Statement": append([]any{}, statements...)}
	}
	for name, ss := range principals {
		p := map[string]any{"arn": name}
		a, _ := arn.ParsePrincipal(name)
		if role, linked := awsfacts.ServiceLinkedRoleFor(a.Name); !linked || role.KMSUse {
			p["policies"] = []any{map[string]any{"name": "rights", "document": document(ss)}}
		}
		file.Principals = append(file.Principals, p)
	}
	for name, k := range keys {
		k["policy"] = document(statements[name])
		file.Keys = append(file.Keys, k)
	}
	for _, r := range resources {
		file.Resources = append(file.Resources, r)
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.Load("made.json", data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// satisfy puts into the estate what a precondition asks for.
func satisfy(c route.Precondition, principals map[string][]any, resources map[string]map[string]any) {
	name := c.Args["type"] + c.Args["account"] + c.Args["region"]
	resource := func() map[string]any {
		if resources[name] == nil {
			resources[name] = map[string]any{"type": c.Args["type"], "account": c.Args["account"], "region": c.Args["region"], "attributes": map[string]any{}}
		}
		return resources[name]
	}
	switch c.Check {
	case "attribute":
		resource()["attributes"].(map[string]any)[c.Args["attribute"]] = c.Args["value"]
	case "resource-key":
		resource()["key"] = c.Args["key"]
	case "principal":
		if _, ok := principals[c.Args["principal"]]; !ok {
			principals[c.Args["principal"]] = nil
		}
	}
}

func mustProve(t testing.TB, r *route.Route, e *estate.Estate) *route.Proof {
	t.Helper()
	p, err := route.Prove(r, e, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// Of every kind, every right of every use is taken away alone. Exactly the
// steps that make that use are then blocked when AWS requires it, fragile when
// AWS asks for it, and all others stay proven.
func TestRemovingOneRightBlocksExactlyItsSteps(t *testing.T) {
	t.Parallel()
	empty, err := estate.Load("empty.json", []byte(`{"format_version":1,"accounts":[],"principals":[],"keys":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	required, asked := 0, 0
	for _, k := range append(route.Kinds(), recipe(t)) {
		r := routeOf(k)
		asks := mustProve(t, r, empty)
		var rights []right
		for _, s := range asks.Steps {
			for _, q := range s.Requests {
				if x := (right{q.Caller, q.Use.Action, q.Key}); !slices.Contains(rights, x) {
					rights = append(rights, x)
				}
			}
		}
		if p := mustProve(t, r, grantedEstate(t, asks, rights)); p.Verdict != route.Proven {
			t.Errorf("%s: with every right it is %v: %s", k.Name, p.Verdict, unproven(p))
			continue
		}
		for i, gone := range rights {
			p := mustProve(t, r, grantedEstate(t, asks, slices.Delete(slices.Clone(rights), i, i+1)))
			for j := range p.Steps {
				s := &p.Steps[j]
				want := expectedWithout(&asks.Steps[j], gone)
				if s.Verdict != want {
					t.Errorf("%s without %+v: step %s %s is %v, want %v", k.Name, gone, s.Name, s.For, s.Verdict, want)
				}
				switch want {
				case route.Blocked:
					required++
					namesReason(t, s, gone)
				case route.Fragile:
					asked++
				}
			}
		}
	}
	t.Logf("%d required and %d asked rights taken away", required, asked)
	if required < 20 || asked < 10 {
		t.Errorf("only %d required and %d asked rights were tried", required, asked)
	}
}

// unproven lists what of a proof is not proven.
func unproven(p *route.Proof) string {
	var b strings.Builder
	for _, s := range p.Steps {
		for _, c := range s.Preconditions {
			if c.Verdict != route.Proven {
				fmt.Fprintf(&b, "\n%s %s: %v, %s", s.Name, s.For, c.Text, c.Found)
			}
		}
		for _, q := range s.Requests {
			if q.Verdict != route.Proven {
				fmt.Fprintf(&b, "\n%s %s: %s %s on %s: %+v %+v", s.Name, s.For, q.Caller, q.Use.Action, q.Key, q.Decision.Blockers, q.Decision.Unknown)
			}
		}
	}
	return b.String()
}

// recipe is the kind that CONTRIBUTING.md shows how to add.
func recipe(t testing.TB) route.Kind {
	t.Helper()
	page, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	k, err := route.ReadKind("CONTRIBUTING.md", []byte(text))
	if !ok || err != nil || k.Name != "parcel" {
		t.Fatalf("CONTRIBUTING.md shows no kind: %v", err)
	}
	return k
}

func expectedWithout(s *route.StepProof, gone right) route.Verdict {
	want := route.Proven
	for _, q := range s.Requests {
		if (right{q.Caller, q.Use.Action, q.Key}) != gone {
			continue
		}
		if q.Use.Need == usage.Required {
			return route.Blocked
		}
		want = route.Fragile
	}
	return want
}

// namesReason asks that the blocked request is the one without its right, and
// that a blocker says so.
func namesReason(t *testing.T, s *route.StepProof, gone right) {
	t.Helper()
	for _, q := range s.Requests {
		is := (right{q.Caller, q.Use.Action, q.Key}) == gone
		if q.Verdict == route.Blocked && !is || is && q.Use.Need == usage.Required && (q.Verdict != route.Blocked || len(q.Decision.Blockers) == 0) {
			t.Errorf("step %s without %+v: %s on %s is %v with %+v", s.Name, gone, q.Use.Action, q.Key, q.Verdict, q.Decision.Blockers)
		}
	}
}
