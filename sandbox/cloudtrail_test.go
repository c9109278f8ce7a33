package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

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
