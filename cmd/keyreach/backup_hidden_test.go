package main

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What was pruned by mistake can still be had in a bucket with versions, by the version that
// making it told and listing the versions tells.
func TestABackupThatIsHiddenIsRestoredByItsVersion(t *testing.T) {
	t.Parallel()
	h := newCloudHost(t)
	_, err := h.s3().PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: new(hostBucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	h.must(err)
	h.tree("src", "new", 3, 3_000)
	at := []string{"--store", "s3://" + hostBucket + "/app", "--kms-key", h.key}
	var made struct {
		ID      string
		Version string `json:"version_id"`
	}
	h.must(json.Unmarshal([]byte(h.well(append([]string{"backup", "create", "files", "src", "-o", "json"}, at...)...).out), &made))
	h.create(append([]string{"files", "src"}, at...)...)
	h.well("backup", "prune", "--store", at[1], "--keep-last", "1", "--auto-approve")
	if ids := h.list(at[1]); len(ids) != 1 || ids[0] == made.ID {
		t.Fatalf("after the prune there is %q", ids)
	}
	if e := h.run(append([]string{"backup", "restore", made.ID, "--to", "out"}, at...)...); e.code != exitNotFound {
		t.Errorf("without its version: %v", e)
	}
	h.well(append([]string{"backup", "restore", made.ID, "--version-id", made.Version, "--to", "out"}, at...)...)
	if h.look("out") != h.look("src") {
		t.Error("what was restored is not what was backed up")
	}
}
