package diagnose

import "regexp"

var namedAction = regexp.MustCompile(`(?:perform:?\s+|allows the |Actions: )(kms:[A-Za-z]+)`)

// RefusedAction is the KMS action that a text names as refused, found without
// anything of the package.
func RefusedAction(text string) string {
	if m := namedAction.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
