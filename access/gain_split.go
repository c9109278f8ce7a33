package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// question is one principal, action and resource in both estates.
type question struct {
	s             *survey
	before, after estate.Case
	// never is set when the principal or the resource was not there before.
	never bool
	delta *delta
	// forced are the keys that are split first, since what other values follow
	// from them only once they are known.
	forced []string
	nodes  int
	over   bool
}

// fixed is one context key that a split decided.
type fixed struct {
	name  string
	value policy.ContextValue
}

// opening is a part of a question that the change opens.
type opening struct {
	fixed         []fixed
	before, after Effect
}

// answer is what came out for a part of a question: whole is set when all of it
// opens in the same way.
type answer struct {
	whole    bool
	openings []opening
}

func (q *question) set(context estate.Given) {
	q.before.Request.Context, q.after.Request.Context = context, context
}

// solve divides the question until nothing is open.
func (q *question) solve(context estate.Given, done int) answer {
	q.nodes++
	q.s.left--
	if q.nodes > questionBound || q.s.left <= 0 {
		q.over = true
		return answer{}
	}
	q.set(context)
	if !q.never && !q.delta.mayApply(&q.before, &q.after) {
		return answer{}
	}
	if done < len(q.forced) {
		name := q.forced[done]
		return q.split(context, done+1, name, q.s.forcedValues(q, name))
	}
	before, after := q.effects()
	switch {
	case after < Unknown || before == Allow:
		return answer{}
	case before < Unknown && after == Allow:
		return whole(before, after)
	}
	w := q.waits()
	if name := w.next(); name != "" {
		q.set(context)
		return q.split(context, done, w.keys[name].name, q.s.values(&q.after, w.keys[name]))
	}
	if before == after && !q.delta.widens(&q.before, &q.after) {
		return answer{}
	}
	return whole(before, after)
}

func whole(before, after Effect) answer {
	return answer{whole: true, openings: []opening{{before: before, after: after}}}
}

// effects decides both ways. AWS checks the state of a key apart; here a state
// that forbids the operation counts as a denial.
func (q *question) effects() (before, after Effect) {
	after = q.s.effect(&q.after)
	if !q.never {
		before = q.s.effect(&q.before)
	}
	return before, after
}

func (s *survey) effect(c *estate.Case) Effect {
	e := Decide(c)
	if e >= Unknown {
		if _, usable := Usable(c); !usable {
			return ImplicitDeny
		}
	}
	return e
}

// split asks the question once for each value of a key. When all parts open
// alike, the key does not matter and is left out of the answer.
func (q *question) split(context estate.Given, done int, name string, values []policy.ContextValue) answer {
	var all answer
	same := true
	var first *opening
	for _, v := range values {
		next := slices.Clone(context)
		next.Set(name, v)
		q.set(next)
		if !q.possible() {
			continue
		}
		a := q.solve(next, done)
		if q.over {
			return all
		}
		if !a.whole {
			same = false
		} else if first == nil {
			first = &a.openings[0]
		} else if a.openings[0].before != first.before || a.openings[0].after != first.after {
			same = false
		}
		for _, o := range a.openings {
			o.fixed = append([]fixed{{name, v}}, o.fixed...)
			all.openings = append(all.openings, o)
		}
	}
	if same && first != nil {
		return whole(first.before, first.after)
	}
	return all
}

// possible leaves out contexts that contradict themselves: only services say
// that a grant is for an AWS resource, the names of the encryption context's
// pairs are those of its pairs, and nobody outside is in our organization.
func (q *question) possible() bool {
	g := &q.after
	via := g.Lookup("kms:viaservice")
	if v := g.Lookup("kms:grantisforawsresource"); via.Presence == policy.Absent && v.Presence == policy.Present && v.One == "true" {
		return false
	}
	// The names that were given count, not those that follow from the pairs.
	names := policy.NotGiven()
	for i := range g.Request.Context {
		if e := &g.Request.Context[i]; strings.EqualFold(e.Name, "kms:EncryptionContextKeys") {
			names = e.Value
		}
	}
	if names.Presence == policy.NotKnown {
		return true
	}
	for i := range g.Request.Context {
		e := &g.Request.Context[i]
		pair, ok := cutFold(e.Name, encryptionContextPrefix)
		if !ok || e.Value.Presence == policy.NotKnown {
			continue
		}
		listed := names.Presence == policy.Present && slices.ContainsFunc(names.Many, func(n string) bool { return strings.EqualFold(n, pair) })
		if listed != (e.Value.Presence == policy.Present) {
			return false
		}
	}
	return true
}

// wait is a context key that undecided statements wait for.
type wait struct {
	name string // as written
	uses []use
	// variable is set when a policy variable names the key: it has to be known
	// before a value can be compared with it.
	variable bool
}

// use is how one condition compares a key.
type use struct {
	operator string
	values   []string
}

// waiting is all keys that a question waits for, by name in lower case.
type waiting struct{ keys map[string]*wait }

// waits asks both cases what their undecided statements wait for.
func (q *question) waits() waiting {
	w := waiting{keys: map[string]*wait{}}
	cases := []*estate.Case{&q.after}
	if !q.never {
		cases = append(cases, &q.before)
	}
	for _, c := range cases {
		var r recorder
		look(c, &r)
		for i := range r.reports {
			if rep := &r.reports[i]; rep.Applies == policy.Unknown {
				for j := range rep.Misses {
					w.miss(c, &rep.Misses[j])
				}
			}
		}
		for i := range r.grants {
			if rep := &r.grants[i]; rep.Applies == policy.Unknown {
				w.grant(c, rep)
			}
		}
	}
	return w
}

func (w *waiting) miss(c *estate.Case, m *policy.Miss) {
	for _, text := range m.Expected {
		for _, v := range variablesOf(text) {
			if w.add(c, v, use{}) {
				w.keys[strings.ToLower(v)].variable = true
			}
		}
	}
	if m.Key != "" {
		w.add(c, m.Key, use{operator: m.Operator, values: m.Expected})
	}
}

// grant notes what the constraints of a grant wait for.
func (w *waiting) grant(c *estate.Case, rep *GrantReport) {
	for _, name := range rep.Missing {
		u := use{}
		if k := rep.Grant.Constraints; k != nil {
			pair, _ := cutFold(name, encryptionContextPrefix)
			for _, pairs := range []map[string]string{k.EncryptionContextSubset, k.EncryptionContextEquals} {
				if v, ok := pairs[pair]; ok {
					u = use{operator: "StringEquals", values: []string{v}}
				}
			}
			if name == "aws:SourceArn" {
				u = use{operator: "StringEquals", values: []string{k.SourceARN}}
			}
		}
		if strings.EqualFold(name, "kms:GrantOperations") {
			u = use{operator: "ForAllValues:StringEquals", values: rep.Grant.Operations}
		}
		w.add(c, name, u)
	}
}

// add notes a key that is not known, and reports whether it is one.
func (w *waiting) add(c *estate.Case, name string, u use) bool {
	fold := strings.ToLower(name)
	if c.Lookup(fold).Presence != policy.NotKnown {
		return w.keys[fold] != nil
	}
	k := w.keys[fold]
	if k == nil {
		k = &wait{name: name}
		w.keys[fold] = k
	}
	if u.operator != "" {
		k.uses = append(k.uses, u)
	}
	return true
}

// next returns the key to split on: what variables need first, then by name.
func (w *waiting) next() string {
	best := ""
	for _, name := range sortedKeys(w.keys) {
		if best == "" || w.keys[name].variable && !w.keys[best].variable {
			best = name
		}
	}
	return best
}

const encryptionContextPrefix = "kms:encryptioncontext:"

// cutFold cuts a prefix, given in lower case, in any letter case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// variablesOf returns the names of the policy variables in a text.
func variablesOf(text string) []string {
	var names []string
	for {
		_, rest, ok := strings.Cut(text, "${")
		if !ok {
			return names
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return names
		}
		name, _, _ = strings.Cut(name, ",")
		if name = strings.TrimSpace(name); strings.Contains(name, ":") {
			names = append(names, name)
		}
		text = after
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
