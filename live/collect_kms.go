package live

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// keyReader reads the keys of an account in a Region, with at most five calls for each
// beside further pages.
type keyReader struct {
	*reader
	kms     *kms.Client
	aliases map[string][]string // by the id of the key
	mu      sync.Mutex
	done    int
	of      int
}

// readKeys reads the keys. Those that an earlier run read stay as they are.
func (r *reader) readKeys(ctx context.Context) error {
	k := &keyReader{reader: r, kms: kms.NewFromConfig(r.cfg), aliases: map[string][]string{}}
	keys, err := k.list(ctx)
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		if err := k.readAliases(ctx); err != nil {
			return err
		}
	}
	k.of = len(keys)
	keys = slices.DeleteFunc(keys, k.known)
	k.done = k.of - len(keys)
	return collectEach(ctx, r.scope.Concurrency, keys, func(ctx context.Context, key string) error {
		found, err := k.read(forKey(ctx, key), key)
		if err != nil {
			return err
		}
		k.add(func(e *estate.Estate) { e.Keys = append(e.Keys, found) })
		k.one()
		return nil
	})
}

// one reports one more key.
func (k *keyReader) one() {
	k.mu.Lock()
	k.done++
	p := Progress{Account: k.account, Region: k.region, Part: "kms", Done: k.done, Of: k.of}
	k.mu.Unlock()
	if p.Done < p.Of { // the last is reported with the part
		k.told(p)
	}
}

// known reports whether the estate has a key already.
func (k *keyReader) known(key string) bool {
	k.lock.Lock()
	defer k.lock.Unlock()
	return slices.ContainsFunc(k.estate.Keys, func(o estate.Key) bool { return o.ARN == key })
}

// list returns the ARNs of the keys.
func (k *keyReader) list(ctx context.Context) ([]string, error) {
	var keys []string
	if len(k.scope.Keys) > 0 {
		for _, key := range k.scope.Keys {
			if a, err := arn.Parse(key); err == nil && a.Account == k.account && a.Region == k.region {
				keys = append(keys, key)
			}
		}
		return keys, nil
	}
	pages := kms.NewListKeysPaginator(k.kms, &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = k.refused(err, "kms:ListKeys")
			return nil, err
		}
		for _, key := range out.Keys {
			keys = append(keys, aws.ToString(key.KeyArn))
		}
	}
	return keys, nil
}

func (k *keyReader) readAliases(ctx context.Context) error {
	pages := kms.NewListAliasesPaginator(k.kms, &kms.ListAliasesInput{Limit: aws.Int32(100)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = k.refused(err, "kms:ListAliases")
			return err
		}
		for _, a := range out.Aliases {
			if id := aws.ToString(a.TargetKeyId); id != "" { // else an AWS managed key that was never used
				k.aliases[id] = append(k.aliases[id], aws.ToString(a.AliasName))
			}
		}
	}
	return nil
}

// read reads one key. Of one that may not be described nothing is said: neither its
// state nor its policy is then taken for known.
func (k *keyReader) read(ctx context.Context, key string) (estate.Key, error) {
	out, err := k.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		why, err := k.refused(err, "kms:DescribeKey")
		return estate.Key{ARN: key, Policy: &estate.Document{Unreadable: why}, GrantsUnreadable: why}, err
	}
	found := keyOf(key, out.KeyMetadata)
	id := aws.ToString(out.KeyMetadata.KeyId)
	found.Aliases = slices.Sorted(slices.Values(k.aliases[id]))
	if found.Policy, err = k.policy(ctx, key); err != nil {
		return found, err
	}
	if err := k.grants(ctx, &found); err != nil {
		return found, err
	}
	if found.Manager == string(types.KeyManagerTypeAws) {
		return found, nil // it has no tags, and AWS rotates it
	}
	if err := k.tags(ctx, &found); err != nil {
		return found, err
	}
	return found, k.rotation(ctx, &found)
}

func keyOf(key string, m *types.KeyMetadata) estate.Key {
	found := estate.Key{
		ARN: key, State: string(m.KeyState), Manager: string(m.KeyManager), Spec: string(m.KeySpec), Usage: string(m.KeyUsage), Origin: string(m.Origin),
		MultiRegion: aws.ToBool(m.MultiRegion), DeletionDate: m.DeletionDate, ValidTo: m.ValidTo,
	}
	if c := m.MultiRegionConfiguration; c != nil && c.PrimaryKey != nil && aws.ToString(c.PrimaryKey.Arn) != key {
		found.PrimaryKey = aws.ToString(c.PrimaryKey.Arn)
	}
	return found
}

func (k *keyReader) policy(ctx context.Context, key string) (*estate.Document, error) {
	out, err := k.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key, PolicyName: aws.String("default")})
	if err != nil {
		why, err := k.refused(err, "kms:GetKeyPolicy")
		return &estate.Document{Unreadable: why}, err
	}
	return collectedDocument("key policy of "+key, aws.ToString(out.Policy)), nil
}

func (k *keyReader) grants(ctx context.Context, key *estate.Key) error {
	pages := kms.NewListGrantsPaginator(k.kms, &kms.ListGrantsInput{KeyId: &key.ARN, Limit: aws.Int32(100)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			key.Grants = nil // some of them would look like all
			key.GrantsUnreadable, err = k.refused(err, "kms:ListGrants")
			return err
		}
		for i := range out.Grants {
			key.Grants = append(key.Grants, grantOf(&out.Grants[i]))
		}
	}
	slices.SortFunc(key.Grants, func(a, b estate.Grant) int { return cmp.Compare(a.GrantID, b.GrantID) })
	return nil
}

// grantOf takes a grant over. A grantee who is gone stands there by its unique id; a
// service stands in a member of its own, or in that of the principal. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html.
func grantOf(g *types.GrantListEntry) estate.Grant {
	found := estate.Grant{
		GrantID: aws.ToString(g.GrantId), Name: aws.ToString(g.Name), GranteePrincipal: aws.ToString(g.GranteePrincipal),
		GranteeServicePrincipal: aws.ToString(g.GranteeServicePrincipal), RetiringPrincipal: cmp.Or(aws.ToString(g.RetiringPrincipal), aws.ToString(g.RetiringServicePrincipal)),
		IssuingAccount: aws.ToString(g.IssuingAccount), CreatedAt: g.CreationDate, Operations: []string{},
	}
	if id := found.GranteePrincipal; strings.HasPrefix(id, "AROA") || strings.HasPrefix(id, "AIDA") {
		found.GranteePrincipalID = id
	}
	for _, op := range g.Operations {
		found.Operations = append(found.Operations, string(op))
	}
	slices.Sort(found.Operations)
	if c := g.Constraints; c != nil && (len(c.EncryptionContextEquals) > 0 || len(c.EncryptionContextSubset) > 0 || aws.ToString(c.SourceArn) != "") {
		found.Constraints = &estate.GrantConstraints{EncryptionContextSubset: c.EncryptionContextSubset, EncryptionContextEquals: c.EncryptionContextEquals, SourceARN: aws.ToString(c.SourceArn)}
	}
	return found
}

func (k *keyReader) tags(ctx context.Context, key *estate.Key) error {
	pages := kms.NewListResourceTagsPaginator(k.kms, &kms.ListResourceTagsInput{KeyId: &key.ARN, Limit: aws.Int32(50)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = k.refused(err, "kms:ListResourceTags")
			return err
		}
		for _, t := range out.Tags {
			if key.Tags == nil {
				key.Tags = map[string]string{}
			}
			key.Tags[aws.ToString(t.TagKey)] = aws.ToString(t.TagValue)
		}
	}
	return nil
}

// rotation looks whether KMS rotates a key, of those that it may rotate. See
// https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html.
func (k *keyReader) rotation(ctx context.Context, key *estate.Key) error {
	if key.Spec != string(types.KeySpecSymmetricDefault) || key.Origin != string(types.OriginTypeAwsKms) {
		return nil
	}
	out, err := k.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &key.ARN})
	if err != nil {
		_, err = k.refused(err, "kms:GetKeyRotationStatus")
		return err
	}
	key.Rotation = "off"
	if out.KeyRotationEnabled {
		key.Rotation = "on"
	}
	return nil
}
