package sandbox

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// sealer makes the encoded authorization messages that EC2's refusals carry, and
// opens them for sts:DecodeAuthorizationMessage.
type sealer struct{ aead cipher.AEAD }

func newSealer() sealer {
	key := make([]byte, 32)
	random(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("sandbox: " + err.Error()) // the key has a size that AES takes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("sandbox: " + err.Error())
	}
	return sealer{aead}
}

// message is the decoded form. AWS's has more members; these are the documented
// ones that the sandbox knows.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html.
type message struct {
	Allowed      bool `json:"allowed"`
	ExplicitDeny bool `json:"explicitDeny"`
	Context      struct {
		Principal struct {
			ID  string `json:"id"`
			ARN string `json:"arn"`
		} `json:"principal"`
		Action     string          `json:"action"`
		Resource   string          `json:"resource"`
		Conditions list[condition] `json:"conditions"`
	} `json:"context"`
}

// list is a list as the message has it.
type list[T any] struct {
	Items []T `json:"items"`
}

// condition is the values of a condition key.
type condition struct {
	Key    string      `json:"key"`
	Values list[value] `json:"values"`
}

type value struct {
	Value string `json:"value"`
}

// maxConditions is the length to which a message tells condition keys: STS decodes
// messages of 10,240 characters.
const maxConditions = 6000

// conditionsOf are the condition keys of what was refused, in order.
func conditionsOf(given estate.Given) (told []condition) {
	long := 0
	for i := range given {
		e := &given[i]
		if e.Value.Presence != policy.Present {
			continue
		}
		values := e.Value.Many
		if !e.Value.Multi {
			values = []string{e.Value.One}
		}
		k := condition{Key: e.Name}
		for _, v := range values {
			k.Values.Items = append(k.Values.Items, value{v})
			long += len(v) + len(`{"value":""},`)
		}
		if long += len(e.Name) + len(`{"key":"","values":{"items":[]}},`); long > maxConditions {
			break
		}
		told = append(told, k)
	}
	slices.SortFunc(told, func(a, b condition) int { return cmp.Compare(a.Key, b.Key) })
	return told
}

func (s sealer) close(d *gate.Denied) string {
	var m message
	m.ExplicitDeny = d.Decision.Effect.String() == "ExplicitDeny"
	m.Context.Action, m.Context.Conditions.Items = d.Action, []condition{}
	if d.Case != nil {
		m.Context.Principal.ID, m.Context.Principal.ARN = d.Case.Request.Caller.ID, d.Case.Request.Caller.Text
		m.Context.Resource = d.Case.Request.Resource
		m.Context.Conditions.Items = append(m.Context.Conditions.Items, conditionsOf(d.Case.Request.Context)...)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	nonce := make([]byte, s.aead.NonceSize())
	random(nonce)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, text, nil))
}

func (s sealer) open(encoded string) (string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(raw) < s.aead.NonceSize() {
		return "", false
	}
	text, err := s.aead.Open(nil, raw[:s.aead.NonceSize()], raw[s.aead.NonceSize():], nil)
	return string(text), err == nil
}
