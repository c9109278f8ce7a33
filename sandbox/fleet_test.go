package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// fleet asks for a fleet of a launch template.
func (w *world) fleet(kind types.FleetType, template string, total int32, change ...func(*ec2.CreateFleetInput)) *ec2.CreateFleetInput {
	in := &ec2.CreateFleetInput{
		Type: kind, TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: &total, DefaultTargetCapacityType: types.DefaultTargetCapacityTypeOnDemand},
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: &template, Version: new("$Latest")}}},
	}
	for _, f := range change {
		f(in)
	}
	return in
}

func onSpot(in *ec2.CreateFleetInput) {
	in.TargetCapacitySpecification.DefaultTargetCapacityType = types.DefaultTargetCapacityTypeSpot
}

// stateOf is the state of an instance, and its reason.
func (w *world) stateOf(c *ec2.Client, id string) string {
	w.Helper()
	i := need(c.DescribeInstances(w.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))(w).Reservations[0].Instances[0]
	if i.StateReason == nil {
		return string(i.State.Name)
	}
	return string(i.State.Name) + " " + aws.ToString(i.StateReason.Code)
}

const endedByKey = "terminated Client.InvalidKMSKey.InvalidState"

// karpenter is the policy of a controller: everything of EC2, and a key through EC2.
func karpenter(key string, actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"},{"Effect":"Allow","Action":["%s"],"Resource":%q,"Condition":{"StringLike":{"kms:ViaService":"ec2.*.amazonaws.com"}}}]}`,
		strings.Join(actions, `","`), key)
}

// Karpenter's controller calls CreateFleet itself: its role needs the key, in its policy
// and in the policy of the key. Without the right to make grants nodes end at once.
func TestNodesOfAnInstantFleetNeedTheKeyOfWhoCallsCreateFleet(t *testing.T) {
	t.Parallel()
	all := []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"}
	for _, test := range []struct {
		name         string
		policy, role []string
		want         string
	}{
		{"with all", all, all, "running"},
		{"the role may make no grants", all, []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"}, endedByKey},
		{"the role may make no data key", all, []string{"kms:ReEncrypt*", "kms:CreateGrant"}, endedByKey},
		{"kms:ReEncrypt is no action", all, []string{"kms:ReEncrypt", "kms:GenerateDataKey*", "kms:CreateGrant"}, endedByKey},
		{"the key lets nobody in", []string{"kms:DescribeKey"}, all, endedByKey},
		{"what is required and nothing more", []string{"kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"}, []string{"kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"}, "running"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := w.foreignImage([]string{lets("arn:aws:iam::"+consumer+":root", test.policy...)}, true)
			r := w.role(consumer, "KarpenterController", karpenter(f.key, test.role...), "")
			c := ec2.NewFromConfig(w.session(consumer, r.arn, "node", ""))
			out := need(c.CreateFleet(t.Context(), w.fleet(types.FleetTypeInstant, f.template, 1, func(in *ec2.CreateFleetInput) {
				in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("karpenter.sh/nodepool"), Value: new("default")}}}}
			})))(t)
			if len(out.Instances) != 1 || len(out.Instances[0].InstanceIds) != 1 || len(out.Errors) != 0 {
				t.Fatalf("the fleet is %s", jsonText(out))
			}
			w.pass(5 * time.Second)
			id := out.Instances[0].InstanceIds[0]
			if got := w.stateOf(c, id); got != test.want {
				t.Errorf("the node is %q, want %q", got, test.want)
			}
			tags := need(c.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: new("resource-id"), Values: []string{id}}}}))(t).Tags
			has := map[string]string{}
			for _, g := range tags {
				has[*g.Key] = *g.Value
			}
			if test.want == "running" && (has["aws:ec2:fleet-id"] != *out.FleetId || has["karpenter.sh/nodepool"] != "default") {
				t.Errorf("the node is tagged %v", has)
			}
		})
	}
}

// What EC2 refuses of an instant fleet stands in the answer, with what was tried.
func TestAnInstantFleetAnswersWhatCouldNotBeLaunched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template := w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), "")
	_, plain := w.user(owner, "controller", allow("ec2:*"))
	c := ec2.NewFromConfig(plain)
	out := need(c.CreateFleet(t.Context(), w.fleet(types.FleetTypeInstant, template, 2, onSpot, func(in *ec2.CreateFleetInput) {
		in.LaunchTemplateConfigs[0].Overrides = []types.FleetLaunchTemplateOverridesRequest{{InstanceType: "t3.small"}, {InstanceType: "t3.large"}}
	})))(t)
	if len(out.Errors) != 2 || *out.Errors[0].ErrorCode != "AuthFailure.ServiceLinkedRoleCreationNotPermitted" || out.Errors[1].LaunchTemplateAndOverrides.Overrides.InstanceType != "t3.large" ||
		*out.Errors[0].ErrorMessage != "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances." {
		t.Errorf("without the right to make the role for Spot: %s", jsonText(out))
	}
	need(iam.NewFromConfig(w.admin(owner)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("spot.amazonaws.com")}))(t)
	out = need(c.CreateFleet(t.Context(), w.fleet(types.FleetTypeInstant, template, 2, onSpot)))(t)
	if len(out.Errors) != 0 || len(out.Instances) != 1 || len(out.Instances[0].InstanceIds) != 2 || out.Instances[0].Lifecycle != types.InstanceLifecycleSpot || out.Instances[0].InstanceType != "t3.micro" {
		t.Errorf("with the role: %s", jsonText(out))
	}
	if got := need(c.DescribeFleets(t.Context(), &ec2.DescribeFleetsInput{}))(t).Fleets; len(got) != 0 {
		t.Errorf("instant fleets are listed: %s", jsonText(got))
	}
	f := need(c.DescribeFleets(t.Context(), &ec2.DescribeFleetsInput{FleetIds: []string{*out.FleetId}}))(t).Fleets[0]
	if f.FleetState != types.FleetStateCodeActive || *f.FulfilledCapacity != 2 || len(f.Instances) != 1 {
		t.Errorf("the fleet is %s", jsonText(f))
	}
	_, none := w.user(owner, "nobody", allow("ec2:CreateFleet", "iam:CreateServiceLinkedRole"))
	refused := need(ec2.NewFromConfig(none).CreateFleet(t.Context(), w.fleet(types.FleetTypeInstant, template, 1)))(t)
	if len(refused.Errors) != 1 || *refused.Errors[0].ErrorCode != "UnauthorizedOperation" {
		t.Errorf("without the right to launch: %s", jsonText(refused))
	}
	need(c.DeleteFleets(t.Context(), &ec2.DeleteFleetsInput{FleetIds: []string{*out.FleetId}, TerminateInstances: new(true)}))(t)
	w.pass(5 * time.Second)
	if got := w.stateOf(c, out.Instances[0].InstanceIds[0]); !strings.HasPrefix(got, "terminated") {
		t.Errorf("an instance of a deleted fleet is %s", got)
	}
}

func TestAnInstantFleetIsMadeOnceForAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template := w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), "")
	c := ec2.NewFromConfig(w.admin(owner))
	in := w.fleet(types.FleetTypeInstant, template, 1, func(in *ec2.CreateFleetInput) { in.ClientToken = new("once") })
	first, again := need(c.CreateFleet(t.Context(), in))(t), need(c.CreateFleet(t.Context(), in))(t)
	if *first.FleetId != *again.FleetId || first.Instances[0].InstanceIds[0] != again.Instances[0].InstanceIds[0] {
		t.Errorf("first %s, then %s", jsonText(first), jsonText(again))
	}
	in.TargetCapacitySpecification.TotalTargetCapacity = new(int32(2))
	_, err := c.CreateFleet(t.Context(), in)
	if !strings.HasPrefix(refusal(err), "IdempotentParameterMismatch: ") {
		t.Errorf("with another request: %v", err)
	}
}

// A fleet that maintains its capacity is the service-linked role's of EC2 Fleet: it is made
// on first use, needs the key, and tries again.
func TestAFleetThatMaintainsItsCapacityNeedsTheKeyOfTheFleetRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.foreignImage(recipe(), true)
	role := linkedRole(consumer, "ec2fleet", "EC2Fleet")
	_, plain := w.user(consumer, "operator", allow("ec2:*"))
	_, err := ec2.NewFromConfig(plain).CreateFleet(t.Context(), w.fleet(types.FleetTypeMaintain, f.template, 1))
	w.ends("who may not make the role", err, "The provided credentials do not have permission to create the service-linked role for EC2 Fleet.")
	c := ec2.NewFromConfig(w.admin(consumer))
	out := need(c.CreateFleet(t.Context(), w.fleet(types.FleetTypeMaintain, f.template, 1)))(t)
	look := func() types.FleetData {
		return need(c.DescribeFleets(t.Context(), &ec2.DescribeFleetsInput{FleetIds: []string{*out.FleetId}}))(t).Fleets[0]
	}
	if v := look(); v.FleetState != types.FleetStateCodeSubmitted {
		t.Errorf("at first the fleet is %s", v.FleetState)
	}
	w.pass(10 * time.Second)
	if v := look(); v.FleetState != types.FleetStateCodeActive || v.ActivityStatus != types.FleetActivityStatusError || *v.FulfilledCapacity != 0 {
		t.Errorf("without the key the fleet is %s", jsonText(v))
	}
	h := need(c.DescribeFleetHistory(t.Context(), &ec2.DescribeFleetHistoryInput{FleetId: out.FleetId, StartTime: new(w.Now().Add(-time.Hour))}))(t).HistoryRecords
	told := ""
	for _, e := range h {
		told += string(e.EventType) + " " + *e.EventInformation.EventSubType + " " + aws.ToString(e.EventInformation.EventDescription) + "\n"
	}
	if !strings.Contains(told, "instance-change terminated Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state") || !strings.HasPrefix(told, "fleet-change submitted") {
		t.Errorf("the history is\n%s", told)
	}
	g := recipeGrant(f.key)
	g.GranteePrincipal = &role
	w.grant(w.admin(consumer), g)
	w.pass(5 * time.Minute)
	if v := look(); v.ActivityStatus != types.FleetActivityStatusFulfilled || *v.FulfilledCapacity != 1 {
		t.Errorf("with a grant for its role the fleet is %s", jsonText(v))
	}
	active := need(c.DescribeFleetInstances(t.Context(), &ec2.DescribeFleetInstancesInput{FleetId: out.FleetId}))(t).ActiveInstances
	if len(active) != 1 || w.stateOf(c, *active[0].InstanceId) != "running" {
		t.Errorf("its instances are %s", jsonText(active))
	}
	need(c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*active[0].InstanceId}}))(t)
	w.pass(20 * time.Second)
	w.pass(365 * day)
	if v := look(); *v.FulfilledCapacity != 1 {
		t.Errorf("what was terminated is not replaced: %s", jsonText(v))
	}
	if got := need(ec2.NewFromConfig(w.admin(owner)).DescribeFleets(t.Context(), &ec2.DescribeFleetsInput{}))(t).Fleets; len(got) != 0 {
		t.Errorf("another account sees %s", jsonText(got))
	}
	need(c.DeleteFleets(t.Context(), &ec2.DeleteFleetsInput{FleetIds: []string{*out.FleetId, "fleet-none"}, TerminateInstances: new(true)}))(t)
	w.pass(10 * time.Second)
	if v := look(); v.FleetState != types.FleetStateCodeDeleted {
		t.Errorf("in the end the fleet is %s", v.FleetState)
	}
}

// A Spot request is the service-linked role's for Spot.
func TestASpotRequestNeedsTheKeyOfTheSpotRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.foreignImage(recipe(), false)
	ask := func(c aws.Config) (string, error) {
		out, err := ec2.NewFromConfig(c).RequestSpotInstances(t.Context(), &ec2.RequestSpotInstancesInput{LaunchSpecification: &types.RequestSpotLaunchSpecification{ImageId: &f.image, InstanceType: "t3.micro"}})
		if err != nil {
			return "", err
		}
		return *out.SpotInstanceRequests[0].SpotInstanceRequestId, nil
	}
	_, plain := w.user(consumer, "operator", allow("ec2:*"))
	_, err := ask(plain)
	if got, want := refusal(err), "AuthFailure.ServiceLinkedRoleCreationNotPermitted: The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c := ec2.NewFromConfig(w.admin(consumer))
	look := func(id string) string {
		r := need(c.DescribeSpotInstanceRequests(t.Context(), &ec2.DescribeSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{id}}))(t).SpotInstanceRequests[0]
		return string(r.State) + " " + *r.Status.Code
	}
	without := need(ask(w.admin(consumer)))(t)
	if got := look(without); got != "open pending-evaluation" {
		t.Errorf("at first the request is %s", got)
	}
	w.pass(10 * time.Second)
	if got := look(without); got != "closed system-error" {
		t.Errorf("without the key the request is %s", got)
	}
	g := recipeGrant(f.key)
	g.GranteePrincipal, g.Operations = new(linkedRole(consumer, "spot", "EC2Spot")), []kmstypes.GrantOperation{"ReEncryptFrom"}
	w.grant(w.admin(consumer), g)
	with := need(ask(plain))(t)
	w.pass(10 * time.Second)
	if got := look(with); got != "active fulfilled" {
		t.Errorf("with a grant the request is %s", got)
	}
	out := need(c.CancelSpotInstanceRequests(t.Context(), &ec2.CancelSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{with}}))(t)
	if got := look(with); got != "cancelled request-canceled-and-instance-running" || out.CancelledSpotInstanceRequests[0].State != types.CancelSpotInstanceRequestStateCancelled {
		t.Errorf("cancelled, the request is %s", got)
	}
	i := need(c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: new("spot-instance-request-id"), Values: []string{with}}}}))(t).Reservations[0].Instances[0]
	if i.InstanceLifecycle != types.InstanceLifecycleTypeSpot || i.State.Name != types.InstanceStateNameRunning {
		t.Errorf("its instance is %s %s", i.InstanceLifecycle, i.State.Name)
	}
}

// A launch configuration with a Spot price has the role for Spot launch, as AWS documents
// of keys.
func TestAGroupThatBidsForSpotInstancesNeedsTheKeyOfTheSpotRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.foreignImage(recipe(), false)
	c := autoscaling.NewFromConfig(w.admin(consumer))
	need(c.CreateLaunchConfiguration(t.Context(), &autoscaling.CreateLaunchConfigurationInput{LaunchConfigurationName: new("bid"), ImageId: &f.image, InstanceType: new("t3.micro"), SpotPrice: new("0.01")}))(t)
	need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
	w.grant(w.admin(consumer), recipeGrant(f.key)) // for the wrong role
	need(c.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: new("web"), MinSize: new(int32(1)), MaxSize: new(int32(1)), AvailabilityZones: []string{home + "a"}, LaunchConfigurationName: new("bid"),
	}))(t)
	w.pass(10 * time.Second)
	w.launched(c, "web", false)
	g := recipeGrant(f.key)
	g.GranteePrincipal = new(linkedRole(consumer, "spot", "EC2Spot"))
	w.grant(w.admin(consumer), g)
	w.pass(2 * time.Minute)
	w.launched(c, "web", true)
}

// Beside a base of On-Demand instances, the share that the policy says is Spot.
func TestAGroupMixesSpotAndOnDemandInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template := w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), "")
	c := autoscaling.NewFromConfig(w.admin(owner))
	subnets := need(ec2.NewFromConfig(w.admin(owner)).DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{}))(t).Subnets
	need(c.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: new("web"), MinSize: new(int32(0)), MaxSize: new(int32(9)), DesiredCapacity: new(int32(5)),
		VPCZoneIdentifier: new(*subnets[0].SubnetId + "," + *subnets[1].SubnetId),
		MixedInstancesPolicy: &astypes.MixedInstancesPolicy{
			InstancesDistribution: &astypes.InstancesDistribution{OnDemandBaseCapacity: new(int32(1)), OnDemandPercentageAboveBaseCapacity: new(int32(50))},
			LaunchTemplate: &astypes.LaunchTemplate{
				LaunchTemplateSpecification: &astypes.LaunchTemplateSpecification{LaunchTemplateId: &template},
				Overrides:                   []astypes.LaunchTemplateOverrides{{InstanceType: new("t3.large")}, {InstanceType: new("m5.large")}},
			},
		},
	}))(t)
	w.pass(10 * time.Second)
	g := w.look(c, "web")
	if fmt.Sprint(g.AvailabilityZones) != "[us-east-1a us-east-1b]" || len(w.inService(c, "web")) != 5 || *g.MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName != "plain" || *g.Instances[0].LaunchTemplate.Version != "1" {
		t.Errorf("the group is %s", jsonText(g))
	}
	spot := 0
	for _, r := range need(ec2.NewFromConfig(w.admin(owner)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}))(t).Reservations {
		if r.Instances[0].InstanceLifecycle == types.InstanceLifecycleTypeSpot {
			spot++
		}
		if r.Instances[0].InstanceType != "t3.large" {
			t.Errorf("an instance is a %s", r.Instances[0].InstanceType)
		}
	}
	if spot != 2 {
		t.Errorf("%d of 5 are Spot instances, want 2", spot)
	}
}
