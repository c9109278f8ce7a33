package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// Change is one difference that a step makes, for people: a statement, a setting.
type Change struct {
	Sign string // + for new, ~ for changed, - for gone
	Name string // what changes: a statement's Sid, the setting
	// Lines are the difference, each beginning with its sign and a space.
	Lines []string
}

// Changes are the differences that the step makes, statement by statement for policies.
func (s *Step) Changes() []Change {
	switch op := s.Op.(type) {
	case *estate.KeyPolicy, *estate.InlinePolicy, *estate.VaultPolicy:
		return statementChanges(documentOf(s.Was), documentOf(op))
	case *estate.BucketSetting:
		if op.Setting == estate.BucketPolicy {
			return statementChanges(s.Was.(*estate.BucketSetting).Text, op.Text)
		}
		return one(op.Setting, s.Was.(*estate.BucketSetting).Text, op.Text)
	case *estate.NewKey:
		return slices.Concat(one("key", s.Was.Value(), op.Value()), tagLines(op.Tags), statementChanges("", op.Document))
	case *estate.NewRole:
		c := Change{Sign: "+", Name: "role"}
		if op.Absent {
			return []Change{{Sign: "-", Name: "role", Lines: []string{"- " + op.ARN}}}
		}
		for _, m := range op.Managed {
			c.Lines = append(c.Lines, "+ managed policy "+m)
		}
		return append([]Change{c}, statementChanges("", op.Trust)...)
	case *estate.GrantTo:
		return one("grant", grantText(s.Was.(*estate.GrantTo)), grantText(op))
	case *estate.LinkedRole:
		return one("role", linkedText(s.Was.(*estate.LinkedRole)), linkedText(op))
	}
	return one(s.Op.Slot().Kind, strings.TrimSpace(s.Was.Value()), strings.TrimSpace(s.Op.Value()))
}

func linkedText(o *estate.LinkedRole) string {
	if o.Absent {
		return ""
	}
	return o.ARN
}

func grantText(g *estate.GrantTo) string {
	if g.Absent {
		return ""
	}
	return fmt.Sprintf("%s may %s, issued from account %s", g.Grantee, strings.Join(g.Operations, ", "), g.Issuer)
}

func tagLines(tags map[string]string) []Change {
	var list []Change
	for _, name := range sortedNames(tags) {
		list = append(list, one("tag "+name, "", tags[name])...)
	}
	return list
}

func sortedNames(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// one is the change of a single value.
func one(name, before, after string) []Change {
	switch {
	case before == after:
		return nil
	case before == "":
		return []Change{{"+", name, []string{"+ " + after}}}
	case after == "":
		return []Change{{"-", name, []string{"- " + before}}}
	}
	return []Change{{"~", name, []string{"- " + before, "+ " + after}}}
}

// statementChanges compares two policies statement by statement. Statements that say the
// same are no change, wherever they stand.
func statementChanges(before, after string) []Change {
	old, now := nodesOf(before), nodesOf(after)
	same := func(a, b *source.Node) bool { return canonical(a.Any()) == canonical(b.Any()) }
	has := func(list []source.Node, n *source.Node) bool {
		return slices.ContainsFunc(list, func(o source.Node) bool { return same(&o, n) })
	}
	var list []Change
	for i := range now {
		n := &now[i]
		if has(old, n) {
			continue
		}
		if at := slices.IndexFunc(old, func(o source.Node) bool { return sidOf(&o) != "" && sidOf(&o) == sidOf(n) }); at >= 0 && !has(now, &old[at]) {
			list = append(list, Change{"~", "statement " + sidOf(n), memberLines(&old[at], n)})
			continue
		}
		list = append(list, Change{"+", "statement " + cmp.Or(sidOf(n), "without a Sid"), prefixed("+ ", pretty(n))})
	}
	for i := range old {
		o := &old[i]
		replaced := sidOf(o) != "" && slices.ContainsFunc(now, func(n source.Node) bool { return sidOf(&n) == sidOf(o) })
		if !has(now, o) && !replaced {
			list = append(list, Change{"-", "statement " + cmp.Or(sidOf(o), "without a Sid"), prefixed("- ", pretty(o))})
		}
	}
	return list
}

func nodesOf(text string) []source.Node {
	if text == "" {
		return nil
	}
	_, list, err := statementsOf(text)
	if err != nil {
		return nil
	}
	return list.Items
}

func sidOf(n *source.Node) string {
	if sid := n.Field("Sid"); sid != nil {
		return sid.Text
	}
	return ""
}

// pretty is a node over several lines, its members in their order.
func pretty(n *source.Node) []string {
	var text strings.Builder
	raw := json.RawMessage(source.AppendJSON(nil, n))
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(raw); err != nil {
		return []string{string(raw)}
	}
	return strings.Split(strings.TrimSpace(text.String()), "\n")
}

func prefixed(sign string, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = sign + l
	}
	return out
}

// memberLines are the members of a changed statement, the changed ones twice.
func memberLines(before, after *source.Node) []string {
	lines := []string{"  {"}
	for _, f := range after.Fields {
		member := prettyMember(&f)
		old := before.Field(f.Name)
		switch {
		case old == nil:
			lines = append(lines, prefixed("+ ", member)...)
		case canonical(old.Any()) == canonical(f.Value.Any()):
			lines = append(lines, prefixed("  ", member)...)
		default:
			lines = append(lines, prefixed("- ", prettyMember(&source.Field{Name: f.Name, Value: *old}))...)
			lines = append(lines, prefixed("+ ", member)...)
		}
	}
	for _, f := range before.Fields {
		if after.Field(f.Name) == nil {
			lines = append(lines, prefixed("- ", prettyMember(&f))...)
		}
	}
	return append(lines, "  }")
}

func prettyMember(f *source.Field) []string {
	lines := pretty(&source.Node{Kind: source.Map, Fields: []source.Field{*f}})
	return lines[1 : len(lines)-1]
}
