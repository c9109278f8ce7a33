package envelope

import (
	"errors"

	"filippo.io/age"
)

// Mirror is a recipient that also opens what was encrypted for it in this process, so
// that a backup can be read back while it is written by somebody who may not open it.
// The file key stays in it.
type Mirror struct {
	age.Recipient
	key []byte
}

// NewMirror wraps a recipient.
func NewMirror(of age.Recipient) *Mirror { return &Mirror{Recipient: of} }

// Wrap is that of the recipient.
func (m *Mirror) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	m.key = append([]byte(nil), fileKey...)
	return m.Recipient.Wrap(fileKey)
}

// WrapWithLabels is that of the recipient, without labels when it has none.
func (m *Mirror) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	if r, ok := m.Recipient.(age.RecipientWithLabels); ok {
		m.key = append([]byte(nil), fileKey...)
		return r.WrapWithLabels(fileKey)
	}
	s, err := m.Wrap(fileKey)
	return s, nil, err
}

// Unwrap gives the file key of what was encrypted last.
func (m *Mirror) Unwrap([]*age.Stanza) ([]byte, error) {
	if m.key == nil {
		return nil, errors.New("nothing was encrypted yet")
	}
	return m.key, nil
}
