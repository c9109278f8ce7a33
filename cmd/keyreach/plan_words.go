package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// callsOf are the AWS operations that a step makes, in their order, and on what.
func callsOf(s *plan.Step) (calls []string, on string) {
	switch op := s.Op.(type) {
	case *estate.KeyPolicy:
		return []string{"kms:PutKeyPolicy"}, "key " + op.Key
	case *estate.NewKey:
		return newKeyCalls(op)
	case *estate.KeyState:
		return stateCalls(op, s.Was.(*estate.KeyState)), "key " + op.Key
	case *estate.Alias:
		return []string{pick(op.Key == "", "kms:DeleteAlias", pick(s.Was.Value() == "", "kms:CreateAlias", "kms:UpdateAlias"))}, op.Name + in(op.Region)
	case *estate.Rotation:
		return []string{pick(op.On, "kms:EnableKeyRotation", "kms:DisableKeyRotation")}, "key " + op.Key
	case *estate.GrantTo:
		return []string{pick(op.Absent, "kms:RevokeGrant", "kms:CreateGrant")}, "key " + op.Key
	case *estate.InlinePolicy:
		return inlineCalls(op)
	case *estate.NewRole:
		return roleCalls(op)
	case *estate.LinkedRole:
		return []string{pick(op.Absent, "iam:DeleteServiceLinkedRole", "iam:CreateServiceLinkedRole")}, "role " + op.ARN
	}
	return settingCalls(s)
}

// settingCalls are those of what is no key, policy or role.
func settingCalls(s *plan.Step) (calls []string, on string) {
	switch op := s.Op.(type) {
	case *estate.EBSEncryption:
		return ebsCalls(op, s.Was.(*estate.EBSEncryption)), "the account" + in(op.Region)
	case *estate.ReplicationEncryption:
		if op.Type == "drs:SourceServer" {
			return []string{"drs:UpdateReplicationConfiguration"}, "source server " + op.ID + in(op.Region)
		}
		return []string{"drs:UpdateReplicationConfigurationTemplate"}, "template " + op.ID + in(op.Region)
	case *estate.VaultPolicy:
		return []string{pick(op.Document == "", "backup:DeleteBackupVaultAccessPolicy", "backup:PutBackupVaultAccessPolicy")}, "vault " + op.Vault + in(op.Region)
	case *estate.NewBucket:
		return []string{pick(op.Absent, "s3:DeleteBucket", "s3:CreateBucket")}, "bucket " + op.Bucket + in(op.Region)
	case *estate.BucketSetting:
		return []string{bucketCall(op, s.Was.(*estate.BucketSetting))}, "bucket " + op.Bucket
	case *estate.Share:
		call := map[string]string{
			"ec2:Image": "ec2:ModifyImageAttribute", "rds:DBSnapshot": "rds:ModifyDBSnapshotAttribute", "rds:DBClusterSnapshot": "rds:ModifyDBClusterSnapshotAttribute",
		}[op.Type]
		if call == "" {
			call = "ec2:ModifySnapshotAttribute"
		}
		return []string{call}, op.ID + in(op.Region) + pick(op.Off, ", no longer for ", ", for ") + op.With
	}
	return []string{s.Op.Slot().Kind}, s.Op.Slot().Subject
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func in(region string) string { return " in " + region }

func newKeyCalls(op *estate.NewKey) (calls []string, on string) {
	switch {
	case op.Absent:
		return []string{"kms:ScheduleKeyDeletion"}, "key " + op.ARN
	case op.Primary != "":
		return []string{"kms:ReplicateKey"}, "key " + op.Primary + ", to " + op.Slot().Region
	}
	return []string{"kms:CreateKey"}, newKeyName(op.ARN)
}

// newKeyName says which new key is meant, whose id AWS has yet to give.
func newKeyName(key string) string {
	a, err := arn.Parse(key)
	if err != nil || !estate.IsProvisional(key) {
		return "key " + key
	}
	return "a new key" + in(a.Region) + ", until AWS names it " + strings.TrimPrefix(a.Resource, "key/")
}

func stateCalls(op, was *estate.KeyState) []string {
	var calls []string
	if was.State == "PendingDeletion" {
		calls = append(calls, "kms:CancelKeyDeletion")
	}
	switch op.State {
	case "Enabled":
		return append(calls, "kms:EnableKey")
	case "PendingDeletion":
		return []string{"kms:ScheduleKeyDeletion"}
	}
	if len(calls) == 0 {
		return []string{"kms:DisableKey"}
	}
	return calls
}

func inlineCalls(op *estate.InlinePolicy) (calls []string, on string) {
	p, err := arn.ParsePrincipal(op.Principal)
	kind := pick(err == nil && p.Kind == arn.User, "User", "Role")
	return []string{"iam:" + pick(op.Document == "", "Delete", "Put") + kind + "Policy " + op.Name}, strings.ToLower(kind) + " " + op.Principal
}

func roleCalls(op *estate.NewRole) (calls []string, on string) {
	calls = []string{pick(op.Absent, "iam:DeleteRole", "iam:CreateRole")}
	if len(op.Managed) > 0 && !op.Absent {
		calls = append(calls, "iam:AttachRolePolicy")
	}
	return calls, "role " + op.ARN
}

func ebsCalls(op, was *estate.EBSEncryption) []string {
	var calls []string
	if op.Encrypt != was.Encrypt {
		calls = append(calls, "ec2:"+pick(op.Encrypt, "Enable", "Disable")+"EbsEncryptionByDefault")
	}
	if op.Key != was.Key {
		calls = append(calls, "ec2:"+pick(op.Key == "", "Reset", "Modify")+"EbsDefaultKmsKeyId")
	}
	return calls
}

func bucketCall(op, was *estate.BucketSetting) string {
	name := map[string]string{
		estate.BucketPolicy: "Policy", estate.BucketVersioning: "Versioning", estate.BucketEncryption: "Encryption", estate.BucketKeyOn: "Encryption",
		estate.BucketPublicAccess: "PublicAccessBlock", estate.BucketLifecycle: "Lifecycle",
	}[op.Setting]
	switch {
	case op.Setting == estate.BucketPublicAccess:
		return "s3:" + pick(op.Text == "", "Delete", "Put") + name
	case op.Setting == estate.BucketVersioning, op.Setting == estate.BucketKeyOn:
		return "s3:PutBucket" + name
	case op.Setting == estate.BucketLifecycle && op.Text != "":
		return "s3:PutBucketLifecycleConfiguration"
	case op.Text == "" && was.Text != "":
		return "s3:DeleteBucket" + name
	}
	return "s3:PutBucket" + name
}

// turn is an account's turn: the steps that it can take when it is its turn.
type turn struct {
	account string
	steps   []int // indexes into the plan's
}

// turnsOf are the accounts in the order in which they have to go, when each applies its
// own part. One has to go again only when a step of its own waits for another account.
func turnsOf(p *plan.Plan) []turn {
	waits := waitsOf(p)
	done := make([]bool, len(p.Steps))
	var turns []turn
	for {
		first := slices.Index(done, false)
		if first < 0 {
			return turns
		}
		t := turn{account: p.Steps[first].Op.Slot().Account}
		for i := range p.Steps {
			ready := !slices.ContainsFunc(waits[i], func(j int) bool { return !done[j] })
			if !done[i] && ready && p.Steps[i].Op.Slot().Account == t.account {
				done[i] = true
				t.steps = append(t.steps, i)
			}
		}
		turns = append(turns, t)
	}
}

// waitsOf says for which earlier steps each step waits: those that change what it names.
// Whether it has to, AWS alone knows; in this order it works.
func waitsOf(p *plan.Plan) [][]int {
	waits := make([][]int, len(p.Steps))
	for i := range p.Steps {
		text, err := estate.MarshalOp(p.Steps[i].Op)
		for j := range p.Steps[:i] {
			if err != nil || strings.Contains(string(text), p.Steps[j].Op.Slot().Subject) {
				waits[i] = append(waits[i], j)
			}
		}
	}
	return waits
}

// numbers are steps as people count them: "step 1", "steps 1, 3".
func (t *turn) numbers() string {
	var ns []string
	for _, i := range t.steps {
		ns = append(ns, fmt.Sprint(i+1))
	}
	return plural(len(ns), "step") + " " + strings.Join(ns, ", ")
}
