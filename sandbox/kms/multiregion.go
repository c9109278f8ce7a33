package kms

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

const multiRegionService = "mrk.kms.amazonaws.com"

// multiRegionRole makes the service-linked role that the first multi-Region key
// of an account brings along.
// See https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-auth-slr.html.
func (s *Service) multiRegionRole(ctx context.Context) error {
	c := gate.From(ctx)
	role := "arn:" + awsfacts.PartitionName(c.Region) + ":iam::" + c.Caller.Account + ":role/aws-service-role/" + multiRegionService + "/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
	p, err := arn.ParsePrincipal(role)
	if err != nil {
		return err
	}
	if _, there := s.Principals.UniqueID(p); there {
		return nil
	}
	_, err = s.Client.Do(ctx, "iam", "CreateServiceLinkedRole", &iam.CreateServiceLinkedRoleInput{AWSServiceName: new(multiRegionService)}, gate.Forward{Service: "kms"})
	return err
}

// inRegion returns the same multi-Region key in another Region, or nil.
func (s *Service) inRegion(k *Key, region string) *Key {
	return s.keys.Get(state.Key(k.Account, region, k.ID))
}

// putEverywhere stores a primary and gives its material to the replicas.
func (s *Service) putEverywhere(k *Key) {
	s.put(k)
	for _, region := range k.Replicas {
		if r := s.inRegion(k, region); r != nil && k.Origin == types.OriginTypeAwsKms {
			r = r.clone()
			r.Materials, r.LastMaterial = slices.Clone(k.Materials), k.LastMaterial
			s.put(r)
		}
	}
}

// ReplicateKey makes a replica of a multi-Region primary key in another Region.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html.
func (s *Service) ReplicateKey(ctx context.Context, in *kms.ReplicateKeyInput) (*kms.ReplicateKeyOutput, error) {
	c := gate.From(ctx)
	k, err := s.change(ctx, *in.KeyId, "ReplicateKey")
	if err != nil {
		return nil, err
	}
	region := *in.ReplicaRegion
	if err := s.replicable(k, region); err != nil {
		return nil, err
	}
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	r := &Key{
		Account: k.Account, Region: region, ID: k.ID, Created: c.At, Description: aws.ToString(in.Description), Spec: k.Spec, Usage: k.Usage, Origin: k.Origin,
		Manager: k.Manager, State: types.KeyStateEnabled, Tags: tags, MultiRegion: true, Primary: k.Primary,
	}
	if k.Origin == types.OriginTypeExternal {
		r.State = types.KeyStatePendingImport // the same material has to be imported there
	} else {
		r.Materials, r.LastMaterial = slices.Clone(k.Materials), k.LastMaterial
	}
	if err := s.setPolicy(s.callIn(c, region), r, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	k.Replicas = append(k.Replicas, region)
	s.put(k)
	s.put(r)
	// Recorded: a new replica is shown in creation, and usable a moment later.
	shown := r.clone()
	if r.State == types.KeyStateEnabled {
		shown.State = types.KeyStateCreating
	}
	out := &kms.ReplicateKeyOutput{ReplicaKeyMetadata: s.describe(shown), ReplicaPolicy: new(s.policyText(r)), ReplicaTags: append([]types.Tag{}, in.Tags...)}
	return out, nil
}

// callIn is the call as if it were made in another Region.
func (s *Service) callIn(c *gate.Call, region string) *gate.Call {
	there := *c
	there.Region = region
	return &there
}

func (s *Service) replicable(k *Key, region string) error {
	if !k.MultiRegion || k.Primary != k.Region {
		return unsupported(k.arn + " is not a multi-region primary key.")
	}
	if region == k.Region {
		return validation(region + " cannot have a replica because it contains the primary.")
	}
	if !awsfacts.KnownRegion(region) {
		return validation("Region " + region + " is not a valid Region or multi-Region keys are not supported in Region " + region + ".")
	}
	if awsfacts.PartitionName(region) != awsfacts.PartitionName(k.Region) {
		return validation("The replica key Region must be in the same AWS partition as the primary key Region.")
	}
	if s.inRegion(k, region) != nil {
		return refuse("AlreadyExistsException", "You can create only one replica of each primary key in each AWS Region.")
	}
	return nil
}

// UpdatePrimaryRegion makes a replica the primary.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdatePrimaryRegion.html.
func (s *Service) UpdatePrimaryRegion(ctx context.Context, in *kms.UpdatePrimaryRegionInput) (*kms.UpdatePrimaryRegionOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "UpdatePrimaryRegion")
	if err != nil {
		return nil, err
	}
	if !k.MultiRegion || k.Primary != k.Region {
		return nil, unsupported(k.arn + " is not a multi-region primary key.")
	}
	region := *in.PrimaryRegion
	old := s.inRegion(k, region)
	if old == nil || region == k.Region {
		return nil, notFound("Key '" + k.inRegion(region) + "' does not exist") // assumed text
	}
	if err := old.inState("UpdatePrimaryRegion"); err != nil {
		return nil, err
	}
	replicas := slices.DeleteFunc(append(slices.Clone(k.Replicas), k.Region), func(r string) bool { return r == region })
	for _, at := range append(slices.Clone(replicas), region) {
		if r := s.inRegion(k, at); r != nil {
			r = r.clone()
			r.Primary, r.Replicas = region, nil
			if at == region {
				r.Replicas = replicas
				r.Rotates, r.PeriodDays, r.NextRotation = k.Rotates, k.PeriodDays, k.NextRotation
			}
			s.put(r)
		}
	}
	return &kms.UpdatePrimaryRegionOutput{}, nil
}

// replicaEnded takes a replica that has ended from its primary. A primary that
// waited for its last replica now waits for its own end.
func (s *Service) replicaEnded(replica *Key) {
	p := s.inRegion(replica, replica.Primary)
	if p == nil {
		return
	}
	p = p.clone()
	p.Replicas = slices.DeleteFunc(p.Replicas, func(r string) bool { return r == replica.Region })
	if len(p.Replicas) == 0 && p.State == types.KeyStatePendingReplicaDeletion {
		p.State = types.KeyStatePendingDeletion
		p.DeletionDate = new(replica.DeletionDate.AddDate(0, 0, int(p.WindowDays)))
	}
	s.put(p)
}

// HasMultiRegionKeys reports whether an account has a multi-Region key.
func (s *Service) HasMultiRegionKeys(account string) bool {
	for _, k := range s.keys.All(state.Key(account, "")) {
		if k.MultiRegion {
			return true
		}
	}
	return false
}
