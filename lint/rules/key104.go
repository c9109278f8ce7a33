package rules

import (
	"regexp"

	"github.com/keyreach/keyreach/finding"
)

func key104() Rule {
	return Rule{
		ID: "KEY104", Severity: finding.Error,
		Title: "Every new key is opened by itself",
		Text: "Automation that adds a statement or a grant to each key it meets opens keys that have nothing to do with the matter, races with whoever " +
			"made the key, and is called again by its own changes.",
		Fix:   "Take only keys that carry an agreed tag or alias.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/iam-policies-best-practices.html",
		Check: blanketGrant,
		Fires: []Example{
			{"guide.md", "# KMS\n\nSet up a Lambda function that adds the statement to every new KMS key automatically.\n"},
			{"script.sh", "aws kms list-keys --query 'Keys[].KeyId' --output text | xargs -n1 aws kms put-key-policy --policy-name default --policy file://p.json --key-id\n"},
		},
		Silent: []Example{
			{"guide.md", "# KMS\n\nSet up a Lambda function that adds the statement to new KMS keys with the tag backup=yes automatically.\n"},
			{"guide.md", "# KMS\n\nDo not add the statement to every new key automatically.\n"},
		},
	}
}

var (
	byItself  = regexp.MustCompile(`\bautomat\w+\b|\beventbridge\b|\blambda\b|\bevent rule\b|\bon (key )?creation\b|\bcloudwatch events?\b|\bscheduled job\b|\bcron\b`)
	anyKey    = regexp.MustCompile(`\b(new|all|every|each|any|newly created|future)\b.{0,25}\b(kms |customer |managed |encryption )*(keys?|cmks?)\b`)
	opensIt   = regexp.MustCompile(`\b(add|adds|adding|grants?|granting|attach\w*|append\w*|inject\w*|update\w*|appl(y|ies|ying)|patch\w*|put)\b.{0,60}\b(permissions?|statements?|polic(y|ies)|access|grants?)\b|\bgrants?\b.{0,30}\baccess\b`)
	onlySome  = regexp.MustCompile(`\b(tag|tags|tagged|alias(es)?|allow-?list|whitelist|only|matching|approved|selected|labell?ed|whose)\b`)
	keyLoop   = regexp.MustCompile(`list_keys\(|["']list_keys["']|paginateListKeys|listKeys\(|ListKeysCommand|ListKeys\(|['"]CreateKey['"]`)
	grantCall = regexp.MustCompile(`\b(put_key_policy|create_grant|putKeyPolicy|createGrant)\(|\b(PutKeyPolicy|CreateGrant)Command\(`)
	someCode  = regexp.MustCompile(`(?i)tags?\b|list_resource_tags|alias|allow_?list`)
)

func blanketGrant(m *Material, r *Report) {
	for _, s := range m.sentences() {
		if byItself.MatchString(s.text) && anyKey.MatchString(s.text) && opensIt.MatchString(s.text) && !onlySome.MatchString(s.text) && !s.denies() {
			r.Add(s.at, "", "every key that anybody makes is opened, whatever it is for", "take only keys that carry an agreed tag or alias")
		}
	}
	for _, code := range m.Code {
		at := grantCall.FindStringIndex(code.Text)
		if at != nil && keyLoop.MatchString(code.Text) && !someCode.MatchString(code.Text) {
			r.Add(code.at(at[0]), "", "every key that is found is opened, whatever it is for", "take only keys that carry an agreed tag or alias")
		}
	}
	openedInLoop(m, r)
	for _, c := range m.Commands {
		if !c.Is("kms", "list-keys") {
			continue
		}
		for p := c.Pipe; p != nil; p = p.Next {
			if into := pipedInto(p); into == "put-key-policy" || into == "create-grant" {
				r.Add(c.Pos, c.name(), "every key of the account is opened, whatever it is for", "take only keys that carry an agreed tag or alias")
			}
		}
	}
}

// openedInLoop reports a script that goes over all keys and opens each, and asks
// of none what it is for.
func openedInLoop(m *Material, r *Report) {
	for _, list := range m.Commands {
		if !list.Is("kms", "list-keys") || list.Into == "" {
			continue
		}
		asked := false
		for _, c := range m.Commands {
			if c.Script != list.Script || c.Pos.Line < list.Pos.Line || c.Service != "kms" {
				continue
			}
			asked = asked || c.Is("kms", "list-resource-tags") || c.Is("kms", "list-aliases")
			id, _ := c.Value("--key-id")
			if (c.Operation == "put-key-policy" || c.Operation == "create-grant") && variableOf(id) == list.Into && !asked {
				r.Add(c.Pos, c.name(), "every key of the account is opened, whatever it is for", "take only keys that carry an agreed tag or alias")
				break
			}
		}
	}
}

// pipedInto returns the operation of KMS that a pipe leads to, also by way of
// xargs.
func pipedInto(p *Pipe) string {
	if p.Command != nil && p.Command.Service == "kms" {
		return p.Command.Operation
	}
	for i := 0; i+2 < len(p.Words); i++ {
		if p.Words[i].Text == "aws" && p.Words[i+1].Text == "kms" {
			return p.Words[i+2].Text
		}
	}
	return ""
}
