package rules

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
)

// shorthand reads the CLI's shorthand: a=1,b={c=2},d=[x,y],e=x,y. See
// docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html.
type shorthand struct {
	text string
	at   int
	deep int
}

// maxShorthand is how deep brackets of the shorthand are followed.
const maxShorthand = 20

// readShorthand returns the tree of a text in shorthand, or nil when it is none.
// Its nodes have no places.
func readShorthand(text string) *source.Node {
	s := &shorthand{text: text}
	n := s.pairs("")
	if n == nil || s.at < len(s.text) {
		return nil
	}
	return n
}

// tree returns the value of a word that is JSON or shorthand, or nil.
func (w *Word) tree() *source.Node {
	if w.JSON != nil || w.Unknown || !strings.Contains(w.Text, "=") {
		return w.JSON
	}
	return readShorthand(w.Text)
}

func (s *shorthand) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// is steps over a sign, if it is the next one.
func (s *shorthand) is(sign string) bool {
	s.space()
	if sign == "" || !strings.HasPrefix(s.text[s.at:], sign) {
		return false
	}
	s.at += len(sign)
	return true
}

// pairs reads name=value up to the closing sign, or to the end for none.
func (s *shorthand) pairs(closing string) *source.Node {
	if s.deep++; s.deep > maxShorthand {
		return nil
	}
	defer func() { s.deep-- }()
	n := &source.Node{Kind: source.Map}
	for {
		if s.is(closing) {
			return n
		}
		name, ok := s.name()
		if !ok {
			return nil
		}
		value, ok := s.value(closing)
		if !ok {
			return nil
		}
		n.Fields = append(n.Fields, source.Field{Name: name, Value: value})
		switch {
		case s.is(","):
		case closing == "" && s.at == len(s.text):
			return n
		case closing == "" || !s.is(closing):
			return nil
		default:
			return n
		}
	}
}

func (s *shorthand) name() (string, bool) {
	s.space()
	start := s.at
	if s.at < len(s.text) && (s.text[s.at] == '"' || s.text[s.at] == '\'') {
		text, ok := s.quoted()
		return text, ok && s.is("=")
	}
	for s.at < len(s.text) && strings.IndexByte("=,{}[]", s.text[s.at]) < 0 {
		s.at++
	}
	name := strings.TrimSuffix(strings.TrimSpace(s.text[start:s.at]), "@")
	return name, name != "" && s.is("=")
}

// value reads one value, or those of a list without brackets.
func (s *shorthand) value(closing string) (source.Node, bool) {
	first, ok := s.one(closing)
	if !ok {
		return first, false
	}
	list := source.Node{Kind: source.List, Items: []source.Node{first}}
	for s.another(closing) {
		s.is(",")
		next, ok := s.one(closing)
		if !ok {
			return next, false
		}
		list.Items = append(list.Items, next)
	}
	if len(list.Items) > 1 {
		return list, true
	}
	return first, true
}

// another reports whether a comma and a value without a name come next.
func (s *shorthand) another(closing string) bool {
	s.space()
	rest := s.text[s.at:]
	if !strings.HasPrefix(rest, ",") {
		return false
	}
	end := strings.IndexAny(rest[1:], "=,{}[]")
	if end < 0 {
		return closing == "" && strings.TrimSpace(rest[1:]) != ""
	}
	next := rest[1+end]
	return next == ',' || closing != "" && next == closing[0]
}

func (s *shorthand) one(closing string) (source.Node, bool) {
	s.space()
	if s.at == len(s.text) {
		return source.Node{Kind: source.String}, true
	}
	switch s.text[s.at] {
	case '{':
		s.at++
		n := s.pairs("}")
		if n == nil {
			return source.Node{}, false
		}
		return *n, true
	case '[':
		s.at++
		return s.items()
	case '"', '\'':
		text, ok := s.quoted()
		return source.Node{Kind: source.String, Text: text}, ok
	}
	start := s.at
	for s.at < len(s.text) && s.text[s.at] != ',' && (closing == "" || s.text[s.at] != closing[0]) {
		s.at++
	}
	return source.Node{Kind: source.String, Text: strings.TrimSpace(s.text[start:s.at])}, true
}

// items reads the values of a list in brackets.
func (s *shorthand) items() (source.Node, bool) {
	if s.deep++; s.deep > maxShorthand {
		return source.Node{}, false
	}
	defer func() { s.deep-- }()
	n := source.Node{Kind: source.List}
	for !s.is("]") {
		item, ok := s.one("]")
		if !ok || s.at == len(s.text) {
			return n, false
		}
		n.Items = append(n.Items, item)
		if !s.is(",") && !strings.HasPrefix(s.text[s.at:], "]") {
			return n, false
		}
	}
	return n, true
}

func (s *shorthand) quoted() (string, bool) {
	quote := s.text[s.at]
	var b strings.Builder
	for i := s.at + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && i+1 < len(s.text):
			i++
			b.WriteByte(s.text[i])
		case c == quote:
			s.at = i + 1
			return b.String(), true
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
