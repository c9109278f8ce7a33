package kms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// keyShape is what kind of key a CreateKey asks for.
type keyShape struct {
	spec   types.KeySpec
	usage  types.KeyUsageType
	origin types.OriginType
}

// shapeOf completes and checks the kind of key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html.
func shapeOf(in *kms.CreateKeyInput) (keyShape, error) {
	p := keyShape{spec: in.KeySpec, usage: in.KeyUsage, origin: in.Origin}
	if p.spec == "" {
		//lint:ignore SA1019 KMS still takes the old name of KeySpec
		p.spec = types.KeySpec(in.CustomerMasterKeySpec)
	}
	if p.spec == "" {
		p.spec = types.KeySpecSymmetricDefault
	}
	if p.origin == "" {
		p.origin = types.OriginTypeAwsKms
	}
	if p.origin == types.OriginTypeAwsCloudhsm || p.origin == types.OriginTypeExternalKeyStore || in.CustomKeyStoreId != nil || in.XksKeyId != nil {
		return p, noKeyStores()
	}
	s, ok := specs[p.spec]
	if !ok {
		return p, unsupported("the sandbox has no keys of the spec " + string(p.spec))
	}
	if p.usage == "" {
		if p.spec != types.KeySpecSymmetricDefault {
			return p, validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
		}
		p.usage = types.KeyUsageTypeEncryptDecrypt
	}
	if !s.fits(p.usage) {
		return p, validation("KeyUsage " + string(p.usage) + " is not compatible with KeySpec " + string(p.spec))
	}
	return p, nil
}

// prepareCreateKey makes the secret.
func (s *Service) prepareCreateKey(_ *gate.Call, in *kms.CreateKeyInput) ([]byte, error) {
	p, err := shapeOf(in)
	if err != nil || p.origin != types.OriginTypeAwsKms {
		return nil, err
	}
	return newSecret(p.spec)
}

func newSecret(spec types.KeySpec) ([]byte, error) {
	if bits := specs[spec].bits; spec == types.KeySpecSymmetricDefault || len(specs[spec].mac) > 0 {
		return random(bits / 8), nil
	}
	return newPair(spec)
}

// CreateKey makes a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html.
func (s *Service) CreateKey(ctx context.Context, in *kms.CreateKeyInput) (*kms.CreateKeyOutput, error) {
	c := gate.From(ctx)
	p, err := shapeOf(in)
	if err != nil {
		return nil, err
	}
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	multi := in.MultiRegion != nil && *in.MultiRegion
	k := &Key{
		Account: c.Caller.Account, Region: c.Region, Created: c.At, Description: aws.ToString(in.Description), Spec: p.spec, Usage: p.usage, Origin: p.origin,
		Manager: types.KeyManagerTypeCustomer, State: types.KeyStateEnabled, Tags: tags, MultiRegion: multi,
	}
	k.ID = s.IDs.UUID()
	if multi {
		k.ID, k.Primary = "mrk-"+s.IDs.Hex(32), c.Region
		if err := s.multiRegionRole(ctx); err != nil {
			return nil, err
		}
	}
	secret, _ := c.Prepared.([]byte)
	switch {
	case p.origin == types.OriginTypeExternal:
		k.State = types.KeyStatePendingImport
	case secret == nil: // called by another service, which does not prepare
		if secret, err = newSecret(p.spec); err != nil {
			return nil, err
		}
		fallthrough
	default:
		k.Materials = []Material{{ID: s.newMaterialID(), Secret: secret, Since: c.At}}
		k.LastMaterial = k.Materials[0].ID
	}
	if err := s.setPolicy(c, k, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	s.keys.Put(k.row(), k)
	c.Resources = append(c.Resources, gate.Resource{ARN: k.arn, Account: k.Account, Type: "AWS::KMS::Key"})
	return &kms.CreateKeyOutput{KeyMetadata: s.describe(k)}, nil
}

// newMaterialID returns 64 hexadecimal digits.
func (s *Service) newMaterialID() string {
	sum := sha256.Sum256(s.IDs.Bytes(32))
	return hex.EncodeToString(sum[:])
}

// describe is the metadata with the Regions of the key.
func (s *Service) describe(k *Key) *types.KeyMetadata {
	m := k.metadata()
	if !k.MultiRegion {
		return m
	}
	primary := k
	if k.Primary != k.Region {
		primary = s.inRegion(k, k.Primary)
	}
	conf := &types.MultiRegionConfiguration{
		MultiRegionKeyType: types.MultiRegionKeyTypePrimary,
		PrimaryKey:         &types.MultiRegionKey{Arn: new(k.inRegion(k.Primary)), Region: &k.Primary},
		ReplicaKeys:        []types.MultiRegionKey{},
	}
	if k.Primary != k.Region {
		conf.MultiRegionKeyType = types.MultiRegionKeyTypeReplica
	}
	if primary != nil {
		for _, r := range primary.Replicas {
			conf.ReplicaKeys = append(conf.ReplicaKeys, types.MultiRegionKey{Arn: new(k.inRegion(r)), Region: new(r)})
		}
	}
	m.MultiRegionConfiguration = conf
	return m
}

// DescribeKey tells about a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html.
func (s *Service) DescribeKey(ctx context.Context, in *kms.DescribeKeyInput) (*kms.DescribeKeyOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "DescribeKey")
	if err != nil {
		return nil, err
	}
	return &kms.DescribeKeyOutput{KeyMetadata: s.describe(k)}, nil
}

// found finds a key and checks that its state lets the operation through.
func (s *Service) found(ctx context.Context, id, operation string) (*Key, error) {
	f, err := s.find(gate.From(ctx), id, operation)
	if err != nil {
		return nil, err
	}
	return f.Key, f.inState(operation)
}

// change finds a key of the caller's to change and returns a copy.
func (s *Service) change(ctx context.Context, id, operation string) (*Key, error) {
	k, err := s.found(ctx, id, operation)
	if err != nil {
		return nil, err
	}
	return k.clone(), k.customer()
}

// put stores a changed key.
// put stores a key, and tells when it becomes usable or stops being so.
func (s *Service) put(k *Key) {
	old := s.keys.Get(k.row())
	s.keys.Put(k.row(), k)
	usable := k.State == types.KeyStateEnabled
	if s.Changed != nil && old != nil && usable != (old.State == types.KeyStateEnabled) {
		s.Changed(k.arn, usable)
	}
}

// UpdateKeyDescription changes the description.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateKeyDescription.html.
func (s *Service) UpdateKeyDescription(ctx context.Context, in *kms.UpdateKeyDescriptionInput) (*kms.UpdateKeyDescriptionOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "UpdateKeyDescription")
	if err != nil {
		return nil, err
	}
	k.Description = *in.Description
	s.put(k)
	return &kms.UpdateKeyDescriptionOutput{}, nil
}

// EnableKey makes a key usable.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html.
func (s *Service) EnableKey(ctx context.Context, in *kms.EnableKeyInput) (*kms.EnableKeyOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "EnableKey")
	if err != nil {
		return nil, err
	}
	k.State = types.KeyStateEnabled
	s.put(k)
	return &kms.EnableKeyOutput{}, nil
}

// DisableKey makes a key unusable for the time being.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html.
func (s *Service) DisableKey(ctx context.Context, in *kms.DisableKeyInput) (*kms.DisableKeyOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "DisableKey")
	if err != nil {
		return nil, err
	}
	k.State = types.KeyStateDisabled
	s.put(k)
	return &kms.DisableKeyOutput{}, nil
}

// ScheduleKeyDeletion sets the day on which a key ends. A primary with replicas
// waits for them.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html.
func (s *Service) ScheduleKeyDeletion(ctx context.Context, in *kms.ScheduleKeyDeletionInput) (*kms.ScheduleKeyDeletionOutput, error) {
	c := gate.From(ctx)
	k, err := s.change(ctx, *in.KeyId, "ScheduleKeyDeletion")
	if err != nil {
		return nil, err
	}
	limits := awsfacts.Limits()
	days := int32(limits.DeletionWaitDefaultDays)
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	if days < int32(limits.DeletionWaitMinDays) || days > int32(limits.DeletionWaitMaxDays) {
		return nil, validation("PendingWindowInDays must be between 7 and 30") // assumed text
	}
	k.WindowDays = days
	out := &kms.ScheduleKeyDeletionOutput{KeyId: &k.arn, PendingWindowInDays: &k.WindowDays}
	if k.MultiRegion && len(k.Replicas) > 0 {
		k.State = types.KeyStatePendingReplicaDeletion
	} else {
		k.State = types.KeyStatePendingDeletion
		k.DeletionDate = new(c.At.AddDate(0, 0, int(days)))
		out.DeletionDate = k.DeletionDate
	}
	out.KeyState = k.State
	s.put(k)
	return out, nil
}

// CancelKeyDeletion takes the deletion back; the key is then disabled.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html.
func (s *Service) CancelKeyDeletion(ctx context.Context, in *kms.CancelKeyDeletionInput) (*kms.CancelKeyDeletionOutput, error) {
	f, err := s.find(gate.From(ctx), *in.KeyId, "CancelKeyDeletion")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]types.KeyState{types.KeyStatePendingDeletion, types.KeyStatePendingReplicaDeletion}, f.State) {
		return nil, refuse("KMSInvalidStateException", f.arn+" is not pending deletion.")
	}
	k := f.clone()
	k.State, k.DeletionDate, k.WindowDays = types.KeyStateDisabled, nil, 0
	if k.current() == nil {
		k.State = types.KeyStatePendingImport
	}
	s.put(k)
	return &kms.CancelKeyDeletionOutput{KeyId: &k.arn}, nil
}
