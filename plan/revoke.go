package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/route"
)

// Revoke returns the plan that takes away what only one route needs: statements, inline
// policies and grants that Keyreach wrote. What another of the routes needs as well stays,
// and so does everything that somebody else wrote. Keys and roles stay too: the notes
// name them. It is refused with a *RefusedError like any other plan.
func Revoke(name string, routes []route.Route, e *estate.Estate, o Options) (*Plan, error) {
	routes = on(routes, e)
	at := slices.IndexFunc(routes, func(r route.Route) bool { return r.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("there is no route called %q", name)
	}
	own := routes[at : at+1]
	others := slices.Delete(slices.Clone(routes), at, at+1)
	r := &revoker{name: name, own: own, others: others, base: e, now: e, o: o}
	if err := r.run(); err != nil {
		return nil, err
	}
	p := &Plan{FormatVersion: FormatVersion, Kind: "revoke", Change: o.Change, MadeAt: o.At, Routes: []string{name}, Steps: r.steps(), Notes: r.notes}
	if err := p.Check(routes, e, o); err != nil {
		return nil, err
	}
	return p, nil
}

// revoker takes managed things away one by one.
type revoker struct {
	name        string
	own, others []route.Route
	base, now   *estate.Estate
	o           Options
	slots       []estate.Op // one for each changed slot, in the order of the changes
	notes       []string
}

// managedThing is something that Keyreach wrote: with it gone, op is what is left.
type managedThing struct {
	what string
	op   func(e *estate.Estate) (estate.Op, error)
	// named is set when it bears the route's name.
	named bool
}

func (r *revoker) run() error {
	before, err := r.openOf(r.others, r.now)
	if err != nil {
		return err
	}
	mine, err := r.openOf(r.own, r.now)
	if err != nil {
		return err
	}
	for _, t := range r.things() {
		op, err := t.op(r.now)
		if err != nil {
			return fmt.Errorf("planning to revoke: %w", err)
		}
		next, err := r.now.Apply(op)
		if err != nil {
			return fmt.Errorf("planning to revoke: %w", err)
		}
		left, err := r.openOf(r.own, next)
		if err != nil {
			return err
		}
		if !t.named && !loses(mine, left) {
			continue // it is for something else
		}
		rest, err := r.openOf(r.others, next)
		if err != nil {
			return err
		}
		if who := lost(before, rest); who != "" {
			r.notes = append(r.notes, fmt.Sprintf("%s stays: the route %s needs it too", t.what, who))
			continue
		}
		r.now, mine = next, left
		r.change(op)
	}
	r.leftovers()
	return nil
}

// change keeps the last op of each slot.
func (r *revoker) change(op estate.Op) {
	i := slices.IndexFunc(r.slots, func(o estate.Op) bool { return o.Slot() == op.Slot() })
	if i >= 0 {
		r.slots[i] = op
		return
	}
	r.slots = append(r.slots, op)
}

// steps are the changes, grants before the policies that let them be made.
func (r *revoker) steps() []Step {
	slices.SortStableFunc(r.slots, func(a, b estate.Op) int { return rank(a) - rank(b) })
	steps := []Step{}
	for _, op := range r.slots {
		was, err := r.base.Current(op)
		if err != nil {
			continue // it was there when the op was made
		}
		steps = append(steps, Step{Op: op, Was: was, Why: "only the route " + r.name + " needs it", Routes: []string{r.name}})
	}
	return steps
}

func rank(op estate.Op) int {
	switch op.(type) {
	case *estate.GrantTo:
		return 0
	case *estate.InlinePolicy:
		return 1
	}
	return 2
}

// openOf are the requests of routes that are open, or are if something holds that is not
// known, each with its route.
func (r *revoker) openOf(routes []route.Route, e *estate.Estate) (map[string]string, error) {
	proofs, err := prove(routes, e, r.o.At)
	if err != nil {
		return nil, err
	}
	open := map[string]string{}
	for i := range proofs {
		for j := range proofs[i].Steps {
			s := &proofs[i].Steps[j]
			for _, q := range s.Requests {
				if d := &q.Decision; d.Usable && d.Effect >= access.Unknown {
					open[strings.Join([]string{proofs[i].Route, s.Name, s.For, q.Caller, q.Use.Action, q.Key, q.Use.Via}, "\n")] = proofs[i].Route
				}
			}
			for _, c := range s.Preconditions {
				if c.Verdict != route.Blocked {
					open[strings.Join([]string{proofs[i].Route, s.Name, s.For, c.Text}, "\n")] = proofs[i].Route
				}
			}
		}
	}
	return open, nil
}

func loses(before, after map[string]string) bool { return lost(before, after) != "" }

// lost is the route of something that was open and is not any more.
func lost(before, after map[string]string) string {
	worst := ""
	for what, who := range before {
		if _, still := after[what]; !still && (worst == "" || who < worst) {
			worst = who
		}
	}
	return worst
}

// things are all managed things of the estate, in a fixed order.
func (r *revoker) things() []managedThing {
	var list []managedThing
	for i := range r.base.Keys {
		k := &r.base.Keys[i]
		for j := range k.Grants {
			if g := &k.Grants[j]; strings.HasPrefix(g.Name, sidPrefix+"-") {
				op := estate.GrantOp(k.ARN, g)
				list = append(list, managedThing{what: "the grant " + g.Name, op: func(*estate.Estate) (estate.Op, error) {
					return &estate.GrantTo{Key: op.Key, Name: op.Name, Issuer: op.Issuer, Absent: true}, nil
				}})
			}
		}
		key := k.ARN
		list = append(list, r.statements(textOf(k.Policy), "the policy of "+key, func(text string) estate.Op { return &estate.KeyPolicy{Key: key, Document: text} })...)
	}
	for i := range r.base.Principals {
		p := &r.base.Principals[i]
		for j := range p.Policies {
			a := &p.Policies[j]
			if a.Kind != "inline" || !strings.HasPrefix(a.Name, sidPrefix+"-") {
				continue
			}
			list = append(list, r.statements(textOf(a.Document), "the policy "+a.Name+" of "+p.ARN, func(text string) estate.Op {
				return &estate.InlinePolicy{Principal: p.ARN, Name: a.Name, Document: text}
			})...)
		}
	}
	for i := range r.base.Resources {
		if v := &r.base.Resources[i]; v.Type == "backup:BackupVault" {
			list = append(list, r.statements(v.Attributes[estate.VaultAccessPolicy], "the access policy of the vault "+v.ID, func(text string) estate.Op {
				return &estate.VaultPolicy{Vault: v.ID, Account: v.Account, Region: v.Region, Document: text}
			})...)
		}
	}
	return list
}

// statements are the managed statements of a policy. The op of each takes the statement
// out of the policy as it is by then.
func (r *revoker) statements(text, where string, op func(text string) estate.Op) []managedThing {
	old, err := readStatements(text, isGone(r.base))
	if err != nil {
		return nil
	}
	var list []managedThing
	for i := range old {
		sid := old[i].Sid
		if !managedSid(sid) || old[i].Effect != "Allow" {
			continue
		}
		list = append(list, managedThing{
			what: "the statement " + sid + " in " + where, named: r.wrote(sid),
			op: func(e *estate.Estate) (estate.Op, error) {
				was, err := e.Current(op(""))
				if err != nil {
					return nil, err
				}
				left, err := without(documentOf(was), sid)
				return op(left), err
			},
		})
	}
	return list
}

// writtenSid is a Sid that Keyreach gave, whatever route it was written for.
var writtenSid = regexp.MustCompile(`^` + sidPrefix + `[A-Z][a-z]+[0-9a-f]{8}([0-9A-Za-z]*)$`)

// managedSid reports whether a statement is one that Keyreach wrote.
func managedSid(sid string) bool { return writtenSid.MatchString(sid) }

// wrote reports whether a statement was written for the route, and not for one whose
// name ends alike.
func (r *revoker) wrote(sid string) bool {
	found := writtenSid.FindStringSubmatch(sid)
	return found != nil && found[1] == camel(r.name)
}

// documentOf is the text of the policy that an op writes.
func documentOf(op estate.Op) string {
	for _, text := range documentsOf(op) {
		return text
	}
	return ""
}

// without is a policy without a statement; nothing when no other is left.
func without(text, sid string) (string, error) {
	root, list, err := statementsOf(text)
	if err != nil {
		return "", err
	}
	list.Items = slices.DeleteFunc(list.Items, func(n source.Node) bool { s := n.Field("Sid"); return s != nil && s.Text == sid })
	if len(list.Items) == 0 {
		return "", nil
	}
	return string(source.AppendJSON(nil, root)), nil
}

// leftovers names the keys that were made for the route, and what somebody else wrote
// into the route's policies.
func (r *revoker) leftovers() {
	for i := range r.base.Principals {
		p := &r.base.Principals[i]
		for j := range p.Policies {
			if a := &p.Policies[j]; a.Kind == "inline" && a.Name == inlineName(r.name) {
				r.foreign(p.ARN, a)
			}
		}
	}
	for i := range r.base.Keys {
		if k := &r.base.Keys[i]; k.Tags["keyreach:route"] == r.name {
			r.notes = append(r.notes, "the key "+k.ARN+", made for the route, stays: what is encrypted under it would be lost")
		}
	}
}

// foreign notes the statements of a route's policy that Keyreach did not write.
func (r *revoker) foreign(holder string, a *estate.Attached) {
	list, err := readStatements(textOf(a.Document), isGone(r.base))
	if err != nil {
		return
	}
	for i := range list {
		if !managedSid(list[i].Sid) {
			r.notes = append(r.notes, fmt.Sprintf("the statement %s of the policy %s of %s stays: Keyreach did not write it", cmp.Or(list[i].Sid, "without a Sid"), a.Name, holder))
		}
	}
}

// othersKeep lets a plan that closes take away nothing that another route needs.
func (c *checker) othersKeep() error {
	r := &revoker{o: c.o}
	others := slices.DeleteFunc(slices.Clone(c.routes), func(r route.Route) bool { return slices.Contains(c.plan.Routes, r.Name) })
	before, err := r.openOf(others, c.base)
	if err != nil {
		return err
	}
	left, err := r.openOf(others, c.after)
	if err != nil {
		return err
	}
	if who := lost(before, left); who != "" {
		return &RefusedError{Guard: ProofGuard, Text: "it takes away what the route " + who + " needs too"}
	}
	return nil
}

// closes lets an op of a plan that closes take away managed things only.
func (c *checker) closes(op, was estate.Op) error {
	switch o := op.(type) {
	case *estate.GrantTo:
		if !o.Absent || !strings.HasPrefix(o.Name, sidPrefix+"-") {
			return c.widens("a plan that closes writes the grant %s", o.Name)
		}
		return nil
	case *estate.KeyPolicy, *estate.InlinePolicy, *estate.VaultPolicy:
		if err := c.framed(op.Slot(), documentOf(op), documentOf(was)); err != nil {
			return err
		}
	default:
		return c.widens("a plan that closes writes the %s", op.Slot())
	}
	now, err := readStatements(documentOf(op), c.gone)
	if err != nil {
		return c.widens("the %s cannot be read: %v", op.Slot(), err)
	}
	old, err := readStatements(documentOf(was), c.gone)
	if err != nil {
		return c.widens("the %s as it is cannot be read: %v", op.Slot(), err)
	}
	for i := range now {
		if !slices.ContainsFunc(old, func(o raw) bool { return o.text == now[i].text }) {
			return c.widens("a plan that closes adds a statement to the %s", op.Slot())
		}
	}
	for i := range old {
		if mine := managedSid(old[i].Sid) && old[i].Effect == "Allow"; !mine && !slices.ContainsFunc(now, func(n raw) bool { return n.text == old[i].text }) {
			return c.widens("a plan that closes takes out a statement that Keyreach did not write, of the %s", op.Slot())
		}
	}
	return nil
}
