package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key111() Rule {
	return Rule{
		ID: "KEY111", Severity: finding.Warning,
		Title: "Ciphertext of one's own without an encryption context",
		Text: "An encryption context binds ciphertext to what it belongs to: it has to be given again to decrypt, stands in CloudTrail, and " +
			"policies can ask for it. Without one, whoever may decrypt one thing under the key may decrypt all.",
		Fix:   "Pass an encryption context, such as the purpose and the name of what is encrypted.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#encrypt_context",
		Check: noContext,
		Fires: []Example{{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s\n"}},
		Silent: []Example{
			{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s --encryption-context purpose=backup\n"},
			{"script.sh", "aws kms encrypt --key-id alias/rsa --encryption-algorithm RSAES_OAEP_SHA_256 --plaintext fileb://s\n"},
		},
	}
}

var (
	encryptCall = lazy.Regexp(`\bkms\w*\.(encrypt|generate_data_key|generateDataKey)\(|\bnew (?:Encrypt|GenerateDataKey|GenerateDataKeyWithoutPlaintext)Command\(`)
	contextPart = lazy.Regexp(`EncryptionContext|EncryptionAlgorithm`)
)

// noContext reports the first such command of a script.
func noContext(m *Material, r *Report) {
	told := map[int]bool{}
	for _, c := range m.Commands {
		encrypts := c.Is("kms", "encrypt") || c.Is("kms", "generate-data-key") || c.Is("kms", "generate-data-key-without-plaintext")
		algorithm, _ := c.Value("--encryption-algorithm")
		if !encrypts || told[c.Script] || c.has("--encryption-context", "--dry-run") || c.told() || len(c.Options) == 0 || strings.HasPrefix(algorithm.Text, "RSA") {
			continue
		}
		told[c.Script] = true
		r.Add(c.Pos, c.name(), "the ciphertext is bound to nothing: whoever may decrypt under the key may decrypt it, whatever it is", "add --encryption-context purpose=…")
	}
	for _, code := range m.Code {
		if at := encryptCall.FindStringIndex(code.Text); at != nil && !contextPart.MatchString(code.Text) {
			r.Add(code.at(at[0]), "", "the ciphertext is bound to nothing: whoever may decrypt under the key may decrypt it, whatever it is", "pass EncryptionContext")
		}
	}
}
