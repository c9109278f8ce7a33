package backup

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/backup/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Plan is a backup plan with its versions, the newest last.
type Plan struct {
	Account, Region, ID string
	Versions            []PlanVersion
	Creator             string `json:",omitempty"` // the creator's request id
	Created             time.Time
	Deleted             *time.Time        `json:",omitempty"`
	Tags                map[string]string `json:",omitempty"`
}

// PlanVersion is a plan as it was from a time on.
type PlanVersion struct {
	ID   string
	At   time.Time
	Plan types.BackupPlan
}

func (p *Plan) key() string { return state.Key(p.Account, p.Region, p.ID) }

// ARN is the plan's.
func (p *Plan) ARN() string { return planARN(p.Region, p.Account, p.ID) }

func (p *Plan) newest() *PlanVersion { return &p.Versions[len(p.Versions)-1] }

// plan finds a plan of the caller's that is not deleted.
func (s *Service) plan(c *gate.Call, id *string) (*Plan, error) {
	if p := s.plans.Get(row(c, text(id))); p != nil && p.Deleted == nil {
		return p, nil
	}
	return nil, notFound("Cannot find Backup plan with ID " + text(id)) // assumed text
}

func onPlan[I any](s *Service, action string, id func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		p, err := s.plan(c, id(in))
		if err != nil {
			return nil, err
		}
		return []gate.Ask{asking(c, "backup:"+action, p.ARN(), p.Tags)}, nil
	}
}

func (s *Service) planOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, func(c *gate.Call, in *backup.CreateBackupPlanInput) ([]gate.Ask, error) {
			return askMake(c, "backup:CreateBackupPlan", planARN(c.Region, c.Caller.Account, "*"), in.BackupPlanTags), nil
		}, s.CreateBackupPlan),
		gate.Op(gate.Writes, onPlan(s, "UpdateBackupPlan", func(in *backup.UpdateBackupPlanInput) *string { return in.BackupPlanId }), s.UpdateBackupPlan),
		gate.Op(gate.Reads, onPlan(s, "GetBackupPlan", func(in *backup.GetBackupPlanInput) *string { return in.BackupPlanId }), s.GetBackupPlan),
		gate.Op(gate.Writes, onPlan(s, "DeleteBackupPlan", func(in *backup.DeleteBackupPlanInput) *string { return in.BackupPlanId }), s.DeleteBackupPlan),
		gate.Op(gate.Reads, onAny[backup.ListBackupPlansInput]("ListBackupPlans"), s.ListBackupPlans),
		gate.Op(gate.Reads, onPlan(s, "ListBackupPlanVersions", func(in *backup.ListBackupPlanVersionsInput) *string { return in.BackupPlanId }), s.ListBackupPlanVersions),
		gate.Op(gate.Writes, s.asksCreateSelection, s.CreateBackupSelection),
		gate.Op(gate.Reads, onPlan(s, "GetBackupSelection", func(in *backup.GetBackupSelectionInput) *string { return in.BackupPlanId }), s.GetBackupSelection),
		gate.Op(gate.Reads, onPlan(s, "ListBackupSelections", func(in *backup.ListBackupSelectionsInput) *string { return in.BackupPlanId }), s.ListBackupSelections),
		gate.Op(gate.Writes, onPlan(s, "DeleteBackupSelection", func(in *backup.DeleteBackupSelectionInput) *string { return in.BackupPlanId }), s.DeleteBackupSelection),
	}
}

// version makes a version of what a caller wrote.
func (s *Service) version(at time.Time, in *types.BackupPlanInput) PlanVersion {
	p := types.BackupPlan{BackupPlanName: in.BackupPlanName, AdvancedBackupSettings: in.AdvancedBackupSettings, ScanSettings: in.ScanSettings, Rules: []types.BackupRule{}}
	for _, r := range in.Rules {
		rule := types.BackupRule{
			RuleName: r.RuleName, TargetBackupVaultName: r.TargetBackupVaultName, CompletionWindowMinutes: r.CompletionWindowMinutes, CopyActions: r.CopyActions,
			EnableContinuousBackup: r.EnableContinuousBackup, IndexActions: r.IndexActions, Lifecycle: r.Lifecycle, RecoveryPointTags: r.RecoveryPointTags,
			RuleId: new(s.IDs.UUID()), ScanActions: r.ScanActions, ScheduleExpression: r.ScheduleExpression, ScheduleExpressionTimezone: r.ScheduleExpressionTimezone,
			StartWindowMinutes: r.StartWindowMinutes, TargetLogicallyAirGappedBackupVaultArn: r.TargetLogicallyAirGappedBackupVaultArn,
		}
		// The defaults that AWS documents and shows.
		// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html.
		for _, d := range []struct {
			to    **int64
			plain int64
		}{{&rule.StartWindowMinutes, 480}, {&rule.CompletionWindowMinutes, 10080}} {
			if *d.to == nil {
				*d.to = new(d.plain)
			}
		}
		if rule.ScheduleExpression == nil {
			rule.ScheduleExpression = new("cron(0 5 ? * * *)")
		}
		if rule.ScheduleExpressionTimezone == nil {
			rule.ScheduleExpressionTimezone = new("Etc/UTC")
		}
		p.Rules = append(p.Rules, rule)
	}
	return PlanVersion{ID: base64.RawStdEncoding.EncodeToString([]byte(s.IDs.UUID())), At: at, Plan: p}
}

// CreateBackupPlan makes a plan. Two that say the same there are not. A request with the
// id of an earlier one gets that one's plan, whatever it says.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupPlan.html.
func (s *Service) CreateBackupPlan(ctx context.Context, in *backup.CreateBackupPlanInput) (*backup.CreateBackupPlanOutput, error) {
	c := gate.From(ctx)
	if id, seen := s.tokens.Seen(c, in.CreatorRequestId, in); seen != gate.New {
		if p, err := s.plan(c, &id); err == nil {
			return p.made(), nil
		}
	}
	if err := checkTags(in.BackupPlanTags); err != nil {
		return nil, err
	}
	p := &Plan{
		Account: c.Caller.Account, Region: c.Region, ID: s.IDs.UUID(), Creator: text(in.CreatorRequestId), Created: c.At, Tags: maps.Clone(in.BackupPlanTags),
		Versions: []PlanVersion{s.version(c.At, in.BackupPlan)},
	}
	for _, other := range s.plans.All(row(c, "")) {
		if other.Deleted == nil && alike(other.newest().Plan, p.newest().Plan) {
			return nil, refuse("AlreadyExistsException", "Backup plan with the same plan document already exists") // reported
		}
	}
	s.plans.Put(p.key(), p)
	s.tokens.Keep(c, in.CreatorRequestId, in, p.ID)
	return p.made(), nil
}

// alike reports whether two plans say the same.
func alike(a, b types.BackupPlan) bool {
	for _, p := range []*types.BackupPlan{&a, &b} {
		p.Rules = slices.Clone(p.Rules)
		for i := range p.Rules {
			p.Rules[i].RuleId = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

func (p *Plan) made() *backup.CreateBackupPlanOutput {
	v := p.newest()
	return &backup.CreateBackupPlanOutput{AdvancedBackupSettings: v.Plan.AdvancedBackupSettings, BackupPlanArn: new(p.ARN()), BackupPlanId: &p.ID, CreationDate: &p.Created, VersionId: &v.ID}
}

// UpdateBackupPlan gives a plan a new version.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateBackupPlan.html.
func (s *Service) UpdateBackupPlan(ctx context.Context, in *backup.UpdateBackupPlanInput) (*backup.UpdateBackupPlanOutput, error) {
	c := gate.From(ctx)
	old, err := s.plan(c, in.BackupPlanId)
	if err != nil {
		return nil, err
	}
	p := *old
	p.Versions = append(slices.Clone(p.Versions), s.version(c.At, in.BackupPlan))
	s.plans.Put(p.key(), &p)
	v := p.newest()
	return &backup.UpdateBackupPlanOutput{
		AdvancedBackupSettings: v.Plan.AdvancedBackupSettings, BackupPlanArn: new(p.ARN()), BackupPlanId: &p.ID, CreationDate: &p.Created, VersionId: &v.ID, ScanSettings: v.Plan.ScanSettings,
	}, nil
}

// GetBackupPlan tells what a plan says, or said in a version.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetBackupPlan.html.
func (s *Service) GetBackupPlan(ctx context.Context, in *backup.GetBackupPlanInput) (*backup.GetBackupPlanOutput, error) {
	p, err := s.plan(gate.From(ctx), in.BackupPlanId)
	if err != nil {
		return nil, err
	}
	v := p.newest()
	if in.VersionId != nil {
		i := slices.IndexFunc(p.Versions, func(v PlanVersion) bool { return v.ID == *in.VersionId })
		if i < 0 {
			return nil, notFound("Cannot find version " + *in.VersionId + " of the backup plan") // assumed text
		}
		v = &p.Versions[i]
	}
	return &backup.GetBackupPlanOutput{
		AdvancedBackupSettings: v.Plan.AdvancedBackupSettings, BackupPlan: &v.Plan, BackupPlanArn: new(p.ARN()), BackupPlanId: &p.ID, CreationDate: &p.Created,
		CreatorRequestId: unless(p.Creator), VersionId: &v.ID,
	}, nil
}

// DeleteBackupPlan ends a plan that selects nothing.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupPlan.html.
func (s *Service) DeleteBackupPlan(ctx context.Context, in *backup.DeleteBackupPlanInput) (*backup.DeleteBackupPlanOutput, error) {
	c := gate.From(ctx)
	old, err := s.plan(c, in.BackupPlanId)
	if err != nil {
		return nil, err
	}
	for range s.selections.All(state.Key(old.Account, old.Region, old.ID, "")) {
		return nil, invalidRequest("Related backup plan selections must be deleted prior to backup plan deletion") // reported
	}
	p := *old
	p.Deleted = &c.At
	s.plans.Put(p.key(), &p)
	return &backup.DeleteBackupPlanOutput{BackupPlanArn: new(p.ARN()), BackupPlanId: &p.ID, DeletionDate: p.Deleted, VersionId: &p.newest().ID}, nil
}

func (p *Plan) listed(v *PlanVersion) types.BackupPlansListMember {
	return types.BackupPlansListMember{
		AdvancedBackupSettings: v.Plan.AdvancedBackupSettings, BackupPlanArn: new(p.ARN()), BackupPlanId: &p.ID, BackupPlanName: v.Plan.BackupPlanName,
		CreationDate: &v.At, CreatorRequestId: unless(p.Creator), DeletionDate: p.Deleted, VersionId: &v.ID,
	}
}

// ListBackupPlans lists the account's plans.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupPlans.html.
func (s *Service) ListBackupPlans(ctx context.Context, in *backup.ListBackupPlansInput) (*backup.ListBackupPlansOutput, error) {
	list := []types.BackupPlansListMember{}
	for _, p := range s.plans.All(row(gate.From(ctx), "")) {
		if p.Deleted == nil || in.IncludeDeleted != nil && *in.IncludeDeleted {
			list = append(list, p.listed(p.newest()))
		}
	}
	slices.SortFunc(list, func(a, b types.BackupPlansListMember) int {
		return cmp.Or(a.CreationDate.Compare(*b.CreationDate), strings.Compare(*a.BackupPlanId, *b.BackupPlanId))
	})
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListBackupPlansOutput{BackupPlansList: page, NextToken: next}, err
}

// ListBackupPlanVersions lists what a plan said, the newest first.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupPlanVersions.html.
func (s *Service) ListBackupPlanVersions(ctx context.Context, in *backup.ListBackupPlanVersionsInput) (*backup.ListBackupPlanVersionsOutput, error) {
	p, err := s.plan(gate.From(ctx), in.BackupPlanId)
	if err != nil {
		return nil, err
	}
	list := []types.BackupPlansListMember{}
	for _, v := range slices.Backward(p.Versions) {
		list = append(list, p.listed(&v))
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListBackupPlanVersionsOutput{BackupPlanVersionsList: page, NextToken: next}, err
}
