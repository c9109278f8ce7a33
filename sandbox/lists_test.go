package sandbox_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/awsfacts"
)

func TestEveryListOfKMSComesInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.kmsOf(w.root(owner)), t.Context()
	key := w.key(owner, "")
	user, _ := w.user(owner, "retires", "")
	var keys, aliases, grants, tags []string
	keys = append(keys, key)
	for i := range 23 {
		keys = append(keys, w.key(owner, ""))
		alias, tag := fmt.Sprintf("alias/n%02d", i), fmt.Sprintf("tag%02d", i)
		need(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &key}))(t)
		need(c.TagResource(ctx, &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: &tag, TagValue: new("v")}}}))(t)
		g := w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &user.arn, RetiringPrincipal: &user.arn, Operations: decryptOnly})
		aliases, tags, grants = append(aliases, alias), append(tags, tag), append(grants, *g.GrantId)
	}
	grantID := func(g *types.GrantListEntry) *string { return g.GrantId }
	lists := map[string]struct {
		want []string
		list lister
	}{
		"ListKeys": {keys, func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListKeys(ctx, &kms.ListKeysInput{Limit: n, Marker: m}))(t)
			return names(o.Keys, func(k *types.KeyListEntry) *string { return k.KeyArn }), o.NextMarker
		}},
		"ListAliases": {aliases, func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &key, Limit: n, Marker: m}))(t)
			return names(o.Aliases, func(a *types.AliasListEntry) *string { return a.AliasName }), o.NextMarker
		}},
		"ListGrants": {grants, func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, Limit: n, Marker: m}))(t)
			return names(o.Grants, grantID), o.NextMarker
		}},
		"ListRetirableGrants": {grants, func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &user.arn, Limit: n, Marker: m}))(t)
			return names(o.Grants, grantID), o.NextMarker
		}},
		"ListResourceTags": {tags, func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &key, Limit: n, Marker: m}))(t)
			return names(o.Tags, func(tag *types.Tag) *string { return tag.TagKey }), o.NextMarker
		}},
	}
	for name, tt := range lists {
		for _, n := range []int32{1, 7, 23, 24, 50} {
			got := w.whole(tt.list, n)
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(tt.want)); !slices.Equal(got, want) {
				t.Errorf("%s by %d: got %d: %v, want %d: %v", name, n, len(got), got, len(want), want)
			}
		}
	}
	_, err := c.ListKeys(ctx, &kms.ListKeysInput{Marker: new("no marker")})
	w.ends("a marker that is none", err, "InvalidMarkerException: Could not deserialize marker 'no marker'")
	page := need(c.ListKeys(ctx, &kms.ListKeysInput{Limit: new(int32(23))}))(t)
	if !page.Truncated || page.NextMarker == nil {
		t.Errorf("a page before the last is not truncated: %+v", page)
	}
}

func TestWhoDeletesWhatAPageListsMissesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.kmsOf(w.root(owner)), t.Context()
	key := w.key(owner, "")
	user, _ := w.user(owner, "u", "")
	const all = 11
	for i := range all {
		w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, Name: new(fmt.Sprint(i)), GranteePrincipal: &user.arn, Operations: decryptOnly})
	}
	revoked := 0
	for pages := kms.NewListGrantsPaginator(c, &kms.ListGrantsInput{KeyId: &key, Limit: new(int32(2))}); pages.HasMorePages(); {
		for _, g := range need(pages.NextPage(ctx))(t).Grants {
			need(c.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: g.GrantId}))(t)
			revoked++
		}
	}
	if left := len(need(c.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key}))(t).Grants); revoked != all || left != 0 {
		t.Errorf("revoked %d, %d are left, want %d and none", revoked, left, all)
	}
}

func TestWhatAKeyMayHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c := w.kmsOf(w.root(owner))
	key := w.key(owner, "")
	limits := awsfacts.Limits()

	alias := func(i int) error {
		_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new(fmt.Sprintf("alias/n%d", i)), TargetKeyId: &key})
		return err
	}
	for i := range limits.AliasesPerKey {
		need(0, alias(i))(t)
	}
	w.ends("one alias more", alias(limits.AliasesPerKey), "LimitExceededException: The key has as many aliases as it may have.")
	need(c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: new("alias/n0")}))(t)
	w.ends("one alias less and one more", alias(limits.AliasesPerKey), "")

	tag := func(name string) error {
		_, err := c.TagResource(ctx, &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: &name, TagValue: new("v")}}})
		return err
	}
	for i := range limits.TagsPerKey {
		need(0, tag(fmt.Sprintf("n%d", i)))(t)
	}
	w.ends("one tag more", tag("more"), "TagException: Too many tags")
	w.ends("a tag that is there", tag("n0"), "")
	w.ends("a tag of AWS's own", tag("aws:x"), "TagException: Tags beginning with aws: are reserved")

	tokens := make([]string, 0, 11)
	for i := range 11 {
		name := fmt.Sprintf("g%d", i)
		g := w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, Name: &name, GranteePrincipal: new("arn:aws:iam::" + owner + ":root"), Operations: decryptOnly})
		tokens = append(tokens, *g.GrantToken)
	}
	w.ends("ten grant tokens", w.decrypt(w.root(owner), key, tokens[:10]...), "")
	w.ends("eleven grant tokens", w.decrypt(w.root(owner), key, tokens...), "failed to satisfy constraint: Member must have length less than or equal to 10")
	blob := need(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: make([]byte, limits.PlaintextBytes)}))(t).CiphertextBlob
	if n := len(need(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}))(t).Plaintext); n != limits.PlaintextBytes {
		t.Errorf("decrypted %d bytes, want %d", n, limits.PlaintextBytes)
	}
	_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: make([]byte, limits.PlaintextBytes+1)})
	w.ends("one byte more than Encrypt takes", err, "at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")
}

func TestAManagedSessionPolicyCountsInItsCurrentVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c := iam.NewFromConfig(w.root(owner))
	r := w.role(owner, "r", allow("kms:*"), "")
	key := w.key(owner, "")
	p := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("limits"), PolicyDocument: new(allow("kms:Decrypt"))}))(t).Policy.Arn
	out := need(sts.NewFromConfig(w.admin(owner)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &r.arn, RoleSessionName: new("drill"), PolicyArns: managed(*p)}))(t).Credentials
	session := w.As(home, *out.AccessKeyId, *out.SecretAccessKey, *out.SessionToken)
	w.ends("the first version allows", w.decrypt(session, key), "")
	need(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p, PolicyDocument: new(deny("kms:Decrypt")), SetAsDefault: true}))(t)
	w.ends("the second denies", w.decrypt(session, key), "with an explicit deny in a session policy: "+*p)
}
