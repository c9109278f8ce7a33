package s3

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// The type of buckets in an estate, and their attributes.
const (
	bucketType = "s3:Bucket"

	policyIs     = "policy"
	versioningIs = "versioning"
	encryptionIs = "encryption"
	blockedIs    = "publicAccessBlock"
	lifecycleIs  = "lifecycle"
	bucketKeyIs  = "bucketKey"
)

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string {
	return map[string][]string{bucketType: {policyIs, versioningIs, encryptionIs, blockedIs, lifecycleIs, bucketKeyIs}}
}

// Fill makes a bucket of an estate; the objects of one that is there stay. What an estate
// does not say is as new buckets have it. See behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	if r.ID = behalf.NameIn(r, ""); r.ID == "" {
		r.ID = "bucket-" + s.IDs.Hex(8)
	}
	b := &Bucket{
		Name: r.ID, Account: r.Account, Region: r.Region, Created: w.Now.UTC(), Ownership: types.ObjectOwnershipBucketOwnerEnforced,
		Policy: r.Attributes[policyIs], Versioning: types.BucketVersioningStatus(r.Attributes[versioningIs]),
	}
	if old := s.buckets.Get(b.Name); old != nil {
		b.Created = old.Created
	}
	if r.Attributes[blockedIs] != "false" {
		b.Public = &types.PublicAccessBlockConfiguration{BlockPublicAcls: new(true), BlockPublicPolicy: new(true), IgnorePublicAcls: new(true), RestrictPublicBuckets: new(true)}
	}
	b.Encryption = filledEncryption(r)
	if text := r.Attributes[lifecycleIs]; text != "" {
		in := &s3.PutBucketLifecycleConfigurationInput{LifecycleConfiguration: &types.BucketLifecycleConfiguration{}}
		if err := json.Unmarshal([]byte(text), in.LifecycleConfiguration); err != nil {
			return fmt.Errorf("its lifecycle is not that of a bucket: %w", err)
		}
		if err := s.putLifecycle(&gate.Call{At: w.Now, Region: r.Region, Writing: true}, b, in); err != nil {
			return fmt.Errorf("its lifecycle is not that of a bucket: %w", err)
		}
	}
	s.buckets.Put(b.Name, b)
	return nil
}

// filledEncryption is the default encryption of a bucket of an estate. A key is left as
// it is named: S3 looks at it when an object is put.
func filledEncryption(r *estate.Resource) *types.ServerSideEncryptionRule {
	algorithm := types.ServerSideEncryption(r.Attributes[encryptionIs])
	if algorithm == "" {
		algorithm = types.ServerSideEncryptionAes256
		if r.Key != "" {
			algorithm = types.ServerSideEncryptionAwsKms
		}
	}
	rule := &types.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm}, BucketKeyEnabled: new(r.Attributes[bucketKeyIs] == "true"),
	}
	if r.Key != "" && algorithm != types.ServerSideEncryptionAes256 {
		rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = &r.Key
	}
	return rule
}

// Resources are the buckets of all accounts. See gate.Holder.
func (s *Service) Resources(time.Time) []estate.Resource {
	var list []estate.Resource
	for _, b := range s.buckets.All("") {
		rule := b.encryption()
		r := estate.Resource{
			Type: bucketType, ID: b.Name, ARN: b.arn(), Account: b.Account, Region: b.Region,
			Key: behalf.KeyIn(b.Account, b.Region, value(rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)),
			Attributes: map[string]string{
				encryptionIs: string(rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm), bucketKeyIs: strconv.FormatBool(yes(rule.BucketKeyEnabled)),
				blockedIs: strconv.FormatBool(b.blocked()),
			},
		}
		if b.Policy != "" {
			r.Attributes[policyIs] = b.Policy
		}
		if b.Versioning != "" {
			r.Attributes[versioningIs] = string(b.Versioning)
		}
		if b.Lifecycle != nil {
			r.Attributes[lifecycleIs] = plainJSON(b.Lifecycle)
		}
		list = append(list, r)
	}
	return list
}

// blocked reports whether all of public access is blocked.
func (b *Bucket) blocked() bool {
	p := b.Public
	return p != nil && yes(p.BlockPublicAcls) && yes(p.BlockPublicPolicy) && yes(p.IgnorePublicAcls) && yes(p.RestrictPublicBuckets)
}

// plainJSON is a configuration as AWS's command line has it: without what is not set.
func plainJSON(v any) string {
	text, err := json.Marshal(v)
	var tree any
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err == nil {
		text, err = json.Marshal(withoutUnset(tree))
	}
	if err != nil {
		return "" // of no value that came in as JSON or XML
	}
	return string(text)
}

func withoutUnset(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			if item = withoutUnset(item); item == nil || item == "" && name != "Prefix" {
				delete(v, name)
			} else {
				v[name] = item
			}
		}
		return v
	case []any:
		for i := range v {
			v[i] = withoutUnset(v[i])
		}
	}
	return v
}
