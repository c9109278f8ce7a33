package sandbox_test

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/route"
)

// launchedAs is the chain of an image that a consumer of a kind launches.
func launchedAs(name, consumers string, linked []string, launch func(*journey, *route.StepProof) error) chain {
	c := amiChain()
	c.name = "ami, by " + name
	c.file = accountsOfChains + `    kind: ami
    owner: {account: owner, key: "OWNER_KEY"}
    consumers: [{account: consumer, as: ` + consumers + `, key: "CONSUMER_KEY"}]
`
	c.linked = map[string][]string{consumer: linked}
	c.steps = steps{"share": shareImage, "launch": launch}
	return c
}

func karpenterChain() chain {
	return launchedAs("Karpenter", "karpenter", nil, func(j *journey, s *route.StepProof) error {
		c := ec2.NewFromConfig(j.as(s.Actor))
		out, err := c.CreateFleet(j.Context(), j.fleet(types.FleetTypeInstant, j.nodes(), 1))
		if err != nil {
			return err
		}
		if len(out.Errors) > 0 {
			return &failure{*out.Errors[0].ErrorCode, *out.Errors[0].ErrorMessage}
		}
		return j.instanceSettles(c, out.Instances[0].InstanceIds[0])
	})
}

func fleetChain() chain {
	return launchedAs("EC2 Fleet", "ec2-fleet", []string{"ec2fleet.amazonaws.com"}, func(j *journey, _ *route.StepProof) error {
		c := ec2.NewFromConfig(j.root(consumer))
		id := need(c.CreateFleet(j.Context(), j.fleet(types.FleetTypeRequest, j.nodes(), 1)))(j).FleetId
		return j.settled("the fleet", func() (bool, error) {
			for _, e := range need(c.DescribeFleetHistory(j.Context(), &ec2.DescribeFleetHistoryInput{FleetId: id, StartTime: aws.Time(j.Now().AddDate(0, 0, -1))}))(j).HistoryRecords {
				if sub := *e.EventInformation.EventSubType; sub == "terminated" || e.EventType == types.FleetEventTypeServiceError {
					return false, &failure{text: aws.ToString(e.EventInformation.EventDescription)}
				}
			}
			active := need(c.DescribeFleetInstances(j.Context(), &ec2.DescribeFleetInstancesInput{FleetId: id}))(j).ActiveInstances
			if len(active) == 0 {
				return false, nil
			}
			return true, j.instanceSettles(c, *active[0].InstanceId)
		})
	})
}

func spotChain() chain {
	return launchedAs("Spot requests", "spot", []string{"spot.amazonaws.com"}, func(j *journey, _ *route.StepProof) error {
		c := ec2.NewFromConfig(j.root(consumer))
		id := need(c.RequestSpotInstances(j.Context(), &ec2.RequestSpotInstancesInput{LaunchSpecification: &types.RequestSpotLaunchSpecification{
			ImageId: new(j.made["image"]), InstanceType: types.InstanceTypeT3Nano, BlockDeviceMappings: rootUnder(j.keys[1]),
		}}))(j).SpotInstanceRequests[0].SpotInstanceRequestId
		return j.settled("the request", func() (bool, error) {
			r := need(c.DescribeSpotInstanceRequests(j.Context(), &ec2.DescribeSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{*id}}))(j).SpotInstanceRequests[0]
			if r.InstanceId == nil {
				return false, nil
			}
			return true, j.instanceSettles(c, *r.InstanceId)
		})
	})
}

// nodes is a launch template of the consumer's for the shared image, with the volume
// under its own key.
func (j *journey) nodes() string {
	j.Helper()
	return *need(ec2.NewFromConfig(j.root(consumer)).CreateLaunchTemplate(j.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("nodes"), LaunchTemplateData: &types.RequestLaunchTemplateData{
		ImageId: new(j.made["image"]), InstanceType: types.InstanceTypeT3Nano,
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: new("/dev/xvda"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: new(true), KmsKeyId: &j.keys[1]}}},
	}}))(j).LaunchTemplate.LaunchTemplateId
}
