package rules

import (
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key028() Rule {
	return Rule{
		ID: "KEY028", Severity: finding.Info,
		Title: "The same statement twice",
		Text: "Two statements of one Sid, or that say the same under two, come from code that adds a statement each time it runs. The policy grows until it is " +
			"too long, and whoever takes one of the two away takes nothing away.",
		Fix:   "Find the statement by its Sid and replace it; compare what it says, and write only when that differs.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html",
		Check: repeated,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "A", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
    {"Sid": "B", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
  ]
}`}, {"guide.md", "Let the function add it:\n\n```python\npolicy = json.loads(kms.get_key_policy(KeyId=key, PolicyName=\"default\")[\"Policy\"])\n" +
			"policy[\"Statement\"].append(mine)\nkms.put_key_policy(KeyId=key, PolicyName=\"default\", Policy=json.dumps(policy))\n```\n"}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "A", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
    {"Sid": "B", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-west-2:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
  ]
}`}, {"guide.md", "Let the function add it:\n\n```python\npolicy = json.loads(kms.get_key_policy(KeyId=key, PolicyName=\"default\")[\"Policy\"])\n" +
			"if not any(s.get(\"Sid\") == mine[\"Sid\"] for s in policy[\"Statement\"]):\n    policy[\"Statement\"].append(mine)\n" +
			"    kms.put_key_policy(KeyId=key, PolicyName=\"default\", Policy=json.dumps(policy))\n```\n"}},
	}
}

func repeated(m *Material, r *Report) {
	relay(m, r)
	for _, p := range m.Policies {
		sameStatements(p, r)
	}
	for _, c := range m.Code {
		if line, ok := appends(c.Text); ok && !looksFirst(c.Text) {
			r.Add(finding.Position{File: c.Pos.File, Line: c.Pos.Line + line, Column: 1}, "",
				"this adds its statement to the key policy each time it runs, whether or not it is there", "look for the Sid first, and replace the statement when it differs")
		}
	}
}

// sameStatements reports statements of a document that say the same under two
// Sids.
func sameStatements(p *Policy, r *Report) {
	first := map[string]int{}
	for i := range p.Doc.Statements {
		at := place{policy: p, s: &p.Doc.Statements[i], index: i}
		if at.s.Opaque {
			continue
		}
		bare := *p.Doc
		bare.Statements = append(bare.Statements[:0:0], *at.s)
		bare.Statements[0].Sid = nil
		said := string(bare.Canonical())
		j, seen := first[said]
		if !seen {
			first[said] = i
			continue
		}
		other := &p.Doc.Statements[j]
		if other.Sid != nil && at.s.Sid != nil && other.Sid.Text == at.s.Sid.Text {
			continue // the reader tells
		}
		r.add(&at, at.s.Pos, "says the same as "+access.StatementName(other, j), "remove one of the two")
	}
}

// What in a program bears on the statements of a key policy.
var (
	statementAdded = lazy.Regexp(`(?i)statements?["'\]]*\)?\s*(\.(append|push|extend|add)\(|\+=)`)
	keyPolicyPut   = lazy.Regexp(`(?i)put_?key_?policy`)
	sidCompared    = lazy.Regexp(`(?i)sid["'\])]*\s*(==|!=|===|!==|not in|in )|sid["'\])]*[^\n]*\b(filter|find|any|some)\b|\b(filter|find|any|some|if|for)\b[^\n]*sid`)
)

// appends finds where code adds to the statements of a key policy that it then
// writes; the result is the line, counted from 0.
func appends(code string) (int, bool) {
	if !writesKeyPolicy(code) {
		return 0, false
	}
	at := statementAdded.FindStringIndex(code)
	if at == nil {
		return 0, false
	}
	return strings.Count(code[:at[0]], "\n"), true
}

func writesKeyPolicy(code string) bool {
	return keyPolicyPut.MatchString(code)
}

// looksFirst reports whether code compares the Sid of a statement with another.
func looksFirst(code string) bool {
	return sidCompared.MatchString(code)
}
