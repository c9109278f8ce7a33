package awsfacts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Action is an IAM action of KMS, as listed at
// docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html.
type Action struct {
	// Name is the action with its prefix, as "kms:Decrypt".
	Name string
	// AccessLevel is AWS's classification, as "Write"; an action may have two,
	// separated by a comma.
	AccessLevel string
	// ResourceTypes are the kinds of resource the action is authorized on: "key",
	// "alias", or nothing, in which case a key policy cannot grant it.
	ResourceTypes []string
	// ConditionKeys are the keys that the action itself lists. Keys that describe
	// the resource (kms:KeySpec and so on) come on top; see [Carries].
	ConditionKeys []string
}

// actionRow is an action in the table: [level, [resource type], [condition key]].
type actionRow struct {
	level               string
	resources, contexts []string
}

func (r *actionRow) UnmarshalJSON(text []byte) error {
	var fields []json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	into := []any{&r.level, &r.resources, &r.contexts}
	if len(fields) != len(into) {
		return fmt.Errorf("an action has %d fields, not %d", len(fields), len(into))
	}
	for i, field := range fields {
		if err := json.Unmarshal(field, into[i]); err != nil {
			return err
		}
	}
	return nil
}

// actionEntry is an action with the condition keys its requests can carry.
type actionEntry struct {
	Action
	carries map[string]struct{}
}

type actionTable struct {
	index[*actionEntry]
	names []string
}

var actions = sync.OnceValue(func() actionTable {
	table := actionTable{index: newIndex[*actionEntry]()}
	source := kmsTable()
	for name, row := range source.Actions {
		entry := &actionEntry{
			Action:  Action{Name: name, AccessLevel: row.level, ResourceTypes: slices.Clip(row.resources), ConditionKeys: slices.Clip(row.contexts)},
			carries: map[string]struct{}{},
		}
		for _, key := range row.contexts {
			entry.carries[key] = struct{}{}
		}
		for _, kind := range row.resources {
			for _, key := range source.ResourceConditionKeys[kind] {
				entry.carries[key] = struct{}{}
			}
		}
		table.add(name, entry)
		table.names = append(table.names, name)
	}
	slices.Sort(table.names)
	return table
})

// KMSAction finds an action by its name with the prefix, in any letter case. There
// is no kms:ReEncrypt: its two halves, kms:ReEncryptFrom and kms:ReEncryptTo, are
// the actions.
func KMSAction(name string) (Action, bool) {
	entry, ok := actions().find(name)
	if !ok {
		return Action{}, false
	}
	return entry.Action, true
}

// KMSActions returns a copy of all KMS actions, sorted by name.
func KMSActions() []Action {
	table := actions()
	list := make([]Action, 0, len(table.names))
	for _, name := range table.names {
		a := table.exact[name].Action
		a.ResourceTypes, a.ConditionKeys = slices.Clone(a.ResourceTypes), slices.Clone(a.ConditionKeys)
		list = append(list, a)
	}
	return list
}

// ActionsMatching returns, sorted, the KMS actions that an Action element of a
// policy covers: letter case does not count, * stands for any text and ? for one
// character. A pattern without wildcards that names no action covers none.
func ActionsMatching(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?") {
		if a, ok := KMSAction(pattern); ok {
			return []string{a.Name}
		}
		return nil
	}
	var covered []string
	folded := strings.ToLower(pattern)
	for _, name := range actions().names {
		if glob(folded, strings.ToLower(name)) {
			covered = append(covered, name)
		}
	}
	return covered
}

// glob reports whether * (any text) and ? (one byte) make the pattern equal to the
// name, in time proportional to the product of their lengths.
func glob(pattern, name string) bool {
	p, n, star, resume := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
