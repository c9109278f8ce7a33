// Package backup is AWS Backup in a sandbox: vaults with their keys and access policies,
// backup, copy and restore jobs that take their time, recovery points, plans and
// settings. What is backed up it has the resource's own service do: recovery points of
// volumes and databases are snapshots of the sandbox's EC2 and RDS.
package backup

import (
	"context"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what AWS Backup needs from the sandbox.
type Config struct {
	DB     *state.DB
	IDs    *state.IDs
	Agenda *state.Agenda
	Agent  *behalf.Agent
	// Gate is asked for what a job's role may do with vaults, for which there is no
	// operation.
	Gate          *gate.Gate
	Keys          gate.Keys
	Events        gate.Events // nil for none
	Organizations Organizations
	Roles         Roles
	Accounts      func() []string // all that the sandbox has seen
}

// Organizations tells which accounts belong together.
type Organizations interface {
	Standing(account string) gate.Standing
	// Manages reports whether an account manages its organization.
	Manages(account string) bool
}

// Roles makes service-linked roles for AWS Backup, whatever the caller may.
type Roles interface {
	CreateServiceLinkedRole(context.Context, *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error)
}

// Service is AWS Backup.
type Service struct {
	Config
	tokens     *gate.Tokens
	vaults     *state.Table[Vault]          // account, Region, name
	points     *state.Table[Point]          // account, Region, ARN
	backups    *state.Table[BackupJob]      // account, Region, id
	copies     *state.Table[CopyJob]        // account, Region, id
	restores   *state.Table[RestoreJob]     // account, Region, id
	plans      *state.Table[Plan]           // account, Region, id
	selections *state.Table[Selection]      // account, Region, plan, id
	global     *state.Table[GlobalSettings] // organization
	regional   *state.Table[RegionSettings] // account, Region
}

// New returns AWS Backup on a sandbox's state.
func New(c Config) *Service {
	return &Service{
		Config: c, tokens: gate.NewTokens(c.DB, "backup"),
		vaults:     state.NewTable(c.DB, "backup.vaults", (*Vault).ready),
		points:     state.NewTable[Point](c.DB, "backup.points", nil),
		backups:    state.NewTable[BackupJob](c.DB, "backup.jobs", nil),
		copies:     state.NewTable[CopyJob](c.DB, "backup.copies", nil),
		restores:   state.NewTable[RestoreJob](c.DB, "backup.restores", nil),
		plans:      state.NewTable[Plan](c.DB, "backup.plans", nil),
		selections: state.NewTable[Selection](c.DB, "backup.selections", nil),
		global:     state.NewTable[GlobalSettings](c.DB, "backup.global", nil),
		regional:   state.NewTable[RegionSettings](c.DB, "backup.regional", nil),
	}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "backup" }

// Operations are what the service offers. Each stands with what has to be allowed for
// it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html.
func (s *Service) Operations() []gate.Operation {
	return slices.Concat(s.vaultOperations(), s.pointOperations(), s.jobOperations(), s.planOperations(), s.settingOperations(), s.tagOperations())
}

func refuse(code, text string) error { return wire.Refuse(code, text) }

func invalidValue(text string) error { return refuse("InvalidParameterValueException", text) }

func invalidRequest(text string) error { return refuse("InvalidRequestException", text) }

func notFound(text string) error { return refuse("ResourceNotFoundException", text) }

// hidden is how AWS Backup refuses what there is not, and what its own checks do not
// allow. Reported of vaults that do not exist, and of vaults made without the right on
// their key.
func hidden() error {
	return &wire.Error{Code: "AccessDeniedException", Message: "Insufficient privileges to perform this action.", Status: http.StatusForbidden}
}

// Due does what has become due.
func (s *Service) Due(ctx context.Context, t state.Task) error {
	switch t.What {
	case "backup-start":
		return s.backupStart(ctx, t.Subject)
	case "backup-look":
		return s.backupLook(ctx, t.Subject)
	case "copy-start":
		return s.copyStart(ctx, t.Subject)
	case "copy-look":
		return s.copyLook(ctx, t.Subject)
	case "restore-start":
		return s.restoreStart(ctx, t.Subject)
	case "restore-look":
		return s.restoreLook(ctx, t.Subject)
	case "expire":
		return s.expire(ctx, t.Subject)
	}
	return nil
}

// row is the key of what belongs to the account and Region of a call.
func row(c *gate.Call, id string) string { return state.Key(c.Caller.Account, c.Region, id) }
