package drs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// pointAfter is how long snapshots take before DRS looks at them.
const pointAfter = 2 * time.Second

// iso is how DRS writes times.
const iso = "2006-01-02T15:04:05.000000Z"

func shownTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Format(iso))
}

// pointKey keeps a server's points in the order of their times.
func pointKey(p *Point) string {
	return state.Key(p.Account, p.Region, p.Server, p.Expected.UTC().Format(iso), p.ID)
}

// pointsOf are a server's points, the oldest first.
func (s *Service) pointsOf(v *Server) []*Point {
	var list []*Point
	for _, p := range s.points.All(state.Key(v.Account, v.Region, v.ID, "")) {
		list = append(list, p)
	}
	return list
}

// point finds a point by its id.
func (s *Service) point(v *Server, id string) *Point {
	for _, p := range s.pointsOf(v) {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// latest is the latest point that is there, nil when there is none.
func (s *Service) latest(v *Server) *Point {
	var last *Point
	for _, p := range s.pointsOf(v) {
		if !p.Done.IsZero() && !p.Failed {
			last = p
		}
	}
	return last
}

// shortest is how often points are taken: the shortest interval of the policy.
func shortest(rules []types.PITPolicyRule) time.Duration {
	every := 24 * time.Hour
	for _, r := range rules {
		if r.Enabled != nil && !*r.Enabled {
			continue
		}
		every = min(every, max(time.Minute, time.Duration(aws.ToInt32(r.Interval))*unit(r.Units)))
	}
	return every
}

func unit(u types.PITPolicyRuleUnits) time.Duration {
	switch u {
	case types.PITPolicyRuleUnitsMinute:
		return time.Minute
	case types.PITPolicyRuleUnitsHour:
		return time.Hour
	}
	return 24 * time.Hour
}

// kept are the points that a policy keeps at a time: for each of its rules the first of
// each interval, as far back as the rule says. Those that jobs may use stay too.
// See https://docs.aws.amazon.com/drs/latest/userguide/point-in-time-policy.html.
func kept(rules []types.PITPolicyRule, points []*Point, now time.Time) map[string]bool {
	const jobs = 15 * time.Minute
	keep := map[string]bool{}
	for _, r := range rules {
		if r.Enabled != nil && !*r.Enabled {
			continue
		}
		every := max(time.Minute, time.Duration(aws.ToInt32(r.Interval))*unit(r.Units))
		since := now.Add(-time.Duration(aws.ToInt32(r.RetentionDuration)) * unit(r.Units))
		var slot time.Time
		for _, p := range points {
			if at := p.Expected.Truncate(every); !p.Failed && !p.Expected.Before(since) && !at.Equal(slot) {
				keep[p.ID], slot = true, at
			}
		}
	}
	for _, p := range points {
		keep[p.ID] = keep[p.ID] || p.Expected.After(now.Add(-jobs))
	}
	return keep
}

// pointDue takes a point in time and has the next one taken.
func (s *Service) pointDue(ctx context.Context, v *Server) {
	c := gate.From(ctx)
	s.expire(ctx, v)
	if _, err := s.newPoint(ctx, v); err != nil {
		s.stall(c, v, types.DataReplicationErrorStringSnapshotsFailure, raw("CreateSnapshot", err))
		return
	}
	s.unstall(c, v)
	v.State = types.DataReplicationStateContinuous
	s.later(v, soon(c.At, shortest(v.Replication.PitPolicy), s.Clock.Now()), pointTask)
	s.putServer(v)
}

// newPoint takes a point in time. EBS makes one snapshot of a volume in a minute
// (recorded): a point that is younger serves instead, which is assumed.
func (s *Service) newPoint(ctx context.Context, v *Server) (*Point, error) {
	if list := s.pointsOf(v); len(list) > 0 {
		if last := list[len(list)-1]; !last.Failed && last.Generation == v.Generation && gate.From(ctx).At.Before(last.Expected.Add(time.Minute)) {
			return last, nil
		}
	}
	return s.takePoint(ctx, v)
}

// takePoint makes a snapshot of each staging volume, as the service-linked role. EBS
// keeps the volume's key and asks KMS for nothing.
func (s *Service) takePoint(ctx context.Context, v *Server) (*Point, error) {
	c := gate.From(ctx)
	p := &Point{Account: v.Account, Region: v.Region, Server: v.ID, ID: "pit-" + s.IDs.Hex(17), Expected: c.At, Generation: v.Generation}
	err := s.DB.Try(func() error {
		for i := range v.Disks {
			out, err := asLinked[ec2.CreateSnapshotOutput](ctx, s, "CreateSnapshot", &ec2.CreateSnapshotInput{
				VolumeId: &v.Disks[i].Volume, Description: new("Created by AWS Elastic Disaster Recovery for " + v.ID), TagSpecifications: v.tagged(ec2types.ResourceTypeSnapshot, nil),
			})
			if err != nil {
				return err
			}
			p.Snapshots = append(p.Snapshots, aws.ToString(out.SnapshotId))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.points.Put(pointKey(p), p)
	s.Agenda.Add(state.Task{At: c.At.Add(pointAfter), Service: s.Name(), Account: v.Account, Region: v.Region, What: doneTask, Subject: v.ID + " " + p.ID})
	return p, nil
}

// pointTaken looks whether the snapshots of a point are there.
func (s *Service) pointTaken(ctx context.Context, subject string) error {
	c := gate.From(ctx)
	server, id, _ := strings.Cut(subject, " ")
	v := s.servers.Get(state.Key(c.Caller.Account, c.Region, server))
	if v == nil {
		return nil
	}
	old := s.point(v, id)
	if old == nil {
		return nil
	}
	p := *old
	for _, snapshot := range p.Snapshots {
		out, err := asLinked[ec2.DescribeSnapshotsOutput](ctx, s, "DescribeSnapshots", &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snapshot}})
		switch {
		case err != nil || len(out.Snapshots) == 0 || out.Snapshots[0].State == ec2types.SnapshotStateError:
			p.Failed = true
		case out.Snapshots[0].State == ec2types.SnapshotStatePending:
			s.Agenda.Add(state.Task{At: c.At.Add(time.Second), Service: s.Name(), Account: v.Account, Region: v.Region, What: doneTask, Subject: subject})
			return nil
		}
	}
	p.Done = c.At
	s.points.Put(pointKey(&p), &p)
	if !p.Failed {
		s.emit(c, serverKind, "DRS PIT Snapshot Taken", v.ID, map[string]string{"state": "SUCCEEDED"})
	}
	return nil
}

// expire ends the points that the policy keeps no longer. The latest stays.
func (s *Service) expire(ctx context.Context, v *Server) {
	points, last := s.pointsOf(v), s.latest(v)
	keep := kept(v.Replication.PitPolicy, points, gate.From(ctx).At)
	for _, p := range points {
		if !keep[p.ID] && p != last {
			s.dropPoint(ctx, p)
		}
	}
}

func (s *Service) dropPoint(ctx context.Context, p *Point) {
	for _, id := range p.Snapshots {
		_, _ = asLinked[ec2.DeleteSnapshotOutput](ctx, s, "DeleteSnapshot", &ec2.DeleteSnapshotInput{SnapshotId: &id})
	}
	s.points.Delete(pointKey(p))
}

// DescribeRecoverySnapshots lists the points of a server, the latest first unless asked
// otherwise. Of an extended server they are those of the staging account.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeRecoverySnapshots.html.
func (s *Service) DescribeRecoverySnapshots(ctx context.Context, in *drs.DescribeRecoverySnapshotsInput) (*drs.DescribeRecoverySnapshotsOutput, error) {
	v, err := s.server(gate.From(ctx), *in.SourceServerID)
	if err != nil {
		return nil, err
	}
	from, to, err := span(in.Filters)
	if err != nil {
		return nil, err
	}
	source := v
	if v.Staging != nil {
		if source = s.stagedServer(v); source == nil || v.Staging.Status == types.ExtensionStatusExtensionError {
			return &drs.DescribeRecoverySnapshotsOutput{Items: []types.RecoverySnapshot{}}, nil
		}
	}
	list := []types.RecoverySnapshot{}
	for _, p := range s.pointsOf(source) {
		if p.Failed || p.Expected.Before(from) || !to.IsZero() && p.Expected.After(to) {
			continue
		}
		shown := types.RecoverySnapshot{SnapshotID: &p.ID, SourceServerID: &v.ID, ExpectedTimestamp: shownTime(p.Expected), EbsSnapshots: p.Snapshots}
		if !p.Done.IsZero() {
			shown.Timestamp = shownTime(p.Expected)
		}
		list = append(list, shown)
	}
	if in.Order != types.RecoverySnapshotsOrderAsc {
		slices.Reverse(list)
	}
	out := &drs.DescribeRecoverySnapshotsOutput{}
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

func span(f *types.DescribeRecoverySnapshotsRequestFilters) (from, to time.Time, err error) {
	if f == nil {
		return from, to, nil
	}
	if from, err = readTime(f.FromDateTime); err == nil {
		to, err = readTime(f.ToDateTime)
	}
	return from, to, err
}

func readTime(text *string) (time.Time, error) {
	if text == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		return t, invalid("The time " + *text + " is not valid.")
	}
	return t, nil
}
