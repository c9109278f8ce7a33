package input

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// slot is where a declared resource has a policy: the names of members from its
// properties down, a [] after those that are lists.
type slot struct {
	path string
	kind rules.Kind
}

// cloudFormationSlots are the policies of CloudFormation's resources; those of
// resources that are not named here are looked for by what they look like.
var cloudFormationSlots = map[string][]slot{
	"AWS::KMS::Key":                              {{"KeyPolicy", rules.KeyPolicy}},
	"AWS::KMS::ReplicaKey":                       {{"KeyPolicy", rules.KeyPolicy}},
	"AWS::IAM::Role":                             {{"AssumeRolePolicyDocument", rules.TrustPolicy}, {"Policies[].PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::User":                             {{"Policies[].PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::Group":                            {{"Policies[].PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::ManagedPolicy":                    {{"PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::Policy":                           {{"PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::RolePolicy":                       {{"PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::UserPolicy":                       {{"PolicyDocument", rules.IdentityPolicy}},
	"AWS::IAM::GroupPolicy":                      {{"PolicyDocument", rules.IdentityPolicy}},
	"AWS::SSO::PermissionSet":                    {{"InlinePolicy", rules.IdentityPolicy}},
	"AWS::S3::BucketPolicy":                      {{"PolicyDocument", rules.BucketPolicy}},
	"AWS::S3::AccessPoint":                       {{"Policy", rules.ResourcePolicy}},
	"AWS::SNS::TopicPolicy":                      {{"PolicyDocument", rules.ResourcePolicy}},
	"AWS::SNS::TopicInlinePolicy":                {{"PolicyDocument", rules.ResourcePolicy}},
	"AWS::SQS::QueuePolicy":                      {{"PolicyDocument", rules.ResourcePolicy}},
	"AWS::SQS::QueueInlinePolicy":                {{"PolicyDocument", rules.ResourcePolicy}},
	"AWS::Backup::BackupVault":                   {{"AccessPolicy", rules.ResourcePolicy}},
	"AWS::Backup::LogicallyAirGappedBackupVault": {{"AccessPolicy", rules.ResourcePolicy}},
	"AWS::SecretsManager::ResourcePolicy":        {{"ResourcePolicy", rules.ResourcePolicy}},
	"AWS::Logs::ResourcePolicy":                  {{"PolicyDocument", rules.ResourcePolicy}},
	"AWS::ECR::Repository":                       {{"RepositoryPolicyText", rules.ResourcePolicy}},
	"AWS::EFS::FileSystem":                       {{"FileSystemPolicy", rules.ResourcePolicy}},
	"AWS::EC2::VPCEndpoint":                      {{"PolicyDocument", rules.EndpointPolicy}},
	"AWS::Organizations::Policy":                 {{"Content", rules.OtherPolicy}},
	"AWS::Serverless::Function":                  {{"Policies[]", rules.IdentityPolicy}, {"AssumeRolePolicyDocument", rules.TrustPolicy}},
	"AWS::Serverless::StateMachine":              {{"Policies[]", rules.IdentityPolicy}},
}

// cloudFormation reads a template of CloudFormation, SAM or the CDK, or the
// resources of one. A template of the Serverless Framework has them inside.
func (r *reader) cloudFormation(n *source.Node) bool {
	resources := resourcesOf(n)
	if resources == nil {
		if inner := n.Field("resources"); n.Kind == source.Map && inner != nil && resourcesOf(inner) != nil {
			r.cloudFormation(inner)
			for _, f := range n.Distinct() {
				if f.Name != "resources" {
					r.walk(&f.Value, "", f.Name, n)
				}
			}
			return true
		}
		return false
	}
	if isCDK(n, resources) {
		r.is(CDKTemplate)
	}
	r.is(CloudFormation)
	for _, f := range resources.Distinct() {
		r.declaration(&f)
	}
	r.aliases()
	r.boundaries()
	return true
}

// resourcesOf returns the map of resources in a template, or nil for what is no
// template.
func resourcesOf(n *source.Node) *source.Node {
	if n.Kind != source.Map {
		return nil
	}
	if resources := n.Field("Resources"); resources != nil && resources.Kind == source.Map {
		if n.Field("AWSTemplateFormatVersion") != nil || n.Field("Transform") != nil || declares(resources) {
			return resources
		}
		return nil
	}
	if declares(n) {
		return n
	}
	return nil
}

// declares reports whether a map has resources of CloudFormation as members.
func declares(n *source.Node) bool {
	for i := range n.Fields {
		v := &n.Fields[i].Value
		if t := v.Field("Type"); v.Kind == source.Map && t != nil && strings.Count(t.Text, "::") >= 1 && (v.Field("Properties") != nil || strings.HasPrefix(t.Text, "AWS::")) {
			return true
		}
	}
	return false
}

// isCDK reports whether the CDK wrote a template.
func isCDK(n, resources *source.Node) bool {
	if resources.Field("CDKMetadata") != nil || n.At([]string{"Parameters", "BootstrapVersion"}) != nil {
		return true
	}
	for i := range resources.Fields {
		if resources.Fields[i].Value.At([]string{"Metadata", "aws:cdk:path"}) != nil {
			return true
		}
	}
	return false
}

// declaration reads one resource of a template; a loop declares several.
func (r *reader) declaration(f *source.Field) {
	n := &f.Value
	if strings.HasPrefix(f.Name, "Fn::ForEach::") && n.Kind == source.List && len(n.Items) == 3 {
		for _, inner := range n.Items[2].Distinct() {
			r.declaration(&inner)
		}
		return
	}
	kind := n.Field("Type")
	if n.Kind != source.Map || kind == nil {
		return
	}
	whole := r.lower(n)
	body := whole.Field("Properties")
	if body == nil {
		body = &source.Node{Kind: source.Map, Pos: n.Pos}
	}
	d := &declared{r: r, body: body, done: map[*source.Node]bool{}, named: true}
	d.resource = r.resource("cloudformation", kind.Text, f.Name, body, &whole, f.Pos)
	if role := known(body, "RoleName", "UserName", "GroupName"); role != "" {
		d.role = role
	} else if kind.Text == "AWS::IAM::Role" || kind.Text == "AWS::IAM::User" || kind.Text == "AWS::IAM::Group" {
		d.role = f.Name
	} else {
		d.role = onlyRole(body)
	}
	for _, s := range cloudFormationSlots[kind.Text] {
		if kind.Text == "AWS::Organizations::Policy" {
			s.kind = controlKind(known(body, "Type"))
		}
		d.slot(s)
	}
	if strings.HasPrefix(kind.Text, "AWS::KMS::") && strings.HasSuffix(kind.Text, "Key") {
		d.key()
	}
	d.rest(body, "", nil)
}

// onlyRole returns the one principal that a policy is attached to.
func onlyRole(body *source.Node) string {
	var all []string
	for _, name := range []string{"Roles", "Users", "Groups"} {
		if n := body.Field(name); n != nil {
			for i := range n.Items {
				all = append(all, strings.TrimSuffix(strings.TrimPrefix(n.Items[i].Text, "${"), "}"))
			}
		}
	}
	if len(all) != 1 {
		return ""
	}
	return all[0]
}

// aliases tells the keys of a template which aliases it gives them.
func (r *reader) aliases() {
	for _, alias := range r.m.Resources {
		if alias.Type != "AWS::KMS::Alias" {
			continue
		}
		target, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(text(alias.Body, "TargetKeyId"), "${"), "}"), ".")
		for _, k := range r.m.Keys {
			if k.Name == target && k.Resource != nil {
				k.Aliases = append(k.Aliases, text(alias.Body, "AliasName"))
			}
		}
	}
}

// boundaries finds the managed policies of a template that its roles have as
// their boundary.
func (r *reader) boundaries() {
	names := map[string]bool{}
	for _, res := range r.m.Resources {
		if b := text(res.Body, "PermissionsBoundary"); b != "" {
			names[strings.TrimSuffix(strings.TrimPrefix(b, "${"), "}")] = true
		}
	}
	for _, p := range r.m.Policies {
		if p.Kind == rules.IdentityPolicy && p.Role == "" && names[p.Owner] {
			p.Kind = rules.BoundaryPolicy
		}
	}
}
