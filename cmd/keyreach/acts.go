package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/shell"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// actFlags are those of the commands that write to AWS, or to the journal of what was
// written.
type actFlags struct {
	liveFlags
	state       string
	dir         string
	autoApprove bool
	format      dataFormat
}

// addFlags adds the flags of a command that writes to AWS.
func (a *actFlags) addFlags(f *pflag.FlagSet) {
	a.add(f)
	a.addState(f)
	f.BoolVar(&a.autoApprove, "auto-approve", false, "do not ask for a yes")
}

// addState adds those that the journal takes.
func (a *actFlags) addState(f *pflag.FlagSet) {
	a.format = dataFormat{textFormat}
	f.StringVar(&a.state, "state", "", "the `DIR` of the journal (default: keyreach in $XDG_STATE_HOME or ~/.local/state)")
	f.VarP(&a.format, "output", "o", "how to print")
}

// addDir adds --dir, for a command whose argument is no directory.
func (a *actFlags) addDir(f *pflag.FlagSet) {
	f.StringVar(&a.dir, "dir", ".", "the `DIR|FILE` of keyreach.yaml, which says how to get into the accounts")
}

// talk is where a command talks beside its data: in text that is all of one piece.
func (a *actFlags) talk(s *streams) *printer {
	if a.format.format == textFormat {
		return &printer{w: s.out}
	}
	return &printer{w: s.err}
}

// journal opens the journal.
func (a *actFlags) journal() (*run.Journal, error) {
	dir := a.state
	if dir == "" {
		var err error
		if dir, err = run.DefaultState(); err != nil {
			return nil, failure(err).hinting("name a directory for the journal with --state")
		}
	}
	j, err := run.Open(dir)
	var newer *run.VersionError
	switch {
	case errors.As(err, &newer):
		return nil, failure(err).hinting("use that version, or another journal with --state")
	case err != nil:
		return nil, failure(err).hinting("name another directory for the journal with --state")
	}
	return j, nil
}

// opened is the journal, for the caller to close, and a run of it.
func (a *actFlags) opened(s *streams, id string) (*run.Journal, *run.Run, error) {
	j, err := a.journal()
	if err != nil {
		return nil, nil, err
	}
	r, err := j.Run(id)
	if err != nil {
		defer j.Close()
		return nil, nil, a.ended(s, nil, err)
	}
	return j, r, nil
}

// flags are those of the command line that another command has to have too.
func (a *actFlags) flags(withDir bool) string {
	var text strings.Builder
	add := func(name, value string) {
		if value != "" {
			text.WriteString(" --" + name + " " + shell.Quote(value))
		}
	}
	if withDir && a.dir != "." {
		add("dir", a.dir)
	}
	add("state", a.state)
	add("profile", a.profile)
	add("region", a.region)
	add("endpoint-url", a.endpoint)
	return text.String()
}

func (a *actFlags) resumeCommand(id string) string {
	return "keyreach runs resume " + id + a.flags(true)
}

func (a *actFlags) undoCommand(id string) string { return "keyreach undo " + id + a.flags(true) }

// approve asks for a typed yes; --auto-approve is one. Without it nothing is written.
func (s *streams) approve(ctx context.Context, already bool, question string) error {
	if already {
		return nil
	}
	refused := &exitError{code: exitGuarded, err: errors.New("nobody approved, and nothing was written")}
	if !isTerminal(s.in) {
		return refused.hinting("run it on a terminal to be asked, or give --auto-approve")
	}
	fmt.Fprintf(s.err, "\n%s\nOnly yes goes on: ", question)
	answer := make(chan string, 1)
	go func() { // apart, so that an interrupt does not wait for an answer
		line, _ := bufio.NewReader(s.in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.err)
		return fmt.Errorf("asking: %w", ctx.Err())
	case said := <-answer:
		switch said {
		case "yes":
			return nil
		case "":
			fmt.Fprintln(s.err)
			return refused.hinting("answer yes, or give --auto-approve")
		}
	}
	return refused
}

// writing is the way to AWS for writing ops: sessions of roles are named, and narrowed to
// the ops.
func (a *actFlags) writing(file *route.File, name string, ops []estate.Op) *live.Cloud {
	return a.open(file, func(o *live.Options) {
		o.SessionName, o.SessionPolicies = name, live.SessionPolicies(ops)
	})
}

// opsOf are the ops of a plan, in the accounts when some are named.
func opsOf(p *plan.Plan) []estate.Op {
	var ops []estate.Op
	for i := range p.Steps {
		ops = append(ops, p.Steps[i].Op)
	}
	return ops
}

// namesIn are the names that the file gives accounts; none without a file.
func namesIn(f *route.File) map[string]string {
	if f == nil {
		return nil
	}
	return namesOf(f)
}

// untilOf reads a time, or how long from now.
func untilOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d, wrong := durationOf(text)
		if wrong != nil {
			return until, misuse(fmt.Errorf("--until %q is neither a time nor a duration", text)).hinting("write it as 2026-03-01T18:00:00Z, or as 90m, 8h or 2d from now")
		}
		until = now.Add(d)
	}
	if !until.After(now) {
		return until, misuse(fmt.Errorf("--until %s is over already", text)).hinting("it is now " + now.UTC().Format(time.RFC3339))
	}
	return until.UTC().Truncate(time.Second), nil
}

// durationOf reads 90m and 8h, and 2d for two days.
func durationOf(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		hours, err := time.ParseDuration(days + "h")
		if err == nil && hours.Abs() > math.MaxInt64/24 {
			err = fmt.Errorf("%q is more time than can be counted", text)
		}
		return 24 * hours, err
	}
	return time.ParseDuration(text)
}

// estateOrLive is for commands that read the estate from a file or from AWS.
const estateOrLive = "give the estate with --estate FILE, or read AWS with --live"

// world reads the routes, and the estate from a file or from AWS as it is now.
func (l *liveFlags) world(ctx context.Context, s *streams, path, estateAt string, fromAWS bool) (*planInput, error) {
	if fromAWS && estateAt != "" {
		return nil, misuse(errors.New("--live and --estate exclude each other")).hinting("--live reads AWS as it is now, --estate a file")
	}
	file, err := routesOf(path)
	if err != nil {
		return nil, err
	}
	in := &planInput{file: file, estateAt: estateAt}
	if fromAWS {
		in.estateAt = "that AWS has now"
		in.estate, err = l.collectNow(ctx, s, file)
		return in, err
	}
	if in.estateAt == "" {
		in.estateAt = file.EstatePath()
	}
	if in.estate, err = estate.LoadFile(in.estateAt); err != nil {
		return nil, unreadable(err).hinting(hintFor(err, cmp.Or(l.noEstate, estateOrLive)))
	}
	return in, nil
}

// routesOf reads keyreach.yaml, by its name or that of its directory.
func routesOf(path string) (*route.File, error) {
	file, dir, err := routesBeside(path)
	if err == nil && file == nil {
		err = misuse(fmt.Errorf("there is no %s in %s", route.FileName, dir)).hinting("name the directory of one (apply PLAN takes it as --dir), or write one with keyreach init")
	}
	return file, err
}

// collectNow reads from AWS what bears on the routes of the file: its accounts, in the
// Regions of the routes.
func (l *liveFlags) collectNow(ctx context.Context, s *streams, file *route.File) (*estate.Estate, error) {
	scope := scopeOfRoutes(file, file.Routes)
	for _, name := range slices.Sorted(maps.Keys(file.Accounts)) {
		a := file.Accounts[name]
		if !slices.ContainsFunc(scope.Accounts, func(have live.ScopeAccount) bool { return have.ID == a.ID }) {
			scope.Accounts = append(scope.Accounts, live.ScopeAccount{ID: a.ID, Name: name, Regions: nonEmpty(a.Region)})
		}
	}
	return collectScope(ctx, s, l.open(file, nil), scope)
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// collectScope reads from AWS. How far it is shows on a terminal only: nobody reads it
// afterwards.
func collectScope(ctx context.Context, s *streams, c *live.Cloud, scope live.Scope) (*estate.Estate, error) {
	var ids []string
	for i := range scope.Accounts {
		ids = append(ids, scope.Accounts[i].ID)
	}
	fmt.Fprintf(s.err, "reading %s: %s\n", plural(len(ids), "account"), strings.Join(ids, ", "))
	show := newProgress(s)
	report := show.collected
	if !show.terminal {
		report = nil
	}
	e, _, err := c.Collect(ctx, scope, report)
	show.end()
	if err != nil {
		return nil, cloudFailure(err)
	}
	return e, nil
}
