package policy

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
)

// Wildcards in compiled patterns are bytes that policy text cannot hold, so
// that a * which is only text (from ${*}, or from the value of a variable)
// stays text.
const (
	anyRun = '\x00'
	anyOne = '\x01'
)

// pattern is one compiled text of a policy: an action, a resource or a
// condition value. It is read-only after compilation.
type pattern struct {
	form form
	// text is the literal, the literal before the final star (prefix) or the
	// coded glob; in lower case where fold is set.
	text string
	fold bool
	// vague: a placeholder stands in the text, as a wildcard. What matches may
	// then turn out not to, and only that is certain which does not match.
	vague bool
	// parts is set when policy variables must be filled in for each request.
	parts []part
}

type form uint8

const (
	literal form = iota
	prefix       // a literal and one star at the end
	everything
	glob
	nothing // a control character: AWS takes no such policy
)

// part is a piece of a text with variables: either text or a variable.
type part struct {
	text     string
	variable string // lower case; empty for text
	fallback string
	hasElse  bool
}

// compileOptions says which rules hold where the text stands.
type compileOptions struct {
	fold      bool // letter case does not count
	wild      bool // * and ? are wildcards
	variables bool // ${…} is a policy variable
}

func compilePattern(v *Value, o compileOptions) pattern {
	if v.Kind == OpaqueValue {
		return pattern{form: everything, vague: true}
	}
	p := pattern{fold: o.fold}
	text := v.Text
	if strings.ContainsAny(text, string([]byte{anyRun, anyOne})) {
		p.form = nothing
		return p
	}
	if v.Unknown {
		text, p.vague = blank(text), true
	} else if o.variables && strings.Contains(text, "${") {
		parts, found := splitVariables(text, o.wild)
		if found {
			p.parts = parts
			return p
		}
		if len(parts) > 0 {
			text = parts[0].text
		}
		p.set(text)
		return p
	}
	if o.wild {
		text = codeWildcards(text)
	}
	p.set(text)
	return p
}

// blank replaces every placeholder by a wildcard.
func blank(text string) string {
	var b strings.Builder
	at := 0
	for _, span := range placeholderSpans(text) {
		b.WriteString(text[at:span[0]])
		b.WriteByte(anyRun)
		at = span[1]
	}
	b.WriteString(text[at:])
	return b.String()
}

// set takes the coded text and chooses the cheapest form that decides it.
func (p *pattern) set(text string) {
	if p.fold {
		text = strings.ToLower(text)
	}
	p.text = text
	switch i := strings.IndexAny(text, string([]byte{anyRun, anyOne})); {
	case i < 0:
		p.form = literal
	case text == string(anyRun):
		p.form = everything
	case i == len(text)-1 && text[i] == anyRun:
		p.form, p.text = prefix, text[:i]
	default:
		p.form = glob
	}
}

func codeWildcards(text string) string {
	if !strings.ContainsAny(text, "*?") {
		return text
	}
	b := []byte(text)
	for i, c := range b {
		switch c {
		case '*':
			b[i] = anyRun
		case '?':
			b[i] = anyOne
		}
	}
	return string(b)
}

// match reports whether s matches, given the request's context for variables.
func (p *pattern) match(s string, ctx Context) Truth {
	if p.parts != nil {
		return p.matchFilled(s, ctx, matchGlob)
	}
	t := truth(p.matchText(s))
	if p.vague {
		return t.And(Unknown)
	}
	return t
}

func (p *pattern) matchText(s string) bool {
	switch p.form {
	case nothing:
		return false
	case everything:
		return true
	case literal:
		if p.fold {
			return strings.EqualFold(p.text, s)
		}
		return p.text == s
	case prefix:
		if len(s) < len(p.text) {
			return false
		}
		if p.fold {
			return strings.EqualFold(p.text, s[:len(p.text)])
		}
		return s[:len(p.text)] == p.text
	}
	if p.fold {
		s = strings.ToLower(s)
	}
	return matchGlob(p.text, s)
}

// matchARN is match by the rule of the Arn operators: part by part.
func (p *pattern) matchARN(s string, ctx Context) Truth {
	if p.parts != nil {
		return p.matchFilled(s, ctx, matchLike)
	}
	text := p.text
	switch p.form {
	case nothing:
		return False
	case prefix:
		text += string(anyRun)
	case everything:
		text = string(anyRun)
	}
	t := truth(matchLike(text, s))
	if p.vague {
		return t.And(Unknown)
	}
	return t
}

func matchGlob(pattern, s string) bool { return arn.GlobWith(pattern, s, anyRun, anyOne) }
func matchLike(pattern, s string) bool { return arn.LikeWith(pattern, s, anyRun, anyOne) }

// matchFilled fills the variables in and matches. A variable without a value
// leaves a text that nothing equals; one whose value is not known may become
// any text.
func (p *pattern) matchFilled(s string, ctx Context, match func(pattern, s string) bool) Truth {
	var buf [256]byte
	b := buf[:0]
	unknown := false
	for i := range p.parts {
		q := &p.parts[i]
		if q.variable == "" {
			b = append(b, q.text...)
			continue
		}
		v := ctx.Lookup(q.variable)
		switch {
		case v.Presence == NotKnown:
			unknown = true
			b = append(b, anyRun)
		case v.Presence == Present && !v.Multi:
			b = append(b, v.One...)
		case v.Presence == Absent && q.hasElse:
			b = append(b, q.fallback...)
		default:
			return False
		}
	}
	filled := string(b)
	if p.fold {
		filled, s = strings.ToLower(filled), strings.ToLower(s)
	}
	t := truth(match(filled, s))
	if unknown {
		return t.And(Unknown)
	}
	return t
}

// unknownVariable names the first variable whose value is not known.
func (p *pattern) unknownVariable(ctx Context) string {
	for i := range p.parts {
		if v := p.parts[i].variable; v != "" && ctx.Lookup(v).Presence == NotKnown {
			return v
		}
	}
	return ""
}

// splitVariables cuts a text at its ${…}. The escapes ${*}, ${?} and ${$}
// become plain characters. It reports whether a variable is left; if not, the
// one part is the whole text.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html.
func splitVariables(text string, wild bool) (parts []part, found bool) {
	code := func(s string) string {
		if wild {
			return codeWildcards(s)
		}
		return s
	}
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			parts = append(parts, part{text: lit.String()})
			lit.Reset()
		}
	}
	for {
		i := strings.Index(text, "${")
		end := -1
		if i >= 0 {
			end = strings.IndexByte(text[i:], '}')
		}
		if end < 0 {
			lit.WriteString(code(text))
			flush()
			return parts, found
		}
		lit.WriteString(code(text[:i]))
		body := text[i+2 : i+end]
		text = text[i+end+1:]
		if body == "*" || body == "?" || body == "$" {
			lit.WriteString(body)
			continue
		}
		flush()
		parts = append(parts, variablePart(body))
		found = true
	}
}

func variablePart(body string) part {
	name, rest, ok := strings.Cut(body, ",")
	p := part{variable: strings.ToLower(strings.TrimSpace(name))}
	if ok {
		rest = strings.TrimSpace(rest)
		p.fallback, p.hasElse = strings.Trim(rest, "'"), true
	}
	return p
}
