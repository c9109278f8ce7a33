package live

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// bucketPlace is a bucket and where it is called. Every call says whose bucket is
// meant, so that one of the same name of another account is never touched. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html.
type bucketPlace struct {
	*opPlace
	api          *s3.Client
	bucket, mine *string
}

func (c *Cloud) atBucket(ctx context.Context, bucket, account, region string) (*bucketPlace, error) {
	p, err := c.at(ctx, account, region)
	if err != nil {
		return nil, err
	}
	api := s3.NewFromConfig(p.cfg, func(o *s3.Options) {
		o.UsePathStyle = c.options.Endpoint != "" // an endpoint of one's own has no names for buckets
	})
	name := bucket[strings.LastIndexByte(bucket, ':')+1:] // of an ARN
	return &bucketPlace{p, api, &name, &account}, nil
}

func (c *Cloud) currentBucket(ctx context.Context, o *estate.NewBucket) (*estate.NewBucket, error) {
	b, err := c.atBucket(ctx, o.Bucket, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	err = opTell(ctx, b.opPlace, "s3:HeadBucket", b.api.HeadBucket, &s3.HeadBucketInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	if opDone(err, cloud.NotFound) != nil {
		return nil, err
	}
	return &estate.NewBucket{Bucket: o.Bucket, Account: o.Account, Region: o.Region, Absent: opGone(err)}, nil
}

// putBucket makes a bucket whose objects are all its account's, or deletes an empty
// one.
func (c *Cloud) putBucket(ctx context.Context, o *estate.NewBucket) error {
	was, err := c.currentBucket(ctx, o)
	if err != nil || was.Absent == o.Absent {
		return err
	}
	b, err := c.atBucket(ctx, o.Bucket, o.Account, o.Region)
	if err != nil {
		return err
	}
	if o.Absent {
		return opDone(opTell(ctx, b.opPlace, "s3:DeleteBucket", b.api.DeleteBucket, &s3.DeleteBucketInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine}), cloud.NotFound)
	}
	in := &s3.CreateBucketInput{Bucket: b.bucket, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	if o.Region != "us-east-1" { // which S3 does not let one name
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(o.Region)}
	}
	err = opTell(ctx, b.opPlace, "s3:CreateBucket", b.api.CreateBucket, in)
	return opUnset(err, "BucketAlreadyOwnedByYou") // that of another account is BucketAlreadyExists
}

func (c *Cloud) currentSetting(ctx context.Context, o *estate.BucketSetting) (*estate.BucketSetting, error) {
	b, err := c.atBucket(ctx, o.Bucket, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	was := &estate.BucketSetting{Bucket: o.Bucket, Account: o.Account, Region: o.Region, Setting: o.Setting}
	switch o.Setting {
	case estate.BucketPolicy:
		was.Text, err = b.policy(ctx)
	case estate.BucketVersioning:
		was.Text, err = b.versioning(ctx, o.Text)
	case estate.BucketEncryption:
		was.Text, err = b.encryption(ctx)
	case estate.BucketKeyOn:
		was.Text, err = b.bucketKey(ctx)
	case estate.BucketPublicAccess:
		was.Text, err = b.publicAccess(ctx)
	case estate.BucketLifecycle:
		was.Text, err = b.lifecycle(ctx)
	default:
		err = b.invalid("reading the settings of a bucket", "buckets have no setting "+o.Setting)
	}
	if err != nil {
		return nil, err
	}
	return was, nil
}

func (c *Cloud) putSetting(ctx context.Context, o *estate.BucketSetting) error {
	b, err := c.atBucket(ctx, o.Bucket, o.Account, o.Region)
	if err != nil {
		return err
	}
	switch o.Setting {
	case estate.BucketPolicy:
		return b.putPolicy(ctx, o.Text)
	case estate.BucketVersioning:
		return b.putVersioning(ctx, o.Text)
	case estate.BucketEncryption:
		return b.putEncryption(ctx, o.Text)
	case estate.BucketKeyOn:
		return b.putBucketKey(ctx, o.Text == "true")
	case estate.BucketPublicAccess:
		return b.putPublicAccess(ctx, o.Text)
	case estate.BucketLifecycle:
		return b.putLifecycle(ctx, o.Text)
	}
	return b.invalid("setting up a bucket", "buckets have no setting "+o.Setting)
}

// unset takes the failure that says that a setting was never made for none.
func opUnset(err error, code string) error {
	if opCode(err) == code {
		return nil
	}
	return err
}

func (b *bucketPlace) policy(ctx context.Context) (string, error) {
	out, err := opAsk(ctx, b.opPlace, "s3:GetBucketPolicy", b.api.GetBucketPolicy, &s3.GetBucketPolicyInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	if err != nil {
		return "", opUnset(err, "NoSuchBucketPolicy")
	}
	return aws.ToString(out.Policy), nil
}

func (b *bucketPlace) putPolicy(ctx context.Context, text string) error {
	if text == "" {
		return opTell(ctx, b.opPlace, "s3:DeleteBucketPolicy", b.api.DeleteBucketPolicy, &s3.DeleteBucketPolicyInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	}
	return opTell(ctx, b.opPlace, "s3:PutBucketPolicy", b.api.PutBucketPolicy, &s3.PutBucketPolicyInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine, Policy: &text})
}

// versioning is empty for a bucket that never had versions. A bucket that had them
// cannot go back further than to Suspended: an op that takes versioning away finds that
// done there. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html.
func (b *bucketPlace) versioning(ctx context.Context, wanted string) (string, error) {
	out, err := opAsk(ctx, b.opPlace, "s3:GetBucketVersioning", b.api.GetBucketVersioning, &s3.GetBucketVersioningInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	if err != nil || wanted == "" && out.Status == types.BucketVersioningStatusSuspended {
		return "", err
	}
	return string(out.Status), nil
}

func (b *bucketPlace) putVersioning(ctx context.Context, text string) error {
	if text == "" {
		switch was, err := b.versioning(ctx, ""); {
		case err != nil:
			return err
		case was == "":
			return nil
		}
		text = string(types.BucketVersioningStatusSuspended)
	}
	return opTell(ctx, b.opPlace, "s3:PutBucketVersioning", b.api.PutBucketVersioning, &s3.PutBucketVersioningInput{
		Bucket: b.bucket, ExpectedBucketOwner: b.mine, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(text)},
	})
}

// rule is the rule of a bucket's default encryption; an empty one where there is none.
func (b *bucketPlace) rule(ctx context.Context) (types.ServerSideEncryptionRule, error) {
	out, err := opAsk(ctx, b.opPlace, "s3:GetBucketEncryption", b.api.GetBucketEncryption, &s3.GetBucketEncryptionInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	if err != nil {
		return types.ServerSideEncryptionRule{}, opUnset(err, "ServerSideEncryptionConfigurationNotFoundError")
	}
	if c := out.ServerSideEncryptionConfiguration; c != nil && len(c.Rules) > 0 {
		return c.Rules[0], nil
	}
	return types.ServerSideEncryptionRule{}, nil
}

func (b *bucketPlace) putRule(ctx context.Context, rule types.ServerSideEncryptionRule) error {
	return opTell(ctx, b.opPlace, "s3:PutBucketEncryption", b.api.PutBucketEncryption, &s3.PutBucketEncryptionInput{
		Bucket: b.bucket, ExpectedBucketOwner: b.mine, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}},
	})
}

// encryption is the key, as it was given to S3, or the algorithm where none was: AES256
// for a new bucket, aws:kms for AWS's own key of S3.
func (b *bucketPlace) encryption(ctx context.Context) (string, error) {
	rule, err := b.rule(ctx)
	d := rule.ApplyServerSideEncryptionByDefault
	if err != nil || d == nil {
		return "", err
	}
	if key := aws.ToString(d.KMSMasterKeyID); key != "" {
		return key, nil
	}
	return string(d.SSEAlgorithm), nil
}

// putEncryption changes the key or the algorithm and nothing else of the rule. A bucket
// that encrypts in two layers goes on to.
func (b *bucketPlace) putEncryption(ctx context.Context, text string) error {
	if text == "" {
		return opTell(ctx, b.opPlace, "s3:DeleteBucketEncryption", b.api.DeleteBucketEncryption, &s3.DeleteBucketEncryptionInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	}
	rule, err := b.rule(ctx)
	if err != nil {
		return err
	}
	d := &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryption(text)}
	if !isAlgorithm(text) {
		d.SSEAlgorithm, d.KMSMasterKeyID = types.ServerSideEncryptionAwsKms, &text
		if was := rule.ApplyServerSideEncryptionByDefault; was != nil && was.SSEAlgorithm == types.ServerSideEncryptionAwsKmsDsse {
			d.SSEAlgorithm = was.SSEAlgorithm
		}
	}
	rule.ApplyServerSideEncryptionByDefault = d
	return b.putRule(ctx, rule)
}

func isAlgorithm(text string) bool {
	return text == string(types.ServerSideEncryptionAes256) || text == string(types.ServerSideEncryptionAwsKms) || text == string(types.ServerSideEncryptionAwsKmsDsse)
}

func (b *bucketPlace) bucketKey(ctx context.Context) (string, error) {
	rule, err := b.rule(ctx)
	if err != nil || !aws.ToBool(rule.BucketKeyEnabled) {
		return "", err
	}
	return "true", nil
}

func (b *bucketPlace) putBucketKey(ctx context.Context, on bool) error {
	rule, err := b.rule(ctx)
	if err != nil {
		return err
	}
	rule.BucketKeyEnabled = &on
	return b.putRule(ctx, rule)
}
