package kms

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func (k *Key) isReplica() bool { return k.MultiRegion && k.Primary != k.Region }

// withSecret is where a key has that material, -1 for nowhere.
func (k *Key) withSecret(secret []byte) int {
	return slices.IndexFunc(k.Materials, func(m Material) bool { return bytes.Equal(m.Secret, secret) })
}

// placeInReplica puts a secret where the primary has it. A replica takes no material
// that its primary has not.
// See https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-import.html
// and https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html.
func (s *Service) placeInReplica(k *Key, in *kms.ImportKeyMaterialInput, secret []byte, m Material) (string, error) {
	if in.ImportType == types.ImportTypeNewKeyMaterial {
		return "", k.primaryOnly() // assumed text
	}
	primary := s.inRegion(k, k.Primary)
	if primary == nil {
		return "", refuse("IncorrectKeyMaterialException", "")
	}
	there := primary.withSecret(secret)
	if there < 0 {
		return "", refuse("IncorrectKeyMaterialException", "")
	}
	theirs := &primary.Materials[there]
	m.ID, m.Since, m.How, m.Pending = theirs.ID, theirs.Since, theirs.How, theirs.Pending
	k.Materials = append(slices.DeleteFunc(k.Materials, func(o Material) bool { return o.ID == m.ID }), m)
	slices.SortFunc(k.Materials, func(a, b Material) int {
		return cmp.Compare(primary.withSecret(a.Secret), primary.withSecret(b.Secret))
	})
	if newest := primary.newest(); newest != nil && newest.ID == m.ID {
		k.LastMaterial, k.Expiration, k.ValidTo = m.ID, m.Expiration, m.ValidTo
		if k.State == types.KeyStatePendingImport {
			k.State = types.KeyStateEnabled
		}
	}
	return m.ID, nil
}

// lacking is the first Region whose replica has not the material that a primary's
// next rotation brings into use, empty for none.
func (s *Service) lacking(k *Key, materialID string) string {
	for _, region := range k.Replicas {
		r := s.inRegion(k, region)
		if r != nil && !slices.ContainsFunc(r.Materials, func(m Material) bool { return m.ID == materialID && !m.Gone }) {
			return region
		}
	}
	return ""
}

// rotateImported makes the imported material that waits the current one, of a primary
// and of its replicas.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html.
func (s *Service) rotateImported(k *Key, at time.Time) error {
	i := slices.IndexFunc(k.Materials, func(m Material) bool { return m.Pending })
	if i < 0 {
		return refuse("KMSInvalidStateException", "No available key material pending rotation for the key: "+k.arn+".")
	}
	id := k.Materials[i].ID
	if region := s.lacking(k, id); region != "" {
		return refuse("KMSInvalidStateException", "The key material pending rotation has to be imported into "+keyARN(region, k.Account, k.ID)+" first.") // assumed text
	}
	k.use(id, at)
	for _, region := range k.Replicas {
		if r := s.inRegion(k, region); r != nil {
			r = r.clone()
			r.use(id, at)
			s.put(r)
		}
	}
	return nil
}

// use makes a material that waits the current one.
func (k *Key) use(id string, at time.Time) {
	for i := range k.Materials {
		if m := &k.Materials[i]; m.ID == id {
			m.Pending, m.Since, m.How = false, at, types.RotationTypeOnDemand
			k.LastMaterial, k.Expiration, k.ValidTo = m.ID, m.Expiration, m.ValidTo
		}
	}
}
