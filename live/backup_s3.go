package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/route"
)

// S3Options say how backups are kept in a bucket. The zero value asks for nothing.
type S3Options struct {
	// Region is the bucket's; empty asks S3 for it.
	Region string
	// Owner is the account that the bucket has to be of, when it is not empty. See
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html.
	Owner string
	// As is who calls, as for BackupKMS.
	As string
	// SSEKey is the ARN of the KMS key under which S3 encrypts what it gets; empty leaves
	// that to the bucket.
	SSEKey string
	// LockMode is GOVERNANCE or COMPLIANCE, and LockUntil until when S3 lets nobody delete
	// what is written; both or neither. The bucket has to have Object Lock.
	LockMode  string
	LockUntil time.Time
	// ExpectedSize is about how many bytes a backup will have, 0 when nobody knows. It
	// matters beyond 140 GiB, where the parts have to be larger.
	ExpectedSize int64
	// Versions has List return all versions, not the newest alone. It needs
	// s3:ListBucketVersions.
	Versions bool
	// Details has List look at each backup, for its version, checksum and lock. It needs
	// s3:GetObject.
	Details bool
}

// s3Store is a prefix of a bucket.
type s3Store struct {
	*opPlace
	api            *s3.Client
	bucket, prefix string // the prefix with its slash, or empty
	o              S3Options
}

// S3Store returns the store at s3://BUCKET/PREFIX: the objects PREFIX/ID.age. It calls S3
// for the Region of the bucket when the options do not name it. Failures are of type
// *cloud.Error: of kind NotFound when there is no such bucket.
func (c *Cloud) S3Store(ctx context.Context, url string, o S3Options) (store.Store, error) {
	bucket, prefix, err := s3URL(url)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return nil, &cloud.Error{Kind: cloud.Invalid, Operation: "opening " + url, Err: err}
	}
	cfg, err := c.backupCaller(ctx, o.As, o.Region)
	if err != nil {
		return nil, err
	}
	s := &s3Store{opPlace: &opPlace{c: c, account: o.Owner, region: cfg.Region, cfg: cfg}, bucket: bucket, prefix: prefix, o: o}
	s.api = s.client()
	if o.Region == "" {
		if err := s.find(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// s3URL reads s3://BUCKET/PREFIX.
func s3URL(url string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	switch {
	case !ok || bucket == "":
		return "", "", fmt.Errorf("%q is not of the form s3://BUCKET/PREFIX", url)
	case !route.IsBucketName(bucket):
		return "", "", fmt.Errorf("%q of %q is no name of a bucket, which has 3 to 63 small letters, digits, hyphens and dots", bucket, url)
	case strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//"):
		return "", "", fmt.Errorf("the prefix of %q has an empty part", url)
	case len(prefix) > 700:
		return "", "", fmt.Errorf("the prefix of %q is too long", url) // keys have at most 1024 bytes
	case prefix != "":
		prefix += "/"
	}
	return bucket, prefix, nil
}

// check refuses options that S3 would not take, before anything is made.
func (o *S3Options) check() error {
	if o.SSEKey != "" {
		if a, err := arn.Parse(o.SSEKey); err != nil || !a.IsKMSKey() {
			return fmt.Errorf("the key for S3 is to be the ARN of a key, and is %q", o.SSEKey)
		}
	}
	switch {
	case o.LockMode != "" && o.LockMode != string(types.ObjectLockModeGovernance) && o.LockMode != string(types.ObjectLockModeCompliance):
		return fmt.Errorf("the lock mode is GOVERNANCE or COMPLIANCE, and not %q", o.LockMode)
	case (o.LockMode == "") != o.LockUntil.IsZero():
		return errors.New("a lock has a mode and a time until when")
	}
	return nil
}

// client is a client of S3 in the store's Region, which names the owner in every call.
func (s *s3Store) client() *s3.Client {
	cfg, owner := in(s.cfg, s.region), s.o.Owner
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true // the store compares itself
		if owner != "" {
			o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("x-amz-expected-bucket-owner", owner))
		}
	})
}

// find finds the Region of the bucket. S3 tells it in a header of every answer, also of
// one that refuses. See https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html.
func (s *s3Store) find(ctx context.Context) error {
	out, err := s.api.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	region := ""
	var response *awshttp.ResponseError
	switch {
	case err == nil:
		region = aws.ToString(out.BucketRegion)
	case errors.As(err, &response) && response.Response != nil:
		region = response.Response.Header.Get("X-Amz-Bucket-Region")
	}
	refused := errors.As(err, &response) && response.HTTPStatusCode() == http.StatusForbidden // who may not list the bucket may perhaps write
	if err != nil && !refused && (region == "" || region == s.region) {
		return s.failed(err, "s3:HeadBucket")
	}
	if region != "" && region != s.region {
		s.region = region
		s.api = s.client()
	}
	return nil
}

func (s *s3Store) failed(err error, operation string) error {
	return s.c.failed(err, operation, s.account, s.region)
}

// String is s3://BUCKET/PREFIX.
func (s *s3Store) String() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

func (s *s3Store) key(id string) string { return s.prefix + id + store.Suffix }

func (s *s3Store) location(id string) string { return "s3://" + s.bucket + "/" + s.key(id) }

// idOf is the id of the backup under a key, which has to lie directly below the prefix.
func (s *s3Store) idOf(key string) (string, bool) {
	name, ok := strings.CutPrefix(key, s.prefix)
	if !ok {
		return "", false
	}
	return store.IDOf(name)
}

// Remove hides the newest version behind a marker in a bucket with versions, and deletes
// the backup elsewhere. It needs s3:DeleteObject, and to tell that there was none,
// s3:ListBucket. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjects.html.
func (s *s3Store) Remove(ctx context.Context, o store.Object) error {
	if err := store.CheckID(o.ID); err != nil {
		return err
	}
	return opTell(ctx, s.opPlace, "s3:DeleteObject", s.api.DeleteObject, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: new(s.key(o.ID))})
}

// Sweep aborts the uploads of backups that were begun longer ago than the age. It needs
// s3:ListBucketMultipartUploads and s3:AbortMultipartUpload. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/abort-mpu.html.
func (s *s3Store) Sweep(ctx context.Context, age time.Duration) (int, error) {
	swept, before := 0, time.Now().Add(-age)
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &s.prefix, Delimiter: new("/")}
	for {
		out, err := opAsk(ctx, s.opPlace, "s3:ListMultipartUploads", s.api.ListMultipartUploads, in)
		if err != nil {
			return swept, err
		}
		for i := range out.Uploads {
			u := &out.Uploads[i]
			if _, ours := s.idOf(aws.ToString(u.Key)); !ours || aws.ToTime(u.Initiated).After(before) {
				continue
			}
			err := opTell(ctx, s.opPlace, "s3:AbortMultipartUpload", s.api.AbortMultipartUpload, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: u.Key, UploadId: u.UploadId})
			if opGone(err) { // somebody ended it meanwhile
				continue
			}
			if err != nil {
				return swept, err
			}
			swept++
		}
		if !aws.ToBool(out.IsTruncated) {
			return swept, nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}
