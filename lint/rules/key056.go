package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key056() Rule {
	return Rule{
		ID: "KEY056", Severity: finding.Warning,
		Title: "What is to prove access proves something else",
		Text: "DescribeKey shows that whoever calls may describe the key. The policy simulator knows no key policy, no grant and no other account. " +
			"Which of ciphertext and rights KMS looks at first is not documented, so an InvalidCiphertextException proves nothing.",
		Fix: "Make the call in question with `--dry-run`, as the principal in question; Decrypt and ReEncrypt take `--dry-run-modifiers IGNORE_CIPHERTEXT`. " +
			"What a service does for a principal stays unproven.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html",
		Check: weakProof,
		Fires: []Example{
			{"script.sh", "aws iam simulate-principal-policy --policy-source-arn arn:aws:iam::111122223333:role/app --action-names kms:Decrypt\n"},
			{"guide.md", "## Test cross-account access\n\n```bash\naws kms describe-key --key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
		},
		Silent: []Example{
			{"script.sh", "aws iam simulate-principal-policy --policy-source-arn arn:aws:iam::111122223333:role/app --action-names s3:GetObject\n"},
			{"guide.md", "## Look the key up\n\n```bash\naws kms describe-key --key-id alias/app\n```\n"},
			{"guide.md", "## Test cross-account access\n\n```bash\naws kms decrypt --dry-run --ciphertext-blob fileb://test.bin --key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
		},
	}
}

var (
	proving       = lazy.Regexp(`\b(verif\w+|test\w*|check\w*|validat\w+|confirm\w*|prov(e|es|ing)|ensure)\b.{0,60}\b(access|permissions?|can\b|able to|allowed|authori[sz]\w+|cross-account)`)
	garbageFile   = lazy.Regexp(`(?i)\b(test|dummy|garbage|fake|random|invalid|bogus|empty|junk|sample)`)
	surelyGarbage = lazy.Regexp(`(?i)\b(dummy|garbage|fake|bogus|junk)`)
	garbageSaid   = lazy.Regexp(`\b(without|no|not) (an? )?(actual|valid|real) ciphertext\b|invalidciphertextexception|\b(dummy|garbage|fake|random|bogus) (ciphertext|blob|data)\b|should not (give|return|be)\b.{0,30}\b(permission|access)`)
)

func weakProof(m *Material, r *Report) {
	for _, c := range m.Commands {
		switch {
		case c.Service == "iam" && strings.HasPrefix(c.Operation, "simulate-"):
			o := c.Option("--action-names")
			if o != nil && slices.ContainsFunc(o.Values, func(w Word) bool { return strings.HasPrefix(strings.ToLower(w.Text), "kms:") }) {
				r.Add(c.Pos, c.name(), "the simulator looks at the policies of the caller only: key policy, grants and the other account it does not know",
					"call the operation with --dry-run as the principal itself")
			}
		case c.Service != "kms":
		case c.Operation == "describe-key" && proving.MatchString(c.about()):
			r.Add(c.Pos, c.name(), "DescribeKey proves kms:DescribeKey for whoever runs it, and no other right of anybody else", "call the operation that is needed with --dry-run, as the principal that needs it")
		case c.Operation == "decrypt" && !c.has("--dry-run") && garbage(m, c):
			r.Add(c.Pos, c.name(), "which of ciphertext and rights is looked at first is not documented: an InvalidCiphertextException proves no right",
				"use --dry-run --dry-run-modifiers IGNORE_CIPHERTEXT with --key-id")
		}
	}
}

// garbage reports whether a command decrypts what no command encrypted, and
// what by its name or by the comment is no ciphertext.
func garbage(m *Material, c *Command) bool {
	w, ok := c.Value("--ciphertext-blob")
	if !ok {
		return false
	}
	for _, other := range m.Commands {
		if file, _ := written(other); file != "" && plainFile(file) == plainFile(w.Text) {
			return false
		}
	}
	if !strings.HasPrefix(w.Text, "fileb://") {
		// No ciphertext of KMS is that short.
		return !w.Unknown && len(w.Text) > 0 && len(w.Text) < 100 && !strings.HasPrefix(w.Text, "file://")
	}
	said := garbageSaid.MatchString(c.about()) || surelyGarbage.MatchString(plainFile(w.Text))
	return said || garbageFile.MatchString(plainFile(w.Text)) && proving.MatchString(c.about())
}
