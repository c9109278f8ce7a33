package rules_test

import (
	"testing"

	"github.com/keyreach/keyreach/lint/rules"
)

// TestClaimsInProse holds sentences that claim or advise what a rule is about, in
// several wordings, and sentences with the same words that are right.
func TestClaimsInProse(t *testing.T) {
	t.Parallel()
	const (
		drs = "DRS recovery across accounts"
		rds = "RDS snapshots between accounts, encrypted"
		kms = "KMS"
	)
	for _, c := range []struct {
		rule, heading, text string
		fires               bool
	}{
		{"KEY003", drs, "The simplest way out is to use the default EBS key.", true},
		{"KEY003", drs, "We recommend moving to Amazon managed keys.", true},
		{"KEY003", drs, "Encrypt the staging disks with aws/ebs.", true},
		{"KEY003", drs, "Choose the AWS-managed KMS key for replication.", true},
		{"KEY003", drs, "Select aws/ebs in the replication settings.", true},
		{"KEY003", drs, "Don't use aws/ebs here.", false},
		{"KEY003", drs, "Volumes that use the default EBS key can be recovered in one account only.", false},
		{"KEY003", drs, "If you use the AWS managed key, sharing is refused.", false},
		{"KEY003", drs, "Use a customer managed key instead of the AWS managed key.", false},
		{"KEY003", drs, "Snapshots encrypted with the AWS managed key aws/ebs cannot be shared.", false},
		{"KEY003", drs, "Using the default key makes it impossible to share the snapshot.", false},
		{"KEY003", drs, "Check whether volumes are using the AWS managed key.", false},
		{"KEY003", "One account", "Use the AWS managed key aws/ebs for volumes.", false},
		{"KEY024", drs, "The KMS key must be in the source region.", true},
		{"KEY024", drs, "Create the CMK in the same AWS Region as the source instances.", true},
		{"KEY024", drs, "Your encryption key needs to live in the region of your source servers.", true},
		{"KEY024", drs, "The key's region has to match the source server's region.", true},
		{"KEY024", drs, "Key region = source instance region.", true},
		{"KEY024", drs, "Create the key in the staging region, which may differ from the region of the source servers.", false},
		{"KEY024", drs, "The key need not be in the region of the source servers.", false},
		{"KEY024", drs, "Create the key in the region to which the source servers replicate.", false},
		{"KEY039", kms, "A replica key has the same key policy as its primary.", true},
		{"KEY039", kms, "Grants are replicated to all Regions of a multi-Region key.", true},
		{"KEY039", kms, "Multi-Region keys share their grants.", true},
		{"KEY039", kms, "Grants on a multi-Region key have to be made once per Region.", true},
		{"KEY039", kms, "Aliases of multi-Region keys are copied to the replica keys automatically.", true},
		{"KEY039", kms, "Replica keys have their own key policy, grants and aliases.", false},
		{"KEY039", kms, "Multi-Region keys do not share grants.", false},
		{"KEY039", kms, "Replica keys share key ID and key material; policies and grants are set per Region.", false},
		{"KEY045", rds, "In the backup account, make a copy of the shared snapshot.", true},
		{"KEY045", rds, "Next we copy the snapshot that was shared.", true},
		{"KEY045", rds, "You have to copy the shared encrypted snapshot before restoring it.", true},
		{"KEY045", rds, "Duplicate the shared DB snapshot.", true},
		{"KEY045", rds, "Copying the shared snapshot takes an hour.", true},
		{"KEY045", rds, "Copy the shared snapshot using a KMS key of the backup account.", false},
		{"KEY045", rds, "You cannot copy the shared snapshot without a key.", false},
		{"KEY046", rds, "Restore the shared snapshot in the target account.", true},
		{"KEY046", rds, "Share the automated snapshots of manual backups.", true},
		{"KEY046", rds, "Manual snapshots: restore an instance from the shared snapshot.", true},
		{"KEY046", rds, "Then restore directly from the shared manual snapshot.", true},
		{"KEY046", rds, "Share the automatic snapshot, not the manual snapshot.", false},
		{"KEY046", rds, "A shared snapshot cannot be restored; copy it first. Manual snapshots only.", false},
		{"KEY046", rds, "Copy the shared manual snapshot, then restore the copy.", false},
		{"KEY057", kms, "Key rotation re-encrypts your data every year.", true},
		{"KEY057", kms, "After rotation, old backups are useless to an attacker who has the old key.", true},
		{"KEY057", kms, "When the key rotates, existing objects are encrypted again under the new key.", true},
		{"KEY057", kms, "Turn on yearly rotation for the CMK.", true},
		{"KEY057", kms, "Rotate the KMS key every year.", true},
		{"KEY057", kms, "Rotate database credentials monthly.", false},
		{"KEY057", kms, "Rotation keeps old material, data is not re-encrypted. Enable rotation.", false},
		{"KEY101", kms, "Every AccessDenied here is caused by the KMS key policy.", true},
		{"KEY101", kms, "This error always means that the key policy is wrong.", true},
		{"KEY101", kms, "The only reason for this is a missing KMS permission.", true},
		{"KEY101", kms, "The cause is always the CMK.", true},
		{"KEY101", kms, "All three failures come down to one cause: kms permissions.", true},
		{"KEY101", kms, "One of the causes may be the key policy.", false},
		{"KEY101", kms, "Each account has one KMS key.", false},
		{"KEY101", kms, "The same reason is why each team has its own KMS key.", false},
		{"KEY104", kms, "An EventBridge rule triggers a Lambda that attaches the policy statement to each new key.", true},
		{"KEY104", kms, "Automatically grant the backup role access to all KMS keys.", true},
		{"KEY104", kms, "Schedule a Lambda to put the statement into every key policy of all keys.", true},
		{"KEY104", kms, "On key creation, append the DRS statement to any new CMK.", true},
		{"KEY104", kms, "A cron job updates the policies of all customer managed keys.", true},
		{"KEY104", kms, "An EventBridge rule reports new KMS keys to the team.", false},
		{"KEY104", kms, "Never grant access to all keys automatically.", false},
		{"KEY104", kms, "A Lambda adds the statement to new keys that are tagged Backup.", false},
		{"KEY104", kms, "AWS Backup automatically creates grants on the key.", false},
		{"KEY047", rds, "If the production account is lost, the backup must open. Copy the shared snapshot there.", true},
		{"KEY047", rds, "Should the account be compromised we still have the backup. Then copy the shared snapshot.", true},
		{"KEY047", rds, "Copy the shared snapshot there. We use a CMK of the backup account in case we lose an account.", false},
		{"KEY043", drs, "Add your KMS key to the launch template.", true},
		{"KEY043", drs, "Edit the EC2 launch template and choose the encryption key.", true},
		{"KEY043", drs, "The launch template sets the instance type.", false},
		{"KEY021", kms, "Modify the aws/ebs key policy.", true},
		{"KEY021", kms, "Add the account to the key policy of the AWS managed key.", true},
		{"KEY021", kms, "The policy of an AWS managed key can't be changed.", false},
		{"KEY036", kms, "Use KMS grants for the service-linked role.", true},
		{"KEY036", kms, "The policy grants access to the key.", false},
		{"KEY036", kms, "Create a grant with a name so retries are idempotent.", false},
		{"KEY024", drs, "The source key stays in the source region.", false},
		{"KEY057", kms, "Many assume that rotation re-encrypts old data.", false},
		{"KEY003", drs, "The service rejects servers, choosing the default EBS key for them.", false},
		{"KEY101", kms, "None of them refused a single call because of a key policy.", false},
	} {
		n := 0
		for _, f := range rules.Check(read(t, "guide.md", "# "+c.heading+"\n\n"+c.text+"\n"), rules.All()) {
			if f.Rule == c.rule {
				n++
			}
		}
		if (n > 0) != c.fires {
			t.Errorf("%s under %q, %q: %d findings", c.rule, c.heading, c.text, n)
		}
	}
}

func TestChangesOfAVersionAdviseNobody(t *testing.T) {
	t.Parallel()
	const advice = "Recovery across accounts: switch to the AWS managed key aws/ebs. It is impossible to exclude a volume from default encryption.\n"
	for _, c := range []struct {
		file, heading string
		told          bool
	}{
		{"CHANGELOG.md", "2.0", false},
		{"docs/CHANGES-1.x.md", "2.0", false},
		{"release_notes.md", "2.0", false},
		{"README.md", "Changelog", false},
		{"README.md", "Changelog\n\n## 2.0\n\n### Added", false},
		{"README.md", "Changes in 2.0", false},
		{"README.md", "Release notes for v2", false},
		{"README.md", "Recovery", true},
		{"README.md", "Changes to the key policy", true},
		{"README.md", "Changelog\n\n# Recovery", true},
		{"changeset.md", "2.0", true},
	} {
		for _, rule := range rules.All() {
			if rule.ID != "KEY003" {
				continue
			}
			found := rules.Check(read(t, c.file, "# "+c.heading+"\n\n"+advice), []rules.Rule{rule})
			if want := map[bool]int{true: 2}[c.told]; len(found) != want {
				t.Errorf("%s under %q: %d findings, want %d: %v", c.file, c.heading, len(found), want, found)
			}
		}
	}
}
