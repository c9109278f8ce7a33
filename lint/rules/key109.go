package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

func key109() Rule {
	return Rule{
		ID: "KEY109", Severity: finding.Warning,
		Title: "Old versions in the bucket never expire",
		Text:  "In a bucket with versioning, expiration puts a delete marker over the object. The version below stays, and is paid for, until a rule for noncurrent versions removes it.",
		Fix:   "Add NoncurrentVersionExpiration to the rule.",
		Page:  "https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html",
		Check: versionsStay,
		Fires: []Example{{"script.sh", "aws s3api put-bucket-versioning --bucket b --versioning-configuration Status=Enabled\n" +
			"aws s3api put-bucket-lifecycle-configuration --bucket b --lifecycle-configuration '{\"Rules\": [{\"ID\": \"old\", \"Status\": \"Enabled\", \"Filter\": {}, \"Expiration\": {\"Days\": 90}}]}'\n"}},
		Silent: []Example{{"script.sh", "aws s3api put-bucket-versioning --bucket b --versioning-configuration Status=Enabled\n" +
			"aws s3api put-bucket-lifecycle-configuration --bucket b --lifecycle-configuration '{\"Rules\": [{\"ID\": \"old\", \"Status\": \"Enabled\", \"Filter\": {}, \"Expiration\": {\"Days\": 90}, \"NoncurrentVersionExpiration\": {\"NoncurrentDays\": 30}}]}'\n"}},
	}
}

func versionsStay(m *Material, r *Report) {
	versioned := map[string]bool{}
	for _, c := range m.Commands {
		bucket, _ := c.Value("--bucket")
		w, ok := c.Value("--versioning-configuration")
		if ok && c.Is("s3api", "put-bucket-versioning") && (mentions(w.tree(), "Enabled")) {
			versioned[bucket.Text] = true
		}
	}
	for _, c := range m.Commands {
		bucket, _ := c.Value("--bucket")
		w, ok := c.Value("--lifecycle-configuration")
		if !ok || !c.Is("s3api", "put-bucket-lifecycle-configuration") || !versioned[bucket.Text] || w.tree() == nil {
			continue
		}
		if n := onlyCurrent(dig(w.tree(), "Rules"), "Expiration", "NoncurrentVersionExpiration"); n != nil {
			r.Add(m.nodeOr(n, w), c.name(), versionsText(bucket.Text), "add NoncurrentVersionExpiration")
		}
	}
	for _, res := range m.Resources {
		switch res.Type {
		case "AWS::S3::Bucket":
			if status, _ := digText(res.Body, "VersioningConfiguration", "Status"); status == "Enabled" {
				rules := dig(res.Body, "LifecycleConfiguration", "Rules")
				if n := onlyCurrent(rules, "ExpirationInDays", "NoncurrentVersionExpiration", "NoncurrentVersionExpirationInDays"); n != nil {
					r.Add(m.nodeAt(n.Pos), res.Name, versionsText(res.Name), "add NoncurrentVersionExpiration")
				}
			}
		case "aws_s3_bucket":
			if on := dig(res.Body, "versioning", "enabled"); len(on) == 1 && on[0].Text == "true" {
				if n := onlyCurrent(dig(res.Body, "lifecycle_rule"), "expiration", "noncurrent_version_expiration"); n != nil {
					r.Add(m.nodeAt(n.Pos), res.Name, versionsText("the bucket"), "add noncurrent_version_expiration")
				}
			}
		case "aws_s3_bucket_lifecycle_configuration":
			if n := onlyCurrent(dig(res.Body, "rule"), "expiration", "noncurrent_version_expiration"); n != nil && versionedBucket(m, res) {
				r.Add(m.nodeAt(n.Pos), res.Name, versionsText("the bucket"), "add noncurrent_version_expiration")
			}
		}
	}
}

func versionsText(bucket string) string {
	return bucket + " keeps versions: expiration only hides the objects, and their old versions stay for ever"
}

// onlyCurrent returns the expiration of a rule when no rule removes noncurrent
// versions.
func onlyCurrent(rules []*source.Node, expires string, noncurrent ...string) *source.Node {
	var found *source.Node
	for _, rule := range rules {
		for _, name := range noncurrent {
			if len(dig(rule, name)) > 0 {
				return nil
			}
		}
		if n := dig(rule, expires); found == nil && len(n) > 0 && !markersOnly(n[0]) {
			found = n[0]
		}
	}
	return found
}

// markersOnly reports whether an expiration removes delete markers only.
func markersOnly(n *source.Node) bool {
	return n.Kind == source.Map && len(n.Fields) == 1 && strings.HasPrefix(strings.ToLower(n.Fields[0].Name), "expired")
}

// versionedBucket reports whether another resource turns versioning on for the
// bucket of a lifecycle configuration.
func versionedBucket(m *Material, lifecycle *Resource) bool {
	mine := dig(lifecycle.Body, "bucket")
	for _, res := range m.Resources {
		if res.Type != "aws_s3_bucket_versioning" || len(mine) == 0 {
			continue
		}
		theirs := dig(res.Body, "bucket")
		status, _ := digText(res.Body, "versioning_configuration", "status")
		if status == "Enabled" && len(theirs) > 0 && string(source.AppendJSON(nil, theirs[0])) == string(source.AppendJSON(nil, mine[0])) {
			return true
		}
	}
	return false
}
