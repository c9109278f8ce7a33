package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

func (o *lintOptions) print(w io.Writer, results []lint.Result, failOn finding.Severity) error {
	switch o.format {
	case "json":
		return jsonFormat.writeData(w, lintViewOf(results))
	case "sarif":
		told := slices.Clone(results)
		for i := range told {
			if !o.ignored {
				told[i].Muted = nil
			}
		}
		return lint.WriteSARIF(w, told, programVersion(), lint.Known())
	case "junit":
		return lint.WriteJUnit(w, results, failOn)
	case "github":
		if err := lint.WriteGitHub(w, results); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, sumOf(results).text()) // the log shows no places
		return err
	}
	return lintText(w, results)
}

// lintView is the JSON form of what lint found.
type lintView struct {
	FormatVersion int            `json:"format_version"`
	Files         []lintFileView `json:"files"`
	Findings      []foundView    `json:"findings"`
	Ignored       []foundView    `json:"ignored,omitempty"`
}

type lintFileView struct {
	File   string `json:"file"`
	Format string `json:"format,omitempty"`
}

type foundView struct {
	finding.Finding
	Fixable bool   `json:"fixable,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

func lintViewOf(results []lint.Result) lintView {
	v := lintView{FormatVersion: estate.FormatVersion, Files: []lintFileView{}, Findings: []foundView{}}
	for i := range results {
		r := &results[i]
		v.Files = append(v.Files, lintFileView{r.File, r.Format})
		for j := range r.Found {
			v.Findings = append(v.Findings, foundView{Finding: r.Found[j].Finding, Fixable: len(r.Found[j].Edits) > 0})
		}
		for j := range r.Muted {
			v.Ignored = append(v.Ignored, foundView{Finding: r.Muted[j].Finding, Reason: r.Muted[j].Reason})
		}
	}
	return v
}

// lintText prints the findings with the lines that they are about, and a sum.
func lintText(w io.Writer, results []lint.Result) error {
	p := printer{w: w}
	sum := sumOf(results)
	for i := range results {
		for j := range results[i].Found {
			p.found(&results[i].Found[j], results[i].Spots)
		}
	}
	if sum.found > 0 {
		p.blank()
	}
	p.line(0, 0, "%s", sum.text())
	if sum.fixable > 0 {
		p.line(0, 0, "%s can be mended safely: keyreach lint --fix shows how", count(sum.fixable, "finding"))
	}
	return p.err
}

// found prints a finding: on one line when that holds it, else with the text
// below the place, which editors and people look for at the beginning of a line.
func (p *printer) found(x *rules.Found, spots map[finding.Position]lint.Spot) {
	head := strings.TrimPrefix(fmt.Sprintf("%s: %s %s: ", x.Position, x.Severity, x.Rule), ": ")
	if utf8.RuneCountInString(head+x.Text) <= width {
		p.put(0, 2, head+x.Text)
	} else {
		p.verbatim(0, strings.TrimSuffix(head, ": "))
		p.put(2, 0, x.Text)
	}
	if e := spots[x.Position].Excerpt; e != "" {
		for line := range strings.SplitSeq(e, "\n") {
			p.verbatim(2, strings.ReplaceAll(line, "\t", "    "))
		}
	}
	if x.Fix != "" {
		p.put(2, 5, "fix: "+x.Fix)
	}
}

// lintSum counts what was found.
type lintSum struct {
	files, found, fixable, muted int
	by                           [finding.Critical + 1]int
}

func sumOf(results []lint.Result) *lintSum {
	s := &lintSum{files: len(results)}
	for i := range results {
		s.muted += len(results[i].Muted)
		s.add(&results[i])
	}
	return s
}

func (s *lintSum) add(r *lint.Result) {
	for i := range r.Found {
		s.found++
		s.by[r.Found[i].Severity]++
		if len(r.Found[i].Edits) > 0 {
			s.fixable++
		}
	}
}

func (s *lintSum) text() string {
	text := count(s.files, "file") + ": "
	var parts []string
	for sev := finding.Critical; ; sev-- {
		if n := s.by[sev]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, sev))
		}
		if sev == finding.Info {
			break
		}
	}
	if len(parts) == 0 {
		text += "nothing found"
	} else {
		text += strings.Join(parts, ", ")
	}
	if s.muted > 0 {
		text += fmt.Sprintf(" (%d ignored)", s.muted)
	}
	return text
}

// mend shows what the safe fixes change, writes them after a yes, and looks
// again.
func (o *lintOptions) mend(ctx context.Context, s *streams, files []lint.File, results []lint.Result, options lint.Options) ([]lint.Result, error) {
	var fixed []*lint.Fixed
	for i := range results {
		if results[i].File == stdinName {
			continue
		}
		x := lint.Fix(&results[i])
		if x == nil {
			continue
		}
		fixed = append(fixed, x)
		if _, err := s.err.Write(x.Diff()); err != nil {
			return nil, failure(err)
		}
		if text := x.Problem(); text != "" {
			fmt.Fprintln(s.err, "keyreach: "+text)
		}
	}
	if len(fixed) == 0 {
		fmt.Fprintln(s.err, "keyreach: nothing can be mended safely")
		return results, nil
	}
	if err := s.approve(ctx, o.yes, "Write "+count(len(fixed), "file")+"?"); err != nil {
		return nil, err
	}
	for _, x := range fixed {
		if err := x.Write(); err != nil {
			return nil, failure(err)
		}
	}
	fmt.Fprintf(s.err, "keyreach: wrote %s; what is left:\n", count(len(fixed), "file"))
	return lint.Run(ctx, files, options)
}
