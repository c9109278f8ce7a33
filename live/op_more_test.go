package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
)

func TestTheTextOfAPolicyIsAsItWasWritten(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	key, role := w.key(opOwner, opHome), w.role(opOwner, "restore")
	text := strings.ReplaceAll(opKeyPolicy(), ",", " ,\n  ")
	w.perform(&estate.KeyPolicy{Key: key, Document: text})
	if got := w.current(&estate.KeyPolicy{Key: key}).(*estate.KeyPolicy).Document; got != text {
		t.Errorf("the key policy is %q, want %q", got, text)
	}
	const inline = "{\"Version\":\"2012-10-17\",  \"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::a+b/50%25 of ü\"}]}"
	w.perform(&estate.InlinePolicy{Principal: role, Name: "own", Document: inline})
	if got := w.current(&estate.InlinePolicy{Principal: role, Name: "own"}).(*estate.InlinePolicy).Document; got != inline {
		t.Errorf("the inline policy is %q, want %q", got, inline)
	}
}

func TestAKeyIsMadeOnceAndFoundByItsTag(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	for range 3 {
		w.key(opOwner, opHome)
	}
	op := &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opHome, "shared"), Description: "shared data", Document: opKeyPolicy(), MultiRegion: true, Tags: map[string]string{"team": "data"}}
	made := w.perform(op)[op.ARN]
	if made == "" || estate.IsProvisional(made) {
		t.Fatalf("in place of %s there is %q", op.ARN, made)
	}
	api := kms.NewFromConfig(w.Root(opOwner, opHome))
	tags := opNeed(api.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &made}))(t).Tags
	got := map[string]string{}
	for _, tag := range tags {
		got[*tag.TagKey] = *tag.TagValue
	}
	if got["team"] != "data" || got[estate.KeyTag] != op.ARN[strings.LastIndex(op.ARN, "/")+1:] || len(got) != 2 {
		t.Errorf("the tags are %v", got)
	}
	if text := w.current(&estate.KeyPolicy{Key: made}).(*estate.KeyPolicy).Document; text != opKeyPolicy() {
		t.Errorf("the policy of the new key is %s", text)
	}
	w.cloud = w.open(nil) // a later process
	if again := w.perform(op)[op.ARN]; again != made {
		t.Errorf("a later run made %q, want %q taken over", again, made)
	}
	replica := &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opAway, "shared"), Primary: op.ARN, Document: opKeyPolicy()}
	want := strings.Replace(made, opHome, opAway, 1)
	for range 2 {
		if real := w.perform(replica)[replica.ARN]; real != want {
			t.Errorf("the replica is %q, want %q", real, want)
		}
	}
	if now := w.current(replica); !opIs(now, replica) || now.Slot().Subject != want {
		t.Errorf("the replica %s is %q", now.Slot().Subject, now.Value())
	}
}

func TestADeletedKeyIsTakenBackEnabled(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	op := &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opHome, "shared"), Document: opKeyPolicy()}
	made := w.perform(op)[op.ARN]
	w.perform(&estate.NewKey{ARN: op.ARN, Absent: true})
	m := opNeed(kms.NewFromConfig(w.Root(opOwner, opHome)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &made}))(t).KeyMetadata
	if days := m.DeletionDate.Sub(w.Now()).Hours() / 24; m.KeyState != kmstypes.KeyStatePendingDeletion || days < 29 || days > 30 {
		t.Errorf("the key is %s, to be deleted in %.1f days", m.KeyState, days)
	}
	w.cloud = w.open(nil)
	if now := w.current(op); now.Value() != "" {
		t.Errorf("a key pending deletion is %q", now.Value())
	}
	if back := w.perform(op)[op.ARN]; back != made {
		t.Errorf("another key is made, %q, in place of %q", back, made)
	}
	if now := w.current(&estate.KeyState{Key: made}); now.Value() != "Enabled" {
		t.Errorf("the key that was taken back is %s", now.Value())
	}
	disabled := &estate.KeyState{Key: made, State: "Disabled"}
	w.perform(&estate.KeyState{Key: made, State: "PendingDeletion"})
	w.perform(disabled)
	if now := w.current(disabled); now.Value() != "Disabled" {
		t.Errorf("a key that only its deletion was cancelled of is %s", now.Value())
	}
}

// keyless is a Cloud that has no way into the account of the keys.
func (w *opWorld) keyless() *live.Cloud {
	w.Helper()
	return w.open(func(_ context.Context, principal string) (live.Keys, error) {
		if principal == opOwner {
			return live.Keys{}, errors.New("there is no way into " + principal)
		}
		return live.Keys{AccessKeyID: principal, SecretAccessKey: "any"}, nil
	})
}

func TestAnIssuerEndsItsGrantsWithoutTheKeysAccount(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	key := w.key(opOwner, opHome)
	w.perform(&estate.KeyPolicy{Key: key, Document: opKeyPolicy("arn:aws:iam::" + opConsumer + ":root")})
	op := &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opConsumer, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt"}}
	w.cloud = w.keyless()
	w.perform(op)
	if now := w.current(op); !estate.SameOp(now, op) {
		t.Errorf("the grant is %q", now.Value())
	}
	// The key's policy gives no kms:RevokeGrant: the issuer retires the grant.
	w.perform(&estate.GrantTo{Key: key, Name: "for-restore", Issuer: opConsumer, Absent: true})
	if now := w.current(op); now.Value() != "" {
		t.Errorf("the grant is still %q", now.Value())
	}
}

func TestAGrantIsThroughWhenNoOtherHasItsName(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	key, role := w.key(opOwner, opHome), w.role(opConsumer, "restore")
	api := kms.NewFromConfig(w.Root(opOwner, opHome))
	for _, operation := range []kmstypes.GrantOperation{"Encrypt", "Decrypt", "DescribeKey"} {
		opNeed(api.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &key, Name: new("for-restore"), GranteePrincipal: &role, Operations: []kmstypes.GrantOperation{operation}}))(t)
	}
	op := &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt"}}
	if now := w.current(op); now.Value() == "" || estate.SameOp(now, op) {
		t.Errorf("the grant is %q, want one of the others", now.Value())
	}
	w.perform(op)
	left := opNeed(api.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(t).Grants
	if now := w.current(op); !estate.SameOp(now, op) || len(left) != 1 {
		t.Errorf("the grant is %q, of %d", now.Value(), len(left))
	}
	w.perform(&estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Absent: true})
	if left := opNeed(api.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(t).Grants; len(left) > 0 {
		t.Errorf("%d grants of the name are left", len(left))
	}
}

func TestAGrantStaysWhenTheOneInItsPlaceIsRefused(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	key, role := w.key(opOwner, opHome), w.role(opConsumer, "restore")
	op := &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt"}}
	w.perform(op)
	refused := &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role + "-who-is-not-there", Operations: []string{"Decrypt"}}
	if _, err := w.cloud.Perform(t.Context(), refused); err == nil {
		t.Fatal("a grant to nobody was made")
	}
	if now := w.current(op); !estate.SameOp(now, op) {
		t.Errorf("the grant is %q, want %q", now.Value(), op.Value())
	}
}

func TestAWSsOwnKeyIsNoDefaultKey(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	api := ec2.NewFromConfig(w.Root(opOwner, opHome))
	opNeed(api.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(opHome + "a"), Size: new(int32(1)), Encrypted: new(true)}))(t) // which makes the key
	aliases := opNeed(kms.NewFromConfig(w.Root(opOwner, opHome)).ListAliases(t.Context(), &kms.ListAliasesInput{}))(t).Aliases
	var managed string
	for _, a := range aliases {
		if *a.AliasName == "alias/aws/ebs" {
			managed = "arn:aws:kms:" + opHome + ":" + opOwner + ":key/" + aws.ToString(a.TargetKeyId)
		}
	}
	opNeed(api.ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &managed}))(t)
	if now := w.current(&estate.EBSEncryption{Account: opOwner, Region: opHome}).(*estate.EBSEncryption); now.Key != "" {
		t.Errorf("the default key is %s", now.Key)
	}
}

func TestABucketKeepsTheRestOfItsEncryption(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	key := w.key(opOwner, opHome)
	w.perform(w.setting(estate.BucketEncryption, key))
	flag := &estate.BucketSetting{Bucket: "opened-data", Account: opOwner, Region: opHome, Setting: estate.BucketKeyOn, Text: "true"}
	w.perform(flag)
	other := &estate.BucketSetting{Bucket: "opened-data", Account: opOwner, Region: opHome, Setting: estate.BucketEncryption, Text: w.key(opOwner, opHome)}
	if now := w.current(other); now.Value() != key {
		t.Errorf("with bucket keys on, the key is %q, want %q", now.Value(), key)
	}
	w.perform(other)
	if now := w.current(flag); now.Value() != "true" {
		t.Errorf("with another key, bucket keys are %q", now.Value())
	}
}

func TestAnEstatesFalseTakesASettingAway(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	w.perform(w.setting(estate.BucketKeyOn, "true"))
	for _, setting := range []string{estate.BucketKeyOn, estate.BucketPublicAccess} {
		op := &estate.BucketSetting{Bucket: "opened-data", Account: opOwner, Region: opHome, Setting: setting, Text: "false"}
		if now := w.current(op); now.Value() != "true" {
			t.Errorf("before, %s is %q", setting, now.Value())
		}
		w.perform(op)
		if now := w.current(op); now.(*estate.BucketSetting).Text != "" {
			t.Errorf("after, %s is %q", setting, now.Value())
		}
	}
}

func TestHowOpsFail(t *testing.T) {
	t.Parallel()
	const noKey = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	nobody := "arn:aws:iam::" + opConsumer + ":role/nobody"
	for _, tt := range []struct {
		name string
		op   func(w *opWorld) estate.Op
		want cloud.Kind
	}{
		{"a key policy that names a role that is not there", func(w *opWorld) estate.Op {
			return &estate.KeyPolicy{Key: w.key(opOwner, opHome), Document: opKeyPolicy(nobody)}
		}, cloud.UnknownPrincipal},
		{"a grant to a role that is not there", func(w *opWorld) estate.Op {
			return &estate.GrantTo{Key: w.key(opOwner, opHome), Name: "n", Issuer: opOwner, Grantee: nobody, Operations: []string{"Decrypt"}}
		}, cloud.UnknownPrincipal},
		{"a role that trusts a role that is not there", func(*opWorld) estate.Op {
			return &estate.NewRole{ARN: "arn:aws:iam::" + opOwner + ":role/restore", Trust: strings.Replace(opTrust(opConsumer), "arn:aws:iam::"+opConsumer+":root", nobody, 1)}
		}, cloud.UnknownPrincipal},
		{"a bucket policy that names a role that is not there", func(w *opWorld) estate.Op {
			return w.setting(estate.BucketPolicy, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+nobody+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::opened-data/*"}]}`)
		}, cloud.UnknownPrincipal},
		{"a policy that is none", func(w *opWorld) estate.Op { return &estate.KeyPolicy{Key: w.key(opOwner, opHome), Document: "{"} }, cloud.Invalid},
		{"the policy of a key that is gone", func(*opWorld) estate.Op { return &estate.KeyPolicy{Key: noKey, Document: opKeyPolicy()} }, cloud.NotFound},
		{"the state of a key that is gone", func(*opWorld) estate.Op { return &estate.KeyState{Key: noKey, State: "Enabled"} }, cloud.NotFound},
		{"a grant on a key that is gone", func(*opWorld) estate.Op {
			return &estate.GrantTo{Key: noKey, Name: "n", Issuer: opConsumer, Grantee: nobody, Operations: []string{"Decrypt"}}
		}, cloud.NotFound},
		{"an inline policy of a role that is gone", func(*opWorld) estate.Op { return &estate.InlinePolicy{Principal: nobody, Name: "n"} }, cloud.NotFound},
		{"a setting of a bucket that is gone", func(*opWorld) estate.Op {
			return &estate.BucketSetting{Bucket: "nowhere-data", Account: opOwner, Region: opHome, Setting: estate.BucketPolicy}
		}, cloud.NotFound},
		{"a setting that buckets do not have", func(w *opWorld) estate.Op { return w.setting("colour", "red") }, cloud.Invalid},
		// AWS Backup does not tell a vault that is not there from one that is not to be seen.
		{"the policy of a vault that is gone", func(*opWorld) estate.Op {
			return &estate.VaultPolicy{Vault: "nowhere", Account: opOwner, Region: opHome}
		}, cloud.Denied},
		{"a template that is gone", func(w *opWorld) estate.Op {
			w.template()
			return &estate.ReplicationEncryption{Type: "drs:ReplicationConfigurationTemplate", ID: "rct-0123456789abcdef0", Account: opOwner, Region: opHome}
		}, cloud.NotFound},
		{"a snapshot that is gone", func(*opWorld) estate.Op {
			return &estate.Share{Type: "ec2:Snapshot", ID: "snap-0123456789abcdef0", Account: opOwner, Region: opHome, With: opConsumer}
		}, cloud.NotFound},
		{"a snapshot of a database that is gone", func(*opWorld) estate.Op {
			return &estate.Share{Type: "rds:DBSnapshot", ID: "nowhere", Account: opOwner, Region: opHome, With: opConsumer}
		}, cloud.NotFound},
		{"sharing what cannot be shared", func(*opWorld) estate.Op {
			return &estate.Share{Type: "ec2:Volume", ID: "vol-0123456789abcdef0", Account: opOwner, Region: opHome, With: opConsumer}
		}, cloud.Invalid},
		{"the rotation of a key pending deletion", func(w *opWorld) estate.Op {
			key := w.key(opOwner, opHome)
			w.perform(&estate.NewKey{ARN: key, Absent: true})
			return &estate.Rotation{Key: key, On: true}
		}, cloud.State},
		{"another key with the ARN of one that is gone", func(*opWorld) estate.Op { return &estate.NewKey{ARN: noKey, Document: opKeyPolicy()} }, cloud.Invalid},
		{"a replica of a primary that is gone", func(*opWorld) estate.Op {
			return &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opAway, "x"), Primary: estate.ProvisionalKey(opOwner, opHome, "x")}
		}, cloud.NotFound},
		{"a service-linked role that its service needs", func(w *opWorld) estate.Op {
			w.key(opOwner, opHome) // a multi-Region one
			return &estate.LinkedRole{ARN: "arn:aws:iam::" + opOwner + ":role/aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys", Service: "mrk.kms.amazonaws.com", Absent: true}
		}, cloud.State},
		{"a state that nobody can bring about", func(w *opWorld) estate.Op {
			return &estate.KeyState{Key: w.key(opOwner, opHome), State: "Unavailable"}
		}, cloud.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOpWorld(t, sandbox.Options{})
			op := tt.op(w)
			_, err := w.cloud.Perform(t.Context(), op)
			if _, err2 := w.cloud.Current(t.Context(), op); err == nil { // what only writing finds passes reading
				err = err2
			}
			var e *cloud.Error
			if !errors.As(err, &e) || e.Kind != tt.want || e.Operation == "" {
				t.Errorf("it fails with %q: %v, want kind %q", cloud.KindOf(err), err, tt.want)
			}
		})
	}
}

func TestADeniedOpSaysSo(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	key, bucket := w.key(opOwner, opHome), w.bucket("opened-data")
	w.objectIn(bucket)
	api := iam.NewFromConfig(w.Root(opOwner, opHome))
	opNeed(api.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("weak")}))(t)
	k := opNeed(api.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: new("weak")}))(t).AccessKey
	weak := w.open(func(context.Context, string) (live.Keys, error) {
		return live.Keys{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey}, nil
	})
	for _, op := range []estate.Op{
		&estate.KeyPolicy{Key: key, Document: opKeyPolicy()}, &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opHome, "x")},
		&estate.GrantTo{Key: key, Name: "n", Issuer: opOwner, Absent: true}, &estate.Alias{Name: "alias/x", Account: opOwner, Region: opHome, Key: key},
		&estate.InlinePolicy{Principal: *k.UserName, Name: "n"}, &estate.NewBucket{Bucket: bucket, Account: opOwner, Region: opHome, Absent: true},
		&estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: true}, &estate.Share{Type: "ec2:Snapshot", ID: "snap-0123456789abcdef0", Account: opOwner, Region: opHome, With: opConsumer},
	} {
		if p, ok := op.(*estate.InlinePolicy); ok {
			p.Principal = "arn:aws:iam::" + opOwner + ":user/weak"
		}
		_, err := weak.Current(t.Context(), op)
		_, err2 := weak.Perform(t.Context(), op)
		for _, err := range []error{err, err2} {
			var e *cloud.Error
			if !errors.As(err, &e) || e.Kind != cloud.Denied || e.Account != opOwner {
				t.Errorf("%s fails with %q: %v", op.Slot(), cloud.KindOf(err), err)
			}
		}
	}
	if _, err := w.cloud.Perform(t.Context(), &estate.NewBucket{Bucket: bucket, Account: opOwner, Region: opHome, Absent: true}); err == nil {
		t.Error("a bucket with an object is deleted")
	}
}

func TestARoleOfTheNameUnderAnotherPathIsAnotherRole(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	plain := w.role(opOwner, "restore")
	op := &estate.NewRole{ARN: strings.Replace(plain, "role/", "role/rescue/", 1), Trust: opTrust(opOwner)}
	if now := w.current(op); now.Value() != "" {
		t.Errorf("%s counts as %s", plain, op.ARN)
	}
	if _, err := w.cloud.Perform(t.Context(), op); cloud.KindOf(err) != cloud.Exists {
		t.Errorf("a second role of the name: %v", err)
	}
	w.perform(&estate.NewRole{ARN: op.ARN, Absent: true})
	if now := w.current(&estate.NewRole{ARN: plain}); now.Value() == "" {
		t.Errorf("%s is deleted in the place of %s", plain, op.ARN)
	}
}

func TestAllPagesAreRead(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{Seed: 1})
	key, role := w.key(opOwner, opHome), w.role(opOwner, "restore")
	const many = 205 // two pages and a little
	var named []string
	for range many/50 + 1 { // a key has at most 50 aliases
		named = append(named, w.key(opOwner, opHome))
	}
	for i := range many {
		name := fmt.Sprintf("n%03d", i)
		w.perform(&estate.Alias{Name: "alias/" + name, Account: opOwner, Region: opHome, Key: named[i/50]})
		api := kms.NewFromConfig(w.Root(opOwner, opHome))
		opNeed(api.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &key, Name: &name, GranteePrincipal: &role, Operations: []kmstypes.GrantOperation{"Decrypt"}}))(t)
	}
	for i := range many {
		name := fmt.Sprintf("n%03d", i)
		for _, op := range []estate.Op{
			&estate.Alias{Name: "alias/" + name, Account: opOwner, Region: opHome, Key: named[i/50]},
			&estate.GrantTo{Key: key, Name: name, Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt"}},
		} {
			if now := w.current(op); !estate.SameOp(now, op) {
				t.Fatalf("%s is %q, want %q", op.Slot(), now.Value(), op.Value())
			}
		}
	}
}

// late is an AWS whose KMS does not see a key at once that it has just made.
type late struct {
	http.Handler
	hide atomic.Int32
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(target, ".CreateKey"):
		l.hide.Store(2)
	case strings.HasSuffix(target, ".DescribeKey") && l.hide.Add(-1) >= 0:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"NotFoundException","message":"Key does not exist"}`) // the client sees when it is cut off
		return
	}
	l.Handler.ServeHTTP(w, r)
}

func TestAKeyThatIsNotSeenYetIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	web := httptest.NewServer(&late{Handler: w.Sandbox})
	t.Cleanup(web.Close)
	w.cloud = live.Open(live.Options{Endpoint: web.URL, Region: opHome, MaxAttempts: 1, SignIn: func(_ context.Context, principal string) (live.Keys, error) {
		return live.Keys{AccessKeyID: principal, SecretAccessKey: "any"}, nil
	}})
	op := &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opHome, "shared"), Document: opKeyPolicy()}
	made := w.perform(op)[op.ARN]
	if _, err := w.cloud.Current(t.Context(), op); !cloud.Passes(err) {
		t.Errorf("a key that is not seen yet: %v", err)
	}
	if _, err := w.cloud.Perform(t.Context(), op); !cloud.Passes(err) {
		t.Errorf("making it once more: %v", err)
	}
	if again := w.perform(op)[op.ARN]; again != made {
		t.Errorf("%q is made beside %q", again, made)
	}
	if keys := opNeed(kms.NewFromConfig(w.Root(opOwner, opHome)).ListKeys(t.Context(), &kms.ListKeysInput{}))(t).Keys; len(keys) != 1 {
		t.Errorf("there are %d keys", len(keys))
	}
}
