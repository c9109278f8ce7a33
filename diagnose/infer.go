package diagnose

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/lazy"
)

var (
	// refusal3 are the words of services and tools that name the action without
	// "to perform:".
	refusal3 = lazy.Regexp(`(?i)(?:not authorized|not allowed|not permitted|unauthorized|permissions?|access denied|denied|lacks?|missing|requires?|needs?)(?: to| for| on| when| the| action| permissions?|:)*(?: perform| call| calling| use| invoke| execute)?:?[ "'\\]{1,4}(kms:[a-z]{3,}\*?)`)
	// refusal4 are those that name it before.
	refusal4 = lazy.Regexp(`(?i)(kms:[a-z]{3,}\*?)["'\\]{0,3}(?: (?:permissions?|privileges?|rights?|action|is|was|are|access|call))?[ :]{1,2}(?:denied|missing|required|needed|is (?:missing|required|not allowed|denied)|not (?:allowed|authorized|permitted)|failed|AccessDenied)`)
	// bare are operations that only KMS has, and what services call the making
	// of a grant.
	bare = lazy.Regexp(`\b(CreateGrant|DescribeKey|GenerateDataKey(?:WithoutPlaintext)?|ReEncryptTo|ReEncryptFrom|PutKeyPolicy)\b|\bcreate (?:a |the )?grants?\b`)
	// mentioned is any KMS action.
	mentioned = lazy.Regexp(`(?i)\bkms:([a-z]{3,})`)
)

// canonical is an action of KMS as AWS writes it, whatever letter case a text
// has; one that was cut off is completed where only one begins so. A pattern
// that begins with a whole action (GenerateDataKey*) is told as that action.
func canonical(action string) string {
	service, name, ok := strings.Cut(action, ":")
	if !ok || !strings.EqualFold(service, "kms") {
		return action
	}
	name = strings.TrimRight(name, "*")
	if a, ok := awsfacts.KMSAction("kms:" + name); ok {
		return "kms:" + strings.TrimPrefix(a.Name, "kms:")
	}
	if len(name) >= 5 {
		if all := awsfacts.ActionsMatching("kms:" + name + "*"); len(all) == 1 {
			return "kms:" + strings.TrimPrefix(all[0], "kms:")
		}
	}
	return action
}

// refusalByOthers reads refusals in the words of services and tools.
func (in *Incident) refusalByOthers(lower string) {
	if in.Action != "" || !strings.Contains(lower, "kms:") {
		return
	}
	for _, re := range []*lazy.Pattern{refusal3, refusal4} {
		for _, m := range re.FindAllStringSubmatch(in.Text, 10) {
			if a := canonical(m[1]); isAction(a) {
				in.Action = a
				return
			}
		}
	}
}

// isAction tells an action of KMS from a condition key (kms:ViaService).
func isAction(s string) bool {
	_, ok := awsfacts.KMSAction(s)
	return ok
}

// firstMentioned is the first KMS action in the text, for messages that list
// what they may have needed.
func (in *Incident) firstMentioned() string {
	for _, m := range mentioned.FindAllStringSubmatch(in.Text, 20) {
		if a := canonical("kms:" + m[1]); isAction(a) {
			return a
		}
	}
	switch m := bare.FindStringSubmatch(in.Text); {
	case m == nil:
		return ""
	case m[1] != "":
		return canonical("kms:" + m[1])
	default:
		return "kms:CreateGrant"
	}
}

// impliedKinds tell who calls by what works there: what runs in AWS has a
// role, a tool on somebody's machine mostly that one's user.
var impliedKinds = []struct {
	kind  Kind
	words []phrase
}{
	{ServiceRole, []phrase{"awsservicerolefor", "service-linked role", "service linked role"}},
	{User, []phrase{"sops", "credstash", "aws kms decrypt", "aws kms encrypt", "aws kms sign", "aws kms generate", "aws kms re-encrypt", "failed on client with status", "chamber ", "aws_profile", "--profile", "~/.aws"}},
	{Role, []phrase{
		"lambda", " ecs ", "resourceinitializationerror", "task role", "execution role", "kubernetes", "serviceaccount", "service account", "externalsecret", "external-secrets", "from provider:", "karpenter", "nodeclaim", "ec2nodeclass", "storageclass", "rpc error", "ebs-csi",
		"codebuild", "codepipeline", "codedeploy", "glue", "sagemaker", "athena", " emr", "redshift", "resource handler returned", "create_failed", "update_failed", "aws::", "failed to stabilize", "firehose", "delivery stream", "backup", "veeam", "assumed role", "assumed-role", "iam role",
		"/var/runtime", "step functions", "data-prepper", "vault", "instance profile", "ip-10-", " dms", "control tower", "awsaccelerator", "image builder", "github-actions", "runner",
	}},
}

// impliedKind is who calls, by the words of the text.
func (in *Incident) impliedKind() Kind {
	lower := lowerASCII(in.Text)
	for _, k := range impliedKinds {
		if _, ok := anyOf(in.Text, lower, k.words); ok {
			return k.kind
		}
	}
	return Unknown
}
