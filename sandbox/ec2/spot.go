package ec2

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// SpotRequest is a request for a Spot Instance as the state keeps it.
type SpotRequest struct {
	Account, Region string
	// Launch is the launch that fulfils it.
	Launch *ec2.RunInstancesInput
	// Shown is the request as it is described, but for what its instance tells.
	Shown types.SpotInstanceRequest
	Tags  map[string]string
}

func (r *SpotRequest) id() string  { return *r.Shown.SpotInstanceRequestId }
func (r *SpotRequest) row() string { return state.Key(r.Account, r.Region, r.id()) }

func (s *Service) spotOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, func(c *gate.Call, in *ec2.RequestSpotInstancesInput) ([]gate.Ask, error) {
			all := behalf.ARN("ec2", c.Region, c.Caller.Account, "spot-instances-request/*")
			tags := tagsFor(in.TagSpecifications, types.ResourceTypeSpotInstancesRequest)
			return append([]gate.Ask{askOn(c, "RequestSpotInstances", all, "", "AWS::EC2::SpotInstanceRequest", gate.RequestTags(tags))}, askTags("RequestSpotInstances", all, tags)...), nil
		}, s.RequestSpotInstances),
		gate.Op(gate.Reads, onAll[ec2.DescribeSpotInstanceRequestsInput]("DescribeSpotInstanceRequests"), s.DescribeSpotInstanceRequests),
		gate.Op(gate.Writes, func(c *gate.Call, in *ec2.CancelSpotInstanceRequestsInput) ([]gate.Ask, error) {
			var list []gate.Ask
			for _, id := range in.SpotInstanceRequestIds {
				list = append(list, askOn(c, "CancelSpotInstanceRequests", behalf.ARN("ec2", c.Region, c.Caller.Account, "spot-instances-request/", id), "", "AWS::EC2::SpotInstanceRequest", nil))
			}
			return list, nil
		}, s.CancelSpotInstanceRequests),
	}
}

// linked lets a service-linked role of an account act.
func (s *Service) linked(ctx context.Context, service, account, region, session string) (context.Context, error) {
	role, _ := behalf.LinkedRole(service, account, region) // the table has it
	return s.Agent.Role(ctx, role, session, "")
}

// RequestSpotInstances asks for Spot Instances, which the service-linked role for Spot
// launches a little later. It is made on first use, for which the caller needs the right.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html.
func (s *Service) RequestSpotInstances(ctx context.Context, in *ec2.RequestSpotInstancesInput) (*ec2.RequestSpotInstancesOutput, error) {
	c := gate.From(ctx)
	if in.LaunchSpecification == nil || in.LaunchSpecification.ImageId == nil {
		return nil, refuse("MissingParameter", "The request must contain the parameter LaunchSpecification.ImageId")
	}
	if s.image(c, *in.LaunchSpecification.ImageId) == nil {
		return nil, noImage(*in.LaunchSpecification.ImageId)
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	ids, seen := s.tokens.Seen(c, in.ClientToken, in)
	switch seen {
	case gate.Other:
		return nil, otherToken()
	case gate.Same:
		return s.requested(c, strings.Split(ids, ",")), nil
	}
	if _, err := s.Agent.EnsureLinkedRole(ctx, "spot.amazonaws.com"); err != nil {
		return nil, slrNotPermitted("EC2 Spot Instances", err)
	}
	var made []string
	for range max(1, aws.ToInt32(in.InstanceCount)) {
		r := s.newSpot(c, in)
		s.spots.Put(r.row(), r)
		s.Agenda.Add(state.Task{At: c.At.Add(fleetStep), Service: "ec2", Account: r.Account, Region: r.Region, What: "spot", Subject: r.id()})
		made = append(made, r.id())
	}
	s.tokens.Keep(c, in.ClientToken, in, strings.Join(made, ","))
	return s.requested(c, made), nil
}

// requested is what RequestSpotInstances answers.
func (s *Service) requested(c *gate.Call, ids []string) *ec2.RequestSpotInstancesOutput {
	out := &ec2.RequestSpotInstancesOutput{}
	for _, id := range ids {
		if r := s.spots.Get(state.Key(c.Caller.Account, c.Region, id)); r != nil {
			out.SpotInstanceRequests = append(out.SpotInstanceRequests, s.shownSpot(c.At, r))
		}
	}
	return out
}

// newSpot is a new request, in the state that comes first.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instances-request-status-lifecycle.html.
func (s *Service) newSpot(c *gate.Call, in *ec2.RequestSpotInstancesInput) *SpotRequest {
	launch := &ec2.RunInstancesInput{}
	translate(in.LaunchSpecification, launch)
	launch.MinCount, launch.MaxCount = new(int32(1)), new(int32(1))
	launch.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: types.MarketTypeSpot}
	shown := &types.LaunchSpecification{}
	spec := *in.LaunchSpecification
	spec.SecurityGroups, spec.SecurityGroupIds = nil, nil
	translate(&spec, shown)
	for _, id := range in.LaunchSpecification.SecurityGroupIds {
		shown.SecurityGroups = append(shown.SecurityGroups, types.GroupIdentifier{GroupId: &id})
	}
	kind, ending := in.Type, in.InstanceInterruptionBehavior
	if kind == "" {
		kind = types.SpotInstanceTypeOneTime
	}
	if ending == "" {
		ending = types.InstanceInterruptionBehaviorTerminate
	}
	return &SpotRequest{Account: c.Caller.Account, Region: c.Region, Launch: launch, Tags: tagsFor(in.TagSpecifications, types.ResourceTypeSpotInstancesRequest), Shown: types.SpotInstanceRequest{
		SpotInstanceRequestId: new("sir-" + s.IDs.Hex(8)), CreateTime: new(c.At.Truncate(time.Second)), State: types.SpotInstanceStateOpen, Type: kind,
		InstanceInterruptionBehavior: ending, LaunchSpecification: shown, LaunchGroup: in.LaunchGroup, AvailabilityZoneGroup: in.AvailabilityZoneGroup,
		ProductDescription: types.RIProductDescriptionLinuxUnix, SpotPrice: in.SpotPrice, ValidFrom: in.ValidFrom, ValidUntil: in.ValidUntil,
		Status: spotStatus(c.At, "pending-evaluation", "Your Spot request has been submitted for review, and is pending evaluation."),
	}}
}

func spotStatus(at time.Time, code, text string) *types.SpotInstanceStatus {
	return &types.SpotInstanceStatus{Code: &code, Message: &text, UpdateTime: new(at.Truncate(time.Second))}
}

// spotDue fulfils a request, as the service-linked role. One that EC2 refuses has bad
// parameters; that it is then failed is documented, the text assumed.
func (s *Service) spotDue(ctx context.Context, t state.Task) error {
	old := s.spots.Get(state.Key(t.Account, t.Region, t.Subject))
	if old == nil || old.Shown.State != types.SpotInstanceStateOpen {
		return nil
	}
	r := *old
	role, err := s.linked(ctx, "spot.amazonaws.com", t.Account, t.Region, "SpotInstances")
	var ids []string
	if err == nil {
		ids, err = s.runAs(role, r.Launch)
	}
	if err != nil {
		r.Shown.State = types.SpotInstanceStateFailed
		code, text := behalf.EC2Refusal(err)
		r.Shown.Status = spotStatus(t.At, "bad-parameters", text)
		r.Shown.Fault = &types.SpotInstanceStateFault{Code: &code, Message: &text}
	} else {
		r.Shown.State, r.Shown.InstanceId = types.SpotInstanceStateActive, &ids[0]
		r.Shown.Status = spotStatus(t.At, "fulfilled", "Your spot request is fulfilled.")
		s.mark(r.Account, r.Region, ids[0], func(i *Instance) { i.Lifecycle, i.SpotRequest = "spot", r.id() })
		r.Shown.LaunchedAvailabilityZone = &s.instance(r.Account, r.Region, ids[0]).Zone
	}
	s.spots.Put(r.row(), &r)
	return nil
}

// shownSpot is a request with what its instance tells: a request for one time is closed
// when its instance ended. The status of one whose key refused is assumed.
func (s *Service) shownSpot(now time.Time, r *SpotRequest) types.SpotInstanceRequest {
	v := r.Shown
	v.Tags = shownTags(r.Tags)
	if v.InstanceId == nil {
		return v
	}
	i := s.instance(r.Account, r.Region, *v.InstanceId)
	if i == nil {
		v.State, v.Status = types.SpotInstanceStateClosed, spotStatus(now, "instance-terminated-by-user", "Spot Instance terminated due to user-initiated termination.")
		return v
	}
	step := i.at(now)
	if step.State != shuttingDown && step.State != terminated {
		return v
	}
	if v.State == types.SpotInstanceStateActive {
		v.State = types.SpotInstanceStateClosed
	}
	v.Status = spotStatus(step.At, "instance-terminated-by-user", "Spot Instance terminated due to user-initiated termination.")
	if step.Code == keyState {
		v.Status = spotStatus(step.At, "system-error", step.Message)
	}
	return v
}

// DescribeSpotInstanceRequests lists requests.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotInstanceRequests.html.
func (s *Service) DescribeSpotInstanceRequests(ctx context.Context, in *ec2.DescribeSpotInstanceRequestsInput) (*ec2.DescribeSpotInstanceRequestsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if err := s.knownSpots(c, in.SpotInstanceRequestIds); err != nil {
		return nil, err
	}
	list := []types.SpotInstanceRequest{}
	for _, r := range s.spots.All(state.Key(c.Caller.Account, c.Region, "")) {
		if len(in.SpotInstanceRequestIds) > 0 && !slices.Contains(in.SpotInstanceRequestIds, r.id()) {
			continue
		}
		v := s.shownSpot(c.At, r)
		fits, err := match(in.Filters, fields{
			"spot-instance-request-id": {r.id()}, "state": {string(v.State)}, "status-code": {*v.Status.Code}, "type": {string(v.Type)},
			"instance-id": {aws.ToString(v.InstanceId)}, "launch.image-id": {aws.ToString(r.Launch.ImageId)}, "launch.instance-type": {string(typeOf(r.Launch))},
			"launch.subnet-id": {aws.ToString(r.Launch.SubnetId)}, "spot-price": {aws.ToString(v.SpotPrice)},
			"launched-availability-zone": {aws.ToString(v.LaunchedAvailabilityZone)},
		}.tagged(r.Tags))
		if err != nil {
			return nil, err
		}
		if fits {
			list = append(list, v)
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeSpotInstanceRequestsOutput{SpotInstanceRequests: page, NextToken: next}, nil
}

func (s *Service) knownSpots(c *gate.Call, ids []string) error {
	for _, id := range ids {
		if s.spots.Get(state.Key(c.Caller.Account, c.Region, id)) == nil {
			return refuse("InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '"+id+"' does not exist")
		}
	}
	return nil
}

// CancelSpotInstanceRequests ends requests. Instances that run stay.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CancelSpotInstanceRequests.html.
func (s *Service) CancelSpotInstanceRequests(ctx context.Context, in *ec2.CancelSpotInstanceRequestsInput) (*ec2.CancelSpotInstanceRequestsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if err := s.knownSpots(c, in.SpotInstanceRequestIds); err != nil {
		return nil, err
	}
	out := &ec2.CancelSpotInstanceRequestsOutput{}
	for _, id := range in.SpotInstanceRequestIds {
		r := *s.spots.Get(state.Key(c.Caller.Account, c.Region, id))
		switch s.shownSpot(c.At, &r).State {
		case types.SpotInstanceStateOpen:
			r.Shown.Status = spotStatus(c.At, "canceled-before-fulfillment", "Your Spot request was canceled before it was fulfilled.")
			r.Shown.State = types.SpotInstanceStateCancelled
		case types.SpotInstanceStateActive:
			r.Shown.Status = spotStatus(c.At, "request-canceled-and-instance-running", "Your Spot request is canceled, but your instance is still running.")
			r.Shown.State = types.SpotInstanceStateCancelled
		}
		s.spots.Put(r.row(), &r)
		out.CancelledSpotInstanceRequests = append(out.CancelledSpotInstanceRequests, types.CancelledSpotInstanceRequest{
			SpotInstanceRequestId: &id, State: types.CancelSpotInstanceRequestState(s.shownSpot(c.At, &r).State),
		})
	}
	return out, nil
}
