package sandbox

import (
	"github.com/keyreach/keyreach/sandbox/backup"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/kms"
)

// connectBackup makes AWS Backup, which has EC2 and RDS do its work.
func (s *Sandbox) connectBackup() {
	s.serve(backup.New(backup.Config{
		DB: s.db, IDs: s.ids, Agenda: s.agenda, Agent: s.agent("backup"), Gate: s.gate, Keys: vaultKeys{s.kms}, Events: s.events, Organizations: s.orgs, Roles: s.iam,
		Accounts: s.accountIDs,
	}))
}

// vaultKeys finds keys for AWS Backup.
type vaultKeys struct{ *kms.Service }

// Find finds a key.
func (k vaultKeys) Find(c *gate.Call, region, id string) (backup.Key, bool, error) {
	f, ok, err := k.Facts(c, region, id)
	return backup.Key{ARN: f.ARN, Managed: f.Managed}, ok, err
}

// accountIDs are the accounts that the sandbox has seen.
func (s *Sandbox) accountIDs() []string {
	var list []string
	for id := range s.accounts.All("") {
		list = append(list, id)
	}
	return list
}
