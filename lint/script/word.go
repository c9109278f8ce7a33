package script

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/keyreach/keyreach/policy"
)

// value is a word without its quotes, with the variables put in that are known.
type value struct {
	piece
	at      int    // where the word begins in the file
	unknown bool   // the shell or a person still puts something in
	quoted  bool   // it has quotes, so that it cannot be an option or a reserved word
	file    string // it is the content of this file: "$(cat policy.json)"
}

// json reports whether the value looks like a JSON map or list.
func (v *value) json() bool { return looksJSON(v.text) }

// quoting says which escapes a literal has.
type quoting uint8

const (
	bare quoting = iota
	doubleQuoted
	inHeredoc
)

// expander expands the parts of one word.
type expander struct {
	r       *reader
	u       *unit
	b       builder
	unknown bool
	quoted  bool
}

// expand returns the value of a word.
func (r *reader) expand(u *unit, w *syntax.Word) value {
	from, _ := u.span(w)
	at := u.raw.offset(from)
	if v, ok := r.single(u, w); ok {
		v.at = at
		return v
	}
	e := expander{r: r, u: u}
	for _, p := range w.Parts {
		e.part(p, bare)
	}
	v := value{piece: e.b.piece(), at: at, unknown: e.unknown, quoted: e.quoted}
	v.unknown = v.unknown || !v.json() && open(v.text)
	return v
}

// maxShownCode is how long a substitution may be that stands in a word as it was
// written; longer ones are named only.
const maxShownCode = 4 << 10

// open reports whether a person still fills in a part of a word.
func open(text string) bool {
	return strings.HasPrefix(text, "[-") || strings.Contains(text, "...") || strings.Contains(text, "…") || strings.Contains(text, "XXXX") || strings.Contains(text, "xxxx") ||
		policy.HasPlaceholder(text)
}

// single handles words that are one variable or one command's output, which
// keep the places of their text.
func (r *reader) single(u *unit, w *syntax.Word) (value, bool) {
	if len(w.Parts) != 1 {
		return value{}, false
	}
	part := w.Parts[0]
	if q, ok := part.(*syntax.DblQuoted); ok && len(q.Parts) == 1 {
		part = q.Parts[0]
	}
	switch part := part.(type) {
	case *syntax.ParamExp:
		if name := plainName(part); name != "" {
			return r.value(name)
		}
	case *syntax.CmdSubst:
		if v, ok := r.printed(u, part); ok {
			return v, true
		}
		b := builder{}
		if from, to := u.span(part); to-from <= maxShownCode {
			b.copy(&u.raw, from, to)
		} else {
			b.put("${…}", u.raw.offset(from))
		}
		return value{piece: b.piece(), unknown: true}, true
	}
	return value{}, false
}

// plainName returns the name of $NAME and ${NAME}, or nothing.
func plainName(p *syntax.ParamExp) string {
	if p.Param == nil || p.Excl || p.Length || p.Width || p.IsSet || p.Index != nil || p.Slice != nil || p.Repl != nil ||
		p.Names != 0 || p.Exp != nil || p.Flags != nil || p.NestedParam != nil || len(p.Modifiers) > 0 {
		return ""
	}
	return p.Param.Value
}

// printed returns what a substitution is known to print: a here-document or a
// file, by cat.
func (r *reader) printed(u *unit, sub *syntax.CmdSubst) (value, bool) {
	if len(sub.Stmts) != 1 {
		return value{}, false
	}
	stmt := sub.Stmts[0]
	call, _ := stmt.Cmd.(*syntax.CallExpr)
	if call != nil && (len(call.Args) == 0 || len(call.Args) > 2 || call.Args[0].Lit() != "cat") {
		return value{}, false
	}
	if stmt.Cmd != nil && call == nil {
		return value{}, false
	}
	for _, redirect := range stmt.Redirs {
		switch {
		case redirect.Hdoc != nil:
			p := r.heredoc(u, redirect)
			return value{piece: p.cut(0, len(strings.TrimRight(p.text, "\n")))}, true
		case redirect.Op == syntax.RdrIn && call == nil && redirect.Word != nil:
			return r.fileValue(u, redirect.Word)
		}
	}
	if call != nil && len(call.Args) == 2 {
		return r.fileValue(u, call.Args[1])
	}
	return value{}, false
}

func (r *reader) fileValue(u *unit, w *syntax.Word) (value, bool) {
	name := r.expand(u, w)
	b := builder{}
	b.put("$(cat "+name.text+")", name.at)
	return value{piece: b.piece(), unknown: true, file: name.text}, true
}

func (e *expander) part(p syntax.WordPart, q quoting) {
	from, to := e.u.span(p)
	switch p := p.(type) {
	case *syntax.Lit:
		e.unknown = e.unknown || strings.IndexByte(p.Value, masking) >= 0
		e.literal(from, to, q)
	case *syntax.SglQuoted:
		e.quoted = true
		e.single(p)
	case *syntax.DblQuoted:
		e.quoted = true
		for _, inner := range p.Parts {
			e.part(inner, doubleQuoted)
		}
	case *syntax.ParamExp:
		e.param(p, from, to)
	case *syntax.ExtGlob, *syntax.BraceExp:
		e.b.copy(&e.u.raw, from, to)
	default:
		e.unknown = true
		e.b.put("${…}", e.u.raw.offset(from))
	}
}

// literal appends a text without its escapes.
func (e *expander) literal(from, to int, q quoting) {
	text := e.u.raw.text[from:to]
	start := 0
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		next := text[i+1]
		skip := 1
		switch {
		case next == '\n':
			skip = 2
		case next == '\r' && i+2 < len(text) && text[i+2] == '\n':
			skip = 3
		case q == bare, next == '$', next == '`', next == '\\', next == '"' && q == doubleQuoted:
		default:
			i++
			continue
		}
		e.b.copy(&e.u.raw, from+start, from+i)
		start = i + skip
		i += max(skip-1, 1)
	}
	e.b.copy(&e.u.raw, from+start, to)
}

// single appends a text in single quotes; $'…' has escapes.
func (e *expander) single(p *syntax.SglQuoted) {
	from := int(p.Left.Offset()) + 1
	if p.Dollar {
		from++
	}
	to := min(int(p.Right.Offset()), len(e.u.raw.text))
	from = min(from, to)
	if !p.Dollar {
		e.b.copy(&e.u.raw, from, to)
		return
	}
	text := e.u.raw.text[from:to]
	start := 0
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		e.b.copy(&e.u.raw, from+start, from+i)
		at := e.u.raw.offset(from + i)
		switch c := text[i+1]; c {
		case 'n':
			e.b.put("\n", at)
		case 't':
			e.b.put("\t", at)
		case '\\', '\'', '"', '?':
			e.b.put(string(c), at)
		default:
			e.unknown = true
			e.b.put(`\`+string(rune(c)), at)
		}
		start = i + 2
		i++
	}
	e.b.copy(&e.u.raw, from+start, to)
}

// param appends the value of a variable, or its name as a placeholder.
func (e *expander) param(p *syntax.ParamExp, from, to int) {
	at := e.u.raw.offset(from)
	name := plainName(p)
	if name != "" {
		if v, ok := e.r.value(name); ok && !v.unknown {
			e.b.put(v.text, at)
			return
		}
	}
	e.unknown = true
	switch {
	case name != "" && p.Short && syntax.ValidName(name), p.Slice != nil:
		e.b.copy(&e.u.raw, from, to)
	case p.Param != nil:
		e.b.put("${"+p.Param.Value+"}", at)
	default:
		e.b.put("${…}", at)
	}
}

// heredoc returns the text of a here-document.
func (r *reader) heredoc(u *unit, redirect *syntax.Redirect) piece {
	if redirect.Hdoc == nil || len(redirect.Hdoc.Parts) == 0 {
		return piece{}
	}
	e := expander{r: r, u: u}
	if quotedWord(redirect.Word) {
		from, to := u.span(redirect.Hdoc)
		e.b.copy(&u.raw, from, to)
	} else {
		for _, p := range redirect.Hdoc.Parts {
			e.part(p, inHeredoc)
		}
	}
	p := e.b.piece()
	// The parser counts the end word in.
	last := strings.LastIndexByte(p.text, '\n') + 1
	if end := r.expand(u, redirect.Word).text; strings.TrimRight(strings.TrimLeft(p.text[last:], "\t"), "\r") == end {
		p = p.cut(0, last)
	}
	if redirect.Op != syntax.DashHdoc {
		return p
	}
	b := builder{}
	for at := 0; at < len(p.text); {
		end := lineEnd(p.text, at) + 1
		for at < len(p.text) && p.text[at] == '\t' {
			at++
		}
		b.copy(&p, at, min(end, len(p.text)))
		at = max(end, at)
	}
	return b.piece()
}

// quotedWord reports whether the end word of a here-document has quotes, so
// that nothing in its text is replaced.
func quotedWord(w *syntax.Word) bool {
	if w == nil {
		return false
	}
	for _, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); !ok || strings.Contains(lit.Value, `\`) {
			return true
		}
	}
	return false
}
