package rules

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key018() Rule {
	return Rule{
		ID: "KEY018", Severity: finding.Error,
		Title: "An alias where KMS takes a key id or key ARN only",
		Text: "Operations that use a key take its alias. Operations that manage it, such as PutKeyPolicy, GetKeyPolicy, " +
			"EnableKeyRotation and CreateGrant, do not: they answer NotFoundException.",
		Fix:   "Ask DescribeKey for the alias, and pass the key ARN of its answer.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id",
		Check: aliasWhereID,
		Fires: []Example{
			{"ci.yml", "jobs:\n  keys:\n    steps:\n      - run: aws kms enable-key-rotation --region ${{ vars.REGION }} --key-id alias/app\n"},
			{"Makefile", "rotate:\n\t@aws kms enable-key-rotation --key-id alias/app\n"},
			{"script.sh", "aws kms put-key-policy --key-id alias/app --policy-name default --policy file://p.json\n"},
			{"script.sh", "aws kms enable-key-rotation --key-id arn:aws:kms:us-east-1:444455556666:alias/app\n"},
			{"guide.md", "```python\nkms.put_key_policy(KeyId='alias/app', PolicyName='default', Policy=text)\n```\n"},
		},
		Silent: []Example{
			{"Makefile", "rotate:\n\t@aws kms enable-key-rotation --key-id $(KEY)\n"},
			{"guide.md", "```python\nkms.describe_key(KeyId='alias/app')\n```\n"},
			{"script.sh", "aws kms describe-key --key-id alias/app\naws kms encrypt --key-id alias/app --plaintext fileb://s\n"},
			{"script.sh", "aws kms put-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --policy file://p.json\n"},
		},
	}
}

// keyCall is a call of a client in a program, and keyAlias an alias among its
// arguments.
var (
	keyCall  = lazy.Regexp(`(?:\.|\bnew )([a-z]+(?:_[a-z]+)+|[a-z]+[A-Z][A-Za-z]+|[A-Z][A-Za-z]+Command)\(`)
	keyAlias = lazy.Regexp(`\b(?:KeyId|TargetKeyId)["']?\s*[=:]\s*["'](alias/[^"']*)["']`)
)

func aliasWhereID(m *Material, r *Report) {
	for _, c := range m.Commands {
		if c.Service != "kms" {
			continue
		}
		for _, o := range c.keys() {
			name := o.Values[0].Text
			if !isAlias(name) || isManagedAlias(name) || takesAlias(strings.ReplaceAll(c.Operation, "-", "")) {
				continue
			}
			r.Add(o.Pos, c.name(), c.name()+" takes a key id or a key ARN, and "+name+" is an alias: KMS does not find it",
				"pass what `aws kms describe-key --key-id "+name+" --query KeyMetadata.Arn --output text` gives")
		}
	}
	for _, code := range m.Code {
		for _, call := range code.calls(keyCall) {
			alias := keyAlias.FindStringSubmatch(call.args)
			if alias != nil && !takesAlias(strings.TrimSuffix(strings.ReplaceAll(call.name, "_", ""), "Command")) {
				r.Add(code.at(call.at), call.name, call.name+" takes a key id or a key ARN, and "+alias[1]+" is an alias", "pass the key ARN that DescribeKey gives")
			}
		}
	}
}

// takesAlias reports whether an operation takes aliases; one that is not known,
// or that names no key, is not held against anybody.
func takesAlias(operation string) bool {
	op, ok := awsfacts.KMSOperation(operation)
	return !ok || op.Identifiers == 0 || op.Identifiers.Has(awsfacts.AliasName) || op.Identifiers.Has(awsfacts.AliasARN)
}

// at gives the position of a byte of the block: its first line is the block's.
func (c *Code) at(offset int) finding.Position {
	pos := c.Pos
	before := c.Text[:offset]
	if n := strings.Count(before, "\n"); n > 0 {
		pos.Line += n
		pos.Column = offset - strings.LastIndexByte(before, '\n')
	} else {
		pos.Column += offset
	}
	return pos
}
