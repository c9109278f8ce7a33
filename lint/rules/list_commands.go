package rules

func commandRules() []Rule {
	return []Rule{
		key043(), key044(), key045(), key046(), key047(), key053(), key054(), key055(), key056(), key057(), key061(),
		key101(), key104(), key106(), key109(), key111(),
	}
}
