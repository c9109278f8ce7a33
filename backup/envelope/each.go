package envelope

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/age"
)

// Opening is what came of one stanza of a KMS key when every one of them was tried.
type Opening struct {
	// ARN is the key's, as the stanza has it. Called is the key that was called last,
	// empty when none was.
	ARN, Called string
	// Err says why it did not open; nil when it did.
	Err error
	// Key is what DescribeKey tells of the key called; KeyErr why it could not be asked,
	// which takes nothing from an opening.
	Key    Key
	KeyErr error
}

// OpenEach opens a file by every stanza of a KMS key, each by itself, as a verification
// does: that one of them works today says nothing of the day on which it is lost. It
// reports them in their order, and returns the file key, nil when none of them opened. The
// classes of the errors are those of KMSIdentity; a stanza whose file key is not the
// header's is Corrupt.
func OpenEach(ctx context.Context, kms KMS, allow AllowList, expect Context, h *Header) (all []Opening, fileKey []byte) {
	id := NewKMSIdentity(ctx, kms, allow, expect)
	for _, s := range h.Stanzas {
		if s.Type != StanzaType {
			continue
		}
		o, key := id.openOne(h.Raw, &age.Stanza{Type: s.Type, Args: s.Args, Body: s.Body})
		all = append(all, o)
		if fileKey == nil {
			fileKey = key
		} else {
			clear(key)
		}
	}
	return all, fileKey
}

func (i *KMSIdentity) openOne(raw []byte, s *age.Stanza) (o Opening, fileKey []byte) {
	w, _ := readStanza(s)
	o = Opening{ARN: w.ARN}
	fileKey, attempts := i.try(s)
	if fileKey == nil {
		o.Err = classify(&AttemptsError{attempts})
		o.Called = attempts[len(attempts)-1].Called
	} else {
		// The key that answered is the one after all that failed.
		o.Called = i.allow.Calls(w.ARN)[len(attempts)]
		if _, err := age.DecryptHeader(raw, age.NewInjectedFileKeyIdentity(fileKey)); err != nil {
			clear(fileKey)
			fileKey = nil
			o.Err = Fail(Corrupt, fmt.Errorf("%s: it holds a file key that is not the header's", w.ARN))
		}
	}
	if o.Called == "" {
		o.KeyErr = errors.New("not asked, since the key was not called")
		return o, fileKey
	}
	o.Key, o.KeyErr = i.kms.DescribeKey(i.ctx, o.Called)
	return o, fileKey
}
