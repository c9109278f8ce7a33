package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

func newRuns(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "runs",
		Short: "List, show and resume what was done",
		Long: `runs is about the journal: everything that keyreach apply, undo, revoke and run wrote to
AWS, and what it was about to write. It holds no credentials.`,
		Args: unknownRuns,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRunsList(s), newRunsShow(s), newRunsResume(s))
	return c
}

func unknownRuns(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return misuse(fmt.Errorf("there is no command runs %s", args[0])).hinting("there is runs list, runs show ID and runs resume ID")
}

func newRunsList(s *streams) *cobra.Command {
	var o actFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List the runs, the latest first",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return o.list(s) },
	}
	o.addState(c.Flags())
	return c
}

// runsView is the JSON form of the list.
type runsView struct {
	FormatVersion int        `json:"format_version"`
	Runs          []*runView `json:"runs"`
}

func (a *actFlags) list(s *streams) error {
	j, err := a.journal()
	if err != nil {
		return err
	}
	defer j.Close()
	runs, err := j.Runs()
	if err != nil {
		return failure(err)
	}
	v := runsView{FormatVersion: estate.FormatVersion, Runs: []*runView{}}
	cells := [][]string{{"run", "kind", "status", "began", "until", "left", "routes"}}
	for i := range runs {
		if runs[i], err = j.Run(runs[i].ID); err != nil { // with what is left
			return failure(err)
		}
		r := runs[i]
		v.Runs = append(v.Runs, viewOfRun(r, false))
		kind := string(r.Kind)
		if r.Of != "" {
			kind += " of " + r.Of
		}
		cells = append(cells, []string{r.ID, kind, string(r.Status), clockText(r.Started), clockText(r.Until), leftCount(r), strings.Join(r.Routes, ", ")})
	}
	if a.format.format != textFormat {
		if err := a.format.writeData(s.out, v); err != nil {
			return failure(err)
		}
		return nil
	}
	p := &printer{w: s.out}
	if len(runs) == 0 {
		p.line(0, 0, "The journal in %s has no run.", j.Dir())
	} else {
		p.columns(cells)
	}
	if slices.ContainsFunc(runs, func(r *run.Run) bool { return r.Status == run.Running }) {
		p.line(0, 0, "What is running goes on now, or its process ended: then keyreach runs resume goes on with it.")
	}
	if p.err != nil {
		return failure(p.err)
	}
	return nil
}

func leftCount(r *run.Run) string {
	if len(r.Left) == 0 {
		return "-"
	}
	return fmt.Sprint(len(r.Left))
}

// columns prints a table; the last column may be long.
func (p *printer) columns(cells [][]string) {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, line := range cells {
		var b strings.Builder
		for i, c := range line[:len(line)-1] {
			b.WriteString(c + strings.Repeat(" ", widths[i]-len([]rune(c))+2))
		}
		p.verbatim(0, b.String()+line[len(line)-1])
	}
}

func newRunsShow(s *streams) *cobra.Command {
	var o actFlags
	c := &cobra.Command{
		Use:     "show RUN",
		Short:   "Show what a run did, record by record",
		Example: "  keyreach runs show 20260301-020304-1a2b",
		Args:    oneRun,
		RunE:    func(_ *cobra.Command, args []string) error { return o.show(s, args[0]) },
	}
	o.addState(c.Flags())
	return c
}

func (a *actFlags) show(s *streams, id string) error {
	j, r, err := a.opened(s, id)
	if err != nil {
		return err
	}
	defer j.Close()
	if a.format.format != textFormat {
		v := viewOfRun(r, true)
		v.FormatVersion = estate.FormatVersion
		if err := a.format.writeData(s.out, v); err != nil {
			return failure(err)
		}
		return nil
	}
	p := &printer{w: s.out}
	a.tellWhole(p, r)
	if p.err != nil {
		return failure(p.err)
	}
	return nil
}

// tellWhole tells everything about a run.
func (a *actFlags) tellWhole(p *printer, r *run.Run) {
	p.line(0, 0, "Run %s: %s of %s, %s", r.ID, r.Kind, strings.Join(r.Routes, ", "), r.Status)
	facts := [][2]string{
		{"takes back", r.Of}, {"change", r.Change}, {"plan", r.Digest}, {"accounts", strings.Join(r.Accounts, ", ")},
		{"began", clockText(r.Started)}, {"ended", clockText(r.Ended)}, {"open until", clockText(r.Until)}, {"error", failureText(r.Error)},
	}
	for _, f := range facts {
		if f[1] != "" && f[1] != "-" {
			p.line(2, 12, "%-10s  %s", f[0], f[1])
		}
	}
	p.blank()
	of := len(r.Moves)
	if r.Plan != nil {
		of = len(r.Plan.Steps)
	}
	for i := range r.Records {
		rec := &r.Records[i]
		step := ""
		if rec.Step >= 0 {
			step = fmt.Sprintf("%d/%d ", rec.Step+1, of)
		}
		p.line(0, 10, "%s %s%s", rec.At.UTC().Format("15:04:05Z"), step, recordText(rec, r.Kind))
	}
	if r.Kind == run.KindRoute {
		p.blank()
		a.tellMade(p, r)
	} else {
		p.tellLeft(r.Left)
	}
	switch {
	case r.Status == run.Stopped || r.Status == run.Failed || r.Status == run.Running:
		p.blank()
		p.verbatim(0, "To go on: "+a.resumeCommand(r.ID))
		if r.Kind != run.KindUndo {
			p.verbatim(0, "To take it back: "+a.undoCommand(r.ID))
		}
	case r.Status == run.Done && r.Kind != run.KindUndo:
		p.blank()
		p.verbatim(0, "To take it back: "+a.undoCommand(r.ID))
	}
}

// recordText is a record in words.
func recordText(r *run.Record, kind run.Kind) string {
	e := run.Event{Slot: r.Slot, Phase: r.Phase, Text: r.Text}
	text := planEvent(&e, verbOf(kind))
	if kind == run.KindRoute {
		text = moveEvent(&e)
	}
	if r.Phase == run.PhaseNote && r.Error != "" {
		text += fmt.Sprintf(" (%s): %s", r.Kind, r.Error)
	}
	var made []string
	for name, real := range r.Made {
		if real != "" {
			made = append(made, name+" is "+real)
		}
	}
	slices.Sort(made)
	if len(made) > 0 {
		text += "; " + strings.Join(made, ", ")
	}
	return text
}

func newRunsResume(s *streams) *cobra.Command {
	var o actFlags
	keep := false
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that stopped, failed or was killed",
		Long: `resume goes on with a run from the journal. What is done is not done again, and what
somebody else wrote in the meantime is not written over. It was approved when it began,
and is not asked for again. A run that is done is left as it is.

Exit codes: those of the command that began the run.`,
		Example: "  keyreach runs resume 20260301-020304-1a2b",
		Args:    oneRun,
		RunE:    func(c *cobra.Command, args []string) error { return o.resume(c.Context(), s, args[0], keep) },
	}
	f := c.Flags()
	f.BoolVar(&keep, "keep", false, "of keyreach run: leave what was only on the way")
	o.add(f)
	o.addState(f)
	o.addDir(f)
	return c
}

func (a *actFlags) resume(ctx context.Context, s *streams, id string, keep bool) error {
	file, _, err := routesBeside(a.dir)
	if err != nil {
		return err
	}
	j, r, err := a.opened(s, id)
	if err != nil {
		return err
	}
	defer j.Close()
	if r.Status == run.Done {
		talk := a.talk(s)
		talk.line(0, 0, "Run %s is done already: there is nothing to go on with.", r.ID)
		return a.printed(s, r)
	}
	if r.Kind == run.KindRoute {
		return a.goOnMoving(ctx, s, file, j, r, keep)
	}
	lines := &events{talk: printer{w: s.err}, kind: r.Kind}
	resumed, err := run.Resume(ctx, a.resuming(file, r), j, r.ID, run.Options{Report: lines.report})
	var status *run.StatusError
	if errors.As(err, &status) {
		return a.ended(s, nil, err)
	}
	return a.resumed(ctx, s, file, resumed, err)
}

// printed prints a run as data, where that was asked for.
func (a *actFlags) printed(s *streams, r *run.Run) error {
	if a.format.format == textFormat {
		return nil
	}
	return a.printRuns(s, &actView{}, r)
}

// resuming is the way to AWS for going on with a plan. The keys that were made have names
// by now.
func (a *actFlags) resuming(file *route.File, r *run.Run) *live.Cloud {
	ops := bothWays(r.Plan, takenBack(r))
	return a.writing(file, "keyreach-"+r.Plan.ShortDigest(), ops)
}

// resumed says how going on with a plan went, and how the routes stand.
func (a *actFlags) resumed(ctx context.Context, s *streams, file *route.File, r *run.Run, failed error) error {
	if own, asked := r.Plan.Own(); asked && failed == nil && r.Kind == run.KindApply {
		app := &application{actFlags: a, s: s, in: &planInput{file: file, routes: []route.Route{own}}, plan: r.Plan, only: r.Accounts}
		return app.done(ctx, r, nil)
	}
	if failed != nil || file == nil || r.Kind == run.KindUndo {
		return a.undid(s, r, failed)
	}
	known := &report{file: file}
	if err := known.choose(r.Routes); err != nil {
		return a.undid(s, r, nil) // the file is of other routes
	}
	app := &application{actFlags: a, s: s, in: &planInput{file: file}, plan: r.Plan, only: r.Accounts, closes: r.Kind == run.KindRevoke}
	for _, i := range known.chosen {
		app.in.routes = append(app.in.routes, file.Routes[i])
	}
	return app.done(ctx, r, nil)
}

// goOnMoving goes on with work on data.
func (a *actFlags) goOnMoving(ctx context.Context, s *streams, file *route.File, j *run.Journal, r *run.Run, keep bool) error {
	lines := &events{talk: printer{w: s.err}, moves: true}
	o := run.MoveOptions{Options: run.Options{Report: lines.report}, Keep: keep}
	moved, err := run.Continue(ctx, a.moving(file, "keyreach-"+r.ID), j, r.ID, o)
	return a.moved(s, moved, err)
}

// failureText is why a run stopped, as people say it: an interrupt ends the calls that are
// under way, and their error does not name it.
func failureText(text string) string {
	if strings.HasSuffix(text, context.Canceled.Error()) {
		return "interrupted"
	}
	return text
}
