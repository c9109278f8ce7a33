package rules

import (
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key029() Rule {
	return Rule{
		ID: "KEY029", Severity: finding.Critical,
		Title: "A policy is written that may have changed since it was read",
		Text: "PutKeyPolicy replaces the whole policy and knows no version: who writes last wins. What somebody else added between the " +
			"reading and the writing is gone.",
		Fix:   "Read the policy again right before it is written, compare it with what was read first, keep a copy, and read it back afterwards.",
		Page:  "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html",
		Check: blindWrite,
		Fires: []Example{{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --query Policy --output text > p.json\n" +
			"aws kms put-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --policy file://p.json\n"}},
		Silent: []Example{
			{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --query Policy --output text > a.json\naws kms put-key-policy --key-id 0987dcba-09fe-87dc-65ba-ab0987654321 --policy-name default --policy file://b.json\n"},
			{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --query Policy --output text > p.json\n" +
				"aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --query Policy --output text > now.json\n" +
				"cmp p.json now.json\n" +
				"aws kms put-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --policy file://new.json\n"},
			{"script.sh", "aws kms put-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --policy file://first.json\n"},
		},
	}
}

var (
	getPolicyCall = lazy.Regexp(`\bget_key_policy\(|\bgetKeyPolicy\(|\bGetKeyPolicyCommand\(|\bGetKeyPolicy\(`)
	compares      = lazy.Regexp(`(?i)sha256|hash|etag|unchanged|DeepEqual|compare`)
)

// blindWrite reports reading, changing and writing with nothing between. Only a
// plan knows that a live policy did change: in a text it may, so it is a
// warning.
func blindWrite(m *Material, r *Report) {
	read, key := map[int]int{}, map[int]string{}
	for _, c := range m.Commands {
		switch {
		case c.Is("kms", "get-key-policy"):
			read[c.Script]++
			key[c.Script], _ = c.known("--key-id")
		case c.Is("kms", "put-key-policy"):
			id, _ := c.known("--key-id")
			if read[c.Script] == 1 && (id == "" || key[c.Script] == "" || id == key[c.Script]) {
				r.AddAs(finding.Warning, c.Pos, c.name(), "the policy that was read before is written over without another look: a change that somebody made meanwhile is lost",
					"read it again and compare right before writing; keep a copy to go back to")
			}
			read[c.Script] = 0
		}
	}
	for _, code := range m.Code {
		put := putPolicyCall.FindStringIndex(code.Text)
		if put != nil && len(getPolicyCall.FindAllString(code.Text, 2)) == 1 && !compares.MatchString(code.Text) {
			r.AddAs(finding.Warning, code.at(put[0]), "PutKeyPolicy", "the code writes over a policy that it read before without another look: a change that somebody made meanwhile is lost",
				"read the policy again right before writing, and give up when it is another")
		}
	}
}
