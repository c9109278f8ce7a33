package live_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
)

func TestASessionNarrowedToAnOpPerformsIt(t *testing.T) {
	t.Parallel()
	for _, tt := range opCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOpWorld(t, sandbox.Options{})
			op := tt.prepare(w)
			before := w.current(op)
			other := w.role(op.Slot().Account, "other")
			policies := live.SessionPolicies([]estate.Op{op})
			w.cloud = w.narrowed(policies)
			w.perform(op)
			if now := w.current(op); !opIs(now, op) {
				t.Errorf("%s is %q, want %q", op.Slot(), now.Value(), op.Value())
			}
			w.perform(before)
			if now := w.current(before); !estate.SameOp(now, before) {
				t.Errorf("undone, %s is %q, want %q", op.Slot(), now.Value(), before.Value())
			}
			if _, err := w.cloud.Current(t.Context(), &estate.InlinePolicy{Principal: other, Name: "own"}); cloud.KindOf(err) != cloud.Denied {
				t.Errorf("the session may read the policies of a role that no op is about: %v", err)
			}
		})
	}
}

func TestANarrowedSessionDoesNothingToAnotherSubject(t *testing.T) {
	t.Parallel()
	w := newOpWorld(t, sandbox.Options{})
	mine, other := w.key(opOwner, opHome), w.key(opOwner, opHome)
	bucket, foreign := w.bucket("opened-data"), w.bucket("other-data")
	role := w.role(opOwner, "restore")
	w.role(opOwner, "other")
	ops := []estate.Op{
		&estate.KeyPolicy{Key: mine, Document: opKeyPolicy()}, &estate.InlinePolicy{Principal: role, Name: "own"},
		&estate.BucketSetting{Bucket: bucket, Account: opOwner, Region: opHome, Setting: estate.BucketVersioning, Text: "Enabled"},
	}
	w.cloud = w.narrowed(map[string]string{opOwner: live.SessionPolicy(ops)})
	for _, op := range ops {
		w.perform(op)
	}
	for _, op := range []estate.Op{
		&estate.KeyPolicy{Key: other, Document: opKeyPolicy()}, &estate.KeyState{Key: mine, State: "Disabled"}, &estate.Rotation{Key: mine, On: true},
		&estate.InlinePolicy{Principal: strings.Replace(role, "restore", "other", 1), Name: "own"},
		&estate.BucketSetting{Bucket: foreign, Account: opOwner, Region: opHome, Setting: estate.BucketVersioning, Text: "Enabled"},
		&estate.BucketSetting{Bucket: bucket, Account: opOwner, Region: opHome, Setting: estate.BucketPublicAccess},
	} {
		if _, err := w.cloud.Perform(t.Context(), op); cloud.KindOf(err) != cloud.Denied {
			t.Errorf("the session performs a %s that is none of its ops: %v", op.Slot(), err)
		}
	}
}

func TestSessionPoliciesAreNeverTooLong(t *testing.T) {
	t.Parallel()
	const most = 2048
	var all []estate.Op
	for _, tt := range opCases() {
		all = append(all, tt.prepare(newOpWorld(t, sandbox.Options{})))
	}
	var keys []estate.Op
	for i := range 40 {
		keys = append(keys, &estate.KeyPolicy{Key: estateKey(i)})
	}
	for _, tt := range []struct {
		name string
		ops  []estate.Op
		want string // what it says
	}{
		{"one key", keys[:1], estateKey(0)},
		{"ten keys", keys[:10], estateKey(9)},
		{"so many keys that they cannot be named", keys, `"Action":["kms:GetKeyPolicy","kms:PutKeyPolicy"],"Resource":["*"]`},
		{"all there is", all, `"kms:*"`},
		{"nothing", nil, `"Statement":[]`},
	} {
		text := live.SessionPolicy(tt.ops)
		if !json.Valid([]byte(text)) || len(text) > most || !strings.Contains(text, tt.want) {
			t.Errorf("%s: the session policy has %d characters and does not say %s: %s", tt.name, len(text), tt.want, text)
		}
	}
}

func estateKey(n int) string {
	return fmt.Sprintf("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-%012d", n)
}

func TestAGrantNeedsRightsInTwoAccounts(t *testing.T) {
	t.Parallel()
	policies := live.SessionPolicies([]estate.Op{&estate.GrantTo{Key: estateKey(0), Name: "n", Issuer: opConsumer}})
	for account, want := range map[string]string{opOwner: `"kms:ListGrants","kms:RevokeGrant"]`, opConsumer: `"kms:CreateGrant"`} {
		if !strings.Contains(policies[account], want) {
			t.Errorf("in account %s the session policy is %s, want %s in it", account, policies[account], want)
		}
	}
	if strings.Contains(policies[opOwner], "CreateGrant") {
		t.Errorf("the key's account may make grants: %s", policies[opOwner])
	}
}

func TestEveryOpSaysWhatItCalls(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"key-policy": "kms:PutKeyPolicy", "key": "kms:ScheduleKeyDeletion", "key-state": "kms:DisableKey", "alias": "kms:UpdateAlias", "rotation": "kms:EnableKeyRotation",
		"grant": "kms:CreateGrant", "inline-policy": "iam:PutRolePolicy", "role": "iam:CreateRole", "linked-role": "iam:CreateServiceLinkedRole",
		"ebs-encryption": "ec2:ModifyEbsDefaultKmsKeyId", "replication-encryption": "drs:UpdateReplicationConfigurationTemplate",
		"vault-policy": "backup:PutBackupVaultAccessPolicy", "bucket": "s3:CreateBucket", "bucket-setting": "s3:PutBucketPolicy", "share": "ec2:ModifyImageAttribute",
	} {
		op, ok := estate.NewOp(kind)
		switch o := op.(type) {
		case *estate.BucketSetting:
			o.Setting = estate.BucketPolicy
		case *estate.Share:
			o.Type = "ec2:Image"
		}
		actions := live.OpActions(op)
		if !ok || !slices.Contains(actions, want) || !slices.IsSorted(actions) || len(slices.Compact(slices.Clone(actions))) != len(actions) {
			t.Errorf("the op %s calls %v, want %s among them, each once", kind, actions, want)
		}
	}
}
