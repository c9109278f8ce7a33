package live

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
)

// dataLabor is how objects, data keys and secrets are used. What only reads makes
// nothing and is done when Start returns.
func dataLabor(operation string) (labor, bool) {
	switch operation {
	case "s3:PutObject":
		return labor{look: lookObject, start: putObject, remove: removeObject}, true
	case "s3:GetObject":
		return labor{start: getObject}, true
	case "s3:ReplicateObject":
		return labor{look: lookReplica, start: putObject, remove: removeReplica, own: true}, true
	case "kms:Encrypt":
		return labor{start: encrypt}, true
	case "kms:GenerateDataKey":
		return labor{start: generateDataKey}, true
	case "kms:Decrypt":
		return labor{start: decrypt}, true
	case "secretsmanager:GetSecretValue":
		return labor{start: getSecret}, true
	}
	return labor{}, false
}

// taskS3 is a client of S3. An endpoint that is not AWS's has buckets in its paths.
func (w *work) taskS3(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = w.c.options.Endpoint != "" })
}

// taskMetadata is the metadata of an object that names the task: tags would ask for a
// right that writing an object does not need.
const taskMetadata = "keyreach-task"

// bucketOwner is how the account of the bucket is called, which the argument
// bucketAccount has when it is not the task's.
func (w *work) bucketOwner(ctx context.Context) (aws.Config, error) {
	account := w.Args["bucketAccount"]
	if account == "" {
		return in(w.own, w.Args["bucketRegion"]), nil
	}
	return w.c.config(ctx, account, w.bucketRegion())
}

func (w *work) bucketRegion() string {
	if r := w.Args["bucketRegion"]; r != "" {
		return r
	}
	return w.Region
}

// head is the object of the task; nil is none, or one that somebody else wrote. Whoever
// may not look sees none: the write is made once all the same.
func (w *work) head(ctx context.Context) (*s3.HeadObjectOutput, error) {
	if err := w.needed("bucket", "key"); err != nil {
		return nil, err
	}
	as, err := w.bucketOwner(ctx)
	if err != nil {
		return nil, err
	}
	out, err := w.taskS3(as).HeadObject(ctx, &s3.HeadObjectInput{Bucket: new(w.Args["bucket"]), Key: new(w.Args["key"])})
	err = w.gone(w.failed(err, "s3:HeadObject"))
	if cloud.KindOf(err) == cloud.Denied {
		return nil, nil
	}
	if err != nil || out == nil || out.Metadata[taskMetadata] != w.Name {
		return nil, err
	}
	return out, nil
}

// objectID is the ARN of the task's object.
func (w *work) objectID() string {
	return "arn:" + awsfacts.PartitionName(w.Region) + ":s3:::" + w.Args["bucket"] + "/" + w.Args["key"]
}

func lookObject(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	h, err := w.head(ctx)
	if err != nil || h == nil {
		return cloud.Progress{}, false, err
	}
	return cloud.Progress{ID: w.objectID(), State: "written", Percent: 100, Done: true, Started: aws.ToTime(h.LastModified)}, true, nil
}

// putObject writes an object that is not there yet, under the key of the task; of a
// replication the key is the one of the source, sourceKey.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
func putObject(ctx context.Context, w *work) (cloud.Progress, error) {
	if err := w.needed("bucket", "key"); err != nil {
		return cloud.Progress{}, err
	}
	key, p := w.Key, cloud.Progress{ID: w.objectID(), State: "written", Percent: 100, Done: true}
	if w.Operation == "s3:ReplicateObject" {
		key, p = w.Args["sourceKey"], cloud.Progress{ID: w.objectID(), State: string(types.ReplicationStatusPending), Percent: -1}
	}
	call := &s3.PutObjectInput{
		Bucket: new(w.Args["bucket"]), Key: new(w.Args["key"]), Body: strings.NewReader(w.Args["body"]), IfNoneMatch: new("*"), Metadata: map[string]string{taskMetadata: w.Name},
	}
	if key != "" {
		call.ServerSideEncryption, call.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	}
	if _, err := w.taskS3(in(w.actor, w.Args["bucketRegion"])).PutObject(ctx, call); err != nil {
		return cloud.Progress{}, w.failed(err, "s3:PutObject")
	}
	return p, nil
}

// removeObject deletes the version that the task wrote.
func removeObject(ctx context.Context, w *work) error {
	h, err := w.head(ctx)
	if err != nil || h == nil {
		return err
	}
	as, err := w.bucketOwner(ctx)
	if err != nil {
		return err
	}
	_, err = w.taskS3(as).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: new(w.Args["bucket"]), Key: new(w.Args["key"]), VersionId: h.VersionId})
	return w.failed(err, "s3:DeleteObject")
}

// getObject reads an object to its end, keeps nothing of it, and compares it with the
// argument body when there is one.
func getObject(ctx context.Context, w *work) (cloud.Progress, error) {
	if err := w.needed("bucket", "key"); err != nil {
		return cloud.Progress{}, err
	}
	out, err := w.taskS3(in(w.actor, w.Args["bucketRegion"])).GetObject(ctx, &s3.GetObjectInput{Bucket: new(w.Args["bucket"]), Key: new(w.Args["key"]), VersionId: optional(w.Args["versionId"])})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	defer out.Body.Close()
	want, compare := w.Args["body"]
	same := &sameBytes{rest: []byte(want)}
	n, err := io.Copy(same, out.Body)
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	p := done("read", map[string]string{"bytes": strconv.FormatInt(n, 10)})
	if compare && (same.differ || len(same.rest) > 0) {
		p.Done, p.Failed = false, w.objectID()+" holds other bytes than were written"
	}
	return p, nil
}

// sameBytes compares what is written to it and keeps none of it.
type sameBytes struct {
	rest   []byte
	differ bool
}

func (s *sameBytes) Write(b []byte) (int, error) {
	if !s.differ && bytes.HasPrefix(s.rest, b) {
		s.rest = s.rest[len(b):]
	} else {
		s.differ = true
	}
	return len(b), nil
}

// lookReplica is how far the replication of the task's object is. S3 tells no reason of
// a failure.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html.
func lookReplica(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	h, err := w.head(ctx)
	if err != nil || h == nil {
		return cloud.Progress{}, false, err
	}
	p := cloud.Progress{ID: w.objectID(), State: string(h.ReplicationStatus), Percent: -1, Started: aws.ToTime(h.LastModified), FullCopy: true}
	switch h.ReplicationStatus {
	case types.ReplicationStatusCompleted, types.ReplicationStatusComplete:
		p.Done, p.Percent = true, 100
	case types.ReplicationStatusFailed:
		p.Failed = p.ID + " has the replication status FAILED"
	case "":
		p.Failed = p.ID + " has no replication status: no rule of the bucket replicates it"
	}
	return p, true, nil
}

// removeReplica deletes the object, and its replica when the task says where that is:
// deleting a version is not replicated.
func removeReplica(ctx context.Context, w *work) error {
	if err := removeObject(ctx, w); err != nil || w.Args["destinationBucket"] == "" {
		return err
	}
	t := *w
	t.Args = map[string]string{
		"bucket": w.Args["destinationBucket"], "key": w.Args["key"], "bucketAccount": w.Args["destinationAccount"], "bucketRegion": w.Args["destinationRegion"],
	}
	return removeObject(ctx, &t)
}

// encryptionContext is the argument encryptionContext, a JSON object of texts.
func (w *work) encryptionContext() (map[string]string, error) {
	text := w.Args["encryptionContext"]
	if text == "" {
		return nil, nil
	}
	var pairs map[string]string
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return nil, w.invalid(fmt.Errorf("the argument encryptionContext: %w", err), cloud.Invalid)
	}
	return pairs, nil
}

// sealed is the progress of a task that made a ciphertext, which nobody but its caller
// keeps.
func sealed(ciphertext []byte) cloud.Progress {
	return done("sealed", map[string]string{"ciphertext": base64.StdEncoding.EncodeToString(ciphertext)})
}

// taskKMS is a client in the Region of the task's key.
func (w *work) taskKMS() *kms.Client {
	cfg := w.actor
	if a, err := arn.Parse(w.Key); err == nil {
		cfg = in(cfg, a.Region)
	}
	return kms.NewFromConfig(cfg)
}

func encrypt(ctx context.Context, w *work) (cloud.Progress, error) {
	pairs, err := w.encryptionContext()
	if err != nil {
		return cloud.Progress{}, err
	}
	out, err := w.taskKMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &w.Key, Plaintext: []byte(w.Args["body"]), EncryptionContext: pairs})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return sealed(out.CiphertextBlob), nil
}

// generateDataKey makes a data key, of which the plaintext is dropped.
func generateDataKey(ctx context.Context, w *work) (cloud.Progress, error) {
	pairs, err := w.encryptionContext()
	if err != nil {
		return cloud.Progress{}, err
	}
	out, err := w.taskKMS().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &w.Key, KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: pairs})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	clear(out.Plaintext)
	return sealed(out.CiphertextBlob), nil
}

// decrypt opens the argument ciphertext, in base64, and drops what was in it.
func decrypt(ctx context.Context, w *work) (cloud.Progress, error) {
	pairs, err := w.encryptionContext()
	if err == nil {
		err = w.needed("ciphertext")
	}
	if err != nil {
		return cloud.Progress{}, err
	}
	blob, err := base64.StdEncoding.DecodeString(w.Args["ciphertext"])
	if err != nil {
		return cloud.Progress{}, w.invalid(errors.New("the argument ciphertext is not base64"), cloud.Invalid)
	}
	out, err := w.taskKMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: optional(w.Key), EncryptionContext: pairs})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	clear(out.Plaintext)
	return done("opened", nil), nil
}

// getSecret reads a secret and drops the value. A reader in another account asks in the
// Region of the secret, which its ARN has.
func getSecret(ctx context.Context, w *work) (cloud.Progress, error) {
	cfg := w.actor
	if a, err := arn.Parse(w.Source); err == nil {
		cfg = in(cfg, a.Region)
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &w.Source})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	clear(out.SecretBinary)
	return done("read", map[string]string{"version": aws.ToString(out.VersionId)}), nil
}
