package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// revokeOptions are the flags of revoke.
type revokeOptions struct {
	actFlags
	estate  string
	live    bool
	expired bool
	change  string
	out     string
	noProve bool
}

func newRevoke(s *streams) *cobra.Command {
	var o revokeOptions
	c := &cobra.Command{
		Use:   "revoke {ROUTE|--expired} [DIR|FILE]",
		Short: "Take away what only one route needs, after a yes",
		Long: `revoke takes away what Keyreach wrote and only this route needs: statements of
policies, inline policies and grants. What another declared route needs as well stays,
and so does what somebody else wrote; the plan says what stays and why. It is made on
what AWS has now, or with --estate on a file. Like any plan it passes the guards, is
shown, and is not written before somebody types yes, or without --auto-approve; with
--out it is saved for keyreach apply instead.

revoke --expired undoes every run of keyreach apply --until whose time is over: what the
run wrote is taken back as keyreach undo does it, and nothing else. Where something was
changed after the run, that run is left as it is and listed, and the exit code is 8:
whether to revoke its routes, which may close more, is for a person to say.

Exit codes: 0 taken away, or nothing to take away · 4 usage or configuration ·
5 credentials or account mismatch · 6 a part is written; it can be resumed · 7 refused
by a guard, or nobody approved · 8 it was changed since · 130 interrupted.`,
		Example: "  keyreach revoke recover-servers\n  keyreach revoke --out close.json recover-servers dr\n  keyreach revoke --expired --auto-approve",
		Args:    o.arguments,
		RunE: func(c *cobra.Command, args []string) error {
			if o.expired {
				o.dir = append(args, ".")[0]
				return o.runExpired(c.Context(), s)
			}
			o.dir = append(args, ".")[1]
			return o.run(c.Context(), s, args[0])
		},
	}
	f := c.Flags()
	o.addFlags(f)
	f.StringVar(&o.estate, "estate", "", "make the plan on this estate `FILE` in place of what AWS has now")
	f.BoolVar(&o.live, "live", false, "make the plan on what AWS has now, which is the default")
	f.BoolVar(&o.expired, "expired", false, "undo the runs whose time (apply --until) is over")
	f.StringVar(&o.change, "change", "", "the `ID` of the change, a ticket")
	f.StringVar(&o.out, "out", "", "save the plan to a `FILE`, and write nothing to AWS")
	f.BoolVar(&o.noProve, "no-prove", false, "do not prove the routes afterwards")
	return c
}

func (o *revokeOptions) arguments(_ *cobra.Command, args []string) error {
	switch {
	case o.expired && len(args) > 1:
		return misuse(errors.New("revoke --expired takes a directory at most")).hinting("which routes it closes is in the journal")
	case o.expired && (o.estate != "" || o.live || o.out != "" || o.change != ""):
		return misuse(errors.New("revoke --expired takes runs back from the journal")).hinting("leave --estate, --live, --change and --out out")
	case !o.expired && len(args) == 0:
		return misuse(errors.New("revoke takes the name of a route")).hinting("keyreach.yaml declares them; --expired closes what is over its time")
	case !o.expired && len(args) > 2:
		return misuse(fmt.Errorf("revoke takes a route and a directory, and %d arguments are given", len(args)))
	case o.change != "" && !changeText.MatchString(o.change):
		return misuse(fmt.Errorf("--change %q cannot be part of a tag", o.change))
	}
	return nil
}

func (o *revokeOptions) run(ctx context.Context, s *streams, name string) error {
	if o.live && o.estate != "" {
		return misuse(errors.New("--live and --estate exclude each other"))
	}
	file, err := routesOf(o.dir)
	if err != nil {
		return err
	}
	known := report{file: file}
	if err := known.choose([]string{name}); err != nil { // before AWS is read
		return err
	}
	in, err := o.world(ctx, s, o.dir, o.estate, o.estate == "")
	if err != nil {
		return err
	}
	in.routes = in.file.Routes
	p, err := plan.Revoke(name, in.routes, in.estate, plan.Options{At: time.Now().UTC().Truncate(time.Second), Change: o.change})
	if err != nil {
		return refused(err)
	}
	if o.out != "" {
		return o.save(s, in, p)
	}
	a := &application{actFlags: &o.actFlags, s: s, in: in, plan: p, noProve: o.noProve, closes: true}
	return a.perform(ctx)
}

// save writes the plan to a file, and shows it.
func (o *revokeOptions) save(s *streams, in *planInput, p *plan.Plan) error {
	if err := savePlan(o.out, p); err != nil {
		return failure(err)
	}
	shown := &planReport{plan: p, names: namesIn(in.file), estateAt: in.estateAt, out: o.out}
	if err := shown.print(s.out, o.format.format); err != nil {
		return failure(err)
	}
	return nil
}

// runExpired undoes the runs whose time is over.
func (o *revokeOptions) runExpired(ctx context.Context, s *streams) error {
	file, _, err := routesBeside(o.dir)
	if err != nil {
		return err
	}
	j, err := o.journal()
	if err != nil {
		return err
	}
	defer j.Close()
	runs, err := j.Expired(time.Now())
	if err != nil {
		return failure(err)
	}
	talk := o.talk(s)
	if len(runs) == 0 {
		talk.line(0, 0, "No run is over its time: there is nothing to close.")
		if o.format.format != textFormat {
			return o.printRuns(s, &actView{})
		}
		return nil
	}
	for i := range runs {
		if runs[i], err = j.Run(runs[i].ID); err != nil {
			return failure(err)
		}
		talk.line(0, 0, "Run %s was to be open until %s.", runs[i].ID, clockText(runs[i].Until))
		if err := o.showUndo(s, file, runs[i]); err != nil {
			return err
		}
		talk.blank()
	}
	if err := s.approve(ctx, o.autoApprove, "Take back "+count(len(runs), "run")+"?"); err != nil {
		return err
	}
	done, failed := o.undoAll(ctx, s, file, j, runs)
	if o.format.format != textFormat {
		if err := o.printRuns(s, &actView{}, done...); err != nil {
			return err
		}
	}
	return failed
}

// undoAll undoes runs, and goes on when one cannot be undone. The error is that of the
// first.
func (o *revokeOptions) undoAll(ctx context.Context, s *streams, file *route.File, j *run.Journal, runs []*run.Run) (done []*run.Run, first error) {
	for _, r := range runs {
		lines := &events{talk: printer{w: s.err}, kind: run.KindUndo}
		undone, err := run.Undo(ctx, o.taking(file, r), j, r.ID, run.Options{Report: lines.report})
		if undone != nil {
			done = append(done, undone)
		}
		if err == nil {
			o.tellRun(o.talk(s), undone)
			continue
		}
		end := o.ended(s, undone, err)
		if first == nil {
			first = end
		} else {
			fmt.Fprintln(s.err, "keyreach: "+end.Error())
		}
		if ctx.Err() != nil {
			break
		}
	}
	return done, first
}
