package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Fleet is an EC2 Fleet as the state keeps it.
type Fleet struct {
	Account, Region string
	Asked           *ec2.CreateFleetInput
	// Shown is the fleet as it is described, but for what its instances tell.
	Shown    types.FleetData
	Launched []FleetInstance
	History  []types.HistoryRecordEntry
	// Failing is since when launches fail, Tries how many did, Next when the next is
	// tried.
	Failing, Next time.Time
	Tries         int
}

// FleetInstance is an instance of a fleet.
type FleetInstance struct {
	ID        string
	Lifecycle types.InstanceLifecycle
	Weight    float64
	// Config and Override say which of the fleet's configurations it was launched by.
	Config, Override int
}

func (f *Fleet) id() string  { return *f.Shown.FleetId }
func (f *Fleet) row() string { return state.Key(f.Account, f.Region, f.id()) }
func (f *Fleet) arn() string { return fleetARN(f.Account, f.Region, f.id()) }

func fleetARN(account, region, id string) string {
	return behalf.ARN("ec2", region, account, "fleet/", id)
}

func (s *Service) fleetOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.askFleet, s.CreateFleet),
		gate.Op(gate.Reads, onAll[ec2.DescribeFleetsInput]("DescribeFleets"), s.DescribeFleets),
		gate.Op(gate.Reads, onFleet("DescribeFleetInstances", func(in *ec2.DescribeFleetInstancesInput) []string { return []string{*in.FleetId} }), s.DescribeFleetInstances),
		gate.Op(gate.Reads, onFleet("DescribeFleetHistory", func(in *ec2.DescribeFleetHistoryInput) []string { return []string{*in.FleetId} }), s.DescribeFleetHistory),
		gate.Op(gate.Writes, onFleet("DeleteFleets", func(in *ec2.DeleteFleetsInput) []string { return in.FleetIds }), s.DeleteFleets),
	}
}

// onFleet is what an operation needs that is about fleets.
func onFleet[I any](operation string, ids func(*I) []string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		var list []gate.Ask
		for _, id := range ids(in) {
			list = append(list, askOn(c, operation, fleetARN(c.Caller.Account, c.Region, id), "", "AWS::EC2::EC2Fleet", nil))
		}
		return list, nil
	}
}

// askFleet is what CreateFleet needs: the fleet and its launch templates. Who launches
// needs the rights of RunInstances beside.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html.
func (s *Service) askFleet(c *gate.Call, in *ec2.CreateFleetInput) ([]gate.Ask, error) {
	tags := tagsFor(in.TagSpecifications, types.ResourceTypeFleet)
	all := fleetARN(c.Caller.Account, c.Region, "*")
	// An instant fleet's request tags its instances, and is asked with their tags.
	given := gate.RequestTags(tags)
	if tags == nil {
		given = gate.RequestTags(tagsFor(in.TagSpecifications, types.ResourceTypeInstance))
	}
	list := []gate.Ask{askOn(c, "CreateFleet", all, "", "AWS::EC2::EC2Fleet", given)}
	for _, k := range in.LaunchTemplateConfigs {
		t, err := s.fleetTemplate(c, k.LaunchTemplateSpecification)
		if err != nil {
			return nil, err
		}
		list = append(list, askOn(c, "CreateFleet", t.arn(), "", "AWS::EC2::LaunchTemplate", gate.ResourceTags(t.Tags, "ec2:resourcetag")))
	}
	return append(list, askTags("CreateFleet", all, tags)...), nil
}

// fleetTemplate finds the launch template of a fleet's configuration.
func (s *Service) fleetTemplate(c *gate.Call, t *types.FleetLaunchTemplateSpecificationRequest) (*Template, error) {
	if t == nil {
		return nil, refuse("MissingParameter", "The request must contain the parameter LaunchTemplateSpecification")
	}
	return s.template(c, t.LaunchTemplateId, t.LaunchTemplateName)
}

// CreateFleet launches instances by launch templates: as the caller when the fleet is
// instant, else a little later as the service-linked role of EC2 Fleet.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFleet.html.
func (s *Service) CreateFleet(ctx context.Context, in *ec2.CreateFleetInput) (*ec2.CreateFleetOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	id, seen := s.tokens.Seen(c, in.ClientToken, in)
	if seen == gate.Other {
		return nil, refuse("IdempotentParameterMismatch", "The request uses the same client token as a previous, but non-identical request.")
	}
	if f := s.fleets.Get(state.Key(c.Caller.Account, c.Region, id)); seen == gate.Same && f != nil {
		return f.answer(), nil
	}
	if err := checkFleet(in); err != nil {
		return nil, err
	}
	f := &Fleet{Account: c.Caller.Account, Region: c.Region, Asked: in, Shown: s.newFleet(c, in)}
	var err error
	if f.Shown.Type == types.FleetTypeInstant {
		s.fill(ctx, f)
		f.Shown.FleetState, f.Shown.ActivityStatus = types.FleetStateCodeActive, types.FleetActivityStatusFulfilled
	} else {
		err = s.beginFleet(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	s.fleets.Put(f.row(), f)
	s.tokens.Keep(c, in.ClientToken, in, f.id())
	return f.answer(), nil
}

// answer is what CreateFleet answers: what became of it for an instant fleet, the id
// alone for others.
func (f *Fleet) answer() *ec2.CreateFleetOutput {
	out := &ec2.CreateFleetOutput{FleetId: f.Shown.FleetId, Errors: []types.CreateFleetError{}, Instances: []types.CreateFleetInstance{}}
	for _, e := range f.Shown.Errors {
		out.Errors = append(out.Errors, types.CreateFleetError(e))
	}
	for _, i := range f.Shown.Instances {
		out.Instances = append(out.Instances, types.CreateFleetInstance{
			InstanceIds: i.InstanceIds, InstanceType: i.InstanceType, LaunchTemplateAndOverrides: i.LaunchTemplateAndOverrides, Lifecycle: i.Lifecycle, Platform: i.Platform,
		})
	}
	return out
}

// checkFleet checks what a request asks for.
func checkFleet(in *ec2.CreateFleetInput) error {
	t := in.TargetCapacitySpecification
	switch {
	case len(in.LaunchTemplateConfigs) == 0:
		return refuse("MissingParameter", "The request must contain the parameter LaunchTemplateConfigs")
	case t == nil || t.TotalTargetCapacity == nil:
		return refuse("MissingParameter", "The request must contain the parameter TotalTargetCapacity")
	case *t.TotalTargetCapacity < 0 || *t.TotalTargetCapacity > 1000:
		return invalidValue(fmt.Sprintf("The sandbox launches at most 1000 instances in a fleet, not %d", *t.TotalTargetCapacity))
	case aws.ToInt32(t.OnDemandTargetCapacity)+aws.ToInt32(t.SpotTargetCapacity) > *t.TotalTargetCapacity:
		return refuse("InvalidParameter", "OnDemandTargetCapacity and SpotTargetCapacity must not be more than TotalTargetCapacity") // assumed text
	}
	return nil
}

// newFleet is a fleet with AWS's defaults for what a request leaves out.
func (s *Service) newFleet(c *gate.Call, in *ec2.CreateFleetInput) types.FleetData {
	t := in.TargetCapacitySpecification
	kind := in.Type
	if kind == "" {
		kind = types.FleetTypeMaintain
	}
	d := types.FleetData{
		FleetId: new("fleet-" + s.IDs.UUID()), CreateTime: new(c.At.Truncate(time.Second)), Type: kind, ClientToken: in.ClientToken, Context: in.Context,
		FleetState: types.FleetStateCodeSubmitted, ActivityStatus: types.FleetActivityStatusPendingFulfillment,
		ExcessCapacityTerminationPolicy: in.ExcessCapacityTerminationPolicy, ReplaceUnhealthyInstances: new(aws.ToBool(in.ReplaceUnhealthyInstances)),
		TerminateInstancesWithExpiration: new(aws.ToBool(in.TerminateInstancesWithExpiration)), ValidFrom: in.ValidFrom, ValidUntil: in.ValidUntil,
		Tags: shownTags(tagsFor(in.TagSpecifications, types.ResourceTypeFleet)),
		TargetCapacitySpecification: &types.TargetCapacitySpecification{
			TotalTargetCapacity: t.TotalTargetCapacity, DefaultTargetCapacityType: t.DefaultTargetCapacityType, TargetCapacityUnitType: t.TargetCapacityUnitType,
			OnDemandTargetCapacity: new(aws.ToInt32(t.OnDemandTargetCapacity)), SpotTargetCapacity: new(aws.ToInt32(t.SpotTargetCapacity)),
		},
	}
	if d.ExcessCapacityTerminationPolicy == "" {
		d.ExcessCapacityTerminationPolicy = types.FleetExcessCapacityTerminationPolicyTermination
	}
	if in.SpotOptions != nil {
		d.SpotOptions = &types.SpotOptions{}
		translate(in.SpotOptions, d.SpotOptions)
	}
	if in.OnDemandOptions != nil {
		d.OnDemandOptions = &types.OnDemandOptions{}
		translate(in.OnDemandOptions, d.OnDemandOptions)
	}
	for i := range in.LaunchTemplateConfigs {
		d.LaunchTemplateConfigs = append(d.LaunchTemplateConfigs, s.shownConfig(c, &in.LaunchTemplateConfigs[i]))
	}
	return d
}

// shownConfig is a configuration as fleets show it.
func (s *Service) shownConfig(c *gate.Call, k *types.FleetLaunchTemplateConfigRequest) types.FleetLaunchTemplateConfig {
	out := types.FleetLaunchTemplateConfig{LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecification{Version: k.LaunchTemplateSpecification.Version}}
	if t, err := s.fleetTemplate(c, k.LaunchTemplateSpecification); err == nil {
		out.LaunchTemplateSpecification.LaunchTemplateId = &t.ID
		if n, err := t.number(k.LaunchTemplateSpecification.Version); err == nil {
			out.LaunchTemplateSpecification.Version = new(fmt.Sprint(n))
		}
	}
	for _, o := range k.Overrides {
		var shown types.FleetLaunchTemplateOverrides
		translate(o, &shown)
		out.Overrides = append(out.Overrides, shown)
	}
	return out
}

// slrNotPermitted refuses who may not make a service-linked role, with the text that
// users report of Spot.
func slrNotPermitted(what string, err error) error {
	if d := (*gate.Denied)(nil); !errors.As(err, &d) {
		return err
	}
	return &wire.Error{Code: "AuthFailure.ServiceLinkedRoleCreationNotPermitted", Message: "The provided credentials do not have permission to create the service-linked role for " + what + ".", Status: 403}
}

// fleet finds a fleet of the caller's.
func (s *Service) fleet(c *gate.Call, id string) (*Fleet, error) {
	f := s.fleets.Get(state.Key(c.Caller.Account, c.Region, id))
	if f == nil {
		return nil, refuse("InvalidFleetId.NotFound", "The fleet ID '"+id+"' does not exist")
	}
	return f, nil
}

// DescribeFleets lists fleets; instant ones only when they are named.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFleets.html.
func (s *Service) DescribeFleets(ctx context.Context, in *ec2.DescribeFleetsInput) (*ec2.DescribeFleetsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	for _, id := range in.FleetIds {
		if _, err := s.fleet(c, id); err != nil {
			return nil, err
		}
	}
	var list []types.FleetData
	for _, f := range s.fleets.All(state.Key(c.Caller.Account, c.Region, "")) {
		if len(in.FleetIds) > 0 && !slices.Contains(in.FleetIds, f.id()) || len(in.FleetIds) == 0 && f.Shown.Type == types.FleetTypeInstant {
			continue
		}
		v := s.shownFleet(c, f)
		fits, err := match(in.Filters, fields{
			"activity-status": {string(v.ActivityStatus)}, "fleet-state": {string(v.FleetState)}, "type": {string(v.Type)},
			"excess-capacity-termination-policy": {string(v.ExcessCapacityTerminationPolicy)}, "replace-unhealthy-instances": {fmt.Sprint(*v.ReplaceUnhealthyInstances)},
		})
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
	return &ec2.DescribeFleetsOutput{Fleets: page, NextToken: next}, nil
}

// shownFleet is a fleet with what its instances tell.
func (s *Service) shownFleet(c *gate.Call, f *Fleet) types.FleetData {
	v := f.Shown
	demand, spot := s.capacity(c.At, f)
	v.FulfilledCapacity, v.FulfilledOnDemandCapacity = new(demand+spot), &demand
	if (v.FleetState == types.FleetStateCodeDeletedRunning || v.FleetState == types.FleetStateCodeDeletedTerminatingInstances) && demand+spot == 0 {
		v.FleetState = types.FleetStateCodeDeleted
	}
	return v
}

// capacity is what the instances of a fleet that run are worth.
func (s *Service) capacity(now time.Time, f *Fleet) (demand, spot float64) {
	for _, i := range f.Launched {
		if !s.alive(now, f, i.ID) {
			continue
		}
		if i.Lifecycle == types.InstanceLifecycleSpot {
			spot += i.Weight
		} else {
			demand += i.Weight
		}
	}
	return demand, spot
}

// alive reports whether an instance of a fleet counts.
func (s *Service) alive(now time.Time, f *Fleet, id string) bool {
	i := s.instance(f.Account, f.Region, id)
	if i == nil {
		return false
	}
	is := i.state(now)
	return is == pending || is == running
}

// DescribeFleetInstances lists the instances of a fleet that run. Those of an instant
// fleet stand in DescribeFleets.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFleetInstances.html.
func (s *Service) DescribeFleetInstances(ctx context.Context, in *ec2.DescribeFleetInstancesInput) (*ec2.DescribeFleetInstancesOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	f, err := s.fleet(c, *in.FleetId)
	if err != nil {
		return nil, err
	}
	if f.Shown.Type == types.FleetTypeInstant {
		return nil, refuse("Unsupported", "DescribeFleetInstances is not supported for fleets of type instant") // assumed text
	}
	list := []types.ActiveInstance{}
	for _, l := range f.Launched {
		if !s.alive(c.At, f, l.ID) {
			continue
		}
		i := s.instance(f.Account, f.Region, l.ID)
		fits, err := match(in.Filters, fields{"instance-type": {string(typeOf(i.Asked))}})
		if err != nil {
			return nil, err
		}
		if fits {
			list = append(list, types.ActiveInstance{InstanceId: &l.ID, InstanceType: new(string(typeOf(i.Asked))), InstanceHealth: types.InstanceHealthStatusHealthyStatus})
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeFleetInstancesOutput{FleetId: in.FleetId, ActiveInstances: page, NextToken: next}, nil
}

// DescribeFleetHistory tells what happened to a fleet.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFleetHistory.html.
func (s *Service) DescribeFleetHistory(ctx context.Context, in *ec2.DescribeFleetHistoryInput) (*ec2.DescribeFleetHistoryOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	f, err := s.fleet(c, *in.FleetId)
	if err != nil {
		return nil, err
	}
	list := []types.HistoryRecordEntry{}
	for _, e := range f.History {
		if (in.EventType == "" || e.EventType == in.EventType) && !e.Timestamp.Before(*in.StartTime) {
			list = append(list, e)
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeFleetHistoryOutput{FleetId: in.FleetId, HistoryRecords: page, NextToken: next, StartTime: in.StartTime, LastEvaluatedTime: &c.At}, nil
}

// DeleteFleets ends fleets, with their instances where asked: those of an instant fleet
// always.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteFleets.html.
func (s *Service) DeleteFleets(ctx context.Context, in *ec2.DeleteFleetsInput) (*ec2.DeleteFleetsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.DeleteFleetsOutput{SuccessfulFleetDeletions: []types.DeleteFleetSuccessItem{}, UnsuccessfulFleetDeletions: []types.DeleteFleetErrorItem{}}
	fail := func(id string, code types.DeleteFleetErrorCode, text string) {
		out.UnsuccessfulFleetDeletions = append(out.UnsuccessfulFleetDeletions, types.DeleteFleetErrorItem{FleetId: &id, Error: &types.DeleteFleetError{Code: code, Message: &text}})
	}
	for _, id := range in.FleetIds {
		f, err := s.fleet(c, id)
		end := aws.ToBool(in.TerminateInstances)
		switch {
		case err != nil:
			fail(id, types.DeleteFleetErrorCodeFleetIdDoesNotExist, "The fleet ID '"+id+"' does not exist")
			continue
		case f.Shown.Type == types.FleetTypeInstant && !end:
			fail(id, types.DeleteFleetErrorCodeUnexpectedError, "A fleet of type instant is deleted with its instances only") // assumed text
			continue
		}
		is := types.FleetStateCodeDeletedRunning
		if end {
			is = types.FleetStateCodeDeletedTerminatingInstances
			if err := s.endInstances(ctx, f); err != nil {
				_, text := behalf.EC2Refusal(err)
				fail(id, types.DeleteFleetErrorCodeUnexpectedError, text)
				continue
			}
		}
		before := s.shownFleet(c, f).FleetState
		next := *f
		next.Shown.FleetState = is
		next.tell(s, c.At, types.FleetEventTypeFleetChange, string(is), "", "")
		s.fleets.Put(next.row(), &next)
		out.SuccessfulFleetDeletions = append(out.SuccessfulFleetDeletions, types.DeleteFleetSuccessItem{FleetId: &id, PreviousFleetState: before, CurrentFleetState: is})
	}
	return out, nil
}
