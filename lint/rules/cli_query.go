package rules

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
)

// queryCheck follows a JMESPath expression through the shape of an answer and
// gathers the names that the answer never has. What it cannot follow it takes
// for right. See jmespath.org/specification.html and
// docs.aws.amazon.com/cli/latest/userguide/cli-usage-filter.html.
type queryCheck struct {
	text string
	at   int
	deep int
	bad  []badMember
	lost bool // the rest of the expression cannot be followed
	// each is set when what was read last stands for every item of a list; a pipe
	// makes that one list again.
	each bool
}

// checkQuery returns the names of a --query that the answer does not have.
func checkQuery(query string, output *awsfacts.Shape) []badMember {
	q := &queryCheck{text: query}
	q.pipes(output)
	if q.lost {
		return nil
	}
	return q.bad
}

func (q *queryCheck) space() {
	for q.at < len(q.text) && strings.ContainsRune(" \t\n\r", rune(q.text[q.at])) {
		q.at++
	}
}

func (q *queryCheck) next(tokens ...string) string {
	q.space()
	for _, t := range tokens {
		if strings.HasPrefix(q.text[q.at:], t) {
			q.at += len(t)
			return t
		}
	}
	return ""
}

func (q *queryCheck) pipes(s *awsfacts.Shape) *awsfacts.Shape {
	if q.deep++; q.deep > 50 {
		q.lost = true
	}
	defer func() { q.deep-- }()
	got := q.logic(s)
	for !q.lost {
		q.space()
		if strings.HasPrefix(q.text[q.at:], "||") || q.next("|") == "" {
			break
		}
		if q.each && got != nil {
			got = &awsfacts.Shape{Name: got.Name, Type: "list", Elem: &awsfacts.Member{Shape: got}}
		}
		got = q.logic(got)
	}
	return got
}

func (q *queryCheck) logic(s *awsfacts.Shape) *awsfacts.Shape {
	got := q.chain(s)
	for !q.lost {
		q.space()
		rest := q.text[q.at:]
		if strings.HasPrefix(rest, "|") && !strings.HasPrefix(rest, "||") {
			return got
		}
		if q.next("||", "&&", "==", "!=", "<=", ">=", "<", ">") == "" {
			return got
		}
		q.chain(s)
		got = nil
	}
	return got
}

// chain reads a.b[0].c.
func (q *queryCheck) chain(s *awsfacts.Shape) *awsfacts.Shape {
	q.each = false
	got := q.head(s)
	for !q.lost {
		q.space()
		switch {
		case q.at >= len(q.text):
			return got
		case q.text[q.at] == '.':
			q.at++
			got = q.step(got)
		case q.text[q.at] == '[':
			got = q.bracket(got)
		default:
			return got
		}
	}
	return got
}

func (q *queryCheck) head(s *awsfacts.Shape) *awsfacts.Shape {
	q.space()
	if q.at >= len(q.text) {
		q.lost = true
		return nil
	}
	switch c := q.text[q.at]; {
	case c == '!':
		q.at++
		q.chain(s)
		return nil
	case c == '&':
		q.at++
		q.chain(nil)
		return nil
	case c == '@':
		q.at++
		return s
	case c == '(':
		q.at++
		got := q.pipes(s)
		q.want(")")
		return got
	case c == '`' || c == '\'':
		q.literal(c)
		return nil
	case c == '[':
		return q.bracket(s)
	}
	return q.step(s)
}

// step reads a name, *, a list or a map of expressions, or a function.
func (q *queryCheck) step(s *awsfacts.Shape) *awsfacts.Shape {
	q.space()
	if q.at >= len(q.text) {
		q.lost = true
		return nil
	}
	switch c := q.text[q.at]; {
	case c == '*':
		q.at++
		return nil
	case c == '{':
		return q.hash(s)
	case c == '[':
		q.at++
		return q.many(s, "]")
	case c == '"':
		q.at++
		end := strings.IndexByte(q.text[q.at:], '"')
		if end < 0 {
			q.lost = true
			return nil
		}
		name := q.text[q.at : q.at+end]
		q.at += end + 1
		return q.member(s, name)
	}
	name := q.word()
	if name == "" {
		q.lost = true
		return nil
	}
	if q.next("(") != "" {
		if q.next(")") == "" {
			q.many(s, ")")
		}
		return nil
	}
	return q.member(s, name)
}

func (q *queryCheck) word() string {
	start := q.at
	for q.at < len(q.text) {
		c := q.text[q.at]
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			break
		}
		q.at++
	}
	return q.text[start:q.at]
}

func (q *queryCheck) member(s *awsfacts.Shape, name string) *awsfacts.Shape {
	if s == nil || s.Type == "map" || s.Type == "structure" && len(s.Members) == 0 {
		if s != nil && s.Type == "map" {
			return s.Value.Shape
		}
		return nil
	}
	if s.Type == "structure" {
		if m := s.Member(name); m != nil {
			return m.Shape
		}
	}
	if name == "null" || s.Name == "policyDocumentType" {
		return nil // null is what is meant by it; and the CLI decodes the policies of IAM
	}
	q.bad = append(q.bad, badMember{name: name, in: s})
	return nil
}

// bracket reads [0], [], [*], [1:2], [?x] and [a, b].
func (q *queryCheck) bracket(s *awsfacts.Shape) *awsfacts.Shape {
	q.at++ // [
	var elem *awsfacts.Shape
	if s != nil && s.Type == "list" {
		elem = s.Elem.Shape
	}
	q.space()
	if q.at >= len(q.text) {
		q.lost = true
		return nil
	}
	switch c := q.text[q.at]; {
	case c == ']':
		q.at++
		q.each = true
		return elem
	case c == '?':
		q.at++
		q.pipes(elem)
		q.want("]")
		q.each = true
		return elem
	case c == '*' && strings.HasPrefix(q.text[q.at:], "*]"):
		q.at += 2
		q.each = true
		return elem
	case c == '-' || c == ':' || c >= '0' && c <= '9':
		end := strings.IndexByte(q.text[q.at:], ']')
		if end < 0 {
			q.lost = true
			return nil
		}
		q.each = q.each || strings.Contains(q.text[q.at:q.at+end], ":")
		q.at += end + 1
		return elem
	}
	return q.many(s, "]")
}

func (q *queryCheck) many(s *awsfacts.Shape, end string) *awsfacts.Shape {
	for !q.lost {
		q.pipes(s)
		if q.next(",") == "" {
			break
		}
	}
	q.want(end)
	return nil
}

func (q *queryCheck) hash(s *awsfacts.Shape) *awsfacts.Shape {
	q.at++ // {
	for !q.lost {
		q.space()
		if q.at < len(q.text) && q.text[q.at] == '"' {
			q.literal('"')
		} else if q.word() == "" {
			q.lost = true
		}
		q.want(":")
		q.pipes(s)
		if q.next(",") == "" {
			break
		}
	}
	q.want("}")
	return nil
}

func (q *queryCheck) literal(quote byte) {
	end := strings.IndexByte(q.text[q.at+1:], quote)
	if end < 0 {
		q.lost = true
		return
	}
	q.at += end + 2
}

func (q *queryCheck) want(token string) {
	if q.next(token) == "" {
		q.lost = true
	}
}
