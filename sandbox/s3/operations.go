package s3

import (
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Operations are those on buckets, on their settings and on objects. Each stands with what
// has to be allowed for it.
func (s *Service) Operations() []gate.Operation {
	list := []gate.Operation{
		gate.Op(gate.Writes, s.askCreateBucket, s.CreateBucket),
		gate.Op(gate.Writes, onBucket[s3.DeleteBucketInput](s, "DeleteBucket"), s.DeleteBucket),
		gate.Op(gate.Reads, onBucket[s3.HeadBucketInput](s, "ListBucket"), s.HeadBucket),
		gate.Op(gate.Reads, askListBuckets, s.ListBuckets),
	}
	for _, some := range [][]gate.Operation{s.plain(), s.documents(), s.security(), s.owning(), s.policies(), s.keeping()} {
		list = append(list, some...)
	}
	for _, op := range append(s.onObjects(), s.onUploads()...) {
		op.Data = true
		list = append(list, op)
	}
	return list
}

// onObjects are the operations on objects.
func (s *Service) onObjects() []gate.Operation {
	return []gate.Operation{
		gate.Preparing(gate.Op(gate.Writes, s.askPutObject, s.PutObject), s.preparePut),
		gate.Preparing(gate.Op(gate.Writes, s.askCopyObject, s.CopyObject), s.prepareCopy),
		gate.Op(gate.Reads, s.askGetObject, s.GetObject),
		gate.Op(gate.Reads, s.askHeadObject, s.HeadObject),
		gate.Op(gate.Reads, s.askAttributes, s.GetObjectAttributes),
		gate.Op(gate.Writes, s.askDeleteObject, s.DeleteObject),
		gate.Op(gate.Writes, s.askDeleteObjects, s.DeleteObjects),
		gate.Op(gate.Reads, askList(s, "ListBucket", func(in *s3.ListObjectsV2Input) (*string, *string, *int32) { return in.Prefix, in.Delimiter, in.MaxKeys }), s.ListObjectsV2),
		gate.Op(gate.Reads, askList(s, "ListBucket", func(in *s3.ListObjectsInput) (*string, *string, *int32) { return in.Prefix, in.Delimiter, in.MaxKeys }), s.ListObjects),
		gate.Op(gate.Reads, askList(s, "ListBucketVersions", func(in *s3.ListObjectVersionsInput) (*string, *string, *int32) {
			return in.Prefix, in.Delimiter, in.MaxKeys
		}), s.ListObjectVersions),
		gate.Op(gate.Writes, s.askPutTagging, s.PutObjectTagging),
		gate.Op(gate.Reads, func(c *gate.Call, in *s3.GetObjectTaggingInput) ([]gate.Ask, error) {
			return s.onObject(c, in, *in.Key, in.VersionId, "GetObjectTagging", "GetObjectVersionTagging")
		}, s.GetObjectTagging),
		gate.Op(gate.Writes, func(c *gate.Call, in *s3.DeleteObjectTaggingInput) ([]gate.Ask, error) {
			return s.onObject(c, in, *in.Key, in.VersionId, "DeleteObjectTagging", "DeleteObjectVersionTagging")
		}, s.DeleteObjectTagging),
		gate.Op(gate.Reads, s.askGetObjectACL, s.GetObjectAcl),
		gate.Op(gate.Reads, s.askPutObjectACL, s.PutObjectAcl),
		gate.Op(gate.Writes, s.askPutRetention, s.PutObjectRetention),
		gate.Op(gate.Reads, func(c *gate.Call, in *s3.GetObjectRetentionInput) ([]gate.Ask, error) {
			return s.onObject(c, in, *in.Key, in.VersionId, "GetObjectRetention", "GetObjectRetention")
		}, s.GetObjectRetention),
		gate.Op(gate.Writes, s.askPutLegalHold, s.PutObjectLegalHold),
		gate.Op(gate.Reads, func(c *gate.Call, in *s3.GetObjectLegalHoldInput) ([]gate.Ask, error) {
			return s.onObject(c, in, *in.Key, in.VersionId, "GetObjectLegalHold", "GetObjectLegalHold")
		}, s.GetObjectLegalHold),
	}
}

// onUploads are the operations on uploads in parts.
func (s *Service) onUploads() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.askCreateUpload, s.CreateMultipartUpload),
		gate.Preparing(gate.Op(gate.Writes, onUpload(s, "PutObject", func(in *s3.UploadPartInput) *string { return in.Key }), s.UploadPart), s.prepareUploadPart),
		gate.Preparing(gate.Op(gate.Writes, s.askUploadPartCopy, s.UploadPartCopy), s.prepareUploadPartCopy),
		gate.Op(gate.Writes, onUpload(s, "PutObject", func(in *s3.CompleteMultipartUploadInput) *string { return in.Key }), s.CompleteMultipartUpload),
		gate.Op(gate.Writes, onUpload(s, "AbortMultipartUpload", func(in *s3.AbortMultipartUploadInput) *string { return in.Key }), s.AbortMultipartUpload),
		gate.Op(gate.Reads, onUpload(s, "ListMultipartUploadParts", func(in *s3.ListPartsInput) *string { return in.Key }), s.ListParts),
		gate.Op(gate.Reads, askList(s, "ListBucketMultipartUploads", func(in *s3.ListMultipartUploadsInput) (*string, *string, *int32) {
			return in.Prefix, in.Delimiter, in.MaxUploads
		}), s.ListMultipartUploads),
	}
}
