package rds

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// defaultKey names the key of databases that name none.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html.
const defaultKey = "alias/aws/rds"

// Encryption is the key that something is encrypted under.
type Encryption struct {
	ARN string `json:",omitempty"` // empty for none
	// Default is set for the account's own aws/rds.
	Default bool `json:",omitempty"`
	// Context is the value of the encryption context: the id of the database that the
	// data are of.
	Context string         `json:",omitempty"`
	Grants  []behalf.Grant `json:",omitempty"`
}

// shown is the key as answers have it.
func (e *Encryption) shown() *string {
	if e.ARN == "" {
		return nil
	}
	return new(e.ARN)
}

// The texts that RDS was reported to give, by what the key is for. That of the target
// of a cluster snapshot's copy was reported in its short form.
// See https://github.com/awslabs/rds-snapshot-tool/issues/70 and
// https://github.com/awslabs/aurora-snapshot-tool/issues/25.
const (
	sourceKey = "The source snapshot KMS key"
	targetKey = "The target KMS key"
	namedKey  = "Specified KMS key"
)

// inaccessible is the refusal of a key that is not there, not enabled, or not the
// caller's to use: RDS does not say which.
func inaccessible(which, id string) error {
	return refuse("KMSKeyNotAccessibleFault", which+" ["+id+"] does not exist, is not enabled or you do not have permissions to access it.")
}

// lookUp finds the key that a caller names by id, ARN, alias or alias ARN, as the
// caller may.
func (s *Service) lookUp(ctx context.Context, id, which string) (*kmstypes.KeyMetadata, error) {
	out, err := s.Agent.Client.Do(ctx, "kms", "DescribeKey", &kms.DescribeKeyInput{KeyId: &id}, gate.Forward{Service: "rds", ForResource: true})
	if errors.Is(err, gate.ErrUpdate) {
		return nil, err
	}
	if err != nil {
		return nil, inaccessible(which, id)
	}
	m := out.(*kms.DescribeKeyOutput).KeyMetadata
	if m.KeySpec != kmstypes.KeySpecSymmetricDefault || m.KeyUsage != kmstypes.KeyUsageTypeEncryptDecrypt {
		return nil, inaccessible(which, id) // only symmetric keys encrypt databases
	}
	return m, nil
}

// encrypt makes the uses of keys that an operation needs to put something under a key,
// which the caller names, and says what it then is under. Part is the part that the
// key plays; others are the operation's further keys.
func (s *Service) encrypt(ctx context.Context, operation, scenario, part, id, which, resource string, others map[string]behalf.Key) (*Encryption, error) {
	m, err := s.lookUp(ctx, id, which)
	if err != nil {
		return nil, err
	}
	keys := map[string]behalf.Key{part: {ARN: *m.Arn, Context: contextOf(resource)}}
	for name, k := range others {
		keys[name] = k
	}
	made, err := s.Agent.Use(ctx, operation, scenario, keys)
	if err != nil {
		var refused *behalf.Refused
		if !errors.As(err, &refused) {
			return nil, err
		}
		if refused.Use.Key == "source" {
			which = sourceKey
		}
		return nil, inaccessible(which, refused.Key)
	}
	return &Encryption{ARN: *m.Arn, Default: m.KeyManager == kmstypes.KeyManagerTypeAws, Context: resource, Grants: made.Grants}, nil
}

// contextOf is the encryption context of a database's data. AWS documents it of DB
// instances; of clusters it is assumed to have the cluster's resource id.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html#Overview.Encryption.Keys.encryptioncontext.
func contextOf(resource string) map[string]string {
	return map[string]string{"aws:rds:db-id": resource}
}
