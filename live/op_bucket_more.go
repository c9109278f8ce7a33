package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// block is one of the four blocks of public access.
type opBlock struct {
	name string
	on   **bool
}

// blocks are the four blocks of a configuration by AWS's names. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PublicAccessBlockConfiguration.html.
func opBlocks(c *types.PublicAccessBlockConfiguration) []opBlock {
	return []opBlock{
		{"BlockPublicAcls", &c.BlockPublicAcls}, {"BlockPublicPolicy", &c.BlockPublicPolicy},
		{"IgnorePublicAcls", &c.IgnorePublicAcls}, {"RestrictPublicBuckets", &c.RestrictPublicBuckets},
	}
}

// publicAccess is true when all four blocks are on, empty when none is, and otherwise
// the names of those that are.
func (b *bucketPlace) publicAccess(ctx context.Context) (string, error) {
	out, err := opAsk(ctx, b.opPlace, "s3:GetPublicAccessBlock", b.api.GetPublicAccessBlock, &s3.GetPublicAccessBlockInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	if err != nil || out.PublicAccessBlockConfiguration == nil {
		return "", opUnset(err, "NoSuchPublicAccessBlockConfiguration")
	}
	var on []string
	all := opBlocks(out.PublicAccessBlockConfiguration)
	for _, one := range all {
		if aws.ToBool(*one.on) {
			on = append(on, one.name)
		}
	}
	if len(on) == len(all) {
		return "true", nil
	}
	return strings.Join(on, ","), nil
}

func (b *bucketPlace) putPublicAccess(ctx context.Context, text string) error {
	if text == "" || text == "false" { // as an estate may say it
		return opTell(ctx, b.opPlace, "s3:DeletePublicAccessBlock", b.api.DeletePublicAccessBlock, &s3.DeletePublicAccessBlockInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	}
	var c types.PublicAccessBlockConfiguration
	names := strings.Split(text, ",")
	known := 0
	for _, one := range opBlocks(&c) {
		on := text == "true" || slices.Contains(names, one.name)
		*one.on = &on
		if on {
			known++
		}
	}
	if text != "true" && known != len(names) {
		return b.invalid("s3:PutPublicAccessBlock", fmt.Sprintf("%q is neither true nor a list of blocks", text))
	}
	return opTell(ctx, b.opPlace, "s3:PutPublicAccessBlock", b.api.PutPublicAccessBlock, &s3.PutPublicAccessBlockInput{
		Bucket: b.bucket, ExpectedBucketOwner: b.mine, PublicAccessBlockConfiguration: &c,
	})
}

func (b *bucketPlace) getLifecycle(ctx context.Context) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	out, err := opAsk(ctx, b.opPlace, "s3:GetBucketLifecycleConfiguration", b.api.GetBucketLifecycleConfiguration, &s3.GetBucketLifecycleConfigurationInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	if err != nil {
		return nil, opUnset(err, "NoSuchLifecycleConfiguration")
	}
	return out, nil
}

func (b *bucketPlace) lifecycle(ctx context.Context) (string, error) {
	out, err := b.getLifecycle(ctx)
	if err != nil || out == nil {
		return "", err
	}
	return lifecycleText(out.Rules)
}

// lifecycleText is a lifecycle configuration as JSON by AWS's member names, without
// what is not set: {"Rules":[{"ID":…,"Status":"Enabled",…}]}. A rule without an ID gets
// one of S3, and is then another rule than the one that was given. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html.
func lifecycleText(rules []types.LifecycleRule) (string, error) {
	text, err := json.Marshal(types.BucketLifecycleConfiguration{Rules: rules})
	if err != nil {
		return "", fmt.Errorf("writing a lifecycle configuration: %w", err)
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "", fmt.Errorf("writing a lifecycle configuration: %w", err)
	}
	if text, err = json.Marshal(withoutNulls(v)); err != nil {
		return "", fmt.Errorf("writing a lifecycle configuration: %w", err)
	}
	return string(text), nil
}

// set leaves out the members that are null.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = withoutNulls(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return v
}

// putLifecycle writes all rules. From which size objects change their class is no part
// of the text and stays.
func (b *bucketPlace) putLifecycle(ctx context.Context, text string) error {
	if text == "" {
		return opTell(ctx, b.opPlace, "s3:DeleteBucketLifecycle", b.api.DeleteBucketLifecycle, &s3.DeleteBucketLifecycleInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine})
	}
	var c types.BucketLifecycleConfiguration
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return b.invalid("s3:PutBucketLifecycleConfiguration", "reading the lifecycle configuration: "+err.Error())
	}
	was, err := b.getLifecycle(ctx)
	if err != nil {
		return err
	}
	in := &s3.PutBucketLifecycleConfigurationInput{Bucket: b.bucket, ExpectedBucketOwner: b.mine, LifecycleConfiguration: &c}
	if was != nil {
		in.TransitionDefaultMinimumObjectSize = was.TransitionDefaultMinimumObjectSize
	}
	return opTell(ctx, b.opPlace, "s3:PutBucketLifecycleConfiguration", b.api.PutBucketLifecycleConfiguration, in)
}
