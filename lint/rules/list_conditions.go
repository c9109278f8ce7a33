package rules

func conditionRules() []Rule { return []Rule{key014()} }
