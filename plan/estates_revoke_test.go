package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// TestWhatOneRouteNeedsIsTakenAwayAndNothingElse opens the two routes of invented worlds,
// then revokes one after the other.
func TestWhatOneRouteNeedsIsTakenAwayAndNothingElse(t *testing.T) {
	t.Parallel()
	var revoked, shared atomic.Int64
	t.Run("worlds", func(t *testing.T) {
		for seed := range seeds() {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				w := worldOf(t, seed)
				if w.err != nil || len(w.routes) < 2 || w.plan.Empty() || w.o.Partial {
					return // a partial plan writes rights that open nothing by themselves
				}
				revoked.Add(1)
				first := w.revoke(t, w.after, w.routes, w.routes[0].Name)
				if first == nil {
					return
				}
				keepsWhatItHas(t, w.routes[1:], w.after, first)
				if managedLeft(t, w.plan, first) != "" {
					shared.Add(1)
				}
				missesEveryStatement(t, w.plan, w.routes[1:], first)
				if second := w.revoke(t, first, w.routes[1:], w.routes[1].Name); second != nil {
					if left := managedLeft(t, w.plan, second); left != "" {
						t.Errorf("both routes are revoked, and the estate has still %s", left)
					}
				}
			})
		}
	})
	t.Logf("%d worlds with two opened routes; in %d the second keeps something", revoked.Load(), shared.Load())
	if revoked.Load() < int64(seeds()/12) || shared.Load() < int64(seeds()/20) {
		t.Errorf("too few worlds: %d, and %d in which the routes share something", revoked.Load(), shared.Load())
	}
}

func (w *inventedWorld) revoke(t *testing.T, e *estate.Estate, routes []route.Route, name string) *estate.Estate {
	t.Helper()
	p, err := plan.Revoke(name, routes, e, w.o)
	if err != nil {
		t.Errorf("revoking %s: %v", name, err)
		return nil
	}
	return performed(t, p, e)
}

// keepsWhatItHas holds routes to coming out as before.
func keepsWhatItHas(t *testing.T, routes []route.Route, before, after *estate.Estate) {
	t.Helper()
	then, now := verdicts(t, routes, before), verdicts(t, routes, after)
	for name, verdict := range then {
		if now[name] > verdict {
			t.Errorf("%s was %d, and is %d with the other route revoked", name, verdict, now[name])
		}
	}
}

// managed are the statements and grants of Keyreach's in what the plan wrote, each with
// the op that takes it away.
func managed(t *testing.T, p *plan.Plan, e *estate.Estate) map[string]estate.Op {
	t.Helper()
	list := map[string]estate.Op{}
	for i := range p.Steps {
		was, err := e.Current(p.Steps[i].Op)
		if err != nil {
			t.Fatal(err)
		}
		switch o := was.(type) {
		case *estate.GrantTo:
			if !o.Absent {
				list["grant "+o.Name] = &estate.GrantTo{Key: o.Key, Name: o.Name, Issuer: o.Issuer, Absent: true}
			}
		case *estate.KeyPolicy:
			for _, sid := range managedSids(t, o.Document) {
				if ofSession(t, o.Document, sid) {
					continue // it is written beside the one of its role, which covers it
				}
				list[sid+" of "+o.Key] = &estate.KeyPolicy{Key: o.Key, Document: withoutSid(t, o.Document, sid)}
			}
		case *estate.InlinePolicy:
			for _, sid := range managedSids(t, o.Document) {
				list[sid+" of "+o.Principal] = &estate.InlinePolicy{Principal: o.Principal, Name: o.Name, Document: withoutSid(t, o.Document, sid)}
			}
		case *estate.VaultPolicy:
			for _, sid := range managedSids(t, o.Document) {
				v := *o
				v.Document = withoutSid(t, o.Document, sid)
				list[sid+" of "+o.Vault] = &v
			}
		}
	}
	return list
}

func managedLeft(t *testing.T, p *plan.Plan, e *estate.Estate) string {
	t.Helper()
	for name := range managed(t, p, e) {
		return name
	}
	return ""
}

// missesEveryStatement takes away one managed thing after another: the routes that are
// left have to need each.
func missesEveryStatement(t *testing.T, p *plan.Plan, routes []route.Route, e *estate.Estate) {
	t.Helper()
	all := verdicts(t, routes, e)
	things := managed(t, p, e)
	for name, op := range things {
		if strings.Contains(name, "KeyreachIssue") && issues(things) {
			continue // the estate has the grant without it, AWS would not
		}
		without, err := e.Apply(op)
		if err != nil {
			t.Fatal(err)
		}
		if !missed(all, verdicts(t, routes, without)) {
			t.Errorf("%s stays, and no route needs it", name)
		}
	}
}

func issues(things map[string]estate.Op) bool {
	for name := range things {
		if strings.HasPrefix(name, "grant ") {
			return true
		}
	}
	return false
}

// statementsIn are the statements of a policy.
func statementsIn(t *testing.T, text string) (root *source.Node, list []source.Node) {
	t.Helper()
	if text == "" {
		return nil, nil
	}
	root, _, err := source.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if s := root.Field("Statement"); s.Kind == source.List {
		return root, s.Items
	}
	return root, []source.Node{*root.Field("Statement")}
}

func managedSids(t *testing.T, text string) []string {
	t.Helper()
	var sids []string
	_, list := statementsIn(t, text)
	for i := range list {
		if sid := list[i].Field("Sid"); sid != nil && strings.HasPrefix(sid.Text, "Keyreach") {
			sids = append(sids, sid.Text)
		}
	}
	return sids
}

// ofSession reports whether a statement names a session of a role.
func ofSession(t *testing.T, text, sid string) bool {
	t.Helper()
	_, list := statementsIn(t, text)
	return slices.ContainsFunc(list, func(n source.Node) bool {
		s, who := n.Field("Sid"), n.At([]string{"Principal", "AWS"})
		return s != nil && s.Text == sid && who != nil && strings.Contains(who.Text, ":assumed-role/")
	})
}

// withoutSid is a policy without the statements of a Sid; nothing when none is left.
func withoutSid(t *testing.T, text, sid string) string {
	t.Helper()
	root, list := statementsIn(t, text)
	var left []source.Node
	for i := range list {
		if s := list[i].Field("Sid"); s == nil || s.Text != sid {
			left = append(left, list[i])
		}
	}
	if len(left) == 0 {
		return ""
	}
	*root.Field("Statement") = source.Node{Kind: source.List, Items: left}
	return string(source.AppendJSON(nil, root))
}

func TestARouteWhoseNameEndsAlikeKeepsItsStatements(t *testing.T) {
	t.Parallel()
	routes, e := example(t, "drs-authfailure") // recover-servers
	after := performed(t, planned(t, routes, e, plan.Options{}), e)
	others, _ := example(t, "vault")
	others[0].Name = "servers"
	p, err := plan.Revoke("servers", others[:1], after, plan.Options{At: noon})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		t.Errorf("revoking servers writes the %s, of recover-servers", p.Steps[i].Op.Slot())
	}
}
