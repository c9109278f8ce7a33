package terraform

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// holder says which argument of a resource is a policy, and of which kind.
type holder struct {
	argument string
	kind     rules.Kind
	role     string // the argument that names whose it is, of identity policies
}

// holders returns where a resource of a type holds policies.
func holders(b *block) []holder {
	if b.kind != "resource" {
		return nil
	}
	switch b.typ {
	case "aws_kms_key", "aws_kms_key_policy", "aws_kms_replica_key", "aws_kms_external_key", "aws_kms_replica_external_key":
		return []holder{{"policy", rules.KeyPolicy, ""}}
	case "aws_iam_policy":
		return []holder{{"policy", rules.IdentityPolicy, ""}}
	case "aws_iam_role_policy":
		return []holder{{"policy", rules.IdentityPolicy, "role"}}
	case "aws_iam_user_policy":
		return []holder{{"policy", rules.IdentityPolicy, "user"}}
	case "aws_iam_group_policy":
		return []holder{{"policy", rules.IdentityPolicy, "group"}}
	case "aws_iam_role":
		return []holder{{"assume_role_policy", rules.TrustPolicy, ""}}
	case "aws_ssoadmin_permission_set_inline_policy":
		return []holder{{"inline_policy", rules.IdentityPolicy, ""}}
	case "aws_organizations_policy":
		return []holder{{"content", controlKind(&b.body), ""}}
	case "aws_vpc_endpoint", "aws_vpc_endpoint_policy":
		return []holder{{"policy", rules.EndpointPolicy, ""}}
	case "aws_s3_bucket_policy", "aws_s3_bucket":
		return []holder{{"policy", rules.BucketPolicy, ""}}
	case "aws_opensearch_domain", "aws_elasticsearch_domain":
		return []holder{{"access_policies", rules.ResourcePolicy, ""}}
	case "aws_cloudwatch_log_resource_policy":
		return []holder{{"policy_document", rules.ResourcePolicy, ""}}
	case "aws_sns_topic", "aws_sns_topic_policy", "aws_sqs_queue", "aws_sqs_queue_policy", "aws_backup_vault_policy",
		"aws_secretsmanager_secret", "aws_secretsmanager_secret_policy", "aws_ecr_repository_policy", "aws_efs_file_system_policy",
		"aws_dynamodb_resource_policy", "aws_cloudwatch_event_bus_policy":
		return []holder{{"policy", rules.ResourcePolicy, ""}}
	}
	return nil
}

// controlKind tells the policies of Organizations apart by their type, which is
// that of service control policies unless another is given.
func controlKind(body *source.Node) rules.Kind {
	switch t := given(body, "type"); {
	case t == nil || t.Text == "SERVICE_CONTROL_POLICY":
		return rules.ControlPolicy
	case t.Text == "RESOURCE_CONTROL_POLICY":
		return rules.ResourceControlPolicy
	}
	return rules.OtherPolicy
}

// target is the address of the resource that a reference names, without what
// stands behind it, or nothing.
func target(n *source.Node) string {
	if n == nil || n.Kind != source.Intrinsic && n.Kind != source.String {
		return ""
	}
	text := strings.TrimSuffix(strings.TrimPrefix(n.Text, "${"), "}")
	parts := strings.Split(text, ".")
	want := 2
	for len(parts) > want && parts[want-2] == "module" {
		want += 2
	}
	if len(parts) >= want && parts[want-2] == "data" {
		want++
	}
	if len(parts) < want {
		return ""
	}
	parts = parts[:want]
	last, _, _ := strings.Cut(parts[want-1], "[")
	parts[want-1] = last
	return strings.Join(parts, ".")
}

// documentIn is the address of the policy document that an expression speaks of.
// exact is set when it is that document and nothing else.
func documentIn(n *source.Node) (address string, exact bool) {
	const data = "data.aws_iam_policy_document."
	if n == nil || n.Kind != source.Intrinsic && n.Kind != source.String {
		return "", false
	}
	if n.Kind == source.String && !strings.HasPrefix(n.Text, "${") {
		return "", false
	}
	text := strings.TrimSuffix(strings.TrimPrefix(n.Text, "${"), "}")
	i := strings.Index(text, data)
	if i < 0 {
		return "", false
	}
	if rest := text[i+len(data):]; strings.Contains(rest, data) && name(rest) != name(rest[strings.LastIndex(rest, data)+len(data):]) {
		return "", false
	}
	rest := text[i+len(data)+len(name(text[i+len(data):])):]
	if strings.HasPrefix(rest, "[") {
		_, rest, _ = strings.Cut(rest, "]")
	}
	return data + name(text[i+len(data):]), i == 0 && (rest == ".json" || rest == ".minified_json")
}

// name is the name with which a text begins.
func name(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
	if end < 0 {
		return s
	}
	return s[:end]
}
