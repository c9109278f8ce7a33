package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func pol007() Rule {
	return Rule{
		ID: "POL007", Severity: finding.Warning,
		Title: "A trail's bucket that CloudTrail may not write to",
		Text: "CreateTrail looks whether CloudTrail may write to the bucket, and fails with InsufficientS3BucketPolicyException where the bucket's policy does not " +
			"let cloudtrail.amazonaws.com read its ACL and put objects.",
		Fix:   "Put a bucket policy first that allows s3:GetBucketAcl and s3:PutObject to cloudtrail.amazonaws.com, with aws:SourceArn of the trail.",
		Page:  "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html",
		Check: closedTrailBucket,
		Fires: []Example{{"script.sh", "aws s3 mb s3://audit-111122223333\naws cloudtrail create-trail --name audit --s3-bucket-name audit-111122223333\n"}},
		Silent: []Example{
			{"script.sh", "aws s3 mb s3://audit-111122223333\naws s3api put-bucket-policy --bucket audit-111122223333 --policy file://trail.json\naws cloudtrail create-trail --name audit --s3-bucket-name audit-111122223333\n"},
			{"script.sh", "aws cloudtrail describe-trails\n"},
		},
	}
}

// closedTrailBucket reports a trail for whose bucket the text has no policy: a
// warning where the text makes the bucket, else something to know.
func closedTrailBucket(m *Material, r *Report) {
	for _, p := range m.statements() {
		for _, n := range p.principals() {
			if n.value.Text == "cloudtrail.amazonaws.com" {
				return
			}
		}
	}
	made, written := map[string]bool{}, map[string]bool{}
	for _, c := range m.Commands {
		bucket, _ := c.Value("--bucket")
		switch {
		case c.Is("s3", "mb") && len(c.Args) > 0:
			made[strings.TrimPrefix(c.Args[0].Text, "s3://")] = true
		case c.Is("s3api", "create-bucket"):
			made[bucket.Text] = true
		case c.Is("s3api", "put-bucket-policy"):
			written[bucket.Text] = true
		}
	}
	for _, c := range m.Commands {
		bucket, ok := c.Value("--s3-bucket-name")
		if !c.Is("cloudtrail", "create-trail") || !ok || written[bucket.Text] || m.mentioned(c) {
			continue
		}
		severity := finding.Info
		if made[bucket.Text] && len(written) == 0 {
			severity = finding.Warning
		}
		r.AddAs(severity, c.Pos, c.name(), "nothing here lets CloudTrail write to "+bucket.Text+": without a bucket policy for it the trail is refused",
			"put the bucket policy first")
	}
}
