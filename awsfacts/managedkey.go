package awsfacts

import (
	"maps"
	"slices"
	"sync"
)

// ManagedKey is a key that AWS makes in an account for one of its services.
// See docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk.
type ManagedKey struct {
	// Via is the service in the kms:ViaService value, as "ec2" of aws/ebs.
	Via string `json:"via"`
	// ID and Sid are those of the key's policy.
	ID          string `json:"id"`
	Sid         string `json:"sid"`
	Description string `json:"description"`
	// Actions are what the policy allows through the service.
	Actions []string `json:"-"`
}

type managedFile struct {
	Source  string                `json:"source"`
	Note    string                `json:"note"`
	Keys    map[string]ManagedKey `json:"keys"`
	Actions []string              `json:"actions"`
}

var managedKeys = sync.OnceValue(func() managedFile { return load[managedFile]("managed-keys.json") })

// ManagedKeyOf finds the AWS managed key with the alias alias/aws/NAME. Which
// services have one is documented; of the texts in their policies only the form
// is.
func ManagedKeyOf(name string) (ManagedKey, bool) {
	t := managedKeys()
	k, ok := t.Keys[name]
	k.Actions = t.Actions
	return k, ok
}

// ManagedKeyNames are the names of the AWS managed keys that there can be, in order.
func ManagedKeyNames() []string { return slices.Sorted(maps.Keys(managedKeys().Keys)) }
