package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

// Verified is what is known of a backup after it was looked at.
type Verified struct {
	Backup
	// Keys are the KMS keys that it lies under, each with what came of calling it.
	Keys []envelope.Opening
	// Others are the other ways in.
	Others []Other
	// Full is set when all of it was read, hashed and compared with its manifest.
	Full     bool
	Manifest archive.Manifest
	Header   archive.Header
	// Err is why it does not open, or is not whole; nil when it is good.
	Err error
	// Warnings are what may keep it from opening another day.
	Warnings []string
}

// Other is a way into a backup that is none of a KMS key: age's word for it, and whether an
// identity at hand opens it.
type Other struct {
	Type  string
	Opens bool
}

// Good reports whether it opens and, as far as it was looked at, is whole.
func (v *Verified) Good() bool { return v.Err == nil }

// Verify opens every way into a backup that can be tried from here. Quick, it reads the
// header and the end; full, all of it.
func (o *Opener) Verify(ctx context.Context, b *Backup, full bool) (v Verified) {
	v = Verified{Backup: *b, Full: full}
	if b.ID == (ID{}) {
		v.Err = envelope.Fail(envelope.NoKey, errForeign)
		return v
	}
	fileKey, err := o.tryKeys(ctx, &v)
	if err != nil {
		v.Err = err
		return v
	}
	defer clear(fileKey)
	identities := []age.Identity{age.NewInjectedFileKeyIdentity(fileKey)}
	if fileKey == nil {
		// Opened again as a restore does, they say together why none of them does it.
		if identities, v.Err = o.identities(ctx, b); v.Err != nil {
			return v
		}
	}
	if full {
		v.Err = o.readAll(ctx, &v, identities)
	} else {
		v.Err = o.readQuick(ctx, &v, identities)
	}
	return v
}

// readQuick reads the end. Where that is missing, the backup may have been rewrapped since
// its header was read, and has another size.
func (o *Opener) readQuick(ctx context.Context, v *Verified, identities []age.Identity) error {
	for {
		err := o.readEnd(ctx, v, identities)
		if envelope.ClassOf(err) != envelope.Truncated {
			return err
		}
		_, size, again := o.headAndSize(ctx, &v.Backup)
		if again != nil || size == v.Size {
			return err
		}
		v.Size = size
	}
}

// tryKeys reads the header and opens each of its stanzas. It returns the file key, nil when
// nothing at hand opens it.
func (o *Opener) tryKeys(ctx context.Context, v *Verified) (fileKey []byte, err error) {
	h, size, err := o.headAndSize(ctx, &v.Backup)
	if err != nil {
		return nil, err
	}
	v.Size = size // it may have been rewrapped since it was listed
	v.Others, fileKey = o.tryOthers(h)
	if slices.ContainsFunc(h.Stanzas, func(s envelope.Stanza) bool { return s.Type == envelope.StanzaType }) {
		allow, err := o.Allow(ctx)
		switch {
		case err == nil:
		case fileKey == nil:
			return nil, err
		default:
			// Whoever opens it without AWS need not be able to call it.
			v.Keys, v.Warnings = unasked(h, err), waysInto(h)
			return fileKey, nil
		}
		var underKMS []byte
		v.Keys, underKMS = envelope.OpenEach(ctx, o.KMS, allow, v.ID.Context(), h)
		if fileKey == nil {
			fileKey = underKMS
		}
	}
	v.Warnings = append(statesOf(v.Keys), waysInto(h)...)
	return fileKey, nil
}

// unasked are the keys of a header when nobody could be asked which of them may be called.
func unasked(h *envelope.Header, why error) (keys []envelope.Opening) {
	for i := range h.Stanzas {
		if s := &h.Stanzas[i]; s.KMS != nil {
			keys = append(keys, envelope.Opening{ARN: s.KMS.ARN, Err: fmt.Errorf("not called: %w", why)})
		}
	}
	return keys
}

// tryOthers opens each stanza that is of no KMS key by the identities at hand, and returns
// the file key, nil when none of them opens.
func (o *Opener) tryOthers(h *envelope.Header) (all []Other, fileKey []byte) {
	for i := range h.Stanzas {
		s := &h.Stanzas[i]
		if s.Type == envelope.StanzaType {
			continue
		}
		key := o.tryOther(h, s)
		all = append(all, Other{s.Type, key != nil})
		if fileKey == nil {
			fileKey = key
		} else {
			clear(key)
		}
	}
	return all, fileKey
}

func (o *Opener) tryOther(h *envelope.Header, s *envelope.Stanza) []byte {
	for _, id := range o.Native {
		key, err := id.Unwrap([]*age.Stanza{{Type: s.Type, Args: s.Args, Body: s.Body}})
		if err != nil {
			continue // when nothing opens it, opening it as a restore does says why
		}
		if _, err := age.DecryptHeader(h.Raw, age.NewInjectedFileKeyIdentity(key)); err == nil {
			return key
		}
		clear(key)
	}
	return nil
}

// head reads the header of a backup.
func (o *Opener) head(ctx context.Context, b *Backup) (*envelope.Header, error) {
	h, _, err := o.headAndSize(ctx, b)
	return h, err
}

// headAndSize reads the header, and how many bytes the backup has now.
func (o *Opener) headAndSize(ctx context.Context, b *Backup) (*envelope.Header, int64, error) {
	r, at, err := o.Store.Open(ctx, b.Object.ID, b.VersionID, 0)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	h, err := envelope.ReadHeader(r)
	return h, at.Size, err
}

func (o *Opener) readAll(ctx context.Context, v *Verified, identities []age.Identity) error {
	plain, r, err := o.openBy(ctx, &v.Backup, identities)
	if err != nil {
		return err
	}
	defer r.Close()
	if v.Header, v.Manifest, err = archive.Verify(ctx, plain, o.Limits); err != nil {
		return err
	}
	return sameBackup(&v.Header, &v.Backup)
}

// readEnd decrypts the last bytes, which tell whether the end is there.
func (o *Opener) readEnd(ctx context.Context, v *Verified, identities []age.Identity) error {
	at := &ranged{ctx: ctx, o: o, b: &v.Backup}
	plain, size, err := envelope.DecryptReaderAt(at, v.Size, identities...)
	if err != nil {
		var unopened *envelope.UnopenedError
		switch {
		case at.err != nil:
			return at.err
		case envelope.ClassOf(err) != "" || errors.As(err, &unopened) || cloud.KindOf(err) != cloud.Other:
			return err // AWS did not answer, or no key opens it
		}
		// What fails here has the right key, and not its end.
		return envelope.Fail(envelope.Truncated, errors.New("its end is missing, or was changed"))
	}
	end := make([]byte, len(archive.End()))
	if size < int64(len(end)) {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("it has %d bytes inside: no backup is so short", size))
	}
	if _, err := plain.ReadAt(end, size-int64(len(end))); err != nil && err != io.EOF {
		return fmt.Errorf("reading its end: %w", err)
	}
	if !bytes.Equal(end, archive.End()) {
		return envelope.Fail(envelope.Corrupt, errors.New("it does not end as a backup ends"))
	}
	return nil
}

// ranged reads parts of an object. It remembers how that failed.
type ranged struct {
	ctx context.Context
	o   *Opener
	b   *Backup
	err error
}

func (r *ranged) ReadAt(p []byte, from int64) (int, error) {
	if from >= r.b.Size {
		return 0, io.EOF
	}
	in, _, err := r.o.Store.Open(r.ctx, r.b.Object.ID, r.b.VersionID, from)
	if err != nil {
		r.err = err
		return 0, err
	}
	defer in.Close()
	n, err := io.ReadFull(in, p)
	switch {
	case err == io.ErrUnexpectedEOF:
		err = io.EOF
	case err != nil && err != io.EOF:
		r.err = err
	}
	return n, err
}

// Newest returns the newest good backup of what was verified, nil when none is.
func Newest(list []Verified) *Verified {
	var newest *Verified
	for i := range list {
		if v := &list[i]; v.Good() && (newest == nil || cmp.Compare(v.ID.Created.Unix(), newest.ID.Created.Unix()) > 0) {
			newest = v
		}
	}
	return newest
}
