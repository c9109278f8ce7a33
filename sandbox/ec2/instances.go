package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) instanceOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksRun, s.RunInstances),
		gate.Op(gate.Writes, onInstances(s, "TerminateInstances", func(in *ec2.TerminateInstancesInput) []string { return in.InstanceIds }), s.TerminateInstances),
		gate.Op(gate.Writes, onInstances(s, "StopInstances", func(in *ec2.StopInstancesInput) []string { return in.InstanceIds }), s.StopInstances),
		gate.Op(gate.Writes, onInstances(s, "StartInstances", func(in *ec2.StartInstancesInput) []string { return in.InstanceIds }), s.StartInstances),
		gate.Op(gate.Writes, onInstances(s, "RebootInstances", func(in *ec2.RebootInstancesInput) []string { return in.InstanceIds }), s.RebootInstances),
		gate.Op(gate.Reads, onAll[ec2.DescribeInstancesInput]("DescribeInstances"), s.DescribeInstances),
		gate.Op(gate.Reads, onAll[ec2.DescribeInstanceStatusInput]("DescribeInstanceStatus"), s.DescribeInstanceStatus),
		gate.Op(gate.Reads, onInstances(s, "DescribeInstanceAttribute", func(in *ec2.DescribeInstanceAttributeInput) []string { return []string{aws.ToString(in.InstanceId)} }), s.DescribeInstanceAttribute),
		gate.Op(gate.Writes, onInstances(s, "ModifyInstanceMetadataOptions", func(in *ec2.ModifyInstanceMetadataOptionsInput) []string {
			return []string{aws.ToString(in.InstanceId)}
		}), s.ModifyInstanceMetadataOptions),
		gate.Op(gate.Reads, onAll[ec2.DescribeInstanceCreditSpecificationsInput]("DescribeInstanceCreditSpecifications"), s.DescribeInstanceCreditSpecifications),
		gate.Op(gate.Writes, onInstances(s, "ModifyInstanceAttribute", func(in *ec2.ModifyInstanceAttributeInput) []string { return []string{aws.ToString(in.InstanceId)} }), s.ModifyInstanceAttribute),
	}
}

// RunInstances launches instances.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html.
func (s *Service) RunInstances(ctx context.Context, in *ec2.RunInstancesInput) (*ec2.RunInstancesOutput, error) {
	c := gate.From(ctx)
	if id, outcome := s.tokens.Seen(c, in.ClientToken, in); outcome == gate.Other {
		return nil, refuse("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	} else if outcome == gate.Same {
		return s.launched(c, s.reservation(c, id)), nil
	}
	full, err := s.effective(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, spec := range full.TagSpecifications {
		if c.Forward != nil {
			break // services mark what they launch with tags that only AWS may set
		}
		if _, err := newTags(full.TagSpecifications, spec.ResourceType); err != nil {
			return nil, err
		}
	}
	if aws.ToBool(in.DryRun) {
		// Recorded: KMS is not asked.
		if _, err := s.setUp(c, launchSpec{In: full}); err != nil {
			return nil, err
		}
		return nil, dry(in.DryRun)
	}
	spec := launchSpec{In: full}
	if marketOf(full) == "spot" {
		spec.Lifecycle = "spot"
	}
	list, err := s.launch(ctx, spec)
	if err != nil {
		return nil, err
	}
	s.tokens.Keep(c, in.ClientToken, in, list[0].Reservation)
	return s.launched(c, list), nil
}

// launched is the answer to a launch. Recorded: it shows no volumes yet.
func (s *Service) launched(c *gate.Call, list []*Instance) *ec2.RunInstancesOutput {
	out := &ec2.RunInstancesOutput{OwnerId: &c.Caller.Account, Groups: []types.GroupIdentifier{}, Instances: []types.Instance{}}
	for _, i := range list {
		out.ReservationId = &i.Reservation
		out.Instances = append(out.Instances, i.shown(c.At, nil))
	}
	return out
}

func (s *Service) reservation(c *gate.Call, id string) (list []*Instance) {
	for _, i := range s.instances.All(state.Key(c.Caller.Account, c.Region, "")) {
		if i.Reservation == id {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *Instance) int { return int(a.Index - b.Index) })
	return list
}

// DescribeInstances lists instances by the launches that they came of.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html.
func (s *Service) DescribeInstances(ctx context.Context, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
	c := gate.From(ctx)
	if len(in.InstanceIds) > 0 && in.MaxResults != nil {
		return nil, refuse("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	list, err := s.listed(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	devices := s.devices(c)
	reservations := []types.Reservation{}
	for _, i := range list {
		ok, err := match(in.Filters, i.fields(c.At, devices[i.ID]))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		at := slices.IndexFunc(reservations, func(r types.Reservation) bool { return *r.ReservationId == i.Reservation })
		if at < 0 {
			at = len(reservations)
			r := types.Reservation{ReservationId: &i.Reservation, OwnerId: &i.Account, Groups: []types.GroupIdentifier{}}
			if i.Requester != "" {
				r.RequesterId = &i.Requester
			}
			reservations = append(reservations, r)
		}
		reservations[at].Instances = append(reservations[at].Instances, i.shown(c.At, devices[i.ID]))
	}
	page, next, err := pageOf(reservations, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeInstancesOutput{Reservations: page, NextToken: next}, nil
}

// listed are the instances with ids, or all, in the order in which they were launched.
func (s *Service) listed(c *gate.Call, ids []string) ([]*Instance, error) {
	if len(ids) > 0 {
		return s.found(c, ids)
	}
	var list []*Instance
	for _, i := range s.instances.All(state.Key(c.Caller.Account, c.Region, "")) {
		list = append(list, i)
	}
	slices.SortStableFunc(list, func(a, b *Instance) int {
		if d := a.Launched.Compare(b.Launched); d != 0 {
			return d
		}
		if d := strings.Compare(a.Reservation, b.Reservation); d != 0 {
			return d
		}
		return int(a.Index - b.Index)
	})
	return list, nil
}

// fields are what instances are filtered by.
func (i *Instance) fields(now time.Time, devices []device) fields {
	step, in := i.at(now), i.Asked
	n := network{i.Account, i.Region}
	f := fields{
		"instance-id": {i.ID}, "instance-state-name": {step.State}, "instance-state-code": {strconv.Itoa(int(stateCode(step.State)))},
		"instance-type": {string(typeOf(in))}, "image-id": {aws.ToString(in.ImageId)}, "availability-zone": {i.Zone}, "reservation-id": {i.Reservation},
		"owner-id": {i.Account}, "vpc-id": {n.vpc()}, "subnet-id": {i.Subnet}, "private-ip-address": {i.Address}, "architecture": {i.Image.Architecture},
		"key-name": {aws.ToString(in.KeyName)}, "client-token": {aws.ToString(in.ClientToken)}, "launch-index": {strconv.Itoa(int(i.Index))},
		"launch-time": {i.Launched.Format("2006-01-02T15:04:05.000Z")}, "root-device-name": {i.Image.RootDevice}, "root-device-type": {i.Image.RootType},
		"virtualization-type": {i.Image.Virtualization}, "hypervisor": {"xen"}, "tenancy": {string(i.placement().Tenancy)},
		"state-reason-code": {step.Code}, "reason": {step.Transition}, "state-reason-message": {step.Message}, "requester-id": {i.Requester},
		"instance-lifecycle": {i.Lifecycle}, "spot-instance-request-id": {i.SpotRequest}, "source-dest-check": {strconv.FormatBool(i.SourceDestCheck)},
		"monitoring-state": {string(shownMonitoring(in.Monitoring).State)}, "instance.group-id": i.Groups, "group-id": i.Groups,
		"instance.group-name": {"default"}, "group-name": {"default"}, "dns-name": nil, "ip-address": nil, "platform": {i.Image.Platform},
		"network-interface.network-interface-id": {i.Interface}, "network-interface.subnet-id": {i.Subnet}, "network-interface.vpc-id": {n.vpc()},
		"network-interface.addresses.private-ip-address": {i.Address}, "placement-group-name": {aws.ToString(i.placement().GroupName)},
		"iam-instance-profile.arn": nil, "iam-instance-profile.id": nil, "iam-instance-profile.name": nil,
		"metadata-options.http-tokens": {string(i.metadata().HttpTokens)}, "metadata-options.http-endpoint": {string(i.metadata().HttpEndpoint)},
		"block-device-mapping.volume-id": nil, "block-device-mapping.device-name": nil, "block-device-mapping.delete-on-termination": nil,
		"block-device-mapping.status": nil, "block-device-mapping.attach-time": nil,
	}
	f.options(i, now)
	if i.Profile != nil {
		f["iam-instance-profile.arn"], f["iam-instance-profile.id"], f["iam-instance-profile.name"] = []string{i.Profile.ARN}, []string{i.Profile.ID}, []string{lastPart(i.Profile.ARN)}
	}
	for _, d := range devices {
		f["block-device-mapping.volume-id"] = append(f["block-device-mapping.volume-id"], d.volume.ID)
		f["block-device-mapping.device-name"] = append(f["block-device-mapping.device-name"], d.Device)
		f["block-device-mapping.delete-on-termination"] = append(f["block-device-mapping.delete-on-termination"], strconv.FormatBool(d.DeleteOnTermination))
		f["block-device-mapping.status"] = append(f["block-device-mapping.status"], string(d.status(now)))
		f["block-device-mapping.attach-time"] = append(f["block-device-mapping.attach-time"], d.At.Format("2006-01-02T15:04:05.000Z"))
	}
	return f.tagged(i.Tags)
}

// DescribeInstanceStatus tells how instances are: those that run, or all.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html.
func (s *Service) DescribeInstanceStatus(ctx context.Context, in *ec2.DescribeInstanceStatusInput) (*ec2.DescribeInstanceStatusOutput, error) {
	c := gate.From(ctx)
	list, err := s.listed(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	statuses := []types.InstanceStatus{}
	for _, i := range list {
		is := i.state(c.At)
		if is != running && !aws.ToBool(in.IncludeAllInstances) {
			continue
		}
		status := i.status(c.At)
		ok, err := match(in.Filters, fields{
			"availability-zone": {i.Zone}, "instance-state-name": {is}, "instance-state-code": {strconv.Itoa(int(stateCode(is)))},
			"instance-status.status": {string(status.InstanceStatus.Status)}, "system-status.status": {string(status.SystemStatus.Status)},
			"instance-status.reachability": reachability(status.InstanceStatus), "system-status.reachability": reachability(status.SystemStatus), "event.code": nil,
		})
		if err != nil {
			return nil, err
		}
		if ok {
			statuses = append(statuses, status)
		}
	}
	page, next, err := pageOf(statuses, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeInstanceStatusOutput{InstanceStatuses: page, NextToken: next}, nil
}

// status is how an instance is: it passes its checks as soon as it runs.
func (i *Instance) status(now time.Time) types.InstanceStatus {
	summary := &types.InstanceStatusSummary{Status: types.SummaryStatusNotApplicable}
	if i.state(now) == running {
		summary = &types.InstanceStatusSummary{Status: types.SummaryStatusOk, Details: []types.InstanceStatusDetails{{Name: types.StatusNameReachability, Status: types.StatusTypePassed}}}
	}
	return types.InstanceStatus{
		InstanceId: &i.ID, AvailabilityZone: &i.Zone, AvailabilityZoneId: new(zoneID(i.Region, i.Zone)), InstanceState: shownState(i.state(now)), InstanceStatus: summary, SystemStatus: summary,
	}
}
