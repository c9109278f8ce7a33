package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
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
			{"script.sh", "for key in $(aws kms list-keys --query 'Keys[].KeyId' --output text); do\n  aws kms create-grant --name b --key-id \"$key\" --grantee-principal arn:aws:iam::111122223333:role/b --operations Decrypt\ndone\n"},
			{"guide.md", "# KMS\n\nSet up a Lambda function that adds the statement to every new KMS key automatically.\n"},
			{"script.sh", "aws kms list-keys --query 'Keys[].KeyId' --output text | xargs -n1 aws kms put-key-policy --policy-name default --policy file://p.json --key-id\n"},
		},
		Silent: []Example{
			{"script.sh", "for key in $(aws kms list-keys --query 'Keys[].KeyId' --output text); do\n  aws kms get-key-policy --key-id \"$key\" --policy-name default --query Policy --output text > \"$key.json\"\ndone\n"},
			{"guide.md", "# KMS\n\nSet up a Lambda function that adds the statement to new KMS keys with the tag backup=yes automatically.\n"},
			{"guide.md", "# KMS\n\nDo not add the statement to every new key automatically.\n"},
		},
	}
}

var (
	byItself  = lazy.Regexp(`\bautomat\w+\b|\beventbridge\b|\blambda\b|\bevent rule\b|\bon (key )?creation\b|\bcloudwatch events?\b|\bscheduled job\b|\bcron\b`)
	anyKey    = lazy.Regexp(`\b(new|all|every|each|any|newly created|future)\b.{0,25}\b(kms |customer |managed |encryption )*(keys?|cmks?)\b`)
	opensIt   = lazy.Regexp(`\b(add|adds|adding|grants?|granting|attach\w*|append\w*|inject\w*|update\w*|appl(y|ies|ying)|patch\w*|put)\b.{0,60}\b(permissions?|statements?|polic(y|ies)|access|grants?)\b|\bgrants?\b.{0,30}\baccess\b`)
	onlySome  = lazy.Regexp(`\b(tag|tags|tagged|alias(es)?|allow-?list|whitelist|only|matching|approved|selected|labell?ed|whose)\b`)
	keyLoop   = lazy.Regexp(`list_keys\(|["']list_keys["']|paginateListKeys|listKeys\(|ListKeysCommand|ListKeys\(|['"]CreateKey['"]`)
	grantCall = lazy.Regexp(`\b(put_key_policy|create_grant|putKeyPolicy|createGrant)\(|\b(PutKeyPolicy|CreateGrant)Command\(`)
	someCode  = lazy.Regexp(`(?i)tags?\b|list_resource_tags|alias|allow_?list`)
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
	type variable struct {
		script int
		name   string
	}
	every := map[variable]bool{} // those that go over all keys
	asked := map[int]bool{}      // scripts that look what a key is for
	for _, c := range m.Commands {
		id, _ := c.Value("--key-id")
		at := variable{c.Script, variableOf(id)}
		switch {
		case c.Service != "kms":
		case c.Operation == "list-keys" && c.Into != "" && !picked(c.Pipe):
			every[variable{c.Script, c.Into}], asked[c.Script] = true, false
		case c.Operation == "list-resource-tags" || c.Operation == "list-aliases":
			asked[c.Script] = true
		case (c.Operation == "put-key-policy" || c.Operation == "create-grant") && every[at] && !asked[c.Script]:
			delete(every, at)
			r.Add(c.Pos, c.name(), "every key of the account is opened, whatever it is for", "take only keys that carry an agreed tag or alias")
		}
	}
}

// picked reports whether a pipe leads through a program that leaves keys out.
func picked(p *Pipe) bool {
	for ; p != nil; p = p.Next {
		if len(p.Words) > 0 && slices.Contains([]string{"grep", "egrep", "fgrep", "comm", "awk", "join", "head", "fzf"}, p.Words[0].Text) {
			return true
		}
	}
	return false
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
