package policy

import (
	"slices"
	"time"
)

// Report is what one statement says to one query: that it applies, that it may,
// or what single element kept it from applying.
type Report struct {
	Document  *Document
	Statement *Statement
	Index     int // from 0
	Deny      bool
	// Applies is True, Unknown, or False for a near miss.
	Applies Truth
	// Grade says how the statement names the caller, when it does.
	Grade Grade
	// Misses are the elements that did not match, or of which it is not known:
	// none for a statement that applies.
	Misses []Miss
	// Until is the earliest time at which a condition that holds now stops
	// holding; zero when there is none.
	Until time.Time
}

// Miss is one element that did not match, or may not.
type Miss struct {
	Element  string // Principal, Action, Resource, Condition, Statement, or StoredPrincipal
	Operator string // of a condition, as written
	Key      string // of a condition, as written
	Expected []string
	// Actual is the request's value: of the key, or the principal, action or
	// resource itself.
	Actual ContextValue
	Truth  Truth // False or Unknown
	Pos    Pos
	// Placeholder is set when a placeholder in the policy keeps the answer open.
	Placeholder bool
}

// Explain evaluates the document like Eval, and reports every statement that
// applies or may apply, and each near miss: a statement about this action that
// would apply but for one element.
func (p *Policy) Explain(q *Query) (Outcome, []Report) {
	var o Outcome
	var reports []Report
	for i := range p.statements {
		s := &p.statements[i]
		if s.effect == noEffect {
			continue
		}
		sure, maybe := s.apply(q)
		o.add(s.effect, sure, maybe)
		r := Report{Document: p.Document, Statement: s.source, Index: i, Deny: s.effect == deny}
		switch {
		case s.effect == eitherEffect && sure|maybe != 0:
			r.Applies, r.Grade = Unknown, (sure | maybe).strongest()
			r.Misses = append(s.misses(q), s.effectMiss()...)
		case sure != 0:
			r.Applies, r.Grade = True, sure.strongest()
			r.Until = s.until()
		case maybe != 0:
			r.Applies, r.Grade = Unknown, maybe.strongest()
			r.Misses = s.misses(q)
		default:
			if r.Misses = s.nearMiss(q); r.Misses == nil {
				continue
			}
		}
		reports = append(reports, r)
	}
	return o, reports
}

// strongest returns the grade that limits the caller least.
func (s Grades) strongest() Grade {
	for _, g := range [...]Grade{Unnamed, ByService, ByRoot, BySession, ByUser, ByRole, ByEveryone} {
		if s.Has(g) {
			return g
		}
	}
	return ByAccount
}

// nearMiss returns what kept the statement from applying if that is one
// element and the statement is about this action, or meant to be.
func (s *statement) nearMiss(q *Query) []Miss {
	if s.source.Opaque {
		return nil
	}
	action := s.matchAction(q)
	if action == False && !s.meantFor(q.Action) {
		return nil
	}
	failed := 0
	if action == False {
		failed++
	}
	if sure, maybe := s.matchPrincipal(q); sure|maybe == 0 {
		failed++
	}
	if s.matchResource(q) == False {
		failed++
	}
	if failed > 1 {
		return nil
	}
	if slices.ContainsFunc(s.conditions, func(c condition) bool { return c.eval(q.Context) == False }) {
		failed++
	}
	if failed != 1 {
		return nil
	}
	return s.misses(q)
}

// meantFor reports whether an action of the statement is the asked one with
// its end missing: kms:ReEncrypt, which is no action, for kms:ReEncryptFrom.
func (s *statement) meantFor(action string) bool {
	if s.notAction {
		return false
	}
	for i := range s.actions {
		p := &s.actions[i]
		if p.form == literal && len(p.text) > len("kms:") && len(p.text) < len(action) {
			beginning := *p
			beginning.form = prefix
			if beginning.matchText(action) {
				return true
			}
		}
	}
	return false
}

// misses lists the elements that are not surely matched.
func (s *statement) misses(q *Query) []Miss {
	if s.source.Opaque {
		return []Miss{{Element: "Statement", Truth: Unknown, Placeholder: true, Pos: s.source.Pos}}
	}
	var ms []Miss
	if t := s.matchAction(q); t != True {
		ms = append(ms, listMiss("Action", s.source.Action, s.source.NotAction, q.Action, t))
	}
	if sure, maybe := s.matchPrincipal(q); sure == 0 {
		ms = append(ms, s.principalMiss(q, truth(maybe != 0).And(Unknown)))
	}
	if t := s.matchResource(q); t != True {
		ms = append(ms, listMiss("Resource", s.source.Resource, s.source.NotResource, q.Resource, t))
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		if t := c.eval(q.Context); t != True {
			ms = append(ms, c.miss(q.Context, t))
		}
	}
	return ms
}

// effectMiss is the effect that a placeholder keeps open.
func (s *statement) effectMiss() []Miss {
	if s.source.Opaque {
		return nil // the statement as a whole is told
	}
	v := s.source.Effect
	return []Miss{{Element: "Effect", Expected: []string{v.Text}, Truth: Unknown, Placeholder: true, Pos: v.Pos}}
}

func listMiss(element string, list, notList *List, actual string, t Truth) Miss {
	m := Miss{Element: element, Actual: One(actual), Truth: t, Placeholder: t == Unknown}
	if list == nil {
		list, m.Element = notList, "Not"+element
	}
	if list == nil {
		m.Element = element
		return m
	}
	m.Pos, m.Expected = list.Pos, texts(list.Values)
	return m
}

func (s *statement) principalMiss(q *Query, t Truth) Miss {
	m := Miss{Element: "Principal", Actual: One(q.Caller.Text), Truth: t, Placeholder: t == Unknown, Pos: s.source.Pos}
	e := s.source.Principal
	if s.notPrincipal {
		e, m.Element, m.Placeholder = s.source.NotPrincipal, "NotPrincipal", false
	}
	if e == nil {
		return m
	}
	m.Pos = e.Pos
	if p := s.deadName(q); p != nil && t == False {
		return Miss{
			Element: StoredPrincipal, Pos: p.source.Pos, Truth: False,
			Expected: []string{q.StoredIDs[p.Text]}, Actual: One(q.Caller.ID),
		}
	}
	if e.Text != nil {
		m.Expected = []string{e.Text.Text}
	}
	for i := range e.Groups {
		m.Expected = append(m.Expected, texts(e.Groups[i].Names.Values)...)
	}
	return m
}

// StoredPrincipal is the Element of a Miss where the ARN is the caller's and
// the unique id that AWS stored for it is not.
const StoredPrincipal = "Principal id"

// deadName returns the name that is the caller's but for the unique id.
func (s *statement) deadName(q *Query) *principal {
	for i := range s.principals {
		if p := &s.principals[i]; !p.vague && q.dead(&p.Principal) {
			if _, ok := GradeOf(&p.Principal, q.Caller); ok {
				return p
			}
		}
	}
	return nil
}

func (c *condition) miss(ctx Context, t Truth) Miss {
	m := Miss{
		Element: "Condition", Operator: c.operator.Name, Key: c.source.Name, Pos: c.source.Pos,
		Expected: texts(c.source.Values.Values), Truth: t,
	}
	if c.key == "" {
		m.Placeholder = true
		return m
	}
	m.Actual = ctx.Lookup(c.key)
	if t == Unknown && m.Actual.Presence != NotKnown {
		m.Placeholder = slices.ContainsFunc(c.operands, func(o operand) bool { return o.vague || o.pattern.vague })
		m.nameVariable(c, ctx)
	}
	return m
}

// nameVariable puts the policy variable that is not known in the place of the
// key, which is known.
func (m *Miss) nameVariable(c *condition, ctx Context) {
	for i := range c.operands {
		if v := c.operands[i].pattern.unknownVariable(ctx); v != "" {
			m.Key, m.Actual = v, NotGiven()
			return
		}
	}
}

func texts(vs []Value) []string {
	out := make([]string, len(vs))
	for i := range vs {
		out[i] = vs[i].Text
	}
	return out
}

// until returns when the first of the conditions on the time stops holding.
func (s *statement) until() time.Time {
	var first time.Time
	for i := range s.conditions {
		if t := s.conditions[i].until(); !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// until returns the latest of the times before which the condition asks to be,
// any of which will do.
func (c *condition) until() time.Time {
	var last time.Time
	if c.op.family != dateFamily || c.op.relation != less && c.op.relation != lessOrEqual ||
		c.key != "aws:currenttime" && c.key != "aws:epochtime" {
		return last
	}
	for i := range c.operands {
		if o := &c.operands[i]; o.valid && !o.vague {
			seconds, _ := o.number.rat().Float64()
			if t := time.Unix(int64(seconds), 0).UTC(); t.After(last) {
				last = t
			}
		}
	}
	return last
}
