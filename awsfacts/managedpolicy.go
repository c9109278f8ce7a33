package awsfacts

import (
	"encoding/json"
	"maps"
	"sync"
)

// ManagedPolicy is an AWS managed policy. Documents marked abridged hold only
// what bears on keys and on who may act; see data/managed-policies.json.
type ManagedPolicy struct {
	Path     string          `json:"path"`
	Abridged bool            `json:"abridged"`
	Source   string          `json:"source"`
	Document json.RawMessage `json:"document"`
}

type managedPolicyFile struct {
	Source   string                   `json:"source"`
	Note     string                   `json:"note"`
	Policies map[string]ManagedPolicy `json:"policies"`
}

var managedPolicies = sync.OnceValue(func() managedPolicyFile { return load[managedPolicyFile]("managed-policies.json") })

// ManagedPolicies returns a copy of the table of AWS managed policies by name.
func ManagedPolicies() map[string]ManagedPolicy { return maps.Clone(managedPolicies().Policies) }
