package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	if loose {
		return ReadBut(name, text, policy.RuleIncomplete)
	}
	return ReadBut(name, text)
}

// ReadBut is ReadPolicy for who looks after some rules of package policy itself:
// what they report passes.
func ReadBut(name, text string, rules ...string) (*policy.Document, error) {
	if !json.Valid([]byte(text)) {
		return nil, errors.New("the policy is not valid JSON")
	}
	d, findings, err := policy.Read(name, []byte(text))
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		if f.Severity >= finding.Error && f.Rule != policy.RulePlaceholder && !slices.Contains(rules, f.Rule) {
			return nil, errors.New(f.Text)
		}
	}
	d.Stored()
	// What looks like a placeholder is no version either.
	if v := d.Version; v != nil && v.Text != policy.Version2008 && v.Text != policy.Version2012 {
		return nil, fmt.Errorf("version %q is none that AWS has", v.Text)
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
