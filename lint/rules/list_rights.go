package rules

func rightsRules() []Rule {
	return []Rule{
		pol001(), pol002(), pol003(), pol004(), pol005(), pol006(),
		key001(), key004(), key005(), key006(), key007(), key008(), key010(), key011(), key012(),
		key028(), key030(), key032(), key041(), key042(), key050(), key051(), key058(), key059(), key060(),
		key062(), key064(), key065(), key105(), key108(), key110(),
	}
}
