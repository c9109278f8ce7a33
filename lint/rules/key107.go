package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key107() Rule {
	return Rule{
		ID: "KEY107", Severity: finding.Error,
		Title: "Advice to add a condition against a denial",
		Text: "A condition narrows an Allow: with it the statement applies to fewer requests, never to more. Who is denied is not helped by another condition " +
			"on what allows him, and kms:GrantIsForAWSResource has nothing to do with reading data at all.",
		Fix:   "Find the policy that lacks the permission, and the principal that was denied; where a condition is what failed, widen its values or remove it.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
		Check: narrowingAdvice,
		Fires: []Example{{"guide.md", "# Using the key\n\n## AccessDeniedException on Decrypt\n\n1. Look at the key policy\n2. Add the `kms:ViaService` condition to the statement\n"}},
		Silent: []Example{{"guide.md", "# Using the key\n\n## AccessDeniedException on Decrypt\n\n1. Remove the `kms:ViaService` condition\n2. Check that the condition names the right Region\n" +
			"\n## Least privilege\n\n- Add the `kms:ViaService` condition to the statement\n"}},
	}
}

var (
	inTrouble = lazy.Regexp(`(?i)denied|accessdenied|not authori[sz]ed|not allow|too restrictive|permission error|forbidden|unauthori[sz]ed`)
	addsOne   = lazy.Regexp("(?i)" +
		"\\b(add|include|attach|put|use|set)\\b[^.;]*`(kms|aws):[A-Za-z]+[^`]*`\\s+conditions?\\b" +
		"|\\b(add|include)\\b[^.;]*\\bconditions?\\b[^.;]*`(kms|aws):[A-Za-z]+" +
		"|`(kms|aws):[A-Za-z]+[^`]*`(\\s+condition)?\\s+is\\s+(present|set|there|included|added)\\b")
	againstIt = lazy.Regexp(`(?i)\b(remove|drop|delete|relax|without|unless|not add|don't|do not|never|instead of|widen)\b`)
)

// narrowingAdvice reports advice to add a condition, or to see that there is one,
// under a heading about a denial.
func narrowingAdvice(m *Material, r *Report) {
	for _, p := range m.Prose {
		if len(p.Headings) == 0 || !inTrouble.MatchString(p.Headings[len(p.Headings)-1]) {
			continue
		}
		if found := addsOne.FindString(p.Text); found != "" && !againstIt.MatchString(p.Text) {
			r.Add(p.Pos, "", "advises, against a denial, to have a condition ("+strings.TrimSpace(found)+"): a condition only ever narrows what a statement allows",
				"look for the permission that is missing, or widen the condition that failed")
		}
	}
}
