package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

func TestOpeningsThatDifferInOneThingAreOne(t *testing.T) {
	t.Parallel()
	opening := func(who, action string, under ...string) plan.Opening {
		return plan.Opening{Principal: who, Actions: []string{action}, Resource: "key", Under: under}
	}
	for _, c := range []struct {
		about string
		opens []plan.Opening
		want  string
	}{
		{"two actions", []plan.Opening{opening("a", "x"), opening("a", "y")}, "a: x, y"},
		{"two principals", []plan.Opening{opening("a", "x"), opening("b", "x")}, "a b: x"},
		{"two values", []plan.Opening{opening("a", "x", "k = 1"), opening("a", "x", "k = 2")}, "a: x, when k is 1 or 2"},
		{"a value and none", []plan.Opening{opening("a", "x", "k = 1"), opening("a", "x", "without k")}, "a: x, when k is 1, or is absent"},
		{"anything and none", []plan.Opening{opening("a", "x", "k = keyreach-unnamed"), opening("a", "x", "without k")}, "a: x"},
		{"anything", []plan.Opening{opening("a", "x", "k = keyreach-unnamed")}, "a: x, when k is there"},
		{"true, false and none", []plan.Opening{opening("a", "x", "k = true"), opening("a", "x", "k = false"), opening("a", "x", "without k")}, "a: x"},
		{"a condition and no condition stay apart", []plan.Opening{opening("a", "x", "k = 1"), opening("a", "x")}, "a: x, when k is 1\na: x"},
		{"two differences stay apart", []plan.Opening{opening("a", "x", "k = 1"), opening("b", "x", "k = 2")}, "a: x, when k is 1\nb: x, when k is 2"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			var lines []string
			for _, a := range merged(c.opens) {
				lines = append(lines, strings.Join(a.principals, " ")+": "+a.text())
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// An account goes once with all that it can do, and again only for what waits for another.
func TestTurnsOfAccounts(t *testing.T) {
	t.Parallel()
	const role, key = "arn:aws:iam::111122223333:role/R", "arn:aws:kms:us-east-1:444455556666:key/k"
	first := plan.Step{Op: &estate.KeyState{Key: key, State: "Enabled"}}
	made := plan.Step{Op: &estate.NewRole{ARN: role}}
	alone := plan.Step{Op: &estate.Alias{Name: "alias/other", Account: "444455556666", Region: "us-east-1"}}
	names := plan.Step{Op: &estate.KeyPolicy{Key: key, Document: `{"Statement":{"Principal":{"AWS":"` + role + `"}}}`}}
	for _, c := range []struct {
		about string
		steps []plan.Step
		want  string
	}{
		{"what rests on nothing goes first", []plan.Step{first, made, alone}, "444455556666 [0 2] 111122223333 [1]"},
		{"what names a new role waits for it", []plan.Step{first, made, names}, "444455556666 [0] 111122223333 [1] 444455556666 [2]"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, turn := range turnsOf(&plan.Plan{Steps: c.steps}) {
				got = append(got, fmt.Sprint(turn.account, " ", turn.steps))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestCallsOfSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want    string
		op, was estate.Op
	}{
		{"kms:CancelKeyDeletion, kms:EnableKey", &estate.KeyState{State: "Enabled"}, &estate.KeyState{State: "PendingDeletion"}},
		{"kms:DisableKey", &estate.KeyState{State: "Disabled"}, &estate.KeyState{State: "Enabled"}},
		{"kms:ReplicateKey", &estate.NewKey{Primary: "p"}, &estate.NewKey{Absent: true}},
		{"kms:UpdateAlias", &estate.Alias{Key: "b"}, &estate.Alias{Key: "a"}},
		{"kms:RevokeGrant", &estate.GrantTo{Absent: true}, &estate.GrantTo{}},
		{"iam:PutUserPolicy P", &estate.InlinePolicy{Principal: "arn:aws:iam::111122223333:user/u", Name: "P", Document: "{}"}, &estate.InlinePolicy{}},
		{"iam:CreateRole, iam:AttachRolePolicy", &estate.NewRole{Managed: []string{"m"}}, &estate.NewRole{Absent: true}},
		{"ec2:EnableEbsEncryptionByDefault, ec2:ModifyEbsDefaultKmsKeyId", &estate.EBSEncryption{Encrypt: true, Key: "k"}, &estate.EBSEncryption{}},
		{"drs:UpdateReplicationConfiguration", &estate.ReplicationEncryption{Type: "drs:SourceServer"}, &estate.ReplicationEncryption{}},
		{"s3:PutBucketLifecycleConfiguration", &estate.BucketSetting{Setting: estate.BucketLifecycle, Text: "{}"}, &estate.BucketSetting{}},
		{"s3:DeleteBucketPolicy", &estate.BucketSetting{Setting: estate.BucketPolicy}, &estate.BucketSetting{Text: "{}"}},
		{"rds:ModifyDBSnapshotAttribute", &estate.Share{Type: "rds:DBSnapshot"}, &estate.Share{Off: true}},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			if calls, _ := callsOf(&plan.Step{Op: c.op, Was: c.was}); strings.Join(calls, ", ") != c.want {
				t.Errorf("got %v", calls)
			}
		})
	}
}
