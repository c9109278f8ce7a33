package rules

func commandRules() []Rule {
	return []Rule{
		key003(), key018(), key019(), key021(), key024(), key025(), key029(), key031(), key033(), key036(), key039(),
		key043(), key044(), key045(), key046(), key047(), key053(), key054(), key055(), key056(), key057(), key061(),
		pol007(), key101(), key104(), key106(), key109(), key111(),
	}
}
