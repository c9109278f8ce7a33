package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

func key033() Rule {
	return Rule{
		ID: "KEY033", Severity: finding.Error,
		Title: "A bucket's key is named by an alias",
		Text: "S3 looks an alias up in the account of the requester. Who writes from another account has no such alias, or has another key " +
			"under it, and then the bucket's owner cannot read what was written. aws/s3 is never open to another account.",
		Fix:   "Name the key by its ARN, a customer managed one where others write or read.",
		Page:  "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html",
		Check: bucketByAlias,
		Fires: []Example{
			{"script.sh", "aws s3api put-bucket-encryption --bucket b --server-side-encryption-configuration '{\"Rules\": [{\"ApplyServerSideEncryptionByDefault\": {\"SSEAlgorithm\": \"aws:kms\", \"KMSMasterKeyID\": \"alias/app\"}}]}'\n"},
			{"main.tf", "resource \"aws_s3_bucket_server_side_encryption_configuration\" \"b\" {\n  bucket = \"b\"\n  rule {\n    apply_server_side_encryption_by_default {\n      sse_algorithm     = \"aws:kms\"\n      kms_master_key_id = \"alias/app\"\n    }\n  }\n}\n"},
		},
		Silent: []Example{
			{"script.sh", "aws s3api put-bucket-encryption --bucket b --server-side-encryption-configuration '{\"Rules\": [{\"ApplyServerSideEncryptionByDefault\": {\"SSEAlgorithm\": \"aws:kms\", \"KMSMasterKeyID\": \"arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\"}}]}'\n"},
			{"main.tf", "resource \"aws_s3_bucket_server_side_encryption_configuration\" \"b\" {\n  bucket = \"b\"\n  rule {\n    apply_server_side_encryption_by_default {\n      sse_algorithm     = \"aws:kms\"\n      kms_master_key_id = \"alias/aws/s3\"\n    }\n  }\n}\n"},
		},
	}
}

func bucketByAlias(m *Material, r *Report) {
	shared := m.shares()
	anyUpload(m, r)
	for _, c := range m.Commands {
		if w, ok := c.Value("--server-side-encryption-configuration"); ok && w.tree() != nil {
			for _, n := range dig(w.tree(), "Rules", "ApplyServerSideEncryptionByDefault", "KMSMasterKeyID") {
				aliasOfBucket(m.nodeOr(n, w), r, shared, n, c.name())
			}
		}
		for _, option := range []string{"--sse-kms-key-id", "--ssekms-key-id"} {
			if w, ok := c.Value(option); ok && shared && isAlias(w.Text) && strings.HasPrefix(c.Service, "s3") {
				r.AddAs(finding.Warning, w.Pos, c.name(), "S3 looks "+w.Text+" up in the account of whoever runs this", "name the key by its ARN")
			}
		}
	}
	if m.Estate != nil {
		bucketsOfEstate(m, r)
	}
	for _, res := range m.Resources {
		var keys []*source.Node
		switch res.Type {
		case "aws_s3_bucket_server_side_encryption_configuration":
			keys = dig(res.Body, "rule", "apply_server_side_encryption_by_default", "kms_master_key_id")
		case "aws_s3_bucket":
			keys = dig(res.Body, "server_side_encryption_configuration", "rule", "apply_server_side_encryption_by_default", "kms_master_key_id")
		case "AWS::S3::Bucket":
			keys = dig(res.Body, "BucketEncryption", "ServerSideEncryptionConfiguration", "ServerSideEncryptionByDefault", "KMSMasterKeyID")
		}
		for _, n := range keys {
			aliasOfBucket(m.nodeAt(n.Pos), r, shared, n, res.Name)
		}
	}
}

// aliasOfBucket reports an alias as a bucket's default key: an error where more
// accounts than one are in play, else something to know.
func aliasOfBucket(at finding.Position, r *Report, shared bool, n *source.Node, subject string) {
	if n.Kind != source.String || !strings.HasPrefix(n.Text, "alias/") {
		return
	}
	severity := finding.Warning
	if shared {
		severity = finding.Error
	} else if isManagedAlias(n.Text) {
		return
	}
	r.AddAs(severity, at, subject, "S3 looks "+n.Text+" up in the account of the requester, not of the bucket", "name the key by its ARN")
}

// anyUpload notes a text that makes a bucket with a default key and leaves it open
// to uploads under any other key and without TLS: the default is for requests that
// name none.
func anyUpload(m *Material, r *Report) {
	if slices.ContainsFunc(m.Policies, func(p *Policy) bool { return p.Kind == BucketPolicy }) {
		return
	}
	made := map[string]bool{}
	for _, c := range m.Commands {
		switch bucket, _ := c.Value("--bucket"); {
		case c.Is("s3api", "put-bucket-policy"):
			return
		case c.Is("s3api", "create-bucket"):
			made[bucket.Text] = true
		case c.Is("s3", "mb") && len(c.Args) > 0:
			made[strings.TrimPrefix(c.Args[0].Text, "s3://")] = true
		}
	}
	for _, c := range m.Commands {
		bucket, _ := c.Value("--bucket")
		if w, ok := c.Value("--server-side-encryption-configuration"); ok && made[bucket.Text] && c.Is("s3api", "put-bucket-encryption") && mentions(w.tree(), "aws:kms") {
			r.AddAs(finding.Info, c.Pos, c.name(), "the default key is for requests that name none: nothing keeps others from putting objects under another key, or from sending them without TLS",
				"deny both in a bucket policy")
			return
		}
	}
}

// bucketsOfEstate reports buckets whose default encryption names an alias.
func bucketsOfEstate(m *Material, r *Report) {
	for i := range m.Estate.Resources {
		if b := &m.Estate.Resources[i]; b.Type == "s3:Bucket" && strings.HasPrefix(b.Key, "alias/") {
			r.Add(m.placeOf(b.ID), b.ID, "the default encryption of the bucket names "+b.Key+"; an alias is looked up in the account of whoever uploads, so another account's uploads get another key or fail",
				"name the key by its ARN")
		}
	}
}
