package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// stuck is what stays blocked with all ops made.
func (m *maker) stuck(proofs []route.Proof) []Stuck {
	var list []Stuck
	for i := range proofs {
		p := &proofs[i]
		for j := range p.Steps {
			s := &p.Steps[j]
			for k := range s.Preconditions {
				if c := &s.Preconditions[k]; c.Verdict == route.Blocked && !later(c) {
					list = append(list, stuckFact(p.Route, s, c))
				}
			}
			for _, g := range route.Groups(s.Requests) {
				if g.Verdict == route.Blocked {
					list = append(list, m.stuckUse(p.Route, s, &g)...)
				}
			}
		}
	}
	list = append(list, m.quiet()...)
	for i := range list {
		list[i].Proof = m.proofOf(&list[i])
		list[i].Message = letter(&list[i])
	}
	return slices.CompactFunc(list, func(a, b Stuck) bool { return a == b })
}

// proofOf is the command that shows that something is no longer stuck.
func (m *maker) proofOf(x *Stuck) string {
	for i := range m.routes {
		r := &m.routes[i]
		uses, asked := r.Asks()
		if r.Name != x.Route || !asked {
			continue
		}
		for j := range uses {
			if r.Kind.Steps[j].Name == x.Step {
				return uses[j].Question()
			}
		}
	}
	return "keyreach check --route " + x.Route
}

// later reports whether a precondition comes about while the route is performed.
func later(c *route.Precondition) bool {
	return c.Check == "attribute" && c.Args["type"] == "drs:SourceServer"
}

// stuckFact says who can make a precondition true.
func stuckFact(name string, s *route.StepProof, c *route.Precondition) Stuck {
	x := Stuck{Route: name, Step: s.Name, What: "it is needed that " + c.Text + ", and that is not so: found " + c.Found, Owner: "whoever keeps keyreach.yaml"}
	switch c.Check {
	case "same-region":
		x.Why = "a key and what is encrypted under it stay in their Region: no permission moves them"
		x.Do = "name a party or key of one Region in keyreach.yaml, or have a copy made in the other Region first, under a key there"
	case "customer-key":
		x.Why = "nobody can change the policy of a key that AWS manages, and what lies under one cannot be shared"
		x.Do = "name a customer managed key in keyreach.yaml; key: alias/NAME has keyreach plan make one; then copy the data under it (keyreach run does)"
	case "key-account":
		x.Why = "a copy under a key of the account that is to be survived does not survive it"
		x.Do = "name a key of account " + c.Args["account"] + " in keyreach.yaml; key: alias/NAME has keyreach plan make one"
	case "same-organization":
		x.Why = "only the management account of an organization takes accounts into it"
		x.Owner, x.Do = "the management account of the organization", fmt.Sprintf("invite account %s or %s into the organization", c.Args["a"], c.Args["b"])
	default:
		x.Why, x.Owner = "nothing that keyreach writes changes it", "account "+s.Account
		x.Do = "have it so that " + c.Text
	}
	return x
}

// stuckUse says who can open a key use, for each layer that no op opens.
func (m *maker) stuckUse(name string, s *route.StepProof, g *route.Group) []Stuck {
	what := fmt.Sprintf("%s lacks %s on %s", shortName(g.Caller), g.Use.Asks(), g.Key)
	var list []Stuck
	for i := range g.Decision.Blockers {
		b := &g.Decision.Blockers[i]
		x := Stuck{Route: name, Step: s.Name, What: what, Why: b.Text, Owner: "account " + b.Owner}
		m.remedy(&x, b, g)
		list = append(list, x)
	}
	return list
}

// remedy says what the owner of a blocker has to do.
func (m *maker) remedy(x *Stuck, b *access.Blocker, g *route.Group) {
	place := placeOf(b)
	switch b.Layer {
	case access.SCP, access.RCP:
		x.Owner = ofOrganization(b.Owner)
		x.Do = fmt.Sprintf("except %s from %s for %s on %s", shortName(g.Caller), cmp.Or(place, "the control policies"), g.Use.Action, g.Key)
	case access.Boundary:
		x.Do = fmt.Sprintf("have the permissions boundary of %s allow %s on %s", shortName(g.Caller), g.Use.Action, g.Key)
	case access.Session:
		x.Do = fmt.Sprintf("make the session with a policy that allows %s on %s", g.Use.Action, g.Key)
	case access.EndpointPolicy:
		x.Do = fmt.Sprintf("have the policy of the VPC endpoint allow %s on %s", g.Use.Action, g.Key)
	case access.Region:
		x.Do = "enable the Region: aws account enable-region"
	case access.KeyStateLayer:
		m.remedyOfState(x, b, g.Key)
	case access.Operation:
		x.Do = "nothing: KMS has no such call; declare the route otherwise"
	case access.Identity:
		m.remedyOfIdentity(x, g)
	case access.KeyPolicy:
		m.remedyOfPolicy(x, b, g)
	default:
		x.Do = "see " + cmp.Or(place, string(b.Layer))
	}
	if bar := m.bars(b, g); bar != nil {
		x.Why += "; and account " + parsed(g.Caller).Account + " may not make the grant that would: " + bar.Text
		x.Owner = ofOrganization(parsed(g.Caller).Account)
		x.Do = fmt.Sprintf("let account %s make grants on %s (kms:CreateGrant) in %s", parsed(g.Caller).Account, g.Key, cmp.Or(placeOf(bar), "its control policies"))
	}
	if m.patched(b, g) {
		keeper := keeperOf(m.now.Key(g.Key))
		x.Why += "; the key's policy is kept by " + keeper + ", which would take back what is written past it"
		x.Owner, x.Do = "whoever keeps "+keeper, "add these statements to the key policy there, and apply it: "+m.patch(g.Key)
	}
	if b.Explicit && (b.Layer != access.KeyPolicy || writable(m.now, g.Key)) {
		x.Do = fmt.Sprintf("change %s, whose Deny applies: no permission opens what is denied", cmp.Or(place, "the "+string(b.Layer)+" policy"))
	}
}

// remedyOfPolicy says what the owner of a key has to do about its policy.
func (m *maker) remedyOfPolicy(x *Stuck, b *access.Blocker, g *route.Group) {
	x.Do = fmt.Sprintf("have the key policy let %s do %s", shortName(g.Caller), g.Use.Action)
	if parsed(g.Caller).Kind == arn.Service {
		x.Do += ", for what aws:SourceArn or aws:SourceAccount names and nothing else: a plan lets no service in"
	}
	if k := m.now.Key(g.Key); isGone(m.now)(g.Caller) && !parsed(g.Caller).IsServiceLinked() {
		x.Why += "; and there is no " + shortName(g.Caller) + ", whom a policy could name"
		x.Owner, x.Do = "account "+parsed(g.Caller).Account, "make "+g.Caller+" or name another actor in keyreach.yaml; then collect and plan again"
	} else if k == nil {
		x.Do += "; the estate does not hold the key, so nothing can be written for it"
	} else if k.Manager == "AWS" {
		x.Do = "use a customer managed key: nobody can change the policy of one that AWS manages"
	} else if !writable(m.now, g.Key) && !thaw(x, m.now, "kms:PutKeyPolicy", g.Key) {
		throughSupport(x, b.Owner)
	}
}

// remedyOfIdentity says what the owner of a principal has to do about its policies, or
// the owner of the key where the principal is a service-linked role, which takes none.
func (m *maker) remedyOfIdentity(x *Stuck, g *route.Group) {
	x.Do = fmt.Sprintf("let %s do %s on %s", shortName(g.Caller), g.Use.Action, g.Key)
	caller, account := parsed(g.Caller), parsedARN(g.Key).Account
	switch {
	case managedByIdentityCenter(g.Caller):
		x.Owner, x.Do = "the administrator of IAM Identity Center", x.Do+", in its permission set"
	case m.now.Principal(g.Caller) == nil && !caller.IsServiceLinked():
		x.Do += "; the estate does not hold it, so nothing can be written for it"
	case caller.IsServiceLinked() && caller.Account == account && m.now.Key(g.Key) != nil && !writable(m.now, g.Key):
		x.Why += "; the key's policy alone can name the role"
		if !thaw(x, m.now, "kms:PutKeyPolicy", g.Key) {
			throughSupport(x, account)
		}
	}
}

// remedyOfState says what the owner of a key has to do about its state.
func (m *maker) remedyOfState(x *Stuck, b *access.Blocker, key string) {
	x.Do = "make the key usable again; keyreach plan --enable-keys plans it where AWS lets one"
	right, at := m.unusable(key)
	if right == "" || thaw(x, at, right, key) {
		return
	}
	x.Why += "; and nobody of the key's account may " + right
	x.Do = "have the key policy let an administrator " + right + "; then plan again"
	if !writable(m.now, key) && !thaw(x, m.now, "kms:PutKeyPolicy", key) {
		throughSupport(x, b.Owner)
	}
}

// bars is the control policy that keeps a grant from being made which would open a use.
func (m *maker) bars(b *access.Blocker, g *route.Group) *access.Blocker {
	caller := parsed(g.Caller)
	if b.Explicit || b.Layer != access.KeyPolicy && b.Layer != access.GrantLayer && b.Layer != access.Identity || !needsGrant(caller, parsedARN(g.Key)) {
		return nil
	}
	return m.barred(grantOf(&g.RequestProof, caller))
}

// letter is a stuck thing as a message to its owner.
func letter(x *Stuck) string {
	return fmt.Sprintf(`To: %s

The recovery route %q does not work. In the step %q: %s.
Why: %s.
What is needed, and nothing more: %s.
With it, this command shows that the step works: %s
`, x.Owner, x.Route, x.Step, x.What, strings.TrimSuffix(x.Why, "."), x.Do, x.Proof)
}

// asked are the rights of the plan that AWS was recorded to work without.
func (m *maker) asked(proofs []route.Proof) []string {
	var list []string
	for i := range proofs {
		for j := range proofs[i].Steps {
			for _, r := range proofs[i].Steps[j].Requests {
				if r.Use.Need != usage.Asked {
					continue
				}
				text := fmt.Sprintf("%s on %s for %s", r.Use.Action, r.Key, shortName(r.Caller))
				if opened := m.opens(&r); opened && !slices.Contains(list, text) {
					list = append(list, text)
				}
			}
		}
	}
	return list
}

// opens reports whether the plan opens a request that was not open before.
func (m *maker) opens(r *route.RequestProof) bool {
	if r.Verdict != route.Proven {
		return false
	}
	req, err := r.Use.Request(r.Caller, r.Key)
	if err != nil {
		return false
	}
	req.At = m.o.At
	c := m.base.Bind(req)
	return access.Decide(&c) != access.Allow
}

// notes are what the plan does not settle.
func (m *maker) notes(proofs []route.Proof) []string {
	notes := slices.Clone(m.told)
	add := func(text string) {
		if !slices.Contains(notes, text) {
			notes = append(notes, text)
		}
	}
	for i := range proofs {
		for j := range proofs[i].Steps {
			s := &proofs[i].Steps[j]
			for k := range s.Preconditions {
				if c := &s.Preconditions[k]; c.Verdict == route.OpenIf && !later(c) {
					add("open if " + c.Text + ": " + c.Found)
				}
			}
			for k := range s.Requests {
				r := &s.Requests[k]
				for _, d := range r.Decision.Unknown {
					if r.Verdict == route.OpenIf && d.If != "" {
						add("open if " + d.If + ": " + d.Text)
					}
				}
			}
		}
	}
	for i := range m.grants {
		g := &m.grants[i]
		if m.o.Writers[g.issuer] == "" {
			add(fmt.Sprintf("whoever applies the plan in account %s needs kms:CreateGrant on %s, by its own policies; to find the grant again it needs kms:ListGrants there too, or a way into the key's account", g.issuer, g.key))
		}
	}
	for holder := range m.inline {
		if strings.Contains(holder, ":user/") {
			add(fmt.Sprintf("%s is a user: a role would do with credentials that end", shortName(holder)))
		}
	}
	slices.Sort(notes)
	return notes
}
