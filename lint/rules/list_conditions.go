package rules

func conditionRules() []Rule {
	return []Rule{key014(), key035(), key112(), key115()}
}
