package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// statement turns a report into evidence.
func (w *writer) statement(rep *layerReport) Evidence {
	e := Evidence{
		Layer: rep.layer, Document: rep.name, Statement: StatementName(rep.Statement, rep.Index),
		Position: rep.Document.Position(rep.Statement.Pos), Effect: "Allow", Applies: rep.Applies.String(),
	}
	if rep.Deny {
		e.Effect = "Deny"
	}
	if rep.Applies == policy.True && rep.Grade != policy.Unnamed {
		e.By = rep.Grade.String()
	}
	for i := range rep.Misses {
		e.Misses = append(e.Misses, w.miss(rep, &rep.Misses[i]))
	}
	return e
}

// StatementName is how a statement is called in messages: by its Sid, or by
// its place.
func StatementName(s *policy.Statement, index int) string {
	if s.Sid != nil && s.Sid.Text != "" {
		return fmt.Sprintf("%q", s.Sid.Text)
	}
	return fmt.Sprintf("statement %d", index+1)
}

func (w *writer) miss(rep *layerReport, m *policy.Miss) Miss {
	out := Miss{
		Element: m.Element, Operator: m.Operator, Key: m.Key, Expected: m.Expected,
		Position: rep.Document.Position(m.Pos),
	}
	switch {
	case m.Actual.Presence != policy.Present:
	case m.Actual.Multi:
		out.Actual = m.Actual.Many
	default:
		out.Actual = []string{m.Actual.One}
	}
	switch {
	case m.Placeholder:
		out.Origin = "placeholder"
	case m.Key != "":
		_, origin := w.c.Describe(m.Key)
		out.Origin = string(origin)
	}
	return out
}

// String says the miss in words: what was asked for and what there was.
func (m Miss) String() string {
	subject := m.Element
	if m.Key != "" {
		subject = m.Key
	}
	switch {
	case m.Origin == "placeholder":
		return subject + " holds a placeholder: " + strings.Join(m.Expected, ", ")
	case m.Origin == "absent":
		return fmt.Sprintf("%s absent (%s asks for %s)", subject, m.Operator, list(m.Expected))
	case m.Origin == "not known":
		return fmt.Sprintf("%s not known (%s asks for %s)", subject, m.Operator, list(m.Expected))
	case m.Key != "":
		return fmt.Sprintf("%s is %s (%s asks for %s)", subject, list(m.Actual), m.Operator, list(m.Expected))
	case m.Element == policy.StoredPrincipal:
		return fmt.Sprintf("the principal's unique id: AWS stored %s, which is gone, and the one of that name now is %s (KEY117)", list(m.Expected), list(m.Actual))
	case len(m.Expected) == 0:
		return subject + " is missing"
	}
	return fmt.Sprintf("%s names %s, not %s", subject, list(m.Expected), list(m.Actual))
}

func list(s []string) string { return strings.Join(s, ", ") }

// String says in one line what the statement or grant would need.
func (e Evidence) String() string {
	head := e.Document + " " + e.Statement
	if e.Text != "" {
		return head + ": " + e.Text
	}
	if len(e.Misses) == 0 {
		return head
	}
	texts := make([]string, len(e.Misses))
	for i := range e.Misses {
		texts[i] = e.Misses[i].String()
	}
	return head + " would match but for " + strings.Join(texts, " and ")
}

func grantEvidence(rep *GrantReport) Evidence {
	name := rep.Grant.GrantID
	if rep.Grant.Name != "" {
		name += " (" + rep.Grant.Name + ")"
	}
	return Evidence{
		Layer: GrantLayer, Document: "grant", Statement: name, Effect: "Allow", Applies: rep.Applies.String(),
		By: rep.Grade.String(), Text: rep.Why,
	}
}

// explicit is the blocker of a Deny statement that applies.
func (w *writer) explicit(rep *layerReport) Blocker {
	name := StatementName(rep.Statement, rep.Index)
	return Blocker{
		Layer: rep.layer, Explicit: true, Owner: w.owner(rep.layer), Document: rep.name, Statement: name,
		Position: rep.Document.Position(rep.Statement.Pos),
		Text:     fmt.Sprintf("%s, %s, denies %s", rep.name, name, w.c.Request.Action),
	}
}

// owner is the account in which a layer is changed.
func (w *writer) owner(layer Layer) string {
	switch layer {
	case KeyPolicy, ResourcePolicy, GrantLayer, RCP, KeyStateLayer:
		return w.c.Request.ResourceAccount
	}
	return w.c.Request.Caller.Account
}

// doubts lists what is not known and keeps the decision open.
func (w *writer) doubts() {
	for i := range w.r.reports {
		rep := &w.r.reports[i]
		if rep.Applies != policy.Unknown {
			continue
		}
		for j := range rep.Misses {
			if m := w.miss(rep, &rep.Misses[j]); rep.Misses[j].Truth == policy.Unknown {
				w.doubt(rep, m)
			}
		}
	}
	for i := range w.r.grants {
		for _, key := range w.r.grants[i].Missing {
			w.d.Unknown = append(w.d.Unknown, Doubt{
				Layer: GrantLayer, Key: key, Settle: "give --context " + key + "=VALUE",
				Text: "grant " + w.r.grants[i].Grant.GrantID + " depends on " + key + ", which is not known",
			})
		}
	}
	w.unread()
}

func (w *writer) doubt(rep *layerReport, m Miss) {
	where := rep.name + ", " + StatementName(rep.Statement, rep.Index)
	effect := "allows"
	if rep.Deny {
		effect = "denies"
	}
	d := Doubt{Layer: rep.layer, Key: m.Key}
	if m.Origin == "placeholder" {
		d.Text = where + " " + effect + " this or not, depending on what " + strings.Join(m.Expected, ", ") + " becomes"
		d.Settle = "fill in the placeholder"
	} else {
		subject := m.Key
		if subject == "" {
			subject = m.Element
		}
		d.Text = fmt.Sprintf("%s %s this or not, depending on %s, which is not known (%s %s)", where, effect, subject, m.Operator, list(m.Expected))
		d.Settle = "give --context " + subject + "=VALUE"
		if m.Element == "NotPrincipal" {
			d.Text = where + " denies this or not: NotPrincipal does not name the caller together with its role and account, and AWS documents only that it might then deny"
			d.Settle = "replace NotPrincipal by a condition on aws:PrincipalArn"
		}
	}
	w.d.Unknown = append(w.d.Unknown, d)
}

// unread lists the parts of the estate that could not be read and matter.
func (w *writer) unread() {
	c := w.c
	add := func(layer Layer, why, assumption string) {
		if why != "" {
			w.d.Unknown = append(w.d.Unknown, Doubt{Layer: layer, If: assumption, Text: why, Settle: "collect it, or ask account " + w.owner(layer)})
		}
	}
	action := c.Request.Action
	add(Identity, c.IdentityUnread, "an identity policy of "+w.who()+" allows "+action+" and none denies it")
	add(Boundary, c.BoundaryUnread, "the permissions boundary of "+w.who()+" allows "+action)
	add(resourceLayer(c), c.ResourceUnread, "the policy of "+c.Request.Resource+" allows "+action+" and does not deny it")
	in := ""
	if c.Request.Target.Region != "" {
		in = " in " + c.Request.Target.Region
	}
	add(SCP, c.SCPUnread, "no SCP of the organization denies "+action+in)
	add(RCP, c.RCPUnread, "no RCP of the organization denies "+action+in)
	if c.Endpoint != nil && c.Endpoint.Document != nil && c.Forwarded() != policy.True {
		add(EndpointPolicy, c.Endpoint.Unreadable, "the policy of the "+c.Endpoint.Name+" allows "+action)
	}
	if c.Endpoint != nil && c.Forwarded() == policy.Unknown && (w.l.endpoint.allow == policy.Unknown || w.l.endpoint.deny == policy.Unknown) {
		add(EndpointPolicy, "kms:ViaService is not known", "a service forwards the call, which then does not come through the endpoint")
	}
	add(GrantLayer, c.GrantsUnread, "a grant on the key allows "+action)
}

// notes adds what the asker should know beside the decision.
func (w *writer) notes() {
	c := w.c
	for i := range c.Request.Context {
		if e := &c.Request.Context[i]; !recognised(e.Name) {
			w.d.Notes = append(w.d.Notes, "the context key "+e.Name+" is not one Keyreach knows; it was compared as given")
		}
	}
	if c.Endpoint != nil && c.Forwarded() == policy.True {
		w.d.Notes = append(w.d.Notes, "the endpoint policy was not asked: a service forwards this call, and it does not come through the caller's endpoint")
	}
	if w.onlyByEveryone() {
		w.d.Notes = append(w.d.Notes, "assumed: an Allow for \"*\" is limited by a silent boundary or session policy as one for a role is; AWS does not say")
	}
}

// onlyByEveryone reports whether a denial rests on how far "*" reaches.
func (w *writer) onlyByEveryone() bool {
	if w.d.Effect != ImplicitDeny || !w.c.SameAccount() || w.l.resource.Allow(grade(policy.ByEveryone)) != policy.True {
		return false
	}
	return !slices.ContainsFunc(w.d.Blockers, func(b Blocker) bool { return b.Layer != Boundary && b.Layer != Session })
}

func recognised(name string) bool {
	_, ok := awsfacts.LookupConditionKey(name)
	service, _, _ := strings.Cut(name, ":")
	return ok || service != "aws" && service != "kms"
}
