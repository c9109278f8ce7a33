package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// Splice returns the text of the wanted policy in the form of the text that is there:
// statements that both have stay byte for byte with all that is around them, changed ones
// are put in their place, and new ones at the end. Where that cannot be done, and never
// unless both texts say the same, it is the wanted text itself. So it is when the other
// would have more than limit characters, white space included as AWS counts them.
func Splice(have, want string, limit int) string {
	l, ok := layoutOf(have)
	now := nodesOf(want)
	if !ok || len(now) == 0 {
		return want
	}
	text := l.with(now)
	if len(text) > limit || estate.CanonicalPolicy(text) != estate.CanonicalPolicy(want) {
		return want // or it has other members than that which is there
	}
	return text
}

// layout is a policy taken apart where its statements are.
type layout struct {
	before, after string // of the list of statements, with its brackets
	statements    []rawStatement
	// gap is what stands before a statement, last what stands after the last one.
	gap, last string
}

// rawStatement is a statement as it stands.
type rawStatement struct {
	gap, text string
	node      *source.Node
}

// layoutOf finds the list of statements in the text of a policy.
func layoutOf(text string) (layout, bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return layout{}, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return layout{}, false
		}
		if key != "Statement" {
			var skipped json.RawMessage
			if dec.Decode(&skipped) != nil {
				return layout{}, false
			}
			continue
		}
		if t, err := dec.Token(); err != nil || t != json.Delim('[') {
			return layout{}, false
		}
		return statementsAt(text, dec)
	}
	return layout{}, false
}

// statementsAt takes the list apart that a decoder stands in.
func statementsAt(text string, dec *json.Decoder) (l layout, ok bool) {
	at := int(dec.InputOffset())
	l.before = text[:at]
	for dec.More() {
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return l, false
		}
		end := int(dec.InputOffset())
		begin := end - len(raw)
		n, _, err := source.Parse(bytes.Clone(raw))
		if err != nil {
			return l, false
		}
		l.statements = append(l.statements, rawStatement{gap: spaceOf(text[at:begin]), text: text[begin:end], node: n})
		at = end
	}
	if t, err := dec.Token(); err != nil || t != json.Delim(']') {
		return l, false
	}
	end := int(dec.InputOffset()) - 1
	l.last, l.after = text[at:end], text[end:]
	if len(l.statements) == 0 {
		return l, false
	}
	l.gap = l.statements[len(l.statements)-1].gap
	return l, true
}

// spaceOf is the white space before a statement, without the comma.
func spaceOf(gap string) string { return strings.Replace(gap, ",", "", 1) }

// with is the text with other statements, in their order.
func (l *layout) with(now []source.Node) string {
	var b strings.Builder
	b.WriteString(l.before)
	for i := range now {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l.form(&now[i]))
	}
	b.WriteString(l.last + l.after)
	return b.String()
}

// form is a statement as it stands, or a new one in the manner of those that are there:
// on one line, or indented as deep.
func (l *layout) form(n *source.Node) string {
	same := canonical(n.Any())
	i := slices.IndexFunc(l.statements, func(r rawStatement) bool { return canonical(r.node.Any()) == same })
	if i >= 0 {
		return l.statements[i].gap + l.statements[i].text
	}
	indent, lines := strings.CutPrefix(l.gap, "\n")
	if !lines {
		return l.gap + string(source.AppendJSON(nil, n))
	}
	return l.gap + strings.Join(prettyBy(n, indent), "\n"+indent)
}

// prettyBy is a node over several lines, with tabs where the text around it has tabs.
func prettyBy(n *source.Node, indent string) []string {
	list := pretty(n)
	if !strings.HasPrefix(indent, "\t") {
		return list
	}
	for i, line := range list {
		rest := strings.TrimLeft(line, " ")
		list[i] = strings.Repeat("\t", (len(line)-len(rest))/2) + rest
	}
	return list
}
