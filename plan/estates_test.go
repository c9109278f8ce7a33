package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/plan/plantest"
	"github.com/keyreach/keyreach/route"
)

// seeds is how many worlds a test looks at.
func seeds() uint64 {
	if testing.Short() {
		return 30
	}
	return 200
}

// inventedWorld is a world with what is planned for it.
type inventedWorld struct {
	seed   uint64
	routes []route.Route
	base   *estate.Estate
	o      plan.Options
	plan   *plan.Plan // nil when it was refused
	after  *estate.Estate
	err    error
}

// chosenFor are options for a world: each is taken by some worlds.
func chosenFor(seed uint64) plan.Options {
	o := plan.Options{At: noon}
	o.Tight = seed%4 == 3
	o.Partial = seed%5 == 4
	o.EnableKeys = seed%7 == 6
	if seed%6 == 5 {
		o.Change = "CHG-7"
	}
	return o
}

func worldOf(t *testing.T, seed uint64) *inventedWorld {
	t.Helper()
	routes, _, base := plantest.World(seed)
	w := &inventedWorld{seed: seed, routes: routes, base: base, o: chosenFor(seed)}
	if w.plan, w.err = plan.Make(routes, base, w.o); w.err == nil {
		w.after = performed(t, w.plan, base)
	}
	return w
}

// class is how a world comes out.
func (w *inventedWorld) class() string {
	switch {
	case w.err != nil:
		return "refused"
	case len(w.plan.Stuck) > 0:
		return "stuck"
	case w.plan.Empty():
		return "nothing to do"
	}
	return "opened"
}

// TestTwoHundredEstates plans for many invented worlds, and holds every plan to what a
// plan promises.
func TestTwoHundredEstates(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	classes := map[string]int{}
	t.Run("worlds", func(t *testing.T) {
		for seed := range seeds() {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				w := worldOf(t, seed)
				mu.Lock()
				classes[w.class()]++
				mu.Unlock()
				if w.err != nil {
					w.refusedForAReason(t)
					return
				}
				w.opens(t)
				w.hasNothingLeftToPlan(t)
				w.isLeast(t)
				w.isUndone(t)
				w.isSavedAndDivided(t)
				w.widensNothing(t)
			})
		}
	})
	t.Logf("%v", classes)
	for class, percent := range map[string]int{"nothing to do": 10, "opened": 20, "stuck": 10, "refused": 2} {
		if got := classes[class]; got*100 < percent*int(seeds()) && !(testing.Short() && class == "refused") { // rare
			t.Errorf("%d of %d worlds are %s; at least %d%% should be", got, seeds(), class, percent)
		}
	}
}

// refusedForAReason looks for the reason of a refusal in the estate itself.
func (w *inventedWorld) refusedForAReason(t *testing.T) {
	t.Helper()
	var refused *plan.RefusedError
	if !errors.As(w.err, &refused) {
		t.Fatalf("planning fails: %v", w.err)
	}
	switch refused.Guard {
	case plan.LengthGuard:
		if !w.anyPrincipal(func(p *estate.Principal) bool { return inlineSize(p) > 1000 }) {
			t.Errorf("no policy of the estate is long, and yet: %v", w.err)
		}
	case plan.LockoutGuard:
		// Of a new key nobody knows who keeps it either, when nobody read the control policies.
		unread := w.base.Organization != nil && w.base.Organization.Unreadable != ""
		if !unread && !slices.ContainsFunc(w.base.Keys, func(k estate.Key) bool { return !keptByTwo(&k) }) {
			t.Errorf("every key of the estate has its administrators, and yet: %v", w.err)
		}
	case plan.WideningGuard:
		// AWS stored another unique id for a name than the principal has now: writing the
		// policy anew would let the new principal in.
		if !slices.ContainsFunc(w.base.Keys, func(k estate.Key) bool { return len(k.PrincipalIDs) > 0 }) {
			t.Errorf("the planner's own plan widens: %v", w.err)
		}
	default:
		t.Errorf("the planner's own plan is refused: %v", w.err)
	}
}

func (w *inventedWorld) anyPrincipal(such func(*estate.Principal) bool) bool {
	for i := range w.base.Principals {
		if such(&w.base.Principals[i]) {
			return true
		}
	}
	return false
}

func inlineSize(p *estate.Principal) int {
	size := 0
	for i := range p.Policies {
		if d := p.Policies[i].Document; p.Policies[i].Kind == "inline" && d != nil && d.Source != nil {
			size += len(d.Source.String())
		}
	}
	return size
}

// keptByTwo reports whether a key's policy names the account or two administrators.
func keptByTwo(k *estate.Key) bool {
	if k.Policy == nil || k.Policy.Source == nil {
		return false
	}
	text := k.Policy.Source.String()
	return strings.Contains(text, ":root") || strings.Contains(text, "role/SecondAdmin")
}

func provenOn(t *testing.T, routes []route.Route, e *estate.Estate) []route.Proof {
	t.Helper()
	var proofs []route.Proof
	for i := range routes {
		p, err := route.Prove(&routes[i], e, noon)
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, p)
	}
	return proofs
}

// opens holds the plan to opening every route of which it says nothing is stuck.
func (w *inventedWorld) opens(t *testing.T) {
	t.Helper()
	for _, p := range provenOn(t, w.routes, w.after) {
		if slices.ContainsFunc(w.plan.Stuck, func(s plan.Stuck) bool { return s.Route == p.Route }) {
			continue
		}
		for i := range p.Steps {
			s := &p.Steps[i]
			for j := range s.Requests {
				r := &s.Requests[j]
				switch {
				case r.Verdict == route.Blocked:
					t.Errorf("%s, step %s: %s of %s on %s is blocked by %v after the plan", p.Route, s.Name, r.Use.Action, r.Caller, r.Key, r.Decision.BlockedBy())
				case r.Verdict == route.Fragile && !w.o.Tight && w.couldBeOpened(r):
					t.Errorf("%s, step %s: %s of %s on %s could be opened, and is not: %v", p.Route, s.Name, r.Use.Action, r.Caller, r.Key, r.Decision.BlockedBy())
				}
			}
			for j := range s.Preconditions {
				if c := &s.Preconditions[j]; c.Verdict == route.Blocked && c.Args["type"] != "drs:SourceServer" {
					t.Errorf("%s, step %s: after the plan it is not so that %s: %s", p.Route, s.Name, c.Text, c.Found)
				}
			}
		}
	}
}

// couldBeOpened reports whether everything that blocks a request is a policy or grant that
// is known and can be written.
func (w *inventedWorld) couldBeOpened(r *route.RequestProof) bool {
	if r.Decision.Effect == access.Unknown || len(r.Decision.Blockers) == 0 {
		return false
	}
	k := w.base.Key(r.Key)
	if k == nil || k.Manager == "AWS" || k.Policy == nil || k.Policy.Unreadable != "" || k.GrantsUnreadable != "" {
		return false
	}
	for i := range r.Decision.Blockers {
		b := &r.Decision.Blockers[i]
		switch {
		case b.Explicit:
			return false
		case b.Layer == access.KeyPolicy, b.Layer == access.GrantLayer:
		case b.Layer == access.Identity && w.writable(r.Caller):
		default:
			return false
		}
	}
	return true
}

// writable reports whether the policies of a caller can be written: those of a user or a
// role that the estate holds and nobody else manages.
func (w *inventedWorld) writable(caller string) bool {
	c, err := arn.ParsePrincipal(caller)
	if err != nil || strings.Contains(caller, "/aws-reserved/") {
		return false
	}
	if c.IsServiceLinked() {
		return true // by a grant
	}
	return w.anyPrincipal(func(p *estate.Principal) bool {
		own, err := arn.ParsePrincipal(p.ARN)
		return err == nil && own.Account == c.Account && own.Name == c.Name && p.Unreadable == ""
	})
}

// hasNothingLeftToPlan holds a second plan to finding nothing to do.
func (w *inventedWorld) hasNothingLeftToPlan(t *testing.T) {
	t.Helper()
	again, err := plan.Make(w.routes, w.after, w.o)
	if err != nil {
		t.Errorf("planning again: %v", err)
		return
	}
	for i := range again.Steps {
		t.Errorf("a second plan writes the %s, to %s", again.Steps[i].Op.Slot(), again.Steps[i].Why)
	}
}

// outcome is how a request or precondition comes out, without what it is needed for: a
// right that is asked for counts like one that is required.
type outcome int

func outcomeOf(d *access.Decision) outcome {
	switch {
	case d.Open():
		return 0
	case d.Usable && d.Effect == access.Unknown:
		return 1
	}
	return 2
}

// verdicts are how everything of the routes comes out, by what it is.
func verdicts(t *testing.T, routes []route.Route, e *estate.Estate) map[string]outcome {
	t.Helper()
	all := map[string]outcome{}
	for _, p := range provenOn(t, routes, e) {
		for i := range p.Steps {
			s := &p.Steps[i]
			at := []string{p.Route, s.Name, s.For}
			for j := range s.Requests {
				r := &s.Requests[j]
				name := strings.Join(append(slices.Clone(at), r.Caller, r.Use.Action, r.Key, r.Use.Via, string(r.Use.Need)), " ")
				all[name] = max(all[name], outcomeOf(&r.Decision))
			}
			for j := range s.Preconditions {
				all[strings.Join(append(slices.Clone(at), s.Preconditions[j].Text), " ")] = outcome(s.Preconditions[j].Verdict)
			}
		}
	}
	return all
}

// isLeast leaves out one step after another: each has to be missed. What others stand on
// is missed by them.
func (w *inventedWorld) isLeast(t *testing.T) {
	t.Helper()
	all := verdicts(t, w.routes, w.after)
	ops := opsOf(w.plan)
	for i := range ops {
		switch ops[i].(type) {
		case *estate.LinkedRole, *estate.NewRole, *estate.NewKey, *estate.Alias, *estate.Rotation:
			continue
		}
		without, err := w.base.Apply(except(ops, ops[i])...)
		if err != nil {
			continue // a later op stands on it
		}
		if !missed(all, verdicts(t, w.routes, without)) && !w.letsIssue(ops, i) {
			t.Errorf("nothing misses the %s, to %s", ops[i].Slot(), w.plan.Steps[i].Why)
		}
	}
}

// except are the ops without one. The inline policies of a principal count as one: each
// route has its own, so that it can be revoked alone, and two may say the same.
func except(ops []estate.Op, one estate.Op) []estate.Op {
	at := one.Slot()
	if at.Kind != "inline-policy" {
		return slices.DeleteFunc(slices.Clone(ops), func(op estate.Op) bool { return op.Slot() == at })
	}
	return slices.DeleteFunc(slices.Clone(ops), func(op estate.Op) bool { s := op.Slot(); return s.Kind == at.Kind && s.Subject == at.Subject })
}

func missed(all, without map[string]outcome) bool {
	for name, verdict := range all {
		if now, there := without[name]; !there || now > verdict {
			return true
		}
	}
	return false
}

// letsIssue reports whether an op is a policy by which a later op's grant can be made:
// the estate has the grant without it, AWS would not.
func (w *inventedWorld) letsIssue(ops []estate.Op, i int) bool {
	return slices.ContainsFunc(ops[i+1:], func(op estate.Op) bool {
		g, ok := op.(*estate.GrantTo)
		return ok && (ops[i].Slot().Subject == g.Key || ops[i].Slot().Account == g.Issuer)
	})
}

// isUndone writes back what was, last first: the estate is as it was, but for keys, which
// AWS keeps until they are deleted.
func (w *inventedWorld) isUndone(t *testing.T) {
	t.Helper()
	undone := w.after
	made := map[string]bool{}
	for i := len(w.plan.Steps) - 1; i >= 0; i-- {
		var err error
		if undone, err = undone.Apply(w.plan.Steps[i].Was); err != nil {
			t.Fatalf("undoing the %s: %v", w.plan.Steps[i].Op.Slot(), err)
		}
		if k, ok := w.plan.Steps[i].Op.(*estate.NewKey); ok {
			made[k.ARN] = true
		}
	}
	for key := range made {
		if k := undone.Key(key); k == nil || k.State != "PendingDeletion" {
			t.Errorf("the made key %s is not pending deletion after undoing", key)
		}
	}
	if d := cmp.Diff(inOrder(w.base, nil), inOrder(undone, made)); d != "" {
		t.Errorf("undoing leaves another estate:\n%s", d)
	}
}

// isSavedAndDivided reads the plan back as it was written, and puts it together from the
// parts of its accounts.
func (w *inventedWorld) isSavedAndDivided(t *testing.T) {
	t.Helper()
	text, err := w.plan.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Load("plan.json", text)
	if err != nil {
		t.Fatalf("reading the plan back: %v\n%s", err, text)
	}
	if d := cmp.Diff(w.plan, back); d != "" {
		t.Errorf("the plan is read back otherwise:\n%s", d)
	}
	count := 0
	for _, account := range w.plan.Accounts() {
		part := w.plan.For(account)
		count += len(part.Steps)
		for i := range part.Steps {
			if got := part.Steps[i].Op.Slot().Account; got != account {
				t.Errorf("the part of account %s writes in account %s", account, got)
			}
		}
	}
	if count != len(w.plan.Steps) {
		t.Errorf("the parts of the accounts have %d steps, and the plan %d", count, len(w.plan.Steps))
	}
}
