package awsfacts

import (
	"slices"
	"strings"
	"sync"
)

// ConditionKey is a condition key that a policy may test. The global keys are
// described at docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html,
// those of KMS at docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html.
type ConditionKey struct {
	// Name is AWS's spelling; of a family it is the template, as
	// "aws:PrincipalTag/${TagKey}".
	Name string
	// Type is String, ARN, Bool, Numeric, Date or IPAddress: of a multivalued key
	// the type of one value.
	Type string
	// Multivalued keys hold a list and need ForAnyValue or ForAllValues: a plain
	// operator never matches a value that is present.
	Multivalued bool
}

type conditionTable struct {
	keys index[ConditionKey]
	// families are found by the text before their placeholder, as
	// "aws:PrincipalTag/".
	families index[ConditionKey]
}

var conditions = sync.OnceValue(func() conditionTable {
	table := conditionTable{newIndex[ConditionKey](), newIndex[ConditionKey]()}
	iam := iamTable()
	for _, list := range []map[string]string{iam.MultivaluedConditionKeys, iam.GlobalConditionKeys, kmsTable().ConditionKeys} {
		for name, text := range list {
			kind, multivalued := strings.CutPrefix(text, "ArrayOf")
			key := ConditionKey{Name: name, Type: kind, Multivalued: multivalued}
			if prefix, _, ok := strings.Cut(name, "${"); ok {
				table.families.add(prefix, key)
				continue
			}
			table.keys.add(name, key)
		}
	}
	return table
})

// LookupConditionKey finds a condition key by its name in any letter case: the
// keys of KMS, the global keys, and the multivalued keys of the services whose
// requests Keyreach judges. A member of a family ("aws:PrincipalTag/team",
// "kms:EncryptionContext:aws:ebs:id") is found as its family. Single-valued keys of
// services other than KMS are not known here.
func LookupConditionKey(name string) (ConditionKey, bool) {
	table := conditions()
	if key, ok := table.keys.exact[name]; ok {
		return key, true
	}
	prefix := familyPrefix(name)
	if prefix == "" {
		return table.keys.find(name)
	}
	if key, ok := table.families.find(prefix); ok {
		return key, true
	}
	return table.keys.find(name)
}

// familyPrefix returns the part of the name that would name a family: up to the
// first slash, or up to the second colon. It returns nothing if there is no such
// part or nothing follows it.
func familyPrefix(name string) string {
	end := strings.IndexByte(name, '/')
	first := strings.IndexByte(name, ':')
	if first >= 0 {
		if second := strings.IndexByte(name[first+1:], ':'); second >= 0 && (end < 0 || first+1+second < end) {
			end = first + 1 + second
		}
	}
	if end < 0 || end == len(name)-1 {
		return ""
	}
	return name[:end+1]
}

// Carries reports whether a request for a KMS action can ever carry a condition
// key. It does if AWS lists the key with the action or with the kind of resource
// the action is authorized on (so kms:KeySpec goes with every action on a key), or
// if the key is global. The global keys that KMS itself lists action by action
// (aws:RequestTag, aws:ResourceTag, aws:TagKeys) follow KMS's list. AWS lists the
// encryption context with kms:RetireGrant too, so it counts as carried there,
// although the request has none.
//
// A condition on a key that is never carried makes the action dead in an Allow
// statement, unless its operator accepts absence. Known is false, and nothing must
// be concluded, for an action that is not one of KMS and for an unknown key.
func Carries(action, key string) (carries, known bool) {
	entry, ok := actions().find(action)
	if !ok {
		return false, false
	}
	k, ok := LookupConditionKey(key)
	if !ok {
		return false, false
	}
	if _, ok := entry.carries[k.Name]; ok {
		return true, true
	}
	if _, listed := kmsTable().ConditionKeys[k.Name]; listed {
		return false, true
	}
	_, global := iamTable().GlobalConditionKeys[k.Name]
	return global, global
}

// KeyConditionKeys returns a copy of the condition keys that describe a KMS key, as
// kms:KeySpec or aws:ResourceTag/${TagKey}; every action authorized on a key
// carries them.
func KeyConditionKeys() []string {
	return slices.Clone(kmsTable().ResourceConditionKeys["key"])
}
