package rules

func rightsRules() []Rule { return []Rule{} }
