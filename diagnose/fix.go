package diagnose

import (
	"cmp"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// naming is what the texts of a fix name: the incident's own, or a word in
// capitals for what it does not tell.
type naming struct {
	who, what, key, region, service string
}

// harmless is what may stand in a command that a person pastes: nothing that a
// shell would read.
var harmless = lazy.Regexp(`^[A-Za-z0-9:/._@=+,-]{1,300}$`)

func (in *Incident) naming(c *Cause) naming {
	return naming{
		who: cmp.Or(in.Principal, "the caller"), what: cmp.Or(c.MissingAction, in.Action, "the action"), key: cmp.Or(in.Key, "the key"),
		region: cmp.Or(in.Region, "REGION"), service: cmp.Or(serviceOf(in), "the service"),
	}
}

// serviceOf is the service principal that works with the key, where the text
// tells the service.
func serviceOf(in *Incident) string {
	if d := in.deliverer(); d != "" {
		return d
	}
	switch s := in.Service; s {
	case "", "kms":
		return ""
	case "logs":
		return "logs." + cmp.Or(in.Region, "REGION") + ".amazonaws.com"
	default:
		return s + ".amazonaws.com"
	}
}

// deliverer is the service that sends to a queue or topic; "" when none does.
func (in *Incident) deliverer() string {
	for _, d := range deliverers {
		if in.mentions(d.words...) {
			return d.principal
		}
	}
	return ""
}

func (in *Incident) delivered() bool { return in.deliverer() != "" }

// deliverers are the services that send to queues and topics of others, by the
// words that stand around such a failure.
var deliverers = []struct {
	principal string
	words     []string
}{
	{"cloudwatch.amazonaws.com", []string{"failed to execute action", "alarm"}},
	{"events.amazonaws.com", []string{"eventbridge", "cloudwatch event"}},
	{"sns.amazonaws.com", []string{"sqsrequestid", "providerresponse"}},
	{"s3.amazonaws.com", []string{"destination configurations"}},
}

// fixes are what to do about each cause. {who}, {what}, {key} and the like are
// filled in.
var fixes = map[string]string{
	iamMissing:      "Allow {what} on {key} (its key ARN in Resource, not an alias) in an IAM policy of {who}.",
	keyPrincipal:    "Let {who} in by the policy of {key}: a statement that names it, or its account's root, for {what}.",
	keyAction:       "Add {what} to the statement of the policy of {key} that names {who} or its account.",
	keyRoot:         "Give the account's root {what} (mostly kms:*) in the policy of {key}, so that IAM policies have effect; or name {who} there.",
	keyService:      "Let {service} use {key} for {what} by the key policy, with aws:SourceAccount or aws:SourceArn as condition.",
	slrMissing:      "Name the service-linked role in the policy of {key}, for use and for kms:CreateGrant with kms:GrantIsForAWSResource; or make a grant for it from its own account.",
	crossAccount:    "Open both sides: the policy of {key} for the account or role that calls, and {what} on the key's ARN in an IAM policy of {who}. A service-linked role gets a grant instead.",
	defaultKey:      "Encrypt a copy with a customer managed key, let the other account use that key, and share the copy. An AWS managed key cannot be opened to others.",
	managedKey:      "Use a customer managed key in place of the AWS managed one, and let {service} or {who} use it by its key policy.",
	badPrincipal:    "Correct the principals of the policy: each must exist. For a service-linked role, create it first (aws iam create-service-linked-role).",
	lockout:         "Keep kms:PutKeyPolicy for whoever writes the policy: the account's root with kms:* and IAM that allows it, or its own ARN in the policy.",
	aliasMisuse:     "Give the key's ARN or id. Where an alias is accepted, write it with alias/ before it; in Resource of IAM policies it never serves.",
	aliasNotFound:   "Create the alias in this account and Region, or name the one that is there; for another account's key give the key ARN.",
	aliasExists:     "Import the alias into the tool that creates it, or delete the left-over (aws kms delete-alias), or choose another name.",
	condition:       "Compare the condition of the statement that should allow (or deny) with what the call carries: kms:ViaService, encryption context, tags, source.",
	wrongContext:    "Give the very encryption context at decryption that was given at encryption: same names, same values, same case; update agent and client together.",
	badParameter:    "Correct the parameter that the message names, and give a key where one is needed.",
	wrongRegion:     "Use the key of the Region in which the call is made, or call in the Region of the key's ARN; for several Regions a multi-Region key.",
	wrongIdentity:   "Make the call as who is meant: the profile, the role of the service account, the role of the task; then look again.",
	wrongKey:        "Name the key that encrypted the data, by its full ARN, and allow that one; or encrypt anew with the key that is meant.",
	noCredentials:   "Give the process valid credentials: log in again, correct the profile, let it reach the metadata service.",
	staleGrant:      "Have the grant made anew for the role of today: set the function's role to another and back, or set its key again, or deploy it anew.",
	keyDisabled:     "Enable the key (aws kms enable-key), if it was not disabled on purpose.",
	keyDeletion:     "Cancel the deletion (aws kms cancel-key-deletion) and enable the key, if its data is still needed; after the date nothing opens it any more.",
	keyNotFound:     "Name a key that exists: look the id up in the account and Region where it was made.",
	keyUsage:        "Use a key of the kind that the operation needs (mostly a symmetric key for encrypting, with material of KMS).",
	scpDeny:         "Have the organization's management account except {who} from the service control policy, or allow {what} in it.",
	rcpDeny:         "Have the organization's management account except {who} from the resource control policy.",
	endpointDeny:    "Allow {what} for {who} in the policy of the VPC endpoint for KMS.",
	boundaryDeny:    "Allow {what} in the permissions boundary of {who}, or take the Deny from it.",
	sessionDeny:     "Allow {what} in the session policy that is given when the role is assumed; credentials that a service hands out are limited so.",
	explicitDeny:    "Find the Deny that applies to {who} and {what}, and except the caller from it: no allow overrides it.",
	unreachable:     "Let the caller reach kms.{region}.amazonaws.com on port 443: route, DNS, proxy, the endpoint's security group.",
	throttled:       "Ask KMS less often (bucket keys, cached data keys, retries with backoff), or have the quota raised.",
	bucketPolicy:    "Send the encryption headers that the bucket policy demands, or take the demand away and let the bucket's default encryption do it.",
	notYet:          "Try again after a minute; in automation wait until the new thing is there before it is used.",
	corrupt:         "Give the bytes as KMS returned them: decode base64 once, read the file as binary (fileb://), and take the whole of it.",
	badGrantToken:   "Take the token that CreateGrant returned for this grant, or leave it away once the grant has been there for five minutes.",
	quotaUsed:       "Remove what is no longer needed (grants, aliases, keys), or have the quota raised.",
	signatureNeeded: "Have the client sign with Signature Version 4, and name the Region.",
}

// fix is what to do when it is this cause.
func (in *Incident) fix(c *Cause) string {
	w := in.naming(c)
	return strings.NewReplacer("{who}", w.who, "{what}", w.what, "{key}", w.key, "{region}", w.region, "{service}", w.service).Replace(fixes[c.Code])
}

// The commands that get facts. {…} are filled in.
const (
	getPolicy   = "aws kms get-key-policy --key-id {key} --policy-name default --query Policy --output text --region {region}"
	describeKey = "aws kms describe-key --key-id {key} --region {region}"
	listGrants  = "aws kms list-grants --key-id {key} --region {region}"
	getCaller   = "aws sts get-caller-identity"
	askEstate   = "keyreach can {who} {what} {key}{via}"
	lookEvents  = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventSource,AttributeValue=kms.amazonaws.com --region {region}"
)

// questions are the facts that settle each cause.
var questions = map[string][]Question{
	iamMissing:      {{"what the caller's IAM policies allow on the key", "aws iam simulate-principal-policy --policy-source-arn {who} --action-names {what} --resource-arns {key}"}, {"whether it opens, and every reason", askEstate}},
	keyPrincipal:    {{"whom the key policy names", getPolicy}, {"whether it opens, and every reason", askEstate}},
	keyAction:       {{"which actions the key policy gives to the caller or its account", getPolicy}},
	keyRoot:         {{"whether the key policy names the account's root, and for which actions", getPolicy}},
	keyService:      {{"whether the key policy names the service", getPolicy}},
	slrMissing:      {{"who was refused: the kms event has the role", lookEvents}, {"whether a grant names the role", listGrants}},
	crossAccount:    {{"whose the key is", describeKey}, {"who calls", getCaller}},
	defaultKey:      {{"who manages the key (KeyManager)", describeKey}},
	managedKey:      {{"who manages the key (KeyManager)", describeKey}},
	badPrincipal:    {{"whether the roles and users of the policy exist", "aws iam get-role --role-name ROLE"}},
	lockout:         {{"who writes the policy", getCaller}},
	aliasMisuse:     {{"which key the alias stands for", describeKey}},
	aliasNotFound:   {{"which aliases are there", "aws kms list-aliases --region {region}"}},
	aliasExists:     {{"which key the alias stands for", "aws kms list-aliases --region {region}"}},
	condition:       {{"the conditions of the statements that could allow it", getPolicy}, {"what the call carried", lookEvents}},
	wrongContext:    {{"the encryption context of both calls, which CloudTrail records", lookEvents}},
	badParameter:    {{"what the call carried (requestParameters)", lookEvents}},
	wrongRegion:     {{"whether the key is in this Region", describeKey}},
	wrongIdentity:   {{"who calls, asked where it fails", getCaller}},
	wrongKey:        {{"which key the ciphertext names (resources of the Decrypt event)", lookEvents}},
	noCredentials:   {{"whether the credentials are accepted", getCaller}},
	staleGrant:      {{"which role id the grant on the key names", listGrants}, {"the id of the role of today", "aws iam get-role --role-name ROLE --query Role.RoleId"}},
	keyDisabled:     {{"the state of the key (KeyState)", describeKey}},
	keyDeletion:     {{"the state of the key (KeyState, DeletionDate)", describeKey}},
	keyNotFound:     {{"whether the key is there", describeKey}},
	keyUsage:        {{"what the key is for (KeyUsage, KeySpec, Origin)", describeKey}},
	scpDeny:         {{"the service control policies on the account", "aws organizations list-policies-for-target --target-id ACCOUNT --filter SERVICE_CONTROL_POLICY"}},
	rcpDeny:         {{"the resource control policies on the key's account", "aws organizations list-policies-for-target --target-id ACCOUNT --filter RESOURCE_CONTROL_POLICY"}},
	endpointDeny:    {{"the policy of the endpoint", "aws ec2 describe-vpc-endpoints --filters Name=service-name,Values=com.amazonaws.{region}.kms"}},
	boundaryDeny:    {{"the boundary of the caller", "aws iam get-role --role-name ROLE --query Role.PermissionsBoundary"}},
	sessionDeny:     {{"with which policy the role was assumed", "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=AssumeRole --region {region}"}},
	explicitDeny:    {{"where the Deny stands", askEstate}, {"the statements of the key policy", getPolicy}},
	unreachable:     {{"whether the endpoint answers, asked where it fails", "curl -sS https://kms.{region}.amazonaws.com/ping"}},
	throttled:       {{"how many calls there were, and whose", lookEvents}},
	bucketPolicy:    {{"what the bucket policy demands of uploads", "aws s3api get-bucket-policy --bucket BUCKET"}},
	notYet:          {{"whether it is there now", describeKey}},
	corrupt:         {{"whether the blob opens as raw bytes", "aws kms decrypt --ciphertext-blob fileb://FILE --query KeyId --region {region}"}},
	badGrantToken:   {{"whether the grant is there", listGrants}},
	quotaUsed:       {{"which quota it is", "aws service-quotas list-service-quotas --service-code kms --region {region}"}},
	signatureNeeded: {{"which signature the client makes (additionalEventData.SignatureVersion)", "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventSource,AttributeValue=s3.amazonaws.com --region {region}"}},
}

// settles are the facts that decide about a cause, with commands in which what
// the text did not tell, or told in letters that a shell would read, is a word
// in capitals.
func (in *Incident) settles(c *Cause) []Question {
	who := in.Principal
	if m := sessionARN.FindStringSubmatch(who); m != nil {
		who = "arn:" + m[1] + ":iam::" + m[2] + ":role/" + m[3]
	}
	if !strings.HasPrefix(who, "arn:") {
		who = "" // a service, or a name without its account
	}
	via := in.forwarder()
	if via != "" {
		via = " --via " + via
	}
	region := safe(in.Region, "REGION")
	var out []Question
	for _, q := range questions[c.Code] {
		key := safe(in.Key, "KEY")
		if strings.Contains(key, "alias/") && keyOnly(q.Command) {
			out = append(out, Question{"which key the alias stands for: its ARN is the KEY below", strings.NewReplacer("{key}", key, "{region}", region).Replace(describeKey)})
			key = "KEY"
		}
		if q.Command == getPolicy && apart(in.Account, in.KeyAccount) {
			q.Fact += ", asked in account " + in.KeyAccount + ", as others may not read it"
		}
		r := strings.NewReplacer("{via}", via, "{who}", safe(who, "PRINCIPAL"), "{what}", safe(c.MissingAction, "ACTION"), "{key}", key, "{region}", region)
		out = append(out, Question{Fact: q.Fact, Command: r.Replace(q.Command)})
	}
	return out
}

// keyOnly reports whether a command takes a key's id or ARN, and no alias.
// See docs.aws.amazon.com/kms/latest/developerguide/alias-about.html.
func keyOnly(command string) bool {
	return command == getPolicy || command == listGrants || strings.HasPrefix(command, "aws iam simulate-")
}

var sessionARN = lazy.Regexp(`^arn:([\w-]+):sts::(\d{12}):assumed-role/([\w+=,.@-]+)/`)

func safe(s, word string) string {
	if harmless.MatchString(s) && !strings.HasPrefix(s, "-") {
		return s
	}
	return word
}
