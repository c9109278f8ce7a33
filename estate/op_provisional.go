package estate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
)

// KeyTag is the tag that a key carries which an op made: its value is the key id of
// the provisional ARN, by which the key is found again.
const KeyTag = "keyreach:key"

// provisionalID begins the key id of a provisional ARN. AWS's own ids are random.
const provisionalID = "00000000-0000-4000-8000-"

// ProvisionalKey is the ARN that stands for a key of an account in a Region until AWS
// has given the real one. The same name gives the same key id, in every Region, so
// that it may stand for a multi-Region key and its replicas too.
func ProvisionalKey(account, region, name string) string {
	sum := sha256.Sum256([]byte(name))
	a := arn.ARN{Partition: awsfacts.PartitionName(region), Service: "kms", Region: region, Account: account, Resource: "key/" + provisionalID + hex.EncodeToString(sum[:6])}
	return a.String()
}

// IsProvisional reports whether an ARN of a key is one of ProvisionalKey's.
func IsProvisional(keyARN string) bool {
	a, err := arn.Parse(keyARN)
	return err == nil && a.Service == "kms" && strings.HasPrefix(a.Resource, "key/"+provisionalID)
}
