package rules

import (
	"regexp"

	"github.com/keyreach/keyreach/finding"
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
	onlyCause = regexp.MustCompile(`\b(all|always|every|each|same|only|sole|single|one)\b.{0,50}\b(root cause|cause[ds]?|reason|culprit|because of|due to)\b|\b(caused by|due to|because of)\b.{0,30}\b(always|only)\b|\b(root cause|cause|reason) (is|was) (always|simply|just)\b|\balways (means|comes from|indicates)\b`)
	keyIsIt   = regexp.MustCompile(`\bkms\b|\bkey polic(y|ies)\b|\bkey permissions?\b|\bcmk\b`)
	causePart = regexp.MustCompile(`\broot cause\b|(^|/ )(the )?causes?$|\bwhy (it|this) (fails|happens)\b`)
	keyAtFail = regexp.MustCompile(`\b(kms|cmk|key)\b.{0,80}\b(doesn't|does not|didn't|isn't|is not|lacks?|missing|fails? to|without)\b.{0,60}\b(grant|allow|permit|permissions?|access|include|authori[sz]\w*)`)
	evidence  = regexp.MustCompile(`arn:aws|\b[a-z0-9_-]*role[_/][a-z0-9_]+|because no\b|explicit deny|\b(identity|resource)-based\b|\bcalling principal\b|\bscp\b|\bboundary\b`)
)

func bareDiagnosis(m *Material, r *Report) {
	kms := m.says(keyIsIt)
	for _, s := range m.sentences() {
		switch {
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
var aside = regexp.MustCompile(`\breason (is )?why\b|\b(for|the) (this|that|the same|same) reason\b`)

// possible marks a sentence that offers a cause among others.
var possible = regexp.MustCompile(`\b(may|might|could|can be|possibl[ey]|one of|often|sometimes|usually|likely|common(ly)?|if|not (all|always|every))\b`)
