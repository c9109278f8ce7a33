package script

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// shown is a file whose content the text shows.
type shown struct {
	name string
	part int // index in the parts
	at   int // where in the file it is shown
	node *source.Node
	read bool
}

// pendingWord is a word of a command that is JSON or names a file.
type pendingWord struct {
	command *rules.Command
	option  string
	word    *rules.Word
	value   value
	block   *block
}

// maxWords is how many words of a text are read as JSON or looked up.
const maxWords = 20_000

// use notes the words of a command that are JSON or name files.
func (r *reader) use(b *block, c *rules.Command, values []value, origins []origin) {
	for _, o := range origins {
		v := values[o.word]
		word := &c.Options[o.option].Values[o.value]
		if len(r.words) == maxWords {
			return
		}
		if v.piece = v.cut(o.cut, len(v.text)); v.json() || v.file != "" || fileName(word.Text) != "" {
			r.words = append(r.words, pendingWord{command: c, option: c.Options[o.option].Name, word: word, value: v, block: b})
		}
	}
}

// stdin is the file by which the CLI is told to read its standard input.
const stdin = "/dev/stdin"

// fileName returns the name of the file that a word of the CLI has read, or
// nothing.
func fileName(text string) string {
	for _, scheme := range []string{"file://", "fileb://"} {
		if name, ok := strings.CutPrefix(text, scheme); ok {
			return path.Clean(strings.ReplaceAll(name, `\`, "/"))
		}
	}
	return ""
}

// maxShown is how many files of a text are looked through for a name.
const maxShown = 500

// part notes a text of another language, and the file that it is.
func (r *reader) part(p piece, name, language string, headings []string, at int) {
	if language == "" {
		language = languageOf(name, p.text)
	}
	i := r.add(p, Part{Name: name, Language: language, Headings: headings})
	if name != "" && len(r.shown) < maxShown {
		r.shown = append(r.shown, shown{name: path.Clean(name), part: i, at: at})
	}
}

// add adds a part, unless the same place is one already, and returns its index.
func (r *reader) add(p piece, part Part) int {
	at := p.offset(0)
	i, known := r.partAt[at]
	if !known {
		i = len(r.out.Parts)
		r.partAt[at] = i
		part.Text, part.At = p.text, r.locator(p)
		r.out.Parts = append(r.out.Parts, part)
	}
	if known && r.out.Parts[i].Name == "" {
		r.out.Parts[i].Name = part.Name
	}
	if r.out.Parts[i].Use == nil {
		r.out.Parts[i].Use, r.out.Parts[i].Option = part.Use, part.Option
	}
	return i
}

// files takes up what a statement writes into files.
func (w *walker) files(s *syntax.Stmt, values []value, command *rules.Command) {
	from, _ := w.u.span(s)
	at := w.u.raw.offset(from)
	var first string
	if len(values) > 0 {
		first = base(values[0].text)
	}
	for _, redirect := range s.Redirs {
		if redirect.Hdoc == nil {
			continue
		}
		name := w.target(s, first, values)
		if name == "" && command != nil {
			name = stdin
			at = w.r.starts[command]
		}
		w.document(w.r.heredoc(w.u, redirect), name, first, at)
	}
	if first == "echo" || first == "printf" {
		if name := w.out(s); name != "" {
			for i := range values[1:] {
				if v := &values[i+1]; v.json() {
					w.r.part(v.piece, name, "json", w.s.headings, at)
				}
			}
		}
	}
}

// target returns the file that a here-document is written to.
func (w *walker) target(s *syntax.Stmt, first string, values []value) string {
	if first == "sudo" && len(values) > 1 {
		first, values = base(values[1].text), values[1:]
	}
	switch first {
	case "cat":
		return w.out(s)
	case "tee":
		for _, v := range values[1:] {
			if !strings.HasPrefix(v.text, "-") {
				return v.text
			}
		}
	}
	return ""
}

// pipedFile names the here-document of cat <<EOF | tee FILE, and of cat <<EOF |
// aws ….
func (w *walker) pipedFile(stmts []*syntax.Stmt, end *rules.Pipe) {
	last := stmts[len(stmts)-1]
	call, ok := last.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	from, _ := w.u.span(stmts[0])
	at := w.u.raw.offset(from)
	values := make([]value, len(call.Args))
	for i, a := range call.Args {
		values[i] = w.r.expand(w.u, a)
	}
	name := w.target(last, base(values[0].text), values)
	if name == "" {
		name = w.out(last)
	}
	if end.Command != nil {
		name, at = stdin, w.r.starts[end.Command]
	}
	n := len(w.r.out.Parts)
	for _, redirect := range stmts[0].Redirs {
		if redirect.Hdoc != nil && name != "" && n > 0 && w.r.out.Parts[n-1].Name == "" {
			w.r.out.Parts[n-1].Name = name
			w.r.shown = append(w.r.shown, shown{name: path.Clean(name), part: n - 1, at: at})
		}
	}
}

// maxHeredocs is how many here-documents inside one another are read.
const maxHeredocs = 3

// document takes up a here-document by what it is written in.
func (w *walker) document(p piece, name, first string, at int) {
	if strings.TrimSpace(p.text) == "" {
		return
	}
	language := languageOf(name, p.text)
	switch {
	case strings.HasPrefix(first, "python") || first == "node" || first == "ruby":
		w.r.code(p, strings.TrimRight(first, "0123456789."), w.s.headings)
	case language == "sh" || first == "bash" || first == "sh" || first == "ssh":
		if w.s.depth < maxHeredocs {
			if w.r.script(p, block{language: file, headings: w.s.headings, depth: w.s.depth + 1}) {
				w.r.collectNew()
			}
		}
	case slices.Contains([]string{"json", "yaml", "hcl", ""}, language):
		w.r.part(p, name, language, w.s.headings, at)
	default:
		w.r.code(p, language, w.s.headings)
	}
}

// code notes a block of a language that nothing reads.
func (r *reader) code(p piece, language string, headings []string) {
	r.literals(p, language, headings)
	r.out.Code = append(r.out.Code, &rules.Code{Pos: r.place(p.offset(0)), Headings: headings, Language: language, Text: p.text})
}

// resolve gives the words that are JSON or name shown files their trees.
func (r *reader) resolve() {
	for i := range r.words {
		w := &r.words[i]
		file := w.value.file
		if file == "" {
			file = fileName(w.word.Text)
		} else {
			file = path.Clean(file)
		}
		if file == "" {
			r.inline(w)
			continue
		}
		s := r.find(file, r.starts[w.command])
		if s == nil {
			continue
		}
		part := &r.out.Parts[s.part]
		if part.Use == nil {
			part.Use, part.Option = w.command, w.option
		}
		if !s.read {
			s.read = true
			if part.Language == "json" || part.Language == "yaml" {
				s.node = tree(part.Text, part.At)
			}
		}
		w.word.JSON = s.node
	}
}

func tree(text string, at func(source.Pos) source.Pos) *source.Node {
	n, _, err := source.Parse([]byte(text))
	if err != nil {
		return nil
	}
	n.Relocate(at)
	return n
}

// inline reads a word that is JSON itself. A policy is a part of its own too.
func (r *reader) inline(w *pendingWord) {
	w.word.JSON = tree(w.value.text, r.locator(w.value.piece))
	if strings.Contains(w.value.text, `"Statement"`) || strings.Contains(w.option, "policy") {
		r.add(w.value.piece, Part{Language: "json", Headings: w.block.headings, Use: w.command, Option: w.option})
	}
}

// find returns the file of a name that is shown last before a place, or else the
// first one after it. A name without its directory will do where one file alone
// has it.
func (r *reader) find(name string, at int) *shown {
	if name == stdin {
		return r.nearest(at, func(s *shown) bool { return s.name == stdin && s.at == at })
	}
	if s := r.nearest(at, func(s *shown) bool { return s.name == name }); s != nil {
		return s
	}
	var full string
	for i := range r.shown {
		if s := &r.shown[i]; path.Base(s.name) == path.Base(name) {
			if full != "" && full != s.name {
				return nil
			}
			full = s.name
		}
	}
	return r.nearest(at, func(s *shown) bool { return full != "" && s.name == full })
}

func (r *reader) nearest(at int, is func(*shown) bool) *shown {
	var before, after *shown
	for i := range r.shown {
		s := &r.shown[i]
		switch {
		case !is(s):
		case s.at <= at:
			if before == nil || s.at >= before.at {
				before = s
			}
		case after == nil || s.at < after.at:
			after = s
		}
	}
	if before != nil {
		return before
	}
	return after
}
