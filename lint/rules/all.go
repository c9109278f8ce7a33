package rules

import (
	"slices"
	"strings"
)

// All returns every rule, in the order of their ids.
func All() []Rule {
	all := slices.Concat(conditionRules(), rightsRules(), commandRules(), estateRules())
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}
