package live

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// deletionDays is how long a key stays in pending deletion: the longest that AWS has,
// so that who finds out late can still take it back. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html.
const opDeletionDays = 30

// kmsPlace is a place where KMS is called.
type kmsPlace struct {
	*opPlace
	api *kms.Client
}

// atKey reaches the KMS of a key's account and Region.
func (c *Cloud) atKey(ctx context.Context, key string) (*kmsPlace, error) {
	p, err := c.atARN(ctx, key)
	if err != nil {
		return nil, err
	}
	return &kmsPlace{p, kms.NewFromConfig(p.cfg)}, nil
}

// atKMS reaches the KMS of an account in a Region.
func (c *Cloud) atKMS(ctx context.Context, account, region string) (*kmsPlace, error) {
	p, err := c.at(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return &kmsPlace{p, kms.NewFromConfig(p.cfg)}, nil
}

func (c *Cloud) currentKeyPolicy(ctx context.Context, o *estate.KeyPolicy) (*estate.KeyPolicy, error) {
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	out, err := opAsk(ctx, k.opPlace, "kms:GetKeyPolicy", k.api.GetKeyPolicy, &kms.GetKeyPolicyInput{KeyId: &o.Key})
	if err != nil {
		return nil, err
	}
	return &estate.KeyPolicy{Key: o.Key, Document: aws.ToString(out.Policy)}, nil
}

// putKeyPolicy never goes around KMS's check that the caller can still change the
// policy afterwards.
func (c *Cloud) putKeyPolicy(ctx context.Context, o *estate.KeyPolicy) error {
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return err
	}
	return opTell(ctx, k.opPlace, "kms:PutKeyPolicy", k.api.PutKeyPolicy, &kms.PutKeyPolicyInput{KeyId: &o.Key, Policy: &o.Document})
}

// describe returns what KMS says of a key.
func (k *kmsPlace) describe(ctx context.Context, key string) (*types.KeyMetadata, error) {
	var m *types.KeyMetadata
	err := k.c.memory.withTokens(key, func(tokens []string) error {
		out, err := opAsk(ctx, k.opPlace, "kms:DescribeKey", k.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &key, GrantTokens: tokens})
		if err == nil {
			m = out.KeyMetadata
		}
		return err
	})
	return m, err
}

// leaving reports whether a key is on its way out. A multi-Region primary whose
// replicas are still there waits for them.
func opLeaving(state types.KeyState) bool {
	return state == types.KeyStatePendingDeletion || state == types.KeyStatePendingReplicaDeletion
}

// currentKey returns the op of a key that is there with the ARN that AWS gave it: who made
// it and got no answer knows it by that.
func (c *Cloud) currentKey(ctx context.Context, o *estate.NewKey) (*estate.NewKey, error) {
	was := &estate.NewKey{ARN: o.ARN, Absent: true, Primary: o.Primary}
	key, m, err := c.find(ctx, o)
	if err != nil || key == "" || opLeaving(m.KeyState) {
		return was, err
	}
	was.ARN = key
	was.Absent, was.MultiRegion, was.Description = false, aws.ToBool(m.MultiRegion), aws.ToString(m.Description)
	return was, nil
}

// find returns the real ARN of the key of an op and what KMS says of it; no ARN when
// there is no such key. One that this process made or found and that KMS does not see
// yet is a failure that passes: taken for none it would be made a second time.
func (c *Cloud) find(ctx context.Context, o *estate.NewKey) (string, *types.KeyMetadata, error) {
	key, err := c.realKey(ctx, o)
	if err != nil || key == "" {
		return "", nil, err
	}
	k, err := c.atKey(ctx, key)
	if err != nil {
		return "", nil, err
	}
	m, err := k.describe(ctx, key)
	if opGone(err) && c.memory.key(o.ARN) != key {
		return "", nil, nil
	}
	return key, m, err
}

// realKey is the ARN that AWS gave the key of an op, or nothing when it gave none yet.
// A replica has the id of its primary.
func (c *Cloud) realKey(ctx context.Context, o *estate.NewKey) (string, error) {
	if !estate.IsProvisional(o.ARN) {
		return o.ARN, nil
	}
	if o.Primary == "" {
		return c.tagged(ctx, o.ARN)
	}
	primary, err := c.realKey(ctx, &estate.NewKey{ARN: o.Primary})
	if err != nil || primary == "" {
		return "", err
	}
	return inRegionOf(primary, o.ARN)
}

// inRegionOf is the ARN of a multi-Region key in the Region of another ARN.
func inRegionOf(key, other string) (string, error) {
	a, err := arn.Parse(key)
	b, err2 := arn.Parse(other)
	if err := errors.Join(err, err2); err != nil {
		return "", &cloud.Error{Kind: cloud.Invalid, Operation: "finding the key", Err: err}
	}
	a.Region = b.Region
	return a.String(), nil
}

// tagged finds the key that carries the tag of a provisional ARN, and among several
// one that is not on its way out. KMS has no search by tags, so all keys of the
// account and Region are gone through; that is done for provisional ARNs alone, and
// once for each in a process. Keys whose tags the caller may not read are passed over:
// those that an op made let their account read them.
func (c *Cloud) tagged(ctx context.Context, provisional string) (string, error) {
	if key := c.memory.key(provisional); key != "" {
		return key, nil
	}
	k, err := c.atKey(ctx, provisional)
	if err != nil {
		return "", err
	}
	found := ""
	in := &kms.ListKeysInput{Limit: new(int32(1000))}
	for {
		out, err := opAsk(ctx, k.opPlace, "kms:ListKeys", k.api.ListKeys, in)
		if err != nil {
			return "", err
		}
		for i := range out.Keys {
			key := aws.ToString(out.Keys[i].KeyArn)
			switch good, state, err := k.carries(ctx, key, lastPart(provisional)); {
			case err != nil:
				return "", err
			case good && !opLeaving(state):
				c.memory.setKey(provisional, key)
				return key, nil
			case good:
				found = key
			}
		}
		if !out.Truncated {
			return found, nil
		}
		in.Marker = out.NextMarker
	}
}

// carries reports whether a key has the tag, and its state.
func (k *kmsPlace) carries(ctx context.Context, key, value string) (bool, types.KeyState, error) {
	in := &kms.ListResourceTagsInput{KeyId: &key}
	for {
		out, err := opAsk(ctx, k.opPlace, "kms:ListResourceTags", k.api.ListResourceTags, in)
		if err != nil {
			return false, "", opDone(err, cloud.Denied, cloud.NotFound)
		}
		for _, t := range out.Tags {
			if aws.ToString(t.TagKey) == estate.KeyTag && aws.ToString(t.TagValue) == value {
				m, err := k.describe(ctx, key)
				if err != nil {
					return false, "", err
				}
				return true, m.KeyState, nil
			}
		}
		if !out.Truncated {
			return false, "", nil
		}
		in.Marker = out.NextMarker
	}
}

// makeKey makes a key or takes over the one that an earlier run made; one that is
// pending deletion is taken back.
func (c *Cloud) makeKey(ctx context.Context, o *estate.NewKey) (map[string]string, error) {
	key, m, err := c.find(ctx, o)
	switch {
	case err != nil:
		return nil, err
	case o.Absent && key == "":
		return nil, nil
	case o.Absent:
		return c.endKey(ctx, key, m)
	case key == "" && o.Primary == "":
		key, err = c.createKey(ctx, o)
	case key == "":
		key, err = c.replicateKey(ctx, o)
	case opLeaving(m.KeyState):
		err = c.takeBack(ctx, key, true)
	}
	if err != nil || key == o.ARN {
		return nil, err
	}
	c.memory.setKey(o.ARN, key)
	return map[string]string{o.ARN: key}, nil
}

func (c *Cloud) createKey(ctx context.Context, o *estate.NewKey) (string, error) {
	if !estate.IsProvisional(o.ARN) {
		return "", &cloud.Error{Kind: cloud.Invalid, Operation: "kms:CreateKey", Err: errors.New("the key " + o.ARN + " is gone, and no new key gets its ARN")}
	}
	k, err := c.atKey(ctx, o.ARN)
	if err != nil {
		return "", err
	}
	in := &kms.CreateKeyInput{Tags: keyTags(o), MultiRegion: &o.MultiRegion, Description: &o.Description}
	if o.Document != "" {
		in.Policy = &o.Document
	}
	out, err := opAsk(ctx, k.opPlace, "kms:CreateKey", k.api.CreateKey, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.KeyMetadata.Arn), nil
}

// replicateKey is called in the Region of the primary.
func (c *Cloud) replicateKey(ctx context.Context, o *estate.NewKey) (string, error) {
	primary, err := c.realKey(ctx, &estate.NewKey{ARN: o.Primary})
	if err != nil {
		return "", err
	}
	a, err := arn.Parse(o.ARN)
	if err != nil || primary == "" {
		return "", &cloud.Error{Kind: cloud.NotFound, Operation: "kms:ReplicateKey", Err: errors.New("the primary key " + o.Primary + " is not there")}
	}
	k, err := c.atKey(ctx, primary)
	if err != nil {
		return "", err
	}
	in := &kms.ReplicateKeyInput{KeyId: &primary, ReplicaRegion: &a.Region, Tags: keyTags(o), Description: &o.Description}
	if o.Document != "" {
		in.Policy = &o.Document
	}
	out, err := opAsk(ctx, k.opPlace, "kms:ReplicateKey", k.api.ReplicateKey, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ReplicaKeyMetadata.Arn), nil
}

// keyTags are the tags of an op's key, with that by which it is found again.
func keyTags(o *estate.NewKey) []types.Tag {
	tags := maps.Clone(o.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	if estate.IsProvisional(o.ARN) {
		tags[estate.KeyTag] = lastPart(o.ARN)
	}
	var list []types.Tag
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{TagKey: &name, TagValue: new(tags[name])})
	}
	return list
}

// endKey schedules the deletion of a key, unless that was done, and tells when AWS deletes
// it, where it says so.
func (c *Cloud) endKey(ctx context.Context, key string, m *types.KeyMetadata) (map[string]string, error) {
	if opLeaving(m.KeyState) {
		return deletedAt(m.DeletionDate), nil
	}
	k, err := c.atKey(ctx, key)
	if err != nil {
		return nil, err
	}
	out, err := opAsk(ctx, k.opPlace, "kms:ScheduleKeyDeletion", k.api.ScheduleKeyDeletion, &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: new(int32(opDeletionDays))})
	if err != nil {
		return nil, err
	}
	return deletedAt(out.DeletionDate), nil
}

// deletedAt is the date of a deletion as run.Cloud has it.
func deletedAt(at *time.Time) map[string]string {
	if at == nil {
		return nil
	}
	return map[string]string{cloud.MadeDeletion: at.UTC().Format(time.RFC3339)}
}

// takeBack ends a pending deletion. AWS leaves the key disabled.
func (c *Cloud) takeBack(ctx context.Context, key string, enable bool) error {
	k, err := c.atKey(ctx, key)
	if err != nil {
		return err
	}
	if err := opTell(ctx, k.opPlace, "kms:CancelKeyDeletion", k.api.CancelKeyDeletion, &kms.CancelKeyDeletionInput{KeyId: &key}); err != nil || !enable {
		return err
	}
	return opTell(ctx, k.opPlace, "kms:EnableKey", k.api.EnableKey, &kms.EnableKeyInput{KeyId: &key})
}

func (c *Cloud) currentKeyState(ctx context.Context, o *estate.KeyState) (*estate.KeyState, error) {
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	m, err := k.describe(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	return &estate.KeyState{Key: o.Key, State: string(m.KeyState)}, nil
}

func (c *Cloud) setKeyState(ctx context.Context, o *estate.KeyState) error {
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return err
	}
	m, err := k.describe(ctx, o.Key)
	if err != nil {
		return err
	}
	switch want := types.KeyState(o.State); want {
	case types.KeyStatePendingDeletion:
		_, err := c.endKey(ctx, o.Key, m)
		return err
	case types.KeyStateEnabled, types.KeyStateDisabled:
		enable := want == types.KeyStateEnabled
		switch {
		case opLeaving(m.KeyState):
			return c.takeBack(ctx, o.Key, enable)
		case enable:
			return opTell(ctx, k.opPlace, "kms:EnableKey", k.api.EnableKey, &kms.EnableKeyInput{KeyId: &o.Key})
		}
		return opTell(ctx, k.opPlace, "kms:DisableKey", k.api.DisableKey, &kms.DisableKeyInput{KeyId: &o.Key})
	}
	return &cloud.Error{Kind: cloud.Invalid, Operation: "setting the state of a key", Account: k.account, Region: k.region, Err: errors.New("nobody can bring a key into the state " + o.State)}
}
