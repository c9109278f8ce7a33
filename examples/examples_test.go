// Package examples_test proves what the examples say of themselves.
package examples_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

func TestExamples(t *testing.T) {
	t.Parallel()
	const stager = "arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333 lacks kms:ReEncrypt*"
	tests := []struct {
		name    string
		verdict route.Verdict
		says    []string
	}{
		{"drs-cross-account", route.Blocked, []string{
			"KEY001 " + stager,
			"KEY041 arn:aws:iam::111122223333:role/RecoveryOperator lacks kms:ReEncrypt*",
			"KEY010 the policy DRSCrossAccountKMSAccess was meant for AWSServiceRoleForElasticDisasterRecovery",
			"KEY014 statement 1: kms:ViaService drs.us-west-2.amazonaws.com and ec2.us-west-2.amazonaws.com never matches",
			`KEY014 "Allow DRS service in target account to use the key"`,
			`KEY002 "Allow DRS service in staging account to use the key": admits nobody`,
			`KEY002 "Allow DRS service in target account to use the key": admits nobody`,
			"KEY015", "KEY016", "KEY017",
		}},
		{"drs-other-region", route.Blocked, []string{"KEY001 " + stager, "KEY024 step extend needs that staging area, key and target are in one Region"}},
		{"drs-authfailure", route.Blocked, []string{"KEY001 " + stager, "KEY041 ", `KEY002 "Allow DRS to use the key"`, "KEY015", "KEY016", "KEY017"}},
		{"drs-corrected", route.Proven, nil},
		{"ami-org", route.Blocked, []string{
			"KEY007 arn:aws:iam::111122223333:role/KarpenterController lacks kms:ReEncrypt*",
			"KEY009 arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling lacks kms:ReEncrypt*",
			"KEY007 arn:aws:iam::222233334444:role/KarpenterController lacks kms:ReEncrypt* on arn:aws:kms:us-west-2",
			`KEY006 "ShareAMIToAccounts": KMS has no action kms:ReEncrypt`,
			`KEY012 "ShareAMIToAccounts": kms:CreateGrant`, `KEY059 "ShareAMIToAccounts": kms:RevokeGrant`, `KEY059 "ShareAMIToAccounts": kms:RetireGrant`,
			"KEY062 grant g-ecs", `KEY008 "Resources"`, "KEY060",
		}},
		{"ami-org-corrected", route.Proven, nil},
		{"etcd-backup", route.Blocked, []string{
			"KEY032 arn:aws:iam::444455556666:role/etcd-nodes lacks kms:GenerateDataKey", "KEY032 arn:aws:iam::111122223333:role/RestoreOperator lacks kms:Decrypt",
			`KEY026 "KMSAccess"`, "KEY020 \"Allow etcd nodes to encrypt and decrypt\": arn:aws:iam::444455556666:role/etcd-nodes-role is not in the estate", "KEY020 \"Allow etcd nodes to encrypt and decrypt\": arn:aws:iam::444455556666:user/etcd-admin is not in the estate",
		}},
		{"etcd-backup-corrected", route.Proven, nil},
		{"backup-etcd", route.Blocked, []string{
			"KEY032 arn:aws:iam::444455556666:role/etcd-nodes lacks kms:GenerateDataKey", "KEY032 arn:aws:iam::111122223333:role/RestoreOperator lacks kms:Decrypt",
			"KEY007 arn:aws:iam::111122223333:role/RestoreOperator lacks kms:Decrypt", "KEY047 every key that opens the backups of etcd is in account 444455556666",
		}},
		{"backup-etcd-corrected", route.Proven, nil},
		{"vault", route.Blocked, []string{"KEY048 arn:aws:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup lacks kms:CreateGrant", "KEY048 step copy needs that the vault's access policy"}},
		{"vault-corrected", route.Proven, nil},
		{"aurora", route.Blocked, []string{"KEY007 arn:aws:iam::111122223333:role/RestoreOperator lacks kms:CreateGrant on arn:aws:kms:us-east-1:444455556666", "lacks kms:CreateGrant on arn:aws:kms:us-east-1:111122223333", "KEY011 "}},
		{"aurora-corrected", route.Proven, nil},
		{"karpenter", route.Blocked, []string{"KEY007 arn:aws:iam::111122223333:role/KarpenterController lacks kms:CreateGrant on arn:aws:kms:us-east-1:111122223333"}},
		{"karpenter-corrected", route.Proven, nil},
		{"auto-scaling", route.Blocked, []string{"KEY009 arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling lacks kms:ReEncrypt*"}},
		{"auto-scaling-corrected", route.Proven, nil},
		{"rds-default-key", route.Blocked, []string{"KEY047 step copy needs that the copy is under a key of the target account"}},
		{"rds-default-key-corrected", route.Proven, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := route.LoadFile(filepath.Join(tt.name, route.FileName))
			if err != nil {
				t.Fatal(err)
			}
			e, err := estate.LoadFile(f.EstatePath())
			if err != nil {
				t.Fatal(err)
			}
			p, err := route.Prove(&f.Routes[0], e, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			p.Find(&f.Routes[0], e)
			if p.Verdict != tt.verdict {
				t.Errorf("verdict %v, want %v", p.Verdict, tt.verdict)
			}
			var lines []string
			for _, f := range append(p.Findings, e.Findings()...) {
				lines = append(lines, fmt.Sprintf("%s %s", f.Rule, f.Text))
			}
			all := strings.Join(lines, "\n")
			for _, want := range tt.says {
				if !strings.Contains(all, want) {
					t.Errorf("nothing says %q:\n%s", want, all)
				}
			}
			if tt.verdict == route.Proven && len(lines) > 0 {
				t.Errorf("a proven example has findings: %s", all)
			}
		})
	}
}
