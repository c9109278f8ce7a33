package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key027() Rule {
	return Rule{
		ID: "KEY027", Severity: finding.Warning,
		Title: "Access by alias, with too many aliases or one just changed",
		Text: "kms:ResourceAliases follows changes of aliases only after up to five minutes, and holds for no key with more than 50 aliases. A script that makes an alias " +
			"and uses the key by right of it at once may be denied.",
		Fix:   "Wait five minutes after an alias has changed, or try again until it works; keep keys at 50 aliases or fewer.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/abac.html",
		Check: aliasDelays,
		Fires: []Example{{"guide.md", "# A key by its alias\n\n```json\n" + byAlias + "\n```\n\n```sh\n" +
			"aws kms create-alias --alias-name alias/reports --target-key-id 1234abcd-12ab-34cd-56ef-1234567890ab\n" +
			"aws kms encrypt --key-id alias/reports --plaintext fileb://note.txt\n```\n"}},
		Silent: []Example{{"guide.md", "# A key by its alias\n\n```json\n" + byAlias + "\n```\n\n```sh\n" +
			"aws kms create-alias --alias-name alias/reports --target-key-id 1234abcd-12ab-34cd-56ef-1234567890ab\n```\n\nFive minutes later:\n\n```sh\n" +
			"aws kms encrypt --key-id alias/reports --plaintext fileb://note.txt\n```\n"}},
	}
}

const byAlias = `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Encrypt", "Resource": "arn:aws:kms:eu-west-1:111122223333:key/*",
  "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/reports"}}
}]}`

// maxAliases is how many aliases a key may have before no condition on
// kms:ResourceAliases holds for it any more.
// See https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-resource-aliases.
const maxAliases = 50

// aliasDelays reports keys and scripts with which conditions on kms:ResourceAliases
// of the same text do not hold, or do not hold yet.
func aliasDelays(m *Material, r *Report) {
	if !m.asksAliases() {
		return
	}
	for _, k := range m.Keys {
		if len(k.Aliases) > maxAliases {
			r.Add(k.Pos, k.Name, fmt.Sprintf("has %d aliases: above %d no condition on kms:ResourceAliases holds", len(k.Aliases), maxAliases), "remove aliases, or name the key by its ARN")
		}
	}
	type made struct {
		script int
		alias  string
	}
	changed := map[made]bool{}
	for _, c := range m.Commands {
		alias, _ := c.Value("--alias-name")
		switch {
		case c.Is("kms", "create-alias"), c.Is("kms", "update-alias"):
			if !alias.Unknown {
				changed[made{c.Script, alias.Text}] = true
			}
		case c.Service == "kms" && usesKey(c.Operation):
			if key, ok := c.Value("--key-id"); ok && changed[made{c.Script, key.Text}] {
				r.Add(c.Pos, key.Text, "uses the key right after its alias was changed: a right that asks for kms:ResourceAliases may hold only minutes later", "wait five minutes, or try again until it works")
			}
		}
	}
}

// asksAliases reports whether a policy of the text asks for kms:ResourceAliases.
func (m *Material) asksAliases() bool {
	return slices.ContainsFunc(m.statements(), func(p place) bool { return len(p.conditions("kms:ResourceAliases")) > 0 })
}

// usesKey reports whether an operation of the CLI does something with a key that
// policies allow by alias.
func usesKey(operation string) bool {
	switch operation {
	case "encrypt", "decrypt", "re-encrypt", "sign", "verify", "describe-key":
		return true
	}
	return strings.HasPrefix(operation, "generate-")
}
