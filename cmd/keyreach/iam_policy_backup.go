package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/live"
)

// backupPurpose is what the purposes of those who work with backups begin with.
const backupPurpose = "backup-"

// backupPlaceFlags say where backups lie and under which keys.
type backupPlaceFlags struct {
	store, region, sseKey string
	keys                  []string
	locked                bool
}

func (f *backupPlaceFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.store, "store", "", "for backup-…: where they lie, s3://BUCKET/PREFIX (default: a directory)")
	fs.StringVar(&f.region, "bucket-region", "", "for backup-…: the `REGION` of the bucket, outside the partition aws (default: that of the keys)")
	fs.StringSliceVar(&f.keys, "kms-key", nil, "for backup-…: the `ARN` of a KMS key under which they lie; may be given again")
	fs.StringVar(&f.sseKey, "sse-key", "", "for backup-…: the `ARN` of the KMS key under which S3 encrypts the bucket")
	fs.BoolVar(&f.locked, "locked", false, "for backup-writer and backup-rewrapper: what is written is locked")
}

func placeFlagNames() []string {
	return []string{"store", "bucket-region", "kms-key", "sse-key", "locked"}
}

// none refuses the flags with another purpose.
func (f *backupPlaceFlags) none(fs *pflag.FlagSet) error {
	for _, name := range placeFlagNames() {
		if fs.Changed(name) {
			return misuse(fmt.Errorf("--%s is for the purposes of backups", name)).hinting("give --for backup-writer, backup-restorer, backup-pruner or backup-rewrapper")
		}
	}
	return nil
}

// needs are the rights of a role at the place.
func (f *backupPlaceFlags) needs(role store.Role) ([]live.Need, error) {
	writes := role == store.WriterRole || role == store.RewrapperRole
	inS3 := strings.HasPrefix(f.store, "s3://")
	switch {
	case f.store == "" && len(f.keys) == 0:
		return nil, misuse(errors.New("nothing says which backups the rights are on")).hinting("give --store s3://BUCKET/PREFIX, --kms-key ARN, or both")
	case !inS3 && strings.Contains(f.store, "://"):
		return nil, misuse(fmt.Errorf("--store %s is neither a directory nor a bucket", f.store)).hinting("write s3://BUCKET/PREFIX")
	case !inS3 && f.sseKey != "":
		return nil, misuse(errors.New("--sse-key is for a store in S3")).hinting("give --store s3://BUCKET/PREFIX")
	case !inS3 && f.locked:
		return nil, misuse(errors.New("only a bucket locks what is in it")).hinting("give --store s3://BUCKET/PREFIX")
	case f.locked && !writes:
		return nil, misuse(fmt.Errorf("--locked is for those who write, and a %s does not", role))
	case !inS3 && len(f.keys) == 0, !inS3 && role == store.PrunerRole:
		return nil, misuse(fmt.Errorf("a %s of this store calls nobody at AWS", role)).hinting("a bucket is named with --store s3://BUCKET/PREFIX, keys with --kms-key ARN")
	}
	at := live.BackupPlace{Keys: f.keys, SSEKey: f.sseKey, Region: f.region, Locked: f.locked}
	if inS3 {
		at.URL = f.store
	}
	for _, key := range append([]string{f.sseKey}, f.keys...) {
		a, err := arn.Parse(key)
		switch {
		case key == "":
			continue
		case err != nil || !a.IsKMSKey():
			// A policy names keys by their ARNs: one with the ARN of an alias does nothing. See
			// https://docs.aws.amazon.com/kms/latest/developerguide/cmks-in-iam-policies.html.
			return nil, misuse(fmt.Errorf("%q is not the ARN of a KMS key", key)).hinting("a policy cannot name an alias: aws kms describe-key --key-id ALIAS prints the ARN of its key")
		case at.Region == "":
			at.Region = a.Region
		}
	}
	list, err := live.BackupNeeds(role, at)
	if err != nil {
		return nil, misuse(err)
	}
	return list, nil
}
