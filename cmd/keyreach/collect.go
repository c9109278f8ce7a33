package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/atomicfile"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
)

// collectOptions are the flags of collect.
type collectOptions struct {
	liveFlags
	out         string
	regions     []string
	accounts    []string
	keys        []string
	redact      bool
	resume      bool
	concurrency int
}

func newCollect(s *streams) *cobra.Command {
	var o collectOptions
	c := &cobra.Command{
		Use:   "collect [DIR|FILE]",
		Short: "Read from AWS what decides whether keys open, into an estate file",
		Long: `collect reads the accounts of keyreach.yaml, or the caller's own when there is none:
principals and their policies, the organization, and in every Region the keys with
policy and grants and what is encrypted under them. It writes nothing to AWS and needs
the rights that "keyreach iam-policy" prints. What it may not read is recorded in the
estate with AWS's words, and check then says what depends on it.

The estate goes to estate.json beside keyreach.yaml. A run that was interrupted, or that
AWS did not let finish, keeps what it has, with a record of it in a file with .part at
the end of its name; --resume goes on there.`,
		Example: `  keyreach collect
  keyreach collect --region us-east-1 --account target --out target.json
  keyreach collect --redact --out - > estate.json`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), s, append(args, ".")[0])
		},
	}
	f := c.Flags()
	o.addAccess(f)
	f.StringVar(&o.out, "out", "", "write the estate to a `FILE`, - for standard output (default: estate.json beside keyreach.yaml)")
	f.StringArrayVar(&o.regions, "region", nil, "read this `REGION` only; may be given again (default: all that are enabled)")
	f.StringArrayVar(&o.accounts, "account", nil, "read this account only, by `NAME|ID`; may be given again")
	f.StringArrayVar(&o.keys, "key", nil, "of the keys read this one only, by `ARN`; may be given again")
	f.BoolVar(&o.redact, "redact", false, "write other account numbers and names, the same for the same")
	f.BoolVar(&o.resume, "resume", false, "go on where an earlier run stopped")
	f.IntVar(&o.concurrency, "concurrency", 8, "make at most `N` calls at once")
	return c
}

// validate refuses flags that say nothing sensible.
func (o *collectOptions) validate() error {
	for _, r := range o.regions {
		if !awsfacts.KnownRegion(r) {
			return misuse(fmt.Errorf("--region %q is no Region of AWS", r))
		}
	}
	for _, k := range o.keys {
		if a, err := arn.Parse(k); err != nil || !a.IsKMSKey() {
			return misuse(fmt.Errorf("--key %q is not the ARN of a KMS key", k)).hinting("as in arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
		}
	}
	switch {
	case o.concurrency < 1:
		return misuse(fmt.Errorf("--concurrency %d: at least one call has to be made", o.concurrency))
	case o.resume && o.out == "-":
		return misuse(errors.New("--resume goes on with a file, and --out - is none"))
	case o.resume && o.redact:
		return misuse(errors.New("--resume and --redact exclude each other")).hinting("resume first, then redact with a run of its own: what was redacted cannot be gone on with")
	}
	return nil
}

func (o *collectOptions) run(ctx context.Context, s *streams, path string) error {
	if err := o.validate(); err != nil {
		return err
	}
	file, dir, err := routesBeside(path)
	if err != nil {
		return err
	}
	if len(o.regions) > 0 {
		o.region = o.regions[0]
	}
	if o.out == "" {
		o.out = filepath.Join(dir, "estate.json")
		if file != nil {
			o.out = file.EstatePath()
		}
	}
	c := o.open(file, nil)
	scope, err := o.scope(ctx, c, file)
	if err != nil {
		return err
	}
	show := newProgress(s)
	e, stats, err := c.Collect(ctx, scope, show.collected)
	show.end()
	return o.finish(ctx, s, e, &stats, err)
}

// scope is what the flags and the file ask for, with what an earlier run left.
func (o *collectOptions) scope(ctx context.Context, c *live.Cloud, file *route.File) (live.Scope, error) {
	accounts, err := scopeOf(ctx, c, file, append(slices.Clone(o.accounts), o.accountsOfKeys(file)...))
	if err != nil {
		return live.Scope{}, err
	}
	for i := range accounts {
		accounts[i].Regions = o.regions
	}
	scope := live.Scope{Accounts: accounts, Keys: o.keys, Concurrency: o.concurrency}
	if !o.resume {
		return scope, nil
	}
	text, err := os.ReadFile(o.part())
	if err != nil {
		return scope, misuse(fmt.Errorf("resuming: %w", err)).hinting("there is nothing to go on with: collect without --resume")
	}
	if err := json.Unmarshal(text, &scope.Record); err != nil {
		return scope, failure(fmt.Errorf("resuming from %s: %w", o.part(), err)).hinting("collect without --resume")
	}
	if scope.Resume, err = estate.LoadFile(o.out); err != nil {
		return scope, unreadable(err)
	}
	return scope, nil
}

// accountsOfKeys are those of --key, when neither a file nor --account says which.
func (o *collectOptions) accountsOfKeys(file *route.File) []string {
	if file != nil || len(o.accounts) > 0 {
		return nil
	}
	var list []string
	for _, k := range o.keys {
		if a, err := arn.Parse(k); err == nil {
			list = append(list, a.Account)
		}
	}
	return list
}

// part is the file that says how far collecting came.
func (o *collectOptions) part() string { return o.out + ".part" }

// finish writes what was read, says what it was, and ends with the code for how far it
// came.
func (o *collectOptions) finish(ctx context.Context, s *streams, e *estate.Estate, stats *live.Stats, err error) error {
	var partial *live.Incomplete
	stopped := err != nil && ctx.Err() != nil
	if err != nil && !stopped && !errors.As(err, &partial) {
		return cloudFailure(err)
	}
	if err := o.write(s, e, stats, err == nil); err != nil {
		return failure(err)
	}
	tellCollected(s, stats)
	switch {
	case stopped:
		fmt.Fprintln(s.err, o.goOn())
		return err
	case partial != nil:
		hint := o.goOn()
		if cloud.KindOf(err) == cloud.Expired {
			hint = "renew the credentials; " + hint
		}
		return (&exitError{code: exitPartial, err: err}).hinting(hint)
	}
	return nil
}

// goOn says how the rest is read.
func (o *collectOptions) goOn() string {
	if o.out == "-" || o.redact {
		return "what was read is written; to read the rest too, collect into a file, from where --resume goes on"
	}
	return "what was read is in " + o.out + "; to read the rest, run the same command with --resume"
}

// write writes the estate, and beside one that is not whole how far it goes.
func (o *collectOptions) write(s *streams, e *estate.Estate, stats *live.Stats, whole bool) error {
	var err error
	if o.redact {
		if e, err = live.Redact(e); err != nil {
			return err
		}
	}
	text, err := e.AppendJSON(nil)
	if err != nil {
		return err
	}
	if o.out == "-" {
		_, err = s.out.Write(text)
		return err
	}
	if err := keepOld(s, o.out); err != nil {
		return err
	}
	if whole || o.redact {
		if err := os.Remove(o.part()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("writing the estate: %w", err)
		}
		return replaceFile(o.out, text)
	}
	record, err := json.MarshalIndent(stats.Record, "", "  ")
	if err != nil {
		return fmt.Errorf("writing how far it goes: %w", err)
	}
	if err := replaceFile(o.out, text); err != nil {
		return err
	}
	return replaceFile(o.part(), append(record, '\n'))
}

// keepOld puts an estate that was made by hand aside: it may hold what no AWS tells.
func keepOld(s *streams, path string) error {
	old, err := estate.LoadFile(path)
	if err != nil || old.CollectedAt != nil {
		return nil // there is none, or it is replaced by one of its kind
	}
	aside := path + ".by-hand"
	for n := 2; exists(aside); n++ {
		aside = fmt.Sprintf("%s.by-hand-%d", path, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("writing the estate: %w", err)
	}
	fmt.Fprintf(s.err, "keyreach: the estate that was in %s is kept as %s\n", path, aside)
	return nil
}

// replaceFile writes a file so that it is never half written, readable by its owner
// alone.
func replaceFile(path string, text []byte) error {
	if err := atomicfile.Write(path, text, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// tellCollected says what was read and what not.
func tellCollected(s *streams, stats *live.Stats) {
	fmt.Fprintf(s.err, "collected %d %s with %d %s%s, %d %s, with %d calls in %s (for a key at most %d, %.1f in the mean)\n",
		stats.Accounts, plural(stats.Accounts, "account"), stats.Regions, plural(stats.Regions, "Region"), pick(stats.Accounts > 1, " between them", ""), stats.Keys, plural(stats.Keys, "key"),
		stats.Total(), stats.Duration.Round(10*time.Millisecond), stats.KeyCallsMax, stats.KeyCallsMean)
	tellUnread(s, stats.Record.Unread)
}

// tellUnread says what could not be read, what failed alike in one line.
func tellUnread(s *streams, list []live.Unread) {
	type failure struct{ operation, text string }
	var order []failure
	where := map[failure][]string{}
	for _, u := range list {
		f := failure{u.Operation, strings.TrimSpace(u.Text)}
		if where[f] == nil {
			order = append(order, f)
		}
		at := u.Account
		if u.Region != "" {
			at += " " + u.Region
		}
		if u.Times > 1 {
			at += fmt.Sprintf(" (%d times)", u.Times)
		}
		where[f] = append(where[f], at)
	}
	for _, f := range order {
		places := strings.Join(where[f], ", ")
		if n := len(where[f]); n > 3 {
			places = fmt.Sprintf("%s and %d other places", where[f][0], n-1)
		}
		fmt.Fprintf(s.err, "not read: %s %s: %s\n", places, f.operation, visible(f.text))
	}
}

// progress shows how far collecting is: on a terminal in one line, elsewhere a line for
// each account.
type progress struct {
	s        *streams
	terminal bool
	parts    int
	seen     map[string]bool // accounts
}

func newProgress(s *streams) *progress {
	return &progress{s: s, terminal: isTerminal(s.err), seen: map[string]bool{}}
}

func (p *progress) collected(at live.Progress) {
	what := strings.Join(strings.Fields(at.Account+" "+at.Region+" "+at.Part), " ")
	if at.Of > 1 {
		what += fmt.Sprintf(" %d of %d", at.Done, at.Of)
	} else {
		p.parts++
	}
	switch {
	case p.terminal:
		fmt.Fprintf(p.s.err, "\r\x1b[K%d parts read; %s", p.parts, what)
	case !p.seen[at.Account]:
		p.seen[at.Account] = true
		fmt.Fprintln(p.s.err, "reading "+pick(at.Account == "", at.Part, "account "+at.Account))
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.s.err, "\r\x1b[K")
	}
}
