package rules

import "slices"

// All returns every rule, in the order of their ids.
func All() []Rule {
	return slices.Concat(conditionRules(), rightsRules(), commandRules(), estateRules())
}
