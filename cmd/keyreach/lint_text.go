package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

func (o *lintOptions) print(w io.Writer, files []lint.File, results []lint.Result, failOn finding.Severity) error {
	switch o.format.value {
	case "json":
		return jsonFormat.writeData(w, lintViewOf(results))
	case "sarif":
		texts := map[string][]byte{}
		for i := range files {
			texts[files[i].Name] = files[i].Data
		}
		return lint.WriteSARIF(w, results, texts, programVersion(), rules.All())
	case "junit":
		return lint.WriteJUnit(w, results, failOn)
	case "github":
		return lint.WriteGitHub(w, results)
	}
	return lintText(w, files, results)
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
func lintText(w io.Writer, files []lint.File, results []lint.Result) error {
	p := printer{w: w}
	sum := lintSum{files: len(results)}
	for i := range results {
		r := &results[i]
		sum.muted += len(r.Muted)
		if r.Format == "" || len(r.Found) > 0 {
			sum.add(r)
		}
		for j := range r.Found {
			p.found(&r.Found[j], &files[i])
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

func (p *printer) found(x *rules.Found, f *lint.File) {
	p.put(0, 2, fmt.Sprintf("%s: %s %s: %s", x.Position, x.Severity, x.Rule, x.Text))
	if x.Position.File == f.Name {
		if e := source.Excerpt(f.Data, source.Pos{Line: int32(x.Position.Line), Column: int32(x.Position.Column)}); e != "" {
			for line := range strings.SplitSeq(e, "\n") {
				p.verbatim(2, line)
			}
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
		if files[i].Name == stdinName {
			continue
		}
		if x := lint.Fix(&files[i], &results[i]); x != nil {
			fixed = append(fixed, x)
			if _, err := s.err.Write(x.Diff()); err != nil {
				return nil, failure(err)
			}
			if text := x.Problem(); text != "" {
				fmt.Fprintln(s.err, "keyreach: "+text)
			}
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
	for i := range files {
		for _, x := range fixed {
			if x.Name == files[i].Name {
				files[i].Data = x.After
			}
		}
	}
	fmt.Fprintf(s.err, "keyreach: wrote %s; what is left:\n", count(len(fixed), "file"))
	return lint.Run(ctx, files, options)
}
