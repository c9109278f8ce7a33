package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// Judgement is what an estate says of an incident: the very requests that the text is
// about, and what became of each.
type Judgement struct {
	// Says is the outcome in a sentence.
	Says string
	// Principal and Key are the ARNs that were asked about; empty when the text and the
	// estate do not tell.
	Principal, Key string
	// Asked are the requests with their decisions.
	Asked []route.RequestProof
	// Next are the other uses of the key that the operation surely makes and that the estate
	// refuses too: it would fail of them when the one that the text names were open.
	Next []route.RequestProof
	// Allowed is set when all of them are allowed on the estate.
	Allowed bool
	// Unseen is the layer that the text says refused it, when the estate does not hold that:
	// then that all else allows it tells nothing.
	Unseen access.Layer
	// Notes are what was taken for granted, or could not be found out.
	Notes []string
}

// Blocked are the requests that the estate refuses.
func (j *Judgement) Blocked() []route.RequestProof {
	return slices.DeleteFunc(slices.Clone(j.Asked), func(q route.RequestProof) bool { return q.Verdict != route.Blocked })
}

// Settled reports whether the estate tells why the incident happened, or that it would
// not happen now.
func (j *Judgement) Settled(in *Incident) bool {
	return j.Allowed && j.Unseen == "" || slices.ContainsFunc(in.Causes, func(c Cause) bool { return c.Verdict == True })
}

// Judge asks the estate for the very request of the incident, as of the given time, and
// gives each of its causes a verdict. A cause that is true and that the text did not
// suggest is added; the true ones come first, those ruled out last. What the estate
// cannot know stays open.
func Judge(in *Incident, e *estate.Estate, at time.Time) Judgement {
	return (&asker{in: in, e: e, at: at, facts: map[string]*fact{}}).judge()
}

func (a *asker) judge() Judgement {
	a.in.retell()
	a.resolve()
	a.ask()
	for i := range a.j.Asked {
		a.learn(&a.j.Asked[i])
	}
	a.lookAtKey()
	a.lookAtGrants()
	a.lookAhead()
	for _, f := range a.facts { // allowed, when it were asked for rightly
		a.j.Allowed = a.j.Allowed && f.verdict != True
	}
	a.verdicts()
	a.unseen()
	a.preferCondition()
	a.rank()
	a.say()
	return a.j
}

// asker holds one incident against an estate.
type asker struct {
	in    *Incident
	e     *estate.Estate
	at    time.Time
	j     Judgement
	who   arn.Principal // zero when not known
	key   *estate.Key   // nil when the estate does not hold it
	keyAt arn.ARN       // zero when not known
	meant string        // the key that was named wrongly, an ARN; empty for none
	facts map[string]*fact
	// decoded is the encoded message of the refusal; nil when it was not decoded.
	decoded *cloud.Decoded
}

// fact is what was found out about a cause.
type fact struct {
	verdict Verdict
	why     []string
	actions []string // that are missing
	rank    int      // of the true ones, the least first
}

// action is the first of the missing actions.
func (f *fact) action() string {
	if len(f.actions) == 0 {
		return ""
	}
	return f.actions[0]
}

func (a *asker) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.j.Notes, text) {
		a.j.Notes = append(a.j.Notes, text)
	}
}

// isTrue notes that the estate has a defect.
func (a *asker) isTrue(code, action string, rank int, why ...string) {
	f := a.facts[code]
	if f == nil || f.verdict != True {
		f = &fact{verdict: True, rank: rank}
		a.facts[code] = f
	}
	if action != "" && !slices.Contains(f.actions, action) {
		f.actions = append(f.actions, action)
	}
	f.rank = min(f.rank, rank)
	for _, w := range why {
		if w != "" && !slices.Contains(f.why, w) {
			f.why = append(f.why, w)
		}
	}
}

// isOpen notes that the estate does not tell, unless more is known.
func (a *asker) isOpen(code, why string) {
	if f := a.facts[code]; f == nil || f.verdict == RuledOut {
		a.facts[code] = &fact{verdict: Open, why: []string{why}}
	} else if f.verdict == Open && !slices.Contains(f.why, why) {
		f.why = append(f.why, why)
	}
}

// isNot rules a cause out, unless more is known.
func (a *asker) isNot(code, why string) {
	if a.facts[code] == nil {
		a.facts[code] = &fact{verdict: RuledOut, why: []string{why}}
	}
}

// verdicts gives every cause of the text its verdict, and adds the true ones that it did
// not suggest.
func (a *asker) verdicts() {
	for i := range a.in.Causes {
		c := &a.in.Causes[i]
		if a.facts[c.Code] == nil {
			a.rule(c.Code)
		}
		f := a.facts[c.Code]
		c.Verdict, c.Why = f.verdict, f.why
		if f.verdict == True {
			c.MissingAction = cmp.Or(f.action(), c.MissingAction)
			c.Fix = cmp.Or(sentence(a.fix(c.Code, cmp.Or(strings.Join(f.actions, ", "), c.MissingAction))), c.Fix)
		}
	}
	for code, f := range a.facts {
		if f.verdict != True || slices.ContainsFunc(a.in.Causes, func(c Cause) bool { return c.Code == code }) {
			continue
		}
		c := Cause{Code: code, MissingAction: f.action(), PrincipalKind: a.kind(), Verdict: True, Why: f.why, Evidence: []string{"the estate, not the text"}}
		c.Fix, c.Settles = cmp.Or(sentence(a.fix(code, strings.Join(f.actions, ", "))), a.in.fix(&c)), a.in.settles(&c)
		a.in.Causes = append(a.in.Causes, c)
	}
}

// preferCondition has the condition of an Allow that is there take the likelihood of the
// causes that are open for nothing but it: where AWS refused what a condition that is not
// known decides, the condition did not hold, rather than that there is no Allow.
func (a *asker) preferCondition() {
	at := func(code string) int {
		return slices.IndexFunc(a.in.Causes, func(c Cause) bool { return c.Code == code })
	}
	own := at(condition)
	if own < 0 || a.in.Causes[own].Verdict != Open || a.in.Explicit || len(a.in.Causes[own].Why) != 1 {
		return
	}
	c := &a.in.Causes[own]
	for i := range a.in.Causes {
		if o := &a.in.Causes[i]; o.Verdict == Open && o.Code != explicitDeny && slices.Equal(o.Why, c.Why) && o.Confidence > c.Confidence {
			o.Confidence, c.Confidence = c.Confidence, o.Confidence
		}
	}
}

// unseen notes the layer that the text names, when the estate does not tell of it.
func (a *asker) unseen() {
	codes := codesOf(a.in.Layer)
	if len(codes) == 1 && slices.ContainsFunc(a.in.Causes, func(c Cause) bool { return c.Code == codes[0] && c.Verdict == Open }) {
		a.j.Unseen = a.in.Layer
	}
}

// sentence makes a sentence of words; nothing of none.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// kind is what the caller is.
func (a *asker) kind() Kind {
	switch {
	case a.who.IsServiceLinked():
		return ServiceRole
	case a.who.Kind == arn.Service:
		return Service
	case a.who.Kind == arn.AccountRoot:
		return Root
	case a.who.Kind == arn.User, a.who.Kind == arn.FederatedUser:
		return User
	case a.who.Kind == arn.Role, a.who.Kind == arn.AssumedRole:
		return Role
	}
	return a.in.PrincipalKind
}

// certainty is how much of the likelihood the true causes have together.
const certainty = 0.95

// rank orders the causes, and shares the likelihood out anew: what is ruled out has none,
// and what is true nearly all.
func (a *asker) rank() {
	order := map[Verdict]int{True: 0, Open: 1, RuledOut: 2}
	slices.SortStableFunc(a.in.Causes, func(x, y Cause) int {
		before := cmp.Compare(order[x.Verdict], order[y.Verdict])
		if before == 0 && x.Verdict == True {
			before = cmp.Compare(a.facts[x.Code].rank, a.facts[y.Code].rank)
		}
		return cmp.Or(before, -cmp.Compare(x.Confidence, y.Confidence), cmp.Compare(x.Code, y.Code))
	})
	trues, open := 0, 0.0
	for i := range a.in.Causes {
		switch c := &a.in.Causes[i]; c.Verdict {
		case True:
			trues++
		case Open:
			open += c.Confidence
		}
	}
	rest := 1.0
	if trues > 0 {
		rest -= certainty
	}
	shares := float64(trues*(trues+1)) / 2
	for i := range a.in.Causes {
		switch c := &a.in.Causes[i]; {
		case c.Verdict == True: // 3, 2, 1 parts of what three have
			c.Confidence = certainty * float64(trues-i) / shares
		case c.Verdict == RuledOut:
			c.Confidence = 0
		case open > rest:
			c.Confidence *= rest / open
		}
	}
}

// say puts the outcome into a sentence.
func (a *asker) say() {
	blocked := a.j.Blocked()
	switch {
	case a.j.Allowed && a.j.Unseen != "":
		a.j.Says = "All that the estate holds allows the request; what the text says refused it, " + layerNames[a.j.Unseen] + ", it does not hold."
	case a.j.Allowed:
		a.j.Says = "On this estate the request is allowed: what refused it was mended since, or the text is of another request, or the estate is older than the failure" + a.age() + "."
	case len(blocked) > 0:
		q := &blocked[0]
		a.j.Says = fmt.Sprintf("On this estate %s may not do %s on %s: %s.", q.Caller, q.Use.Action, q.Key, firstText(&q.Decision))
	case len(a.in.Causes) > 0 && a.in.Causes[0].Verdict == True:
		a.j.Says = "On this estate: " + a.in.Causes[0].Why[0] + "."
	case len(a.j.Asked) > 0:
		a.j.Says = "The estate does not tell: " + doubtText(&a.j.Asked[0].Decision) + "."
	default:
		a.j.Says = "The estate could not be asked: the text does not tell who did what on which key."
	}
}

// layerNames are the layers that an estate may not hold, as a sentence names them.
var layerNames = map[access.Layer]string{
	access.Session: "the policy of the session", access.EndpointPolicy: "the policy of a VPC endpoint", access.Boundary: "a permissions boundary",
	access.SCP: "a service control policy", access.RCP: "a resource control policy",
}

func (a *asker) age() string {
	if a.e.CollectedAt == nil {
		return ""
	}
	return " (it was collected " + a.e.CollectedAt.UTC().Format(time.RFC3339) + ")"
}

func firstText(d *access.Decision) string {
	if len(d.Blockers) == 0 {
		return "it is not allowed"
	}
	return d.Blockers[0].Text
}

func doubtText(d *access.Decision) string {
	for _, u := range d.Unknown {
		if u.Text != "" {
			return u.Text
		}
	}
	return "what decides could not be read"
}
