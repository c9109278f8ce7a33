package script

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/keyreach/keyreach/internal/lazy"
)

// block is what is known of a text before it is read.
type block struct {
	language string
	headings []string
	strict   bool // it may be anything: only what can be nothing else is a command
	depth    int  // how many here-documents it stands in
}

// file is the language of a whole file of commands, which has no prompts.
const file = "file"

// script is a text of commands, cut into what parses.
type script struct {
	block
	units []*unit
}

// unit is a text that was parsed, or its beginning. Offsets of its statements
// are those of raw.
type unit struct {
	raw   piece
	stmts []*syntax.Stmt
}

// script reads a text of commands. It reports whether there is anything.
func (r *reader) script(p piece, b block) bool {
	if _, deep := tooDeep(p.text); deep {
		return false
	}
	s := &script{block: b}
	p = p.unixLines()
	masked := mask(p.text)
	var lines, commands []int
	if b.language != file {
		lines, commands = prompts(p.text, b.language)
	}
	if len(lines) > 0 {
		r.session(s, p, masked, lines, commands)
	} else {
		r.parse(s, p, masked)
	}
	if len(s.units) == 0 {
		return false
	}
	r.scripts = append(r.scripts, s)
	return true
}

// session reads the commands after prompts and leaves out what they print.
func (r *reader) session(s *script, p piece, masked string, lines, commands []int) {
	if strings.TrimSpace(masked[:lines[0]]) != "" {
		r.parse(s, p.cut(0, lines[0]), masked[:lines[0]])
	}
	for i, from := range commands {
		end := len(masked)
		if i+1 < len(lines) {
			end = lines[i+1]
		}
		text := unprompted(masked[from:end])
		raw := p.cut(from, end)
		stmts, err := statements(text, true)
		if len(stmts) == 0 && err != nil {
			r.oneLine(s, raw, text, 0)
			continue
		}
		s.units = append(s.units, &unit{raw: raw, stmts: stmts})
	}
}

// unprompted blanks the prompts of the lines that a command goes on in.
func unprompted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := 1; i < len(lines); i++ {
		if m := more.FindString(lines[i]); m != "" {
			lines[i] = strings.Repeat(" ", len(m)) + lines[i][len(m):]
		}
	}
	return strings.Join(lines, "")
}

// statements parses a text and returns the statements before the first error;
// those of the first line alone if first is set.
func statements(text string, first bool) (stmts []*syntax.Stmt, failure error) {
	// Should the library panic, the text is broken like any other.
	defer func() {
		if r := recover(); r != nil {
			failure = fmt.Errorf("parsing shell: %v", r)
		}
	}()
	ended := false
	// The library goes on after an iteration that was left, so none is.
	for stmt, err := range syntax.NewParser(syntax.Variant(syntax.LangBash)).StmtsSeq(strings.NewReader(text)) {
		switch {
		case failure != nil || ended:
		case err != nil:
			failure = err
		case first && stmt.Pos().Line() > 1:
			ended = true
		default:
			stmts = append(stmts, stmt)
		}
	}
	return stmts, failure
}

// mayMatter reports whether a text can hold anything that is looked for.
func mayMatter(text string) bool {
	return strings.Contains(text, "aws") || strings.Contains(text, "<<") || strings.Contains(text, "=") || strings.Contains(text, "{")
}

// parse reads what parses of a text: after a statement that does not, it goes on
// with the line after its first one.
func (r *reader) parse(s *script, p piece, masked string) {
	for at := 0; at < len(masked) && mayMatter(masked[at:]); {
		if r.budget < 0 {
			r.eachLine(s, p, masked, at)
			return
		}
		stmts, err := statements(masked[at:], false)
		done := at
		if n := len(stmts); n > 0 {
			s.units = append(s.units, &unit{raw: p.cut(at, len(p.text)), stmts: stmts})
			done += int(stmts[n-1].End().Offset())
		}
		if err == nil {
			return
		}
		r.budget -= len(masked) - at
		at = r.oneLine(s, p, masked, broken(masked, done))
	}
}

// broken returns where the line begins that holds the next statement after an
// offset.
func broken(text string, at int) int {
	for at < len(text) {
		switch text[at] {
		case ' ', '\t', '\r', '\n', ';':
			at++
		case '#':
			at = lineEnd(text, at)
		default:
			return at
		}
	}
	return at
}

// eachLine reads each line by itself.
func (r *reader) eachLine(s *script, p piece, masked string, at int) {
	for at < len(masked) {
		at = r.oneLine(s, p, masked, at)
	}
}

// oneCommand finds the lines that are still read by themselves.
var oneCommand = lazy.Regexp(`(?:^|[\s(|;])aws\s+[a-z-]`)

// oneLine reads the line at an offset with those that it goes on in, and returns
// where the next one begins.
func (r *reader) oneLine(s *script, p piece, masked string, at int) int {
	end := at
	for {
		n := strings.IndexByte(masked[end:], '\n')
		if n < 0 {
			end = len(masked)
			break
		}
		end += n + 1
		if n == 0 || end < 2 || masked[end-2] != '\\' {
			break
		}
	}
	text := masked[at:end]
	if !oneCommand.MatchString(text) {
		return end
	}
	stmts := r.mend(text)
	if len(stmts) > 0 {
		s.units = append(s.units, &unit{raw: p.cut(at, end), stmts: stmts})
	}
	return end
}

// maxMends is how many signs of one line are masked to make it parse.
const maxMends = 8

// mend parses one line. The sign at which that fails is masked: a quote that
// nothing closes, a bracket around what may be left out. If that does not help,
// what stands before it is taken.
func (r *reader) mend(text string) []*syntax.Stmt {
	b := []byte(text)
	for range maxMends {
		stmts, err := statements(string(b), false)
		if err == nil || r.budget < 0 {
			return stmts
		}
		r.budget -= len(b)
		var fault syntax.ParseError
		if !errors.As(err, &fault) {
			return stmts
		}
		at := int(fault.Pos.Offset())
		if at >= len(b) || b[at] == masking || b[at] == '\n' {
			break
		}
		b[at] = masking
	}
	stmts, err := statements(text, false)
	var fault syntax.ParseError
	if len(stmts) == 0 && errors.As(err, &fault) {
		stmts, _ = statements(text[:min(int(fault.Pos.Offset()), len(text))], false)
	}
	return stmts
}
