package kms

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Import puts a key of an estate into KMS, with new key material: nobody exports
// the old. It is called in Update, after the principals.
func (s *Service) Import(e *estate.Key, now time.Time) error {
	a, err := arn.Parse(e.ARN)
	id, ok := strings.CutPrefix(a.Resource, "key/")
	if err != nil || !ok {
		return fmt.Errorf("key %q: its ARN is not that of a KMS key", e.ARN)
	}
	k := &Key{
		Account: a.Account, Region: a.Region, ID: id, Created: now, Spec: or(types.KeySpec(e.Spec), types.KeySpecSymmetricDefault),
		Usage: or(types.KeyUsageType(e.Usage), types.KeyUsageTypeEncryptDecrypt), Origin: or(types.OriginType(e.Origin), types.OriginTypeAwsKms),
		Manager: or(types.KeyManagerType(e.Manager), types.KeyManagerTypeCustomer), State: or(types.KeyState(e.State), types.KeyStateEnabled),
		MultiRegion: e.MultiRegion, DeletionDate: e.DeletionDate, ValidTo: e.ValidTo, AliasNames: slices.Clone(e.Aliases), PrincipalIDs: e.PrincipalIDs,
		// Not known is not AWS's default: whoever asks is refused with this reason.
		Policy: gate.TextOf(&estate.Document{Unreadable: "the estate holds no policy for it"}),
	}
	if e.Policy != nil {
		k.Policy = gate.TextOf(e.Policy)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Tags)) {
		k.Tags = append(k.Tags, Tag{name, e.Tags[name]})
	}
	if e.Rotation == "on" {
		k.Rotates, k.PeriodDays = true, int32(awsfacts.Limits().RotationPeriodDefaultDays)
		k.NextRotation = now.AddDate(0, 0, int(k.PeriodDays))
	}
	if err := s.importMaterial(k, e, now); err != nil {
		return fmt.Errorf("key %s: %w", e.ARN, err)
	}
	s.put(k)
	for _, name := range k.AliasNames {
		s.aliases.Put(state.Key(k.Account, k.Region, name), &Alias{Name: name, TargetID: k.ID, Created: now, Updated: now})
	}
	for i := range e.Grants {
		s.importGrant(k, &e.Grants[i], now)
	}
	return nil
}

func or[T ~string](v, plain T) T {
	if v == "" {
		return plain
	}
	return v
}

// importMaterial makes the key's secret. The keys of one multi-Region set share
// it. A key that is there keeps its own, so that what is under it still opens.
func (s *Service) importMaterial(k *Key, e *estate.Key, now time.Time) error {
	if old := s.keys.Get(k.row()); old != nil && old.Spec == k.Spec && k.State != types.KeyStatePendingImport {
		k.Materials, k.LastMaterial = slices.Clone(old.Materials), old.LastMaterial
	}
	if k.MultiRegion {
		k.Primary = k.Region
		if p, err := arn.Parse(e.PrimaryKey); err == nil {
			k.Primary = p.Region
		}
		for _, other := range s.keys.All(state.Key(k.Account, "")) {
			if other.ID == k.ID && other.Region != k.Region {
				k.Materials, k.LastMaterial = slices.Clone(other.Materials), other.LastMaterial
			}
		}
		s.joinRegions(k)
	}
	if _, ok := specs[k.Spec]; !ok {
		return fmt.Errorf("the sandbox has no keys of the spec %s", k.Spec)
	}
	if len(k.Materials) > 0 || k.State == types.KeyStatePendingImport {
		return nil
	}
	secret, err := newSecret(k.Spec)
	if err != nil {
		return err
	}
	k.Materials = []Material{{ID: s.newMaterialID(), Secret: secret, Since: now}}
	k.LastMaterial = k.Materials[0].ID
	return nil
}

// joinRegions tells the primary of its replicas, whichever of them came first.
func (s *Service) joinRegions(k *Key) {
	if k.Primary != k.Region {
		if p := s.inRegion(k, k.Primary); p != nil && !slices.Contains(p.Replicas, k.Region) {
			p = p.clone()
			p.Replicas = append(p.Replicas, k.Region)
			s.put(p)
		}
		return
	}
	for _, other := range s.keys.All(state.Key(k.Account, "")) {
		if other.ID == k.ID && other.Region != k.Region && !slices.Contains(k.Replicas, other.Region) {
			k.Replicas = append(k.Replicas, other.Region)
		}
	}
}

func (s *Service) importGrant(k *Key, e *estate.Grant, now time.Time) {
	g := &Grant{
		Account: k.Account, Region: k.Region, KeyID: k.ID, ID: e.GrantID, Name: e.Name, Created: now, Tokens: []string{s.IDs.Token(tokenSize)},
		Grantee: e.GranteePrincipal, GranteeID: e.GranteePrincipalID, GranteeService: e.GranteeServicePrincipal, Retiring: e.RetiringPrincipal,
		Issuer: e.Issuer(), Constraints: e.Constraints,
	}
	if e.Token != "" {
		g.Tokens = append(g.Tokens, e.Token)
	}
	if e.CreatedAt != nil {
		g.Created = *e.CreatedAt
	}
	if g.ID == "" {
		g.ID = s.IDs.Hex(64)
	}
	if g.GranteeID == "" && g.Grantee != "" {
		_, g.GranteeID, _ = s.principal(&gate.Call{}, "GranteePrincipal", g.Grantee) // a grantee who is gone has no id
	}
	if g.Retiring != "" {
		_, g.RetiringID, _ = s.principal(&gate.Call{}, "RetiringPrincipal", g.Retiring)
	}
	for _, op := range e.Operations {
		g.Operations = append(g.Operations, types.GrantOperation(op))
	}
	s.grants.Put(g.row(), g)
}

// Export returns all keys, without their secrets.
func (s *Service) Export(now time.Time) []estate.Key {
	list := []estate.Key{}
	for _, row := range s.keys.All("") {
		k := row.at(now)
		if k == nil {
			continue
		}
		v := *k.view
		v.Grants = nil
		for _, g := range s.grants.All(state.Key(k.row(), "")) {
			v.Grants = append(v.Grants, g.view)
		}
		if v.PrimaryKey == v.ARN {
			v.PrimaryKey = ""
		}
		if k.Rotates && k.Manager == types.KeyManagerTypeCustomer {
			v.Rotation = "on"
		}
		list = append(list, v)
	}
	return list
}
