package live

import (
	"fmt"
	"slices"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// BackupPlace is where backups lie and under which keys.
type BackupPlace struct {
	// URL is s3://BUCKET/PREFIX, in a partition that Region tells; empty where backups lie
	// in a directory.
	URL, Region string
	// Keys are the ARNs of the keys that wrap file keys, SSEKey that of the key under which
	// S3 encrypts objects, empty without one.
	Keys   []string
	SSEKey string
	// Locked: what is written is given a lock by the writer.
	Locked bool
}

// BackupNeeds returns the rights that a role needs at a place, sorted. For uploads in parts
// under a key of KMS see
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions.
func BackupNeeds(role store.Role, at BackupPlace) ([]Need, error) {
	if !slices.Contains(store.Roles(), role) {
		return nil, fmt.Errorf("nobody who works with backups is called %q", role)
	}
	var list []Need
	app := envelope.NewContext("", "", "")[envelope.ContextApp]
	for _, key := range at.Keys {
		if actions := backupKeyActions(role); len(actions) > 0 {
			list = append(list, Need{Action: "kms:DescribeKey", Resource: key})
			list = append(list, within(envelope.ContextApp, []string{app}, needsOn(key, actions))...)
		}
	}
	if at.URL == "" {
		return sortedNeeds(list), nil
	}
	bucket, prefix, err := s3URL(at.URL)
	if err != nil {
		return nil, fmt.Errorf("working out the rights on backups: %w", err)
	}
	arn := "arn:" + awsfacts.PartitionName(at.Region) + ":s3:::" + bucket
	list = append(list, needsOn(arn, role.BucketActions())...)
	list = append(list, needsOn(arn+"/"+prefix+"*", role.ObjectActions(at.Locked))...)
	if at.SSEKey != "" {
		// The ARN of the bucket is what S3 says where the bucket has a bucket key. See
		// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context.
		objects := []string{arn, arn + "/" + prefix + "*"}
		list = append(list, within("aws:s3:arn", objects, needsOn(at.SSEKey, backupSealActions(role)))...)
	}
	return sortedNeeds(list), nil
}

func needsOn(resource string, actions []string) (list []Need) {
	for _, a := range actions {
		list = append(list, Need{Action: a, Resource: resource})
	}
	return list
}

// backupKeyActions are those on the keys that wrap file keys, in the context of backups.
func backupKeyActions(role store.Role) []string {
	switch role {
	case store.WriterRole:
		return []string{"kms:Encrypt"}
	case store.RestorerRole:
		return []string{"kms:Decrypt"}
	case store.RewrapperRole:
		return []string{"kms:Decrypt", "kms:Encrypt"}
	}
	return nil
}

// within binds rights on a key to an encryption context: it may be the key of other things
// besides, and one key may wrap file keys and encrypt the bucket. See
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context.
func within(name string, values []string, list []Need) []Need {
	for i := range list {
		list[i].If = NeedCondition{"kms:EncryptionContext:" + name, values}
	}
	return list
}

// backupSealActions are those on the key under which S3 encrypts: a writer too has to
// decrypt, to join the parts of an upload.
func backupSealActions(role store.Role) []string {
	switch role {
	case store.RestorerRole, store.PrunerRole:
		return []string{"kms:Decrypt"}
	}
	return []string{"kms:Decrypt", "kms:GenerateDataKey"}
}
