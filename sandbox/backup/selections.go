package backup

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/backup/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Selection is what a plan backs up, and as which role.
type Selection struct {
	Account, Region, Plan, ID string
	Created                   time.Time
	Creator                   string `json:",omitempty"`
	Selection                 types.BackupSelection
}

func (n *Selection) key() string { return state.Key(n.Account, n.Region, n.Plan, n.ID) }

func (s *Service) asksCreateSelection(c *gate.Call, in *backup.CreateBackupSelectionInput) ([]gate.Ask, error) {
	list, err := onPlan(s, "CreateBackupSelection", func(in *backup.CreateBackupSelectionInput) *string { return in.BackupPlanId })(c, in)
	if err != nil {
		return nil, err
	}
	pass, err := askPass(c, in.BackupSelection.IamRoleArn)
	return append(list, pass...), err
}

// CreateBackupSelection has a plan back something up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupSelection.html.
func (s *Service) CreateBackupSelection(ctx context.Context, in *backup.CreateBackupSelectionInput) (*backup.CreateBackupSelectionOutput, error) {
	c := gate.From(ctx)
	p, err := s.plan(c, in.BackupPlanId)
	if err != nil {
		return nil, err
	}
	if id, seen := s.tokens.Seen(c, in.CreatorRequestId, in); seen == gate.Same {
		if n := s.selections.Get(state.Key(p.Account, p.Region, p.ID, id)); n != nil {
			return n.made(), nil
		}
	}
	if err := s.checkRole(ctx, in.BackupSelection.IamRoleArn); err != nil {
		return nil, err
	}
	if _, err := s.linkedRole(ctx, c.Caller.Account); err != nil {
		return nil, err
	}
	n := &Selection{
		Account: p.Account, Region: p.Region, Plan: p.ID, ID: s.IDs.UUID(), Created: c.At, Creator: text(in.CreatorRequestId), Selection: *in.BackupSelection,
	}
	s.selections.Put(n.key(), n)
	s.tokens.Keep(c, in.CreatorRequestId, in, n.ID)
	return n.made(), nil
}

func (n *Selection) made() *backup.CreateBackupSelectionOutput {
	return &backup.CreateBackupSelectionOutput{BackupPlanId: &n.Plan, CreationDate: &n.Created, SelectionId: &n.ID}
}

// selection finds a selection of a plan of the caller's.
func (s *Service) selection(ctx context.Context, plan, id *string) (*Selection, error) {
	c := gate.From(ctx)
	if n := s.selections.Get(state.Key(c.Caller.Account, c.Region, text(plan), text(id))); n != nil {
		return n, nil
	}
	return nil, notFound("Cannot find Backup selection with ID " + text(id)) // assumed text
}

// GetBackupSelection tells what a plan backs up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetBackupSelection.html.
func (s *Service) GetBackupSelection(ctx context.Context, in *backup.GetBackupSelectionInput) (*backup.GetBackupSelectionOutput, error) {
	n, err := s.selection(ctx, in.BackupPlanId, in.SelectionId)
	if err != nil {
		return nil, err
	}
	return &backup.GetBackupSelectionOutput{BackupPlanId: &n.Plan, BackupSelection: &n.Selection, CreationDate: &n.Created, CreatorRequestId: unless(n.Creator), SelectionId: &n.ID}, nil
}

// ListBackupSelections lists what a plan backs up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupSelections.html.
func (s *Service) ListBackupSelections(ctx context.Context, in *backup.ListBackupSelectionsInput) (*backup.ListBackupSelectionsOutput, error) {
	c := gate.From(ctx)
	list := []types.BackupSelectionsListMember{}
	for _, n := range s.selections.All(state.Key(c.Caller.Account, c.Region, *in.BackupPlanId, "")) {
		list = append(list, types.BackupSelectionsListMember{
			BackupPlanId: &n.Plan, CreationDate: &n.Created, CreatorRequestId: unless(n.Creator), IamRoleArn: n.Selection.IamRoleArn, SelectionId: &n.ID, SelectionName: n.Selection.SelectionName,
		})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListBackupSelectionsOutput{BackupSelectionsList: page, NextToken: next}, err
}

// DeleteBackupSelection has a plan no longer back something up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupSelection.html.
func (s *Service) DeleteBackupSelection(ctx context.Context, in *backup.DeleteBackupSelectionInput) (*backup.DeleteBackupSelectionOutput, error) {
	n, err := s.selection(ctx, in.BackupPlanId, in.SelectionId)
	if err != nil {
		return nil, err
	}
	s.selections.Delete(n.key())
	return &backup.DeleteBackupSelectionOutput{}, nil
}
