package kms

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// maxOnDemand is the number of rotations on demand that a key may have; the
// quota was 10 when it was recorded and is documented as 25 since.
// See https://docs.aws.amazon.com/kms/latest/developerguide/rotating-keys-on-demand.html.
const maxOnDemand = 25

// canRotate refuses keys that KMS does not rotate by itself.
func (k *Key) canRotate() error {
	switch {
	case k.Origin != types.OriginTypeAwsKms:
		return k.wrongOrigin()
	case k.Spec != types.KeySpecSymmetricDefault:
		return notSymmetric()
	}
	return k.primaryOnly()
}

// notSymmetric refuses to rotate a key of another kind, without a text
// (https://github.com/terraform-aws-modules/terraform-aws-kms/issues/20).
func notSymmetric() error { return unsupported("") }

// primaryOnly refuses a replica: rotation and new material are the primary's.
func (k *Key) primaryOnly() error {
	if k.isReplica() {
		return unsupported(k.arn + " is not a multi-region primary key.")
	}
	return nil
}

// EnableKeyRotation has KMS rotate a key by itself.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html.
func (s *Service) EnableKeyRotation(ctx context.Context, in *kms.EnableKeyRotationInput) (*kms.EnableKeyRotationOutput, error) {
	k, err := s.rotating(ctx, *in.KeyId, "EnableKeyRotation")
	if err != nil {
		return nil, err
	}
	switch {
	case in.RotationPeriodInDays != nil:
		k.PeriodDays = *in.RotationPeriodInDays
	case k.PeriodDays == 0:
		k.PeriodDays = int32(awsfacts.Limits().RotationPeriodDefaultDays)
	}
	k.Rotates = true
	k.NextRotation = gate.From(ctx).At.AddDate(0, 0, int(k.PeriodDays))
	s.put(k)
	return &kms.EnableKeyRotationOutput{}, nil
}

// DisableKeyRotation ends it.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKeyRotation.html.
func (s *Service) DisableKeyRotation(ctx context.Context, in *kms.DisableKeyRotationInput) (*kms.DisableKeyRotationOutput, error) {
	k, err := s.rotating(ctx, *in.KeyId, "DisableKeyRotation")
	if err != nil {
		return nil, err
	}
	k.Rotates, k.NextRotation = false, time.Time{}
	s.put(k)
	return &kms.DisableKeyRotationOutput{}, nil
}

// rotating finds a key whose rotation may be changed. The origin counts before
// the state, as recorded.
func (s *Service) rotating(ctx context.Context, id, operation string) (*Key, error) {
	f, err := s.find(gate.From(ctx), id, operation)
	if err != nil {
		return nil, err
	}
	if err := f.customer(); err != nil {
		return nil, err
	}
	if err := f.canRotate(); err != nil {
		return nil, err
	}
	return f.clone(), f.inState(operation)
}

// GetKeyRotationStatus tells whether and when KMS rotates a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html.
func (s *Service) GetKeyRotationStatus(ctx context.Context, in *kms.GetKeyRotationStatusInput) (*kms.GetKeyRotationStatusOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "GetKeyRotationStatus")
	if err != nil {
		return nil, err
	}
	out := &kms.GetKeyRotationStatusOutput{KeyId: &k.arn, KeyRotationEnabled: k.Rotates}
	if k.Rotates {
		out.RotationPeriodInDays, out.NextRotationDate = &k.PeriodDays, &k.NextRotation
	}
	return out, nil
}

// RotateKeyOnDemand rotates now.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html.
func (s *Service) RotateKeyOnDemand(ctx context.Context, in *kms.RotateKeyOnDemandInput) (*kms.RotateKeyOnDemandOutput, error) {
	c := gate.From(ctx)
	k, err := s.change(ctx, *in.KeyId, "RotateKeyOnDemand")
	if err != nil {
		return nil, err
	}
	if !k.rotatable() {
		return nil, notSymmetric()
	}
	if err := k.primaryOnly(); err != nil {
		return nil, err
	}
	if k.OnDemand >= maxOnDemand {
		return nil, refuse("LimitExceededException", "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "+k.arn)
	}
	before := k.LastMaterial
	if k.Origin == types.OriginTypeExternal {
		if err := s.rotateImported(k, c.At); err != nil {
			return nil, err
		}
	} else {
		s.rotate(k, c.At, types.RotationTypeOnDemand)
	}
	k.OnDemand++
	s.putEverywhere(k)
	s.emitRotation(k, before, types.RotationTypeOnDemand, c.At)
	return &kms.RotateKeyOnDemandOutput{KeyId: &k.arn}, nil
}

// rotate adds material that is used from now on.
func (s *Service) rotate(k *Key, at time.Time, how types.RotationType) {
	m := Material{ID: s.newMaterialID(), Secret: random(specs[k.Spec].bits / 8), Since: at, How: how}
	k.Materials = append(k.Materials, m)
	k.LastMaterial = m.ID
}

// ListKeyRotations lists the rotations that have been.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyRotations.html.
func (s *Service) ListKeyRotations(ctx context.Context, in *kms.ListKeyRotationsInput) (*kms.ListKeyRotationsOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "ListKeyRotations")
	if err != nil {
		return nil, err
	}
	all := in.IncludeKeyMaterial == types.IncludeKeyMaterialAllKeyMaterial
	current := k.current()
	list := []types.RotationsListEntry{}
	for i := range k.Materials {
		m := &k.Materials[i]
		if m.How == "" && !all {
			continue
		}
		e := k.rotation(m, m == current)
		if m.Pending && s.lacking(k, m.ID) != "" {
			e.KeyMaterialState = types.KeyMaterialStatePendingMultiRegionImportAndRotation
		}
		list = append(list, e)
	}
	page, next, err := paged(list, in.Marker, in.Limit, 100)
	if err != nil {
		return nil, err
	}
	return &kms.ListKeyRotationsOutput{Rotations: page, NextMarker: next, Truncated: next != nil}, nil
}

func (k *Key) rotation(m *Material, current bool) types.RotationsListEntry {
	e := types.RotationsListEntry{KeyId: &k.arn, KeyMaterialId: &m.ID, RotationType: m.How, KeyMaterialState: types.KeyMaterialStateNonCurrent}
	switch {
	case m.Pending:
		e.KeyMaterialState = types.KeyMaterialStatePendingRotation
	case current:
		e.KeyMaterialState = types.KeyMaterialStateCurrent
	}
	if m.How != "" {
		e.RotationDate = &m.Since
	}
	if k.Origin == types.OriginTypeExternal {
		e.ImportState, e.ExpirationModel, e.ValidTo = types.ImportStateImported, m.Expiration, m.ValidTo
		if m.Gone {
			e.ImportState = types.ImportStatePendingImport
		}
		if m.Description != "" {
			e.KeyMaterialDescription = &m.Description
		}
	}
	return e
}
