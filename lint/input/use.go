package input

import (
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// policyOf says what is known of a policy that a command is given.
func policyOf(c *rules.Command, option string) *rules.Policy {
	p := &rules.Policy{Whole: true}
	switch c.Service {
	case "kms":
		keyOf(p, c)
	case "iam":
		identityOf(p, c, option)
	case "organizations":
		p.Kind, p.Owner = controlKind(plain(c, "--type")), plain(c, "--name")
	case "s3api", "s3control":
		p.Kind, p.Owner = rules.BucketPolicy, plain(c, "--bucket")
		if c.Service == "s3control" {
			p.Kind = rules.ResourcePolicy
		}
	case "ec2":
		p.Kind = rules.EndpointPolicy
	case "sts":
		p.Kind = rules.SessionPolicy
	case "sns", "sqs", "secretsmanager", "backup", "ecr", "lambda", "logs", "events", "glue", "efs", "dynamodb", "kinesis", "opensearch":
		p.Kind = rules.ResourcePolicy
	default:
		p.Whole = false
	}
	if p.Kind == rules.OtherPolicy {
		p.Whole = false
	}
	return p
}

// plain returns the value of an option when all of it is known.
func plain(c *rules.Command, names ...string) string {
	for _, name := range names {
		if w, ok := c.Value(name); ok && !w.Unknown && !policy.HasPlaceholder(w.Text) {
			return w.Text
		}
	}
	return ""
}

// keyOf says which key a command of KMS gives a policy.
func keyOf(p *rules.Policy, c *rules.Command) {
	switch c.Operation {
	case "put-key-policy", "create-key", "replicate-key":
	default:
		return
	}
	p.Kind = rules.KeyPolicy
	if w, ok := c.Value("--key-id"); ok {
		p.Owner = w.Text
	}
	if a, err := arn.Parse(p.Owner); err == nil && c.Operation != "replicate-key" && !policy.HasPlaceholder(p.Owner) {
		p.Key = a
	}
	region := plain(c, "--region")
	if c.Operation == "replicate-key" {
		region = plain(c, "--replica-region")
	}
	if p.Key.Region == "" {
		p.Key.Region = region
	}
}

// identityOf says whose a policy of IAM is.
func identityOf(p *rules.Policy, c *rules.Command, option string) {
	p.Role = plain(c, "--role-name", "--user-name", "--group-name")
	p.Owner = p.Role
	switch {
	case option == "--assume-role-policy-document", c.Operation == "update-assume-role-policy":
		p.Kind = rules.TrustPolicy
	case c.Operation == "create-policy", c.Operation == "create-policy-version":
		p.Kind, p.Owner = rules.IdentityPolicy, plain(c, "--policy-name", "--policy-arn")
	case option == "--policy-document":
		p.Kind = rules.IdentityPolicy
	}
}
