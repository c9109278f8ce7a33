package behalf

import (
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Filler is a service that takes resources of an estate as they are. Nobody is asked
// whether they may be made: it is the world as it is. What they hold is under their keys
// all the same, so that afterwards it opens only where these open.
type Filler interface {
	gate.Holder
	// Kept are the types of resources that the service takes, each with the attributes
	// that Resources gives back.
	Kept() map[string][]string
	// Fill puts a resource of one of these types in the place of what there is under its
	// name. A resource without an id gets one. It is called in Update, when all principals
	// and keys are there.
	Fill(w World, r *estate.Resource) error
}

// ErrNotHeld is the error of Fill for a resource that the service has no place for. The
// sandbox then keeps it as it came, and nobody sees it but who asks for the estate.
var ErrNotHeld = errors.New("the sandbox has no place for it")

// World is what a service needs of the sandbox when it is filled.
type World struct {
	Now  time.Time
	Keys Locksmith
	// Make fills another service's resource, of which this one consists.
	Make func(*estate.Resource) error
}

// Locksmith puts data under keys without being asked who wants it. KMS does.
type Locksmith interface {
	// Named leads from the name of a key in an estate, an ARN, or an alias of the account
	// and Region, to the key. Keys of AWS's that are not there yet are made. Of a key that
	// the sandbox does not hold only the ARN is known; of no name it is empty.
	Named(account, region, name string, now time.Time) (gate.KeyFacts, error)
	// Seal encrypts a text under a key, whatever state the key is in. It returns nil when
	// the sandbox does not hold the key, or the key has no material.
	Seal(keyARN string, text []byte, encryption map[string]string) []byte
	// Lend returns a grant on a key for a service, for data with an encryption context:
	// the one that is there, or a new one. It returns nil when the sandbox does not hold
	// the key.
	Lend(keyARN, service string, operations []string, encryption map[string]string, now time.Time) *Grant
}

// DataKey is a new data key of so many bytes.
func DataKey(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// KeyIn is how a resource's key stands in an estate, by what a service was told: ARNs and
// aliases as they are, and ids of keys as ARNs of the account's.
func KeyIn(account, region, id string) string {
	if id == "" || strings.HasPrefix(id, "arn:") || strings.HasPrefix(id, "alias/") {
		return id
	}
	return ARN("kms", region, account, "key/", id)
}

// NameIn is the name of a resource: its id, or else what its ARN has after a part such as
// "snapshot/"; empty when it has neither.
func NameIn(r *estate.Resource, after string) string {
	if r.ID != "" && !strings.HasPrefix(r.ID, "arn:") {
		return r.ID
	}
	for _, text := range []string{r.ARN, r.ID} {
		if a, err := arn.Parse(text); err == nil {
			return strings.TrimPrefix(a.Resource, after)
		}
	}
	return ""
}
