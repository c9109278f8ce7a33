package secretsmanager

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// content is the value of a secret, a text or bytes.
type content struct {
	bytes  []byte
	binary bool
}

// contentOf is the value of a request; nil when it has none.
func contentOf(text *string, bytes []byte) (*content, error) {
	switch {
	case text != nil && bytes != nil:
		return nil, badParameter("You can't specify both a binary secret value and a string secret value in the same secret.") // assumed text
	case text != nil:
		return &content{bytes: []byte(*text)}, nil
	case bytes != nil:
		return &content{bytes: bytes, binary: true}, nil
	}
	return nil, nil
}

// print is a trace of a value from which it cannot be read.
func (v *content) print(x *Secret, id string) []byte {
	h := sha256.New()
	kind := byte(0)
	if v.binary {
		kind = 1
	}
	h.Write([]byte(x.arn() + "\x00" + id + "\x00"))
	h.Write([]byte{kind})
	h.Write(v.bytes)
	return h.Sum(nil)
}

// keyARN is the ARN of the key of a secret as the caller names it: an id or alias without
// an account is one of the caller's, as users report
// (https://github.com/hashicorp/terraform-provider-aws/issues/30272). Without a key it is
// aws/secretsmanager of the secret's account, which lets in nobody of another.
func (x *Secret) keyARN(c *gate.Call) string {
	switch {
	case x.Key == "":
		return behalf.ARN("kms", x.Region, x.Account, "alias/aws/secretsmanager")
	case strings.HasPrefix(x.Key, "arn:"):
		return x.Key
	case strings.HasPrefix(x.Key, "alias/"):
		return behalf.ARN("kms", x.Region, c.Caller.Account, x.Key)
	}
	return behalf.ARN("kms", x.Region, c.Caller.Account, "key/", x.Key)
}

// contextOf is the encryption context of a version.
// See https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html.
func (x *Secret) contextOf(id string) map[string]string {
	return map[string]string{"SecretARN": x.arn(), "SecretVersionId": id}
}

// seal encrypts a value under a new data key, as the caller.
func (s *Service) seal(ctx context.Context, operation string, x *Secret, id string, v *content) (*Version, error) {
	c := gate.From(ctx)
	made, err := s.Agent.Use(ctx, "secretsmanager:"+operation, "", map[string]behalf.Key{
		"secret": {ARN: x.keyARN(c), Context: x.contextOf(id), Plain: true},
	})
	if err != nil {
		return nil, keyRefused(err, "EncryptionFailure", "encrypt")
	}
	sealed, err := behalf.Seal(made.Plain["secret"], v.bytes, x.arn()+"\x00"+id)
	if err != nil {
		return nil, err
	}
	return &Version{
		ID: id, Created: c.At, Key: made.Keys["secret"], Blob: made.Blobs["secret"], Binary: v.binary, Print: v.print(x, id),
		Sealed: sealed,
	}, nil
}

// open decrypts a value, as the caller.
func (s *Service) open(ctx context.Context, x *Secret, v *Version) (*content, error) {
	made, err := s.Agent.Use(ctx, "secretsmanager:GetSecretValue", "", map[string]behalf.Key{
		"secret": {ARN: v.Key, Context: x.contextOf(v.ID), Blob: v.Blob, Plain: true},
	})
	if err != nil {
		return nil, keyRefused(err, "DecryptionFailure", "decrypt")
	}
	plain, err := behalf.Open(made.Plain["secret"], v.Sealed, x.arn()+"\x00"+v.ID)
	if err != nil {
		return nil, err
	}
	return &content{plain, v.Binary}, nil
}

// keyRefused is the refusal for a key that could not be used. That nobody lets the caller
// use it is told in the text that users report; other reasons of KMS are repeated, for
// encryption as users report it, for decryption as assumed.
func keyRefused(err error, code, verb string) error {
	var refused *behalf.Refused
	if !errors.As(err, &refused) {
		return err
	}
	var denied *gate.Denied
	if errors.As(err, &denied) {
		return &wire.Error{Code: refused.Use.Failure.Code, Message: refused.Use.Failure.Text, Why: denied.Text}
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		return err
	}
	return refuse(code, "Secrets Manager can't "+verb+" the secret value: "+e.Message+" (Service: AWSKMS; Status Code: 400; Error Code: "+e.Code+")")
}
