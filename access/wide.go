package access

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// Wide looks at the Allow statements of an identity policy and reports rights
// on more keys than anybody meant (KEY058, KEY110), a right to make keys that
// lacks the one to tag them (KEY065), and S3 actions that are the names of API
// operations and not of IAM actions (KEY064). A statement that allows every
// action of every service is an administrator's and is let alone. subject names
// the policy's owner.
// See https://docs.aws.amazon.com/kms/latest/developerguide/iam-policies-best-practices.html.
func Wide(d *policy.Document, subject string) []finding.Finding {
	var fs []finding.Finding
	tags := false
	for i := range d.Statements {
		tags = tags || allows(&d.Statements[i], "kms:TagResource")
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Effect == nil || s.Effect.Text != "Allow" || s.Action == nil {
			continue
		}
		in := inert{doc: d, s: s, name: StatementName(s, i), subject: subject}
		in.wideResources()
		in.s3Actions()
		if !tags && allows(s, "kms:CreateKey") {
			in.add("KEY065", finding.Warning, s.Action.Values[0].Pos, "kms:CreateKey without kms:TagResource: a key that is made with tags is refused",
				"add kms:TagResource, unless another policy gives it")
		}
		fs = append(fs, in.found...)
	}
	return fs
}

// allows reports whether an Allow statement covers a KMS action.
func allows(s *policy.Statement, action string) bool {
	return s.Effect != nil && s.Effect.Text == "Allow" && s.Action != nil &&
		slices.ContainsFunc(s.Action.Values, func(v policy.Value) bool {
			return isKMS(v.Text) && slices.Contains(awsfacts.ActionsMatching(v.Text), action)
		})
}

// wideResources reports rights on contents, policies and grants of keys that
// are named by a wildcard.
func (in *inert) wideResources() {
	at := in.wideResource()
	if at == nil {
		return
	}
	var contents, control []string
	for _, v := range in.s.Action.Values {
		if !isKMS(v.Text) {
			continue
		}
		for _, a := range awsfacts.ActionsMatching(v.Text) {
			switch {
			case a == "kms:PutKeyPolicy" || a == "kms:CreateGrant" && !in.limitsGrants():
				control = append(control, a)
			case opensContents(a):
				contents = append(contents, v.Text)
			}
		}
	}
	if contents = slices.Compact(contents); len(contents) > 0 {
		in.add("KEY058", finding.Warning, at.Pos, list(contents)+" on "+at.Text+": every key that lets this account in, not the one that was meant", "name the keys by ARN")
	}
	if len(control) > 0 {
		in.add("KEY110", finding.Error, at.Pos, list(control)+" on "+at.Text+": whoever has this hands out any key it reaches", "name the keys by ARN")
	}
}

// wideResource returns the resource that names more than one key.
func (in *inert) wideResource() *policy.Value {
	if in.s.Resource == nil {
		return nil
	}
	for i := range in.s.Resource.Values {
		v := &in.s.Resource.Values[i]
		if a, err := arn.Parse(v.Text); v.Text == "*" || err == nil && a.Service == "kms" && strings.ContainsAny(v.Text, "*?") && strings.HasPrefix(a.Resource, "key/") {
			return v
		}
	}
	return nil
}

// opensContents reports whether the action reads or makes what is encrypted.
func opensContents(action string) bool {
	switch name := strings.TrimPrefix(action, "kms:"); name {
	case "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo":
		return true
	default:
		return strings.HasPrefix(name, "GenerateDataKey")
	}
}

// s3Actions reports names of S3 API operations that are no IAM actions.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html.
func (in *inert) s3Actions() {
	for _, v := range in.s.Action.Values {
		if right := s3Action(v.Text); right != "" {
			in.add("KEY064", finding.Error, v.Pos, "S3 has no IAM action "+v.Text+", so it allows nothing", "write "+right)
		}
	}
}

// s3Action returns the IAM action of an S3 operation that is called otherwise.
func s3Action(name string) string {
	switch strings.ToLower(name) {
	case "s3:putbucketencryption", "s3:deletebucketencryption":
		return "s3:PutEncryptionConfiguration"
	case "s3:getbucketencryption":
		return "s3:GetEncryptionConfiguration"
	case "s3:putbucketlifecycleconfiguration", "s3:putbucketlifecycle", "s3:deletebucketlifecycle":
		return "s3:PutLifecycleConfiguration"
	case "s3:getbucketlifecycleconfiguration", "s3:getbucketlifecycle":
		return "s3:GetLifecycleConfiguration"
	}
	return ""
}
