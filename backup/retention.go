package backup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// Retention says which backups of a series stay: the newest of each of the last days,
// weeks, months and years that have one, the last ones whatever their age, and all
// that are younger than a time. The newest always stays. A backup whose time is yet to
// come stays too, and counts for none: otherwise one made by a wrong clock would be the
// newest for years, and take the place of all that are made.
type Retention struct {
	Last, Daily, Weekly, Monthly, Yearly int
	Within                               time.Duration
}

// None reports whether it says nothing, in which case all stay.
func (r Retention) None() bool { return r == Retention{} }

// Pruned is what a prune keeps and takes away, and why.
type Pruned struct {
	Backup
	Keep bool
	Why  string
}

// Plan sorts the backups of a store into those that stay and those that go. What has
// another name than a backup's stays.
func (r Retention) Plan(list []Backup, now time.Time) []Pruned {
	series := map[string][]Backup{}
	var plan []Pruned
	for _, b := range list {
		if b.ID == (ID{}) {
			plan = append(plan, Pruned{b, true, "it has not the name of a backup"})
			continue
		}
		series[b.ID.Series()] = append(series[b.ID.Series()], b)
	}
	for _, of := range series {
		slices.SortFunc(of, func(a, b Backup) int { return b.ID.Created.Compare(a.ID.Created) })
		plan = append(plan, r.series(of, now)...)
	}
	slices.SortStableFunc(plan, func(a, b Pruned) int { return b.ID.Created.Compare(a.ID.Created) })
	return plan
}

// period is a stretch of time of which the newest backup stays.
type period struct {
	name string
	keep int
	of   func(time.Time) string
}

func (r Retention) periods() []period {
	return []period{
		{"day", r.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }},
		{"week", r.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprintf("%d-W%02d", y, w) }},
		{"month", r.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{"year", r.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
}

func (r Retention) series(of []Backup, now time.Time) []Pruned {
	plan := make([]Pruned, len(of))
	ahead := 0
	for i, b := range of {
		plan[i] = Pruned{Backup: b, Why: "no rule keeps it"}
		switch {
		case b.ID.Ahead(now):
			plan[i].Keep, plan[i].Why = true, "its time is yet to come: the clock was wrong that made it"
			ahead++
		case i == ahead:
			plan[i].Keep, plan[i].Why = true, "it is the newest"
		case r.None():
			plan[i].Keep, plan[i].Why = true, "nothing says how long to keep backups"
		case b.LockedUntil.After(now):
			plan[i].Keep, plan[i].Why = true, "S3 keeps it locked until "+b.LockedUntil.Format(time.DateOnly)
		case i-ahead < r.Last:
			plan[i].Keep, plan[i].Why = true, fmt.Sprintf("it is one of the last %d", r.Last)
		case r.Within > 0 && now.Sub(b.ID.Created) < r.Within:
			plan[i].Keep, plan[i].Why = true, "it is younger than "+Age(r.Within)
		}
	}
	for _, p := range r.periods() {
		seen := map[string]bool{}
		for i := ahead; i < len(plan); i++ {
			if name := p.of(plan[i].ID.Created); !seen[name] && len(seen) < p.keep {
				seen[name] = true
				if !plan[i].Keep {
					plan[i].Keep, plan[i].Why = true, "it is the newest of its "+p.name+", "+name
				}
			}
		}
	}
	return plan
}

// Age is a time in the largest unit that tells it, as people say it.
func Age(d time.Duration) string {
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if d >= u.of {
			if n := int(d / u.of); n != 1 {
				return fmt.Sprintf("%d %ss", n, u.name)
			}
			return "1 " + u.name
		}
	}
	return "a moment"
}

// Prune takes away what a plan lets go, the oldest first, and stops at the first failure.
// What somebody else has taken away meanwhile is none.
func (o *Opener) Prune(ctx context.Context, plan []Pruned) (removed []Pruned, err error) {
	for _, p := range slices.Backward(plan) {
		if p.Keep {
			continue
		}
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if err := o.Store.Remove(ctx, p.Object); err != nil && !o.Gone(ctx, p.Object.ID, err) {
			return removed, fmt.Errorf("removing %s: %w", p.Object.ID, err)
		}
		removed = append(removed, p)
	}
	return removed, nil
}

// Gone reports whether work on a backup that was listed failed because it is there no more,
// as where somebody prunes at the same time, and not because the store or a key is not.
func (o *Opener) Gone(ctx context.Context, id string, err error) bool {
	if envelope.ClassOf(err) != envelope.NotFound {
		return false
	}
	list, err := o.Store.List(ctx)
	return err == nil && !slices.ContainsFunc(list, func(at store.Object) bool { return at.ID == id })
}
