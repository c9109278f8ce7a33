package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// LeftAfter is the age at which what an interrupted backup has left is swept.
const LeftAfter = 48 * time.Hour

// Source is what is backed up.
type Source interface {
	// Kind is etcd, step-ca or files.
	Kind() string
	// Fingerprint is another when what is there is another; empty when that cannot be told.
	Fingerprint(ctx context.Context) (string, error)
	// Write puts all of it into the archive, and returns what whoever relies on the backup
	// should know.
	Write(ctx context.Context, w *archive.Writer) (warnings []string, err error)
}

// Creation makes a backup.
type Creation struct {
	Source Source
	Store  store.Store
	// Name tells it from others of the kind.
	Name string
	// Recipients are who can open it, given its id.
	Recipients func(id ID) ([]age.Recipient, error)
	Tool       string // "keyreach 1.0"
	Now        func() time.Time
	// Seen is what is remembered of the last backup of the series. With Retention, how long
	// backups are kept, an unchanged source is passed over while the last one is there and
	// has half of that time before it. Zero never passes over.
	Seen      Seen
	Retention time.Duration
	// Under are the keys and recipients by the names that they are given by: under others,
	// an unchanged source is backed up again.
	Under []string
	// Opens, when set, reports whether what opens the new backup opens the last one too:
	// passphrases have no names.
	Opens func(ctx context.Context, last *Backup) bool
	// Progress, when set, is told how many bytes were written so far.
	Progress func(written int64)
}

// Seen is what is remembered of the last backup of a series, outside of its store.
type Seen struct {
	ID          string    `json:"id"`
	Fingerprint string    `json:"fingerprint"`
	VersionID   string    `json:"version_id,omitempty"`
	Size        int64     `json:"size,omitempty"`
	Created     time.Time `json:"created"`
	Under       []string  `json:"under,omitempty"`
}

// is reports whether what is stored is what was made, as far as a listing tells: one that
// was cut since does not do as well as a new one.
func (s *Seen) is(o *store.Object) bool {
	return o.ID == s.ID && (o.VersionID == "" || o.VersionID == s.VersionID) && // a bucket lists without versions
		(s.Size == 0 || o.Size == s.Size)
}

// Made is a backup that was made, or the last one when nothing had changed since.
type Made struct {
	store.Object
	Unchanged bool             `json:"unchanged,omitempty"`
	Recent    bool             `json:"recent,omitempty"`
	Kind      string           `json:"kind"`
	Name      string           `json:"name"`
	Created   time.Time        `json:"created"`
	Manifest  archive.Manifest `json:"manifest,omitzero"`
	Warnings  []string         `json:"warnings,omitempty"`
	Seen      Seen             `json:"-"`
}

// Run makes it. What is written is read back, decrypted and compared while it is written;
// nothing is in the store before all of that is well.
func (c *Creation) Run(ctx context.Context) (Made, error) {
	print, err := c.fingerprint(ctx)
	if err != nil {
		return Made{}, fmt.Errorf("reading what is to be backed up: %w", err)
	}
	if made, ok := c.unchanged(ctx, print); ok {
		return made, nil
	}
	id := NewID(c.Source.Kind(), c.Name, c.Now())
	recipients, err := c.Recipients(id)
	if err != nil {
		return Made{}, err
	}
	// What killed ones have left would fill the store; whoever may not sweep still backs up.
	_, _ = c.Store.Sweep(ctx, LeftAfter)
	w, err := c.Store.Create(ctx, id.String())
	if err != nil {
		return Made{}, fmt.Errorf("beginning %s in %s: %w", id, c.Store, err)
	}
	m, warnings, err := c.write(ctx, w, id, recipients)
	if err != nil {
		return Made{}, errors.Join(fmt.Errorf("writing %s: %w", id, err), abort(ctx, w))
	}
	o, err := w.Commit(ctx)
	if err != nil {
		return Made{}, errors.Join(fmt.Errorf("completing %s in %s: %w", id, c.Store, err), abort(ctx, w))
	}
	return Made{Object: o, Kind: id.Kind, Name: id.Name, Created: id.Created, Manifest: m, Warnings: warnings, Seen: Seen{id.String(), print, o.VersionID, o.Size, id.Created, c.Under}}, nil
}

// abort gives up a backup although the work may have been interrupted.
func abort(ctx context.Context, w store.Writer) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	if err := w.Abort(ctx); err != nil {
		return fmt.Errorf("removing what was written of it: %w", err)
	}
	return nil
}

// fingerprint reads the source beforehand, where an unchanged one may be passed over.
func (c *Creation) fingerprint(ctx context.Context) (string, error) {
	if c.Retention <= 0 {
		return "", nil
	}
	return c.Source.Fingerprint(ctx)
}

// unchanged finds the last backup when it does as well as a new one.
func (c *Creation) unchanged(ctx context.Context, print string) (Made, bool) {
	age := c.Now().Sub(c.Seen.Created)
	if c.Retention <= 0 || print == "" || print != c.Seen.Fingerprint || age >= c.Retention/2 || age < 0 { // below 0 a clock was wrong, then or now
		return Made{}, false
	}
	if !slices.Equal(c.Under, c.Seen.Under) {
		return Made{}, false
	}
	list, err := c.Store.List(ctx)
	if err != nil {
		return Made{}, false // a new one finds out why
	}
	for _, o := range list {
		if c.Seen.is(&o) {
			if last := At(o); c.Opens != nil && (last.ID == ID{} || !c.Opens(ctx, &last)) {
				return Made{}, false
			}
			return Made{Object: o, Unchanged: true, Kind: c.Source.Kind(), Name: CleanName(c.Name), Created: c.Seen.Created, Seen: c.Seen}, true
		}
	}
	return Made{}, false
}

// Recent finds a backup of the series that is younger than the interval, whoever made it:
// of several machines that have the same, one makes the backup. A time that is yet to come
// counts for nothing, and so does a store that cannot be listed: Run finds out why.
func (c *Creation) Recent(ctx context.Context, interval time.Duration) (Made, bool) {
	if interval <= 0 {
		return Made{}, false
	}
	list, err := List(ctx, c.Store, Select{Kind: c.Source.Kind(), Name: c.Name})
	if err != nil {
		return Made{}, false
	}
	for i := range list {
		b := &list[i]
		if age := c.Now().Sub(b.ID.Created); !b.ID.Ahead(c.Now()) && age < interval {
			return Made{Object: b.Object, Recent: true, Kind: b.ID.Kind, Name: b.ID.Name, Created: b.ID.Created}, true
		}
	}
	return Made{}, false
}

func (c *Creation) write(ctx context.Context, w io.Writer, id ID, recipients []age.Recipient) (m archive.Manifest, warnings []string, err error) {
	if len(recipients) == 0 {
		return m, nil, errors.New("nothing says who can open it")
	}
	mirror := envelope.NewMirror(recipients[0])
	recipients = append([]age.Recipient{mirror}, recipients[1:]...)
	back := readBack(ctx, mirror)
	defer back.stop()
	out := &counter{to: io.MultiWriter(w, back), told: c.Progress, head: &bytes.Buffer{}}
	enc, err := envelope.Encrypt(out, recipients...)
	if err != nil {
		return m, nil, err
	}
	few, err := out.ways()
	if err != nil {
		return m, nil, err
	}
	aw, err := archive.NewWriter(enc, archive.Header{Tool: c.Tool, ID: id.String(), Kind: id.Kind, Name: id.Name, Created: id.Created})
	if aw != nil {
		defer aw.Abandon() // what is written to w after it was given up would stay
	}
	if err == nil {
		warnings, err = c.Source.Write(ctx, aw)
	}
	if err == nil {
		m, err = aw.Close()
	}
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		return m, nil, back.cause(err)
	}
	read, err := back.end()
	if err != nil {
		return m, nil, fmt.Errorf("reading back what was written: %w", err)
	}
	if !slices.Equal(read.Entries, m.Entries) {
		return m, nil, errors.New("reading back what was written: another thing came back than was written; nothing was stored: try again, and suspect the memory of this machine")
	}
	return m, append(warnings, few...), ctx.Err()
}

// counter counts what passes, and keeps the header.
type counter struct {
	to   io.Writer
	n    int64
	told func(int64)
	head *bytes.Buffer // nil when the header has passed
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	if c.head != nil {
		c.head.Write(b[:n])
	}
	if c.n += int64(n); c.told != nil {
		c.told(c.n)
	}
	return n, err
}

// ways warns of too few ways into what was written, of which no more than the header may
// have passed.
func (c *counter) ways() ([]string, error) {
	h, err := envelope.ReadHeader(c.head)
	if err != nil {
		return nil, fmt.Errorf("reading back what was written: %w", err)
	}
	c.head = nil
	return waysInto(h), nil
}
