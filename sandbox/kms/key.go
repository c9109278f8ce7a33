package kms

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Key is a KMS key as the state keeps it. Rows are not changed in place.
type Key struct {
	Account, Region, ID string
	Created             time.Time
	Description         string
	Spec                types.KeySpec
	Usage               types.KeyUsageType
	Origin              types.OriginType
	Manager             types.KeyManagerType
	State               types.KeyState
	Tags                []Tag    `json:",omitempty"`
	AliasNames          []string `json:",omitempty"`
	Policy              string
	// PrincipalIDs are the unique ids that the ARNs of the policy had when it was
	// put.
	PrincipalIDs map[string]string `json:",omitempty"`

	// Materials are the key's secrets, the oldest first. A replica has those of its
	// primary.
	Materials []Material
	// LastMaterial is the id that is still told when the material is gone.
	LastMaterial string                    `json:",omitempty"`
	Expiration   types.ExpirationModelType `json:",omitempty"`
	ValidTo      *time.Time                `json:",omitempty"`
	Imports      []Import                  `json:",omitempty"`

	MultiRegion bool     `json:",omitempty"`
	Primary     string   `json:",omitempty"` // Region of the primary
	Replicas    []string `json:",omitempty"` // Regions, on the primary

	Rotates      bool      `json:",omitempty"`
	PeriodDays   int32     `json:",omitempty"`
	NextRotation time.Time `json:",omitzero"`
	OnDemand     int       `json:",omitempty"` // rotations so far

	DeletionDate *time.Time `json:",omitempty"`
	WindowDays   int32      `json:",omitempty"`

	arn    string
	key    string // of the row
	target arn.ARN
	view   *estate.Key
	policy *estate.Named
}

// Tag is a tag, in the order in which tags were put.
type Tag struct{ Key, Value string }

// Material is one secret of a key.
type Material struct {
	ID      string // 64 hexadecimal digits
	Secret  []byte // the bytes of a symmetric or HMAC key, PKCS #8 of a pair
	Since   time.Time
	How     types.RotationType `json:",omitempty"`
	Pending bool               `json:",omitempty"` // imported for the next rotation
	// Gone is set when imported material was deleted or has expired.
	Gone        bool                      `json:",omitempty"`
	Description string                    `json:",omitempty"`
	Expiration  types.ExpirationModelType `json:",omitempty"`
	ValidTo     *time.Time                `json:",omitempty"`
}

// Import is what GetParametersForImport gave out.
type Import struct {
	Token     string
	Wrapping  []byte // PKCS #8
	Algorithm types.AlgorithmSpec
	Expires   time.Time
}

// Alias is an alias and the key it names.
type Alias struct {
	Name             string
	TargetID         string
	Created, Updated time.Time
}

// ready completes a row.
func (k *Key) ready() {
	k.target = arn.ARN{Partition: awsfacts.PartitionName(k.Region), Service: "kms", Region: k.Region, Account: k.Account, Resource: "key/" + k.ID}
	k.arn, k.key = k.target.String(), state.Key(k.Account, k.Region, k.ID)
	k.view = &estate.Key{
		ARN: k.arn, State: string(k.State), Manager: string(k.Manager), Spec: string(k.Spec), Usage: string(k.Usage), Origin: string(k.Origin),
		MultiRegion: k.MultiRegion, DeletionDate: k.DeletionDate, ValidTo: k.ValidTo, Aliases: k.AliasNames, PrincipalIDs: k.PrincipalIDs,
	}
	if k.MultiRegion {
		primary := k.target
		primary.Region = k.Primary
		k.view.PrimaryKey = primary.String()
	}
	if len(k.Tags) > 0 {
		k.view.Tags = make(map[string]string, len(k.Tags))
		for _, t := range k.Tags {
			k.view.Tags[t.Key] = t.Value
		}
	}
	k.policy = &estate.Named{Name: "key policy", Document: gate.Document("key policy of "+k.arn, k.Policy)}
	k.view.Policy = k.policy.Document
}

// row is the key of the row.
func (k *Key) row() string {
	if k.key != "" {
		return k.key
	}
	return state.Key(k.Account, k.Region, k.ID)
}

// current returns the material in use, or nil.
func (k *Key) current() *Material {
	if m := k.newest(); m != nil && !m.Gone {
		return m
	}
	return nil
}

// newest is the material that the key encrypts with, be it there or gone.
func (k *Key) newest() *Material {
	for i := len(k.Materials) - 1; i >= 0; i-- {
		if m := &k.Materials[i]; !m.Pending {
			return m
		}
	}
	return nil
}

// clone returns a copy that may be changed and put.
func (k *Key) clone() *Key {
	c := *k
	c.Tags, c.AliasNames = slices.Clone(k.Tags), slices.Clone(k.AliasNames)
	c.Materials, c.Imports, c.Replicas = slices.Clone(k.Materials), slices.Clone(k.Imports), slices.Clone(k.Replicas)
	return &c
}

// at returns the key as it is at a time: gone when its deletion date has passed,
// without the material that has expired. The row may still say otherwise.
func (k *Key) at(now time.Time) *Key {
	if k == nil || k.DeletionDate != nil && !now.Before(*k.DeletionDate) {
		return nil
	}
	if k.ValidTo == nil || now.Before(*k.ValidTo) || k.State == types.KeyStatePendingImport {
		return k
	}
	c := k.clone()
	c.expire()
	c.ready()
	return c
}

// expire takes the imported material away.
func (k *Key) expire() {
	for i := range k.Materials {
		if !k.Materials[i].Pending {
			k.Materials[i].Gone = true
		}
	}
	k.ValidTo, k.Expiration = nil, ""
	if k.State == types.KeyStateEnabled || k.State == types.KeyStateDisabled {
		k.State = types.KeyStatePendingImport
	}
}

// metadata is the key as DescribeKey shows it.
func (k *Key) metadata() *types.KeyMetadata {
	m := &types.KeyMetadata{
		AWSAccountId: &k.Account, KeyId: &k.ID, Arn: &k.arn, CreationDate: &k.Created, Description: &k.Description,
		Enabled: k.State == types.KeyStateEnabled, KeyManager: k.Manager, KeySpec: k.Spec,
		KeyState: k.State, KeyUsage: k.Usage, Origin: k.Origin, MultiRegion: &k.MultiRegion,
		DeletionDate: k.DeletionDate, ExpirationModel: k.Expiration, ValidTo: k.ValidTo,
	}
	//lint:ignore SA1019 KMS still answers the old name of KeySpec
	m.CustomerMasterKeySpec = types.CustomerMasterKeySpec(k.Spec)
	if k.State == types.KeyStatePendingReplicaDeletion {
		m.PendingDeletionWindowInDays = &k.WindowDays
	}
	if k.Spec == types.KeySpecSymmetricDefault && k.LastMaterial != "" {
		m.CurrentKeyMaterialId = &k.LastMaterial
	}
	s := specs[k.Spec]
	switch k.Usage {
	case types.KeyUsageTypeEncryptDecrypt:
		m.EncryptionAlgorithms = s.encrypt
	case types.KeyUsageTypeSignVerify:
		m.SigningAlgorithms = s.sign
	case types.KeyUsageTypeGenerateVerifyMac:
		m.MacAlgorithms = s.mac
	case types.KeyUsageTypeKeyAgreement:
		m.KeyAgreementAlgorithms = s.agree
	}
	return m
}

// inRegion is the ARN of the same multi-Region key elsewhere.
func (k *Key) inRegion(region string) string {
	a := k.target
	a.Region, a.Partition = region, awsfacts.PartitionName(region)
	return a.String()
}
