// Package finding holds the form in which every part of Keyreach reports a
// defect: which rule, how bad, about what, where, in which words, and what
// mends it. A finding is data; it never stops the work that came upon it.
package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a finding is. The zero value is Info.
type Severity uint8

// Severities, mildest first, so that they compare with < and >.
const (
	Info Severity = iota
	Warning
	Error
	Critical
)

var severityNames = [...]string{"info", "warning", "error", "critical"}

// String returns the word used in text and JSON: info, warning, error or
// critical.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText writes the word of String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word of String.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("reading severity %q: it is one of %s", text, strings.Join(severityNames[:], ", "))
	}
	*s = Severity(i)
	return nil
}

// Position is a place in a file that a person wrote. Line and Column count
// from 1; Column counts bytes. The zero Position is "nowhere".
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns file:line:column, leaving out what is not known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.File == "":
		return fmt.Sprintf("%d:%d", p.Line, p.Column)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Finding is one defect.
type Finding struct {
	// Rule is the stable id, such as KEY014.
	Rule string `json:"rule"`
	// Severity says how bad it is.
	Severity Severity `json:"severity"`
	// Subject names the thing the finding is about, usually an ARN.
	Subject string `json:"subject,omitempty"`
	// Position is where it was written, when that is known.
	Position Position `json:"position,omitzero"`
	// Text says what is wrong.
	Text string `json:"text"`
	// Fix says what mends it; empty when nothing short can be said.
	Fix string `json:"fix,omitempty"`
}

// String returns the finding on one line.
func (f Finding) String() string {
	var b strings.Builder
	if at := f.Position.String(); at != "" {
		b.WriteString(at + ": ")
	}
	fmt.Fprintf(&b, "%s %s: %s", f.Severity, f.Rule, f.Text)
	if f.Fix != "" {
		b.WriteString("; " + f.Fix)
	}
	return b.String()
}

// Sort orders findings worst first, then by place, rule and subject, so that
// the same input always reads the same.
func Sort(fs []Finding) {
	slices.SortStableFunc(fs, func(a, b Finding) int { return Compare(&a, &b) })
}

// Compare is the order of Sort.
func Compare(a, b *Finding) int {
	return cmp.Or(
		cmp.Compare(b.Severity, a.Severity),
		strings.Compare(a.Position.File, b.Position.File),
		cmp.Compare(a.Position.Line, b.Position.Line),
		cmp.Compare(a.Position.Column, b.Position.Column),
		strings.Compare(a.Rule, b.Rule),
		strings.Compare(a.Subject, b.Subject),
		strings.Compare(a.Text, b.Text),
	)
}

// Worst returns the highest severity among fs, and false when there is none.
func Worst(fs []Finding) (Severity, bool) {
	if len(fs) == 0 {
		return Info, false
	}
	return slices.MaxFunc(fs, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) }).Severity, true
}
