package sandbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// plainGroup makes a group of a launch configuration, without instances.
func (w *world) plainGroup(c *autoscaling.Client, name string, tags ...string) {
	w.Helper()
	_, _ = c.CreateLaunchConfiguration(w.Context(), &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: new("plain"), ImageId: new("ami-00000000000000000"), InstanceType: new("t3.micro"),
	})
	in := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: new(int32(0)), MaxSize: new(int32(1)), AvailabilityZones: []string{home + "a"}, LaunchConfigurationName: new("plain"),
	}
	for i := 0; i < len(tags); i += 2 {
		in.Tags = append(in.Tags, astypes.Tag{Key: &tags[i], Value: &tags[i+1], PropagateAtLaunch: new(true)})
	}
	need(c.CreateAutoScalingGroup(w.Context(), in))(w)
}

func (w *world) groupNames(c *autoscaling.Client, in *autoscaling.DescribeAutoScalingGroupsInput) (names []string) {
	w.Helper()
	for _, g := range need(c.DescribeAutoScalingGroups(w.Context(), in))(w).AutoScalingGroups {
		names = append(names, *g.AutoScalingGroupName)
	}
	return names
}

func TestGroupsAreFoundByTheirTagsAndPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := autoscaling.NewFromConfig(w.root(owner))
	for i := range 5 {
		w.plainGroup(c, fmt.Sprintf("group-%d", i), "stage", []string{"test", "live"}[i%2], "number", fmt.Sprint(i))
	}
	filter := func(name string, values ...string) []astypes.Filter {
		return []astypes.Filter{{Name: &name, Values: values}}
	}
	for _, test := range []struct {
		filters []astypes.Filter
		want    string
	}{
		{filter("tag:stage", "live"), "[group-1 group-3]"},
		{filter("tag-key", "number"), "[group-0 group-1 group-2 group-3 group-4]"},
		{filter("tag-value", "4", "2"), "[group-2 group-4]"},
		{append(filter("tag:stage", "test"), filter("tag:number", "0", "1")...), "[group-0]"},
	} {
		if got := fmt.Sprint(w.groupNames(c, &autoscaling.DescribeAutoScalingGroupsInput{Filters: test.filters})); got != test.want {
			t.Errorf("%s: %s, want %s", jsonText(test.filters), got, test.want)
		}
	}
	var paged []string
	pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(c, &autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: new(int32(2))})
	for pages.HasMorePages() {
		for _, g := range need(pages.NextPage(t.Context()))(t).AutoScalingGroups {
			paged = append(paged, *g.AutoScalingGroupName)
		}
	}
	if len(paged) != 5 {
		t.Errorf("the pages have %v", paged)
	}
	_, err := c.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{NextToken: new("none")})
	if got := refusal(err); got == "" {
		t.Error("a token of nobody's was taken")
	}
	for _, other := range []aws.Config{w.root(consumer), w.Root(owner, "eu-west-1")} {
		if names := w.groupNames(autoscaling.NewFromConfig(other), &autoscaling.DescribeAutoScalingGroupsInput{}); names != nil {
			t.Errorf("another account or Region sees %v", names)
		}
	}
}

func TestTagsOfGroupsChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := autoscaling.NewFromConfig(w.root(owner))
	w.plainGroup(c, "web", "a", "1", "b", "2")
	tag := func(key, value string) astypes.Tag {
		return astypes.Tag{Key: &key, Value: &value, ResourceId: new("web"), ResourceType: new("auto-scaling-group"), PropagateAtLaunch: new(false)}
	}
	need(c.CreateOrUpdateTags(t.Context(), &autoscaling.CreateOrUpdateTagsInput{Tags: []astypes.Tag{tag("b", "3"), tag("c", "4")}}))(t)
	need(c.DeleteTags(t.Context(), &autoscaling.DeleteTagsInput{Tags: []astypes.Tag{tag("a", "1")}}))(t)
	out := need(c.DescribeTags(t.Context(), &autoscaling.DescribeTagsInput{Filters: []astypes.Filter{{Name: new("auto-scaling-group"), Values: []string{"web"}}}}))(t)
	got := ""
	for _, g := range out.Tags {
		got += fmt.Sprintf("%s=%s %v ", *g.Key, *g.Value, *g.PropagateAtLaunch)
	}
	if want := "b=3 false c=4 false "; got != want {
		t.Errorf("the tags are %q, want %q", got, want)
	}
	_, only := w.user(owner, "tagger", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"autoscaling:*","Resource":"*","Condition":{"StringEquals":{"autoscaling:ResourceTag/b":"3"}}}]}`)
	mine := autoscaling.NewFromConfig(only)
	need(mine.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: new("web"), DesiredCapacity: new(int32(0))}))(t)
	need(c.CreateOrUpdateTags(t.Context(), &autoscaling.CreateOrUpdateTagsInput{Tags: []astypes.Tag{tag("b", "9")}}))(t)
	_, err := mine.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: new("web"), DesiredCapacity: new(int32(0))})
	w.ends("by the tag that it had", err, "because no identity-based policy allows the autoscaling:SetDesiredCapacity action")
}

func TestAGroupRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := autoscaling.NewFromConfig(w.root(owner))
	w.plainGroup(c, "web")
	create := func(change func(*autoscaling.CreateAutoScalingGroupInput)) error {
		in := &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: new("new"), MinSize: new(int32(1)), MaxSize: new(int32(2)), AvailabilityZones: []string{home + "a"}, LaunchConfigurationName: new("plain"),
		}
		change(in)
		_, err := c.CreateAutoScalingGroup(t.Context(), in)
		return err
	}
	set := func(name string, to int32) error {
		_, err := c.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: &name, DesiredCapacity: &to})
		return err
	}
	for _, test := range []struct {
		what string
		err  error
		want string
	}{
		{"the same name", create(func(in *autoscaling.CreateAutoScalingGroupInput) { in.AutoScalingGroupName = new("web") }), "AlreadyExists: AutoScalingGroup by this name already exists - A group with the name web already exists"},
		{"min above max", create(func(in *autoscaling.CreateAutoScalingGroupInput) { in.MinSize = new(int32(3)) }), "ValidationError: Max bound, 2, must be greater than or equal to min bound, 3"},
		{"too much", create(func(in *autoscaling.CreateAutoScalingGroupInput) { in.DesiredCapacity = new(int32(5)) }), "ValidationError: Desired capacity:5 must be between the specified min size:1 and max size:2"},
		{"nothing to launch", create(func(in *autoscaling.CreateAutoScalingGroupInput) { in.LaunchConfigurationName = nil }), "ValidationError: Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter."},
		{"nowhere", create(func(in *autoscaling.CreateAutoScalingGroupInput) { in.AvailabilityZones = nil }), "ValidationError: At least one Availability Zone or VPC Subnet is required."},
		{"no such configuration", create(func(in *autoscaling.CreateAutoScalingGroupInput) { in.LaunchConfigurationName = new("none") }), "ValidationError: Launch configuration name not found - Launch configuration none not found"},
		{"above max", set("web", 2), "ValidationError: New SetDesiredCapacity value 2 is above max value 1 for the AutoScalingGroup."},
		{"no such group", set("none", 1), "ValidationError: AutoScalingGroup name not found - AutoScalingGroup none not found"},
	} {
		if got := refusal(test.err); got != test.want {
			t.Errorf("%s: got %q, want %q", test.what, got, test.want)
		}
	}
	_, err := c.TerminateInstanceInAutoScalingGroup(t.Context(), &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: new("i-00000000000000000"), ShouldDecrementDesiredCapacity: new(false)})
	if got, want := refusal(err), "ValidationError: Instance Id not found - No managed instance found for instance ID: i-00000000000000000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err = c.DeleteLaunchConfiguration(t.Context(), &autoscaling.DeleteLaunchConfigurationInput{LaunchConfigurationName: new("plain")})
	if got, want := refusal(err), "ResourceInUse: Cannot delete launch configuration plain because it is attached to AutoScalingGroup web"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What Terraform reads of a group right after it made it is what it asked for.
func TestAGroupIsDescribedAsItWasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := autoscaling.NewFromConfig(w.root(owner))
	w.plainGroup(c, "web", "a", "1")
	g := w.look(c, "web")
	if *g.HealthCheckType != "EC2" || *g.DefaultCooldown != 300 || *g.HealthCheckGracePeriod != 0 || fmt.Sprint(g.TerminationPolicies) != "[Default]" || *g.DesiredCapacity != 0 ||
		*g.ServiceLinkedRoleARN != scalingRole(owner) || *g.LaunchConfigurationName != "plain" || *g.Tags[0].ResourceId != "web" || g.CreatedTime == nil {
		t.Errorf("the group is %s", jsonText(g))
	}
	need(c.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: new("web"), MaxSize: new(int32(3)), HealthCheckGracePeriod: new(int32(60))}))(t)
	if g := w.look(c, "web"); *g.MaxSize != 3 || *g.HealthCheckGracePeriod != 60 || *g.MinSize != 0 {
		t.Errorf("after the update it is %s", jsonText(g))
	}
	need(c.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: new("web"), ScalingProcesses: []string{"Launch", "AZRebalance"}}))(t)
	need(c.ResumeProcesses(t.Context(), &autoscaling.ResumeProcessesInput{AutoScalingGroupName: new("web"), ScalingProcesses: []string{"AZRebalance"}}))(t)
	if p := w.look(c, "web").SuspendedProcesses; len(p) != 1 || *p[0].ProcessName != "Launch" {
		t.Errorf("suspended are %s", jsonText(p))
	}
	need(c.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: new("web"), DesiredCapacity: new(int32(1))}))(t)
	w.pass(time.Minute)
	if a := w.did(c, "web"); len(a) != 0 {
		t.Errorf("a group that may not launch did %s", jsonText(a))
	}
	limits := need(c.DescribeAccountLimits(t.Context(), &autoscaling.DescribeAccountLimitsInput{}))(t)
	if *limits.NumberOfAutoScalingGroups != 1 || *limits.NumberOfLaunchConfigurations != 1 {
		t.Errorf("the limits are %s", jsonText(limits))
	}
	need(c.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: new("web")}))(t)
	need(c.DeleteLaunchConfiguration(t.Context(), &autoscaling.DeleteLaunchConfigurationInput{LaunchConfigurationName: new("plain")}))(t)
}

func TestPoliciesSchedulesAndHooksOfAGroupAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := autoscaling.NewFromConfig(w.root(owner))
	w.plainGroup(c, "web")
	web := new("web")
	first := need(c.PutScalingPolicy(t.Context(), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: web, PolicyName: new("up"), AdjustmentType: new("ChangeInCapacity"), ScalingAdjustment: new(int32(1))}))(t)
	again := need(c.PutScalingPolicy(t.Context(), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: web, PolicyName: new("up"), AdjustmentType: new("ChangeInCapacity"), ScalingAdjustment: new(int32(2))}))(t)
	p := need(c.DescribePolicies(t.Context(), &autoscaling.DescribePoliciesInput{AutoScalingGroupName: web}))(t).ScalingPolicies
	if *first.PolicyARN != *again.PolicyARN || len(p) != 1 || *p[0].ScalingAdjustment != 2 || *p[0].PolicyType != "SimpleScaling" {
		t.Errorf("the policies are %s", jsonText(p))
	}
	need(c.PutScheduledUpdateGroupAction(t.Context(), &autoscaling.PutScheduledUpdateGroupActionInput{AutoScalingGroupName: web, ScheduledActionName: new("night"), Recurrence: new("0 20 * * *"), DesiredCapacity: new(int32(0))}))(t)
	if a := need(c.DescribeScheduledActions(t.Context(), &autoscaling.DescribeScheduledActionsInput{AutoScalingGroupName: web}))(t).ScheduledUpdateGroupActions; len(a) != 1 || *a[0].Recurrence != "0 20 * * *" {
		t.Errorf("the scheduled actions are %s", jsonText(a))
	}
	need(c.PutLifecycleHook(t.Context(), &autoscaling.PutLifecycleHookInput{AutoScalingGroupName: web, LifecycleHookName: new("wait"), LifecycleTransition: new("autoscaling:EC2_INSTANCE_LAUNCHING")}))(t)
	if h := need(c.DescribeLifecycleHooks(t.Context(), &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: web}))(t).LifecycleHooks; len(h) != 1 || *h[0].DefaultResult != "ABANDON" || *h[0].HeartbeatTimeout != 3600 || *h[0].GlobalTimeout != 172800 {
		t.Errorf("the hooks are %s", jsonText(h))
	}
	need(c.DeletePolicy(t.Context(), &autoscaling.DeletePolicyInput{AutoScalingGroupName: web, PolicyName: new("up")}))(t)
	need(c.DeleteScheduledAction(t.Context(), &autoscaling.DeleteScheduledActionInput{AutoScalingGroupName: web, ScheduledActionName: new("night")}))(t)
	need(c.DeleteLifecycleHook(t.Context(), &autoscaling.DeleteLifecycleHookInput{AutoScalingGroupName: web, LifecycleHookName: new("wait")}))(t)
	if p := need(c.DescribePolicies(t.Context(), &autoscaling.DescribePoliciesInput{}))(t).ScalingPolicies; len(p) != 0 {
		t.Errorf("the policies are still %s", jsonText(p))
	}
}
