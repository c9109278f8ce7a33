package sandbox_test

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/route"
)

// vaultChain copies a recovery point into the vault of another account and restores it
// there.
func vaultChain() chain {
	return chain{
		name: "vault",
		file: accountsOfChains + `    kind: vault
    source: {account: owner, key: "OWNER_KEY"}
    vault: {account: consumer, key: "CONSUMER_KEY"}
`,
		linked: map[string][]string{consumer: {"backup.amazonaws.com"}},
		prepare: func(j *journey) {
			b := &backups{world: j.world}
			b.together()
			role := b.serviceRole(owner, "Backups", "")
			b.attach(owner, "Backups", "AWSBackupServiceRolePolicyForBackup")
			j.made["backups"] = role
			b.vault(owner, "daily", "")
			j.made["vault"] = b.vault(consumer, "safe", j.keys[1])
			b.open(consumer, "safe", owner)
			j.made["point"] = b.point(owner, "daily", b.volume(owner, j.keys[0]), role)
		},
		steps: steps{
			"copy": func(j *journey, _ *route.StepProof) error {
				b := &backups{world: j.world}
				job := b.copy(owner, "daily", j.made["point"], j.made["vault"], j.made["backups"])
				if job.State != backuptypes.CopyJobStateCompleted {
					return &failure{text: aws.ToString(job.StatusMessage)}
				}
				j.made["copy"] = *job.DestinationRecoveryPointArn
				return nil
			},
			"restore": func(j *journey, s *route.StepProof) error {
				p, err := arn.ParsePrincipal(s.Actor)
				if err != nil {
					return err
				}
				if _, err := iam.NewFromConfig(j.root(p.Account)).UpdateAssumeRolePolicy(j.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &p.Name, PolicyDocument: new(backupTrust)}); err != nil {
					return err
				}
				b := &backups{world: j.world}
				out, err := b.of(p.Account).StartRestoreJob(j.Context(), &backup.StartRestoreJobInput{
					RecoveryPointArn: new(j.made["copy"]), IamRoleArn: &s.Actor, Metadata: map[string]string{"availabilityZone": home + "a"},
				})
				if err != nil {
					return err
				}
				return j.settled("the restore", func() (bool, error) {
					r, err := b.of(p.Account).DescribeRestoreJob(j.Context(), &backup.DescribeRestoreJobInput{RestoreJobId: out.RestoreJobId})
					if err == nil && r.Status == backuptypes.RestoreJobStatusFailed {
						err = &failure{text: aws.ToString(r.StatusMessage)}
					}
					return err == nil && r.Status == backuptypes.RestoreJobStatusCompleted, err
				})
			},
		},
	}
}
