package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/estate"
)

type verifyFlags struct {
	backupFlags
	quick, full, all bool
	maxAge           string
}

func newBackupVerify(s *streams) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify [ID]",
		Short: "Prove that a backup opens, by every key that it lies under",
		Long: `Open every way into the newest backup, or those meant, that can be tried from here,
and say which cannot. --quick reads the header and the end, --full (the default) all
of it: every file is compared with its hash. Nothing is written to disk.

With --max-age, each series (a kind and a name) has to have a good backup that is no
older; with a route, its max_age is that age.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return onBackup(c, s, args, &f) },
	}
	fs := c.Flags()
	f.addBackup(fs)
	fs.BoolVar(&f.quick, "quick", false, "read the header and the end only")
	fs.BoolVar(&f.full, "full", false, "read all of it (the default)")
	fs.BoolVar(&f.all, "all", false, "verify every backup of the store, or of the series")
	fs.StringVar(&f.maxAge, "max-age", "", "fail when the newest good backup of a series is older than this `TIME`, such as 26h or 7d")
	c.MarkFlagsMutuallyExclusive("quick", "full")
	return c
}

func (f *verifyFlags) run(ctx context.Context, s *streams, id string) error {
	if f.all && id != "" {
		return misuse(errors.New("an id and --all exclude each other"))
	}
	oldest, err := optionalDuration("--max-age", f.maxAge)
	if err != nil {
		return err
	}
	at, err := f.openStore(ctx, false)
	if err != nil {
		return err
	}
	o, err := f.opener(ctx, s, at)
	if err != nil {
		return err
	}
	want := f.meant(at, id)
	list, err := backup.List(ctx, at, want)
	if err != nil {
		return backupFailure(err)
	}
	if len(list) == 0 {
		_, err := backup.First(list, at, want)
		return backupFailure(err)
	}
	show := newMeter(s.err, "read")
	o.Progress = show.of
	done := f.verify(ctx, o, list, oldest > 0)
	show.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	wrong := staleness(done, oldest)
	if err := f.print(s, done, wrong); err != nil {
		return err
	}
	return verdict(done, wrong, oldest > 0 && !f.all && id == "")
}

// verify looks at all backups, or at the newest: with a greatest age, at the newest of each
// series that is good. What is taken away meanwhile is passed over where there is another.
func (f *verifyFlags) verify(ctx context.Context, o *backup.Opener, list []backup.Backup, wantGood bool) []backup.Verified {
	var done []backup.Verified
	found := map[string]bool{} // the series of which a good one was seen
	for i := range list {
		series := list[i].ID.Series()
		if !f.all && found[series] {
			continue
		}
		v := o.Verify(ctx, &list[i], !f.quick)
		if another := len(done) > 0 || i < len(list)-1; another && o.Gone(ctx, v.Object.ID, v.Err) {
			continue
		}
		ahead := v.ID.Ahead(time.Now())
		if ahead {
			v.Warnings = append(v.Warnings, "its time is yet to come: the clock was wrong that made it, or this one is; it does not count for --max-age")
		}
		done = append(done, v)
		found[series] = found[series] || v.Good() && !ahead
		if ctx.Err() != nil || !f.all && !wantGood {
			break
		}
	}
	return done
}

// stale are the series whose newest good backup is too old or not there, each with what is
// wrong. What has not the name of a backup is of none.
type stale map[string]string

func (s stale) String() string {
	var all []string
	for _, series := range slices.Sorted(maps.Keys(s)) {
		all = append(all, s[series])
	}
	return strings.Join(all, "; ")
}

// staleness says what is wrong with the age of the newest good backup of each series.
func staleness(done []backup.Verified, oldest time.Duration) stale {
	wrong := stale{}
	if oldest == 0 {
		return wrong
	}
	bySeries := map[string][]backup.Verified{}
	for _, v := range done {
		if v.ID != (backup.ID{}) {
			bySeries[v.ID.Series()] = append(bySeries[v.ID.Series()], v)
		}
	}
	if len(bySeries) == 0 {
		wrong[backup.ID{}.Series()] = "no backup is good"
	}
	for series, list := range bySeries {
		of := ""
		if len(bySeries) > 1 {
			of = " of " + list[0].ID.Kind + " " + list[0].ID.Name
		}
		if text := tooOld(list, oldest, of); text != "" {
			wrong[series] = text
		}
	}
	return wrong
}

func tooOld(list []backup.Verified, oldest time.Duration, of string) string {
	now := time.Now()
	newest := backup.Newest(slices.DeleteFunc(slices.Clone(list), func(v backup.Verified) bool { return v.ID.Ahead(now) }))
	switch {
	case newest == nil && backup.Newest(list) != nil:
		return "the only good backups" + of + " have a time that is yet to come"
	case newest == nil:
		return "no backup" + of + " is good"
	}
	if age := now.Sub(newest.ID.Created); age > oldest {
		most := backup.Age(oldest)
		if oldest < time.Minute {
			most = oldest.String()
		}
		return fmt.Sprintf("the newest good backup, %s, is %s old, which is more than %s", newest.Object.ID, backup.Age(age), most)
	}
	return ""
}

// verdict is the failure of the first that is not good. Where the newest good one was
// looked for, those that are newer and not good do not count once it is young enough.
func verdict(done []backup.Verified, wrong stale, searched bool) error {
	for i := range done {
		v := &done[i]
		if _, isStale := wrong[v.ID.Series()]; !v.Good() && (isStale || !searched) {
			return backupFailure(fmt.Errorf("%s: %w", v.Object.ID, v.Err))
		}
	}
	if len(wrong) > 0 {
		return failure(errors.New(wrong.String())).hinting("make one: keyreach backup create; of several series in one store, --kind and --name ask for one")
	}
	return nil
}

type verifiedView struct {
	backupView
	Good     bool      `json:"good"`
	Full     bool      `json:"full"`
	Class    string    `json:"class,omitempty"`
	Error    string    `json:"error,omitempty"`
	Keys     []keyView `json:"keys"`
	Verified time.Time `json:"verified"`
}

func (f *verifyFlags) print(s *streams, done []backup.Verified, wrong stale) error {
	now := time.Now().UTC().Truncate(time.Second)
	if f.format.format != textFormat {
		out := struct {
			FormatVersion int            `json:"format_version"`
			Store         string         `json:"store"`
			Stale         string         `json:"stale,omitempty"`
			Backups       []verifiedView `json:"backups"`
		}{estate.FormatVersion, f.at, wrong.String(), []verifiedView{}}
		for i := range done {
			out.Backups = append(out.Backups, verifiedViewOf(&done[i], now))
		}
		return f.format.writeLine(s.out, out)
	}
	p := &printer{w: s.out}
	for i := range done {
		printVerified(p, &done[i], now)
	}
	return p.err
}

func verifiedViewOf(v *backup.Verified, now time.Time) verifiedView {
	out := verifiedView{backupView: storedView(&v.Backup), Good: v.Good(), Full: v.Full, Keys: keysView(v), Verified: now}
	out.contents(&v.Manifest)
	out.Warnings = v.Warnings
	if v.Err != nil {
		out.Class, out.Error = string(envelope.ClassOf(v.Err)), oneLine(v.Err)
	}
	return out
}

// agoText is how long ago something was, or that it is yet to come.
func agoText(since time.Duration) string {
	if since < -time.Minute {
		return backup.Age(-since) + " from now"
	}
	return backup.Age(since) + " ago"
}

func printVerified(p *printer, v *backup.Verified, now time.Time) {
	word := "GOOD"
	if !v.Good() {
		word = "NOT GOOD"
	}
	p.line(0, 0, "%s: %s", v.Object.ID, word)
	if v.ID != (backup.ID{}) {
		p.line(2, 0, "made %s, %s, %s in %s", clockText(v.ID.Created), agoText(now.Sub(v.ID.Created)), bytesText(v.Size), v.Location)
	}
	for _, k := range keysView(v) {
		what := k.Type
		if k.Key != "" {
			what = "key " + k.Key
			if k.Called != "" {
				what += ", by its replica " + k.Called
			}
			if k.State != "" {
				what += " (" + k.State + ")"
			}
		}
		if k.Opens {
			p.line(2, len("opens      "), "opens      %s", what)
		} else {
			p.line(2, len("not opened "), "not opened %s: %s", what, k.Error)
		}
	}
	switch {
	case v.Err != nil && len(v.Keys) > 0:
		text, _, _ := strings.Cut(v.Err.Error(), "\n") // the keys are told above
		p.line(2, 0, "%s", text)
	case v.Err != nil:
		p.line(2, 0, "%s", oneLine(v.Err))
	case v.Full:
		var c backupView
		c.contents(&v.Manifest)
		p.line(2, 0, "all of it was read: %s, %s, each with its hash", count(c.Files, "file"), bytesText(c.Bytes))
	default:
		p.line(2, 0, "its header and its end were read; --full reads all of it")
	}
	for _, w := range v.Warnings {
		p.line(2, len("WARNING: "), "WARNING: %s", w)
	}
}
