package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// bucketKeyLife is how long a bucket-level key is used again for the same requester.
// AWS says that it is short-lived and that every requester fetches one of its own, where
// different roles and accounts, and one role with different session policies, are
// different requesters; how long it lives is assumed.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html.
const bucketKeyLife = time.Minute

// managedKey is the alias of the key that S3 makes in an account.
const managedKey = "alias/aws/s3"

// contextName is the encryption context that S3 adds: the object, or the bucket when a
// bucket key is used.
const contextName = "aws:s3:arn"

// keyARN is the ARN of a key as a request names it. A key or alias without an account is
// the requester's, as AWS documents it.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html.
func keyARN(c *gate.Call, b *Bucket, id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	if !strings.HasPrefix(id, "alias/") {
		id = "key/" + id
	}
	return behalf.ARN("kms", b.Region, c.Caller.Account, id)
}

// sealing works out how an object is to be encrypted: as the request says, or else as
// the bucket does by default.
func sealing(c *gate.Call, b *Bucket, key string, in *s3.PutObjectInput) (Sealing, error) {
	if in.SSECustomerAlgorithm != nil || in.SSECustomerKey != nil {
		return Sealing{}, notImplemented("server-side encryption with customer keys (SSE-C)")
	}
	v := Sealing{Algorithm: in.ServerSideEncryption}
	id, inherits := value(in.SSEKMSKeyId), in.ServerSideEncryption == ""
	rule := b.encryption()
	if inherits {
		v.Algorithm = rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm
		if id == "" {
			id = value(rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
		}
	}
	if v.Algorithm == types.ServerSideEncryptionAes256 {
		if in.SSEKMSKeyId != nil || in.SSEKMSEncryptionContext != nil {
			return v, bad("InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		return v, nil
	}
	if v.Algorithm != types.ServerSideEncryptionAwsKms && v.Algorithm != types.ServerSideEncryptionAwsKmsDsse {
		return v, bad("InvalidArgument", "The encryption method specified is not supported")
	}
	v.BucketKey = yes(rule.BucketKeyEnabled)
	if in.BucketKeyEnabled != nil {
		v.BucketKey = *in.BucketKeyEnabled
	}
	if v.Algorithm == types.ServerSideEncryptionAwsKmsDsse {
		v.BucketKey = false // which two layers do not have
	}
	if id == "" {
		id = managedKey
	}
	v.KeyARN = keyARN(c, b, id)
	v.Context = map[string]string{contextName: b.objectARN(key)}
	if v.BucketKey {
		v.Context[contextName] = b.arn()
	}
	return v, v.addContext(in.SSEKMSEncryptionContext)
}

// addContext adds the pairs that the request has.
func (v *Sealing) addContext(text *string) error {
	if text == nil {
		return nil
	}
	pairs := map[string]string{}
	raw, err := base64.StdEncoding.DecodeString(*text)
	if err == nil {
		err = json.Unmarshal(raw, &pairs)
	}
	if err != nil {
		return bad("InvalidArgument", "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map")
	}
	if _, taken := pairs[contextName]; taken && pairs[contextName] != v.Context[contextName] {
		return bad("InvalidArgument", "The encryption context may not set "+contextName+" to another value.") // assumed text
	}
	maps.Copy(v.Context, pairs)
	return nil
}

// sameRegion refuses a key in another Region than the bucket, as recorded.
func sameRegion(b *Bucket, key string) error {
	a, err := arn.Parse(key)
	if err != nil || a.Service != "kms" {
		return bad("KMS.NotFoundException", "Invalid arn "+key)
	}
	if a.Region != b.Region {
		return bad("KMS.NotFoundException", "Invalid arn "+a.Region)
	}
	return nil
}

// seal makes the key of an object's bytes and puts it under the data key that KMS makes
// for the caller; there is none when no key of KMS takes part. It locks the state.
func (s *Service) seal(c *gate.Call, b *Bucket, operation string, v *Sealing) (key []byte, err error) {
	if !v.kms() {
		return nil, nil
	}
	err = s.DB.Update(func() error { key, err = s.sealed(own(c), b, operation, v); return err })
	return key, err
}

// sealed is seal in an update.
func (s *Service) sealed(ctx context.Context, b *Bucket, operation string, v *Sealing) ([]byte, error) {
	if err := sameRegion(b, v.KeyARN); err != nil {
		return nil, err
	}
	c := gate.From(ctx)
	plain, err := []byte(nil), error(nil)
	name := ""
	if v.BucketKey {
		name = requester(c, "make", b.Name, v.KeyARN, v.Context)
		if known, ok := s.keys.get(name, c.At); ok {
			v.Blob, v.KeyARN, plain = known.blob, known.keyARN, known.plain
		}
	}
	if plain == nil {
		made, err := s.Agent.Use(ctx, operation, "sse-kms", map[string]behalf.Key{"object": {ARN: v.KeyARN, Context: v.Context, Plain: true}})
		if err != nil {
			return nil, fromKMS(err)
		}
		v.Blob, v.KeyARN, plain = made.Blobs["object"], made.Keys["object"], made.Plain["object"]
		if v.BucketKey {
			s.keys.put(name, bucketKey{v.Blob, plain, v.KeyARN, c.At.Add(bucketKeyLife)})
		}
	}
	key := random(keySize)
	v.Wrapped, err = wrap(plain, key)
	return key, err
}

// opened returns the key of an object's bytes, for which KMS opens the data key for the
// caller. It is called in an update.
func (s *Service) opened(ctx context.Context, b *Bucket, operation string, v *Sealing) ([]byte, error) {
	if !v.kms() {
		return nil, nil
	}
	c := gate.From(ctx)
	name := ""
	if v.BucketKey {
		name = requester(c, "open "+string(v.Blob), b.Name, v.KeyARN, v.Context)
		if known, ok := s.keys.get(name, c.At); ok {
			return unwrap(known.plain, v.Wrapped)
		}
	}
	made, err := s.Agent.Use(ctx, operation, "sse-kms", map[string]behalf.Key{"object": {ARN: v.KeyARN, Context: v.Context, Blob: v.Blob, Unnamed: true, Plain: true}})
	if err != nil {
		return nil, fromKMS(err)
	}
	plain := made.Plain["object"]
	if v.BucketKey {
		s.keys.put(name, bucketKey{v.Blob, plain, v.KeyARN, c.At.Add(bucketKeyLife)})
	}
	return unwrap(plain, v.Wrapped)
}

// requester names who asks for which bucket-level key.
func requester(c *gate.Call, what, bucket, key string, pairs map[string]string) string {
	who := []any{what, bucket, key, pairs, c.Caller.Text, c.Caller.ID}
	if v := c.Caller.Session; v != nil {
		who = []any{what, bucket, key, pairs, v.Principal, v.PrincipalID, v.Policies, v.PolicyARNs, v.Tags, v.ARN == v.Principal}
	}
	text, _ := json.Marshal(who) // texts only
	sum := sha256.Sum256(text)
	return string(sum[:])
}

// shown is what an answer tells of an object's encryption.
func (v *Sealing) shown() (algorithm types.ServerSideEncryption, key *string, bucketKey *bool) {
	algorithm = v.Algorithm
	if v.kms() {
		key = new(v.KeyARN)
	}
	if v.BucketKey {
		bucketKey = new(true)
	}
	return algorithm, key, bucketKey
}
