package live

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/cloud"
)

// fleet is a fleet of one instance by the task's template.
func (w *work) fleet(ctx context.Context, kind types.FleetType, ended int) (*ec2.CreateFleetInput, error) {
	template, err := w.template(ctx)
	if err != nil {
		return nil, err
	}
	config := types.FleetLaunchTemplateConfigRequest{LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: &template, Version: new("$Latest")}}
	if subnet := w.Args["subnetId"]; subnet != "" {
		config.Overrides = []types.FleetLaunchTemplateOverridesRequest{{SubnetId: &subnet}}
	}
	return &ec2.CreateFleetInput{
		Type: kind, ClientToken: new(w.token(ended)), TagSpecifications: w.tagged(types.ResourceTypeFleet), LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{config},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: new(int32(1)), DefaultTargetCapacityType: types.DefaultTargetCapacityTypeOnDemand},
	}, nil
}

// runFleet launches by an instant fleet, as Karpenter does. What EC2 refuses stands in
// the answer, and nothing was made.
func runFleet(ctx context.Context, w *work) (cloud.Progress, error) {
	_, ended, err := w.instances(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	call, err := w.fleet(ctx, types.FleetTypeInstant, ended)
	if err != nil {
		return cloud.Progress{}, err
	}
	out, err := taskEC2(w.actor).CreateFleet(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, "ec2:CreateFleet")
	}
	for _, i := range out.Instances {
		if len(i.InstanceIds) > 0 {
			return cloud.Progress{ID: i.InstanceIds[0], State: string(types.InstanceStateNamePending), Percent: -1, Made: map[string]string{"fleet": aws.ToString(out.FleetId)}}, nil
		}
	}
	refused := &smithy.GenericAPIError{Code: "InsufficientInstanceCapacity", Message: "the fleet launched nothing"}
	if len(out.Errors) > 0 {
		refused = &smithy.GenericAPIError{Code: aws.ToString(out.Errors[0].ErrorCode), Message: aws.ToString(out.Errors[0].ErrorMessage)}
	}
	return cloud.Progress{}, w.failed(refused, "ec2:CreateFleet")
}

// fleetTag is on every instance of a fleet, with the fleet's id.
const fleetTag = "aws:ec2:fleet-id"

// removeInstantFleet ends the instances and their fleet, which is only known by them.
func removeInstantFleet(ctx context.Context, w *work) error {
	list, err := w.instancesLike(ctx, &ec2.DescribeInstancesInput{Filters: w.byTag()})
	if err != nil {
		return err
	}
	var fleets []string
	for _, i := range list {
		for _, t := range i.Tags {
			if aws.ToString(t.Key) == fleetTag && !removed(i.Tags) {
				fleets = append(fleets, aws.ToString(t.Value))
			}
		}
	}
	if err := w.deleteFleets(ctx, fleets); err != nil {
		return err
	}
	if err := w.end(ctx, list); err != nil {
		return err
	}
	return w.removeTemplate(ctx)
}

func (w *work) deleteFleets(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	out, err := taskEC2(w.own).DeleteFleets(ctx, &ec2.DeleteFleetsInput{FleetIds: ids, TerminateInstances: new(true)})
	if err != nil {
		return w.failed(err, "ec2:DeleteFleets")
	}
	for _, u := range out.UnsuccessfulFleetDeletions {
		if u.Error == nil || u.Error.Code == types.DeleteFleetErrorCodeFleetIdDoesNotExist || u.Error.Code == types.DeleteFleetErrorCodeFleetNotInDeletableState {
			continue
		}
		return w.failed(&smithy.GenericAPIError{Code: string(u.Error.Code), Message: aws.ToString(u.Error.Message)}, "ec2:DeleteFleets")
	}
	return nil
}

// fleets are the fleets of the task that are not deleted, and how many are. EC2 finds
// fleets by no tag.
func (w *work) fleets(ctx context.Context) (list []types.FleetData, ended int, err error) {
	pages := ec2.NewDescribeFleetsPaginator(taskEC2(w.own), &ec2.DescribeFleetsInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, 0, w.failed(err, "ec2:DescribeFleets")
		}
		for _, f := range out.Fleets {
			own := w.ec2Own(f.Tags)
			switch {
			case own && (f.FleetState == types.FleetStateCodeDeleted || f.FleetState == types.FleetStateCodeDeletedRunning || f.FleetState == types.FleetStateCodeDeletedTerminatingInstances):
				ended++
			case own:
				list = append(list, f)
			}
		}
	}
	return list, ended, nil
}

// lookFleet is done when the fleet's instance runs, and failed when it ended or the
// fleet tells of an error.
func lookFleet(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, _, err := w.fleets(ctx)
	if err != nil || len(list) == 0 {
		return cloud.Progress{}, false, err
	}
	f := &list[0]
	p := cloud.Progress{ID: aws.ToString(f.FleetId), State: string(f.FleetState), Percent: -1, Started: aws.ToTime(f.CreateTime)}
	there, _, err := w.instances(ctx)
	if err != nil {
		return p, true, err
	}
	if len(there) > 0 {
		i := instanceProgress(&there[0])
		p.Done, p.Failed, p.Percent, p.Made = i.Done, i.Failed, i.Percent, map[string]string{"instance": i.ID}
		return p, true, nil
	}
	p.Failed, err = w.whyFleet(ctx, f)
	return p, true, err
}

// whyFleet is the latest error in the fleet's history.
func (w *work) whyFleet(ctx context.Context, f *types.FleetData) (string, error) {
	out, err := taskEC2(w.own).DescribeFleetHistory(ctx, &ec2.DescribeFleetHistoryInput{FleetId: f.FleetId, StartTime: f.CreateTime, EventType: types.FleetEventTypeServiceError})
	if err != nil {
		return "", w.failed(err, "ec2:DescribeFleetHistory")
	}
	if n := len(out.HistoryRecords); n > 0 {
		if e := out.HistoryRecords[n-1].EventInformation; e != nil {
			return reason(aws.ToString(e.EventSubType), aws.ToString(e.EventDescription)), nil
		}
	}
	if f.FleetState == types.FleetStateCodeFailed {
		return "the fleet " + aws.ToString(f.FleetId) + " failed", nil
	}
	return "", nil
}

func requestFleet(ctx context.Context, w *work) (cloud.Progress, error) {
	_, ended, err := w.fleets(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	call, err := w.fleet(ctx, types.FleetTypeRequest, ended)
	if err != nil {
		return cloud.Progress{}, err
	}
	out, err := taskEC2(w.actor).CreateFleet(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, "ec2:CreateFleet")
	}
	return cloud.Progress{ID: aws.ToString(out.FleetId), State: string(types.FleetStateCodeSubmitted), Percent: -1}, nil
}

func removeFleets(ctx context.Context, w *work) error {
	list, _, err := w.fleets(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, f := range list {
		ids = append(ids, aws.ToString(f.FleetId))
	}
	if err := w.deleteFleets(ctx, ids); err != nil {
		return err
	}
	if err := removeInstances(ctx, w); err != nil {
		return err
	}
	return w.removeTemplate(ctx)
}

// spots are the Spot requests of the task, and how many of them Remove ended.
func (w *work) spots(ctx context.Context) (list []types.SpotInstanceRequest, ended int, err error) {
	out, err := taskEC2(w.own).DescribeSpotInstanceRequests(ctx, &ec2.DescribeSpotInstanceRequestsInput{Filters: w.byTag()})
	if err != nil {
		return nil, 0, w.failed(err, "ec2:DescribeSpotInstanceRequests")
	}
	list = slices.DeleteFunc(slices.Clone(out.SpotInstanceRequests), func(r types.SpotInstanceRequest) bool { return removed(r.Tags) })
	return list, len(out.SpotInstanceRequests) - len(list), nil
}

// lookSpot is done when the request's instance runs, and failed when that ended or EC2
// gave the request up.
func lookSpot(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, _, err := w.spots(ctx)
	if err != nil || len(list) == 0 {
		return cloud.Progress{}, false, err
	}
	r := &list[0]
	p := spotProgress(r)
	if r.InstanceId == nil {
		return p, true, nil
	}
	there, err := w.instancesLike(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*r.InstanceId}})
	if err = w.gone(err); err != nil || len(there) == 0 {
		return p, true, err
	}
	i := instanceProgress(&there[0])
	p.Done, p.Percent, p.Made = i.Done, i.Percent, map[string]string{"instance": i.ID}
	if i.Failed != "" {
		p.Failed = i.Failed
	}
	return p, true, nil
}

func spotProgress(r *types.SpotInstanceRequest) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(r.SpotInstanceRequestId), State: string(r.State), Percent: -1, Started: aws.ToTime(r.CreateTime)}
	if r.State == types.SpotInstanceStateOpen || r.State == types.SpotInstanceStateActive {
		return p
	}
	p.Failed = p.ID + " is " + p.State
	if r.Fault != nil {
		p.Failed = reason(aws.ToString(r.Fault.Code), aws.ToString(r.Fault.Message))
	} else if r.Status != nil {
		p.Failed = reason(aws.ToString(r.Status.Code), aws.ToString(r.Status.Message))
	}
	return p
}

func requestSpot(ctx context.Context, w *work) (cloud.Progress, error) {
	_, ended, err := w.spots(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	devices, err := w.devices(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	out, err := taskEC2(w.actor).RequestSpotInstances(ctx, &ec2.RequestSpotInstancesInput{
		ClientToken: new(w.token(ended)), InstanceCount: new(int32(1)), Type: types.SpotInstanceTypeOneTime, TagSpecifications: w.tagged(types.ResourceTypeSpotInstancesRequest),
		LaunchSpecification: &types.RequestSpotLaunchSpecification{ImageId: &w.Source, InstanceType: w.instanceType(), BlockDeviceMappings: devices, SubnetId: optional(w.Args["subnetId"])},
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, "ec2:RequestSpotInstances")
	}
	return spotProgress(&out.SpotInstanceRequests[0]), nil
}

// removeSpot ends the requests and what they launched.
func removeSpot(ctx context.Context, w *work) error {
	list, _, err := w.spots(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	var requests, instances []string
	for _, r := range list {
		requests = append(requests, aws.ToString(r.SpotInstanceRequestId))
		if r.InstanceId != nil {
			instances = append(instances, *r.InstanceId)
		}
	}
	_, err = taskEC2(w.own).CancelSpotInstanceRequests(ctx, &ec2.CancelSpotInstanceRequestsInput{SpotInstanceRequestIds: requests})
	if err := w.failed(err, "ec2:CancelSpotInstanceRequests"); err != nil {
		return err
	}
	if len(instances) > 0 {
		there, err := w.instancesLike(ctx, &ec2.DescribeInstancesInput{InstanceIds: instances})
		if err = w.gone(err); err != nil {
			return err
		}
		if err := w.end(ctx, there); err != nil {
			return err
		}
	}
	return w.markRemoved(ctx, requests)
}
