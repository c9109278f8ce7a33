package rules

func estateRules() []Rule { return []Rule{} }
