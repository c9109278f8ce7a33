package s3

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Bucket is a bucket with all that is set for it.
type Bucket struct {
	Name, Account, Region string
	Created               time.Time
	// Versioning is empty until it was first set.
	Versioning types.BucketVersioningStatus `json:",omitempty"`
	Policy     string                       `json:",omitempty"`
	Ownership  types.ObjectOwnership        `json:",omitempty"`
	Public     *types.PublicAccessBlockConfiguration
	Encryption *types.ServerSideEncryptionRule
	Lock       *types.ObjectLockConfiguration           `json:",omitempty"`
	Tags       []types.Tag                              `json:",omitempty"`
	Lifecycle  *types.BucketLifecycleConfiguration      `json:",omitempty"`
	Replicates *types.ReplicationConfiguration          `json:",omitempty"`
	CORS       *types.CORSConfiguration                 `json:",omitempty"`
	Website    *types.WebsiteConfiguration              `json:",omitempty"`
	Logging    *types.LoggingEnabled                    `json:",omitempty"`
	Notifies   *types.NotificationConfiguration         `json:",omitempty"`
	Accelerate types.BucketAccelerateStatus             `json:",omitempty"`
	Payer      types.Payer                              `json:",omitempty"`
	MinimumFor types.TransitionDefaultMinimumObjectSize `json:",omitempty"`

	named  *estate.Named
	public bool // the policy lets everybody in
}

// ready completes a row.
func (b *Bucket) ready() {
	b.named, b.public = nil, false
	if b.Policy != "" {
		d := gate.Document("bucket policy of "+b.Name, b.Policy)
		b.named = &estate.Named{Name: "bucket policy of " + b.Name, Document: d}
		b.public = isPublic(b.Policy)
	}
}

func (b *Bucket) arn() string { return bucketARN(b.Region, b.Name) }

func bucketARN(region, name string) string {
	return "arn:" + awsfacts.PartitionName(region) + ":s3:::" + name
}

func (b *Bucket) objectARN(key string) string { return b.arn() + "/" + key }

// Segment is a piece of an object in a file of its own. Without an IV its bytes stand
// there in the clear.
type Segment struct {
	File string
	Size int64
	IV   []byte `json:",omitempty"`
}

// Sealing is how an object is encrypted.
type Sealing struct {
	Algorithm types.ServerSideEncryption
	KeyARN    string            `json:",omitempty"`
	BucketKey bool              `json:",omitempty"`
	Context   map[string]string `json:",omitempty"`
	// Blob is the data key under the KMS key, Wrapped the key of the bytes under the data
	// key.
	Blob    []byte `json:",omitempty"`
	Wrapped []byte `json:",omitempty"`
}

// kms reports whether a key of KMS takes part.
func (s *Sealing) kms() bool { return s.KeyARN != "" }

// Meta is what was said of an object when it was put.
type Meta struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Redirect *string `json:",omitempty"`
	Expires                                                                                   *time.Time
	User                                                                                      map[string]string  `json:",omitempty"`
	Class                                                                                     types.StorageClass `json:",omitempty"`
}

// Piece is a part of an object that was put in parts.
type Piece struct {
	Number int32
	Size   int64
	Sums   map[string]string `json:",omitempty"`
}

// Object is a version of an object, or a delete marker.
type Object struct {
	Bucket, Key, Version string
	// Order sorts the versions of a key, the latest first.
	Order    string
	Account  string
	Marker   bool `json:",omitempty"`
	Modified time.Time
	// Superseded is when a later version came.
	Superseded *time.Time `json:",omitempty"`
	Size       int64
	ETag       string
	Segments   []Segment          `json:",omitempty"`
	Parts      []Piece            `json:",omitempty"`
	SumType    types.ChecksumType `json:",omitempty"`
	Sums       map[string]string  `json:",omitempty"`
	Meta       Meta
	Sealing    Sealing
	Tags       map[string]string               `json:",omitempty"`
	Mode       types.ObjectLockMode            `json:",omitempty"`
	Until      *time.Time                      `json:",omitempty"`
	Hold       types.ObjectLockLegalHoldStatus `json:",omitempty"`
	Replica    types.ReplicationStatus         `json:",omitempty"`
}

func (o *Object) row() string { return state.Key(o.Bucket, o.Key, o.Order) }

// null is the version of what was put without versioning.
const null = "null"

// Upload is a multipart upload that is under way.
type Upload struct {
	ID, Bucket, Key  string
	Account, Starter string
	StarterName      string
	Begun            time.Time
	Algorithm        string             `json:",omitempty"`
	SumType          types.ChecksumType `json:",omitempty"`
	Meta             Meta
	Sealing          Sealing
	Tags             map[string]string               `json:",omitempty"`
	Mode             types.ObjectLockMode            `json:",omitempty"`
	Until            *time.Time                      `json:",omitempty"`
	Hold             types.ObjectLockLegalHoldStatus `json:",omitempty"`
}

func (u *Upload) row() string { return state.Key(u.Bucket, u.Key, u.ID) }

// Part is a part of an upload.
type Part struct {
	Number   int32
	Size     int64
	ETag     string
	Modified time.Time
	Sums     map[string]string `json:",omitempty"`
	Segment  Segment
}

func (u *Upload) partRow(number int32) string {
	return state.Key(u.Bucket, u.Key, u.ID, string([]byte{byte(number >> 8), byte(number)}))
}

// parseARN reads an ARN that this package made.
func parseARN(text string) arn.ARN {
	a, _ := arn.Parse(text) // a key may hold anything that an ARN may
	return a
}

func value[T ~string](p *T) T {
	if p == nil {
		return ""
	}
	return *p
}

func yes(p *bool) bool { return p != nil && *p }

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }
