package ec2

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) lockOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksLockSnapshot, s.LockSnapshot),
		gate.Op(gate.Writes, s.asksUnlockSnapshot, s.UnlockSnapshot),
		gate.Op(gate.Reads, onAll[ec2.DescribeLockedSnapshotsInput]("DescribeLockedSnapshots"), s.DescribeLockedSnapshots),
		gate.Op(gate.Writes, onAll[ec2.EnableSnapshotBlockPublicAccessInput]("EnableSnapshotBlockPublicAccess"), s.EnableSnapshotBlockPublicAccess),
		gate.Op(gate.Writes, onAll[ec2.DisableSnapshotBlockPublicAccessInput]("DisableSnapshotBlockPublicAccess"), s.DisableSnapshotBlockPublicAccess),
		gate.Op(gate.Reads, onAll[ec2.GetSnapshotBlockPublicAccessStateInput]("GetSnapshotBlockPublicAccessState"), s.GetSnapshotBlockPublicAccessState),
	}
}

// lock keeps a snapshot from being deleted.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshot-lock.html.
type lock struct {
	Account, Region, ID string
	Compliance          bool
	At, Cooled, Expires time.Time
	Days, CoolOff       int32
}

// holds reports whether the lock still keeps the snapshot.
func (l *lock) holds(now time.Time) bool { return now.Before(l.Expires) }

func (l *lock) state(now time.Time) types.LockState {
	switch {
	case !l.holds(now):
		return types.LockStateExpired
	case !l.Compliance:
		return types.LockStateGovernance
	case now.Before(l.Cooled):
		return types.LockStateComplianceCooloff
	}
	return types.LockStateCompliance
}

func (s *Service) lockOf(n *blocks.Snapshot) *lock { return s.locks.Get(state.Key(n.Region, n.ID)) }

func (s *Service) asksLockSnapshot(c *gate.Call, in *ec2.LockSnapshotInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askSnapshot(c, "LockSnapshot", c.Region, aws.ToString(in.SnapshotId), nil)}, nil
}

// LockSnapshot locks a snapshot, or changes its lock. The texts of its refusals are
// assumed.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html.
func (s *Service) LockSnapshot(ctx context.Context, in *ec2.LockSnapshotInput) (*ec2.LockSnapshotOutput, error) {
	c := gate.From(ctx)
	n, err := s.ownSnapshot(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	l := &lock{Account: n.Account, Region: n.Region, ID: n.ID, Compliance: in.LockMode == types.LockModeCompliance, At: c.At, CoolOff: aws.ToInt32(in.CoolOffPeriod)}
	switch {
	case in.LockMode != types.LockModeCompliance && in.LockMode != types.LockModeGovernance:
		return nil, invalidValue("Value (" + string(in.LockMode) + ") for parameter lockMode is invalid.")
	case !l.Compliance && in.CoolOffPeriod != nil:
		return nil, refuse("InvalidParameterCombination", "CoolOffPeriod is only for the mode compliance") // assumed text
	case (in.LockDuration == nil) == (in.ExpirationDate == nil):
		return nil, refuse("InvalidParameterCombination", "Exactly one of LockDuration and ExpirationDate is needed") // assumed text
	case in.LockDuration != nil:
		l.Days, l.Expires = *in.LockDuration, c.At.Add(time.Duration(*in.LockDuration)*24*time.Hour)
	default:
		l.Expires = *in.ExpirationDate
		l.Days = int32(l.Expires.Sub(c.At).Hours() / 24)
	}
	if l.Cooled = c.At.Add(time.Duration(l.CoolOff) * time.Hour); l.Expires.Before(c.At.Add(24*time.Hour)) || l.CoolOff < 0 || l.CoolOff > 72 {
		return nil, invalidValue("A lock lasts at least a day, and its cooling-off period 1 to 72 hours") // assumed text
	}
	if old := s.lockOf(n); old != nil && old.state(c.At) == types.LockStateCompliance && (!l.Compliance || l.Expires.Before(old.Expires)) {
		return nil, notPermitted("The snapshot " + n.ID + " is locked in the mode compliance; its lock can only be made longer") // assumed text
	}
	s.locks.Put(state.Key(n.Region, n.ID), l)
	shown := l.shown(c.At)
	return &ec2.LockSnapshotOutput{
		CoolOffPeriod: shown.CoolOffPeriod, CoolOffPeriodExpiresOn: shown.CoolOffPeriodExpiresOn, LockCreatedOn: shown.LockCreatedOn, LockDuration: shown.LockDuration,
		LockDurationStartTime: shown.LockDurationStartTime, LockExpiresOn: shown.LockExpiresOn, LockState: shown.LockState, SnapshotId: shown.SnapshotId,
	}, nil
}

func (l *lock) shown(now time.Time) types.LockedSnapshotsInfo {
	out := types.LockedSnapshotsInfo{
		LockCreatedOn: &l.At, LockDuration: &l.Days, LockDurationStartTime: &l.At, LockExpiresOn: &l.Expires, LockState: l.state(now), OwnerId: &l.Account, SnapshotId: &l.ID,
	}
	if l.Compliance && l.CoolOff > 0 {
		out.CoolOffPeriod, out.CoolOffPeriodExpiresOn = &l.CoolOff, &l.Cooled
	}
	return out
}

func (s *Service) asksUnlockSnapshot(c *gate.Call, in *ec2.UnlockSnapshotInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askSnapshot(c, "UnlockSnapshot", c.Region, aws.ToString(in.SnapshotId), nil)}, nil
}

// UnlockSnapshot ends a lock, unless it is one of the mode compliance that has cooled off.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnlockSnapshot.html.
func (s *Service) UnlockSnapshot(ctx context.Context, in *ec2.UnlockSnapshotInput) (*ec2.UnlockSnapshotOutput, error) {
	c := gate.From(ctx)
	n, err := s.ownSnapshot(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	l := s.lockOf(n)
	switch {
	case l == nil || !l.holds(c.At):
		return nil, refuse("SnapshotLock.NotFound", "The snapshot "+n.ID+" is not locked") // assumed code and text
	case l.state(c.At) == types.LockStateCompliance:
		return nil, notPermitted("The snapshot " + n.ID + " is locked in the mode compliance") // assumed text
	}
	s.locks.Delete(state.Key(n.Region, n.ID))
	return &ec2.UnlockSnapshotOutput{SnapshotId: &n.ID}, nil
}

// DescribeLockedSnapshots lists locks.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLockedSnapshots.html.
func (s *Service) DescribeLockedSnapshots(ctx context.Context, in *ec2.DescribeLockedSnapshotsInput) (*ec2.DescribeLockedSnapshotsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, id := range in.SnapshotIds {
		if _, err := s.ownSnapshot(c, &id); err != nil {
			return nil, err
		}
		wanted[id] = true
	}
	var list []types.LockedSnapshotsInfo
	for _, l := range s.locks.All(state.Key(c.Region, "")) {
		ok, err := match(in.Filters, fields{"lock-state": {string(l.state(c.At))}})
		if err != nil {
			return nil, err
		}
		if ok && l.Account == c.Caller.Account && (len(wanted) == 0 || wanted[l.ID]) {
			list = append(list, l.shown(c.At))
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeLockedSnapshotsOutput{Snapshots: page, NextToken: next}, nil
}

// block sets how public sharing is blocked. Blocking all sharing hides what is public
// already, and nothing else.
// See https://docs.aws.amazon.com/ebs/latest/userguide/block-public-access-snapshots.html.
func (s *Service) block(c *gate.Call, how types.SnapshotBlockPublicAccessState) {
	s.set(c, func(v *Settings) { v.Blocked = how })
	hidden := how == types.SnapshotBlockPublicAccessStateBlockAllSharing
	for n := range s.Snapshots.All(c.Region) {
		if n.Account == c.Caller.Account && n.Public && n.Hidden != hidden {
			n = n.Clone()
			n.Hidden = hidden
			s.Snapshots.Put(n)
		}
	}
	kind, detail := "EBS Snapshot Block Public Access Disabled", map[string]string{"SnapshotBlockPublicAccessState": "unblocked", "message": "Block Public Access was successfully disabled"}
	if how != "" {
		kind = "EBS Snapshot Block Public Access Enabled"
		detail = map[string]string{"SnapshotBlockPublicAccessState": string(how), "message": "Block Public Access was successfully enabled in '" + string(how) + "' mode"}
	}
	s.emit(c.At, c.Caller.Account, c.Region, kind, detail)
}

// EnableSnapshotBlockPublicAccess blocks the public sharing of snapshots.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSnapshotBlockPublicAccess.html.
func (s *Service) EnableSnapshotBlockPublicAccess(ctx context.Context, in *ec2.EnableSnapshotBlockPublicAccessInput) (*ec2.EnableSnapshotBlockPublicAccessOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if in.State != types.SnapshotBlockPublicAccessStateBlockAllSharing && in.State != types.SnapshotBlockPublicAccessStateBlockNewSharing {
		return nil, invalidValue("Value (" + string(in.State) + ") for parameter state is invalid.")
	}
	s.block(gate.From(ctx), in.State)
	return &ec2.EnableSnapshotBlockPublicAccessOutput{State: in.State}, nil
}

// DisableSnapshotBlockPublicAccess blocks it no longer.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableSnapshotBlockPublicAccess.html.
func (s *Service) DisableSnapshotBlockPublicAccess(ctx context.Context, in *ec2.DisableSnapshotBlockPublicAccessInput) (*ec2.DisableSnapshotBlockPublicAccessOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.block(gate.From(ctx), "")
	return &ec2.DisableSnapshotBlockPublicAccessOutput{State: types.SnapshotBlockPublicAccessStateUnblocked}, nil
}

// GetSnapshotBlockPublicAccessState tells how the public sharing of snapshots is blocked.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetSnapshotBlockPublicAccessState.html.
func (s *Service) GetSnapshotBlockPublicAccessState(ctx context.Context, in *ec2.GetSnapshotBlockPublicAccessStateInput) (*ec2.GetSnapshotBlockPublicAccessStateOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	how := s.settingsOf(gate.From(ctx)).Blocked
	if how == "" {
		how = types.SnapshotBlockPublicAccessStateUnblocked
	}
	return &ec2.GetSnapshotBlockPublicAccessStateOutput{ManagedBy: types.ManagedByAccount, State: how}, nil
}
