package s3

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// security are the settings that decide who reads what.
func (s *Service) security() []gate.Operation {
	return []gate.Operation{
		tell(s, "GetEncryptionConfiguration", func(b *Bucket, _ *s3.GetBucketEncryptionInput, out *s3.GetBucketEncryptionOutput) error {
			out.ServerSideEncryptionConfiguration = &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{*b.encryption()}}
			return nil
		}),
		set[s3.PutBucketEncryptionInput, s3.PutBucketEncryptionOutput](s, "PutEncryptionConfiguration", putEncryption),
		set[s3.DeleteBucketEncryptionInput, s3.DeleteBucketEncryptionOutput](s, "PutEncryptionConfiguration", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketEncryptionInput) error {
			b.Encryption = nil
			return nil
		}),
		tell(s, "GetBucketPublicAccessBlock", func(b *Bucket, _ *s3.GetPublicAccessBlockInput, out *s3.GetPublicAccessBlockOutput) error {
			if b.Public == nil {
				return b.unset("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
			}
			out.PublicAccessBlockConfiguration = b.Public
			return nil
		}),
		set[s3.PutPublicAccessBlockInput, s3.PutPublicAccessBlockOutput](s, "PutBucketPublicAccessBlock", func(_ *gate.Call, b *Bucket, in *s3.PutPublicAccessBlockInput) error {
			p := in.PublicAccessBlockConfiguration
			b.Public = &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: new(yes(p.BlockPublicAcls)), BlockPublicPolicy: new(yes(p.BlockPublicPolicy)),
				IgnorePublicAcls: new(yes(p.IgnorePublicAcls)), RestrictPublicBuckets: new(yes(p.RestrictPublicBuckets)),
			}
			return nil
		}),
		set[s3.DeletePublicAccessBlockInput, s3.DeletePublicAccessBlockOutput](s, "PutBucketPublicAccessBlock", func(_ *gate.Call, b *Bucket, _ *s3.DeletePublicAccessBlockInput) error {
			b.Public = nil
			return nil
		}),
	}
}

// owning are the settings that say whose objects are.
func (s *Service) owning() []gate.Operation {
	return []gate.Operation{
		tell(s, "GetBucketOwnershipControls", func(b *Bucket, _ *s3.GetBucketOwnershipControlsInput, out *s3.GetBucketOwnershipControlsOutput) error {
			if b.Ownership == "" {
				return b.unset("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
			}
			out.OwnershipControls = &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: b.Ownership}}}
			return nil
		}),
		set[s3.PutBucketOwnershipControlsInput, s3.PutBucketOwnershipControlsOutput](s, "PutBucketOwnershipControls", func(_ *gate.Call, b *Bucket, in *s3.PutBucketOwnershipControlsInput) error {
			if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
				return malformed()
			}
			b.Ownership = in.OwnershipControls.Rules[0].ObjectOwnership
			return nil
		}),
		set[s3.DeleteBucketOwnershipControlsInput, s3.DeleteBucketOwnershipControlsOutput](s, "PutBucketOwnershipControls", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketOwnershipControlsInput) error {
			b.Ownership = ""
			return nil
		}),
		tell(s, "GetBucketAcl", func(b *Bucket, _ *s3.GetBucketAclInput, out *s3.GetBucketAclOutput) error {
			out.Owner, out.Grants = owner(b.Account), ownersGrant(b.Account)
			return nil
		}),
		set[s3.PutBucketAclInput, s3.PutBucketAclOutput](s, "PutBucketAcl", func(_ *gate.Call, b *Bucket, in *s3.PutBucketAclInput) error {
			if in.AccessControlPolicy != nil && !harmless(in.AccessControlPolicy, b.Account) {
				return b.takesACL("document")
			}
			return b.takesACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP)
		}),
	}
}

// policies are the operations on bucket policies.
func (s *Service) policies() []gate.Operation {
	return []gate.Operation{
		tell(s, "GetBucketPolicyStatus", func(b *Bucket, _ *s3.GetBucketPolicyStatusInput, out *s3.GetBucketPolicyStatusOutput) error {
			if b.Policy == "" {
				return b.unset("NoSuchBucketPolicy", "The bucket policy does not exist")
			}
			out.PolicyStatus = &types.PolicyStatus{IsPublic: new(b.public)}
			return nil
		}),
		rootsOwn(s, "GetBucketPolicy", tell(s, "GetBucketPolicy", func(b *Bucket, _ *s3.GetBucketPolicyInput, out *s3.GetBucketPolicyOutput) error {
			if b.Policy == "" {
				return b.unset("NoSuchBucketPolicy", "The bucket policy does not exist")
			}
			out.Policy = &b.Policy
			return nil
		})),
		rootsOwn(s, "PutBucketPolicy", set[s3.PutBucketPolicyInput, s3.PutBucketPolicyOutput](s, "PutBucketPolicy", s.putPolicy)),
		rootsOwn(s, "DeleteBucketPolicy", set[s3.DeleteBucketPolicyInput, s3.DeleteBucketPolicyOutput](s, "DeleteBucketPolicy", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketPolicyInput) error {
			b.Policy = ""
			return nil
		})),
	}
}

// encryption is the default encryption of a bucket, which every bucket has.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html.
func (b *Bucket) encryption() *types.ServerSideEncryptionRule {
	if b.Encryption != nil {
		return b.Encryption
	}
	return &types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}, BucketKeyEnabled: new(false)}
}

// putEncryption sets the default encryption. No key is looked at: it need not exist, and
// who may not use it learns of that when an object is put.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html.
func putEncryption(_ *gate.Call, b *Bucket, in *s3.PutBucketEncryptionInput) error {
	if in.ServerSideEncryptionConfiguration == nil || len(in.ServerSideEncryptionConfiguration.Rules) != 1 {
		return malformed()
	}
	rule := in.ServerSideEncryptionConfiguration.Rules[0]
	if rule.ApplyServerSideEncryptionByDefault == nil {
		rule.ApplyServerSideEncryptionByDefault = b.encryption().ApplyServerSideEncryptionByDefault
	}
	byDefault := rule.ApplyServerSideEncryptionByDefault
	if byDefault.SSEAlgorithm == types.ServerSideEncryptionAes256 && byDefault.KMSMasterKeyID != nil {
		return bad("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	if rule.BucketKeyEnabled == nil {
		rule.BucketKeyEnabled = new(false)
	}
	b.Encryption = &rule
	return nil
}

// rootsOwn is an operation on a bucket policy: no policy keeps the root user of the
// owner from it, and nobody of another account gets to it.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html.
func rootsOwn(s *Service, action string, op gate.Operation) gate.Operation {
	op.Asks = func(c *gate.Call, in any) ([]gate.Ask, error) {
		b, err := s.bucketOf(c, in)
		if err != nil {
			return nil, err
		}
		a := s.ask(c, b, action, "", nil)
		if c.Caller.Kind == arn.AccountRoot && c.Caller.Account == b.Account {
			a.Policy = nil
		}
		return []gate.Ask{a}, nil
	}
	handle := op.Handle
	op.Handle = func(ctx context.Context, in any) (any, error) {
		if s.buckets.Get(named(in)).Account != gate.From(ctx).Caller.Account {
			return nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		}
		return handle(ctx, in)
	}
	return op
}

// maxPolicy is the size of the largest bucket policy.
const maxPolicy = 20 << 10

func (s *Service) putPolicy(c *gate.Call, b *Bucket, in *s3.PutBucketPolicyInput) error {
	text := value(in.Policy)
	if len(text) > maxPolicy {
		return bad("PolicyTooLarge", "The policy is larger than 20 KB.") // assumed text
	}
	if strings.TrimSpace(text) == "" {
		return bad("MalformedPolicy", "Missing required field Statement")
	}
	if !json.Valid([]byte(text)) || strings.TrimSpace(text)[0] != '{' {
		return bad("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'") // assumed text
	}
	if _, err := gate.ReadPolicy("bucket policy", text, false); err != nil {
		return bad("MalformedPolicy", err.Error()) // assumed text: AWS gives reasons of its own
	}
	if err := s.aboutBucket(text, b); err != nil {
		return err
	}
	if b.Public != nil && yes(b.Public.BlockPublicPolicy) && isPublic(text) {
		return refuse(http.StatusForbidden, "AccessDenied", "User: "+c.Caller.Text+" is not authorized to perform: s3:PutBucketPolicy on resource: \""+b.arn()+"\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
	}
	b.Policy = text
	return nil
}

func ownersGrant(account string) []types.Grant {
	return []types.Grant{{Grantee: &types.Grantee{Type: types.TypeCanonicalUser, ID: new(canonical(account))}, Permission: types.PermissionFullControl}}
}

// harmless reports whether an ACL gives everything to the owner and nothing to others.
func harmless(p *types.AccessControlPolicy, account string) bool {
	for _, g := range p.Grants {
		if g.Grantee == nil || value(g.Grantee.ID) != canonical(account) {
			return false
		}
	}
	return true
}

func (s *Service) askGetObjectACL(c *gate.Call, in *s3.GetObjectAclInput) ([]gate.Ask, error) {
	return s.onObject(c, in, *in.Key, in.VersionId, "GetObjectAcl", "GetObjectVersionAcl")
}

// GetObjectAcl tells that the owner of the bucket may do everything.
func (s *Service) GetObjectAcl(_ context.Context, in *s3.GetObjectAclInput) (*s3.GetObjectAclOutput, error) {
	o, err := s.found(s.buckets.Get(*in.Bucket), *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	return &s3.GetObjectAclOutput{Owner: owner(o.Account), Grants: ownersGrant(o.Account)}, nil
}

func (s *Service) askPutObjectACL(c *gate.Call, in *s3.PutObjectAclInput) ([]gate.Ask, error) {
	asks, err := s.onObject(c, in, *in.Key, in.VersionId, "PutObjectAcl", "PutObjectVersionAcl")
	if err == nil && in.ACL != "" {
		asks[0].Context = append(asks[0].Context, entry("s3:x-amz-acl", string(in.ACL)))
	}
	return asks, err
}

// PutObjectAcl takes ACLs that give nobody else anything, where ACLs are on.
func (s *Service) PutObjectAcl(_ context.Context, in *s3.PutObjectAclInput) (*s3.PutObjectAclOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	if _, err := s.found(b, *in.Key, in.VersionId); err != nil {
		return nil, err
	}
	if in.AccessControlPolicy != nil && !harmless(in.AccessControlPolicy, b.Account) {
		return nil, b.takesACL("document")
	}
	return &s3.PutObjectAclOutput{}, b.takesACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP)
}
