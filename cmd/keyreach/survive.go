package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/route"
)

// surviveView is the JSON form of what survives.
type surviveView struct {
	FormatVersion int              `json:"format_version"`
	Gone          string           `json:"gone"`
	Survivors     []route.Survivor `json:"survivors"`
	// Warnings tell of backups that hang on one thing, whatever is gone now.
	Warnings []string `json:"warnings,omitempty"`
}

// runSurvive lists what could still be opened when something is gone. A route
// of which nothing opens makes the exit code 3.
func runSurvive(s *streams, f format, loss, dir, estateAt string, args []string) error {
	if len(args) > 0 {
		return misuse(errors.New("--survive takes no kind: it is about the declared routes")).hinting("name their directory with --dir")
	}
	l, err := route.ParseLoss(loss)
	if err != nil {
		return misuse(fmt.Errorf("--survive: %w", err))
	}
	o := checkOptions{estate: estateAt, failOn: finding.Critical}
	r, err := o.prove(dir)
	if err != nil {
		return err
	}
	view := surviveView{FormatVersion: estate.FormatVersion, Gone: loss, Survivors: []route.Survivor{}}
	lost := false
	for i := range r.proofs {
		found := r.proofs[i].Survivors(l)
		view.Survivors = append(view.Survivors, found...)
		lost = lost || len(found) > 0 && !anyOpens(found)
	}
	for i := range r.file.Routes {
		view.Warnings = append(view.Warnings, r.file.Routes[i].Warnings()...)
	}
	if f == textFormat || f == markdownFormat {
		err = surviveText(s.out, &view)
	} else {
		err = f.writeData(s.out, view)
	}
	if err != nil {
		return failure(err)
	}
	if lost {
		return blocked()
	}
	return nil
}

func opens(v *route.Survivor) bool {
	return v.Gone == "" && v.By != "" && v.Verdict <= route.Fragile
}

func anyOpens(vs []route.Survivor) bool {
	for i := range vs {
		if opens(&vs[i]) {
			return true
		}
	}
	return false
}

func surviveText(w io.Writer, view *surviveView) error {
	p := &printer{w: w}
	p.line(0, 0, "When %s is gone", view.Gone)
	for i := range view.Survivors {
		v := &view.Survivors[i]
		what := fmt.Sprintf("%s: %s", v.Route, v.What)
		if v.For != "" {
			what += ", " + v.For
		}
		p.line(2, 2, "%s, %s", what, lies(v))
		switch {
		case v.Gone != "":
			p.line(4, 0, "lost: %s", v.Gone)
		case opens(v):
			p.line(4, 0, "opens: %s%s", openerName(v), with(v))
		case v.By != "":
			p.line(4, 0, "survives, but whether it opens is %s: %s; see keyreach check", v.Verdict, principalName(v.By))
		default:
			p.line(4, 0, "survives; who opens it is not part of the route")
		}
	}
	for _, text := range view.Warnings {
		p.blank()
		p.line(0, 2, "%s", text)
	}
	return p.err
}

// lies says where an artifact is and what guards it there.
func lies(v *route.Survivor) string {
	switch {
	case v.Store == "":
		return fmt.Sprintf("in %s %s under %s", v.Account, v.Region, v.Key)
	case v.Account == "":
		return "in " + v.Store
	case v.Key == "":
		return fmt.Sprintf("in %s of %s %s", v.Store, v.Account, v.Region)
	}
	return fmt.Sprintf("in %s of %s %s under %s", v.Store, v.Account, v.Region, v.Key)
}

func openerName(v *route.Survivor) string {
	if strings.HasPrefix(v.By, "arn:") {
		return principalName(v.By)
	}
	return v.By
}

// with is by what it opens, when there are several ways.
func with(v *route.Survivor) string {
	if v.With == "" {
		return ""
	}
	return ", with " + v.With
}
