package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// runOptions are the flags of run.
type runOptions struct {
	actFlags
	estate  string
	live    bool
	from    []string
	args    []string
	drill   bool
	restore bool
	keep    bool
}

func newRun(s *streams) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run ROUTE [DIR|FILE]",
		Short: "Perform a route on the data itself: snapshot, share, copy, restore",
		Long: `run performs the steps of a route on AWS: it snapshots, shares and copies the data into
the account where it is needed, and with --restore or --drill also restores, launches or
recovers it there. A drill ends what it started when it has seen it start.

The route must not be blocked on the estate. What will be made is shown with its names,
and nothing is made before somebody types yes, or without --auto-approve. The calls to an
account are made by the way into it that keyreach.yaml says; whether the actor of the day
may make them, keyreach check says.

What is only on the way (the first snapshot, shares, copies under another key) is removed
at the end, unless --keep (which runs resume takes too). When something fails, everything
that was made is listed, with the command that removes it. What takes AWS long is waited
for; an interrupted run goes on with keyreach runs resume.

Exit codes: 0 performed · 3 the route is blocked · 4 usage or configuration · 5 credentials
or account mismatch · 6 it failed on the way; it can be resumed, or undone · 7 nobody
approved · 130 interrupted; it can be resumed.`,
		Example: "  keyreach run restore-elsewhere --from mydb --drill\n  keyreach run recover-servers --from s-0123456789abcdef0 --restore --live",
		Args:    o.arguments,
		RunE: func(c *cobra.Command, args []string) error {
			o.dir = append(args, ".")[1]
			return o.run(c.Context(), s, args[0])
		},
	}
	f := c.Flags()
	o.addFlags(f)
	f.StringVar(&o.estate, "estate", "", "the estate `FILE` (default: estate.json beside keyreach.yaml)")
	f.BoolVar(&o.live, "live", false, "look at what AWS has now, in place of a file")
	f.StringSliceVar(&o.from, "from", nil, "the `ID` or ARN of the data: a database, snapshot, volume, image, recovery point, source server; several are parted by commas")
	f.StringArrayVar(&o.args, "arg", nil, "what the route needs besides, as `NAME=VALUE`: "+strings.Join(argNames(), ", ")+"; may be given again")
	f.BoolVar(&o.drill, "drill", false, "perform the last steps too, and end what they started")
	f.BoolVar(&o.restore, "restore", false, "perform the last steps too, and leave what they started")
	f.BoolVar(&o.keep, "keep", false, "leave what was only on the way")
	return c
}

func (o *runOptions) arguments(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return misuse(errors.New("run takes the name of a route")).hinting("keyreach.yaml declares them")
	case len(args) > 2:
		return misuse(fmt.Errorf("run takes a route and a directory, and %d arguments are given", len(args)))
	case o.drill && o.restore:
		return misuse(errors.New("--drill and --restore exclude each other")).hinting("a drill ends what it started, a restore leaves it")
	case o.keep && o.drill:
		return misuse(errors.New("--drill and --keep exclude each other")).hinting("to leave what is started, give --restore")
	}
	for _, pair := range o.args {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok || name == "" || value == "":
			return misuse(fmt.Errorf("--arg %q is not NAME=VALUE", pair)).hinting("as in --arg bucket=my-backups")
		case !slices.Contains(argNames(), name):
			return misuse(fmt.Errorf("--arg %q: no route takes %q", pair, name)).hinting("there is " + strings.Join(argNames(), ", "))
		}
	}
	return nil
}

// argNames are the arguments that routes take, of one kind or another.
func argNames() []string {
	return []string{"bucket", "destinationVault", "iamRoleArn", "instance", "sourceVault"}
}

func (o *runOptions) run(ctx context.Context, s *streams, name string) error {
	file, err := routesOf(o.dir)
	if err != nil {
		return err
	}
	known := report{file: file}
	if err := known.choose([]string{name}); err != nil { // before AWS is read
		return err
	}
	in, err := o.world(ctx, s, o.dir, o.estate, o.live)
	if err != nil {
		return err
	}
	r := &in.file.Routes[known.chosen[0]]
	if err := o.mayRun(s, in, known.chosen); err != nil {
		return err
	}
	work := o.work(name)
	moves, err := run.Moves(r, in.estate, work)
	if err != nil {
		return noMoves(err)
	}
	o.showMoves(s, in, r, moves, &work)
	question := "Make the calls above on AWS?"
	if err := s.approve(ctx, o.autoApprove, question); err != nil {
		return err
	}
	j, err := o.journal()
	if err != nil {
		return err
	}
	defer j.Close()
	lines := &events{talk: printer{w: s.err}, moves: true}
	options := run.MoveOptions{Options: run.Options{Report: lines.report}, Keep: o.keep}
	moved, err := run.Perform(ctx, o.moving(in.file, work.Name), j, moves, []string{name}, options)
	return o.moved(s, moved, err)
}

// mayRun refuses a route that is blocked, with the reasons that check gives.
func (o *runOptions) mayRun(s *streams, in *planInput, chosen []int) error {
	at := time.Now().UTC()
	p, err := route.Prove(&in.file.Routes[chosen[0]], in.estate, at)
	if err != nil {
		return misuse(err)
	}
	if p.Verdict != route.Blocked {
		if p.Verdict == route.OpenIf {
			printed := &printer{w: s.err}
			printed.line(0, 0, "%s is open only if something holds that is not known: keyreach check says what.", p.Route)
		}
		return nil
	}
	shown := &report{file: in.file, estate: in.estate, estateAt: in.estateAt, chosen: chosen, proofs: []route.Proof{p}}
	if o.format.format != textFormat {
		if err := o.format.writeData(s.out, shown.view()); err != nil {
			return failure(err)
		}
	} else if err := shown.text(s.out); err != nil {
		return failure(err)
	}
	hint := "keyreach plan says what opens it"
	if !o.live {
		hint += "; if it was opened since the estate was collected, look at AWS with --live"
	}
	return (&exitError{code: exitBlocked, err: fmt.Errorf("%s is blocked on the estate %s: nothing was done", p.Route, in.estateAt)}).hinting(hint)
}

// work is what is to be done.
func (o *runOptions) work(name string) run.Work {
	now := time.Now().UTC()
	args := map[string]string{}
	for _, pair := range o.args {
		key, value, _ := strings.Cut(pair, "=")
		args[key] = value
	}
	return run.Work{
		From: strings.Join(o.from, ","), Drill: o.drill, Restore: o.restore, Args: args, At: now, Name: run.NewName(now),
		Tags: map[string]string{"keyreach:route": name},
	}
}

// noMoves says what is missing for the work.
func noMoves(err error) error {
	var lacks *run.NoArgError
	var missing *route.MissingError
	switch {
	case errors.Is(err, run.ErrNoSource):
		return misuse(err).hinting("name it with --from")
	case errors.As(err, &lacks):
		return misuse(err).hinting("give it with --arg " + lacks.Name + "=…")
	case errors.As(err, &missing):
		return misuse(err)
	}
	return failure(err)
}

// showMoves shows what will be made, where, and what is removed again.
func (o *runOptions) showMoves(s *streams, in *planInput, r *route.Route, moves []run.Move, w *run.Work) {
	p := o.talk(s)
	names := &planReport{names: namesIn(in.file)}
	p.line(0, 0, "The route %s (%s), in %s:", r.Name, r.Kind.Name, count(len(moves), "piece")+" of work")
	for i := range moves {
		m := &moves[i]
		head := fmt.Sprintf("%d. ", i+1)
		if m.Watch {
			p.line(2, len(head), "%s%s: waiting for what AWS does in account %s%s", head, m.What(), names.account(m.Task.Account), orEmptyIn(m.Task.Region))
			continue
		}
		p.line(2, len(head), "%s%s in account %s%s", head, workText(m.What(), m.Task.Operation), names.account(m.Task.Account), orEmptyIn(m.Task.Region))
		for _, fact := range factsOf(m, o.keep) {
			p.line(2+len(head), 2, "%s", fact)
		}
	}
	p.line(0, 0, "Everything that is made has a name that begins with %s, and the tag %s.", w.Name, cloud.TaskTag)
	if !o.drill && !o.restore {
		if last := lastSteps(r, in.estate, moves); len(last) > 0 {
			p.line(0, 0, "Not performed, since neither --drill nor --restore is given: %s.", strings.Join(last, ", "))
		}
	}
}

// factsOf are what a move works on and makes.
func factsOf(m *run.Move, keep bool) []string {
	var facts []string
	switch {
	case m.Source > 0:
		facts = append(facts, fmt.Sprintf("of what %d makes", m.Source))
	case m.Task.Source != "":
		facts = append(facts, "of "+m.Task.Source)
	}
	if m.Task.Key != "" {
		facts = append(facts, "under key "+m.Task.Key)
	}
	if len(m.Task.With) > 0 {
		facts = append(facts, "for "+strings.Join(m.Task.With, ", "))
	}
	facts = append(facts, "named "+m.Task.Name)
	if m.Passing && !keep {
		facts = append(facts, "removed at the end")
	}
	return facts
}

// lastSteps are the steps of the route that no move performs.
func lastSteps(r *route.Route, e *estate.Estate, moves []run.Move) []string {
	p, err := route.Prove(r, e, time.Now().UTC())
	if err != nil {
		return nil // it was proven just before
	}
	var list []string
	for i := range p.Steps {
		name := p.Steps[i].Name
		done := slices.ContainsFunc(moves, func(m run.Move) bool { return slices.Contains(m.Steps, name) })
		if !done && !slices.Contains(list, name) && p.Steps[i].Operation != "" {
			list = append(list, name)
		}
	}
	return list
}

// moved says how work on data went.
func (a *actFlags) moved(s *streams, r *run.Run, failed error) error {
	if r != nil {
		if err := a.printed(s, r); err != nil {
			return err
		}
	}
	if failed != nil {
		return a.moveEnded(s, r, failed)
	}
	talk := a.talk(s)
	talk.blank()
	talk.line(0, 0, "Run %s is done: %s performed, in %s.", r.ID, strings.Join(r.Routes, ", "), r.Ended.Sub(r.Started).Round(time.Second))
	if made := madeBy(r); len(made) > 0 {
		talk.line(0, 0, "It made this, and it is there:")
		for _, text := range made {
			talk.line(2, 2, "- %s", text)
		}
		talk.verbatim(0, "To remove it: "+a.undoCommand(r.ID))
	}
	if talk.err != nil {
		return failure(talk.err)
	}
	return nil
}

// madeBy are the things that a run on data made and did not remove, in words.
func madeBy(r *run.Run) []string {
	type thing struct{ id, state string }
	have := map[int]thing{}
	for i := range r.Records {
		rec := &r.Records[i]
		switch {
		case rec.Step < 0 || rec.Step >= len(r.Moves) || r.Moves[rec.Step].Watch:
		case rec.Phase == run.PhaseResult && rec.Text == "removed":
			delete(have, rec.Step)
		case rec.Phase == run.PhaseResult || rec.Phase == run.PhaseReadBack:
			have[rec.Step] = thing{rec.Made["id"], rec.Text}
		case rec.Phase == run.PhaseIntent && rec.Text != "removing" && have[rec.Step].id == "":
			have[rec.Step] = thing{state: "it may have been made: no answer came"}
		case rec.Phase == run.PhaseNote && rec.Kind != "" && !unanswered(rec.Kind) && have[rec.Step].id == "":
			delete(have, rec.Step)
		}
	}
	var list []string
	for i := range r.Moves {
		t, ok := have[i]
		if !ok || t.id == "" && !strings.Contains(t.state, "may have been") {
			continue
		}
		m := &r.Moves[i]
		text := fmt.Sprintf("%s, account %s%s: %s", m.What(), m.Task.Account, orEmptyIn(m.Task.Region), orDash(t.id))
		if t.id == "" {
			text = fmt.Sprintf("%s, account %s%s: %s (%s)", m.What(), m.Task.Account, orEmptyIn(m.Task.Region), m.Task.Name, t.state)
		}
		list = append(list, text)
	}
	return list
}

// isCredentials reports whether a call failed for want of credentials.
func isCredentials(err error) bool {
	kind := cloud.KindOf(err)
	return kind == cloud.Credentials || kind == cloud.Expired
}
