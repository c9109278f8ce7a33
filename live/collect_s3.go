package live

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/estate"
)

// collectS3 is a client of S3. At an endpoint of one's own, buckets have no hosts.
func collectS3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
}

// readBuckets reads the account's buckets in the Regions. One list has those of all
// Regions; asked for pages, it names the Region of each. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html.
func (r *reader) readBuckets(ctx context.Context, regions []string) error {
	pages := s3.NewListBucketsPaginator(collectS3(r.cfg), &s3.ListBucketsInput{MaxBuckets: aws.Int32(1000)})
	var found []estate.Resource
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "s3:ListBuckets")
			return err
		}
		for _, b := range out.Buckets {
			if region := aws.ToString(b.BucketRegion); slices.Contains(regions, region) {
				found = append(found, estate.Resource{
					Type: "s3:Bucket", ID: aws.ToString(b.Name), ARN: bucketARN(region, aws.ToString(b.Name)), Account: r.account, Region: region, Attributes: map[string]string{},
				})
			}
		}
	}
	err := collectEach(ctx, r.scope.Concurrency, indexes(len(found)), func(ctx context.Context, i int) error { return r.bucket(ctx, &found[i]) })
	return r.keep(found, err)
}

// bucket reads the settings of a bucket, with calls to its own Region.
func (r *reader) bucket(ctx context.Context, b *estate.Resource) error {
	at, err := r.at(ctx, r.account, b.Region)
	if err != nil {
		return err
	}
	s := &bucketReader{reader: at, s3: collectS3(at.cfg), bucket: b}
	for _, read := range []func(context.Context) error{s.encryption, s.versioning, s.publicAccess, s.policy, s.lifecycle} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

type bucketReader struct {
	*reader
	s3     *s3.Client
	bucket *estate.Resource
}

// none takes the failure of a call. That there is no such setting is an answer.
func (s *bucketReader) none(err error, operation string, code string) error {
	if s.answered(err, operation, code) {
		return nil
	}
	_, err = s.refused(err, operation)
	return err
}

// encryption is that of new objects. The key is as it was given: a name of a key means
// one of whoever writes the object. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html.
func (s *bucketReader) encryption(ctx context.Context) error {
	out, err := s.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &s.bucket.ID, ExpectedBucketOwner: &s.account})
	if err != nil {
		return s.none(err, "s3:GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError")
	}
	for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
		if d := rule.ApplyServerSideEncryptionByDefault; d != nil {
			s.bucket.Attributes[estate.BucketEncryption], s.bucket.Key = string(d.SSEAlgorithm), aws.ToString(d.KMSMasterKeyID)
		}
		s.bucket.Attributes[estate.BucketKeyOn] = strconv.FormatBool(aws.ToBool(rule.BucketKeyEnabled))
	}
	return nil
}

func (s *bucketReader) versioning(ctx context.Context) error {
	out, err := s.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket.ID, ExpectedBucketOwner: &s.account})
	if err != nil {
		return s.none(err, "s3:GetBucketVersioning", "")
	}
	if out.Status != "" {
		s.bucket.Attributes[estate.BucketVersioning] = string(out.Status)
	}
	return nil
}

func (s *bucketReader) publicAccess(ctx context.Context) error {
	out, err := s.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &s.bucket.ID, ExpectedBucketOwner: &s.account})
	if err != nil {
		return s.none(err, "s3:GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration")
	}
	b := out.PublicAccessBlockConfiguration
	all := aws.ToBool(b.BlockPublicAcls) && aws.ToBool(b.BlockPublicPolicy) && aws.ToBool(b.IgnorePublicAcls) && aws.ToBool(b.RestrictPublicBuckets)
	s.bucket.Attributes[estate.BucketPublicAccess] = strconv.FormatBool(all)
	return nil
}

func (s *bucketReader) policy(ctx context.Context) error {
	out, err := s.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &s.bucket.ID, ExpectedBucketOwner: &s.account})
	if err != nil {
		return s.none(err, "s3:GetBucketPolicy", "NoSuchBucketPolicy")
	}
	s.bucket.Attributes[estate.BucketPolicy] = aws.ToString(out.Policy)
	return nil
}

func (s *bucketReader) lifecycle(ctx context.Context) error {
	out, err := s.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &s.bucket.ID, ExpectedBucketOwner: &s.account})
	if err != nil {
		return s.none(err, "s3:GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration")
	}
	text, err := plainJSON(types.BucketLifecycleConfiguration{Rules: out.Rules})
	if err != nil {
		return err
	}
	s.bucket.Attributes[estate.BucketLifecycle] = text
	return nil
}

// plainJSON is a value of the SDK as JSON under AWS's member names, without what is not
// set.
func plainJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return "", err
	}
	text, err = json.Marshal(withoutUnset(tree))
	return string(text), err
}

// withoutUnset takes away the members that are null, which a pointer that is not set
// becomes. An empty text stays: an empty prefix says something.
func withoutUnset(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
				continue
			}
			v[name] = withoutUnset(member)
		}
	case []any:
		for i := range v {
			v[i] = withoutUnset(v[i])
		}
	}
	return v
}
