package rules

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// badMember is a name that the shape it stands in does not have.
type badMember struct {
	at     finding.Position
	name   string
	in     *awsfacts.Shape
	quoted bool // it stands in JSON, as "name"
}

func shapeNames(s *awsfacts.Shape) []string {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
	}
	return names
}

// checkWord looks for names in the value of an option that its shape lacks.
func checkWord(m *Material, w Word, s *awsfacts.Shape) []badMember {
	if w.JSON != nil {
		return checkJSON(m, w.JSON, s, w.Pos)
	}
	if w.Unknown && !strings.Contains(w.Text, "=") || !strings.Contains(w.Text, "=") ||
		strings.ContainsAny(w.Text[:1], "{[$<") || strings.Contains(w.Text, "://") {
		return nil
	}
	if s.Type == "list" {
		s = s.Elem.Shape
	}
	if s.Type != "structure" || len(s.Members) == 0 {
		return nil
	}
	if tree := w.tree(); tree != nil {
		return checkJSON(m, tree, s, w.Pos)
	}
	var bad []badMember
	for _, key := range shorthandKeys(w.Text) {
		if s.Member(key) == nil {
			bad = append(bad, badMember{at: w.Pos, name: key, in: s})
		}
	}
	return bad
}

// checkJSON does the same for JSON, all the way down.
func checkJSON(m *Material, n *source.Node, s *awsfacts.Shape, at finding.Position) []badMember {
	var bad []badMember
	switch {
	case s == nil:
	case n.Kind == source.List && s.Type == "list":
		for i := range n.Items {
			bad = append(bad, checkJSON(m, &n.Items[i], s.Elem.Shape, at)...)
		}
	case n.Kind == source.Map && s.Type == "map":
		for i := range n.Fields {
			bad = append(bad, checkJSON(m, &n.Fields[i].Value, s.Value.Shape, at)...)
		}
	case n.Kind == source.Map && s.Type == "structure" && len(s.Members) > 0:
		for i := range n.Fields {
			f := &n.Fields[i]
			if member := s.Member(f.Name); member != nil {
				bad = append(bad, checkJSON(m, &f.Value, member.Shape, at)...)
				continue
			}
			if jsonName.MatchString(f.Name) {
				pos, quoted := at, f.Pos.Line > 0
				if quoted {
					pos = m.nodeAt(f.Pos)
				}
				bad = append(bad, badMember{at: pos, name: f.Name, in: s, quoted: quoted})
			}
		}
	}
	return bad
}

var jsonName = lazy.Regexp(`^[A-Za-z][A-Za-z0-9]*$`)

// shorthandKeys returns the names that stand before = in the CLI's shorthand:
// a=1,b={c=2},d=x,y has a, b and d. See
// docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html.
func shorthandKeys(text string) []string {
	var keys []string
	depth, start := 0, 0
	var quote rune
	for i, r := range text + "," {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == '{' || r == '[':
			depth++
		case r == '}' || r == ']':
			depth--
		case r == ',' && depth == 0:
			key, _, ok := strings.Cut(text[start:min(i, len(text))], "=")
			key = strings.TrimSuffix(strings.TrimSpace(key), "@")
			if ok && jsonName.MatchString(key) {
				keys = append(keys, key)
			}
			start = i + 1
		}
	}
	return keys
}
