package store

// Role is who works with backups.
type Role string

// The roles.
const (
	// WriterRole makes backups and can open none.
	WriterRole Role = "writer"
	// RestorerRole lists, verifies and opens them, also those that are hidden.
	RestorerRole Role = "restorer"
	// PrunerRole removes old ones, after it looked at their locks, and opens none.
	PrunerRole Role = "pruner"
	// RewrapperRole puts them under other keys.
	RewrapperRole Role = "rewrapper"
)

// Roles returns all of them.
func Roles() []Role { return []Role{WriterRole, RestorerRole, PrunerRole, RewrapperRole} }

// BucketActions are what a role does with the bucket in which backups lie, sorted. With the
// right to list, what is not there is told from what may not be read; a writer sweeps what
// interrupted uploads left. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html.
func (r Role) BucketActions() []string {
	switch r {
	case WriterRole:
		return []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}
	case PrunerRole:
		return []string{"s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"}
	}
	return []string{"s3:ListBucket", "s3:ListBucketVersions"}
}

// ObjectActions are what a role does with the backups in a bucket, sorted; locked says that
// what is written is given a lock. For uploads in parts see
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions.
func (r Role) ObjectActions(locked bool) []string {
	switch r {
	case RestorerRole:
		return []string{"s3:GetObject", "s3:GetObjectLegalHold", "s3:GetObjectRetention", "s3:GetObjectVersion"}
	case PrunerRole:
		return []string{"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectLegalHold", "s3:GetObjectRetention"}
	}
	list := []string{"s3:AbortMultipartUpload"}
	if r == RewrapperRole {
		list = append(list, "s3:GetObject", "s3:GetObjectLegalHold", "s3:GetObjectRetention", "s3:GetObjectVersion")
	}
	list = append(list, "s3:PutObject")
	if locked {
		list = append(list, "s3:PutObjectRetention")
	}
	return list
}
