package rules

import (
	"fmt"

	"github.com/keyreach/keyreach/finding"
)

func key106() Rule {
	return Rule{
		ID: "KEY106", Severity: finding.Warning,
		Title: "Running it again makes another key",
		Text: "CreateKey makes a new key every time; CreateAlias fails when the alias is there. A script that stops between the two leaves a key that " +
			"nobody finds, and the next run makes a second one.",
		Fix:   "Look the key up by alias or tag first, and go on with what is there.",
		Page:  "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html",
		Check: notRepeatable,
		Fires: []Example{{"script.sh", "ID=$(aws kms create-key --query KeyMetadata.KeyId --output text)\naws kms create-alias --alias-name alias/app --target-key-id $ID\n"}},
		Silent: []Example{{"script.sh", "if ! aws kms describe-key --key-id alias/app; then\n  ID=$(aws kms create-key --query KeyMetadata.KeyId --output text)\n" +
			"  aws kms create-alias --alias-name alias/app --target-key-id $ID\nfi\n"}},
	}
}

// notRepeatable reports the first step of a script that cannot be made twice.
func notRepeatable(m *Material, r *Report) {
	aliasTwice(m, r)
	looked, told := map[int]bool{}, map[int]bool{}
	for _, c := range m.Commands {
		if c.Service != "kms" {
			continue
		}
		switch c.Operation {
		case "describe-key", "list-aliases", "delete-alias":
			looked[c.Script] = true
		}
		if c.Guarded || looked[c.Script] || told[c.Script] || c.told() || m.mentioned(c) {
			continue
		}
		switch {
		case c.Operation == "create-key":
			told[c.Script] = true
			r.Add(c.Pos, c.name(), "every run makes another key", "look for the key by its alias or a tag first")
		case c.Operation == "create-alias" && len(c.Options) > 0:
			told[c.Script] = true
			alias, _ := c.Value("--alias-name")
			r.Add(c.Pos, c.name(), fmt.Sprintf("a second run fails: %s is there already", alias.Text), "look for the alias first, and use update-alias when it is there")
		}
	}
}

// aliasTwice reports an alias that a template makes and a command of the same text
// makes too: whichever comes second fails.
func aliasTwice(m *Material, r *Report) {
	for _, res := range m.Resources {
		name, n := digText(res.Body, "AliasName")
		if res.Type == "aws_kms_alias" {
			name, n = digText(res.Body, "name")
		}
		if n == nil || res.Type != "AWS::KMS::Alias" && res.Type != "aws_kms_alias" {
			continue
		}
		for _, c := range m.Commands {
			if made, _ := c.known("--alias-name"); c.Is("kms", "create-alias") && made == name && !c.Guarded {
				r.Add(m.nodeAt(n.Pos), res.Name, fmt.Sprintf("the command in line %d makes %s too: whichever comes second fails", c.Pos.Line, name), "make it in one place")
				break
			}
		}
	}
}
