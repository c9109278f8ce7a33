package sandbox

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"

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
		Action   string `json:"action"`
		Resource string `json:"resource"`
	} `json:"context"`
}

func (s sealer) close(d *gate.Denied) string {
	var m message
	m.ExplicitDeny = d.Decision.Effect.String() == "ExplicitDeny"
	m.Context.Action = d.Action
	if d.Case != nil {
		m.Context.Principal.ID, m.Context.Principal.ARN = d.Case.Request.Caller.ID, d.Case.Request.Caller.Text
		m.Context.Resource = d.Case.Request.Resource
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
