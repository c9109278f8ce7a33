package lint

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/rules"
)

// WriteSARIF writes the findings in the form that code scanning reads, SARIF
// 2.1.0. texts are the files by name; they are needed to give columns in
// characters, and the places of fixes.
// See https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
func WriteSARIF(w io.Writer, results []Result, texts map[string][]byte, version string, known []rules.Rule) error {
	run := sarif.NewRunWithInformationURI("keyreach", "https://github.com/keyreach/keyreach")
	run.Tool.Driver.WithVersion(version)
	used := map[string]bool{}
	for i := range results {
		for j := range results[i].Found {
			used[results[i].Found[j].Rule] = true
		}
		for j := range results[i].Muted {
			used[results[i].Muted[j].Rule] = true
		}
	}
	for i := range known {
		if used[known[i].ID] {
			run.Tool.Driver.AddRule(sarifRule(&known[i]))
		}
	}
	for i := range results {
		r := &results[i]
		lines := newColumns(texts[r.File])
		for j := range r.Found {
			run.AddResult(sarifResult(&r.Found[j], lines))
		}
		for j := range r.Muted {
			x := sarifResult(&r.Muted[j].Found, lines)
			x.Suppressions = append(x.Suppressions, sarif.NewSuppression().WithKind("inSource").WithJustification(r.Muted[j].Reason))
			run.AddResult(x)
		}
	}
	report := sarif.NewReport()
	report.AddRun(run)
	if err := report.PrettyWrite(w); err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	return nil
}

func sarifRule(r *rules.Rule) *sarif.ReportingDescriptor {
	d := sarif.NewRule(r.ID).
		WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Title)).
		WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.Text)).
		WithHelp(sarif.NewMultiformatMessageString().WithText(r.Text + "\n\n" + r.Fix)).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(sarifLevel(r.Severity)))
	if r.Page != "" {
		d.WithHelpURI(r.Page)
	}
	return d
}

func sarifLevel(s finding.Severity) string {
	switch {
	case s >= finding.Error:
		return sarif.LevelError
	case s == finding.Warning:
		return sarif.LevelWarning
	}
	return sarif.LevelNote
}

func sarifResult(x *rules.Found, lines *columns) *sarif.Result {
	text := x.Text
	if x.Fix != "" {
		text += ". To mend it: " + x.Fix
	}
	r := sarif.NewRuleResult(x.Rule).WithLevel(sarifLevel(x.Severity)).WithMessage(sarif.NewTextMessage(text))
	file := sarif.NewSimpleArtifactLocation(filepath.ToSlash(x.Position.File))
	place := sarif.NewPhysicalLocation().WithArtifactLocation(file)
	if x.Position.Line > 0 {
		place.WithRegion(sarif.NewRegion().WithStartLine(x.Position.Line).WithStartColumn(lines.character(x.Position.Line, x.Position.Column)))
	}
	r.AddLocation(sarif.NewLocationWithPhysicalLocation(place))
	if len(x.Edits) == 0 {
		return r
	}
	change := sarif.NewArtifactChange().WithArtifactLocation(file)
	for _, e := range x.Edits {
		from, ok := offset(lines.starts, lines.data, e)
		if !ok {
			return r
		}
		change.AddReplacement(sarif.NewReplacement().WithDeletedRegion(lines.region(from, from+len(e.Old))).
			WithInsertedContent(sarif.NewArtifactContent().WithText(e.New)))
	}
	r.Fixes = append(r.Fixes, sarif.NewFix().WithDescription(sarif.NewTextMessage(x.Fix)).AddArtifactChange(change))
	return r
}

// columns turns places in bytes into places in characters.
type columns struct {
	data   []byte
	starts []int
}

func newColumns(data []byte) *columns { return &columns{data, lineStarts(data)} }

func (c *columns) character(line, column int) int {
	if line > len(c.starts) {
		return max(column, 1)
	}
	from := c.starts[line-1]
	to := min(from+max(column, 1)-1, len(c.data))
	return utf8.RuneCount(c.data[from:to]) + 1
}

// region is the place of the bytes from one offset to another.
func (c *columns) region(from, to int) *sarif.Region {
	line, column := c.place(from)
	endLine, endColumn := c.place(to)
	return sarif.NewRegion().WithStartLine(line).WithStartColumn(column).WithEndLine(endLine).WithEndColumn(endColumn)
}

func (c *columns) place(at int) (line, column int) {
	i, exact := slices.BinarySearch(c.starts, at)
	if !exact {
		i--
	}
	return i + 1, utf8.RuneCount(c.data[c.starts[i]:at]) + 1
}
