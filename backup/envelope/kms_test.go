package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

// kmsCase is one way in which KMS, or the file, is not as it should be.
type kmsCase struct {
	name  string
	keys  []string // that the file is under
	setup func(k *fakeKMS)
	allow envelope.AllowList
	// expect overrides the context that is expected.
	expect envelope.Context
	// class is what opening fails with; opened is that it does not.
	class  envelope.Class
	opened bool
	kind   cloud.Kind // of the call's error, where there is no class
	text   []string   // what the error says
	calls  []string   // the keys that are called; nil is not looked at
}

var openCases = []kmsCase{
	{name: "access is denied", setup: fails(keyOne, cloud.Denied, "AccessDeniedException"), class: envelope.Denied, text: []string{keyOne, "AccessDeniedException"}},
	{
		name: "the key is disabled", class: envelope.NoKey, text: []string{keyOne, "Disabled"},
		setup: func(k *fakeKMS) {
			fails(keyOne, cloud.State, "DisabledException")(k)
			k.states[keyOne] = envelope.Key{ARN: keyOne, State: "Disabled"}
		},
	},
	{
		name: "the key waits for its deletion", class: envelope.NoKey, text: []string{"PendingDeletion", "2027-01-02"},
		setup: func(k *fakeKMS) {
			fails(keyOne, cloud.State, "KMSInvalidStateException")(k)
			k.states[keyOne] = pending(keyOne)
		},
	},
	{name: "the key is not there", setup: fails(keyOne, cloud.NotFound, "NotFoundException"), class: envelope.NoKey, text: []string{"NotFoundException"}},
	{name: "KMS is busy", setup: fails(keyOne, cloud.Throttled, "ThrottlingException"), kind: cloud.Throttled},
	{name: "KMS has a failure of its own", setup: fails(keyOne, cloud.Unavailable, "KMSInternalException"), kind: cloud.Unavailable},
	{name: "no answer comes", setup: fails(keyOne, cloud.Lost, "context deadline exceeded"), kind: cloud.Lost},
	{
		name: "the context is of another backup", expect: envelope.NewContext("files", "etc", "another"),
		class: envelope.NoKey, text: []string{"backup-id", "20261125-1", "another"}, calls: []string{},
	},
	{
		name: "the key of another Region only is allowed", allow: allowed(strings.Replace(keyOne, "eu-central-1", "us-east-1", 1)),
		class: envelope.NoKey, text: []string{keyOne, "not among"}, calls: []string{},
	},
	{name: "a replica is allowed", keys: []string{keyMulti}, allow: allowed(replica), opened: true, calls: []string{replica}},
	{
		name: "the alias points to another key by now", keys: []string{keyAlias}, opened: true, calls: []string{keyOne},
		setup: func(k *fakeKMS) { k.aliases[keyAlias] = keyTwo },
	},
	{
		name: "the first key is denied and the second opens", keys: []string{keyOne, keyTwo}, opened: true,
		setup: fails(keyOne, cloud.Denied, "AccessDeniedException"), calls: []string{keyOne, keyTwo},
	},
	{
		name: "the file names a key of somebody else", keys: []string{keyTwo}, allow: envelope.AllowList{Accounts: []string{account}},
		class: envelope.NoKey, text: []string{keyTwo, "not called"}, calls: []string{},
	},
	{name: "KMS does not know the ciphertext", setup: fails(keyOne, cloud.Invalid, "InvalidCiphertextException"), class: envelope.Corrupt},
	{name: "the key is for signatures", setup: fails(keyOne, cloud.Invalid, "InvalidKeyUsageException"), class: envelope.NoKey},
	{name: "the credentials have expired", setup: fails(keyOne, cloud.Expired, "ExpiredTokenException"), kind: cloud.Expired},
	{
		name: "one key is denied and one is busy", keys: []string{keyTwo, keyOne}, class: envelope.Denied, text: []string{keyOne, keyTwo},
		setup: func(k *fakeKMS) {
			fails(keyOne, cloud.Denied, "AccessDeniedException")(k)
			fails(keyTwo, cloud.Throttled, "ThrottlingException")(k)
		},
	},
	{
		name: "one key is not there and one is busy", keys: []string{keyOne, keyTwo}, kind: cloud.Throttled,
		setup: func(k *fakeKMS) {
			fails(keyOne, cloud.NotFound, "NotFoundException")(k)
			fails(keyTwo, cloud.Throttled, "ThrottlingException")(k)
		},
	},
	{
		name: "one key is not allowed and one is busy", keys: []string{keyTwo, keyOne}, kind: cloud.Throttled, allow: allowed(keyOne),
		setup: fails(keyOne, cloud.Throttled, "ThrottlingException"), text: []string{keyTwo},
	},
	{
		name: "one key is busy and one is denied", keys: []string{keyTwo, keyOne}, class: envelope.Denied, kind: cloud.Denied,
		setup: func(k *fakeKMS) {
			fails(keyOne, cloud.Denied, "AccessDeniedException")(k)
			fails(keyTwo, cloud.Throttled, "ThrottlingException")(k)
		},
	},
	{
		name: "a key of the account fails and its replica opens", keys: []string{keyMulti}, opened: true,
		allow: envelope.AllowList{Accounts: []string{account}, Regions: []string{"us-east-1"}},
		setup: fails(keyMulti, cloud.Unavailable, "KMSInternalException"), calls: []string{keyMulti, replica},
	},
}

func fails(key string, kind cloud.Kind, code string) func(*fakeKMS) {
	return func(k *fakeKMS) { k.fail["Decrypt "+key] = failure(kind, code, "") }
}

func TestOpeningTellsWhatEachKeySaid(t *testing.T) {
	t.Parallel()
	for _, c := range openCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.open(t)
		})
	}
}

func (c kmsCase) open(t *testing.T) {
	k := newFakeKMS()
	if c.keys == nil {
		c.keys = []string{keyOne}
	}
	if c.allow.Empty() {
		c.allow = allowed(keyOne, keyTwo, keyMulti)
	}
	if c.expect == nil {
		c.expect = backupContext
	}
	plain := content(100)
	file := encrypt(t, plain, kmsRecipient(k, c.keys...))
	if c.setup != nil {
		c.setup(k)
	}
	got, err := decrypt(file, archived, envelope.NewKMSIdentity(context.Background(), k, c.allow, c.expect))
	if c.opened != (err == nil) || c.opened && !bytes.Equal(got, plain) {
		t.Fatalf("opened %v, want %v: %v", err == nil, c.opened, err)
	}
	if calls := k.called("Decrypt"); c.calls != nil && !slices.Equal(calls, c.calls) && len(calls)+len(c.calls) > 0 {
		t.Errorf("called %q, want %q", calls, c.calls)
	}
	if c.opened {
		return
	}
	if got := envelope.ClassOf(err); got != c.class {
		t.Errorf("class %q, want %q: %v", got, c.class, err)
	}
	if c.kind != "" && cloud.KindOf(err) != c.kind {
		t.Errorf("kind %q, want %q: %v", cloud.KindOf(err), c.kind, err)
	}
	for _, text := range c.text {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
}

func TestWrappingNeedsEveryKeyOrAsManyAsAreAsked(t *testing.T) {
	t.Parallel()
	other := "arn:aws:kms:us-east-1:111122223333:key/99999999-9999-9999-9999-999999999999"
	for _, c := range []struct {
		name       string
		key        string
		fail       error
		otherARN   string // what KMS says that the key is
		min        int
		want       cloud.Kind // of the error; empty is none
		stanzas    int
		failedTold int
	}{
		{name: "access is denied", fail: failure(cloud.Denied, "AccessDeniedException", ""), want: cloud.Denied, failedTold: 1},
		{name: "the key is disabled", fail: failure(cloud.State, "DisabledException", ""), want: cloud.State, failedTold: 1},
		{name: "the key waits for its deletion", fail: failure(cloud.State, "KMSInvalidStateException", ""), want: cloud.State, failedTold: 1},
		{name: "the key is not there", fail: failure(cloud.NotFound, "NotFoundException", ""), want: cloud.NotFound, failedTold: 1},
		{name: "KMS is busy", fail: failure(cloud.Throttled, "ThrottlingException", ""), want: cloud.Throttled, failedTold: 1},
		{name: "KMS has a failure of its own", fail: failure(cloud.Unavailable, "KMSInternalException", ""), want: cloud.Unavailable, failedTold: 1},
		{name: "no answer comes", fail: failure(cloud.Lost, "timeout", ""), want: cloud.Lost, failedTold: 1},
		{name: "the key is for signatures", fail: failure(cloud.Invalid, "InvalidKeyUsageException", ""), want: cloud.Invalid, failedTold: 1},
		{name: "the key is in another Region", key: other, stanzas: 2},
		{name: "a replica is named", key: replica, stanzas: 2},
		{name: "an alias is named", key: keyAlias, stanzas: 2},
		{name: "the same key is named twice", key: keyTwo, stanzas: 1},
		{name: "KMS answers with the ARN of an alias", key: keyAlias, otherARN: keyAlias, want: cloud.Other, failedTold: 1},
		{name: "one of two is enough", fail: failure(cloud.Denied, "AccessDeniedException", ""), min: 1, stanzas: 1, failedTold: 1},
		{name: "two of two are needed", fail: failure(cloud.Denied, "AccessDeniedException", ""), min: 2, want: cloud.Denied, failedTold: 1},
		{name: "two keys are one", key: keyTwo, min: 2, want: cloud.Other},
		{name: "more are needed than named", min: 3, want: cloud.Other},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newFakeKMS()
			if c.key == "" {
				c.key = keyOne
			}
			if c.otherARN != "" {
				k.aliases[c.key] = c.otherARN
			}
			if c.fail != nil {
				k.fail["Encrypt "+c.key] = c.fail
			}
			var told []string
			r := envelope.NewKMSRecipient(context.Background(), k, []string{keyTwo, c.key}, backupContext, c.min, func(key string, _ error) { told = append(told, key) })
			var b bytes.Buffer
			_, err := envelope.Encrypt(&b, r)
			if got := cloud.KindOf(err); got != c.want {
				t.Fatalf("kind %q, want %q: %v", got, c.want, err)
			}
			if len(told) != c.failedTold {
				t.Errorf("told of %q", told)
			}
			if err != nil {
				if b.Len() != 0 {
					t.Error("something was written")
				}
				return
			}
			if got := bytes.Count(b.Bytes(), []byte("-> "+envelope.StanzaType)); got != c.stanzas {
				t.Errorf("%d stanzas, want %d", got, c.stanzas)
			}
		})
	}
}

func TestAForeignContextIsNotWrappedIn(t *testing.T) {
	t.Parallel()
	r := envelope.NewKMSRecipient(context.Background(), newFakeKMS(), []string{keyOne}, envelope.Context{"app": "other"}, 0, nil)
	if _, err := envelope.Encrypt(io.Discard, r); err == nil || !strings.Contains(err.Error(), "app") {
		t.Error(err)
	}
}

func TestAnotherIdentityOpensWhatKMSDenies(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	local := x25519(t)
	all, err := envelope.Recipients([]age.Recipient{local.Recipient()}, kmsRecipient(k, keyOne))
	if err != nil {
		t.Fatal(err)
	}
	file := encrypt(t, content(50), all...)
	fails(keyOne, cloud.Denied, "AccessDeniedException")(k)
	if _, err := decrypt(file, archived, kmsIdentity(k, allowed(keyOne)), local); err != nil {
		t.Error(err)
	}
	if calls := k.called("Decrypt"); len(calls) != 0 {
		t.Errorf("KMS was called although an identity at hand opens it: %q", calls)
	}
}

func TestAWrongPassphraseBesideABusyKeyLeavesItOpen(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	file := encrypt(t, nil, kmsRecipient(k, keyOne))
	fails(keyOne, cloud.Throttled, "ThrottlingException")(k)
	_, err := decrypt(file, archived, kmsIdentity(k, allowed(keyOne)), kmsIdentity(k, allowed(keyTwo)), passphrase(t, "word"))
	if envelope.ClassOf(err) != "" || cloud.KindOf(err) != cloud.Throttled {
		t.Errorf("class %q, kind %q: %v", envelope.ClassOf(err), cloud.KindOf(err), err)
	}
}

func TestTheAllowListSaysWhatIsCalled(t *testing.T) {
	t.Parallel()
	mine := envelope.AllowList{Accounts: []string{account}}
	for _, c := range []struct {
		name  string
		allow envelope.AllowList
		key   string
		want  []string
	}{
		{"a listed key is called", allowed(keyOne), keyOne, []string{keyOne}},
		{"a key that is not listed is not", allowed(keyOne), keyTwo, nil},
		{"every key of a listed account is called", mine, keyOne, []string{keyOne}},
		{"a key of another account is not", mine, keyTwo, nil},
		{"the same number in another partition is another account", mine, strings.Replace(keyOne, "arn:aws:", "arn:aws-cn:", 1), nil},
		{"unless that partition is meant", envelope.AllowList{Accounts: []string{account}, Partition: "aws-cn"}, strings.Replace(keyOne, "arn:aws:", "arn:aws-cn:", 1), []string{strings.Replace(keyOne, "arn:aws:", "arn:aws-cn:", 1)}},
		{"a replica stands for the key of the file", allowed(replica), keyMulti, []string{replica}},
		{"the key of the file goes before its replica", allowed(replica, keyMulti), keyMulti, []string{keyMulti, replica}},
		{"a key of one Region has no replicas", allowed(strings.Replace(keyOne, "central", "west", 1)), keyOne, nil},
		{"replicas are of one account", allowed(strings.Replace(replica, account, "444455556666", 1)), keyMulti, nil},
		{"an alias is no key", envelope.AllowList{Accounts: []string{account}, Keys: []string{keyAlias}}, keyAlias, nil},
		{"a Region that is a host is none", mine, "arn:aws:kms:evil.example/:111122223333:key/1", nil},
		{"nor is one with an at sign", mine, "arn:aws:kms:x@evil-1:111122223333:key/1", nil},
		{"a key has no slashes", mine, "arn:aws:kms:eu-central-1:111122223333:key/a/../b", nil},
		{"nothing allows nothing", envelope.AllowList{}, keyOne, nil},
	} {
		if got := c.allow.Calls(c.key); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEveryStanzaIsTriedByItself(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	file := encrypt(t, nil, kmsRecipient(k, keyOne, keyTwo, keyMulti))
	h, err := envelope.ReadHeader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	fails(keyOne, cloud.State, "KMSInvalidStateException")(k)
	k.states[keyOne] = pending(keyOne)
	got, fileKey := envelope.OpenEach(context.Background(), k, allowed(keyOne, replica), backupContext, h)
	if len(got) != 3 {
		t.Fatalf("%d openings", len(got))
	}
	if o := got[0]; o.ARN != keyOne || envelope.ClassOf(o.Err) != envelope.NoKey || o.Key.State != "PendingDeletion" {
		t.Errorf("the key that waits for its deletion: %+v", o)
	}
	if o := got[1]; o.ARN != keyTwo || o.Called != "" || o.Err == nil || o.KeyErr == nil {
		t.Errorf("the key that is not allowed: %+v", o)
	}
	if opened, err := age.DecryptHeader(h.Raw, age.NewInjectedFileKeyIdentity(fileKey)); err != nil || len(opened) == 0 {
		t.Errorf("the file key that it gave: %v", err)
	}
	if o := got[2]; o.ARN != keyMulti || o.Called != replica || o.Err != nil || o.Key.State != "Enabled" {
		t.Errorf("the key that opens by its replica: %+v", o)
	}
}

func TestAStanzaOfAnotherFileKeyIsFoundOut(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	a := apart(t, encrypt(t, nil, kmsRecipient(k, keyOne, keyTwo)))
	b := apart(t, encrypt(t, nil, kmsRecipient(k, keyOne)))
	arrow := []byte("-> ")
	mixed := bytes.Replace(a.header, bytes.SplitAfter(a.header, arrow)[1], append(bytes.Split(bytes.SplitAfter(b.header, arrow)[1], []byte("---"))[0], arrow...), 1)
	h, err := envelope.ReadHeader(bytes.NewReader(mixed))
	if err != nil {
		t.Fatal(err)
	}
	got, fileKey := envelope.OpenEach(context.Background(), k, allowed(keyOne, keyTwo), backupContext, h)
	wantClass(t, got[0].Err, envelope.Corrupt)
	wantClass(t, got[1].Err, envelope.Corrupt) // its file key is right, the header is not
	var tried *envelope.AttemptsError
	if fileKey != nil {
		t.Error("a file key is given that is not the header's")
	}
	if errors.As(got[0].Err, &tried) {
		t.Error("KMS opened it, so no attempt failed")
	}
}
