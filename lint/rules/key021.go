package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

func key021() Rule {
	return Rule{
		ID: "KEY021", Severity: finding.Error,
		Title: "A change of an AWS managed key",
		Text: "The policy of an AWS managed key (alias aws/…) cannot be changed, nor its state, and no other account can be let in. " +
			"Data that others are to open has to be under a customer managed key.",
		Fix:   "Copy the data to a customer managed key, and change that key's policy.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk",
		Check: managedKeyChange,
		Fires: []Example{
			{"script.sh", "KEY=$(aws kms describe-key --key-id alias/aws/ebs --query KeyMetadata.Arn --output text)\naws kms put-key-policy --key-id $KEY --policy-name default --policy file://p.json\n"},
			{"main.tf", "data \"aws_kms_alias\" \"ebs\" {\n  name = \"alias/aws/ebs\"\n}\n\nresource \"aws_kms_grant\" \"app\" {\n  name              = \"app\"\n  key_id            = data.aws_kms_alias.ebs.target_key_id\n  grantee_principal = \"arn:aws:iam::111122223333:role/app\"\n  operations        = [\"Decrypt\"]\n}\n"},
			{"script.sh", "aws kms put-key-policy --key-id alias/aws/ebs --policy-name default --policy file://p.json\n"},
			{"guide.md", "Edit the key policy of the aws/ebs key and add the target account.\n"},
			{"guide.md", "```python\nfor key in kms.list_keys()['Keys']:\n    kms.put_key_policy(KeyId=key['KeyId'], PolicyName='default', Policy=text)\n```\n"},
		},
		Silent: []Example{
			{"script.sh", "aws kms describe-key --key-id alias/aws/ebs\n"},
			{"guide.md", "You cannot edit the key policy of the aws/ebs key.\n"},
			{"guide.md", "```python\nfor key in kms.list_keys()['Keys']:\n    if kms.describe_key(KeyId=key['KeyId'])['KeyMetadata']['KeyManager'] == 'CUSTOMER':\n        kms.put_key_policy(KeyId=key['KeyId'], PolicyName='default', Policy=text)\n```\n"},
		},
	}
}

// managedChanges are the changes that nobody can make to an AWS managed key.
func managedChanges() []string {
	return []string{
		"put-key-policy", "create-grant", "schedule-key-deletion", "disable-key", "enable-key", "enable-key-rotation",
		"disable-key-rotation", "update-key-description", "tag-resource", "untag-resource",
	}
}

var (
	managedAdvice = lazy.Regexp(`\b(edit|update|modify|change|amend|extend|add\b.{0,60}\bto)\b.{0,60}\b(key )?polic(y|ies)\b.{0,40}\b(aws/[a-z0-9]+|aws[- ]managed (kms )?keys?)|\b(edit|update|modify|change|extend)\b.{0,20}(aws/[a-z0-9]+|aws[- ]managed key)('s)? (key )?policy|\b(open|go to|find|select)\b.{0,30}\baws[- ]managed (kms )?key\b.{0,60}\b(edit|update|modify|change|extend)\b.{0,10}\b(its|the) (key )?policy`)
	putPolicyCall = lazy.Regexp(`\bput_key_policy\(|\bputKeyPolicy\(|\bPutKeyPolicyCommand\(|\bPutKeyPolicy\(`)
	everyKey      = lazy.Regexp(`list_keys|listKeys|ListKeys|\bdef \w+\([^)]*key[^)]*\)|event\[|event\.detail`)
	managerAsked  = lazy.Regexp(`KeyManager|key_manager|keyManager|alias/aws`)
)

func managedKeyChange(m *Material, r *Report) {
	managed := map[string]string{} // by the variable that holds the key
	for _, c := range m.Commands {
		if c.Into != "" {
			delete(managed, c.Into)
		}
		if id, _ := c.Value("--key-id"); c.Is("kms", "describe-key") && c.Into != "" && isManagedAlias(id.Text) {
			managed[c.Into] = id.Text
		}
		if c.Service != "kms" || !slices.Contains(managedChanges(), c.Operation) {
			continue
		}
		for _, o := range c.keys() {
			if alias := managed[variableOf(o.Values[0])]; alias != "" && o.Values[0].Unknown {
				r.Add(o.Pos, c.name(), "the key is the one that was looked up as "+alias+", an AWS managed key: "+c.Operation+" is refused", "use a customer managed key")
			}
			if isManagedAlias(o.Values[0].Text) {
				r.Add(o.Pos, c.name(), o.Values[0].Text+" is an AWS managed key: "+c.Operation+" is refused", "use a customer managed key")
			}
		}
	}
	for _, res := range m.Resources {
		if res.Type != "aws_kms_grant" && res.Type != "aws_kms_key_policy" {
			continue
		}
		if n := managedSource(m, res); n != nil {
			r.Add(m.nodeAt(n.Pos), res.Name, "the key is an AWS managed key: it takes no policy and no grant of yours", "use a customer managed key")
		}
		if id, n := digText(res.Body, "key_id"); n != nil && isManagedAlias(id) {
			r.Add(m.nodeAt(n.Pos), res.Name, id+" is an AWS managed key: it takes no policy and no grant of yours", "use a customer managed key")
		}
	}
	for _, s := range m.sentences() {
		if managedAdvice.MatchString(s.text) && !s.denies() {
			r.Add(s.at, "", "the policy of an AWS managed key cannot be changed", "copy the data to a customer managed key first")
		}
	}
	for _, code := range m.Code {
		at := putPolicyCall.FindStringIndex(code.Text)
		if at != nil && everyKey.MatchString(code.Text) && !managerAsked.MatchString(code.Text) {
			r.AddAs(finding.Warning, code.at(at[0]), strings.TrimRight(code.Text[at[0]:at[1]], "("),
				"the code takes any key and does not ask who manages it: PutKeyPolicy is refused for AWS managed keys",
				"ask DescribeKey first, and leave keys out whose KeyManager is AWS")
		}
	}
}

// managedSource returns the key of a declaration when it is looked up by an alias
// that AWS keeps for itself.
func managedSource(m *Material, res *Resource) *source.Node {
	for _, data := range m.Resources {
		if data.Type != "aws_kms_alias" && data.Type != "aws_kms_key" || !strings.HasPrefix(data.Name, "data.") {
			continue
		}
		name, _ := digText(data.Body, "name")
		if id, _ := digText(data.Body, "key_id"); !isManagedAlias(name) && !isManagedAlias(id) {
			continue
		}
		for _, n := range dig(res.Body, "key_id") {
			if mentions(n, data.Name+".") {
				return n
			}
		}
	}
	return nil
}
