package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// aftermath is how routes stand on AWS after a run.
type aftermath struct {
	file   *route.File
	proofs []route.Proof
	// meant is how the routes were to come out, by name.
	meant map[string]route.Verdict
	// unproven says why they could not be proven.
	unproven string
	run      *run.Run
	closes   bool // the plan closes routes
}

// prove reads the accounts of the routes anew and proves the routes. before, when there is
// one, is the estate that the plan was made from: with it only the keys are read that the
// routes are about.
func (a *actFlags) prove(ctx context.Context, s *streams, file *route.File, routes []route.Route, before *estate.Estate, r *run.Run) (*aftermath, error) {
	after := &aftermath{file: file, run: r, meant: map[string]route.Verdict{}}
	c := a.open(file, nil) // reading is not narrowed to the ops
	scope := scopeOfRoutes(file, routes)
	scope.Keys = after.foresee(routes, before)
	e, err := collectScope(ctx, s, c, scope)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		after.unproven = err.Error()
		return after, nil
	}
	for i := range routes {
		p, err := route.Prove(&routes[i], e, time.Now().UTC())
		if err != nil {
			after.unproven = err.Error()
			return after, nil
		}
		after.proofs = append(after.proofs, p)
	}
	return after, nil
}

// scopeOfRoutes are the accounts and Regions of the parties.
func scopeOfRoutes(file *route.File, routes []route.Route) live.Scope {
	var scope live.Scope
	names := namesIn(file)
	for i := range routes {
		for _, kind := range routes[i].Kind.Parties {
			for _, p := range routes[i].Parties[kind.Name] {
				at := slices.IndexFunc(scope.Accounts, func(a live.ScopeAccount) bool { return a.ID == p.Account })
				if at < 0 {
					at = len(scope.Accounts)
					scope.Accounts = append(scope.Accounts, live.ScopeAccount{ID: p.Account, Name: names[p.Account]})
				}
				own := &scope.Accounts[at]
				own.Regions = append(own.Regions, regionsOf(&p)...)
				slices.Sort(own.Regions)
				own.Regions = slices.Compact(own.Regions)
			}
		}
	}
	return scope
}

// foresee proves the routes on the estate with the plan's ops: that is how they are meant
// to come out. It returns the keys that they are about, by the names that AWS gave; none,
// which is all, when that cannot be known.
func (m *aftermath) foresee(routes []route.Route, before *estate.Estate) (keys []string) {
	if before == nil || m.run.Plan == nil {
		return nil
	}
	e, err := before.Apply(opsOf(m.run.Plan)...)
	if err != nil {
		return nil // it was planned otherwise
	}
	byName := false
	for i := range routes {
		p, err := route.Prove(&routes[i], e, time.Now().UTC())
		if err != nil {
			return nil
		}
		m.meant[p.Route] = p.Verdict
		for _, party := range partiesOf(&routes[i]) {
			byName = byName || party.Alias != "" // whose key it is now is not known before it is read
			keys = append(keys, party.Key)
		}
		for j := range p.Steps {
			for k := range p.Steps[j].Requests {
				keys = append(keys, p.Steps[j].Requests[k].Key)
			}
		}
	}
	if byName {
		return nil
	}
	return m.named(keys)
}

// named are the keys by the names that AWS gave.
func (m *aftermath) named(keys []string) []string {
	made := map[string]string{}
	for i := range m.run.Records {
		maps.Copy(made, m.run.Records[i].Made)
	}
	for i := range keys {
		if made[keys[i]] != "" {
			keys[i] = made[keys[i]]
		}
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool {
		a, err := arn.Parse(key)
		return err != nil || !a.IsKMSKey() || estate.IsProvisional(key)
	})
}

// regionsOf are the Regions of a party and of its key, of its own account.
func regionsOf(p *route.Party) []string {
	list := nonEmpty(p.Region)
	if a, err := arn.Parse(p.Key); err == nil && a.Account == p.Account {
		list = append(list, nonEmpty(a.Region)...)
	}
	return list
}

func partiesOf(r *route.Route) []route.Party {
	var list []route.Party
	for _, kind := range r.Kind.Parties {
		list = append(list, r.Parties[kind.Name]...)
	}
	return list
}

// stands reports whether every route came out as it was meant to, or better than that.
func (m *aftermath) stands() bool {
	return m.unproven == "" && !slices.ContainsFunc(m.proofs, func(p route.Proof) bool { return p.Verdict > m.limit(p.Route) })
}

// limit is the worst that a route may come out as. Where the plan's estate is no longer at
// hand, as when a run is resumed, it may rest on what is not known: perhaps it was meant to.
func (m *aftermath) limit(name string) route.Verdict {
	meant, known := m.meant[name]
	if !known {
		return route.OpenIf
	}
	return max(route.Fragile, meant)
}

// settling is the last write on which a route rests, zero when there is none.
func (m *aftermath) settling(name string) time.Time {
	var last time.Time
	if m.run == nil || m.run.Plan == nil {
		return last
	}
	for i := range m.run.Records {
		rec := &m.run.Records[i]
		if rec.Phase == run.PhaseResult && rec.Step >= 0 && slices.Contains(m.run.Plan.Steps[rec.Step].Routes, name) {
			last = rec.At
		}
	}
	return last
}

// untried are the principals of a route as which nobody but AWS can act.
func untried(p *route.Proof) []string {
	var list []string
	for i := range p.Steps {
		for j := range p.Steps[i].Requests {
			caller, err := arn.ParsePrincipal(p.Steps[i].Requests[j].Caller)
			if err == nil && caller.IsServiceLinked() {
				list = append(list, caller.Text)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// tell says how the routes stand.
func (m *aftermath) tell(p *printer) {
	p.blank()
	if m.unproven != "" {
		p.line(0, 0, "How the routes stand now could not be proven from here: %s", m.unproven)
		p.line(2, 2, "to prove them: keyreach collect, then keyreach check, as somebody who may read all accounts of the routes")
		return
	}
	p.line(0, 0, "The routes, proven on what AWS holds now:")
	for i := range m.proofs {
		proof := &m.proofs[i]
		p.line(2, 2, "%s: %s", proof.Route, strings.ToUpper(proof.Verdict.String()))
		if meant, known := m.meant[proof.Route]; known && !m.closes && proof.Verdict > m.limit(proof.Route) {
			p.line(4, 4, "by the plan it was to be %s", meant)
		}
		if at := m.settling(proof.Route); !at.IsZero() {
			p.line(4, 4, "settling: the last of it was written at %s, and AWS promises no time in which it counts everywhere: most often seconds, for grants up to five minutes. %s", clockText(at),
				pick(m.closes, "What was taken away may work until then.", "What is refused until then is no sign of a mistake."))
		}
		if m.closes {
			continue
		}
		if who := untried(proof); len(who) > 0 {
			p.line(4, 4, "not tried, and not to be tried from here, since only AWS acts as it: %s", strings.Join(who, ", "))
		}
		why := &checkPrinter{printer: *p, report: &report{file: m.file}}
		for j := range proof.Steps {
			if s := &proof.Steps[j]; s.Verdict > route.Fragile {
				why.step(s, j+1)
			}
		}
		p.err = why.err
	}
}

// view is how the routes stand, as data.
func (m *aftermath) view(v *actView) {
	v.Unproven = m.unproven
	for i := range m.proofs {
		p := &m.proofs[i]
		v.Routes = append(v.Routes, afterView{Name: p.Route, Verdict: p.Verdict, Settling: !m.settling(p.Route).IsZero(), Untried: untried(p)})
	}
}

// fits reports what of a plan is not on the estate as it was when the plan was made, nor
// as the plan leaves it.
func fits(p *plan.Plan, e *estate.Estate) ([]plan.Step, error) {
	var other []plan.Step
	now := e
	for i := range p.Steps {
		s := &p.Steps[i]
		have, err := now.Current(s.Op)
		if err != nil {
			return nil, fmt.Errorf("comparing the plan with the estate: %w", err)
		}
		if have.Value() != s.Was.Value() && have.Value() != s.Op.Value() {
			other = append(other, plan.Step{Op: have, Was: s.Was})
		}
		if now, err = now.Apply(s.Op); err != nil {
			return nil, fmt.Errorf("comparing the plan with the estate: %w", err)
		}
	}
	return other, nil
}
