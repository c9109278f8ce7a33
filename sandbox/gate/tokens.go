package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/keyreach/keyreach/sandbox/state"
)

// Tokens remembers what requests with an idempotency token made, so that one that is
// repeated makes nothing twice.
type Tokens struct{ made *state.Table[made] }

type made struct{ Print, ID string }

// NewTokens adds the tokens of a service to a DB.
func NewTokens(db *state.DB, service string) *Tokens {
	return &Tokens{state.NewTable[made](db, service+".tokens", nil)}
}

// Outcomes of Seen.
const (
	// New is a token that was not used before, or none.
	New = iota
	// Same is one that was used with the same parameters.
	Same
	// Other is one that was used with other parameters.
	Other
)

// Seen tells whether the caller's account used a token before, and what was made
// then. In is the request, which is compared as a whole.
func (t *Tokens) Seen(c *Call, token *string, in any) (id string, outcome int) {
	if token == nil || *token == "" {
		return "", New
	}
	m := t.made.Get(t.row(c, *token))
	switch {
	case m == nil:
		return "", New
	case m.Print == whole(in):
		return m.ID, Same
	}
	return m.ID, Other
}

// Keep remembers what a request with a token made. It is called in Update.
func (t *Tokens) Keep(c *Call, token *string, in any, id string) {
	if token != nil && *token != "" {
		t.made.Put(t.row(c, *token), &made{whole(in), id})
	}
}

func (t *Tokens) row(c *Call, token string) string {
	return state.Key(c.Caller.Account, c.Region, c.Operation, token)
}

// whole is short and different for requests that differ.
func whole(in any) string {
	text, err := json.Marshal(in)
	if err != nil {
		panic("gate: a request cannot be JSON: " + err.Error()) // the SDK's types can
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
