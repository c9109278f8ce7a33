package ec2

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// fleetDues are what happens to fleets and Spot requests, by the words on the agenda.
func (s *Service) fleetDues() map[string]func(context.Context, state.Task) error {
	return map[string]func(context.Context, state.Task) error{"fleet": s.fleetDue, "spot": s.spotDue}
}

// How a fleet that maintains its capacity tries again, and for how long: assumed.
const (
	fleetStep   = time.Second
	fleetPause  = time.Minute
	fleetPauses = time.Hour
	fleetDay    = 24 * time.Hour
)

// option is one way in which a fleet may launch.
type option struct {
	config, override int
	weight           float64
}

// options are the ways of a fleet, in the order of its configurations. AWS chooses by
// price and capacity, of which there is none here.
func (f *Fleet) options() []option {
	var list []option
	for i, k := range f.Asked.LaunchTemplateConfigs {
		if len(k.Overrides) == 0 {
			list = append(list, option{i, -1, 1})
		}
		for j, o := range k.Overrides {
			weight := 1.0
			if o.WeightedCapacity != nil && *o.WeightedCapacity > 0 {
				weight = *o.WeightedCapacity
			}
			list = append(list, option{i, j, weight})
		}
	}
	return list
}

// targets are how much of the capacity is On-Demand, and how much Spot.
func (f *Fleet) targets() (demand, spot float64) {
	t := f.Asked.TargetCapacitySpecification
	demand, spot = float64(aws.ToInt32(t.OnDemandTargetCapacity)), float64(aws.ToInt32(t.SpotTargetCapacity))
	rest := float64(*t.TotalTargetCapacity) - demand - spot
	if t.DefaultTargetCapacityType == types.DefaultTargetCapacityTypeSpot {
		return demand, spot + rest
	}
	return demand + rest, spot
}

// fill launches what a fleet lacks, as whoever ctx says, and returns how many launches
// were refused.
func (s *Service) fill(ctx context.Context, f *Fleet) (refused int) {
	haveDemand, haveSpot := s.capacity(gate.From(ctx).At, f)
	demand, spot := f.targets()
	return s.fillOf(ctx, f, types.InstanceLifecycleOnDemand, demand-haveDemand) + s.fillOf(ctx, f, types.InstanceLifecycleSpot, spot-haveSpot)
}

func (s *Service) fillOf(ctx context.Context, f *Fleet, life types.InstanceLifecycle, lacking float64) (refused int) {
	for _, o := range f.options() {
		if lacking <= 0 {
			return refused
		}
		n := int32(math.Ceil(lacking / o.weight))
		ids, err := s.runOf(ctx, f, o, life, n)
		if err != nil {
			refused++
			f.fail(s, gate.From(ctx).At, o, life, err)
			continue
		}
		f.add(s, gate.From(ctx).At, o, life, ids)
		lacking -= float64(n) * o.weight
	}
	return refused
}

// runOf launches instances in one of a fleet's ways, as a call of RunInstances by who
// acts: assumed, since AWS documents that the rights of RunInstances are needed.
func (s *Service) runOf(ctx context.Context, f *Fleet, o option, life types.InstanceLifecycle, n int32) (ids []string, err error) {
	in := f.launchInput(o, n)
	if life == types.InstanceLifecycleSpot {
		if _, err := s.Agent.EnsureLinkedRole(ctx, "spot.amazonaws.com"); err != nil {
			return nil, slrNotPermitted("EC2 Spot Instances", err)
		}
		in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: types.MarketTypeSpot}
	}
	ids, err = s.runAs(ctx, in)
	for _, id := range ids {
		s.mark(f.Account, f.Region, id, func(i *Instance) { i.Tags["aws:ec2:fleet-id"] = f.id() })
	}
	return ids, err
}

// runAs calls RunInstances as whoever ctx says. Nothing is left of a call that fails.
func (s *Service) runAs(ctx context.Context, in *ec2.RunInstancesInput) (ids []string, err error) {
	err = s.DB.Try(func() error {
		out, err := s.Agent.Client.Do(ctx, "ec2", "RunInstances", in, gate.Forward{Service: "ec2", Assumed: true})
		if err != nil {
			return err
		}
		for _, i := range out.(*ec2.RunInstancesOutput).Instances {
			ids = append(ids, *i.InstanceId)
		}
		return nil
	})
	return ids, err
}

// mark changes what is kept of an instance.
func (s *Service) mark(account, region, id string, change func(*Instance)) {
	i := s.instance(account, region, id)
	if i == nil {
		return
	}
	next := *i
	next.Tags = map[string]string{}
	for key, value := range i.Tags {
		next.Tags[key] = value
	}
	change(&next)
	s.putInstance(&next)
}

// launchInput is the launch of one of a fleet's ways.
func (f *Fleet) launchInput(o option, n int32) *ec2.RunInstancesInput {
	k := f.Asked.LaunchTemplateConfigs[o.config]
	in := &ec2.RunInstancesInput{MinCount: &n, MaxCount: &n, LaunchTemplate: &types.LaunchTemplateSpecification{
		LaunchTemplateId: k.LaunchTemplateSpecification.LaunchTemplateId, LaunchTemplateName: k.LaunchTemplateSpecification.LaunchTemplateName,
		Version: k.LaunchTemplateSpecification.Version,
	}}
	for _, t := range f.Asked.TagSpecifications {
		if t.ResourceType != types.ResourceTypeFleet {
			in.TagSpecifications = append(in.TagSpecifications, t)
		}
	}
	if o.override < 0 {
		return in
	}
	over := k.Overrides[o.override]
	in.InstanceType, in.ImageId, in.SubnetId, in.KeyName, in.Placement = over.InstanceType, over.ImageId, over.SubnetId, over.KeyName, over.Placement
	if over.AvailabilityZone != nil {
		place := types.Placement{}
		if over.Placement != nil {
			place = *over.Placement
		}
		place.AvailabilityZone = over.AvailabilityZone
		in.Placement = &place
	}
	if over.IamInstanceProfile != nil {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Arn: over.IamInstanceProfile.Arn, Name: over.IamInstanceProfile.Name}
	}
	for i := range over.BlockDeviceMappings {
		var m types.BlockDeviceMapping
		translate(over.BlockDeviceMappings[i], &m)
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, m)
	}
	return in
}

// of is the configuration and the override of one of a fleet's ways.
func (f *Fleet) of(o option) *types.LaunchTemplateAndOverridesResponse {
	k := f.Shown.LaunchTemplateConfigs[o.config]
	out := &types.LaunchTemplateAndOverridesResponse{LaunchTemplateSpecification: k.LaunchTemplateSpecification}
	if o.override >= 0 {
		out.Overrides = &k.Overrides[o.override]
	}
	return out
}

// add takes over instances that were launched.
func (f *Fleet) add(s *Service, now time.Time, o option, life types.InstanceLifecycle, ids []string) {
	f.Launched = slices.Clone(f.Launched)
	for _, id := range ids {
		f.Launched = append(f.Launched, FleetInstance{ID: id, Lifecycle: life, Weight: o.weight, Config: o.config, Override: o.override})
		f.tell(s, now, types.FleetEventTypeInstanceChange, "launched", id, "")
	}
	if f.Shown.Type == types.FleetTypeInstant && len(ids) > 0 {
		kind := types.InstanceType("")
		if i := s.instance(f.Account, f.Region, ids[0]); i != nil {
			kind = typeOf(i.Asked)
		}
		f.Shown.Instances = append(slices.Clone(f.Shown.Instances), types.DescribeFleetsInstances{
			InstanceIds: ids, InstanceType: kind, Lifecycle: life, LaunchTemplateAndOverrides: f.of(o),
		})
	}
}

// fail takes over that EC2 refused a launch: an instant fleet answers it, others keep it
// in their history.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EventInformation.html.
func (f *Fleet) fail(s *Service, now time.Time, o option, life types.InstanceLifecycle, err error) {
	code, text := behalf.EC2Refusal(err)
	if f.Shown.Type == types.FleetTypeInstant {
		f.Shown.Errors = append(slices.Clone(f.Shown.Errors), types.DescribeFleetError{ErrorCode: &code, ErrorMessage: &text, Lifecycle: life, LaunchTemplateAndOverrides: f.of(o)})
		return
	}
	kind := "spotFleetRequestConfigurationInvalid"
	if code == "UnauthorizedOperation" {
		kind = "iamFleetRoleInvalid"
	}
	f.tell(s, now, types.FleetEventTypeServiceError, kind, "", code+": "+text)
}

// tell adds to the history of a fleet, and tells EventBridge. Instant fleets tell
// nothing.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-event-types.html.
func (f *Fleet) tell(s *Service, now time.Time, kind types.FleetEventType, sub, instance, about string) {
	if f.Shown.Type == types.FleetTypeInstant {
		return
	}
	e := types.HistoryRecordEntry{Timestamp: new(now.Truncate(time.Millisecond)), EventType: kind, EventInformation: &types.EventInformation{EventSubType: &sub}}
	detail := map[string]string{"sub-type": sub}
	if instance != "" {
		e.EventInformation.InstanceId, detail["instance-id"] = &instance, instance
	}
	if about != "" {
		e.EventInformation.EventDescription, detail["description"] = &about, about
	}
	f.History = append(slices.Clone(f.History), e)
	if s.Events == nil {
		return
	}
	title := map[types.FleetEventType]string{
		types.FleetEventTypeFleetChange: "EC2 Fleet State Change", types.FleetEventTypeInstanceChange: "EC2 Fleet Instance Change", types.FleetEventTypeServiceError: "EC2 Fleet Error",
	}[kind]
	s.Events.Emit(gate.Event{At: now, Account: f.Account, Region: f.Region, Source: "aws.ec2fleet", DetailType: title, Resources: []string{f.arn()}, Detail: detail})
}

// beginFleet has a fleet begin that the service-linked role of EC2 Fleet acts for. It is
// made on first use, for which the caller needs the right: assumed, as AWS asks that the
// role exist before.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-prerequisites.html.
func (s *Service) beginFleet(ctx context.Context, f *Fleet) error {
	if _, err := s.Agent.EnsureLinkedRole(ctx, "ec2fleet.amazonaws.com"); err != nil {
		return slrNotPermitted("EC2 Fleet", err) // assumed text
	}
	f.tell(s, gate.From(ctx).At, types.FleetEventTypeFleetChange, "submitted", "", "")
	s.fleetAgain(f, gate.From(ctx).At.Add(fleetStep))
	return nil
}

func (s *Service) fleetAgain(f *Fleet, at time.Time) {
	s.Agenda.Add(state.Task{At: at, Service: "ec2", Account: f.Account, Region: f.Region, What: "fleet", Subject: f.id()})
}

// fleetRole lets the service-linked role of EC2 Fleet act.
func (s *Service) fleetRole(ctx context.Context) (context.Context, error) {
	c := gate.From(ctx)
	return s.linked(ctx, "ec2fleet.amazonaws.com", c.Caller.Account, c.Region, "FleetManager")
}

// fleetDue looks after a fleet: it launches what is lacking, once for a fleet of type
// request, and again and again for one of type maintain.
func (s *Service) fleetDue(ctx context.Context, t state.Task) error {
	old := s.fleets.Get(state.Key(t.Account, t.Region, t.Subject))
	if old == nil || old.Shown.FleetState != types.FleetStateCodeSubmitted && old.Shown.FleetState != types.FleetStateCodeActive {
		return nil
	}
	f := *old
	first := f.Shown.FleetState == types.FleetStateCodeSubmitted
	if first {
		f.Shown.FleetState = types.FleetStateCodeActive
		f.tell(s, t.At, types.FleetEventTypeFleetChange, "active", "", "")
	}
	if s.mourn(t.At, &f) {
		s.failed(t.At, &f)
	}
	if !s.filled(t.At, &f) && (first || f.Shown.Type == types.FleetTypeMaintain && !t.At.Before(f.Next)) {
		s.fillAsRole(ctx, &f)
	}
	if s.filled(t.At, &f) {
		f.Shown.ActivityStatus = types.FleetActivityStatusFulfilled
	}
	if s.settled(t.At, &f) {
		f.Tries, f.Failing = 0, time.Time{}
	}
	s.fleets.Put(f.row(), &f)
	return nil
}

// filled reports whether a fleet has as much as it should.
func (s *Service) filled(now time.Time, f *Fleet) bool {
	demand, spot := s.capacity(now, f)
	wantDemand, wantSpot := f.targets()
	return demand+spot >= wantDemand+wantSpot
}

// fillAsRole launches what a fleet lacks as its service-linked role, and has a look at
// it when that is done.
func (s *Service) fillAsRole(ctx context.Context, f *Fleet) {
	now := gate.From(ctx).At
	role, err := s.fleetRole(ctx)
	if err != nil {
		f.tell(s, now, types.FleetEventTypeServiceError, "iamFleetRoleInvalid", "", err.Error())
		s.failed(now, f)
		return
	}
	if s.fill(role, f) > 0 {
		s.failed(now, f)
	}
	s.fleetAgain(f, now.Add(stepTime+fleetStep))
}

// failed plans when a fleet that maintains its capacity tries again: later and later,
// and not any more after a day.
func (s *Service) failed(now time.Time, f *Fleet) {
	f.Shown.ActivityStatus = types.FleetActivityStatusError
	if f.Shown.Type != types.FleetTypeMaintain {
		return
	}
	if f.Tries == 0 {
		f.Failing = now
	}
	f.Next = now.Add(min(fleetPause<<min(f.Tries, 10), fleetPauses))
	f.Tries++
	if now.Sub(f.Failing) < fleetDay {
		s.fleetAgain(f, f.Next)
	}
}

// settled reports whether a fleet has what it should, and all of it runs.
func (s *Service) settled(now time.Time, f *Fleet) bool {
	for _, l := range f.Launched {
		if i := s.instance(f.Account, f.Region, l.ID); i == nil || i.state(now) != running {
			return false
		}
	}
	return f.Shown.ActivityStatus == types.FleetActivityStatusFulfilled
}

// mourn notes the instances of a fleet that ended, and takes them off it. It reports
// whether one of them ended because of its key.
func (s *Service) mourn(now time.Time, f *Fleet) (refused bool) {
	var rest []FleetInstance
	for _, l := range f.Launched {
		if s.alive(now, f, l.ID) {
			rest = append(rest, l)
			continue
		}
		why := Step{}
		if i := s.instance(f.Account, f.Region, l.ID); i != nil {
			why = i.at(now)
		}
		refused = refused || why.Code == keyState
		f.tell(s, now, types.FleetEventTypeInstanceChange, "terminated", l.ID, why.Message)
	}
	f.Launched = rest
	return refused
}

// fleetLost has a fleet looked after when one of its instances ended.
func (s *Service) fleetLost(i *Instance, now time.Time) {
	if f := s.fleets.Get(state.Key(i.Account, i.Region, i.Tags["aws:ec2:fleet-id"])); f != nil {
		s.fleetAgain(f, now.Add(fleetStep))
	}
}

// endInstances terminates the instances of a fleet: as the caller for an instant fleet,
// else as the service-linked role.
func (s *Service) endInstances(ctx context.Context, f *Fleet) error {
	who := ctx
	if f.Shown.Type != types.FleetTypeInstant {
		var err error
		if who, err = s.fleetRole(ctx); err != nil {
			return err
		}
	}
	in := &ec2.TerminateInstancesInput{}
	for _, l := range f.Launched {
		if s.alive(gate.From(ctx).At, f, l.ID) {
			in.InstanceIds = append(in.InstanceIds, l.ID)
		}
	}
	if len(in.InstanceIds) == 0 {
		return nil
	}
	return s.DB.Try(func() error {
		_, err := s.Agent.Client.Do(who, "ec2", "TerminateInstances", in, gate.Forward{Service: "ec2", Assumed: true})
		return err
	})
}
