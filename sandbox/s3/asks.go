package s3

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Actions, resources and condition keys are those at
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
// and https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html.

func entry(name, v string) estate.Entry { return estate.NewEntry(name, policy.One(v)) }

// given adds condition keys for what a request has.
type given struct{ list estate.Given }

func (g *given) text(name, v string) {
	if v != "" {
		g.list = append(g.list, entry(name, v))
	}
}

// bucketOf finds the bucket of a request, and refuses one that is not the one that is
// meant: of another owner, or in another Region than the request is signed for.
func (s *Service) bucketOf(c *gate.Call, in any) (*Bucket, error) {
	v := reflect.Indirect(reflect.ValueOf(in))
	name, _ := v.FieldByName("Bucket").Interface().(*string)
	b := s.buckets.Get(value(name))
	if b == nil {
		return nil, s.noBucket(value(name))
	}
	if f := v.FieldByName("ExpectedBucketOwner"); f.IsValid() {
		if want, _ := f.Interface().(*string); want != nil && *want != b.Account {
			return nil, denied()
		}
	}
	if c.Region == "" {
		c.Region = b.Region // of a request that nobody signed
	}
	if _, anywhere := in.(*s3.GetBucketLocationInput); c.Region != b.Region && !anywhere {
		e := bad("AuthorizationHeaderMalformed", "The authorization header is malformed; the region '"+c.Region+"' is wrong; expecting '"+b.Region+"'")
		e.Fields = map[string]string{"Region": b.Region}
		e.Header = map[string]string{"X-Amz-Bucket-Region": b.Region}
		return nil, e
	}
	c.Resources = append(c.Resources, gate.Resource{ARN: b.arn(), Account: b.Account, Type: "AWS::S3::Bucket"})
	return b, nil
}

// ask is a question about a bucket, or about an object in it when key is not empty.
func (s *Service) ask(c *gate.Call, b *Bucket, action, key string, g estate.Given) gate.Ask {
	a := gate.Ask{Action: "s3:" + action, Resource: b.arn(), Owner: b.Account, Policy: b.policyFor(c)}
	if key != "" {
		a.Resource = b.objectARN(key)
	}
	a.Target = arn.ARN{Partition: awsfacts.PartitionName(b.Region), Service: "s3", Resource: strings.TrimPrefix(a.Resource, "arn:"+awsfacts.PartitionName(b.Region)+":s3:::")}
	a.Context = append(slices.Clip(g), common(c, b)...)
	return a
}

// common are the condition keys that all requests to S3 have.
func common(c *gate.Call, b *Bucket) estate.Given {
	g := estate.Given{entry("s3:resourceaccount", b.Account)}
	if c.Forward != nil {
		return g
	}
	if c.Caller.Account != "" {
		how := "REST-HEADER"
		if c.Presigned {
			how = "REST-QUERY-STRING"
		}
		g = append(g, entry("s3:authtype", how), entry("s3:signatureversion", "AWS4-HMAC-SHA256"))
	}
	if c.Payload != "" {
		g = append(g, entry("s3:x-amz-content-sha256", c.Payload))
	}
	return append(g, entry("s3:tlsversion", "1.3")) // assumed: the sandbox stands for an endpoint that has TLS
}

// policyFor is the bucket policy as it counts for a caller. One that lets everybody in
// counts for nobody outside the account when public access is restricted.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html.
func (b *Bucket) policyFor(c *gate.Call) *estate.Named {
	restricted := b.public && b.Public != nil && yes(b.Public.RestrictPublicBuckets)
	if restricted && c.Caller.Account != b.Account && c.Caller.Kind != arn.Service {
		return nil
	}
	return b.named
}

// onBucket is what an operation needs that is about a bucket.
func onBucket[I any](s *Service, action string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		b, err := s.bucketOf(c, in)
		if err != nil {
			return nil, err
		}
		return []gate.Ask{s.ask(c, b, action, "", nil)}, nil
	}
}

// object finds a version of an object: the latest when none is named. It is nil when
// there is none.
func (s *Service) object(b *Bucket, key string, version *string) *Object {
	for _, o := range s.versions(b.Name, key) {
		if version == nil || *version == "" || o.Version == *version {
			return o
		}
	}
	return nil
}

// onObject is what an operation needs that is about an object that there is. Of one that
// there is not, only who may list the bucket learns.
func (s *Service) onObject(c *gate.Call, in any, key string, version *string, plain, versioned string) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	return s.askObject(c, b, key, version, plain, versioned), nil
}

func (s *Service) askObject(c *gate.Call, b *Bucket, key string, version *string, plain, versioned string) []gate.Ask {
	o := s.object(b, key, version)
	var g given
	action := plain
	if version != nil && *version != "" {
		action = versioned
		g.text("s3:versionid", *version)
	}
	if o != nil {
		for k, v := range o.Tags {
			g.list = append(g.list, entry("s3:existingobjecttag/"+strings.ToLower(k), v))
		}
	}
	c.Resources = append(c.Resources, gate.Resource{ARN: b.objectARN(key), Account: b.Account, Type: "AWS::S3::Object"})
	asks := []gate.Ask{s.ask(c, b, action, key, g.list)}
	if o == nil || o.Marker {
		asks = append(asks, s.ask(c, b, "ListBucket", "", nil))
	}
	return asks
}

// onPut is what putting an object needs, whichever way it comes.
func (s *Service) onPut(c *gate.Call, b *Bucket, in *s3.PutObjectInput, more ...estate.Entry) ([]gate.Ask, error) {
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return nil, err
	}
	g := given{list: more}
	g.text("s3:x-amz-server-side-encryption", string(in.ServerSideEncryption))
	if in.SSEKMSKeyId != nil {
		g.text("s3:x-amz-server-side-encryption-aws-kms-key-id", keyARN(c, b, *in.SSEKMSKeyId))
	}
	g.text("s3:x-amz-acl", string(in.ACL))
	g.text("s3:x-amz-storage-class", string(in.StorageClass))
	g.text("s3:x-amz-website-redirect-location", value(in.WebsiteRedirectLocation))
	g.text("s3:if-match", value(in.IfMatch))
	g.text("s3:if-none-match", value(in.IfNoneMatch))
	g.text("s3:object-lock-mode", string(in.ObjectLockMode))
	g.text("s3:object-lock-legal-hold", string(in.ObjectLockLegalHoldStatus))
	lockKeys(&g, c, in.ObjectLockRetainUntilDate)
	g.list = append(g.list, tagKeys(tags)...)
	c.Resources = append(c.Resources, gate.Resource{ARN: b.objectARN(*in.Key), Account: b.Account, Type: "AWS::S3::Object"})
	asks := []gate.Ask{s.ask(c, b, "PutObject", *in.Key, g.list)}
	for _, also := range []struct {
		when   bool
		action string
	}{
		{len(tags) > 0, "PutObjectTagging"},
		{in.ACL != "" || value(in.GrantFullControl)+value(in.GrantRead)+value(in.GrantReadACP)+value(in.GrantWriteACP) != "", "PutObjectAcl"},
		{in.ObjectLockMode != "" || in.ObjectLockRetainUntilDate != nil, "PutObjectRetention"},
		{in.ObjectLockLegalHoldStatus != "", "PutObjectLegalHold"},
	} {
		if also.when {
			asks = append(asks, s.ask(c, b, also.action, *in.Key, g.list))
		}
	}
	return asks, nil
}

func lockKeys(g *given, c *gate.Call, until *time.Time) {
	if until == nil {
		return
	}
	g.text("s3:object-lock-retain-until-date", until.UTC().Format(time.RFC3339))
	g.text("s3:object-lock-remaining-retention-days", strconv.Itoa(int(until.Sub(c.At).Hours()/24)))
}

// tagKeys are the condition keys for tags that a request has.
func tagKeys(tags map[string]string) (g estate.Given) {
	var names []string
	for k, v := range tags {
		g = append(g, entry("s3:requestobjecttag/"+strings.ToLower(k), v))
		names = append(names, k)
	}
	if names != nil {
		slices.Sort(names)
		g = append(g, estate.NewEntry("s3:requestobjecttagkeys", policy.Many(names...)))
	}
	return g
}
