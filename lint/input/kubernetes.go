package input

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// kubernetesSlots are the policies of the resources of Crossplane and ACK, by
// service and kind. Crossplane has spec.forProvider around them, ACK spec.
var kubernetesSlots = map[string][]slot{
	"kms/Key":                     {{"policy", rules.KeyPolicy}},
	"kms/ReplicaKey":              {{"policy", rules.KeyPolicy}},
	"kms/ExternalKey":             {{"policy", rules.KeyPolicy}},
	"kms/ReplicaExternalKey":      {{"policy", rules.KeyPolicy}},
	"kms/KeyPolicy":               {{"policy", rules.KeyPolicy}},
	"iam/Role":                    {{"assumeRolePolicy", rules.TrustPolicy}, {"assumeRolePolicyDocument", rules.TrustPolicy}, {"inlinePolicy[].policy", rules.IdentityPolicy}, {"inlinePolicies", rules.OtherPolicy}},
	"iam/Policy":                  {{"policy", rules.IdentityPolicy}, {"document", rules.IdentityPolicy}, {"policyDocument", rules.IdentityPolicy}},
	"iam/RolePolicy":              {{"policy", rules.IdentityPolicy}, {"document", rules.IdentityPolicy}},
	"iam/UserPolicy":              {{"policy", rules.IdentityPolicy}, {"document", rules.IdentityPolicy}},
	"iam/GroupPolicy":             {{"policy", rules.IdentityPolicy}, {"document", rules.IdentityPolicy}},
	"s3/Bucket":                   {{"policy", rules.BucketPolicy}},
	"s3/BucketPolicy":             {{"policy", rules.BucketPolicy}, {"rawPolicy", rules.BucketPolicy}},
	"sqs/Queue":                   {{"policy", rules.ResourcePolicy}},
	"sqs/QueuePolicy":             {{"policy", rules.ResourcePolicy}},
	"sns/Topic":                   {{"policy", rules.ResourcePolicy}},
	"sns/TopicPolicy":             {{"policy", rules.ResourcePolicy}},
	"secretsmanager/SecretPolicy": {{"policy", rules.ResourcePolicy}},
	"backup/VaultPolicy":          {{"policy", rules.ResourcePolicy}},
	"ec2/VPCEndpoint":             {{"policy", rules.EndpointPolicy}, {"policyDocument", rules.EndpointPolicy}},
	"organizations/Policy":        {{"content", rules.OtherPolicy}},
}

// kubernetes reads an object of Kubernetes, a list of them, or a composition of
// Crossplane.
func (r *reader) kubernetes(n *source.Node) bool {
	if n.Kind != source.Map || n.Field("apiVersion") == nil || n.Field("kind") == nil {
		return false
	}
	r.is(KubernetesObject)
	if items := n.Field("items"); items != nil && strings.HasSuffix(n.Field("kind").Text, "List") {
		for i := range items.Items {
			r.kubernetes(&items.Items[i])
		}
		return true
	}
	group, _, _ := strings.Cut(n.Field("apiVersion").Text, "/")
	format, service := provider(group)
	if format == "" {
		r.composition(n)
		return true
	}
	r.managed(n, format, service, group)
	return true
}

// provider tells what an API group belongs to: kms.aws.upbound.io and
// kms.aws.m.upbound.io are Crossplane's, kms.services.k8s.aws is ACK's.
func provider(group string) (format, service string) {
	service, rest, _ := strings.Cut(group, ".")
	switch {
	case strings.HasPrefix(rest, "aws.") && (strings.HasSuffix(rest, "upbound.io") || strings.HasSuffix(rest, "crossplane.io")):
		return "crossplane", service
	case rest == "services.k8s.aws":
		return "ack", service
	}
	return "", ""
}

// managed reads one resource of AWS that an object declares.
func (r *reader) managed(n *source.Node, format, service, group string) {
	path := []string{"spec", "forProvider"}
	if format == "ack" {
		path = path[:1]
	}
	body := n.At(path)
	if body == nil || body.Kind != source.Map {
		return
	}
	kind := n.Field("kind").Text
	name := ""
	if m := n.At([]string{"metadata", "name"}); m != nil {
		name = m.Text
	}
	d := &declared{r: r, body: body, done: map[*source.Node]bool{}, named: true, region: region(n, body, format)}
	d.resource = r.resource(format, strings.Replace(group, ".aws.m.", ".aws.", 1)+"/"+kind, name, body, n, n.Pos)
	d.role = known(body, "role", "roleName", "user", "userName")
	if service == "iam" && (kind == "Role" || kind == "User" || kind == "Group") {
		d.role = name
	}
	for _, s := range kubernetesSlots[service+"/"+kind] {
		if s.path == "inlinePolicies" {
			d.mapped(body.Field(s.path))
			continue
		}
		if s.path == "content" {
			s.kind = controlKind(text(body, "type"))
		}
		d.slot(s)
	}
	switch {
	case service == "kms" && strings.HasSuffix(kind, "Key"):
		d.key()
	case service == "kms" && kind == "Grant":
		r.grant(body, kubernetesGrant)
	}
	d.rest(body, "", nil)
}

// kubernetesGrant are the names of a grant's members in ACK and Crossplane.
var kubernetesGrant = &grantMembers{
	id: "grantID", name: "name", key: "keyID", issuer: "issuingAccount", created: "creationDate", operations: "operations", constraints: "constraints",
	grantee: []string{"granteePrincipal", "granteeServicePrincipal"}, retiring: []string{"retiringPrincipal", "retiringServicePrincipal"},
	elsewhere: []string{"granteePrincipalRef", "granteePrincipalSelector"},
}

// region returns the Region that an object is for.
func region(n, body *source.Node, format string) string {
	found := known(body, "region")
	if format == "ack" {
		if a := n.At([]string{"metadata", "annotations", "services.k8s.aws/region"}); a != nil && !policy.HasPlaceholder(a.Text) {
			found = a.Text
		}
	}
	return found
}

// mapped reads the inline policies of a role of ACK, a map by name.
func (d *declared) mapped(n *source.Node) {
	if n == nil {
		return
	}
	for _, f := range n.Distinct() {
		d.policy(&f.Value, rules.IdentityPolicy)
	}
	for i := range n.Fields {
		d.done[&n.Fields[i].Value] = true
	}
}

// composition reads the objects inside another: the bases of a composition,
// from which patches take what they fill in, or anything that holds a policy.
func (r *reader) composition(n *source.Node) {
	if base := n.Field("base"); n.Kind == source.Map && base != nil && base.Field("apiVersion") != nil {
		patched := clone(base, nil)
		if patches := n.Field("patches"); patches != nil {
			for i := range patches.Items {
				patch(&patched, &patches.Items[i])
			}
		}
		r.kubernetes(&patched)
		return
	}
	for i := range n.Items {
		r.composition(&n.Items[i])
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		if isDocument(&f.Value) || mayHoldPolicy(&f.Value) {
			r.walk(&f.Value, "", f.Name, n)
			continue
		}
		r.composition(&f.Value)
	}
}

// patch makes what a patch fills in a value that is not known.
func patch(base, p *source.Node) {
	to := p.Field("toFieldPath")
	if to == nil {
		to = p.Field("fromFieldPath") // the same path on both sides
	}
	if to == nil || strings.HasPrefix(text(p, "type"), "ToComposite") {
		return
	}
	path := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(to.Text), ".")
	n := base
	for i, name := range path {
		next := n.At([]string{name})
		if next == nil {
			if n.Kind == source.Map && i == len(path)-1 {
				n.Fields = append(n.Fields, source.Field{Name: name, Pos: n.Pos, Value: source.Node{Kind: source.Intrinsic, Pos: n.Pos, Text: "${patch}"}})
			}
			return
		}
		n = next
	}
	*n = source.Node{Kind: source.Intrinsic, Pos: n.Pos, Text: "${patch}"}
}
