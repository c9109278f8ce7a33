package rules

func conditionRules() []Rule {
	return []Rule{
		key002(), key009(), key013(), key014(), key015(), key016(), key017(), key020(), key026(), key027(),
		key034(), key035(), key040(), key049(), key066(), key107(), key112(), key113(), key114(), key115(), key116(), key117(), key118(),
	}
}
