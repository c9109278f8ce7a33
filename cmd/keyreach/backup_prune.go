package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/estate"
)

type pruneFlags struct {
	backupFlags
	keep   backup.Retention
	within string
	dryRun bool
	yes    bool
}

func newBackupPrune(s *streams) *cobra.Command {
	var f pruneFlags
	c := &cobra.Command{
		Use:   "prune",
		Short: "Take away backups that no rule keeps",
		Long: `Take away the backups of each series that none of the rules keeps. The newest of a
series always stays, and so does what S3 keeps locked. In a bucket with versions what
is taken away is hidden; the bucket's lifecycle deletes it. It opens none of
them: verify before that the newest is good.

With a route, its retention says what stays, of the route's own series only. Any flag
--keep-… stands in the place of all that the file says.`,
		Example: "  keyreach backup prune --store s3://backups/etcd --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.declare(c.Context(), c.Flags()); err != nil {
				return err
			}
			return f.run(c.Context(), s)
		},
	}
	fs := c.Flags()
	f.addStore(fs)
	f.addSeries(fs)
	fs.IntVar(&f.keep.Last, "keep-last", 0, "keep the last `N`")
	fs.IntVar(&f.keep.Daily, "keep-daily", 0, "keep the newest of each of the last `N` days that have one")
	fs.IntVar(&f.keep.Weekly, "keep-weekly", 0, "likewise of `N` weeks")
	fs.IntVar(&f.keep.Monthly, "keep-monthly", 0, "likewise of `N` months")
	fs.IntVar(&f.keep.Yearly, "keep-yearly", 0, "likewise of `N` years")
	fs.StringVar(&f.within, "keep-within", "", "keep all that are younger than this `TIME`, such as 14d")
	fs.BoolVar(&f.dryRun, "dry-run", false, "show what would be taken away")
	fs.BoolVar(&f.yes, "auto-approve", false, "do not ask for a yes")
	return c
}

func (f *pruneFlags) run(ctx context.Context, s *streams) error {
	var err error
	if f.keep.Within, err = optionalDuration("--keep-within", f.within); err != nil {
		return err
	}
	if f.keep.None() {
		return misuse(errors.New("nothing says which backups to keep")).hinting("give --keep-last, --keep-daily, --keep-weekly, --keep-monthly, --keep-yearly or --keep-within")
	}
	for _, n := range []int{f.keep.Last, f.keep.Daily, f.keep.Weekly, f.keep.Monthly, f.keep.Yearly} {
		if n < 0 {
			return misuse(errors.New("a number of backups to keep is at least 0"))
		}
	}
	f.details = true // locks
	at, err := f.openStore(ctx, false)
	if err != nil {
		return err
	}
	list, err := backup.List(ctx, at, backup.Select{Kind: f.kind, Name: f.name})
	if err != nil {
		return backupFailure(err)
	}
	plan := f.keep.Plan(list, time.Now())
	if f.dryRun {
		return f.print(s, plan, nil)
	}
	if err := f.approve(ctx, s, plan); err != nil {
		return err
	}
	removed, err := (&backup.Opener{Store: at}).Prune(ctx, plan)
	if err == nil {
		_, err = at.Sweep(ctx, backup.LeftAfter)
	}
	if err != nil && len(removed) == 0 {
		return backupFailure(err)
	}
	// What is gone is told, also when the rest failed.
	if err := f.print(s, plan, removed); err != nil {
		return err
	}
	return backupFailure(err)
}

// approve shows what goes and asks for a yes.
func (f *pruneFlags) approve(ctx context.Context, s *streams, plan []backup.Pruned) error {
	goes := 0
	for i := range plan {
		if !plan[i].Keep {
			goes++
		}
	}
	if goes == 0 || f.yes {
		return nil
	}
	p := &printer{w: s.err}
	for i := range plan {
		if !plan[i].Keep {
			p.line(0, 2, "- %s of %s", plan[i].Object.ID, clockText(plan[i].ID.Created))
		}
	}
	return s.approve(ctx, false, "Take away these "+count(goes, "backup")+"?")
}

type prunedView struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created,omitzero"`
	Keep    bool      `json:"keep"`
	Why     string    `json:"why"`
	Removed bool      `json:"removed"`
}

func (f *pruneFlags) print(s *streams, plan, removed []backup.Pruned) error {
	gone := map[string]bool{}
	for i := range removed {
		gone[removed[i].Object.ID] = true
	}
	if f.format.format != textFormat {
		v := struct {
			FormatVersion int          `json:"format_version"`
			Store         string       `json:"store"`
			DryRun        bool         `json:"dry_run"`
			Backups       []prunedView `json:"backups"`
		}{estate.FormatVersion, f.at, f.dryRun, []prunedView{}}
		for i := range plan {
			x := &plan[i]
			v.Backups = append(v.Backups, prunedView{x.Object.ID, x.ID.Created, x.Keep, x.Why, gone[x.Object.ID]})
		}
		return f.format.writeLine(s.out, v)
	}
	p := &printer{w: s.out}
	cells := [][]string{{"backup", "made", "", "why"}}
	for i := range plan {
		x := &plan[i]
		what := "stays"
		if gone[x.Object.ID] {
			what = "taken away"
		} else if !x.Keep {
			what = "would go"
		}
		cells = append(cells, []string{x.Object.ID, clockText(x.ID.Created), what, x.Why})
	}
	if len(plan) == 0 {
		p.line(0, 0, "There is no %s in %s.", backup.Select{Kind: f.kind, Name: f.name}, f.at)
	} else {
		p.columns(cells)
	}
	return p.err
}
