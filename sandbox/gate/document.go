package gate

import (
	"encoding/json"
	"errors"

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

// Document reads a policy that the sandbox holds already. One that cannot be read
// decides nothing, and says so.
func Document(name, text string) *estate.Document {
	d, _, err := policy.Read(name, []byte(text))
	if err != nil {
		return &estate.Document{Unreadable: err.Error()}
	}
	d.Stored()
	return estate.NewDocument(d)
}
