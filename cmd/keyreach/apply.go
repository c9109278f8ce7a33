package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/shell"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	actFlags
	estate   string
	accounts []string
	change   string
	until    string
	noProve  bool
	// undeclared lets a plan for requests that no route declares pass without a typed yes.
	undeclared bool
}

func newApply(s *streams) *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply [PLAN|DIR]",
		Short: "Write the changes of a plan to AWS, after a yes",
		Long: `apply writes what a plan says, and nothing else. The plan is the file that keyreach
plan --out saved; it is checked by the guards again on the estate that it was made
from. For a directory with keyreach.yaml the plan is made first, on what AWS has now.

The plan is shown, and nothing is written before somebody types yes, or without
--auto-approve. Before the first write everything is looked at: when the credentials
are another account's, or something is not as it was when the plan was made, nothing
is written at all. Each change is in the journal before it is made, is read back after
it, and can be resumed (keyreach runs resume) or taken back (keyreach undo). What is
so already is left alone, so that a plan can be applied twice.

Sessions of roles that keyreach.yaml names are called keyreach- and the beginning of
the plan's digest in CloudTrail, and may do no more than the plan. What somebody else
writes after a change is noticed when it is read back; what falls into the moment
between the last look and the write is written over, since KMS and IAM have no
compare-and-swap.

After that AWS is read anew, and the routes are proven on it.

Exit codes: 0 applied, and the routes stand as the plan says · 3 a route does not, or
cannot be proven; for a part of the accounts that is no failure · 4 usage or
configuration · 5 credentials or account mismatch · 6 a part is written; it can be
resumed · 7 refused by a guard, or nobody approved · 8 something is not as the plan has
it · 130 interrupted; it can be resumed.`,
		Example: "  keyreach plan --out plan.json && keyreach apply plan.json\n  keyreach apply --until 8h --auto-approve plan.json\n  keyreach apply --account target plan.json",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse(fmt.Errorf("apply takes one plan, or one directory, and %d are given", len(args)))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.until == "" && c.Flags().Changed("until") {
				return misuse(errors.New("--until is empty, and what is opened would stay open")).hinting("give it a time, as in --until 8h, or leave it out")
			}
			return o.run(c.Context(), s, append(args, ".")[0])
		},
	}
	f := c.Flags()
	o.addFlags(f)
	o.addDir(f)
	f.StringVar(&o.estate, "estate", "", "the estate `FILE` that the plan was made from (default: estate.json beside keyreach.yaml; for a directory, AWS as it is now)")
	f.StringArrayVar(&o.accounts, "account", nil, "write only the part of this account, by `NAME|ID`; may be given again")
	f.StringVar(&o.change, "change", "", "the `ID` of the change, a ticket: that of the plan, or for a plan that is made now")
	f.StringVar(&o.until, "until", "", "what is opened is to be closed at this `TIME`, or after this time: 2026-03-01T18:00:00Z, 8h, 2d; keyreach revoke --expired closes it")
	f.BoolVar(&o.undeclared, "undeclared", false, "with --auto-approve: apply a plan of keyreach diagnose, for what no route declares")
	f.BoolVar(&o.noProve, "no-prove", false, "do not prove the routes afterwards")
	return c
}

// application is a plan that is about to be performed.
type application struct {
	*actFlags
	s       *streams
	in      *planInput
	plan    *plan.Plan
	only    []string // accounts
	until   time.Time
	noProve bool
	// closes is set for a plan that is to close routes: their not standing is no failure.
	closes bool
}

func (o *applyOptions) run(ctx context.Context, s *streams, path string) error {
	until, err := untilOf(o.until, time.Now())
	if err != nil {
		return err
	}
	if o.change != "" && !changeText.MatchString(o.change) {
		return misuse(fmt.Errorf("--change %q cannot be part of a tag", o.change)).hinting("it has letters, digits, spaces and + - = . _ : / @, at most 128 of them")
	}
	a := &application{actFlags: &o.actFlags, s: s, until: until, noProve: o.noProve}
	made, err := isPlace(path)
	if err != nil {
		return err
	}
	if made {
		a.in, a.plan, err = o.make(ctx, s, path)
	} else {
		a.in, a.plan, err = o.load(ctx, s, path)
	}
	if err != nil {
		return err
	}
	if a.closes = a.plan.Kind == string(run.KindRevoke); a.closes && o.until != "" {
		return misuse(errors.New("--until is for a plan that opens, and this one closes"))
	}
	if a.only, err = accountsOf(o.accounts, a.plan, a.in.file); err != nil {
		return err
	}
	return a.perform(ctx)
}

// isPlace reports whether an argument is where routes are, and no plan.
func isPlace(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, misuse(fmt.Errorf("looking for the plan: %w", err)).hinting("save one with keyreach plan --out " + shell.Quote(path))
	}
	ext := filepath.Ext(path)
	return info.IsDir() || ext == ".yaml" || ext == ".yml", nil
}

// make makes the plan for the routes of a directory.
func (o *applyOptions) make(ctx context.Context, s *streams, path string) (*planInput, *plan.Plan, error) {
	o.dir = path
	in, err := o.world(ctx, s, path, o.estate, o.estate == "")
	if err != nil {
		return nil, nil, err
	}
	p := planOptions{make: plan.Options{Change: o.change}}
	if err := p.choose(in); err != nil {
		return nil, nil, err
	}
	made, err := plan.Make(in.routes, in.estate, p.make)
	if err != nil {
		return nil, nil, refused(err)
	}
	return in, made, nil
}

// load reads a saved plan and holds it against the routes and the estate it was made from.
func (o *applyOptions) load(ctx context.Context, s *streams, path string) (*planInput, *plan.Plan, error) {
	p, err := plan.LoadFile(path)
	if err != nil {
		return nil, nil, unreadable(err)
	}
	if o.change != "" && o.change != p.Change {
		return nil, nil, misuse(fmt.Errorf("--change %s: the plan carries out %s", o.change, pick(p.Change == "", "no change of a number", "the change "+p.Change))).hinting("leave it out, or plan again with --change " + shell.Quote(o.change))
	}
	in, err := o.planned(ctx, s, path, p)
	if err != nil {
		return nil, nil, err
	}
	other, err := fits(p, in.estate)
	switch {
	case err != nil:
		return nil, nil, failure(err)
	case len(other) > 0:
		return nil, nil, o.fitsNot(s, in, other)
	}
	err = p.Check(in.routes, in.estate, plan.Options{At: time.Now().UTC().Truncate(time.Second), Chosen: p.Chosen, Change: p.Change})
	if err != nil {
		return nil, nil, refused(err)
	}
	return in, p, nil
}

// planned is what a saved plan was made of: its routes as keyreach.yaml declares them, or
// the requests that it was made for itself, and the estate.
func (o *applyOptions) planned(ctx context.Context, s *streams, path string, p *plan.Plan) (*planInput, error) {
	if own, asked := p.Own(); asked {
		if o.autoApprove && !o.undeclared { // what it may open stands in the plan itself, so a person has to read it
			return nil, (&exitError{code: exitGuarded, err: fmt.Errorf("the plan %s is for what no route declares: nothing but the plan itself says what it may open", path)}).hinting("read it with keyreach plan show, and apply it with a typed yes or with --undeclared\nnothing was written")
		}
		in, err := o.requested(p.Kind)
		if err == nil {
			in.routes = []route.Route{own}
		}
		return in, err
	}
	o.noEstate = "give the estate that the plan was made from with --estate FILE, or plan and write on what AWS has now: keyreach apply " + shell.Quote(o.dir)
	in, err := o.world(ctx, s, o.dir, o.estate, false)
	if err != nil {
		return nil, err
	}
	chosen := report{file: in.file}
	if err := chosen.choose(p.Routes); err != nil {
		other := fmt.Errorf("the plan %s is for %s, and %s does not declare that", path, strings.Join(p.Routes, ", "), in.file.Path)
		return nil, misuse(other).hinting("name the directory of its keyreach.yaml with --dir")
	}
	for i := range in.file.Routes {
		// What only one route needs is a question of all of them.
		if slices.Contains(chosen.chosen, i) || p.Kind == string(run.KindRevoke) {
			in.routes = append(in.routes, in.file.Routes[i])
		}
	}
	return in, nil
}

// requested is the estate of a plan for requests that no route declares. A keyreach.yaml
// need not be there: it only says how to get into the accounts.
func (o *applyOptions) requested(kind string) (*planInput, error) {
	if kind == string(run.KindRevoke) {
		return nil, misuse(errors.New("a plan for requests of its own opens, and this one closes"))
	}
	file, dir, err := routesBeside(o.dir)
	if err != nil {
		return nil, err
	}
	in := &planInput{file: file, estateAt: o.estate}
	switch {
	case in.estateAt != "":
	case file != nil:
		in.estateAt = file.EstatePath()
	default:
		in.estateAt = filepath.Join(dir, "estate.json")
	}
	if in.estate, err = estate.LoadFile(in.estateAt); err != nil {
		return nil, unreadable(err).hinting(hintFor(err, "give the estate that the plan was made from with --estate FILE"))
	}
	return in, nil
}

// fitsNot is the end for a plan that was made from another estate.
func (o *applyOptions) fitsNot(s *streams, in *planInput, other []plan.Step) error {
	p := &planPrinter{printer: printer{w: s.err}, report: &planReport{}}
	p.line(0, 0, "When the plan was made (-), and on the estate %s (+):", in.estateAt)
	for i := range other {
		p.differs(&other[i])
	}
	return (&exitError{code: exitStale, err: fmt.Errorf("the plan does not fit the estate %s: %s changed", in.estateAt, things(len(other)))}).hinting("plan again on this estate, or give the one that the plan was made from with --estate\nnothing was written")
}

// perform shows the plan, asks, writes it and proves the routes.
func (a *application) perform(ctx context.Context) error {
	shown := &planReport{plan: a.plan, names: namesIn(a.in.file), estateAt: a.in.estateAt, only: a.only}
	talk := a.talk(a.s)
	if shown.part().Empty() {
		return a.nothing(shown)
	}
	if err := shown.sayPlan(talk.w, shown.amount()+", plan "+a.plan.ShortDigest()); err != nil {
		return failure(err)
	}
	if err := a.s.approve(ctx, a.autoApprove, "Write "+shown.amount()+" to AWS?"); err != nil {
		return err
	}
	j, err := a.journal()
	if err != nil {
		return err
	}
	defer j.Close()
	c := a.writing(a.in.file, "keyreach-"+a.plan.ShortDigest(), opsOf(a.plan))
	lines := &events{talk: printer{w: a.s.err}}
	r, err := run.Apply(ctx, c, j, a.plan, run.Options{Report: lines.report, Accounts: a.only, Until: a.until})
	return a.done(ctx, r, err)
}

// nothing is the end of a plan that changes nothing.
func (a *application) nothing(shown *planReport) error {
	if err := shown.sayPlan(a.talk(a.s).w, shown.amount()); err != nil {
		return failure(err)
	}
	if a.format.format != textFormat {
		if err := a.printRuns(a.s, &actView{}); err != nil {
			return err
		}
	}
	if len(a.plan.Stuck) > 0 {
		return blocked()
	}
	return nil
}

// done says how it went.
func (a *application) done(ctx context.Context, r *run.Run, failed error) error {
	view := &actView{}
	if failed != nil {
		if r != nil && a.format.format != textFormat {
			if err := a.printRuns(a.s, view, r); err != nil {
				return err
			}
		}
		return a.ended(a.s, r, failed)
	}
	talk := a.talk(a.s)
	talk.blank()
	a.tellRun(talk, r)
	stands := true
	if !a.noProve {
		after, err := a.prove(ctx, a.s, a.in.file, a.in.routes, a.in.estate, r)
		if err != nil {
			return err
		}
		after.closes = a.closes
		after.tell(talk)
		after.view(view)
		stands = after.stands() || a.closes || len(a.only) > 0
	}
	if a.format.format != textFormat {
		if err := a.printRuns(a.s, view, r); err != nil {
			return err
		}
	}
	if talk.err != nil {
		return failure(talk.err)
	}
	if !stands || len(a.plan.Stuck) > 0 {
		return blocked()
	}
	return nil
}

// tellRun says what a run that is done did.
func (a *actFlags) tellRun(p *printer, r *run.Run) {
	o := outcomeOf(r)
	p.line(0, 0, "Run %s is done: %s.", r.ID, o)
	p.tellLeft(r.Left)
	if o.written > 0 && r.Kind != run.KindUndo {
		p.verbatim(0, "To take it back: "+a.undoCommand(r.ID))
	}
	switch {
	case r.Until.IsZero():
	case o.written == 0:
		p.line(0, 0, "It wrote nothing, so at %s there is nothing of it to close: what was so already is closed with the run that wrote it (keyreach runs list%s), or with keyreach revoke.", clockText(r.Until), a.flags(false))
	default:
		p.line(0, 0, "It is to be closed after %s. Nothing closes it by itself: have this run then, by cron or by hand:", clockText(r.Until))
		anywhere := *a
		anywhere.dir, anywhere.state = absolute(a.dir), absolute(a.state)
		p.verbatim(2, "keyreach revoke --expired --auto-approve"+anywhere.flags(false)+" "+shell.Quote(anywhere.dir))
	}
}

// absolute is a path as it reads from everywhere: cron begins in another directory. Empty
// stays empty.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil && path != "" {
		return full
	}
	return path
}
