package rules

import (
	"strings"
)

// list writes names as a sentence has them: a, b and c.
func list(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// negated reports whether an operator matches what is not named, or asks only
// whether the key is there.
func negated(operator string) bool {
	name := strings.ToLower(operator)
	return strings.Contains(name, "not") || name == "null"
}
