package estate

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/keyreach/keyreach/policy"
)

// Op is one write to AWS: it brings one thing of one account, its slot, to what the
// op says. Two ops of one slot with one Value leave the same thing behind, so an op
// tells also how things were, and undoing is the op that Current returned before.
//
// The set is closed: the planner orders ops, package live performs them, the
// renderers print them and the journal keeps them.
type Op interface {
	// Slot is what the op changes.
	Slot() Slot
	// Value is what the slot should hold, in a form that is the same for things that
	// say the same; empty when nothing should be there.
	Value() string
	seal()
}

// Slot names one thing that an op changes.
type Slot struct {
	// Kind is the word of the op in files: key-policy, grant, inline-policy.
	Kind string `json:"kind"`
	// Account is whose thing it is, and with whose credentials it is written.
	Account string `json:"account"`
	// Region is empty for what has none.
	Region string `json:"region,omitempty"`
	// Subject is the ARN or id of the changed thing, Part what of it: the name of a
	// grant, of an inline policy.
	Subject string `json:"subject"`
	Part    string `json:"part,omitempty"`
}

func (s Slot) String() string {
	text := s.Kind + " of " + s.Subject
	if s.Part != "" {
		text = s.Kind + " " + s.Part + " of " + s.Subject
	}
	return text
}

// KeyPolicy writes the policy of a key as a whole. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html.
type KeyPolicy struct {
	Key      string `json:"key"` // ARN
	Document string `json:"document"`
}

// NewKey makes a customer managed key, or with Primary the replica of a multi-Region
// key. The ARN of one that is not a replica is AWS's to give: ARN is then a
// provisional one, in whose place the real one is put in every later op. Absent
// schedules the deletion of the key; AWS keeps it pending for the days it is told.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html and
// https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html.
type NewKey struct {
	ARN         string            `json:"arn"`
	Absent      bool              `json:"absent,omitempty"`
	Primary     string            `json:"primary,omitempty"` // ARN
	Description string            `json:"description,omitempty"`
	Document    string            `json:"document,omitempty"` // the key policy
	MultiRegion bool              `json:"multi_region,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// KeyState enables or disables a key, or takes it out of a pending deletion: to
// Disabled, as AWS leaves it. See
// https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
type KeyState struct {
	Key   string `json:"key"`
	State string `json:"state"` // Enabled, Disabled or PendingDeletion
}

// Alias gives a key a name, or takes it away: Key is empty then. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html.
type Alias struct {
	Name    string `json:"name"` // alias/NAME
	Account string `json:"account"`
	Region  string `json:"region"`
	Key     string `json:"key,omitempty"` // ARN
}

// Rotation turns the yearly rotation of a key on or off. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html.
type Rotation struct {
	Key string `json:"key"`
	On  bool   `json:"on"`
}

// GrantTo makes a grant that is found again by its name, or with Absent revokes it.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html.
type GrantTo struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	// Issuer is the account that makes the grant: that of a service-linked role of
	// another account than the key's.
	Issuer      string            `json:"issuer"`
	Absent      bool              `json:"absent,omitempty"`
	Grantee     string            `json:"grantee,omitempty"`
	Operations  []string          `json:"operations,omitempty"`
	Constraints *GrantConstraints `json:"constraints,omitempty"`
}

// InlinePolicy writes an inline policy of a user or role, or with an empty Document
// deletes it. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html.
type InlinePolicy struct {
	Principal string `json:"principal"` // ARN
	Name      string `json:"name"`
	Document  string `json:"document,omitempty"`
}

// NewRole makes a role with managed policies, or with Absent deletes it. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html.
type NewRole struct {
	ARN     string   `json:"arn"`
	Absent  bool     `json:"absent,omitempty"`
	Trust   string   `json:"trust,omitempty"`
	Managed []string `json:"managed,omitempty"` // ARNs of managed policies
}

// LinkedRole has a service make its role in an account, or with Absent deletes it.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html.
type LinkedRole struct {
	ARN     string `json:"arn"`
	Service string `json:"service"` // autoscaling.amazonaws.com
	Absent  bool   `json:"absent,omitempty"`
}

// EBSEncryption sets encryption by default and the default key of an account in a
// Region. See
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyEbsDefaultKmsKeyId.html.
type EBSEncryption struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Encrypt bool   `json:"encrypt"`
	Key     string `json:"key,omitempty"` // ARN; empty means alias/aws/ebs
}

// ReplicationEncryption sets under which key Elastic Disaster Recovery replicates: by
// a template or of one source server. See
// https://docs.aws.amazon.com/drs/latest/APIReference/API_UpdateReplicationConfigurationTemplate.html.
type ReplicationEncryption struct {
	Type    string `json:"type"` // drs:ReplicationConfigurationTemplate or drs:SourceServer
	ID      string `json:"id"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Encryption is DEFAULT, CUSTOM or NONE.
	Encryption string `json:"encryption"`
	Key        string `json:"key,omitempty"` // ARN, of CUSTOM
}

// VaultPolicy writes the access policy of a backup vault, or with an empty Document
// deletes it. See
// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultAccessPolicy.html.
type VaultPolicy struct {
	Vault    string `json:"vault"` // name
	Account  string `json:"account"`
	Region   string `json:"region"`
	Document string `json:"document,omitempty"`
}

// NewBucket makes a bucket, or with Absent deletes it, which works while it is empty.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html.
type NewBucket struct {
	Bucket  string `json:"bucket"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Absent  bool   `json:"absent,omitempty"`
}

// The settings of a bucket that BucketSetting knows, by the names under which an
// estate's s3:Bucket has them as attributes.
const (
	BucketPolicy       = "policy"            // a policy document
	BucketVersioning   = "versioning"        // Enabled or Suspended
	BucketEncryption   = "encryption"        // the ARN of a KMS key, or AES256
	BucketPublicAccess = "publicAccessBlock" // true when all four blocks are on
	BucketLifecycle    = "lifecycle"         // a lifecycle configuration as JSON
	BucketKeyOn        = "bucketKey"         // true for S3 bucket keys
)

// BucketSetting writes one setting of a bucket; an empty text takes it away.
type BucketSetting struct {
	Bucket  string `json:"bucket"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Setting string `json:"setting"`
	Text    string `json:"text,omitempty"`
}

// Share opens a snapshot or an image to an account, or with Off closes it. It gives no
// right on the key. See
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html.
type Share struct {
	Type    string `json:"type"` // ec2:Snapshot, ec2:Image, rds:DBSnapshot, rds:DBClusterSnapshot
	ID      string `json:"id"`
	Account string `json:"account"` // of the owner
	Region  string `json:"region"`
	With    string `json:"with"` // an account; of an image also an organization or unit
	Off     bool   `json:"off,omitempty"`
}

// opKinds is every op by its word in files.
func opKinds() map[string]func() Op {
	return map[string]func() Op{
		"key-policy": func() Op { return &KeyPolicy{} }, "key": func() Op { return &NewKey{} }, "key-state": func() Op { return &KeyState{} },
		"alias": func() Op { return &Alias{} }, "rotation": func() Op { return &Rotation{} }, "grant": func() Op { return &GrantTo{} },
		"inline-policy": func() Op { return &InlinePolicy{} }, "role": func() Op { return &NewRole{} }, "linked-role": func() Op { return &LinkedRole{} },
		"ebs-encryption": func() Op { return &EBSEncryption{} }, "replication-encryption": func() Op { return &ReplicationEncryption{} },
		"vault-policy": func() Op { return &VaultPolicy{} }, "bucket": func() Op { return &NewBucket{} },
		"bucket-setting": func() Op { return &BucketSetting{} }, "share": func() Op { return &Share{} },
	}
}

// OpKinds returns the words of the ops, sorted.
func OpKinds() []string {
	var words []string
	for w := range opKinds() {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

// NewOp returns an empty op by its word, to be read into.
func NewOp(kind string) (Op, bool) {
	f, ok := opKinds()[kind]
	if !ok {
		return nil, false
	}
	return f(), true
}

// SameOp reports whether two ops leave the same behind.
func SameOp(a, b Op) bool { return a.Slot() == b.Slot() && a.Value() == b.Value() }

// CanonicalPolicy returns the canonical form of the text of a policy, or the text
// itself when it is no policy. Policies that say the same have the same.
func CanonicalPolicy(text string) string {
	if text == "" {
		return ""
	}
	d, _, err := policy.Read("", []byte(text))
	if err != nil {
		return text
	}
	return string(d.Canonical())
}

// canonicalJSON is a value in the one form that equal values have.
func canonicalJSON(v any) string {
	text, err := json.Marshal(v) // maps are sorted
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
