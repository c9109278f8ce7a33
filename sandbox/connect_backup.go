package sandbox

import (
	"github.com/keyreach/keyreach/sandbox/backup"
)

// connectBackup makes AWS Backup, which has EC2 and RDS do its work.
func (s *Sandbox) connectBackup() {
	s.serve(backup.New(backup.Config{
		DB: s.db, IDs: s.ids, Agenda: s.agenda, Agent: s.agent("backup"), Gate: s.gate, Keys: s.kms, Events: s.events, Organizations: s.orgs, Roles: s.iam,
		Accounts: s.accountIDs,
	}))
}

// accountIDs are the accounts that the sandbox has seen.
func (s *Sandbox) accountIDs() []string {
	var list []string
	for id := range s.accounts.All("") {
		list = append(list, id)
	}
	return list
}
