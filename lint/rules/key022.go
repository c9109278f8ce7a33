package rules

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

func key022() Rule {
	return Rule{
		ID: "KEY022", Severity: finding.Critical,
		Title: "The key is Disabled, PendingImport or Unavailable",
		Text: "In these states KMS refuses to encrypt and decrypt with the key, whatever the policies allow. " +
			"Policies and grants can be looked at, changed and revoked meanwhile; in the first two states no new grant can be made. " +
			"After CancelKeyDeletion a key is Disabled.",
		Fix:   "Enable the key (EnableKey), import its material again, or connect its key store.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
		Check: outOfUse,
		Fires: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "state": "Disabled"}],
  "resources": [{"type": "ec2:Snapshot", "id": "snap-0123456789abcdef0", "account": "111122223333", "region": "eu-west-1",
    "key": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
}`}, {"script.sh", `aws kms cancel-key-deletion --key-id 1234abcd-12ab-34cd-56ef-1234567890ab
aws kms decrypt --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --ciphertext-blob fileb://secret.bin
`}, {"main.tf", `resource "aws_kms_key" "data" {
  description = "data"
  is_enabled  = false
}
`}},
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "state": "Enabled"}]
}`}, {"script.sh", `aws kms cancel-key-deletion --key-id 1234abcd-12ab-34cd-56ef-1234567890ab
aws kms enable-key --key-id 1234abcd-12ab-34cd-56ef-1234567890ab
aws kms decrypt --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --ciphertext-blob fileb://secret.bin
`}, {"main.tf", `variable "enabled" {
  default = false
}

resource "aws_kms_key" "data" {
  is_enabled = var.enabled
}
`}},
	}
}

// outOfUse reports keys that KMS does nothing with, and keys whose state no
// policy tells.
func outOfUse(m *Material, r *Report) {
	for _, k := range m.Keys {
		switch {
		case k.Manager == "AWS":
		case k.Resource != nil:
			declaredDisabled(k, r)
		case m.Estate != nil:
			stateOutOfUse(m, k, r)
			keyStore(k, r)
		}
	}
	for _, u := range m.stateUses() {
		if u.state != awsfacts.Disabled {
			continue
		}
		r.AddAs(finding.Error, u.command.Pos, "", "kms:"+u.action+" is refused here: since "+u.cause.Operation+" the key is Disabled",
			"call enable-key before it")
	}
}

func stateOutOfUse(m *Material, k *Key, r *Report) {
	var fix string
	switch awsfacts.KeyState(k.State) {
	case awsfacts.Disabled:
		fix = "call EnableKey"
	case awsfacts.PendingImport:
		fix = "import the key material again (GetParametersForImport, ImportKeyMaterial)"
	case awsfacts.Unavailable:
		fix = "connect the key store (ConnectCustomKeyStore), and see that it answers"
	default:
		return
	}
	text := "the key is " + k.State + ": KMS refuses to encrypt and decrypt with it"
	d := dependantsOf(m.Estate, k)
	if words := d.words(); words != "" {
		text += ". On it hang " + words
	}
	sev := finding.Warning
	if d.any() {
		sev = finding.Critical
	}
	r.AddAs(sev, k.Pos, k.Name, text, fix)
}

// keyStore reports a key whose material is kept elsewhere: what the policies
// allow still needs that store to answer.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-store-overview.html.
func keyStore(k *Key, r *Report) {
	var store string
	switch k.Origin {
	case "EXTERNAL_KEY_STORE":
		store = "an external key store"
	case "AWS_CLOUDHSM":
		store = "a CloudHSM key store"
	default:
		return
	}
	r.AddAs(finding.Info, k.Pos, k.Name,
		"the key is in "+store+": what is proven is that its use is authorized, not that the store answers on the day",
		"rehearse with the store as it will be on the day, or keep a second copy under a key of AWS KMS")
}

// declaredDisabled reports a template that makes a key nobody can use. Somebody
// may mean it, so it is a warning.
func declaredDisabled(k *Key, r *Report) {
	for _, name := range []string{"is_enabled", "enabled", "Enabled", "isEnabled"} {
		v := k.Resource.Body.Field(name)
		if v == nil || v.Kind != source.Bool && v.Kind != source.String || !strings.EqualFold(v.Text, "false") {
			continue
		}
		at := k.Pos
		if v.Pos.Line > 0 {
			at.Line, at.Column = int(v.Pos.Line), int(v.Pos.Column)
		}
		r.AddAs(finding.Warning, at, k.Name, "the key is declared disabled: KMS refuses to encrypt and decrypt with it, and no grant can be made", "enable it, or take it out")
		return
	}
}
