package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Settings are an account's in a Region.
type Settings struct {
	// Encrypt has new volumes encrypted, DefaultKey is their key: empty for AWS's own.
	Encrypt    bool
	DefaultKey string `json:",omitempty"`
	// Blocked is how the public sharing of snapshots is blocked, empty when it is not.
	Blocked types.SnapshotBlockPublicAccessState `json:",omitempty"`
	// PublicImages lets images be shared with everybody.
	PublicImages bool `json:",omitempty"`
}

// defaultKey is the default key of an account that has chosen none: recorded so.
const defaultKey = "alias/aws/ebs"

func (s *Service) settingOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, onAll[ec2.EnableEbsEncryptionByDefaultInput]("EnableEbsEncryptionByDefault"), s.EnableEbsEncryptionByDefault),
		gate.Op(gate.Writes, onAll[ec2.DisableEbsEncryptionByDefaultInput]("DisableEbsEncryptionByDefault"), s.DisableEbsEncryptionByDefault),
		gate.Op(gate.Reads, onAll[ec2.GetEbsEncryptionByDefaultInput]("GetEbsEncryptionByDefault"), s.GetEbsEncryptionByDefault),
		gate.Op(gate.Writes, onAll[ec2.ModifyEbsDefaultKmsKeyIdInput]("ModifyEbsDefaultKmsKeyId"), s.ModifyEbsDefaultKmsKeyId),
		gate.Op(gate.Writes, onAll[ec2.ResetEbsDefaultKmsKeyIdInput]("ResetEbsDefaultKmsKeyId"), s.ResetEbsDefaultKmsKeyId),
		gate.Op(gate.Reads, onAll[ec2.GetEbsDefaultKmsKeyIdInput]("GetEbsDefaultKmsKeyId"), s.GetEbsDefaultKmsKeyId),
	}
}

// onAll is what an operation needs that is about no resource.
func onAll[I any](operation string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "ec2:" + operation, Resource: "*"}}, nil
	}
}

// settingsOf are the settings of the caller's account in the Region of the call.
func (s *Service) settingsOf(c *gate.Call) Settings {
	if v := s.settings.Get(state.Key(c.Caller.Account, c.Region)); v != nil {
		return *v
	}
	return Settings{}
}

func (s *Service) set(c *gate.Call, change func(*Settings)) {
	v := s.settingsOf(c)
	change(&v)
	s.settings.Put(state.Key(c.Caller.Account, c.Region), &v)
}

// defaultKeyOf is the key of new encrypted volumes of the caller's account.
func (s *Service) defaultKeyOf(c *gate.Call) string {
	if key := s.settingsOf(c).DefaultKey; key != "" {
		return key
	}
	return defaultKey
}

// Default tells whether the caller's account has new volumes and snapshots encrypted,
// and under which key.
func (s *Service) Default(c *gate.Call) (encrypt bool, key string) {
	return s.settingsOf(c).Encrypt, s.defaultKeyOf(c)
}

// EnableEbsEncryptionByDefault has new volumes encrypted.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableEbsEncryptionByDefault.html.
func (s *Service) EnableEbsEncryptionByDefault(ctx context.Context, in *ec2.EnableEbsEncryptionByDefaultInput) (*ec2.EnableEbsEncryptionByDefaultOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.set(gate.From(ctx), func(v *Settings) { v.Encrypt = true })
	return &ec2.EnableEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: new(true)}, nil
}

// DisableEbsEncryptionByDefault leaves new volumes plain unless somebody asks.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableEbsEncryptionByDefault.html.
func (s *Service) DisableEbsEncryptionByDefault(ctx context.Context, in *ec2.DisableEbsEncryptionByDefaultInput) (*ec2.DisableEbsEncryptionByDefaultOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.set(gate.From(ctx), func(v *Settings) { v.Encrypt = false })
	return &ec2.DisableEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: new(false)}, nil
}

// GetEbsEncryptionByDefault tells whether new volumes are encrypted.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsEncryptionByDefault.html.
func (s *Service) GetEbsEncryptionByDefault(ctx context.Context, in *ec2.GetEbsEncryptionByDefaultInput) (*ec2.GetEbsEncryptionByDefaultOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	return &ec2.GetEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: new(s.settingsOf(gate.From(ctx)).Encrypt)}, nil
}

// ModifyEbsDefaultKmsKeyId chooses the key of new encrypted volumes. EC2 takes the
// identifier as it is given, and answers the key's ARN.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyEbsDefaultKmsKeyId.html.
func (s *Service) ModifyEbsDefaultKmsKeyId(ctx context.Context, in *ec2.ModifyEbsDefaultKmsKeyIdInput) (*ec2.ModifyEbsDefaultKmsKeyIdOutput, error) {
	c := gate.From(ctx)
	k, err := s.usableKey(c, *in.KmsKeyId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.set(c, func(v *Settings) { v.DefaultKey = k.ARN })
	return &ec2.ModifyEbsDefaultKmsKeyIdOutput{KmsKeyId: &k.ARN}, nil
}

// ResetEbsDefaultKmsKeyId goes back to AWS's own key.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetEbsDefaultKmsKeyId.html.
func (s *Service) ResetEbsDefaultKmsKeyId(ctx context.Context, in *ec2.ResetEbsDefaultKmsKeyIdInput) (*ec2.ResetEbsDefaultKmsKeyIdOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.set(gate.From(ctx), func(v *Settings) { v.DefaultKey = "" })
	return &ec2.ResetEbsDefaultKmsKeyIdOutput{KmsKeyId: new(defaultKey)}, nil
}

// GetEbsDefaultKmsKeyId tells the key of new encrypted volumes.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html.
func (s *Service) GetEbsDefaultKmsKeyId(ctx context.Context, in *ec2.GetEbsDefaultKmsKeyIdInput) (*ec2.GetEbsDefaultKmsKeyIdOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	return &ec2.GetEbsDefaultKmsKeyIdOutput{KmsKeyId: new(s.defaultKeyOf(gate.From(ctx)))}, nil
}

// usableKey finds a key that somebody named. Recorded for CopySnapshot; the same texts
// elsewhere are assumed.
func (s *Service) usableKey(c *gate.Call, id string) (gate.KeyFacts, error) {
	k, ok, err := s.Keys.Find(c, c.Region, id)
	switch {
	case err != nil:
		return k, err
	case !ok || !k.Symmetric:
		return k, invalidValue("The specified keyId " + id + " is invalid")
	case !k.Enabled:
		return k, invalidValue("The specified keyId " + id + " is disabled")
	}
	return k, nil
}

// Import takes over an account's settings of an estate.
func (s *Service) Import(account string, byRegion map[string]estate.EBSDefault) {
	for region, d := range byRegion {
		s.settings.Put(state.Key(account, region), &Settings{Encrypt: d.Encrypt, DefaultKey: d.Key})
	}
}

// Export returns an account's settings by Region, those that are not AWS's own.
func (s *Service) Export(account string) map[string]estate.EBSDefault {
	var byRegion map[string]estate.EBSDefault
	for row, v := range s.settings.All(state.Key(account, "")) {
		if byRegion == nil {
			byRegion = map[string]estate.EBSDefault{}
		}
		byRegion[row[len(account)+1:]] = estate.EBSDefault{Encrypt: v.Encrypt, Key: v.DefaultKey}
	}
	return byRegion
}
