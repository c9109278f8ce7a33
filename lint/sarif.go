package lint

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/rules"
)

// maxSARIF is how many results GitHub takes of one run; more and it refuses the
// file. The worst are written.
// See https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/troubleshoot-sarif-uploads/results-exceed-limit.
const maxSARIF = 25_000

// sourceRoot is the directory that names of files are relative to: the one that
// the program ran in.
const sourceRoot = "%SRCROOT%"

// WriteSARIF writes the findings in the form that code scanning reads, SARIF
// 2.1.0. known are the rules of which it describes those that found something.
// What is ignored is in it with its reason, suppressed.
// See https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
func WriteSARIF(w io.Writer, results []Result, version string, known []rules.Rule) error {
	run := sarif.NewRunWithInformationURI("keyreach", "https://github.com/keyreach/keyreach").WithColumnKind("unicodeCodePoints")
	run.Tool.Driver.WithVersion(version)
	all := sarifTold(results)
	used, index := map[string]bool{}, map[string]int{}
	for i := range all {
		used[all[i].Rule] = true
	}
	for i := range known {
		if used[known[i].ID] {
			index[known[i].ID] = len(index)
			run.Tool.Driver.AddRule(sarifRule(&known[i]))
		}
	}
	lines := map[*Result]*columns{}
	for i := range all {
		x := &all[i]
		if lines[x.in] == nil && len(x.Edits) > 0 {
			lines[x.in] = newColumns(x.in.Data)
		}
		r := sarifResult(&x.Found, x.in, lines[x.in])
		if n, ok := index[x.Rule]; ok {
			r.WithRuleIndex(n)
		}
		if x.muted {
			kind := "external"
			if x.InSource {
				kind = "inSource"
			}
			r.Suppressions = []*sarif.Suppression{sarif.NewSuppression().WithKind(kind).WithJustification(x.Reason)}
		}
		run.AddResult(r)
	}
	report := sarif.NewReport()
	report.AddRun(run)
	if err := report.PrettyWrite(w); err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	return nil
}

type sarifFound struct {
	Muted
	muted bool
	in    *Result
}

// sarifTold are the findings in the order of the files, the worst of them when
// there are more than may be.
func sarifTold(results []Result) []sarifFound {
	var all []sarifFound
	for i := range results {
		r := &results[i]
		for j := range r.Found {
			all = append(all, sarifFound{Muted{Found: r.Found[j]}, false, r})
		}
		for j := range r.Muted {
			all = append(all, sarifFound{r.Muted[j], true, r})
		}
	}
	if len(all) <= maxSARIF {
		return all
	}
	slices.SortStableFunc(all, func(a, b sarifFound) int {
		switch {
		case a.muted == b.muted:
			return int(b.Severity) - int(a.Severity)
		case a.muted:
			return 1
		}
		return -1
	})
	return all[:maxSARIF]
}

func sarifRule(r *rules.Rule) *sarif.ReportingDescriptor {
	help := r.Text + "\n\n" + r.Fix
	d := sarif.NewRule(r.ID).
		WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Title)).
		WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.Text)).
		WithHelp(sarif.NewMultiformatMessageString().WithText(help).WithMarkdown(r.Markdown())).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(sarifLevel(r.Severity)))
	if r.Page != "" {
		d.WithHelpURI(r.Page)
	}
	if score := sarifScore(r.Severity); score != "" {
		// By this GitHub tells critical from high, which a level cannot.
		d.WithProperties(sarif.NewPropertyBag().Add("security-severity", score).AddTag("security"))
	}
	return d
}

// sarifScore is a severity on GitHub's scale, where critical is above 9 and high
// from 7 on; nothing for what is only a remark.
func sarifScore(s finding.Severity) string {
	switch s {
	case finding.Critical:
		return "9.5"
	case finding.Error:
		return "8.0"
	case finding.Warning:
		return "5.0"
	}
	return ""
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

func sarifResult(x *rules.Found, in *Result, lines *columns) *sarif.Result {
	text := x.Text
	if x.Fix != "" {
		text += ". To mend it: " + x.Fix
	}
	r := sarif.NewRuleResult(x.Rule).WithLevel(sarifLevel(x.Severity)).WithMessage(sarif.NewTextMessage(text))
	file := sarifFile(cmp.Or(x.Position.File, in.File))
	place := sarif.NewPhysicalLocation().WithArtifactLocation(file)
	if x.Position.Line > 0 {
		column := max(x.Position.Column, 1)
		if spot, ok := in.Spots[x.Position]; ok {
			column = spot.Character
		}
		place.WithRegion(sarif.NewRegion().WithStartLine(x.Position.Line).WithStartColumn(column))
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

// sarifFile names a file as a URI, relative where the name is.
func sarifFile(name string) *sarif.ArtifactLocation {
	path := filepath.ToSlash(filepath.Clean(name))
	if filepath.IsAbs(name) {
		return sarif.NewSimpleArtifactLocation((&url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(path, "/")}).String())
	}
	return sarif.NewSimpleArtifactLocation((&url.URL{Path: path}).String()).WithURIBaseID(sourceRoot)
}

// region is the place of the bytes from one offset to another.
func (c *columns) region(from, to int) *sarif.Region {
	line, column := c.place(from)
	endLine, endColumn := c.place(to)
	return sarif.NewRegion().WithStartLine(line).WithStartColumn(column).WithEndLine(endLine).WithEndColumn(endColumn)
}
