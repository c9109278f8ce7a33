package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/run"
)

// whyOptions are the flags of why.
type whyOptions struct {
	judging
	account string
	since   string
	state   string
	format  dataFormat
}

func newWhy(s *streams) *cobra.Command {
	o := whyOptions{format: dataFormat{textFormat}}
	c := &cobra.Command{
		Use:   "why ARN|ID",
		Short: "Say why something on AWS failed: who lacked what on which key",
		Long: `why looks up something that failed and says why: a backup, copy or restore job of AWS
Backup, a recovery point, a scaling activity or an Auto Scaling group, an instance,
snapshot, volume or image, a DB snapshot or DB cluster snapshot, or a job of Elastic
Disaster Recovery. It reads what the service itself tells, and the refused call behind
it in CloudTrail, and says it in one sentence: who, what, on which key, of whose
account. The evidence comes after it.

With --estate or --live the very request is asked of an estate, which tells which cause
is true. When the last proof is at hand (a run of this program that had to do with the
key, the estate, or --since), it lists what was changed since, and by whom.

Nothing is written to AWS. keyreach iam-policy --for why prints the rights it takes;
--live takes those of --for read too.
CloudTrail shows a call up to 15 minutes late and keeps 90 days; a refused call stands
in its caller's account.

Exit codes: 0 explained · 3 nothing has that id, it did not fail, or nothing tells why ·
4 usage or configuration · 5 credentials or account mismatch.`,
		Example: "  keyreach why snap-0123456789abcdef0\n  keyreach why --account target --live drsjob-0123456789abcdef0\n  keyreach why --since 2d arn:aws:backup:us-east-1:111122223333:recovery-point:1EB3B5E7",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misuse(fmt.Errorf("why takes one ARN or id, and %d are given", len(args))).hinting("see keyreach why --help")
			}
			if args[0] == "" {
				return misuse(errors.New("why takes one ARN or id, and it is empty")).hinting("see keyreach why --help")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), s, args[0]) },
	}
	f := c.Flags()
	o.addJudging(f)
	f.StringVar(&o.account, "account", "", "the account it is in, by `NAME|ID` (default: that of the ARN, or of the credentials)")
	f.StringVar(&o.since, "since", "", "when it last worked: a `TIME`, or how long ago (2026-03-01T18:00:00Z, 8h, 2d)")
	f.StringVar(&o.state, "state", "", "the `DIR` of the journal, in which the last proof is looked for (default: keyreach in $XDG_STATE_HOME or ~/.local/state)")
	f.VarP(&o.format, "output", "o", "how to print")
	return c
}

func (o *whyOptions) run(ctx context.Context, s *streams, id string) error {
	since, err := agoOf(o.since, time.Now())
	if err != nil {
		return err
	}
	if err := o.prepare(); err != nil {
		return err
	}
	subject, err := o.subject(ctx, id)
	if err != nil {
		return err
	}
	asked := diagnose.WhyOptions{Now: time.Now().UTC(), Proven: o.proven(since)}
	if o.asks() {
		asked.Estate = func(ctx context.Context, in *diagnose.Incident) (*estate.Estate, error) { return o.of(ctx, s, in) }
	}
	x, err := diagnose.Explain(ctx, o.cloud, subject, asked)
	if err != nil {
		return notExplained(err, &subject)
	}
	if err := o.print(s, x); err != nil {
		return failure(err)
	}
	if !x.Found() {
		return blocked()
	}
	return nil
}

// notExplained gives why nothing could be looked up its exit code.
func notExplained(err error, s *cloud.Subject) error {
	switch cloud.KindOf(err) {
	case cloud.NotFound:
		return (&exitError{code: exitBlocked, err: err}).hinting("name its account with --account and its Region with --region; what AWS no longer shows, it keeps no reason of")
	case cloud.Invalid:
		return misuse(err).hinting("give the id or ARN of a job, snapshot, image, volume, instance or scaling activity: see keyreach why --help")
	case cloud.Denied:
		return (&exitError{code: exitCredentials, err: err}).hinting("keyreach iam-policy --for why prints the rights that it takes")
	}
	return cloudFailure(err)
}

// subject is what is asked about, in its account.
func (o *whyOptions) subject(ctx context.Context, id string) (cloud.Subject, error) {
	s := cloud.Subject{ID: id, Region: o.region}
	if o.account != "" {
		accounts, err := scopeOf(ctx, o.cloud, o.file, []string{o.account})
		if err != nil {
			return s, err
		}
		s.Account = accounts[0].ID
	}
	if a, err := arn.Parse(id); err == nil && arn.IsAccount(a.Account) {
		if s.Account != "" && s.Account != a.Account {
			return s, misuse(fmt.Errorf("--account %s: the ARN is of account %s", o.account, a.Account))
		}
		s.Account = a.Account
	}
	if s.Account != "" {
		return s, nil
	}
	own, err := o.cloud.Own(ctx)
	if err != nil {
		return s, cloudFailure(err)
	}
	s.Account = own
	return s, nil
}

// agoOf reads a time that is over, or how long ago it was.
func agoOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d, wrong := durationOf(text)
		if wrong != nil || d < 0 {
			return at, misuse(fmt.Errorf("--since %q is neither a time nor a duration", text)).hinting("write it as 2026-03-01T18:00:00Z, or as 90m, 8h or 2d ago")
		}
		at = now.Add(-d)
	}
	if at.After(now) {
		return at, misuse(fmt.Errorf("--since %s is still to come", text)).hinting("it is now " + now.UTC().Format(time.RFC3339))
	}
	return at.UTC(), nil
}

// proven looks for the last proof: the time that was given, or else the latest run that
// applied or performed something with the key and was done, after which its routes are
// proven.
func (o *whyOptions) proven(since time.Time) func(string) (diagnose.Proof, bool) {
	return func(key string) (diagnose.Proof, bool) {
		if !since.IsZero() {
			return diagnose.Proof{At: since, By: "given with --since"}, true
		}
		runs, err := o.runs()
		if err != nil {
			return diagnose.Proof{}, false
		}
		for _, r := range runs { // the latest first
			if r.Status != run.Done || r.Kind != run.KindApply && r.Kind != run.KindRoute || !about(r, key) {
				continue
			}
			return diagnose.Proof{At: r.Ended.UTC(), By: fmt.Sprintf("run %s: %s of %s", r.ID, r.Kind, strings.Join(r.Routes, ", "))}, true
		}
		return diagnose.Proof{}, false
	}
}

// runs are those of the journal, when there is one: looking makes none.
func (o *whyOptions) runs() ([]*run.Run, error) {
	dir := o.state
	if dir == "" {
		var err error
		if dir, err = run.DefaultState(); err != nil {
			return nil, err
		}
	}
	if !exists(filepath.Join(dir, "journal.db")) {
		return nil, os.ErrNotExist
	}
	j, err := run.Open(dir)
	if err != nil {
		return nil, err
	}
	runs, err := j.Runs()
	return runs, errors.Join(err, j.Close())
}

// about reports whether a run has to do with a key.
func about(r *run.Run, key string) bool {
	text, err := json.Marshal([]any{r.Plan, r.Moves})
	return err == nil && strings.Contains(string(text), key)
}
