package gate

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// ReadPolicy reads a policy that somebody puts into the sandbox, to the letter:
// JSON only, no element that the language does not know, nothing of another shape
// than AWS takes. A statement without Action or Resource passes only where loose
// is set, as KMS takes it.
func ReadPolicy(name, text string, loose bool) (*policy.Document, error) {
	if !json.Valid([]byte(text)) {
		return nil, errors.New("the policy is not valid JSON")
	}
	d, findings, err := policy.Read(name, []byte(text))
	if err != nil {
		return nil, err
	}
	d.Stored()
	for _, f := range findings {
		switch {
		case f.Rule == policy.RulePlaceholder || f.Rule == policy.RuleVersion:
		case f.Rule == policy.RuleIncomplete && loose:
		case f.Severity < finding.Error:
		default:
			return nil, errors.New(f.Text)
		}
	}
	return d, nil
}

// unreadable begins the text that stands for a policy that could not be read.
const unreadable = "unreadable: "

// TextOf is a policy of an estate as the sandbox stores it. One that could not be
// read is stored as its reason, which is no policy, so that nothing is decided by
// it.
func TextOf(d *estate.Document) string {
	if d.Source == nil {
		return unreadable + d.Unreadable
	}
	return d.Source.String()
}

// Document reads a policy that the sandbox holds already. One that cannot be read
// decides nothing, and says so.
func Document(name, text string) *estate.Document {
	if reason, ok := strings.CutPrefix(text, unreadable); ok {
		return &estate.Document{Unreadable: reason}
	}
	d, _, err := policy.Read(name, []byte(text))
	if err != nil {
		return &estate.Document{Unreadable: err.Error()}
	}
	d.Stored()
	return estate.NewDocument(d)
}
