package rules

import "github.com/keyreach/keyreach/internal/lazy"

var hiddenID = lazy.Regexp(`\bkey[- ]?ids?\b.{0,60}\b(not in (git|the repo\w*|source control|version control)|secret|out of (git|the repo\w*)|confidential)\b|\b(hide|secure|protect|never (commit|share|publish))\b.{0,20}\b(kms )key[- ]?ids?\b`)

// idNoSecret notes a text that keeps the id of a key secret: it opens nothing, and
// who looks for a key on the day of a recovery has to find it.
func idNoSecret(m *Material, r *Report) {
	if !m.says(aboutKMS) {
		return
	}
	for _, s := range m.sentences() {
		if hiddenID.MatchString(s.text) && !otherKeys.MatchString(s.text) && !notSecret.MatchString(s.text) {
			r.Add(s.at, "", "the id of a KMS key is no secret: it opens nothing without rights", "write it down where whoever restores finds it")
		}
	}
}

var notSecret = lazy.Regexp(`\b(no|not|isn't|aren't|not a) secrets?\b`)
