package lint

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// What lint itself reports, beside the rules.
const (
	Unreadable   = "LINT001" // a file that cannot be read
	NoReason     = "LINT002" // a suppression that does not count
	NeedlessMute = "LINT003" // a suppression that nothing needs any more
)

// Known returns every rule by which a finding can go: rules.All, and what lint
// reports of files and marks.
func Known() []rules.Rule {
	return append(rules.All(), ofFiles(), ofMarks(), ofNeedlessMarks())
}

// Lookup returns the rule with an id, in any case.
func Lookup(id string) (rules.Rule, bool) {
	for _, r := range Known() {
		if strings.EqualFold(r.ID, id) {
			return r, true
		}
	}
	return rules.Rule{}, false
}

// Near returns the id of the rule that somebody may have meant; empty when none
// is near.
func Near(id string) string {
	known := Known()
	ids := make([]string, len(known))
	for i := range known {
		ids[i] = known[i].ID
	}
	return source.Suggest(strings.ToUpper(id), ids)
}

func ofFiles() rules.Rule {
	return rules.Rule{
		ID: Unreadable, Severity: finding.Error,
		Title: "A file, or a part of it, cannot be read",
		Text: "Nothing was checked of what cannot be read, whatever it holds. Of a file that is read in part this is a warning, and the rest is checked;" +
			" of a file that was found in a directory and does not speak of AWS it is a remark. Refused are what is no text in UTF-8, syntax errors, what is nested or expands beyond all measure, and what has more than 64 MiB.",
		Fix: "Mend it at the place that the finding tells, or leave the file out.",
		Fires: []rules.Example{{Name: "key-policy.json", Text: `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"} "Action": "kms:*", "Resource": "*"}
  ]
}
`}},
		Silent: []rules.Example{{Name: "notes.json", Text: "{\"this is no policy\": \"and it can be read\"}\n"}},
	}
}

// asked is a policy that is against KEY060, for the examples.
const asked = `Statement:
  - Effect: Allow
    Action: kms:Decrypt
    Resource: arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab
`

func ofMarks() rules.Rule {
	return rules.Rule{
		ID: NoReason, Severity: finding.Warning,
		Title: "A mark that is to ignore something does not count",
		Text:  "A mark `keyreach:ignore` names the rules that are to be silent, separated by commas, and says why. Without a rule or without a reason, and for rules that do not exist, nothing is ignored.",
		Fix:   "Write the ids of the rules and then why: `keyreach:ignore KEY014 the replica is there`.",
		Fires: []rules.Example{
			{Name: "policy.yaml", Text: "# keyreach:ignore-file KEY060\n" + asked},
			{Name: "other-policy.yaml", Text: "# keyreach:ignore-file KEY999 it is old\n" + asked},
		},
		Silent: []rules.Example{{Name: "policy.yaml", Text: "# keyreach:ignore-file KEY060 it holds no variables\n" + asked}},
	}
}

func ofNeedlessMarks() rules.Rule {
	return rules.Rule{
		ID: NeedlessMute, Severity: finding.Info,
		Title:  "A mark ignores what is not there",
		Text:   "Nothing that the mark covers is against the rules that it names: what it was written for is mended, or stands elsewhere. Left in place it would hide the next mistake.",
		Fix:    "Remove the mark. One on a line of its own covers the line after it, with what is indented deeper.",
		Fires:  []rules.Example{{Name: "policy.yaml", Text: "# keyreach:ignore-file KEY014 the replica is there\n" + asked}},
		Silent: []rules.Example{{Name: "policy.yaml", Text: "# keyreach:ignore-file KEY060 it holds no variables\n" + asked}},
	}
}
