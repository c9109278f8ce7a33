package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	record "github.com/keyreach/keyreach/sandbox/cloudtrail"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// events are the records that an account finds, the latest first.
func events(t *testing.T, s *sandboxtest.Server, account string, key types.LookupAttributeKey, value string) []record.Record {
	t.Helper()
	c := cloudtrail.NewFromConfig(s.Root(account, region))
	in := &cloudtrail.LookupEventsInput{MaxResults: new(int32(2))}
	if value != "" {
		in.LookupAttributes = []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
	}
	var list []record.Record
	for pages := cloudtrail.NewLookupEventsPaginator(c, in); pages.HasMorePages(); {
		for _, e := range need(pages.NextPage(t.Context()))(t).Events {
			var r record.Record
			if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &r); err != nil {
				t.Fatal(err)
			}
			if r.EventID != *e.EventId {
				t.Errorf("the record has event id %s, the event %s", r.EventID, *e.EventId)
			}
			list = append(list, r)
		}
	}
	return list
}

func TestEveryCallIsRecordedWithoutPlaintexts(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c := kms.NewFromConfig(s.Root(management, region))
	key := *need(c.CreateKey(t.Context(), &kms.CreateKeyInput{Description: new("of the test")}))(t).KeyMetadata.Arn
	need(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("hush"), EncryptionContext: map[string]string{"a": "b"}}))(t)
	_, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/none")})
	refused(t, err, "NotFoundException", "alias/none")

	list := events(t, s, management, types.LookupAttributeKeyEventSource, "kms.amazonaws.com")
	if len(list) != 3 {
		t.Fatalf("%d events, want 3: %+v", len(list), list)
	}
	described, encrypted, created := list[0], list[1], list[2]
	if described.ErrorCode != "NotFoundException" || !strings.Contains(described.ErrorMessage, "alias/none") || !described.ReadOnly {
		t.Errorf("DescribeKey: %+v", described)
	}
	params := fmt.Sprint(encrypted.RequestParameters)
	if encrypted.ResponseElements != nil || !strings.Contains(params, "encryptionContext:map[a:b]") || strings.Contains(params, "laintext") {
		t.Errorf("Encrypt: %+v", encrypted)
	}
	if created.ReadOnly || !strings.Contains(fmt.Sprint(created.ResponseElements), key) || !strings.Contains(fmt.Sprint(created.RequestParameters), "of the test") {
		t.Errorf("CreateKey: %+v", created)
	}
	if u := created.UserIdentity; u.Type != "Root" || u.AccountID != management || u.ARN != "arn:aws:iam::"+management+":root" {
		t.Errorf("identity: %+v", u)
	}
	if len(events(t, s, management, types.LookupAttributeKeyResourceName, key)) != 2 {
		t.Error("the key is not found as a resource of two events")
	}
	if other := events(t, s, stranger, types.LookupAttributeKeyEventSource, "kms.amazonaws.com"); len(other) != 0 {
		t.Errorf("another account sees %+v", other)
	}
}

func TestUseOfAKeyOfAnotherAccountIsToldToBoth(t *testing.T) {
	t.Parallel()
	f := &founded{Server: sandboxtest.Start(t, sandbox.Options{})}
	key := f.key(t, member)
	refused(t, f.encrypt(t, management, key), "AccessDeniedException", "")
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + member + `","` + management + `"]},"Action":"kms:*","Resource":"*"}]}`
	need(kms.NewFromConfig(f.Root(member, region)).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &open}))(t)
	if err := f.encrypt(t, management, key); err != nil {
		t.Fatal(err)
	}
	callers := events(t, f.Server, management, types.LookupAttributeKeyEventName, "Encrypt")
	owners := events(t, f.Server, member, types.LookupAttributeKeyEventName, "Encrypt")
	if len(callers) != 2 || len(owners) != 1 {
		t.Fatalf("%d events for the caller, %d for the owner; want 2 and 1", len(callers), len(owners))
	}
	if callers[1].ErrorCode != "AccessDenied" {
		t.Errorf("the refusal: %+v", callers[1])
	}
	mine, theirs := callers[0], owners[0]
	if mine.SharedEventID == "" || mine.SharedEventID != theirs.SharedEventID || mine.EventID == theirs.EventID {
		t.Errorf("shared %q and %q, own %q and %q", mine.SharedEventID, theirs.SharedEventID, mine.EventID, theirs.EventID)
	}
	if u := theirs.UserIdentity; u.Type != "AWSAccount" || u.AccountID != management || u.ARN != "" {
		t.Errorf("the owner sees %+v", u)
	}
}

func TestSecretsOfAccessKeysAreNotRecorded(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c := iam.NewFromConfig(s.Root(management, region))
	need(c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")}))(t)
	key := need(c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: new("u")}))(t).AccessKey
	list := events(t, s, management, types.LookupAttributeKeyEventName, "CreateAccessKey")
	if len(list) != 1 {
		t.Fatalf("%d events", len(list))
	}
	if shown := fmt.Sprint(list[0].ResponseElements); strings.Contains(shown, *key.SecretAccessKey) || !strings.Contains(shown, *key.AccessKeyId) {
		t.Error(shown)
	}
}

// IAM's refusals are recorded under the names of the model, and those outside it as
// they are.
func TestRefusalsOfIAMAreRecordedAsExceptions(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	root := iam.NewFromConfig(s.Root(management, region))
	user := need(root.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")}))(t).User.UserName
	need(root.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: user, PolicyName: new("p"), PolicyDocument: new(allow("sts:*"))}))(t)
	key := need(root.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: user}))(t).AccessKey
	own := s.Root(management, region)
	own.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKeyId, *key.SecretAccessKey, "")
	guest := sts.NewFromConfig(own)
	nobody := iam.NewFromConfig(own)
	for _, x := range []struct {
		what, wire, recorded string
		do                   func() error
	}{
		{"DeleteGroup", "NoSuchEntity", "NoSuchEntityException", func() error {
			_, err := root.DeleteGroup(t.Context(), &iam.DeleteGroupInput{GroupName: new("none")})
			return err
		}},
		{"CreateUser", "EntityAlreadyExists", "EntityAlreadyExistsException", func() error {
			_, err := root.CreateUser(t.Context(), &iam.CreateUserInput{UserName: user})
			return err
		}},
		{"DeleteUser", "DeleteConflict", "DeleteConflictException", func() error {
			_, err := root.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: user})
			return err
		}},
		{"CreatePolicy", "MalformedPolicyDocument", "MalformedPolicyDocumentException", func() error {
			_, err := root.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: new("{}")})
			return err
		}},
		{"GetFederationToken", "MalformedPolicyDocument", "MalformedPolicyDocumentException", func() error {
			_, err := guest.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("guest"), Policy: new("{}")})
			return err
		}},
		{"ListUsers", "AccessDenied", "AccessDenied", func() error {
			_, err := nobody.ListUsers(t.Context(), &iam.ListUsersInput{})
			return err
		}},
		{"ListRoles", "ValidationError", "ValidationError", func() error {
			_, err := root.ListRoles(t.Context(), &iam.ListRolesInput{Marker: new("none")})
			return err
		}},
	} {
		refused(t, x.do(), x.wire, "")
		if list := events(t, s, management, types.LookupAttributeKeyEventName, x.what); list[0].ErrorCode != x.recorded {
			t.Errorf("%s is recorded as %s, want %s", x.what, list[0].ErrorCode, x.recorded)
		}
	}
}

// recorded is what a record of KMS has: request, response and what is told besides; an empty
// text stands for any.
type recorded struct{ what, request, response, additional string }

// check holds the latest records against what they should have.
func (x recorded) check(t *testing.T, s *sandboxtest.Server) {
	t.Helper()
	r := events(t, s, management, types.LookupAttributeKeyEventName, x.what)[0]
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"asked", r.RequestParameters, x.request}, {"answered", r.ResponseElements, x.response}, {"has besides", r.AdditionalEventData, x.additional},
	} {
		if got := fmt.Sprint(part.got); part.want != "" && got != part.want {
			t.Errorf("%s %s %s, want %s", x.what, part.name, got, part.want)
		}
	}
	for _, about := range r.Resources {
		if about.Type != "AWS::KMS::Key" {
			t.Errorf("%s was about %+v", x.what, about)
		}
	}
}

// The pages of AWS are https://docs.aws.amazon.com/kms/latest/developerguide/ct-encrypt.html
// and those beside it.
func TestUsesOfAKeyAreRecordedAsOnAWS(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c, ctx := kms.NewFromConfig(s.Root(management, region)), t.Context()
	m := need(c.CreateKey(ctx, &kms.CreateKeyInput{}))(t).KeyMetadata
	key, id, material := m.KeyId, *m.KeyId, *m.CurrentKeyMaterialId
	blob := need(c.Encrypt(ctx, &kms.EncryptInput{KeyId: key, Plaintext: []byte("hush")}))(t).CiphertextBlob
	need(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}))(t)
	need(c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: key}))(t)
	need(c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: key, KeySpec: kmstypes.DataKeySpecAes256}))(t)
	used := "map[keyMaterialId:" + material + "]"
	for _, x := range []recorded{
		{"CreateKey", "map[bypassPolicyLockoutSafetyCheck:false customerMasterKeySpec:SYMMETRIC_DEFAULT description: keySpec:SYMMETRIC_DEFAULT keyUsage:ENCRYPT_DECRYPT origin:AWS_KMS]", "", "map[]"},
		{"Encrypt", "map[encryptionAlgorithm:SYMMETRIC_DEFAULT keyId:" + id + "]", "<nil>", used},
		{"Decrypt", "map[encryptionAlgorithm:SYMMETRIC_DEFAULT]", "<nil>", used},
		{"ReEncrypt", "map[destinationEncryptionAlgorithm:SYMMETRIC_DEFAULT destinationKeyId:" + id + " sourceEncryptionAlgorithm:SYMMETRIC_DEFAULT]", "<nil>", "map[destinationKeyMaterialId:" + material + " sourceKeyMaterialId:" + material + "]"},
		{"GenerateDataKey", "map[keyId:" + id + " keySpec:AES_256]", "<nil>", used},
	} {
		x.check(t, s)
	}
	signing := need(c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: kmstypes.KeySpecEccNistP256, KeyUsage: kmstypes.KeyUsageTypeSignVerify}))(t).KeyMetadata
	recorded{"CreateKey", "map[bypassPolicyLockoutSafetyCheck:false customerMasterKeySpec:ECC_NIST_P256 description: keySpec:ECC_NIST_P256 keyUsage:SIGN_VERIFY origin:AWS_KMS]", "", ""}.check(t, s)
	_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: signing.KeyId, Plaintext: []byte("hush")})
	refused(t, err, "InvalidKeyUsageException", "")
	recorded{"Encrypt", "map[encryptionAlgorithm:SYMMETRIC_DEFAULT keyId:" + *signing.KeyId + "]", "<nil>", "map[]"}.check(t, s)
}

func TestChangesOfAKeyAreRecordedAsOnAWS(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c, ctx := kms.NewFromConfig(s.Root(management, region)), t.Context()
	m := need(c.CreateKey(ctx, &kms.CreateKeyInput{}))(t).KeyMetadata
	key, alias := m.KeyId, new("alias/a")
	need(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: alias, TargetKeyId: key}))(t)
	need(c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: alias, TargetKeyId: key}))(t)
	need(c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: alias}))(t)
	need(c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key}))(t)
	need(c.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: key}))(t)
	need(c.TagResource(ctx, &kms.TagResourceInput{KeyId: key, Tags: []kmstypes.Tag{{TagKey: new("a"), TagValue: new("b")}}}))(t)
	need(c.UntagResource(ctx, &kms.UntagResourceInput{KeyId: key, TagKeys: []string{"a"}}))(t)
	need(c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key, Policy: new(document(`{"Effect":"Allow","Principal":{"AWS":"` + management + `"},"Action":"kms:*","Resource":"*"}`))}))(t)
	grant := need(c.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key, GranteePrincipal: new("arn:aws:iam::" + management + ":root"), Operations: []kmstypes.GrantOperation{"RetireGrant"}}))(t)
	need(c.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: grant.GrantToken}))(t)
	need(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key}))(t)
	need(c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: key}))(t)

	id, full := *m.KeyId, *m.Arn
	itsKey := "map[keyId:" + full + "]"
	for _, x := range []recorded{
		{"CreateAlias", "map[aliasName:alias/a targetKeyId:" + id + "]", itsKey, "map[]"},
		{"UpdateAlias", "map[aliasName:alias/a targetKeyId:" + id + "]", itsKey, "map[]"},
		{"DeleteAlias", "map[aliasName:alias/a]", itsKey, "map[]"},
		{"EnableKeyRotation", "map[keyId:" + id + "]", itsKey, "map[]"},
		{"DisableKeyRotation", "map[keyId:" + id + "]", "<nil>", "map[]"},
		{"TagResource", "", "<nil>", "map[]"},
		{"UntagResource", "map[keyId:" + id + " tagKeys:[a]]", itsKey, "map[]"},
		{"PutKeyPolicy", "", "<nil>", "map[]"},
		{"CreateGrant", "", "map[grantId:" + *grant.GrantId + " keyId:" + full + "]", "map[]"},
		{"RetireGrant", "<nil>", "<nil>", "map[grantId:" + *grant.GrantId + "]"},
		{"DisableKey", "map[keyId:" + id + "]", itsKey, "map[]"},
		{"EnableKey", "map[keyId:" + id + "]", itsKey, "map[]"},
	} {
		x.check(t, s)
	}
}

func TestATrailLogsFromStartLoggingOn(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c := cloudtrail.NewFromConfig(s.Root(management, region))
	name := new("events")
	need(c.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: name, S3BucketName: new("bucket")}))(t)
	logging := func() bool {
		return *need(c.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: name}))(t).IsLogging
	}
	if logging() {
		t.Error("it logs before it was started")
	}
	need(c.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: name}))(t)
	if !logging() {
		t.Error("it does not log")
	}
	need(c.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: name}))(t)
	if logging() {
		t.Error("it logs after it was stopped")
	}
	_, err := c.GetTrail(t.Context(), &cloudtrail.GetTrailInput{Name: new("none")})
	refused(t, err, "TrailNotFoundException", "Unknown trail")
}

func TestTheHistoryIsBounded(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{History: 5})
	c := kms.NewFromConfig(s.Root(management, region))
	for range 12 {
		need(c.ListKeys(t.Context(), &kms.ListKeysInput{}))(t)
	}
	if n := len(events(t, s, management, types.LookupAttributeKeyEventName, "ListKeys")); n > 5 || n < 2 {
		t.Errorf("%d events of a history of 5", n)
	}
}

func TestATrailKeepsItsEventSelectors(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c := cloudtrail.NewFromConfig(s.Root(management, region))
	name := new("events")
	trail := *need(c.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: name, S3BucketName: new("bucket"), IsMultiRegionTrail: new(true)}))(t).TrailARN
	custom := func() bool {
		return *need(c.GetTrail(t.Context(), &cloudtrail.GetTrailInput{Name: name}))(t).Trail.HasCustomEventSelectors
	}
	get := func() *cloudtrail.GetEventSelectorsOutput {
		return need(c.GetEventSelectors(t.Context(), &cloudtrail.GetEventSelectorsInput{TrailName: &trail}))(t)
	}
	put := func(c *cloudtrail.Client, basic []types.EventSelector, advanced []types.AdvancedEventSelector) error {
		_, err := c.PutEventSelectors(t.Context(), &cloudtrail.PutEventSelectorsInput{TrailName: &trail, EventSelectors: basic, AdvancedEventSelectors: advanced})
		return err
	}
	fresh := get()
	if len(fresh.EventSelectors) != 1 || fresh.EventSelectors[0].ReadWriteType != types.ReadWriteTypeAll || !*fresh.EventSelectors[0].IncludeManagementEvents || *fresh.TrailARN != trail || custom() {
		t.Errorf("a new trail has %+v", fresh)
	}
	basic := []types.EventSelector{{ReadWriteType: types.ReadWriteTypeWriteOnly, ExcludeManagementEventSources: []string{"kms.amazonaws.com"}}}
	advanced := []types.AdvancedEventSelector{{FieldSelectors: []types.AdvancedFieldSelector{{Field: new("eventCategory"), Equals: []string{"Management"}}}}}
	refused(t, put(c, nil, nil), "InvalidEventSelectorsException", "exactly one")
	refused(t, put(c, basic, advanced), "InvalidEventSelectorsException", "exactly one")
	refused(t, put(c, make([]types.EventSelector, 6), nil), "InvalidEventSelectorsException", "at most 5")
	refused(t, put(cloudtrail.NewFromConfig(s.Root(management, "eu-west-1")), basic, nil), "InvalidHomeRegionException", "us-east-1")
	if err := put(c, basic, nil); err != nil {
		t.Fatal(err)
	}
	if got := get(); len(got.EventSelectors) != 1 || got.EventSelectors[0].ReadWriteType != types.ReadWriteTypeWriteOnly || got.EventSelectors[0].ExcludeManagementEventSources[0] != "kms.amazonaws.com" || !custom() {
		t.Errorf("it has %+v", got)
	}
	if err := put(c, nil, advanced); err != nil {
		t.Fatal(err)
	}
	if got := get(); len(got.EventSelectors) != 0 || len(got.AdvancedEventSelectors) != 1 || *got.AdvancedEventSelectors[0].FieldSelectors[0].Field != "eventCategory" {
		t.Errorf("it then has %+v", got)
	}
	_, err := c.GetInsightSelectors(t.Context(), &cloudtrail.GetInsightSelectorsInput{TrailName: name})
	refused(t, err, "InsightNotEnabledException", trail)
	_, err = c.GetEventSelectors(t.Context(), &cloudtrail.GetEventSelectorsInput{TrailName: new("none")})
	refused(t, err, "TrailNotFoundException", "Unknown trail")
}

func TestATrailHasTags(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c := cloudtrail.NewFromConfig(s.Root(management, region))
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	trail := need(c.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: new("events"), S3BucketName: new("bucket"), TagsList: []types.Tag{tag("a", "1"), tag("b", "2")}}))(t).TrailARN
	other := need(c.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: new("others"), S3BucketName: new("bucket")}))(t).TrailARN
	tags := func() string {
		var got []string
		for _, r := range need(c.ListTags(t.Context(), &cloudtrail.ListTagsInput{ResourceIdList: []string{*trail, *other}}))(t).ResourceTagList {
			got = append(got, (*r.ResourceId)[strings.LastIndexByte(*r.ResourceId, '/')+1:])
			for _, x := range r.TagsList {
				got = append(got, *x.Key+"="+*x.Value)
			}
		}
		return strings.Join(got, " ")
	}
	add := func(list ...types.Tag) error {
		_, err := c.AddTags(t.Context(), &cloudtrail.AddTagsInput{ResourceId: trail, TagsList: list})
		return err
	}
	remove := func(list ...types.Tag) error {
		_, err := c.RemoveTags(t.Context(), &cloudtrail.RemoveTagsInput{ResourceId: trail, TagsList: list})
		return err
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, tag(fmt.Sprint("k", i), "v"))
	}
	for _, x := range []struct {
		what string
		do   func() error
		code string
		want string
	}{
		{"nothing yet", func() error { return nil }, "", "events a=1 b=2 others"},
		{"one new, one changed", func() error { return add(tag("b", "3"), tag("c", "4")) }, "", "events a=1 b=3 c=4 others"},
		{"a key twice", func() error { return add(tag("d", "1"), tag("d", "2")) }, "InvalidTagParameterException", "events a=1 b=3 c=4 others"},
		{"too many", func() error { return add(many...) }, "TagsLimitExceededException", "events a=1 b=3 c=4 others"},
		{"one less, by its key", func() error { return remove(types.Tag{Key: new("a")}) }, "", "events b=3 c=4 others"},
		{"another value is another tag", func() error { return remove(tag("b", "2")) }, "", "events b=3 c=4 others"},
		{"its own value", func() error { return remove(tag("b", "3")) }, "", "events c=4 others"},
	} {
		if err := x.do(); err != nil || x.code != "" {
			refused(t, err, x.code, "")
		}
		if got := tags(); got != x.want {
			t.Errorf("%s: %s, want %s", x.what, got, x.want)
		}
	}
	_, err := c.ListTags(t.Context(), &cloudtrail.ListTagsInput{ResourceIdList: []string{*trail + "x"}})
	refused(t, err, "ResourceNotFoundException", "")
	_, err = cloudtrail.NewFromConfig(s.Root(stranger, region)).ListTags(t.Context(), &cloudtrail.ListTagsInput{ResourceIdList: []string{*trail}})
	refused(t, err, "AccessDeniedException", "")
}
