package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

func newUndo(s *streams) *cobra.Command {
	var o actFlags
	c := &cobra.Command{
		Use:   "undo RUN",
		Short: "Take back what a run wrote or made, after a yes",
		Long: `undo takes back what a run wrote, the last first: what the run found is written again,
what it made is taken away. It is shown first, and nothing is written before somebody
types yes, or without --auto-approve. When anything is not as the run left it, nothing
is written at all, and what differs is listed. What AWS does not take back at once, such
as a key that waits for its deletion, is listed with the time until which it stays.

Of a run that worked on data (keyreach run) undo removes everything that it made.

RUN is the id of the run, or the beginning of it: keyreach runs list.

Exit codes: 0 taken back, or taken back before · 4 there is no such run · 5 credentials or
account mismatch · 6 a part is taken back; it can be resumed · 7 nobody approved · 8 it
was changed since · 130 interrupted; it can be resumed.`,
		Example: "  keyreach undo 20260301-020304-1a2b\n  keyreach undo 20260301 --auto-approve",
		Args:    oneRun,
		RunE:    func(c *cobra.Command, args []string) error { return o.undo(c.Context(), s, args[0]) },
	}
	o.addFlags(c.Flags())
	o.addDir(c.Flags())
	return c
}

func oneRun(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misuse(fmt.Errorf("%s takes the id of one run, and %d are given", c.CommandPath(), len(args))).hinting("see keyreach runs list")
	}
	return nil
}

// undo takes back one run.
func (a *actFlags) undo(ctx context.Context, s *streams, id string) error {
	file, _, err := routesBeside(a.dir)
	if err != nil {
		return err
	}
	j, r, err := a.opened(s, id)
	if err != nil {
		return err
	}
	defer j.Close()
	talk := a.talk(s)
	if r.Status == run.Undone {
		talk.line(0, 0, "Run %s is undone already: there is nothing to take back.", r.ID)
		if a.format.format != textFormat {
			return a.printRuns(s, &actView{}, r)
		}
		return nil
	}
	if r.Kind == run.KindUndo {
		return misuse(fmt.Errorf("run %s is itself an undo", r.ID)).hinting("to have it again as it was, apply the plan again")
	}
	if r.Kind == run.KindRoute {
		return a.clean(ctx, s, file, j, r)
	}
	if err := a.showUndo(s, file, r); err != nil {
		return err
	}
	if err := s.approve(ctx, a.autoApprove, "Take back run "+r.ID+"?"); err != nil {
		return err
	}
	lines := &events{talk: printer{w: s.err}, kind: run.KindUndo}
	undone, err := run.Undo(ctx, a.taking(file, r), j, r.ID, run.Options{Report: lines.report})
	return a.undid(s, undone, err)
}

// showUndo shows what will be written back.
func (a *actFlags) showUndo(s *streams, file *route.File, r *run.Run) error {
	back := &planReport{plan: takenBack(r), names: namesIn(file)}
	head := fmt.Sprintf("%s to take back what run %s of %s did", count(len(back.plan.Steps), "change"), r.ID, clockText(r.Started))
	if back.plan.Empty() {
		head = "Run " + r.ID + " wrote nothing: there is nothing to take back, and it is noted as undone"
	}
	if err := back.sayPlan(a.talk(s).w, head); err != nil {
		return failure(err)
	}
	return nil
}

// taking is the way to AWS for taking back what a run wrote.
func (a *actFlags) taking(file *route.File, r *run.Run) *live.Cloud {
	return a.writing(file, "keyreach-undo-"+r.ID, bothWays(r.Plan, takenBack(r)))
}

// bothWays are the ops of plans and what was there before, which undoing writes.
func bothWays(plans ...*plan.Plan) []estate.Op {
	var ops []estate.Op
	for _, p := range plans {
		for i := range p.Steps {
			ops = append(ops, p.Steps[i].Op, p.Steps[i].Was)
		}
	}
	return ops
}

// undid says how an undo went.
func (a *actFlags) undid(s *streams, undone *run.Run, failed error) error {
	if undone != nil && a.format.format != textFormat {
		if err := a.printRuns(s, &actView{}, undone); err != nil {
			return err
		}
	}
	if failed != nil {
		return a.ended(s, undone, failed)
	}
	talk := a.talk(s)
	talk.blank()
	a.tellRun(talk, undone)
	if talk.err != nil {
		return failure(talk.err)
	}
	return nil
}

// clean removes what a route run made.
func (a *actFlags) clean(ctx context.Context, s *streams, file *route.File, j *run.Journal, r *run.Run) error {
	talk := a.talk(s)
	made := madeBy(r)
	if len(made) == 0 {
		talk.line(0, 0, "Run %s made nothing that is still there; it is noted as undone.", r.ID)
	} else {
		talk.line(0, 0, "Run %s made this, and it will be removed, the last first:", r.ID)
	}
	for _, text := range slices.Backward(made) {
		talk.line(2, 2, "- %s", text)
	}
	if err := s.approve(ctx, a.autoApprove, "Remove it?"); err != nil {
		return err
	}
	lines := &events{talk: printer{w: s.err}, moves: true}
	cleaned, err := run.Clean(ctx, a.moving(file, "keyreach-undo-"+r.ID), j, r.ID, run.MoveOptions{Options: run.Options{Report: lines.report}})
	if cleaned != nil && a.format.format != textFormat {
		if err := a.printRuns(s, &actView{}, cleaned); err != nil {
			return err
		}
	}
	if err != nil {
		return a.moveEnded(s, cleaned, err)
	}
	talk.blank()
	talk.line(0, 0, "What run %s made is removed.", r.ID)
	return nil
}

// moving is the way to AWS for work on data.
func (a *actFlags) moving(file *route.File, name string) *live.Cloud {
	return a.open(file, func(o *live.Options) { o.SessionName = name })
}

// moveEnded gives the end of work on data its exit code, and lists what it left.
func (a *actFlags) moveEnded(s *streams, r *run.Run, err error) error {
	var status *run.StatusError
	if errors.As(err, &status) {
		return a.ended(s, nil, err)
	}
	if r == nil || errors.Is(err, context.Canceled) || isCredentials(err) {
		if r != nil {
			a.tellMade(&printer{w: s.err}, r)
		}
		return a.ended(s, r, err)
	}
	a.tellMade(&printer{w: s.err}, r)
	hint := actorHint(r, err) + "when the cause is gone, go on with\n" + a.resumeCommand(r.ID)
	if len(madeBy(r)) > 0 {
		hint += "\nor remove what it made with\n" + a.undoCommand(r.ID)
	}
	return (&exitError{code: exitPartial, err: fmt.Errorf("run %s is %s: %w", r.ID, r.Status, err)}).hinting(hint)
}

// actorHint says that a call was made as somebody else than check speaks of, where AWS may
// have refused it for want of rights: its text often says not whose.
func actorHint(r *run.Run, err error) string {
	var failed *cloud.Error
	if !errors.As(err, &failed) || failed.Kind == cloud.NotFound || failed.Kind == cloud.Throttled {
		return ""
	}
	for i := range slices.Backward(r.Records) {
		rec := &r.Records[i]
		if rec.Error == "" || rec.Step < 0 || rec.Step >= len(r.Moves) {
			continue
		}
		if t := &r.Moves[rec.Step].Task; t.Actor != "" {
			return "if it was refused for want of rights: the call was made by the way into account " + t.Account +
				" that keyreach.yaml names, while check speaks of " + t.Actor + "\n"
		}
		break
	}
	return ""
}

// tellMade lists what a run on data made that is still there.
func (a *actFlags) tellMade(p *printer, r *run.Run) {
	made := madeBy(r)
	if len(made) == 0 {
		p.line(0, 0, "Nothing that the run made is left.")
		return
	}
	p.line(0, 0, "The run made this, and it is still there:")
	for _, text := range made {
		p.line(2, 2, "- %s", text)
	}
}
