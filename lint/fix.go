package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/keyreach/keyreach/internal/atomicfile"
	"github.com/keyreach/keyreach/lint/rules"
)

// Fixed is a file as it would be with every safe fix.
type Fixed struct {
	Name   string
	Before []byte
	After  []byte
	Rules  []string // whose findings are mended, each once
	// Left counts edits that do not fit the text any more, or touch another one.
	Left int
}

// Fix works out what the safe fixes of a result make of its file; nil when there
// are none. Nothing is written.
func Fix(r *Result) *Fixed {
	type edit struct {
		from, to int
		rules.Edit
		rule string
	}
	starts := lineStarts(r.Data)
	x := &Fixed{Name: r.File, Before: r.Data}
	var edits []edit
	for i := range r.Found {
		for _, e := range r.Found[i].Edits {
			from, ok := offset(starts, r.Data, e)
			if !ok {
				x.Left++
				continue
			}
			edits = append(edits, edit{from, from + len(e.Old), e, r.Found[i].Rule})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Or(a.from-b.from, a.to-b.to) })
	edits = slices.CompactFunc(edits, func(a, b edit) bool { return a.from == b.from && a.Edit == b.Edit })
	var b bytes.Buffer
	done := 0
	for _, e := range edits {
		if e.from < done {
			x.Left++
			continue
		}
		b.Write(r.Data[done:e.from])
		b.WriteString(e.New)
		done = e.to
		if !slices.Contains(x.Rules, e.rule) {
			x.Rules = append(x.Rules, e.rule)
		}
	}
	b.Write(r.Data[done:])
	x.After = b.Bytes()
	if len(x.Rules) == 0 {
		return nil
	}
	return x
}

// Diff is the change in the form of diff -u.
func (x *Fixed) Diff() []byte {
	return diff.Diff("a/"+x.Name, x.Before, "b/"+x.Name, x.After)
}

// offset finds where an edit begins. A position is that of a value; where the
// value is quoted, the text begins after the quote.
func offset(starts []int, data []byte, e rules.Edit) (int, bool) {
	if e.At.Line < 1 || e.At.Line > len(starts) || e.At.Column < 1 {
		return 0, false
	}
	at := starts[e.At.Line-1] + e.At.Column - 1
	if at > len(data) {
		return 0, false
	}
	for _, from := range []int{at, at + 1} {
		if from <= len(data) && bytes.HasPrefix(data[from:], []byte(e.Old)) && (from == at || data[at] == '"' || data[at] == '\'') {
			return from, true
		}
	}
	return 0, false
}

// Problem says that fixes were left out.
func (x *Fixed) Problem() string {
	if x.Left == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %d fixes do not fit the text, and were left out", x.Name, x.Left)
}

// Write puts the mended text in the place of the file, which keeps its mode.
// A file that was changed since it was read is left alone.
func (x *Fixed) Write() error {
	info, err := os.Stat(x.Name)
	if err != nil {
		return fmt.Errorf("mending %s: %w", x.Name, err)
	}
	now, err := os.ReadFile(x.Name)
	if err != nil {
		return fmt.Errorf("mending %s: %w", x.Name, err)
	}
	if !bytes.Equal(now, x.Before) {
		return fmt.Errorf("mending %s: it was changed since it was read; look again", x.Name)
	}
	if err := atomicfile.Write(x.Name, x.After, info.Mode().Perm()); err != nil {
		return fmt.Errorf("mending %s: %w", x.Name, err)
	}
	return nil
}
