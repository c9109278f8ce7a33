package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

// backupPatience is how long a call of KMS may take with all its attempts: a backup must
// not hang because an endpoint does.
const backupPatience = 2 * time.Minute

// backupKMS makes the calls of KMS that an envelope needs.
type backupKMS struct {
	c  *Cloud
	as string
}

// BackupKMS returns the calls of KMS for backups. Each goes to the Region of the key's
// ARN, or for an id or the name of an alias to the Region of the options, and is made as
// the same caller whatever account the key is of: empty for the SDK's own chain, the
// number of an account for the way into it that the options name, or the ARN of a
// principal for which Options.SignIn has credentials. Failures are of type *cloud.Error.
func (c *Cloud) BackupKMS(as string) envelope.KMS { return &backupKMS{c, as} }

// at reaches the place of a key. What is given as an ARN has to be a key or an alias.
func (k *backupKMS) at(ctx context.Context, key, operation string) (*opPlace, *kms.Client, error) {
	p := &opPlace{c: k.c}
	if strings.HasPrefix(key, "arn:") {
		a, err := arn.Parse(key)
		if err == nil && !a.IsKMSKey() && !a.IsKMSAlias() {
			err = fmt.Errorf("%q is the ARN of no key and of no alias", key)
		}
		if err != nil {
			return nil, nil, &cloud.Error{Kind: cloud.Invalid, Operation: operation, Err: err}
		}
		p.account, p.region = a.Account, a.Region
	} else if key == "" {
		return nil, nil, &cloud.Error{Kind: cloud.Invalid, Operation: operation, Err: errors.New("no key is named")}
	}
	cfg, err := k.c.backupCaller(ctx, k.as, p.region)
	if err != nil {
		return nil, nil, err
	}
	p.region, p.cfg = cfg.Region, cfg
	return p, kms.NewFromConfig(cfg), nil
}

// Encrypt encrypts at most 4096 bytes. It needs kms:Encrypt.
func (k *backupKMS) Encrypt(ctx context.Context, key string, plaintext []byte, bound envelope.Context) ([]byte, string, error) {
	const operation = "kms:Encrypt"
	ctx, done := context.WithTimeout(ctx, backupPatience)
	defer done()
	p, api, err := k.at(ctx, key, operation)
	if err != nil {
		return nil, "", err
	}
	out, err := opAsk(ctx, p, operation, api.Encrypt, &kms.EncryptInput{KeyId: &key, Plaintext: plaintext, EncryptionContext: bound})
	if err != nil {
		return nil, "", err
	}
	return out.CiphertextBlob, aws.ToString(out.KeyId), nil
}

// Decrypt decrypts with the key that is named and no other, whatever the ciphertext
// says. It needs kms:Decrypt.
func (k *backupKMS) Decrypt(ctx context.Context, key string, blob []byte, bound envelope.Context) ([]byte, error) {
	const operation = "kms:Decrypt"
	ctx, done := context.WithTimeout(ctx, backupPatience)
	defer done()
	p, api, err := k.at(ctx, key, operation)
	if err != nil {
		return nil, err
	}
	out, err := opAsk(ctx, p, operation, api.Decrypt, &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: bound})
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

// DescribeKey tells a key's state. It needs kms:DescribeKey.
func (k *backupKMS) DescribeKey(ctx context.Context, key string) (envelope.Key, error) {
	const operation = "kms:DescribeKey"
	ctx, done := context.WithTimeout(ctx, backupPatience)
	defer done()
	p, api, err := k.at(ctx, key, operation)
	if err != nil {
		return envelope.Key{}, err
	}
	out, err := opAsk(ctx, p, operation, api.DescribeKey, &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		return envelope.Key{}, err
	}
	m := out.KeyMetadata
	return envelope.Key{
		ARN: aws.ToString(m.Arn), State: string(m.KeyState), Deletion: aws.ToTime(m.DeletionDate), MultiRegion: aws.ToBool(m.MultiRegion),
		Manager: string(m.KeyManager), Usage: string(m.KeyUsage),
	}, nil
}
