package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/route"
)

// Guard is what refuses a plan.
type Guard string

// The guards.
const (
	LockoutGuard  Guard = "lockout"  // a key would lose its last durable administrator
	WideningGuard Guard = "widening" // the plan opens more than the routes need
	LengthGuard   Guard = "length"   // a policy would be too long for AWS
	ProofGuard    Guard = "proof"    // the plan does not do what it says
	RequestGuard  Guard = "request"  // what nobody declared would let a stranger in, or give power over a key
)

// RefusedError says that a guard refuses a plan.
type RefusedError struct {
	Guard   Guard
	Text    string
	Details []string
}

// shownDetails is how many details a message has; nobody reads more at once.
const shownDetails = 10

func (e *RefusedError) Error() string {
	text := "the plan is refused by the " + string(e.Guard) + " guard: " + e.Text
	for i, d := range e.Details {
		if i == shownDetails {
			return text + fmt.Sprintf("\n  and %d more", len(e.Details)-i)
		}
		text += "\n  " + d
	}
	return text
}

// Check proves the plan on a copy of the estate: that nobody is locked out, that it
// opens what the routes need and nothing else. It does not trust the plan to say what
// that is: it asks the routes. The difference in access is noted in Opens. An error is a
// *RefusedError when a guard refuses.
func (p *Plan) Check(routes []route.Route, e *estate.Estate, o Options) error {
	if err := members(o.Org, e); err != nil {
		return err
	}
	if err := askable(p.Requests, e); err != nil {
		return err
	}
	routes = on(routes, e)
	allowed, err := allowances(routes, e, o)
	if err != nil {
		return err
	}
	c := &checker{plan: p, routes: routes, base: e, o: o, allowed: allowed, gone: isGone(e)}
	if err := c.steps(); err != nil {
		return err
	}
	return c.difference()
}

// checker looks at one plan.
type checker struct {
	plan    *Plan
	routes  []route.Route
	base    *estate.Estate
	after   *estate.Estate // with the steps so far
	o       Options
	allowed []allowance
	gone    func(principal string) bool
}

func (c *checker) widens(format string, args ...any) error {
	return &RefusedError{Guard: WideningGuard, Text: fmt.Sprintf(format, args...)}
}

// steps goes through the plan: only what the planner's forms allow passes, a plan that
// closes takes nothing that another route needs, and nothing whose policy is changed is
// left without a durable administrator, which is told when all else passes.
func (c *checker) steps() error {
	var locked error
	c.after = c.base
	for i := range c.plan.Steps {
		step := &c.plan.Steps[i]
		if err := c.form(step); err != nil {
			return err
		}
		next, err := c.after.Apply(step.Op)
		if err != nil {
			return fmt.Errorf("checking the plan: %w", err)
		}
		if locked == nil {
			locked = c.administrators(step.Op, next)
		}
		c.after = next
	}
	if c.plan.Kind == "revoke" {
		if err := c.othersKeep(); err != nil {
			return err
		}
	}
	return locked
}

// form looks at a step by itself: at what it opens, on the estate that it is made on, or
// at what it closes of what is there before the plan.
func (c *checker) form(step *Step) error {
	now, allowed := c.after, c.op
	if c.plan.Kind == "revoke" {
		now, allowed = c.base, c.closes
	}
	was, err := now.Current(step.Op)
	if err != nil {
		return fmt.Errorf("checking the plan: %w", err)
	}
	if err := c.told(step, was); err != nil {
		return err
	}
	return allowed(step.Op, was)
}

func (c *checker) op(op, was estate.Op) error {
	s := op.Slot()
	switch o := op.(type) {
	case *estate.KeyPolicy:
		return c.document(s, o.Document, was.(*estate.KeyPolicy).Document, o.Key, "")
	case *estate.InlinePolicy:
		return c.inline(o, was.(*estate.InlinePolicy))
	case *estate.VaultPolicy:
		return c.document(s, o.Document, was.(*estate.VaultPolicy).Document, vaultARN(o.Account, o.Region, o.Vault), "")
	case *estate.BucketSetting:
		return c.bucket(o, was.(*estate.BucketSetting))
	case *estate.GrantTo:
		return c.grant(o, was.(*estate.GrantTo))
	}
	if c.setting(op) {
		return nil
	}
	return c.widens("nothing in the routes asks for the %s", s)
}

// document compares the statements of a policy with those that were there.
func (c *checker) document(s estate.Slot, after, before, resource, holder string) error {
	now, err := readStatements(after, c.gone)
	if err != nil {
		return c.widens("the %s cannot be read: %v", s, err)
	}
	old, err := readStatements(before, c.gone)
	if err != nil {
		return c.widens("the %s as it is cannot be read: %v", s, err)
	}
	if err := c.framed(s, after, before); err != nil {
		return err
	}
	for i := range old {
		if !slices.ContainsFunc(now, func(n raw) bool { return n.text == old[i].text }) && !c.mayGo(&old[i], now) {
			return c.widens("the %s loses the statement %s", s, cmp.Or(old[i].Sid, old[i].text))
		}
	}
	for i := range now {
		n := &now[i]
		if slices.ContainsFunc(old, func(o raw) bool { return o.text == n.text || o.withoutOrphans == n.text }) {
			continue
		}
		at := resource
		if s.Kind == "inline-policy" || s.Kind == "bucket-setting" {
			at = n.Resource
		} else if n.Resource != "*" {
			return c.widens("the statement %s of the %s is about %q", n.Sid, s, n.Resource)
		}
		if n.strange || !managedSid(n.Sid) || !covers(c.allowed, &n.statement, at, holder) {
			return c.widens("the statement %s of the %s allows more than the routes need: %s", cmp.Or(n.Sid, "without a Sid"), s, n.text)
		}
		if err := c.operations(s, n); err != nil {
			return err
		}
	}
	return nil
}

// operations looks at which grants a statement lets an account issue.
func (c *checker) operations(s estate.Slot, n *raw) error {
	ops := wordsOf(n.Condition["ForAllValues:StringEquals"]["kms:GrantOperations"])
	grantees := wordsOf(n.Condition["StringEquals"]["kms:GranteePrincipal"])
	if len(ops) == 0 || len(grantees) == 0 {
		return nil
	}
	key := s.Subject
	if s.Kind != "key-policy" {
		key = n.Resource
	}
	for _, op := range ops {
		had := !slices.ContainsFunc(grantees, func(g string) bool { return !c.granted(key, g, op) })
		if !had && !slices.ContainsFunc(c.allowed, func(a allowance) bool {
			return a.part == issuePart && !slices.ContainsFunc(grantees, func(g string) bool { return g != a.grantee }) && slices.Contains(a.grantOps, op) && a.resource == key
		}) {
			return c.widens("the statement %s of the %s lets grants allow %s", n.Sid, s, op)
		}
	}
	return nil
}

// granted reports whether an earlier plan's grant gives an operation to a grantee already:
// the one that takes its place gives it again.
func (c *checker) granted(key, grantee, op string) bool {
	k := c.base.Key(key)
	return k != nil && slices.ContainsFunc(k.Grants, func(g estate.Grant) bool {
		return strings.HasPrefix(g.Name, sidPrefix+"-") && g.GranteePrincipal == grantee && g.Constraints == nil && slices.Contains(g.Operations, op)
	})
}

// mayGo reports whether a statement may be gone: one of the planner's own that is there
// with more actions, or one that named nobody but principals that are gone.
func (c *checker) mayGo(old *raw, now []raw) bool {
	if old.withoutOrphans == "" || old.withoutOrphans != old.text && slices.ContainsFunc(now, func(n raw) bool { return n.text == old.withoutOrphans }) {
		return true
	}
	return managedSid(old.Sid) && old.Effect == "Allow" && slices.ContainsFunc(now, func(n raw) bool { return n.Sid == old.Sid && n.holds(old) })
}

// holds reports whether a statement has the actions of another, and lets grants allow what
// that did: another route may need them.
func (n *raw) holds(old *raw) bool {
	const operator, key = "ForAllValues:StringEquals", "kms:GrantOperations"
	lacks := func(words []string) func(string) bool {
		return func(w string) bool { return !slices.Contains(words, w) }
	}
	return !slices.ContainsFunc(wordsOf(old.Action), lacks(wordsOf(n.Action))) &&
		!slices.ContainsFunc(wordsOf(old.Condition[operator][key]), lacks(wordsOf(n.Condition[operator][key])))
}

func (c *checker) inline(o, was *estate.InlinePolicy) error {
	holder := o.Principal
	if !slices.ContainsFunc(c.routes, func(r route.Route) bool { return inlineName(r.Name) == o.Name }) {
		return c.widens("the %s is none of a route's", o.Slot())
	}
	return c.document(o.Slot(), o.Document, was.Document, "", holder)
}

// grant looks at a grant and at the one that it takes the place of: a grant of a name ends
// others of the name.
func (c *checker) grant(o, was *estate.GrantTo) error {
	own := grantName(&grant{key: o.Key, grantee: o.Grantee}, "")
	switch {
	case o.Absent:
		return c.widens("a plan that opens revokes the grant %s", o.Name)
	case o.Name != own && !strings.HasPrefix(o.Name, own+"/"), o.Constraints != nil:
		return c.widens("the grant %s is none that a plan makes for %s", o.Name, o.Grantee)
	case !was.Absent && !c.gone(was.Grantee) && (was.Grantee != o.Grantee || slices.ContainsFunc(was.Operations, func(op string) bool { return !slices.Contains(o.Operations, op) })):
		return c.widens("the grant %s ends one of the name that allows %s more", o.Name, was.Grantee)
	}
	for _, op := range o.Operations {
		if !c.granted(o.Key, o.Grantee, op) && !slices.ContainsFunc(c.allowed, func(a allowance) bool {
			return a.principal == o.Grantee && a.resource == o.Key && slices.Contains(a.actions, "kms:"+op) && needsGrant(parsed(o.Grantee), parsedARN(o.Key))
		}) {
			return c.widens("the grant %s lets %s do %s on %s", o.Name, o.Grantee, op, o.Key)
		}
	}
	if len(o.Operations) == 0 || o.Issuer != parsed(o.Grantee).Account {
		return c.widens("the grant %s is issued by account %s", o.Name, o.Issuer)
	}
	return nil
}

// raw is a statement as it stands in a policy.
type raw struct {
	statement
	text string // canonical
	// withoutOrphans is the text when the ids of principals that are gone are taken out,
	// nothing when nobody is left, and text itself when there are none.
	withoutOrphans string
	// strange is set when the statement has elements that the planner does not write.
	strange bool
}

// readStatements reads the statements of a policy one by one.
func readStatements(text string, isGone func(string) bool) ([]raw, error) {
	if text == "" {
		return nil, nil
	}
	_, list, err := statementsOf(text)
	if err != nil {
		return nil, err
	}
	var out []raw
	for i := range list.Items {
		n := &list.Items[i]
		r := raw{text: canonical(n.Any())}
		dec := json.NewDecoder(bytes.NewReader([]byte(r.text)))
		dec.DisallowUnknownFields()
		r.strange = dec.Decode(&r.statement) != nil || slices.ContainsFunc(n.Fields, func(f source.Field) bool { return !slices.Contains(elements[:], f.Name) })
		if sid := n.Field("Sid"); sid != nil {
			r.Sid = sid.Text
		}
		if effect := n.Field("Effect"); effect != nil {
			r.Effect = effect.Text
		}
		gone, empty := dropOrphans(n, isGone)
		switch {
		case empty:
		case len(gone) > 0:
			r.withoutOrphans = canonical(n.Any())
		default:
			r.withoutOrphans = r.text
		}
		out = append(out, r)
	}
	return out, nil
}

func canonical(v any) string {
	text, err := json.Marshal(v) // maps are sorted
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
