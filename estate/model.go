package estate

import (
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// FormatVersion is the version of the estate file and the case file that this
// package reads and writes.
const FormatVersion = 1

// Estate is everything known about a set of accounts. Build one with Load or,
// in code, by filling the exported fields and calling Index; from then on it
// is read-only and may be used by many goroutines.
type Estate struct {
	FormatVersion int           `json:"format_version"`
	CollectedAt   *time.Time    `json:"collected_at,omitempty"`
	Organization  *Organization `json:"organization,omitempty"`
	Accounts      []Account     `json:"accounts"`
	Principals    []Principal   `json:"principals"`
	Keys          []Key         `json:"keys"`
	Resources     []Resource    `json:"resources,omitempty"`
	Endpoints     []Endpoint    `json:"endpoints,omitempty"`

	index index
}

// Organization is an AWS Organizations organization, down to its accounts.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies.html.
type Organization struct {
	ID                string `json:"id"`
	ManagementAccount string `json:"management_account,omitempty"`
	// Policies holds the control policies by name; FullAWSAccess need not be
	// given.
	Policies map[string]*Document `json:"policies,omitempty"`
	Root     Unit                 `json:"root"`
	// Unreadable says why the organization's policies could not be read. Whether
	// a control policy denies is then not known for any account.
	Unreadable string `json:"unreadable,omitempty"`
}

// Unit is the root or an organizational unit: the policies attached to it and
// what lies below it.
type Unit struct {
	ID       string            `json:"id"`
	Name     string            `json:"name,omitempty"`
	SCPs     []string          `json:"scps,omitempty"` // names in Organization.Policies
	RCPs     []string          `json:"rcps,omitempty"`
	Accounts []AccountPolicies `json:"accounts,omitempty"`
	Units    []Unit            `json:"units,omitempty"`
}

// AccountPolicies is an account's place in the organization and the control
// policies attached to the account itself.
type AccountPolicies struct {
	ID   string   `json:"id"`
	SCPs []string `json:"scps,omitempty"`
	RCPs []string `json:"rcps,omitempty"`
}

// Account is one AWS account.
type Account struct {
	ID        string `json:"id"`
	Name      string `json:"name,omitempty"`
	Partition string `json:"partition,omitempty"` // aws unless said
	// Regions are the enabled ones; empty when that was not looked up.
	Regions []string `json:"regions,omitempty"`
	// EBSDefaults holds, by Region, encryption by default and the default key.
	EBSDefaults map[string]EBSDefault `json:"ebs_defaults,omitempty"`
}

// EBSDefault is an account's EBS encryption setting in one Region.
type EBSDefault struct {
	Encrypt bool   `json:"encrypt"`
	Key     string `json:"key,omitempty"` // ARN; empty means alias/aws/ebs
}

// Principal is a user or role with all that limits and allows it.
type Principal struct {
	ARN string `json:"arn"`
	// ID is the unique id, AIDA… or AROA…. A policy or grant that AWS stored for
	// another id under the same ARN is dead.
	ID       string            `json:"id,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Policies []Attached        `json:"policies,omitempty"`
	Boundary *Document         `json:"boundary,omitempty"`
	Trust    *Document         `json:"trust,omitempty"`
	// NotAttached are documents that somebody meant for this principal and that
	// AWS does not take; they decide nothing, and check says so.
	NotAttached []NotAttached `json:"not_attached,omitempty"`
	// Unreadable says why the attached policies could not be listed.
	Unreadable string `json:"unreadable,omitempty"`
}

// Attached is one identity policy of a principal.
type Attached struct {
	Name string `json:"name"`
	// Kind is inline, managed or group.
	Kind     string    `json:"kind,omitempty"`
	Group    string    `json:"group,omitempty"` // of a group's policy
	ARN      string    `json:"arn,omitempty"`   // of a managed policy
	Document *Document `json:"document"`
}

// NotAttached is a document that is not in force.
type NotAttached struct {
	Name     string    `json:"name"`
	Document *Document `json:"document"`
	Reason   string    `json:"reason"`
}

// Key is a KMS key.
type Key struct {
	ARN          string            `json:"arn"`
	State        string            `json:"state,omitempty"`   // Enabled unless said
	Manager      string            `json:"manager,omitempty"` // CUSTOMER unless said, or AWS
	Spec         string            `json:"spec,omitempty"`    // SYMMETRIC_DEFAULT unless said
	Usage        string            `json:"usage,omitempty"`   // ENCRYPT_DECRYPT unless said
	Origin       string            `json:"origin,omitempty"`  // AWS_KMS unless said
	MultiRegion  bool              `json:"multi_region,omitempty"`
	PrimaryKey   string            `json:"primary_key,omitempty"` // ARN, of a replica
	Rotation     string            `json:"rotation,omitempty"`    // on, off, or not looked up
	DeletionDate *time.Time        `json:"deletion_date,omitempty"`
	ValidTo      *time.Time        `json:"valid_to,omitempty"` // expiry of imported material
	Aliases      []string          `json:"aliases,omitempty"`  // alias/NAME
	Tags         map[string]string `json:"tags,omitempty"`
	Policy       *Document         `json:"policy,omitempty"`
	Grants       []Grant           `json:"grants,omitempty"`
	// GrantsUnreadable says why the grants could not be listed.
	GrantsUnreadable string `json:"grants_unreadable,omitempty"`
	// PrincipalIDs are the unique ids that AWS stored for the ARNs in the key
	// policy when it was written, where they are known.
	PrincipalIDs map[string]string `json:"principal_ids,omitempty"`
}

// Grant is a grant on a key, in the form of ListGrants.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html.
type Grant struct {
	GrantID string `json:"grant_id"`
	Name    string `json:"name,omitempty"`
	// Token is a grant token of this grant. A request that passes it uses the
	// grant before the grant has spread through the Region.
	Token                   string            `json:"token,omitempty"`
	GranteePrincipal        string            `json:"grantee_principal,omitempty"`
	GranteePrincipalID      string            `json:"grantee_principal_id,omitempty"`
	GranteeServicePrincipal string            `json:"grantee_service_principal,omitempty"`
	RetiringPrincipal       string            `json:"retiring_principal,omitempty"`
	Operations              []string          `json:"operations"`
	Constraints             *GrantConstraints `json:"constraints,omitempty"`
	// IssuingAccount is the account the grant was made from: a number, or the
	// root ARN that ListGrants shows. The key's account unless said.
	IssuingAccount string     `json:"issuing_account,omitempty"`
	CreatedAt      *time.Time `json:"created_at,omitempty"`

	grantee, retiring arn.Principal // read by prepare
	issuer            string
}

// GrantConstraints narrow a grant to an encryption context. Absent means no
// constraint, and so does an empty one.
type GrantConstraints struct {
	EncryptionContextSubset map[string]string `json:"EncryptionContextSubset,omitempty"`
	EncryptionContextEquals map[string]string `json:"EncryptionContextEquals,omitempty"`
	SourceARN               string            `json:"SourceArn,omitempty"`
}

// Resource is an encrypted resource, or a setting that decides which key one
// gets. Type is the service and its own word for the thing, such as
// drs:ReplicationConfigurationTemplate; what else is known stands in
// Attributes under AWS's member names.
type Resource struct {
	Type       string            `json:"type"`
	ID         string            `json:"id,omitempty"`
	ARN        string            `json:"arn,omitempty"`
	Account    string            `json:"account"`
	Region     string            `json:"region,omitempty"`
	Key        string            `json:"key,omitempty"`
	SharedWith []string          `json:"shared_with,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Endpoint is an interface VPC endpoint for a service, with its policy.
type Endpoint struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Service string    `json:"service"` // kms, ec2, …
	Policy  *Document `json:"policy,omitempty"`
}

// Document is a policy in an estate: what it says, or why it could not be
// read.
type Document struct {
	Source     *policy.Document
	Unreadable string
	// Findings are what the reader noticed.
	Findings []finding.Finding

	compiled *policy.Policy
}

// NewDocument compiles a policy for use in an estate or a case.
func NewDocument(d *policy.Document) *Document {
	return &Document{Source: d, compiled: policy.Compile(d)}
}
