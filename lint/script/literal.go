package script

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// literals takes up the policies that a program has as maps: the dicts of Python
// and the objects of JavaScript. What the program works out is a placeholder.
func (r *reader) literals(p piece, language string, headings []string) {
	if !slices.Contains([]string{"python", "javascript", "js", "typescript", "ts", "jsx", "tsx"}, language) || len(p.text) > maxProgram {
		return
	}
	for at, tries := 0, 0; tries < maxLiterals && effect.MatchString(p.text[at:]); tries++ {
		n := strings.IndexByte(p.text[at:], '{')
		if n < 0 {
			return
		}
		from := at + n
		l := literal{p: &p, at: from, python: language == "python"}
		if at = from + 1; l.value() {
			at = l.at
			if text := p.text[from:at]; effect.MatchString(text) && acts.MatchString(text) {
				r.add(l.b.piece(&p), Part{Language: "json", Headings: headings})
			}
		}
	}
}

var (
	effect = lazy.Regexp(`\bEffect["']?\s*:`)
	acts   = lazy.Regexp(`\b(?:Not)?Action["']?\s*:`)
)

const (
	maxProgram  = 64 << 10 // how long a program is whose maps are read
	maxLiterals = 200      // how many of its maps are tried
	maxNested   = 40       // how deep they stand in one another
)

// literal turns a map of a program into JSON.
type literal struct {
	p      *piece
	b      trail
	at     int
	deep   int
	python bool
}

// trail is a builder that can go back.
type trail struct{ steps []step }

// step puts a text, or copies a part of the program.
type step struct {
	text     string
	from, to int // of the part; for a text, from is its place in the file
}

func (t *trail) mark() int { return len(t.steps) }

func (t *trail) back(to int) { t.steps = t.steps[:to] }

func (t *trail) put(text string, from int) { t.steps = append(t.steps, step{text: text, from: from}) }

// copy adds a part that stands behind the one before to that one, unless it is
// where a mark may be.
func (t *trail) copy(from, to int, on bool) {
	if n := len(t.steps) - 1; on && n >= 0 && t.steps[n].text == "" && t.steps[n].to == from {
		t.steps[n].to = to
		return
	}
	t.steps = append(t.steps, step{from: from, to: to})
}

func (t *trail) piece(p *piece) piece {
	b := builder{}
	for _, s := range t.steps {
		if s.text != "" {
			b.put(s.text, s.from)
		} else {
			b.copy(p, s.from, s.to)
		}
	}
	return b.piece()
}

// skip steps over blanks and comments.
func (l *literal) skip() {
	text := l.p.text
	for l.at < len(text) {
		switch rest := text[l.at:]; {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.b.copy(l.at, l.at+1, false)
			l.at++
		case l.python && rest[0] == '#', !l.python && strings.HasPrefix(rest, "//"):
			l.at = lineEnd(text, l.at)
		default:
			return
		}
	}
}

func (l *literal) next() byte {
	if l.skip(); l.at < len(l.p.text) {
		return l.p.text[l.at]
	}
	return 0
}

// value reads one value. It reports whether it is one that can be read.
func (l *literal) value() bool {
	if l.deep++; l.deep > maxNested {
		return false
	}
	defer func() { l.deep-- }()
	switch l.next() {
	case 0:
		return false
	case '{':
		return l.many('}', l.member)
	case '[':
		return l.many(']', l.value)
	}
	from := l.at
	to := l.expression()
	if to == from {
		return false
	}
	before := l.b.mark()
	if l.quoted() && strings.TrimSpace(l.p.text[l.at:max(l.at, to)]) == "" {
		return true
	}
	l.b.back(before)
	return l.other(from, to)
}

// other writes what is no text: a word of the language, or a placeholder.
func (l *literal) other(from, to int) bool {
	text := strings.TrimSpace(l.p.text[from:to])
	l.at = to
	where := l.p.offset(from)
	switch text {
	case "True", "true":
		l.b.put("true", where)
	case "False", "false":
		l.b.put("false", where)
	case "None", "null", "undefined":
		l.b.put("null", where)
	default:
		if number.MatchString(text) {
			l.b.put(text, where)
		} else {
			l.b.put(`"${`+holdsName(text)+`}"`, where)
		}
	}
	return true
}

var (
	number  = lazy.Regexp(`^-?(?:0|[1-9]\d*)$`)
	strange = lazy.Regexp(`[^A-Za-z0-9_.]+`)
)

// holdsName makes of an expression a name for a placeholder.
func holdsName(expression string) string {
	if name := strings.Trim(strange.ReplaceAllString(expression, "_"), "_."); name != "" {
		return name[:min(len(name), 60)]
	}
	return "x"
}

// many reads what stands between brackets.
func (l *literal) many(closing byte, one func() bool) bool {
	l.b.copy(l.at, l.at+1, false)
	l.at++
	for first := true; ; first = false {
		if l.next() == closing {
			l.b.copy(l.at, l.at+1, false)
			l.at++
			return true
		}
		if !first {
			l.b.put(",", l.p.offset(min(l.at, len(l.p.text))))
		}
		if !one() {
			return false
		}
		switch l.next() {
		case ',':
			l.at++
		case closing:
		default:
			return false
		}
	}
}

// member reads a name and its value.
func (l *literal) member() bool {
	l.skip()
	if !l.quoted() {
		from := l.at
		for l.at < len(l.p.text) && isNamePart(l.p.text[l.at]) {
			l.at++
		}
		if l.at == from || l.python {
			return false
		}
		l.b.put(`"`, l.p.offset(from))
		l.b.copy(from, l.at, false)
		l.b.put(`"`, l.p.offset(from))
	}
	if l.next() != ':' {
		return false
	}
	l.b.copy(l.at, l.at+1, false)
	l.at++
	return l.value()
}

func isNamePart(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// expression returns where the expression ends that begins here.
func (l *literal) expression() int {
	return l.at + max(source.ClosingBracket(l.p.text[l.at:], true), 0)
}

// quoted reads a text in quotes, with what it has put in as placeholders.
func (l *literal) quoted() bool {
	text, from := l.p.text, l.at
	prefix := 0
	for l.python && prefix < 2 && from+prefix < len(text) && strings.IndexByte("fFrRbBuU", text[from+prefix]) >= 0 {
		prefix++
	}
	at := from + prefix
	if at >= len(text) || strings.IndexByte("\"'`", text[at]) < 0 || strings.HasPrefix(text[at:], `"""`) || strings.HasPrefix(text[at:], `'''`) {
		return false
	}
	quote, formats := text[at], strings.ContainsAny(text[from:at], "fF")
	l.b.put(`"`, l.p.offset(at))
	for at++; at < len(text); at++ {
		switch c := text[at]; {
		case c == quote:
			l.b.put(`"`, l.p.offset(at))
			l.at = at + 1
			return true
		case c == '\n' || c == '\t':
			return false
		case c == '"':
			l.b.put(`\"`, l.p.offset(at))
		case c == '\\':
			at++
			l.b.put(" ", l.p.offset(at-1))
		case formats && c == '{':
			end := strings.IndexByte(text[at:], '}')
			if end < 0 {
				return false
			}
			l.b.put("${"+holdsName(text[at:at+end])+"}", l.p.offset(at))
			at += end
		default:
			l.b.copy(at, at+1, true)
		}
	}
	return false
}
