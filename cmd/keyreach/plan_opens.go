package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/plan"
)

// anyOther is in the values that stand for everything that nobody names.
const anyOther = "keyreach-unnamed"

// anyName has a * for what stands for every other name.
func anyName(text string) string { return strings.ReplaceAll(text, anyOther, "*") }

// absent is the value of a context key that a request does not have.
const absent = "\x00absent"

// openedAccess is what a plan opens to some principals: what openings have in common.
type openedAccess struct {
	principals []string
	actions    []string
	resource   string
	// under has the values of each context key with which it opens.
	under map[string][]string
}

// merged puts together the openings that differ in one thing only: in the value of one
// context key, or in the principal. What comes out opens exactly the same.
func merged(opens []plan.Opening) []openedAccess {
	var list []openedAccess
	var keys []string
	for i := range opens {
		o := &opens[i]
		a := openedAccess{principals: []string{o.Principal}, actions: o.Actions, resource: o.Resource, under: map[string][]string{}}
		for _, u := range o.Under {
			key, value := condition(u)
			a.under[key] = []string{value}
			keys = append(keys, key)
		}
		list = append(list, a)
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		list = mergedBy(list, func(a *openedAccess) []string { return a.under[key] }, func(a *openedAccess, values []string) {
			if delete(a.under, key); values != nil {
				a.under[key] = values
			}
		})
		for i := range list { // what may be anything, or not be, is no condition
			if values := list[i].under[key]; values != nil && conditionText(key, values) == "" {
				delete(list[i].under, key)
			}
		}
	}
	list = mergedBy(list, func(a *openedAccess) []string { return a.actions }, func(a *openedAccess, v []string) { a.actions = v })
	list = mergedBy(list, func(a *openedAccess) []string { return a.principals }, func(a *openedAccess, v []string) { a.principals = v })
	return list
}

// mergedBy puts together what is equal but for one member.
func mergedBy(list []openedAccess, get func(*openedAccess) []string, set func(*openedAccess, []string)) []openedAccess {
	var out []openedAccess
	at := map[string]int{}
	for _, a := range list {
		values := get(&a)
		set(&a, nil)
		id := fmt.Sprint(values == nil, a.identity())
		i, ok := at[id]
		if !ok {
			at[id] = len(out)
			set(&a, values)
			out = append(out, a)
			continue
		}
		both := slices.Concat(get(&out[i]), values)
		slices.Sort(both)
		set(&out[i], slices.Compact(both))
	}
	return out
}

func (a *openedAccess) identity() string {
	parts := []any{a.principals, a.actions, a.resource}
	for _, key := range slices.Sorted(maps.Keys(a.under)) {
		parts = append(parts, key, a.under[key])
	}
	return fmt.Sprintf("%q", parts)
}

// condition reads one line of an opening's conditions.
func condition(text string) (key, value string) {
	if key, ok := strings.CutPrefix(text, "without "); ok {
		return key, absent
	}
	key, value, _ = strings.Cut(text, " = ")
	return key, value
}

// conditions are in words what a request has to have. A key that may have any value, or
// be absent, is no condition.
func (a *openedAccess) conditions() []string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(a.under)) {
		if text := conditionText(key, a.under[key]); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// listed is how many values of a context key are listed.
const listed = 4

func conditionText(key string, values []string) string {
	other := slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, anyOther) })
	missing := slices.Contains(values, absent)
	either := slices.Contains(values, "true") && slices.Contains(values, "false")
	switch {
	case missing && (other || either):
		return ""
	case other:
		return key + " is there"
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == absent })
	orAbsent := pick(missing, ", or is absent", "")
	switch {
	case len(values) == 0:
		return key + " is absent"
	case len(values) > listed:
		return key + " is among " + strings.Join(wordsOf(values), ", ") + orAbsent
	}
	return key + " is " + strings.Join(values, " or ") + orAbsent
}

// wordsOf are the words of lists: of the values of a context key that has several.
func wordsOf(values []string) []string {
	var words []string
	for _, v := range values {
		words = append(words, strings.Split(v, ", ")...)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// sortedAccess is what openings open, put together and sorted by who gets it. An object
// without a name is told of with those of any name when it is open as they are.
func sortedAccess(opens []plan.Opening) []openedAccess {
	list := merged(opens)
	seen := map[string]bool{}
	for i := range list {
		list[i].resource = anyName(list[i].resource)
		seen[list[i].identity()] = true
	}
	list = slices.DeleteFunc(list, func(a openedAccess) bool {
		a.resource += "*"
		return strings.HasSuffix(a.resource, "/*") && seen[a.identity()]
	})
	slices.SortStableFunc(list, func(a, b openedAccess) int {
		return cmp.Or(cmp.Compare(strings.Join(a.principals, " "), strings.Join(b.principals, " ")), cmp.Compare(a.resource, b.resource))
	})
	return list
}

// who is the principals by the names that people know.
func (r *planReport) who(a *openedAccess) string {
	var names []string
	for _, name := range a.principals {
		name = principalName(name)
		if what, id, ok := strings.Cut(name, " of "); ok {
			name = what + " of " + r.account(id)
		}
		names = append(names, name)
	}
	return strings.Join(names, "; ")
}

// opens prints what the plan opens, by who gets it.
func (p *planPrinter) opens() {
	list := sortedAccess(p.report.plan.Opens)
	if len(list) == 0 {
		return
	}
	p.section("What this opens, and nothing else:")
	who, what := "", ""
	for i := range list {
		a := &list[i]
		if next := p.report.who(a); next != who {
			who, what = next, ""
			p.line(2, 2, "%s", who)
		}
		if a.resource != what {
			what = a.resource
			p.line(4, 2, "on %s", resourceName(what))
		}
		p.line(6, 2, "%s", a.text())
	}
}

func (a *openedAccess) text() string {
	text := strings.Join(a.actions, ", ")
	if under := a.conditions(); len(under) > 0 {
		text += ", when " + strings.Join(under, ", and ")
	}
	return text
}

// resourceName is a resource with the word for what it is.
func resourceName(resource string) string {
	if strings.Contains(resource, ":kms:") {
		return newKeyName(resource)
	}
	return resource
}
