package route

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/usage"
)

// Find fills in what is wrong on the way of a proven route: blocked steps under
// their rule, preconditions that do not hold, and what the rules say of the
// policies, grants and keys that bear on it.
func (p *Proof) Find(r *Route, e *estate.Estate) {
	on := r.On(e)
	var fs []finding.Finding
	for i := range p.Steps {
		fs = append(fs, stepFindings(&p.Steps[i])...)
	}
	fs = append(fs, on.hanging()...)
	for _, f := range rules.Check(on.material(e), unproven()) {
		if on.concerns(f.Subject, e) {
			fs = append(fs, f.Finding)
		}
	}
	finding.Sort(fs)
	p.Findings = slices.Compact(fs)
}

// unproven are the rules but for those that the proof itself tells better.
func unproven() []rules.Rule {
	return slices.DeleteFunc(rules.All(), func(r rules.Rule) bool { return r.Proven })
}

// material is what of the estate bears on the route: its keys, with their
// policies and grants, and the policies that somebody wrote for principals of its
// accounts. What the reader of a document found is told of the estate as a whole.
func (r *Route) material(e *estate.Estate) *rules.Material {
	m := rules.OfEstate(e)
	keys := r.keys()
	m.Policies = slices.DeleteFunc(m.Policies, func(p *rules.Policy) bool {
		switch p.Kind {
		case rules.KeyPolicy:
			return !slices.Contains(keys, p.Key)
		case rules.IdentityPolicy:
			a, err := arn.ParsePrincipal(p.Owner)
			return err != nil || !r.hasAccount(a.Account)
		}
		return true
	})
	for _, p := range m.Policies {
		p.Read = nil
	}
	m.Keys = slices.DeleteFunc(m.Keys, func(k *rules.Key) bool { return !slices.Contains(keys, k.ARN) })
	m.Grants = slices.DeleteFunc(m.Grants, func(g *rules.Grant) bool {
		return !slices.ContainsFunc(keys, func(k arn.ARN) bool { return k.String() == g.Key })
	})
	return m
}

// hostage reports a thing that lies in one account under the key of another:
// it closes when that account goes.
func hostage(s *StepProof) *finding.Finding {
	if s.Leaves == nil {
		return nil
	}
	key, err := arn.Parse(s.Leaves.Key)
	if err != nil || key.Account == s.Leaves.Account {
		return nil
	}
	return &finding.Finding{
		Rule: "KEY047", Severity: finding.Critical, Subject: s.Leaves.Key,
		Text: s.Leaves.What + " in account " + s.Leaves.Account + " is under a key of account " + key.Account + ", and closes when that account or key is gone",
		Fix:  "copy it under a key of account " + s.Leaves.Account,
	}
}

// ruleOf is the step's rule, or the one for a service-linked role that a
// foreign key policy cannot let in.
func ruleOf(s *StepProof, g *Group) string {
	if foreignServiceLinked(g) {
		return "KEY009"
	}
	return s.Rule
}

// foreignServiceLinked reports whether the caller is a service-linked role
// without rights on keys, and the key is another account's: a grant from its
// own account is then the only way.
func foreignServiceLinked(g *Group) bool {
	caller, err := arn.ParsePrincipal(g.Caller)
	key, keyErr := arn.Parse(g.Key)
	if err != nil || keyErr != nil || !caller.IsServiceLinked() || caller.Account == key.Account {
		return false
	}
	role, ok := awsfacts.ServiceLinkedRoleFor(caller.Name)
	return ok && !role.KMSUse
}

// fixOf says in one sentence what opens the requests of a group. A Deny has to
// go first, and is told as a blocker.
func fixOf(g *Group) string {
	caller, err := arn.ParsePrincipal(g.Caller)
	key, keyErr := arn.Parse(g.Key)
	if err != nil || keyErr != nil || g.Decision.Effect == access.ExplicitDeny {
		return ""
	}
	if foreignServiceLinked(g) {
		return "make a grant on the key to " + caller.Name + " from account " + caller.Account + ", with every operation it needs and CreateGrant"
	}
	when := ", with kms:CallerAccount " + caller.Account
	if g.Use.Via != "" {
		when += " and kms:ViaService " + usage.ViaService(g.Use.Via, key.Region)
	}
	if caller.Account == key.Account {
		return "name " + caller.Text + " in the key policy for " + g.Use.Asks() + when
	}
	var parts []string
	layers := g.Decision.BlockedBy()
	if slices.Contains(layers, access.KeyPolicy) {
		parts = append(parts, "allow account "+caller.Account+" "+g.Use.Asks()+" in the key policy"+when)
	}
	if slices.Contains(layers, access.Identity) {
		parts = append(parts, "allow "+caller.Text+" "+g.Use.Asks()+" on the key in an identity policy")
	}
	return strings.Join(parts, ", and ")
}

// Says reports whether a blocked step or an unmet precondition already tells
// what a finding of this rule repeats for programs.
func (p *Proof) Says(rule string) bool {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Verdict == Blocked && (s.Rule == rule || rule == "KEY009") {
			return true
		}
		for j := range s.Preconditions {
			if s.Preconditions[j].Rule == rule && s.Preconditions[j].Verdict == Blocked {
				return true
			}
		}
	}
	return false
}

// keys returns the keys that the route names, each once.
func (r *Route) keys() []arn.ARN {
	var keys []arn.ARN
	for _, kind := range r.Kind.Parties {
		for _, p := range r.Parties[kind.Name] {
			if a, err := arn.Parse(p.Key); err == nil && !slices.Contains(keys, a) {
				keys = append(keys, a)
			}
		}
	}
	if r.Backup != nil {
		if a, err := arn.Parse(r.ObjectKey()); err == nil && !slices.Contains(keys, a) {
			keys = append(keys, a)
		}
	}
	return keys
}

func stepFindings(s *StepProof) []finding.Finding {
	var fs []finding.Finding
	for _, c := range s.Preconditions {
		if c.Verdict == Blocked && c.Rule != "" {
			fs = append(fs, finding.Finding{
				Rule: c.Rule, Severity: finding.Critical, Subject: s.Account,
				Text: "step " + s.Name + " needs that " + c.Text + "; found " + c.Found,
			})
		}
	}
	if f := hostage(s); f != nil {
		fs = append(fs, *f)
	}
	if s.Rule == "" {
		return fs
	}
	for _, g := range Groups(s.Requests) {
		if g.Verdict == Blocked && g.Use.Need == usage.Required {
			fs = append(fs, finding.Finding{
				Rule: ruleOf(s, &g), Severity: finding.Critical, Subject: g.Key,
				Text: g.Caller + " lacks " + g.Use.Asks() + " on " + g.Key,
				Fix:  fixOf(&g),
			})
		}
	}
	return fs
}

// concerns reports whether a thing of the estate is one of the route: rules look
// at all of an estate.
func (r *Route) concerns(subject string, e *estate.Estate) bool {
	if k := e.Key(subject); k != nil {
		return slices.ContainsFunc(r.keys(), func(a arn.ARN) bool { return a.String() == k.ARN })
	}
	for i := range e.Resources {
		if x := &e.Resources[i]; subject != "" && (x.ID == subject || x.ARN == subject) {
			return r.hasAccount(x.Account)
		}
	}
	return true
}

func (r *Route) hasAccount(id string) bool {
	for _, parties := range r.Parties {
		if slices.ContainsFunc(parties, func(p Party) bool { return p.Account == id }) {
			return true
		}
	}
	return false
}
