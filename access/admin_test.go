package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

const sso = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"

func TestAdministrators(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		on      string
		change  func(*scene)
		more    []estate.Principal
		root    bool
		who     []string
		durable bool
		why     string
	}{
		{name: "the default key policy", on: key, root: true, durable: true, why: "root user"},
		{
			name: "the default key policy, and a role with the right", on: key, change: func(s *scene) { s.app = doc(allow("kms:*")) },
			root: true, who: []string{role}, durable: true, why: "root user",
		},
		{name: "two principals", on: key, change: func(s *scene) { s.key = doc(to(role, "kms:*"), to(user, "kms:PutKeyPolicy")) }, who: []string{role, user}, durable: true, why: "2 users and roles"},
		{name: "one principal", on: key, change: func(s *scene) { s.key = doc(to(role, "kms:*")) }, who: []string{role}, why: "only " + role},
		{name: "a session is nobody", on: key, change: func(s *scene) { s.key = doc(to(sess, "kms:*")) }, why: "nobody may"},
		{
			name: "roles of Identity Center and services are not ours", on: key,
			change: func(s *scene) {
				s.key = doc(to(sso, "kms:*"), to(ownSLR, "kms:*"), to(role, "kms:*"))
			},
			more: []estate.Principal{{ARN: sso}, {ARN: ownSLR}}, who: []string{role}, why: "only " + role,
		},
		{
			name: "principals that do not exist are nobody", on: key,
			change: func(s *scene) {
				s.key = doc(to("arn:aws:iam::111111111111:role/gone", "kms:*"), to("arn:aws:iam::111111111111:user/gone", "kms:*"))
			}, why: "nobody may",
		},
		{name: "another account never administers", on: key, change: func(s *scene) { s.key = doc(to(xroot, "kms:*"), to(role, "kms:*")) }, who: []string{role}, why: "only " + role},
		{
			name: "a Deny for the root user", on: key,
			change: func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(denyTo("*", "kms:PutKeyPolicy"), `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:root"}}`))
			}, why: "root user may not",
		},
		{
			name: "a control policy that denies", on: key, change: func(s *scene) { s.scp = doc(allow("*"), deny("kms:PutKeyPolicy")) }, why: "nobody may",
		},
		{
			name: "only by way of a service", on: key,
			change: func(s *scene) {
				s.key = doc(when(to(root, "kms:*"), `{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`))
			}, why: "nobody may",
		},
		{
			name: "on a condition that nobody knows", on: key,
			change: func(s *scene) {
				s.key, s.app = doc(when(to(root, "kms:*"), `{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`)), doc(allow("kms:*"))
			}, why: "not known",
		},
		{
			name: "a Deny unless somebody uses a second factor", on: key,
			change: func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(denyTo("*", "kms:*"), `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`))
			}, why: "not known",
		},
		{name: "a policy that says nothing of it", on: key, change: func(s *scene) { s.key = doc(to(root, "kms:Decrypt")) }, why: "nobody may"},
		{name: "a bucket without a policy", on: bucket, root: true, durable: true, why: "root user"},
		{
			name: "a bucket that denies everybody", on: bucket,
			change: func(s *scene) {
				s.bucket = doc(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"]}`)
			}, root: true, durable: true, why: "root user",
		},
		{name: "a bucket that a control policy takes away", on: bucket, change: func(s *scene) { s.scp = doc(allow("*"), deny("s3:*")) }, why: "nobody may"},
		{name: "a vault without a policy", on: vault, root: true, durable: true, why: "root user"},
		{name: "a vault that denies everybody", on: vault, change: func(s *scene) { s.vault = doc(denyTo("*", "backup:PutBackupVaultAccessPolicy")) }, why: "nobody may"},
		{name: "a vault that denies everybody a deletion", on: vault, change: func(s *scene) { s.vault = doc(denyTo("*", "backup:DeleteRecoveryPoint")) }, root: true, durable: true, why: "root user"},
		{name: "a role that nobody may assume", on: role, change: func(s *scene) { s.trust = doc(denyTo("*", "sts:*")) }, root: true, durable: true, why: "root user"},
		{name: "a key that the estate does not hold", on: strings.Replace(key, "1234abcd", "ffffffff", 1), why: "does not hold"},
		{name: "a topic", on: "arn:aws:sns:us-east-1:111111111111:t", why: "no policy is known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := base()
			if tt.change != nil {
				tt.change(&s)
			}
			e := s.load(t)
			e.Principals = append(e.Principals, tt.more...)
			if err := e.Index(); err != nil {
				t.Fatal(err)
			}
			got := access.Administrators(e, tt.on)
			if got.Root != tt.root || got.Durable != tt.durable || !slices.Equal(got.Principals, tt.who) || !strings.Contains(got.Why, tt.why) {
				t.Errorf("%+v\nwant root %v, %v, durable %v, because %q", got, tt.root, tt.who, tt.durable, tt.why)
			}
		})
	}
}

func TestAKeyWhosePolicyNobodyReadHasNoDurableAdministrator(t *testing.T) {
	t.Parallel()
	e := base().load(t)
	e.Keys[0].Policy = &estate.Document{Unreadable: "AccessDenied on GetKeyPolicy"}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	if a := access.Administrators(e, key); a.Durable || !strings.Contains(a.Why, "not known") {
		t.Errorf("%+v", a)
	}
}
