package envelope

import (
	"context"
	"time"
)

// Context is the encryption context of a wrapped file key. It stands in CloudTrail as
// plain text: nothing of it is secret.
type Context map[string]string

// The names in a context.
const (
	ContextApp    = "app"       // always keyreach
	ContextFormat = "format"    // always 1
	ContextKind   = "kind"      // etcd, step-ca, files
	ContextName   = "name"      // of what is backed up
	ContextID     = "backup-id" // of the one backup
)

// NewContext returns the context of a backup.
func NewContext(kind, name, id string) Context {
	return Context{ContextApp: "keyreach", ContextFormat: "1", ContextKind: kind, ContextName: name, ContextID: id}
}

// KMS is what an envelope needs of AWS KMS. The calls go to the Region of the key's ARN.
// Failures are of type *cloud.Error.
type KMS interface {
	// Encrypt returns what opens to the plaintext, at most 4096 bytes, and the ARN of the
	// key, which may be given as the ARN of an alias. See
	// https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html.
	Encrypt(ctx context.Context, key string, plaintext []byte, context Context) (blob []byte, arn string, err error)
	// Decrypt opens it, with that key only. See
	// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html.
	Decrypt(ctx context.Context, key string, blob []byte, context Context) ([]byte, error)
	// DescribeKey tells the key's state. See
	// https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html.
	DescribeKey(ctx context.Context, key string) (Key, error)
}

// Key is a KMS key as DescribeKey tells it.
type Key struct {
	ARN string
	// State is AWS's word: Enabled, Disabled, PendingDeletion…
	State string
	// Deletion is when a key that waits for its deletion is deleted; zero otherwise.
	Deletion    time.Time
	MultiRegion bool
	// Manager is CUSTOMER or AWS; Usage is ENCRYPT_DECRYPT or another.
	Manager, Usage string
}
