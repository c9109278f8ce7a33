package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

func newExplain(s *streams) *cobra.Command {
	output := textFormat
	c := &cobra.Command{
		Use:     "explain [RULE]",
		Short:   "Say what a rule means, what happens and what to do; all rules without one",
		Example: "  keyreach explain KEY014\n  keyreach explain",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse(errors.New("explain takes one rule")).hinting("keyreach explain KEY014")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			all := lint.Known()
			if len(args) == 1 {
				r, ok := lint.Lookup(args[0])
				if !ok {
					return misuse(fmt.Errorf("there is no rule %q", args[0])).hinting(nearRule(args[0]))
				}
				all = []rules.Rule{r}
			}
			if err := explain(s.out, output, all, len(args) == 0); err != nil {
				return failure(err)
			}
			return nil
		},
	}
	c.Flags().VarP(oneOf(&output, textFormat, jsonFormat, markdownFormat), "output", "o", "how to print")
	return c
}

func nearRule(id string) string {
	if near := lint.Near(id); near != "" {
		return "did you mean " + near + "? keyreach explain lists all"
	}
	return "keyreach explain lists them"
}

// ruleView is the JSON form of a rule.
type ruleView struct {
	ID       string           `json:"id"`
	Severity finding.Severity `json:"severity"`
	Title    string           `json:"title"`
	Text     string           `json:"text"`
	Fix      string           `json:"fix"`
	Page     string           `json:"page,omitempty"`
	Assumed  string           `json:"assumed,omitempty"`
}

func explain(w io.Writer, format format, all []rules.Rule, table bool) error {
	switch {
	case format == jsonFormat:
		view := struct {
			FormatVersion int        `json:"format_version"`
			Rules         []ruleView `json:"rules"`
		}{FormatVersion: estate.FormatVersion}
		for i := range all {
			r := &all[i]
			view.Rules = append(view.Rules, ruleView{r.ID, r.Severity, r.Title, r.Text, r.Fix, r.Page, r.Assumed})
		}
		return jsonFormat.writeData(w, view)
	case format == markdownFormat && table:
		_, err := io.WriteString(w, rules.Index(all))
		return err
	case format == markdownFormat:
		_, err := io.WriteString(w, all[0].Markdown())
		return err
	case table:
		p := printer{w: w}
		for i := range all {
			p.put(0, 18, fmt.Sprintf("%-8s%-10s%s", all[i].ID, all[i].Severity, all[i].Title))
		}
		return p.err
	}
	return explainOne(w, &all[0])
}

func explainOne(w io.Writer, r *rules.Rule) error {
	p := printer{w: w}
	p.line(0, 0, "%s (%s): %s", r.ID, r.Severity, r.Title)
	p.blank()
	p.line(0, 0, "%s", r.Text)
	p.blank()
	p.line(0, 12, "What to do: %s", r.Fix)
	if r.Page != "" {
		p.line(0, 12, "AWS:        %s", r.Page)
	}
	if r.Assumed != "" {
		p.line(0, 12, "Assumed:    %s", r.Assumed)
	}
	for _, e := range r.Fires {
		p.verbatimBlock("It fires here ("+e.Name+"):", e.Text)
	}
	for _, e := range r.Silent {
		p.verbatimBlock("It is silent here ("+e.Name+"):", e.Text)
	}
	return p.err
}

// verbatimBlock prints a text as it is, indented under a title.
func (p *printer) verbatimBlock(title, text string) {
	p.blank()
	p.line(0, 0, "%s", title)
	p.blank()
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.verbatim(4, line)
	}
}
