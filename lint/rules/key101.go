package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key101() Rule {
	return Rule{
		ID: "KEY101", Severity: finding.Info,
		Title: "A cause is named without evidence",
		Text: "A refusal has a principal, and a kind of policy that did not allow or that denied: identity policy, key policy, grant, boundary, " +
			"session, control policy, endpoint policy, or the key's state. That one thing is the cause of all such errors is a guess until the message is read.",
		Fix:   "Name who was refused, and take the kind of policy from the end of the message.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html",
		Check: bareDiagnosis,
		Fires: []Example{
			{"guide.md", "# KMS\n\n```\nUser: arn:aws:iam::111122223333:role/app is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
			{"guide.md", "# KMS errors\n\nAll of these have the same root cause: the KMS key policy.\n"},
			{"guide.md", "# Launch fails\n\n## Root cause\n\nThe KMS key does not allow the service to decrypt.\n"},
		},
		Silent: []Example{
			{"guide.md", "# Launch fails\n\n## Root cause\n\nThe message ends in `because no identity-based policy allows`: role arn:aws:iam::111122223333:role/app lacks kms:Decrypt.\n"},
			{"guide.md", "# KMS\n\nAll keys have the same policy.\n"},
		},
	}
}

var (
	onlyCause = lazy.Regexp(`\b(all|always|every|each|same|only|sole|single|one)\b.{0,50}\b(root cause|cause[ds]?|reason|culprit|because of|due to)\b|\b(caused by|due to|because of)\b.{0,30}\b(always|only)\b|\b(root cause|cause|reason) (is|was) (always|simply|just)\b|\balways (means|comes from|indicates)\b`)
	keyIsIt   = lazy.Regexp(`\bkms\b|\bkey polic(y|ies)\b|\bkey permissions?\b|\bcmk\b`)
	causePart = lazy.Regexp(`\broot cause\b|(^|/ )(the )?causes?$|\bwhy (it|this) (fails|happens)\b`)
	keyAtFail = lazy.Regexp(`\b(kms|cmk|key)\b.{0,80}\b(doesn't|does not|didn't|isn't|is not|lacks?|missing|fails? to|without)\b.{0,60}\b(grant|allow|permit|permissions?|access|include|authori[sz]\w*)`)
	evidence  = lazy.Regexp(`arn:aws|\b[a-z0-9_-]*role[_/][a-z0-9_]+|because no\b|explicit deny|\b(identity|resource)-based\b|\bcalling principal\b|\bscp\b|\bboundary\b`)
)

func bareDiagnosis(m *Material, r *Report) {
	kms := m.says(keyIsIt)
	shortMessage(m, r)
	for _, s := range m.sentences() {
		switch {
		case kms && noNetwork.MatchString(s.text) && keyFailure.MatchString(s.under) && !s.denies():
			r.Add(s.at, "", "keys and snapshots are shared by policies, through AWS's own endpoints: whether the networks of two accounts reach each other plays no part in it",
				"look at who was refused, and by which kind of policy")
		case kms && oneRight.MatchString(s.text) && keyFailure.MatchString(s.under) && !strings.Contains(s.text, "creategrant"):
			r.Add(s.at, "", "this right alone is not enough: Elastic Disaster Recovery makes encrypted volumes through EC2, which takes kms:CreateGrant and kms:DescribeKey too",
				"compare the key policy with what the service's page asks for")
		case !kms || evidence.MatchString(s.text) || possible.MatchString(s.text) || aside.MatchString(s.text):
		case onlyCause.MatchString(s.text) && keyIsIt.MatchString(s.text) && !s.denies():
			r.Add(s.at, "", "one cause is named for all of these, and none of them is shown to have it: a control policy, the caller's own policies, a grant, the key's state or its Region give the same errors",
				"name the principal that was refused and the kind of policy that the message ends with")
		case causePart.MatchString(s.under) && keyAtFail.MatchString(s.text):
			r.Add(s.at, "", "the cause is named without the principal that was refused and without the kind of policy that the message tells",
				"name both")
		}
	}
}

// aside is a sentence in which a reason is given for something else than a
// failure.
var aside = lazy.Regexp(`\breason (is )?why\b|\bfor (this|that|the same|the very same|similar) reasons?\b`)

// possible marks a sentence that offers a cause among others.
var possible = lazy.Regexp(`\b(may|might|could|can be|possibl[ey]|one of|often|sometimes|usually|likely|common(ly)?|if|not (all|always|every))\b`)

var (
	noNetwork  = lazy.Regexp(`\bnetwork\w*\b.{0,40}\bbetween\b.{0,20}\baccounts\b`)
	keyFailure = lazy.Regexp(`\b(fail\w*|denied|error|troubleshoot\w*)\b`)
	oneRight   = lazy.Regexp(`\bdrs\b.{0,40}\b(has|have|gets?|needs?)\b.{0,20}\bkms:generatedatakey\w*\*?\s+(permission|right|access)`)
	// refusalShown is the message of a refusal as it is shown, and reasonGiven how one
	// goes on that tells the kind of policy.
	refusalShown = lazy.Regexp(`is not authorized to perform:\s+kms:\w+`)
	reasonGiven  = lazy.Regexp(`\bbecause\b|\bwith an explicit deny\b|\bciphertext refers to\b`)
)

// shortMessage notes a refusal that is shown without the end of its message, which
// tells the kind of policy that refused.
func shortMessage(m *Material, r *Report) {
	for _, code := range m.Code {
		at := refusalShown.FindStringIndex(code.Text)
		if at != nil && code.Language == "" && !reasonGiven.MatchString(code.Text[at[1]:]) {
			r.Add(code.at(at[0]), "", "the message is shown without its end, which tells the kind of policy that refused: because no identity-based policy allows, because no resource-based policy allows, with an explicit deny",
				"show the whole message, and read its end first")
		}
	}
}
