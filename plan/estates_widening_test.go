package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/usage"
)

// need is a right that a proof of the routes asks for.
type need struct {
	caller arn.Principal
	action string
	key    arn.ARN
	via    string // value of kms:ViaService
}

// needs are the rights that the routes of the world need, required or asked for.
func (w *inventedWorld) needs(t *testing.T) []need {
	t.Helper()
	var list []need
	for _, p := range provenOn(t, w.routes, w.base) {
		for i := range p.Steps {
			for _, r := range p.Steps[i].Requests {
				if w.o.Tight && r.Use.Need == usage.Asked {
					continue
				}
				caller, err := arn.ParsePrincipal(r.Caller)
				key, err2 := arn.Parse(r.Key)
				if err != nil || err2 != nil {
					continue
				}
				n := need{caller: caller, action: r.Use.Action, key: key}
				if r.Use.Via != "" {
					n.via = usage.ViaService(r.Use.Via, key.Region)
				}
				list = append(list, n)
				if role, known := awsfacts.ServiceLinkedRoleFor(r.Caller); caller.IsServiceLinked() && caller.Account != key.Account && !(known && role.KMSUse) {
					for _, op := range r.Use.Grants { // who makes grants by a grant hands on what that allows
						list = append(list, need{caller: caller, action: "kms:" + op, key: key})
					}
				}
			}
		}
	}
	return list
}

// isFor reports whether the need is for what was asked. A service-linked role of another
// account gets a grant, which no service can be bound to.
func (n *need) isFor(q *question) bool {
	who := n.caller.Text == q.caller.Text || n.caller.SameRole(q.caller) || q.caller.SameRole(n.caller)
	if !who || n.action != q.action || n.key.String() != q.key {
		return false
	}
	if n.caller.IsServiceLinked() && n.caller.Account != n.key.Account {
		return true
	}
	return n.via == "" || n.via == q.via && (n.action != "kms:CreateGrant" || q.forAWS == "true")
}

// question is one thing that somebody may or may not do.
type question struct {
	caller                   arn.Principal
	action, key, via, forAWS string
}

func (q *question) String() string {
	return fmt.Sprintf("%s: %s on %s via %q, kms:GrantIsForAWSResource %s", q.caller.Text, q.action, q.key, q.via, q.forAWS)
}

func (q *question) allowed(t *testing.T, e *estate.Estate) bool {
	t.Helper()
	r, err := estate.NewRequest(q.caller.Text, q.action, q.key)
	if err != nil {
		t.Fatal(err)
	}
	r.At = noon
	r.Context.Set("kms:GranteePrincipal", policy.One("arn:aws:iam::"+outsiders+":role/Somebody"))
	r.Context.Set("kms:GrantOperations", policy.Many("Decrypt"))
	r.Context.Set("kms:GrantIsForAWSResource", policy.One(q.forAWS))
	via := policy.ContextValue{}
	if q.via != "" {
		via = policy.One(q.via)
	}
	r.Context.Set("kms:ViaService", via)
	c := e.Bind(r)
	return access.Decide(&c) == access.Allow
}

const (
	outsiders = "777788889999" // an account that nobody invited
	newMember = "666655554444" // one that joins the organization
)

// peopled is the estate with principals that may come: an administrator of each account,
// of a new member and of an outsider. It returns the callers to ask for.
func (w *inventedWorld) peopled(t *testing.T, e *estate.Estate) (*estate.Estate, []arn.Principal) {
	t.Helper()
	out := copyOf(t, e)
	if o := out.Organization; o != nil && o.Unreadable == "" {
		o.Root.Accounts = append(o.Root.Accounts, estate.AccountPolicies{ID: newMember, SCPs: []string{"FullAWSAccess"}})
	}
	names := []string{outsiders, newMember}
	for i := range out.Accounts {
		names = append(names, out.Accounts[i].ID)
	}
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	var ops []estate.Op
	var callers []arn.Principal
	for i := range out.Principals {
		callers = append(callers, principal(t, out.Principals[i].ARN))
	}
	for _, account := range names {
		role := "arn:aws:iam::" + account + ":role/NewAdministrator"
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
		ops = append(ops, &estate.NewRole{ARN: role, Trust: trust}, &estate.InlinePolicy{Principal: role, Name: "all", Document: all})
		callers = append(callers, principal(t, role), principal(t, "arn:aws:iam::"+account+":root"))
	}
	out, err := out.Apply(ops...)
	if err != nil {
		t.Fatal(err)
	}
	return out, callers
}

func principal(t *testing.T, text string) arn.Principal {
	t.Helper()
	p, err := arn.ParsePrincipal(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// copyOf is an estate that shares nothing with the other.
func copyOf(t *testing.T, e *estate.Estate) *estate.Estate {
	t.Helper()
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := estate.Load("estate.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// widensNothing asks everybody about every action on the keys that the plan touches,
// without the planner's own guard: what opens has to be needed, and to be listed.
func (w *inventedWorld) widensNothing(t *testing.T) {
	t.Helper()
	var touched []string
	before := w.base
	for i := range w.plan.Steps {
		op := w.plan.Steps[i].Op
		if state, ok := op.(*estate.KeyState); ok { // somebody asked for it
			next, err := before.Apply(state)
			if err != nil {
				t.Fatal(err)
			}
			before = next
		}
		switch op.(type) {
		case *estate.KeyPolicy, *estate.GrantTo, *estate.NewKey:
			if !slices.Contains(touched, op.Slot().Subject) {
				touched = append(touched, op.Slot().Subject)
			}
		case *estate.InlinePolicy, *estate.NewRole, *estate.LinkedRole:
			for j := range w.after.Keys {
				if key := w.after.Keys[j].ARN; !slices.Contains(touched, key) {
					touched = append(touched, key)
				}
			}
		}
	}
	if len(touched) == 0 {
		return
	}
	before, callers := w.peopled(t, before)
	after, _ := w.peopled(t, w.after)
	callers = append(callers, w.madePrincipals(t)...)
	needs := w.needs(t)
	for _, key := range touched {
		for _, caller := range callers {
			w.compare(t, needs, key, caller, before, after)
		}
	}
}

// madePrincipals are those that the plan makes.
func (w *inventedWorld) madePrincipals(t *testing.T) []arn.Principal {
	t.Helper()
	var list []arn.Principal
	for i := range w.plan.Steps {
		switch o := w.plan.Steps[i].Op.(type) {
		case *estate.LinkedRole:
			list = append(list, principal(t, o.ARN))
		case *estate.NewRole:
			list = append(list, principal(t, o.ARN))
		}
	}
	return list
}

// compare asks about everything that one caller may do with one key.
func (w *inventedWorld) compare(t *testing.T, needs []need, key string, caller arn.Principal, before, after *estate.Estate) {
	t.Helper()
	at, err := arn.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	if w.base.Key(key) == nil && caller.Account == at.Account {
		return // the plan makes the key, for its account
	}
	made := slices.ContainsFunc(w.madePrincipals(t), func(p arn.Principal) bool { return p.Text == caller.Text })
	for _, action := range awsfacts.ActionsMatching("kms:*") {
		if action == "kms:RetireGrant" {
			continue // which only closes
		}
		for _, via := range []string{"", "ec2", "rds", "s3", "secretsmanager"} {
			for _, forAWS := range []string{"true", "false"} {
				if forAWS == "true" && action != "kms:CreateGrant" {
					continue
				}
				q := question{caller: caller, action: action, key: key, forAWS: forAWS}
				if via != "" {
					q.via = usage.ViaService(via, at.Region)
				}
				if !q.allowed(t, after) || q.allowed(t, before) {
					continue
				}
				if made && (ownPolicy(w.after, &q) || !w.writes(key)) {
					continue // AWS's own policy of the role, or a key policy that was there
				}
				if !slices.ContainsFunc(needs, func(n need) bool { return n.isFor(&q) }) {
					t.Errorf("nobody needs, and the plan opens, %v", &q)
				}
				if !listed(w.plan, &q) {
					t.Errorf("the plan does not list that it opens %v", &q)
				}
			}
		}
	}
}

// writes reports whether the plan writes who may use a key.
func (w *inventedWorld) writes(key string) bool {
	return slices.ContainsFunc(opsOf(w.plan), func(op estate.Op) bool {
		s := op.Slot()
		return s.Subject == key && (s.Kind == "key-policy" || s.Kind == "grant" || s.Kind == "key")
	})
}

// ownPolicy reports whether a managed policy of the caller allows the action.
func ownPolicy(e *estate.Estate, q *question) bool {
	p := e.Principal(q.caller.Text)
	if p == nil {
		return false
	}
	return slices.ContainsFunc(p.Policies, func(a estate.Attached) bool {
		return a.Kind == "managed" && a.Document != nil && a.Document.Source != nil && strings.Contains(a.Document.Source.String(), strings.TrimPrefix(q.action, "kms:"))
	})
}

// listed reports whether the plan says that it opens what was asked.
func listed(p *plan.Plan, q *question) bool {
	return slices.ContainsFunc(p.Opens, func(o plan.Opening) bool {
		who, err := arn.ParsePrincipal(o.Principal)
		return err == nil && (who.Text == q.caller.Text || who.SameRole(q.caller) || q.caller.SameRole(who)) &&
			slices.Contains(o.Actions, q.action) && o.Resource == q.key
	})
}
