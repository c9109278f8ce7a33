package organizations

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Organization is an organization with its root.
type Organization struct {
	ID, Management string
	Root           string // the root's id
	FeatureSet     types.OrganizationFeatureSet
	Created        time.Time
	// Enabled are the policy types that are on.
	Enabled []types.PolicyType `json:",omitempty"`
	// RootTags are the tags of the root.
	RootTags []Tag `json:",omitempty"`
	// Unreadable says why the estate that filled the sandbox does not know the
	// organization's policies.
	Unreadable string `json:",omitempty"`
}

// Tag is a tag of a root, unit, account or policy.
type Tag struct{ Key, Value string }

// Member is an account in an organization.
type Member struct {
	Organization, Account string
	Parent                string // id of the root or unit
	Name, Email           string
	Method                types.AccountJoinedMethod
	Joined                time.Time
	Suspended             bool  `json:",omitempty"`
	Tags                  []Tag `json:",omitempty"`
}

// Unit is an organizational unit.
type Unit struct {
	Organization, ID, Name string
	Parent                 string
	Tags                   []Tag `json:",omitempty"`
}

// Policy is a control policy of an organization.
type Policy struct {
	Organization, ID  string
	Name, Description string
	Type              types.PolicyType
	Content           string
	Tags              []Tag `json:",omitempty"`

	doc *estate.Document
}

func (p *Policy) ready() { p.doc = gate.Document(p.Name, p.Content) }

// Attachment is that of a policy to a root, unit or account; the key of its row
// says it all.
type Attachment struct{ Policy string }

// Creation is a request to make an account.
type Creation struct {
	Organization, ID, Account, Name string
	Failure                         types.CreateAccountFailureReason `json:",omitempty"`
	At                              time.Time
}

// Handshake is an invitation into an organization.
type Handshake struct {
	ID, Organization, Management, Account string
	Email, Notes                          string `json:",omitempty"`
	State                                 types.HandshakeState
	Created, Expires                      time.Time
}

// at is the handshake's state at a time: one that nobody answers expires.
func (h *Handshake) at(now time.Time) types.HandshakeState {
	if h.State == types.HandshakeStateOpen && !now.Before(h.Expires) {
		return types.HandshakeStateExpired
	}
	return h.State
}

// on reports whether a policy type is enabled.
func (o *Organization) on(t types.PolicyType) bool { return slices.Contains(o.Enabled, t) }

// arn is that of something in the organization.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html.
func (o *Organization) arn(kind, rest string) string {
	return "arn:aws:organizations::" + o.Management + ":" + kind + "/" + o.ID + rest
}

func (o *Organization) ownARN() string           { return o.arn("organization", "") }
func (o *Organization) rootARN() string          { return o.arn("root", "/"+o.Root) }
func (o *Organization) unitARN(id string) string { return o.arn("ou", "/"+id) }
func (o *Organization) accountARN(id string) string {
	return o.arn("account", "/"+id)
}
func (o *Organization) handshakeARN(id string) string { return o.arn("handshake", "/invite/"+id) }

// policyARN is that of a policy of the organization, or of AWS.
func (o *Organization) policyARN(p *Policy) string {
	word := kindOf(p.Type).arnWord
	if p.Organization == "" {
		return "arn:aws:organizations::aws:policy/" + word + "/" + p.ID
	}
	return o.arn("policy", "/"+word+"/"+p.ID)
}

// kind is a policy type that the sandbox has.
type kind struct {
	arnWord string
	// full is AWS's policy that allows everything.
	full *Policy
	// detachable is set when full may be taken away.
	detachable bool
	perTarget  int
}

const fullAccess = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "*",
      "Resource": "*"
    }
  ]
}`

// The quotas are those of
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html.
const (
	maxPolicySize     = 5120
	maxPerTarget      = 5
	inviteDays        = 15
	maxUnitDepth      = 5
	maxPoliciesByType = 1000
)

var kinds = map[types.PolicyType]kind{
	types.PolicyTypeServiceControlPolicy: {
		arnWord: "service_control_policy", detachable: true, perTarget: maxPerTarget,
		full: awsPolicy("p-FullAWSAccess", "FullAWSAccess", "Allows access to every operation", types.PolicyTypeServiceControlPolicy, fullAccess),
	},
	types.PolicyTypeResourceControlPolicy: {
		arnWord: "resource_control_policy", perTarget: maxPerTarget,
		full: awsPolicy("p-RCPFullAWSAccess", "RCPFullAWSAccess", "Allows access to every resource", types.PolicyTypeResourceControlPolicy,
			`{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": "*",
      "Action": "*",
      "Resource": "*"
    }
  ]
}`),
	},
}

func kindOf(t types.PolicyType) kind { return kinds[t] }

// awsPolicy is a policy of AWS, which belongs to no organization.
func awsPolicy(id, name, description string, t types.PolicyType, content string) *Policy {
	p := &Policy{ID: id, Name: name, Description: description, Type: t, Content: content}
	p.ready()
	return p
}
