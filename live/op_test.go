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
}

const opLifecycle = `{"Rules":[{"ID":"old","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":30},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}}]}`

// setting is a setting of a new bucket.
func (w *opWorld) setting(name, text string) estate.Op {
	w.Helper()
	return &estate.BucketSetting{Bucket: w.bucket("opened-data"), Account: opOwner, Region: opHome, Setting: name, Text: text}
}

func keyOpCases() []opCase {
	return []opCase{
		{"the policy of a key", func(w *opWorld) estate.Op {
			return &estate.KeyPolicy{Key: w.key(opOwner, opHome), Document: opKeyPolicy(w.role(opConsumer, "restore"))}
		}},
		{"a new key", func(w *opWorld) estate.Op {
			return &estate.NewKey{ARN: estate.ProvisionalKey(opOwner, opHome, "shared"), Description: "shared data", Document: opKeyPolicy(), Tags: map[string]string{"team": "data"}}
		}},
		{"a replica of a multi-Region key", func(w *opWorld) estate.Op {
			primary := w.key(opOwner, opHome)
			return &estate.NewKey{ARN: strings.Replace(primary, opHome, opAway, 1), Primary: primary, Document: opKeyPolicy()}
		}},
		{"a key that goes", func(w *opWorld) estate.Op { return &estate.NewKey{ARN: w.key(opOwner, opHome), Absent: true} }},
		{"a disabled key", func(w *opWorld) estate.Op { return &estate.KeyState{Key: w.key(opOwner, opHome), State: "Disabled"} }},
		{"a key pending deletion", func(w *opWorld) estate.Op {
			return &estate.KeyState{Key: w.key(opOwner, opHome), State: "PendingDeletion"}
		}},
		{"a new alias", func(w *opWorld) estate.Op {
			return &estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)}
		}},
		{"an alias that names another key", func(w *opWorld) estate.Op {
			w.perform(&estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)})
			return &estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)}
		}},
		{"an alias that goes", func(w *opWorld) estate.Op {
			w.perform(&estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome, Key: w.key(opOwner, opHome)})
			return &estate.Alias{Name: "alias/shared", Account: opOwner, Region: opHome}
		}},
		{"rotation", func(w *opWorld) estate.Op { return &estate.Rotation{Key: w.key(opOwner, opHome), On: true} }},
		{"a grant", func(w *opWorld) estate.Op {
			return &estate.GrantTo{Key: w.key(opOwner, opHome), Name: "for-restore", Issuer: opOwner, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt", "DescribeKey"}}
		}},
		{"a grant that another account issues", func(w *opWorld) estate.Op {
			key := w.key(opOwner, opHome)
			w.perform(&estate.KeyPolicy{Key: key, Document: opKeyPolicy("arn:aws:iam::" + opConsumer + ":root")})
			return &estate.GrantTo{
				Key: key, Name: "for-restore", Issuer: opConsumer, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt"},
				Constraints: &estate.GrantConstraints{EncryptionContextSubset: map[string]string{"team": "data"}},
			}
		}},
		{"a grant that says something else", func(w *opWorld) estate.Op {
			key, role := w.key(opOwner, opHome), w.role(opConsumer, "restore")
			w.perform(&estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt"}})
			return &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: role, Operations: []string{"Decrypt", "CreateGrant"}}
		}},
		{"a grant that goes", func(w *opWorld) estate.Op {
			key := w.key(opOwner, opHome)
			w.perform(&estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Grantee: w.role(opConsumer, "restore"), Operations: []string{"Decrypt"}})
			return &estate.GrantTo{Key: key, Name: "for-restore", Issuer: opOwner, Absent: true}
		}},
	}
}

func iamOpCases() []opCase {
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/a+b":"100% c d"}}}]}`
	return []opCase{
		{"a role's inline policy", func(w *opWorld) estate.Op {
			return &estate.InlinePolicy{Principal: w.role(opConsumer, "restore"), Name: "keys", Document: document}
		}},
		{"a user's inline policy that goes", func(w *opWorld) estate.Op {
			user := *opNeed(iam.NewFromConfig(w.Root(opConsumer, opHome)).CreateUser(w.Context(), &iam.CreateUserInput{UserName: new("ann")}))(w).User.Arn
			w.perform(&estate.InlinePolicy{Principal: user, Name: "keys", Document: document})
			return &estate.InlinePolicy{Principal: user, Name: "keys"}
		}},
		{"a new role", func(w *opWorld) estate.Op {
			return &estate.NewRole{ARN: "arn:aws:iam::" + opConsumer + ":role/rescue/restore", Trust: opTrust(opOwner), Managed: []string{
				"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup", "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
			}}
		}},
		{"a role that trusts somebody else", func(w *opWorld) estate.Op {
			return &estate.NewRole{ARN: w.role(opConsumer, "restore"), Trust: opTrust(opOwner)}
		}},
		{"a service-linked role", func(w *opWorld) estate.Op {
			return &estate.LinkedRole{ARN: "arn:aws:iam::" + opConsumer + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", Service: "autoscaling.amazonaws.com"}
		}},
		{"a service-linked role with a suffix", func(w *opWorld) estate.Op {
			return &estate.LinkedRole{ARN: "arn:aws:iam::" + opConsumer + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_web", Service: "autoscaling.amazonaws.com"}
		}},
	}
}

func settingOpCases() []opCase {
	return []opCase{
		{"encryption by default", func(w *opWorld) estate.Op {
			return &estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: true, Key: w.key(opOwner, opHome)}
		}},
		{"the default key alone", func(w *opWorld) estate.Op {
			w.perform(&estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: true, Key: w.key(opOwner, opHome)})
			return &estate.EBSEncryption{Account: opOwner, Region: opHome, Encrypt: false}
		}},
		{"the key of a replication template", func(w *opWorld) estate.Op {
			return &estate.ReplicationEncryption{Type: "drs:ReplicationConfigurationTemplate", ID: w.template(), Account: opOwner, Region: opHome, Encryption: "CUSTOM", Key: w.key(opOwner, opHome)}
		}},
		{"the key of a source server", func(w *opWorld) estate.Op {
			return &estate.ReplicationEncryption{Type: "drs:SourceServer", ID: w.sourceServer(), Account: opOwner, Region: opHome, Encryption: "CUSTOM", Key: w.key(opOwner, opHome)}
		}},
		{"the policy of a vault", func(w *opWorld) estate.Op {
			return &estate.VaultPolicy{Vault: w.vault("safe"), Account: opOwner, Region: opHome, Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + opConsumer + `:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`}
		}},
		{"a new bucket", func(*opWorld) estate.Op {
			return &estate.NewBucket{Bucket: "opened-data", Account: opOwner, Region: opHome}
		}},
		{"a new bucket of another Region", func(*opWorld) estate.Op {
			return &estate.NewBucket{Bucket: "opened-data", Account: opOwner, Region: opAway}
		}},
		{"the policy of a bucket", func(w *opWorld) estate.Op {
			return w.setting(estate.BucketPolicy, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+w.role(opConsumer, "restore")+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::opened-data/*"}]}`)
		}},
		{"the versioning of a bucket", func(w *opWorld) estate.Op { return w.setting(estate.BucketVersioning, "Enabled") }},
		{"the key of a bucket", func(w *opWorld) estate.Op { return w.setting(estate.BucketEncryption, w.key(opOwner, opHome)) }},
		{"a bucket under AWS's own key", func(w *opWorld) estate.Op { return w.setting(estate.BucketEncryption, "aws:kms") }},
		{"bucket keys", func(w *opWorld) estate.Op { return w.setting(estate.BucketKeyOn, "true") }},
		{"a bucket that lets the public in", func(w *opWorld) estate.Op { return w.setting(estate.BucketPublicAccess, "") }},
		{"a bucket that lets some of the public in", func(w *opWorld) estate.Op {
			return w.setting(estate.BucketPublicAccess, "BlockPublicAcls,IgnorePublicAcls")
		}},
		{"the lifecycle of a bucket", func(w *opWorld) estate.Op { return w.setting(estate.BucketLifecycle, opLifecycle) }},
	}
}

func shareOpCases() []opCase {
	share := func(typ, id, with string) estate.Op {
		return &estate.Share{Type: typ, ID: id, Account: opOwner, Region: opHome, With: with}
	}
	return []opCase{
		{"a shared snapshot", func(w *opWorld) estate.Op { return share("ec2:Snapshot", w.snapshot(), opConsumer) }},
		{"a shared image", func(w *opWorld) estate.Op { return share("ec2:Image", w.image(), opConsumer) }},
		{"an image that an organization shares", func(w *opWorld) estate.Op {
			all, _ := w.organization()
			return share("ec2:Image", w.image(), all)
		}},
		{"an image that a unit shares", func(w *opWorld) estate.Op {
			_, unit := w.organization()
			return share("ec2:Image", w.image(), unit)
		}},
		{"a shared snapshot of a database", func(w *opWorld) estate.Op { return share("rds:DBSnapshot", w.dbSnapshot(), opConsumer) }},
		{"a shared snapshot of a cluster", func(w *opWorld) estate.Op { return share("rds:DBClusterSnapshot", w.clusterSnapshot(), opConsumer) }},
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
				if now := w.current(op); !estate.SameOp(now, op) {
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
