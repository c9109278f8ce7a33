package plan

import (
	"slices"
	"strings"
)

// withoutSets puts together openings that differ in nothing but which operations a grant
// is made for: they come for every set of operations, which are many, and all of them
// follow from the operations that the statement or grant names.
func withoutSets(opens []Opening) []Opening {
	const key = "kms:GrantOperations = "
	of := func(o *Opening) int {
		return slices.IndexFunc(o.Under, func(u string) bool { return strings.HasPrefix(u, key) })
	}
	var list []Opening
	at := map[string]int{}
	for _, o := range opens {
		i := of(&o)
		if i < 0 {
			list = append(list, o)
			continue
		}
		rest := o
		rest.Under = slices.Delete(slices.Clone(o.Under), i, i+1)
		id := canonical(rest)
		have, ok := at[id]
		if !ok {
			at[id] = len(list)
			list = append(list, o)
			continue
		}
		old := &list[have]
		j := of(old)
		ops := union(strings.Split(old.Under[j][len(key):], ", "), strings.Split(o.Under[i][len(key):], ", "))
		old.Under = slices.Clone(old.Under)
		old.Under[j] = key + strings.Join(ops, ", ")
	}
	return list
}
