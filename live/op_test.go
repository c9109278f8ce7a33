package live_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/run"
	"github.com/keyreach/keyreach/sandbox"
)

var _ run.Cloud = (*live.Cloud)(nil)

// opCase prepares a world and returns an op that changes something in it.
type opCase struct {
	name    string
	prepare func(w *opWorld) estate.Op
	// changesRole: it changes a role that is there.
	changesRole bool
}

const opLifecycle = `{"Rules":[{"ID":"old","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":30},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}}]}`

// setting is a setting of a new bucket.
func (w *opWorld) setting(name, text string) estate.Op {
	w.Helper()
	return &estate.BucketSetting{Bucket: w.bucket("opened-data"), Account: opOwner, Region: opHome, Setting: name, Text: text}
}

func keyOpCases() []opCase {
	return []opCase{
		{name: "the policy of a key", prepare: func(w *opWorld) estate.Op {
			return &estate.KeyPolicy{Key: w.key(opOwner, opHome), Document: opKeyPolicy(w.role(opConsumer, "restore"))}
		}},
		{name: "a new key", prepare: func(w *opWorld) estate.Op {
			return &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opHome, "shared"), Description: "shared data", Document: opKeyPolicy(), Tags: map[string]string{"team": "data"}}
		}},
		{name: "a replica of a multi-Region key", prepare: func(w *opWorld) estate.Op {
			primary := w.key(opOwner, opHome)
			return &estate.NewKey{ARN: strings.Replace(primary, opHome, opAway, 1), Primary: primary, Document: opKeyPolicy()}
		}},
		{name: "a key that goes", prepare: func(w *opWorld) estate.Op { return &estate.NewKey{ARN: w.key(opOwner, opHome), Absent: true} }},
		{name: "a disabled key", prepare: func(w *opWorld) estate.Op { return &estate.KeyState{Key: w.key(opOwner, opHome), State: "Disabled"} }},
		{name: "a key pending deletion", prepare: func(w *opWorld) estate.Op {
			return &estate.KeyState{Key: w.key(opOwner, opHome), State: "PendingDeletion"}
		}},
		{name: "a new alias", prepare: func(w *opWorld) estate.Op {
			return &estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)}
		}},
		{name: "an alias that names another key", prepare: func(w *opWorld) estate.Op {
			w.perform(&estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)})
			return &estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)}
		}},
		{name: "an alias that goes", prepare: func(w *opWorld) estate.Op {
			w.perform(&estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)})
			return &estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome}
		}},
		{name: "rotation", prepare: func(w *opWorld) estate.Op { return &estate.Rotation{Key: w.key(opOwner, opHome), On: true} }},
		{name: "a grant", prepare: func(w *opWorld) estate.Op {
			return &estate.GrantTo{Key: w.key(opOwner, opHome), Name: "for-restore", Issuer: opOwner, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt", "DescribeKey"}}
		}},
		{name: "a grant that another account issues", prepare: func(w *opWorld) estate.Op {
			key := w.key(opOwner, opHome)
			w.perform(&estate.KeyPolicy{Key: key, Document: opKeyPolicy("arn:aws:iam::" + opConsumer + ":root")})
			return &estate.GrantTo{
				Key: key, Name: "for-restore", Issuer: opConsumer, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt"},
				Constraints: &estate.GrantConstraints{EncryptionContextSubset: map[string]string{"team": "data"}},
			}
		}},
		{name: "a grant that says something else", prepare: func(w *opWorld) estate.Op {
			key, role := w.key(opOwner, opHome), w.role(opConsumer, "restore")
			w.perform(&estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt"}})
			return &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt", "CreateGrant"}}
		}},
		{name: "a grant that goes", prepare: func(w *opWorld) estate.Op {
			key := w.key(opOwner, opHome)
			w.perform(&estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt"}})
			return &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Absent: true}
		}},
	}
}

func iamOpCases() []opCase {
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/a+b":"100% c d"}}}]}`
	return []opCase{
		{name: "a role's inline policy", prepare: func(w *opWorld) estate.Op {
			return &estate.InlinePolicy{Principal: w.role(opConsumer, "restore"), Name: "keys", Document: document}
		}},
		{name: "a user's inline policy that goes", prepare: func(w *opWorld) estate.Op {
			user := *opNeed(iam.NewFromConfig(w.Root(opConsumer, opHome)).CreateUser(w.Context(), &iam.CreateUserInput{UserName: new("ann")}))(w).User.Arn
			w.perform(&estate.InlinePolicy{Principal: user, Name: "keys", Document: document})
			return &estate.InlinePolicy{Principal: user, Name: "keys"}
		}},
		{name: "a new role", prepare: func(w *opWorld) estate.Op {
			return &estate.NewRole{ARN: "arn:aws:iam::" + opConsumer + ":role/rescue/restore", Trust: opTrust(opOwner), Managed: []string{
				"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup", "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
			}}
		}},
		{name: "a role that trusts somebody else", prepare: func(w *opWorld) estate.Op {
			return &estate.NewRole{ARN: w.role(opConsumer, "restore"), Trust: opTrust(opOwner)}
		}, changesRole: true},
		{name: "a service-linked role", prepare: func(w *opWorld) estate.Op {
			return &estate.LinkedRole{ARN: "arn:aws:iam::" + opConsumer + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", Service: "autoscaling.amazonaws.com"}
		}},
		{name: "a service-linked role with a suffix", prepare: func(w *opWorld) estate.Op {
			return &estate.LinkedRole{ARN: "arn:aws:iam::" + opConsumer + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_web", Service: "autoscaling.amazonaws.com"}
		}},
	}
}

func settingOpCases() []opCase {
	return []opCase{
		{name: "encryption by default", prepare: func(w *opWorld) estate.Op {
			return &estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: true, Key: w.key(opOwner, opHome)}
		}},
		{name: "the default key alone", prepare: func(w *opWorld) estate.Op {
			w.perform(&estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: true, Key: w.key(opOwner, opHome)})
			return &estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: false}
		}},
		{name: "the key of a replication template", prepare: func(w *opWorld) estate.Op {
			return &estate.ReplicationEncryption{Type: "drs:ReplicationConfigurationTemplate", ID: w.template(), Account: opOwner, Region: opHome, Encryption: "CUSTOM", Key: w.key(opOwner, opHome)}
		}},
		{name: "the key of a source server", prepare: func(w *opWorld) estate.Op {
			return &estate.ReplicationEncryption{Type: "drs:SourceServer", ID: w.sourceServer(), Account: opOwner, Region: opHome, Encryption: "CUSTOM", Key: w.key(opOwner, opHome)}
		}},
		{name: "the policy of a vault", prepare: func(w *opWorld) estate.Op {
			return &estate.VaultPolicy{Vault: w.vault("safe"), Account: opOwner, Region: opHome, Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + opConsumer + `:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`}
		}},
		{name: "a new bucket", prepare: func(*opWorld) estate.Op {
			return &estate.NewBucket{Bucket: "opened-data", Account: opOwner, Region: opHome}
		}},
		{name: "a new bucket of another Region", prepare: func(*opWorld) estate.Op {
			return &estate.NewBucket{Bucket: "opened-data", Account: opOwner, Region: opAway}
		}},
		{name: "the policy of a bucket", prepare: func(w *opWorld) estate.Op {
			return w.setting(estate.BucketPolicy, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+w.role(opConsumer, "restore")+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::opened-data/*"}]}`)
		}},
		{name: "the versioning of a bucket", prepare: func(w *opWorld) estate.Op { return w.setting(estate.BucketVersioning, "Enabled") }},
		{name: "the key of a bucket", prepare: func(w *opWorld) estate.Op { return w.setting(estate.BucketEncryption, w.key(opOwner, opHome)) }},
		{name: "a bucket under AWS's own key", prepare: func(w *opWorld) estate.Op { return w.setting(estate.BucketEncryption, "aws:kms") }},
		{name: "bucket keys", prepare: func(w *opWorld) estate.Op { return w.setting(estate.BucketKeyOn, "true") }},
		{name: "a bucket that lets the public in", prepare: func(w *opWorld) estate.Op { return w.setting(estate.BucketPublicAccess, "") }},
		{name: "a bucket that lets some of the public in", prepare: func(w *opWorld) estate.Op {
			return w.setting(estate.BucketPublicAccess, "BlockPublicAcls,IgnorePublicAcls")
		}},
		{name: "the lifecycle of a bucket", prepare: func(w *opWorld) estate.Op { return w.setting(estate.BucketLifecycle, opLifecycle) }},
	}
}

func shareOpCases() []opCase {
	share := func(typ, id, with string) estate.Op {
		return &estate.Share{Type: typ, ID: id, Account: opOwner, Region: opHome, With: with}
	}
	return []opCase{
		{name: "a shared snapshot", prepare: func(w *opWorld) estate.Op { return share("ec2:Snapshot", w.snapshot(), opConsumer) }},
		{name: "a shared image", prepare: func(w *opWorld) estate.Op { return share("ec2:Image", w.image(), opConsumer) }},
		{name: "an image that an organization shares", prepare: func(w *opWorld) estate.Op {
			all, _ := w.organization()
			return share("ec2:Image", w.image(), all)
		}},
		{name: "an image that a unit shares", prepare: func(w *opWorld) estate.Op {
			_, unit := w.organization()
			return share("ec2:Image", w.image(), unit)
		}},
		{name: "a shared snapshot of a database", prepare: func(w *opWorld) estate.Op { return share("rds:DBSnapshot", w.dbSnapshot(), opConsumer) }},
		{name: "a shared snapshot of a cluster", prepare: func(w *opWorld) estate.Op { return share("rds:DBClusterSnapshot", w.clusterSnapshot(), opConsumer) }},
	}
}

func opCases() []opCase {
	all := append(keyOpCases(), iamOpCases()...)
	return append(append(all, settingOpCases()...), shareOpCases()...)
}

func TestAnOpIsPerformedAndUndone(t *testing.T) {
	t.Parallel()
	for _, tt := range opCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOpWorld(t, sandbox.Options{})
			op := tt.prepare(w)
			before := w.current(op)
			if estate.SameOp(before, op) {
				t.Fatalf("before, %s is there already: %q", op.Slot(), before.Value())
			}
			for _, time := range []string{"performed", "performed again"} {
				w.perform(op)
				if now := w.current(op); !opIs(now, op) {
					t.Fatalf("%s, %s is %q, want %q", time, op.Slot(), now.Value(), op.Value())
				}
			}
			for _, time := range []string{"undone", "undone again"} {
				w.perform(before)
				if now := w.current(before); !estate.SameOp(now, before) {
					t.Fatalf("%s, %s is %q, want %q", time, op.Slot(), now.Value(), before.Value())
				}
			}
		})
	}
}

// opIs reports whether something is as an op leaves it. A key that is there goes by the
// name that AWS gave it, not by the one that the op has for it.
func opIs(now, op estate.Op) bool {
	is, ok := now.(*estate.NewKey)
	if want, planned := op.(*estate.NewKey); ok && planned && !is.Absent && estate.IsProvisional(want.ARN) {
		a, b := is.Slot(), want.Slot()
		return !estate.IsProvisional(is.ARN) && a.Account == b.Account && a.Region == b.Region && is.Value() == want.Value()
	}
	return estate.SameOp(now, op)
}

func TestEveryKindOfOpHasACase(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tt := range opCases() {
		w := newOpWorld(t, sandbox.Options{})
		seen[tt.prepare(w).Slot().Kind] = true
	}
	for _, kind := range estate.OpKinds() {
		if !seen[kind] {
			t.Errorf("no case performs the op %s", kind)
		}
	}
}
