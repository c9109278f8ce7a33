package plan_test

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/keyreach/keyreach/estate"
)

// inOrder is an estate as a tree in which the order of what AWS keeps in no order does
// not count, without some keys.
func inOrder(e *estate.Estate, without map[string]bool) any {
	out := *e
	out.Keys = slices.DeleteFunc(slices.Clone(e.Keys), func(k estate.Key) bool { return without[k.ARN] })
	text, err := out.AppendJSON(nil)
	if err != nil {
		panic(err) // the estate was read
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err) // it was just written
	}
	return sorted(tree)
}

// sorted sorts lists by what their members say, and takes out what says the same as
// nothing: empty members, and the ids that AWS gives.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			member = sorted(member)
			if v[name] = member; empty(member) || name == "grant_id" || name == "principal_ids" {
				delete(v, name)
			}
		}
		plainDefaults(v)
		return v
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return bytes.Compare(jsonOf(a), jsonOf(b)) })
		return v
	}
	return v
}

// plainDefaults takes out values that an estate means when it says nothing.
func plainDefaults(v map[string]any) {
	for name, value := range map[string]any{"state": "Enabled", "rotation": "off"} {
		if v[name] == value {
			delete(v, name)
		}
	}
	if one, ok := v["Statement"].(map[string]any); ok { // a list of one is the same
		v["Statement"] = []any{one}
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return v == nil
}

func jsonOf(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return text
}
