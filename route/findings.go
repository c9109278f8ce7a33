package route

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/usage"
)

// findings reports what is wrong on the way: blocked steps under their rule,
// preconditions that do not hold, statements about the route's keys that can
// never do what they look like, and documents that are not in force.
func findings(r *Route, p *Proof, e *estate.Estate) []finding.Finding {
	var fs []finding.Finding
	for i := range p.Steps {
		fs = append(fs, stepFindings(&p.Steps[i])...)
	}
	for _, key := range r.keys() {
		fs = append(fs, keyFindings(key, r, e)...)
	}
	fs = append(fs, unlikeReplicas(r.keys(), e)...)
	for i := range e.Principals {
		if a, err := arn.ParsePrincipal(e.Principals[i].ARN); err == nil && r.hasAccount(a.Account) && !a.IsServiceLinked() {
			fs = append(fs, wideFindings(&e.Principals[i])...)
		}
	}
	for i := range e.Resources {
		if f := bucketAlias(&e.Resources[i]); f != nil && r.hasAccount(e.Resources[i].Account) {
			fs = append(fs, *f)
		}
	}
	finding.Sort(fs)
	return slices.Compact(fs)
}

// bucketAlias reports a bucket whose default encryption names an alias, which
// S3 looks up in the account of whoever uploads.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html.
func bucketAlias(b *estate.Resource) *finding.Finding {
	if b.Type != "s3:Bucket" || !strings.HasPrefix(b.Key, "alias/") {
		return nil
	}
	return &finding.Finding{
		Rule: "KEY033", Severity: finding.Error, Subject: b.ID,
		Text: "the default encryption of the bucket names " + b.Key + "; an alias is looked up in the account of whoever uploads, so another account's uploads get another key or fail",
		Fix:  "name the key by its ARN",
	}
}

// wideFindings looks at the policies that somebody wrote for a principal; those
// of AWS are wide by design.
func wideFindings(p *estate.Principal) []finding.Finding {
	var fs []finding.Finding
	wide := func(d *estate.Document) {
		if d != nil && d.Source != nil {
			fs = append(fs, access.Wide(d.Source, p.ARN)...)
		}
	}
	for i := range p.Policies {
		if a, err := arn.Parse(p.Policies[i].ARN); err != nil || a.Account != "aws" {
			wide(p.Policies[i].Document)
		}
	}
	for i := range p.NotAttached {
		wide(p.NotAttached[i].Document)
	}
	return fs
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

// keyFindings looks at every document of the estate that speaks of the key.
func keyFindings(key arn.ARN, r *Route, e *estate.Estate) []finding.Finding {
	var fs []finding.Finding
	if k := e.Key(key.String()); k != nil && k.Policy != nil && k.Policy.Source != nil {
		fs = append(fs, access.Inert(k.Policy.Source, key, k.ARN)...)
		fs = append(fs, absentPrincipals(k, e)...)
		fs = append(fs, unruled(k, key)...)
	}
	if k := e.Key(key.String()); k != nil {
		fs = append(fs, idleGrants(k)...)
		fs = append(fs, outsideAWS(k)...)
	}
	for i := range e.Principals {
		p := &e.Principals[i]
		a, err := arn.ParsePrincipal(p.ARN)
		if err != nil || !r.hasAccount(a.Account) {
			continue
		}
		for _, n := range p.NotAttached {
			fs = append(fs, notInForce(p, a, &n, key)...)
		}
		for _, at := range p.Policies {
			if at.Document != nil && at.Document.Source != nil && speaksOf(at.Document, key) {
				fs = append(fs, access.Inert(at.Document.Source, key, p.ARN)...)
			}
		}
	}
	return fs
}

// absentPrincipals reports users and roles that a key policy names and the
// estate does not hold, though it holds others of their account.
func absentPrincipals(k *estate.Key, e *estate.Estate) []finding.Finding {
	var fs []finding.Finding
	for _, s := range k.Policy.Source.Statements {
		if s.Principal == nil {
			continue
		}
		for _, g := range s.Principal.Groups {
			for _, v := range g.Names.Values {
				p, err := arn.ParsePrincipal(v.Text)
				if err != nil || v.Unknown || p.Kind != arn.User && p.Kind != arn.Role || e.Principal(v.Text) != nil || !e.Holds(p.Account) {
					continue
				}
				fs = append(fs, finding.Finding{
					Rule: "KEY020", Severity: finding.Warning, Subject: k.ARN, Position: k.Policy.Source.Position(v.Pos),
					Text: "the key policy names " + v.Text + ", which the estate does not hold; AWS refuses a key policy that names somebody who does not exist",
					Fix:  "look whether it exists and is spelt so; collect it, or remove it",
				})
			}
		}
	}
	return fs
}

// idleGrants reports grants to service-linked roles that never touch an
// encrypted volume or snapshot.
func idleGrants(k *estate.Key) []finding.Finding {
	var fs []finding.Finding
	for i := range k.Grants {
		grantee := k.Grants[i].Grantee()
		if role, ok := awsfacts.ServiceLinkedRoleFor(grantee.Name); ok && grantee.IsServiceLinked() && !role.UsesEBS {
			fs = append(fs, finding.Finding{
				Rule: "KEY062", Severity: finding.Warning, Subject: k.ARN,
				Text: "grant " + k.Grants[i].GrantID + " is for " + grantee.Name + ", which starts no instance and needs no key of a volume", Fix: "revoke the grant",
			})
		}
	}
	return fs
}

func (r *Route) hasAccount(id string) bool {
	for _, parties := range r.Parties {
		if slices.ContainsFunc(parties, func(p Party) bool { return p.Account == id }) {
			return true
		}
	}
	return false
}

// speaksOf reports whether a statement of the document names the key, with or
// without wildcards, other than by "*".
func speaksOf(d *estate.Document, key arn.ARN) bool {
	for _, s := range d.Source.Statements {
		if s.Resource == nil {
			continue
		}
		for _, v := range s.Resource.Values {
			if strings.HasPrefix(v.Text, "arn:") && arn.Glob(v.Text, key.String()) {
				return true
			}
		}
	}
	return false
}

// notInForce reports a document that AWS does not take, and what would be
// wrong with it even if it did.
func notInForce(p *estate.Principal, a arn.Principal, n *estate.NotAttached, key arn.ARN) []finding.Finding {
	f := finding.Finding{
		Rule: "KEY020", Severity: finding.Error, Subject: p.ARN,
		Text: "the policy " + n.Name + " is not in force: " + n.Reason,
	}
	if a.IsServiceLinked() {
		f.Rule, f.Severity = "KEY010", finding.Critical
		f.Text = "the policy " + n.Name + " was meant for " + a.Name + ", a service-linked role, which takes no policy; it is not in force (" + n.Reason + ")"
		f.Fix = "give the right by the key policy or a grant, or to a role that you can change"
	}
	if n.Document == nil || n.Document.Source == nil {
		return []finding.Finding{f}
	}
	f.Position = n.Document.Source.Position(n.Document.Source.Pos)
	return append([]finding.Finding{f}, access.Inert(n.Document.Source, key, p.ARN)...)
}
