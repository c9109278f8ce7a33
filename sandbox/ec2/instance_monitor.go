package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

func (s *Service) monitorOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, onInstances(s, "MonitorInstances", func(in *ec2.MonitorInstancesInput) []string { return in.InstanceIds }), s.MonitorInstances),
		gate.Op(gate.Writes, onInstances(s, "UnmonitorInstances", func(in *ec2.UnmonitorInstancesInput) []string { return in.InstanceIds }), s.UnmonitorInstances),
	}
}

// MonitorInstances turns detailed monitoring on. It is on right after the answer, which
// calls it pending: assumed.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_MonitorInstances.html.
func (s *Service) MonitorInstances(ctx context.Context, in *ec2.MonitorInstancesInput) (*ec2.MonitorInstancesOutput, error) {
	list, err := s.monitor(ctx, in.InstanceIds, in.DryRun, true, types.MonitoringStatePending)
	return &ec2.MonitorInstancesOutput{InstanceMonitorings: list}, err
}

// UnmonitorInstances turns detailed monitoring off, as MonitorInstances turns it on.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnmonitorInstances.html.
func (s *Service) UnmonitorInstances(ctx context.Context, in *ec2.UnmonitorInstancesInput) (*ec2.UnmonitorInstancesOutput, error) {
	list, err := s.monitor(ctx, in.InstanceIds, in.DryRun, false, types.MonitoringStateDisabling)
	return &ec2.UnmonitorInstancesOutput{InstanceMonitorings: list}, err
}

func (s *Service) monitor(ctx context.Context, ids []string, dryRun *bool, on bool, answer types.MonitoringState) ([]types.InstanceMonitoring, error) {
	list, err := s.found(gate.From(ctx), ids)
	if err != nil {
		return nil, err
	}
	if err := dry(dryRun); err != nil {
		return nil, err
	}
	var told []types.InstanceMonitoring
	for _, i := range list {
		s.putInstance(i.ask(func(asked *ec2.RunInstancesInput) {
			asked.Monitoring = &types.RunInstancesMonitoringEnabled{Enabled: &on}
		}))
		told = append(told, types.InstanceMonitoring{InstanceId: &i.ID, Monitoring: &types.Monitoring{State: answer}})
	}
	return told, nil
}
