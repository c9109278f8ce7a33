package s3

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// bucketName is the form of the names of buckets.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func validName(name string) bool {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") || net.ParseIP(name) != nil {
		return false
	}
	for _, reserved := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, reserved) {
			return false
		}
	}
	for _, reserved := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, reserved) {
			return false
		}
	}
	return true
}

func (s *Service) askCreateBucket(c *gate.Call, in *s3.CreateBucketInput) ([]gate.Ask, error) {
	if !validName(*in.Bucket) {
		e := bad("InvalidBucketName", "The specified bucket is not valid.")
		e.Fields = map[string]string{"BucketName": *in.Bucket}
		return nil, e
	}
	if c.Caller.Account == "" {
		return nil, denied()
	}
	b := &Bucket{Name: *in.Bucket, Account: c.Caller.Account, Region: c.Region}
	c.Resources = append(c.Resources, gate.Resource{ARN: b.arn(), Account: b.Account, Type: "AWS::S3::Bucket"})
	var g given
	g.text("s3:x-amz-acl", string(in.ACL))
	g.text("s3:x-amz-object-ownership", string(in.ObjectOwnership))
	if in.CreateBucketConfiguration != nil {
		g.text("s3:locationconstraint", string(in.CreateBucketConfiguration.LocationConstraint))
	}
	asks := []gate.Ask{s.ask(c, b, "CreateBucket", "", g.list)}
	also := func(when bool, actions ...string) {
		for _, a := range actions {
			if when {
				asks = append(asks, s.ask(c, b, a, "", g.list))
			}
		}
	}
	also(in.ACL != "" && in.ACL != types.BucketCannedACLPrivate, "PutBucketAcl")
	also(in.ObjectOwnership != "", "PutBucketOwnershipControls")
	also(yes(in.ObjectLockEnabledForBucket), "PutBucketObjectLockConfiguration", "PutBucketVersioning")
	also(in.CreateBucketConfiguration != nil && len(in.CreateBucketConfiguration.Tags) > 0, "TagResource")
	return asks, nil
}

// CreateBucket makes a bucket. All of public access is blocked and ACLs are off, as AWS
// has it for new buckets.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html.
func (s *Service) CreateBucket(ctx context.Context, in *s3.CreateBucketInput) (*s3.CreateBucketOutput, error) {
	c := gate.From(ctx)
	var location string
	if k := in.CreateBucketConfiguration; k != nil {
		if k.Bucket != nil || k.Location != nil {
			return nil, notImplemented("directory buckets")
		}
		location = string(k.LocationConstraint)
	}
	if location == "EU" {
		location = "eu-west-1"
	}
	if location != "" && !awsfacts.KnownRegion(location) || location == "us-east-1" && c.Region == "us-east-1" {
		return nil, bad("InvalidLocationConstraint", "The specified location-constraint is not valid")
	}
	if location == "" && c.Region != "us-east-1" {
		return nil, bad("IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	if location != "" && c.Region != location && c.Region != "us-east-1" {
		return nil, bad("IllegalLocationConstraintException", "The "+location+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	if location == "" {
		location = c.Region
	}
	out := &s3.CreateBucketOutput{Location: new("/" + *in.Bucket), BucketArn: new(bucketARN(location, *in.Bucket))}
	if old := s.buckets.Get(*in.Bucket); old != nil {
		switch {
		case old.Account != c.Caller.Account:
			return nil, taken(*in.Bucket, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
		case old.Region == "us-east-1" && location == "us-east-1":
			return out, nil // as AWS has it for old times' sake
		}
		return nil, taken(*in.Bucket, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	}
	b := &Bucket{
		Name: *in.Bucket, Account: c.Caller.Account, Region: location, Created: c.At.UTC(), Ownership: types.ObjectOwnershipBucketOwnerEnforced,
		Public: &types.PublicAccessBlockConfiguration{BlockPublicAcls: new(true), BlockPublicPolicy: new(true), IgnorePublicAcls: new(true), RestrictPublicBuckets: new(true)},
	}
	if in.ObjectOwnership != "" {
		b.Ownership = in.ObjectOwnership
	}
	if in.ACL != types.BucketCannedACLPrivate {
		if err := b.takesACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
			return nil, bad("InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's "+string(b.Ownership)+" setting")
		}
	}
	if yes(in.ObjectLockEnabledForBucket) {
		b.Versioning = types.BucketVersioningStatusEnabled
		b.Lock = &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled}
	}
	if in.CreateBucketConfiguration != nil {
		b.Tags = in.CreateBucketConfiguration.Tags
	}
	s.buckets.Put(b.Name, b)
	return out, nil
}

func taken(name, code, text string) error {
	e := refuse(http.StatusConflict, code, text)
	e.Fields = map[string]string{"BucketName": name}
	return e
}

// DeleteBucket deletes an empty bucket.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html.
func (s *Service) DeleteBucket(_ context.Context, in *s3.DeleteBucketInput) (*s3.DeleteBucketOutput, error) {
	name := *in.Bucket
	for range s.objects.All(state.Key(name, "")) {
		text := "The bucket you tried to delete is not empty"
		if s.buckets.Get(name).Versioning != "" {
			text += ". You must delete all versions in the bucket."
		}
		return nil, taken(name, "BucketNotEmpty", text)
	}
	for _, u := range s.uploads.All(state.Key(name, "")) {
		s.forget(u)
	}
	s.buckets.Delete(name)
	s.expires.Delete(name)
	return &s3.DeleteBucketOutput{}, nil
}

// HeadBucket tells whether there is a bucket that the caller may list.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html.
func (s *Service) HeadBucket(_ context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	return &s3.HeadBucketOutput{BucketRegion: &b.Region, BucketArn: new(b.arn()), AccessPointAlias: new(false)}, nil
}

func askListBuckets(c *gate.Call, _ *s3.ListBucketsInput) ([]gate.Ask, error) {
	if c.Caller.Account == "" {
		return nil, denied()
	}
	return []gate.Ask{{Action: "s3:ListAllMyBuckets", Resource: "*", Target: arn.ARN{Service: "s3"}}}, nil
}

// ListBuckets lists the buckets of an account in all Regions.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html.
func (s *Service) ListBuckets(ctx context.Context, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	account := gate.From(ctx).Caller.Account
	list := []types.Bucket{}
	paged := in.MaxBuckets != nil || in.ContinuationToken != nil || in.BucketRegion != nil || in.Prefix != nil
	for _, b := range s.buckets.All(value(in.Prefix)) {
		if b.Account != account || in.BucketRegion != nil && *in.BucketRegion != b.Region {
			continue
		}
		v := types.Bucket{Name: &b.Name, CreationDate: &b.Created, BucketArn: new(b.arn())}
		if paged {
			v.BucketRegion = &b.Region
		}
		list = append(list, v)
	}
	page, next, ok := gate.Page(list, in.ContinuationToken, in.MaxBuckets, 10000)
	if !ok {
		return nil, bad("InvalidArgument", "The continuation token provided is incorrect")
	}
	return &s3.ListBucketsOutput{Buckets: page, ContinuationToken: next, Owner: owner(account), Prefix: in.Prefix}, nil
}

// takesACL refuses ACLs that the bucket does not take. Where ACLs are off that is all but
// the one that gives the owner of the bucket everything; where they are on the sandbox
// takes those that give nobody else anything.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html.
func (b *Bucket) takesACL(canned string, grants ...*string) error {
	off := b.Ownership == types.ObjectOwnershipBucketOwnerEnforced
	given := slices.ContainsFunc(grants, func(g *string) bool { return g != nil })
	switch {
	case !given && (canned == "" || canned == "bucket-owner-full-control" || canned == "private" && !off):
		return nil
	case off:
		return bad("AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	return notImplemented("access control lists that let others in")
}
