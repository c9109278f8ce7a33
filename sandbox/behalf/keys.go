package behalf

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
	"github.com/keyreach/keyreach/usage"
)

// Key is a key that takes part in an operation.
type Key struct {
	ARN string
	// Context is the encryption context of what is made or read under the key.
	Context map[string]string
	// Blob is the data key that is read, encrypted. Where a data key would be made, it is
	// the one that is there already, so that none is.
	Blob []byte
	// Grantee is whom a grant on the key is made for: an ARN, or the name of a service;
	// the service that calls KMS when it is empty.
	Grantee string
	// Also is for whom a second grant of the same is made, empty for nobody.
	Also string
	// Unnamed leaves it to the data key to say under which key Decrypt opens it, as S3
	// does: refusals across accounts then speak of a ciphertext
	// (https://github.com/aws/amazon-genomics-cli/issues/545).
	Unnamed bool
	// Plain has GenerateDataKey return the data key in the clear too, in Made.
	Plain bool
	// Text is what an Encrypt encrypts, in place of a data key.
	Text []byte
}

// Made is what the uses of keys left behind.
type Made struct {
	// Blobs are the data keys that were made or written anew, encrypted, by the part
	// that their key plays; Plain those in the clear.
	Blobs, Plain map[string][]byte
	// Keys are the ARNs of the keys of Blobs, where an alias was given.
	Keys map[string]string
	// Grants are the grants that were made.
	Grants []Grant
}

// Grant names a grant, and the service that may retire it.
type Grant struct {
	KeyARN, ID, Retiring string
	Grantee              string // an ARN, or the name of a service
}

// Refused is the error of a key that could not be used.
type Refused struct {
	Use usage.Use
	Key string // its ARN
	Err error  // what KMS answered
}

// Error tells which use was refused and why.
func (r *Refused) Error() string {
	return fmt.Sprintf("using %s for %s: %v", r.Key, r.Use.Operation, r.Err)
}

// Unwrap returns what KMS answered.
func (r *Refused) Unwrap() error { return r.Err }

// Use makes the uses of keys that an operation requires, as the caller of the call that
// ctx carries, in the order of package usage. Keys are given by the part that they play;
// a part that is not given is not encrypted, and its uses are left out. The error is a
// *Refused; nothing is left of the uses before it.
//
// It is called in Update.
func (a *Agent) Use(ctx context.Context, operation, scenario string, keys map[string]Key) (*Made, error) {
	m := &Made{Blobs: map[string][]byte{}, Plain: map[string][]byte{}, Keys: map[string]string{}}
	err := a.DB.Try(func() error {
		rows := usage.Of(operation, scenario)
		for i := range rows {
			u := &rows[i]
			k, given := keys[u.Key]
			if !given || u.Need != usage.Required {
				continue
			}
			if err := a.one(ctx, u, k, rows, keys, m); err != nil {
				return &Refused{Use: *u, Key: k.ARN, Err: err}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// one makes one use.
func (a *Agent) one(ctx context.Context, u *usage.Use, k Key, rows []usage.Use, keys map[string]Key, m *Made) error {
	switch u.Action {
	case "kms:DescribeKey":
		_, err := a.kms(ctx, u, k, "DescribeKey", &kms.DescribeKeyInput{KeyId: &k.ARN})
		return err
	case "kms:GenerateDataKey":
		out, err := a.kms(ctx, u, k, "GenerateDataKey", &kms.GenerateDataKeyInput{KeyId: &k.ARN, NumberOfBytes: new(dataKeySize(u)), EncryptionContext: k.Context})
		if err != nil {
			return err
		}
		made := out.(*kms.GenerateDataKeyOutput)
		m.Blobs[u.Key], m.Keys[u.Key] = made.CiphertextBlob, *made.KeyId
		if k.Plain {
			m.Plain[u.Key] = made.Plaintext
		}
		return nil
	case "kms:GenerateDataKeyWithoutPlaintext":
		if k.Blob != nil {
			m.Blobs[u.Key] = k.Blob
			return nil
		}
		out, err := a.kms(ctx, u, k, "GenerateDataKeyWithoutPlaintext", &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &k.ARN, NumberOfBytes: new(dataKeySize(u)), EncryptionContext: k.Context})
		if err == nil {
			m.Blobs[u.Key] = out.(*kms.GenerateDataKeyWithoutPlaintextOutput).CiphertextBlob
		}
		return err
	case "kms:CreateGrant":
		if err := a.grant(ctx, u, k, m); err != nil || k.Also == "" {
			return err
		}
		k.Grantee = k.Also
		return a.grant(ctx, u, k, m)
	case "kms:Decrypt":
		return a.decrypt(ctx, u, k, m)
	case "kms:ReEncryptFrom":
		return a.reEncrypt(ctx, u, k, rows, keys, m)
	case "kms:ReEncryptTo":
		return nil // made together with the ReEncryptFrom of the same operation
	case "kms:Encrypt":
		text := k.Text
		if text == nil {
			text = make([]byte, 32)
		}
		out, err := a.kms(ctx, u, k, "Encrypt", &kms.EncryptInput{KeyId: &k.ARN, Plaintext: text, EncryptionContext: k.Context})
		if err == nil {
			made := out.(*kms.EncryptOutput)
			m.Blobs[u.Key], m.Keys[u.Key] = made.CiphertextBlob, *made.KeyId
		}
		return err
	}
	return errors.New("behalf: the table of key uses has " + u.Action + ", which no service makes")
}

// dataKeySize is the length of data keys: EBS's have 64 bytes, as recorded, others 32.
func dataKeySize(u *usage.Use) int32 {
	if u.Via == "ec2" {
		return 64
	}
	return 32
}

// kms calls KMS in the key's own Region, through the service that the table names.
func (a *Agent) kms(ctx context.Context, u *usage.Use, k Key, operation string, in any) (any, error) {
	key, err := arn.Parse(k.ARN)
	if err != nil {
		return nil, fmt.Errorf("calling KMS: %w", err)
	}
	return a.Client.Do(ctx, "kms", operation, in, gate.Forward{Service: u.Via, Told: cmp.Or(a.Told, a.Service), ForResource: true, Region: key.Region})
}

func (a *Agent) grant(ctx context.Context, u *usage.Use, k Key, m *Made) error {
	in := &kms.CreateGrantInput{KeyId: &k.ARN}
	for _, op := range u.Grants {
		in.Operations = append(in.Operations, types.GrantOperation(op))
	}
	if k.Context != nil {
		in.Constraints = &types.GrantConstraints{EncryptionContextSubset: k.Context}
	}
	key, err := arn.Parse(k.ARN)
	if err != nil {
		return fmt.Errorf("making a grant: %w", err)
	}
	// Recorded for a launch: EC2 retires the grant itself.
	retiring := usage.ViaService(u.Via, key.Region)
	in.RetiringServicePrincipal = &retiring
	grantee := cmp.Or(k.Grantee, retiring)
	if p, err := arn.ParsePrincipal(grantee); err == nil && p.Kind != arn.Service {
		in.GranteePrincipal = &grantee
	} else {
		in.GranteeServicePrincipal = &grantee
	}
	out, err := a.kms(ctx, u, k, "CreateGrant", in)
	if err == nil {
		m.Grants = append(m.Grants, Grant{KeyARN: k.ARN, ID: *out.(*kms.CreateGrantOutput).GrantId, Retiring: retiring, Grantee: grantee})
	}
	return err
}

// decrypt opens a data key, which the operation may just have made. Without one there
// is nothing to open, and KMS is asked whether it would be.
func (a *Agent) decrypt(ctx context.Context, u *usage.Use, k Key, m *Made) error {
	if k.Blob == nil {
		k.Blob = m.Blobs[u.Key]
	}
	in := &kms.DecryptInput{CiphertextBlob: k.Blob, EncryptionContext: k.Context, KeyId: &k.ARN}
	if k.Blob == nil {
		in.DryRun, in.DryRunModifiers = new(true), []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}
	}
	if k.Unnamed && k.Blob != nil {
		in.KeyId = nil
	}
	out, err := a.kms(ctx, u, k, "Decrypt", in)
	if k.Blob == nil {
		return dryRunWorked(err)
	}
	if err == nil && k.Plain {
		m.Plain[u.Key] = out.(*kms.DecryptOutput).Plaintext
	}
	return err
}

// reEncrypt writes a data key anew: under the key of the operation's ReEncryptTo, with
// that key's context.
func (a *Agent) reEncrypt(ctx context.Context, u *usage.Use, from Key, rows []usage.Use, keys map[string]Key, m *Made) error {
	part := u.Key
	for _, other := range rows {
		if other.Action == "kms:ReEncryptTo" && other.Need == usage.Required {
			if _, given := keys[other.Key]; given {
				part = other.Key
			}
		}
	}
	to := keys[part]
	in := &kms.ReEncryptInput{
		CiphertextBlob: from.Blob, SourceKeyId: &from.ARN, SourceEncryptionContext: from.Context,
		DestinationKeyId: &to.ARN, DestinationEncryptionContext: to.Context,
	}
	if from.Blob == nil {
		in.DryRun, in.DryRunModifiers = new(true), []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}
	}
	out, err := a.kms(ctx, u, from, "ReEncrypt", in)
	if from.Blob == nil {
		return dryRunWorked(err)
	}
	if err == nil {
		m.Blobs[part] = out.(*kms.ReEncryptOutput).CiphertextBlob
	}
	return err
}

// Retire ends grants that were made, when what they were made for is gone. Those of
// keys that are gone are gone too.
func (a *Agent) Retire(ctx context.Context, grants []Grant) {
	for _, g := range grants {
		key, err := arn.Parse(g.KeyARN)
		if err != nil {
			continue
		}
		own := gate.As(ctx, Caller(g.Retiring))
		_, _ = a.Client.Do(own, "kms", "RetireGrant", &kms.RetireGrantInput{KeyId: &g.KeyARN, GrantId: &g.ID}, gate.Forward{Service: a.Service, Region: key.Region})
	}
}

// Open decrypts a data key by a grant that was made for it, as its grantee does: that
// of EC2's infrastructure for a volume.
func (a *Agent) Open(ctx context.Context, g Grant, blob []byte, encryption map[string]string) error {
	key, err := arn.Parse(g.KeyARN)
	if err != nil {
		return fmt.Errorf("opening a data key: %w", err)
	}
	caller := Caller(g.Grantee)
	if p, err := arn.ParsePrincipal(g.Grantee); err == nil && p.Kind == arn.AssumedRole {
		id := p.Account + ":" + p.Name + ":" + p.Session
		caller = gate.Caller{Caller: policy.Caller{Principal: p, ID: id}}
	}
	in := &kms.DecryptInput{KeyId: &g.KeyARN, CiphertextBlob: blob, EncryptionContext: encryption}
	_, err = a.Client.Do(gate.As(ctx, caller), "kms", "Decrypt", in, gate.Forward{Service: a.Service, ForResource: true, Region: key.Region, Assumed: caller.Account != ""})
	return err
}

// dryRunWorked turns the answer of a dry run into that of a real one.
func dryRunWorked(err error) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "DryRunOperationException" {
		return nil
	}
	return err
}
