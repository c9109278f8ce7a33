package rules

func commandRules() []Rule { return []Rule{} }
