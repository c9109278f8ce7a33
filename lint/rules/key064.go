package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key064() Rule {
	return Rule{
		ID: "KEY064", Severity: finding.Error,
		Title: "The name of an S3 operation that is no action",
		Text:  "Some operations of S3 are authorized by an action of another name. AWS takes a policy with the operation's name, and it allows nothing.",
		Fix:   "Write the action that authorizes the operation.",
		Page:  "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html",
		Check: s3Operations,
		Fires: []Example{{"template.yaml", `Resources:
  Buckets:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Action: [s3:GetBucketLocation, s3:PutBucketLifecycleConfiguration]
            Resource: arn:aws:s3:::backup-vault
`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Buckets", "Effect": "Allow", "Action": "s3:PutBucketEncryption", "Resource": "arn:aws:s3:::backup-vault"}]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Buckets", "Effect": "Allow", "Resource": "arn:aws:s3:::backup-vault",
    "Action": ["s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning", "s3:PutBucketPublicAccessBlock"]
  }]
}`}},
	}
}

func s3Operations(m *Material, r *Report) {
	for _, p := range m.statements() {
		if p.s.Action == nil {
			continue
		}
		for i := range p.s.Action.Values {
			v := &p.s.Action.Values[i]
			right := s3Action(v.Text)
			if unfilled(v) || right == "" {
				continue
			}
			does := "allows"
			if p.denies() {
				does = "denies"
			}
			text := "S3 has no IAM action " + v.Text + ", so it " + does + " nothing"
			if p.allows() && p.policy.gives(right) {
				r.addAs(finding.Info, &p, v.Pos, text+"; the policy has "+right+" besides", "remove it")
				continue
			}
			var edits []Edit
			if sameVerb(v.Text, right) {
				edits = []Edit{{At: p.at(v.Pos), Old: v.Text, New: right}}
			}
			r.add(&p, v.Pos, text, "write "+right, edits...)
		}
	}
}

// gives reports whether an Allow of the policy covers an action, or may.
func (p *Policy) gives(action string) bool {
	for _, at := range p.allows() {
		if at.includes(action) != policy.False {
			return true
		}
	}
	return false
}

// s3Action returns the IAM action of an S3 operation that is called otherwise.
func s3Action(name string) string {
	operation, ok := strings.CutPrefix(strings.ToLower(name), "s3:")
	if !ok {
		return ""
	}
	switch operation {
	case "putbucketencryption", "deletebucketencryption":
		return "s3:PutEncryptionConfiguration"
	case "getbucketencryption":
		return "s3:GetEncryptionConfiguration"
	case "putbucketlifecycleconfiguration", "putbucketlifecycle", "deletebucketlifecycle":
		return "s3:PutLifecycleConfiguration"
	case "getbucketlifecycleconfiguration", "getbucketlifecycle":
		return "s3:GetLifecycleConfiguration"
	case "putbucketreplication", "deletebucketreplication":
		return "s3:PutReplicationConfiguration"
	case "getbucketreplication":
		return "s3:GetReplicationConfiguration"
	case "headobject", "selectobjectcontent":
		return "s3:GetObject"
	case "createmultipartupload", "uploadpart", "completemultipartupload":
		return "s3:PutObject"
	case "headbucket", "listobjects", "listobjectsv2":
		return "s3:ListBucket"
	case "listbuckets":
		return "s3:ListAllMyBuckets"
	case "deleteobjects":
		return "s3:DeleteObject"
	}
	return ""
}

// sameVerb reports whether an action does no more than the operation whose name
// was written: it puts or gets the same configuration of a bucket.
func sameVerb(written, right string) bool {
	return strings.HasSuffix(right, "Configuration") && strings.EqualFold(written[:len("s3:Put")], right[:len("s3:Put")])
}
