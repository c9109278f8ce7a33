package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
)

// ErrPassphraseAlone is why a passphrase stands beside no other recipient: whoever opens a
// file with a passphrase relies on nobody having written it who does not know it. See
// https://age-encryption.org/v1, "Recipient types".
var ErrPassphraseAlone = errors.New("a passphrase has to be the only recipient of a backup: to have a passphrase beside KMS keys, take an age identity that is itself encrypted with the passphrase")

// Encrypt returns a writer that encrypts to dst what is written to it, for all the
// recipients. The header is written at once, so failures of KMS come from here. Without
// Close the file is not whole. Recipients for KMS keys take on the labels of the native
// ones beside them.
func Encrypt(dst io.Writer, recipients ...age.Recipient) (io.WriteCloser, error) {
	recipients, err := agree(recipients)
	if err != nil {
		return nil, err
	}
	named := make([]age.Recipient, len(recipients))
	for i, r := range recipients {
		named[i] = &telling{Recipient: r}
	}
	w, err := age.Encrypt(dst, named...)
	for _, r := range named {
		if failed := r.(*telling).failed; failed != nil {
			err = failed // without the number that age gives the recipient
		}
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return w, nil
}

// telling keeps what a recipient failed with: age names recipients by numbers that
// nobody gave them.
type telling struct {
	age.Recipient
	failed error
}

// WrapWithLabels implements age.RecipientWithLabels.
func (t *telling) WrapWithLabels(fileKey []byte) (stanzas []*age.Stanza, labels []string, err error) {
	if r, ok := t.Recipient.(age.RecipientWithLabels); ok {
		stanzas, labels, err = r.WrapWithLabels(fileKey)
	} else {
		stanzas, err = t.Wrap(fileKey)
	}
	t.failed = err
	return stanzas, labels, err
}

// KMSRecipient wraps a file key under KMS keys. It implements age.RecipientWithLabels.
type KMSRecipient struct {
	ctx     context.Context
	kms     KMS
	keys    []string
	context Context
	min     int
	failed  func(key string, err error)
	labels  []string
}

// NewKMSRecipient returns a recipient that wraps the file key under every one of the keys,
// given as ARNs of keys or aliases, in the encryption context. All have to succeed, or
// where min is above 0 at least so many; of the others failed is told, which may be nil.
func NewKMSRecipient(ctx context.Context, kms KMS, keys []string, c Context, min int, failed func(key string, err error)) *KMSRecipient {
	if failed == nil {
		failed = func(string, error) {}
	}
	return &KMSRecipient{ctx: ctx, kms: kms, keys: keys, context: c, min: min, failed: failed}
}

// Labeled returns the recipient with the labels that others beside it have: age mixes
// only recipients of equal labels. What KMS makes is AES-256-GCM, so a file key under it
// is as safe from quantum computers as the label postquantum says. See
// https://docs.aws.amazon.com/kms/latest/cryptographic-details/crypto-primitives.html.
func (r *KMSRecipient) Labeled(labels []string) *KMSRecipient {
	c := *r
	c.labels = slices.Clone(labels)
	return &c
}

// Wrap implements age.Recipient.
func (r *KMSRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	s, _, err := r.WrapWithLabels(fileKey)
	return s, err
}

// WrapWithLabels implements age.RecipientWithLabels: one stanza for each key. An error
// keeps the *cloud.Error of every call that failed.
func (r *KMSRecipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	need, err := r.need()
	if err != nil {
		return nil, nil, err
	}
	var stanzas []*age.Stanza
	var failures []error
	seen := map[string]bool{}
	for _, key := range r.keys {
		s, arn, err := r.wrap(key, fileKey)
		if err != nil {
			failures = append(failures, fmt.Errorf("wrapping the file key under %s: %w", key, err))
			r.failed(key, err)
			continue
		}
		// An alias and its key are one way in, not two.
		if !seen[arn] {
			seen[arn] = true
			stanzas = append(stanzas, s)
		}
	}
	switch {
	case r.min <= 0 && len(failures) > 0:
		return nil, nil, errors.Join(failures...)
	case r.min > 0 && len(stanzas) < need:
		return nil, nil, errors.Join(append(failures, fmt.Errorf("the file key is under %d different keys, %d are required", len(stanzas), need))...)
	}
	return stanzas, slices.Clone(r.labels), nil
}

func (r *KMSRecipient) need() (int, error) {
	switch {
	case len(r.keys) == 0:
		return 0, errors.New("wrapping the file key: no KMS key is named")
	case r.min > len(r.keys):
		return 0, fmt.Errorf("wrapping the file key: at least %d keys are required, only %d are named", r.min, len(r.keys))
	}
	if err := ours(r.context); err != nil {
		return 0, fmt.Errorf("wrapping the file key: %w", err)
	}
	return max(r.min, 1), nil
}

func (r *KMSRecipient) wrap(key string, fileKey []byte) (*age.Stanza, string, error) {
	blob, arn, err := r.kms.Encrypt(r.ctx, key, fileKey, r.context)
	if err != nil {
		return nil, "", err
	}
	if len(blob) == 0 || len(blob) > maxBlob {
		return nil, "", fmt.Errorf("kms:Encrypt answered with %d bytes that are no ciphertext", len(blob))
	}
	s, err := Wrapped{ARN: arn, Context: r.context, Blob: blob}.stanza()
	return s, arn, err
}

// Recipients joins native recipients of age and those of KMS keys so that age takes them
// together: the latter take on the labels of the former. It fails with
// ErrPassphraseAlone, or when the native ones disagree among themselves, as age1… and
// age1pq… do.
func Recipients(native []age.Recipient, kms ...*KMSRecipient) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, r := range kms {
		all = append(all, r)
	}
	return agree(append(all, native...))
}

func agree(all []age.Recipient) ([]age.Recipient, error) {
	if len(all) > 1 && slices.ContainsFunc(all, isPassphrase) {
		return nil, ErrPassphraseAlone
	}
	if len(all) == 0 {
		return nil, errors.New("no recipient: a backup that nobody can open is none")
	}
	if len(all) == 1 {
		return all, nil
	}
	labels, err := labelsOf(all)
	if err != nil {
		return nil, err
	}
	agreed := slices.Clone(all)
	for i, r := range agreed {
		k, ok := bare(r).(*KMSRecipient)
		if m, mirrored := r.(*Mirror); ok && mirrored {
			m.Recipient = k.Labeled(labels) // whoever has it opens by it
		} else if ok {
			agreed[i] = k.Labeled(labels)
		}
	}
	return agreed, nil
}

// labelsOf asks the recipients that are not of KMS for their labels. Labels come only with
// a wrapping, so a file key that is used for nothing is wrapped.
func labelsOf(all []age.Recipient) ([]string, error) {
	var labels []string
	first := true
	for _, r := range all {
		if _, ok := bare(r).(*KMSRecipient); ok {
			continue // nor is KMS called for a file key that is used for nothing
		}
		var own []string
		if l, ok := r.(age.RecipientWithLabels); ok {
			var err error
			if _, own, err = l.WrapWithLabels(make([]byte, fileKeySize)); err != nil {
				return nil, fmt.Errorf("asking a recipient for its labels: %w", err)
			}
			own = slices.Clone(own)
			slices.Sort(own)
		}
		if !first && !slices.Equal(labels, own) {
			return nil, fmt.Errorf("the recipients cannot be mixed: one is labelled %q and another %q (age1… and age1pq… stand in no file together, since the weaker would undo the stronger)", labels, own)
		}
		labels, first = own, false
	}
	return labels, nil
}

// bare is what a mirror is of.
func bare(r age.Recipient) age.Recipient {
	if m, ok := r.(*Mirror); ok {
		return m.Recipient
	}
	return r
}

func isPassphrase(r age.Recipient) bool {
	switch bare(r).(type) {
	case *age.ScryptRecipient, *PassphraseRecipient:
		return true
	}
	return false
}
