package rules

func estateRules() []Rule {
	return []Rule{key022(), key023(), key037(), key038(), key048(), key052(), key063()}
}
