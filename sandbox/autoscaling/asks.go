package autoscaling

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

// onAll is what an operation needs that is about no group in particular.
func onAll[I any](operation string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "autoscaling:" + operation, Resource: "*"}}, nil
	}
}

// ask asks for an operation on a resource of the caller's account.
func ask(c *gate.Call, operation, resource, kind string, given estate.Given) gate.Ask {
	target, _ := arn.Parse(resource) // the zero ARN names no service, and no policy
	c.Resources = append(c.Resources, gate.Resource{ARN: resource, Account: c.Caller.Account, Type: kind})
	return gate.Ask{Action: "autoscaling:" + operation, Resource: resource, Target: target, Context: given}
}

// onGroup is what an operation needs that is about one group.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html.
func onGroup[I any](s *Service, operation string, name func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		return []gate.Ask{s.askGroup(c, operation, aws.ToString(name(in)), nil)}, nil
	}
}

// askGroup asks for an operation on a group.
func (s *Service) askGroup(c *gate.Call, operation, name string, more estate.Given) gate.Ask {
	g := s.groups.Get(state.Key(c.Caller.Account, c.Region, name))
	if g == nil {
		return ask(c, operation, groupARN(c.Caller.Account, c.Region, "*", name), "AWS::AutoScaling::AutoScalingGroup", more)
	}
	a := ask(c, operation, *g.Shown.AutoScalingGroupARN, "AWS::AutoScaling::AutoScalingGroup", more)
	for _, t := range g.Shown.Tags {
		v := policy.One(aws.ToString(t.Value))
		a.Context = append(a.Context, estate.NewEntry("aws:resourcetag/"+*t.Key, v), estate.NewEntry("autoscaling:resourcetag/"+*t.Key, v))
	}
	return a
}

// onInstance is onGroup for the group that an instance belongs to.
func onInstance[I any](s *Service, operation string, id func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		m := s.members.Get(state.Key(c.Caller.Account, c.Region, aws.ToString(id(in))))
		if m == nil {
			return []gate.Ask{s.askGroup(c, operation, "*", nil)}, nil
		}
		return []gate.Ask{s.askGroup(c, operation, m.Group, nil)}, nil
	}
}

// askConfiguration asks for an operation on a launch configuration.
func (s *Service) askConfiguration(c *gate.Call, operation, name string, more estate.Given) gate.Ask {
	resource := configurationARN(c.Caller.Account, c.Region, "*", name)
	if k := s.configs.Get(state.Key(c.Caller.Account, c.Region, name)); k != nil {
		resource = *k.Shown.LaunchConfigurationARN
	}
	return ask(c, operation, resource, "AWS::AutoScaling::LaunchConfiguration", more)
}

// askCreate is what CreateAutoScalingGroup needs: beside the operation the right to pass
// a service-linked role that is named.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html.
func (s *Service) askCreate(c *gate.Call, in *autoscaling.CreateAutoScalingGroupInput) ([]gate.Ask, error) {
	g := settingsContext(in.MinSize, in.MaxSize, in.LaunchConfigurationName, in.LaunchTemplate, in.MixedInstancesPolicy, in.VPCZoneIdentifier)
	if len(in.TargetGroupARNs) > 0 {
		g = append(g, estate.NewEntry("autoscaling:targetgrouparns", policy.Many(in.TargetGroupARNs...)))
	}
	if len(in.LoadBalancerNames) > 0 {
		g = append(g, estate.NewEntry("autoscaling:loadbalancernames", policy.Many(in.LoadBalancerNames...)))
	}
	g = append(g, tagContext(in.Tags)...)
	list := []gate.Ask{s.askGroup(c, "CreateAutoScalingGroup", *in.AutoScalingGroupName, g)}
	return append(list, askPass(in.ServiceLinkedRoleARN, "autoscaling.amazonaws.com")...), nil
}

func (s *Service) askUpdate(c *gate.Call, in *autoscaling.UpdateAutoScalingGroupInput) ([]gate.Ask, error) {
	g := settingsContext(in.MinSize, in.MaxSize, in.LaunchConfigurationName, in.LaunchTemplate, in.MixedInstancesPolicy, in.VPCZoneIdentifier)
	list := []gate.Ask{s.askGroup(c, "UpdateAutoScalingGroup", *in.AutoScalingGroupName, g)}
	return append(list, askPass(in.ServiceLinkedRoleARN, "autoscaling.amazonaws.com")...), nil
}

// askPass asks for the right to pass a role that is named to a service.
func askPass(role *string, to string) []gate.Ask {
	target, err := arn.Parse(aws.ToString(role))
	if err != nil {
		return nil
	}
	return []gate.Ask{{Action: "iam:PassRole", Resource: *role, Target: target, Context: estate.Given{estate.NewEntry("iam:passedtoservice", policy.One(to))}}}
}

// settingsContext is the condition keys of a group's settings.
func settingsContext(least, most *int32, config *string, template *types.LaunchTemplateSpecification, mixed *types.MixedInstancesPolicy, subnets *string) estate.Given {
	var g estate.Given
	add := func(name, value string) {
		g = append(g, estate.NewEntry("autoscaling:"+name, policy.One(value)))
	}
	if least != nil {
		add("minsize", strconv.Itoa(int(*least)))
	}
	if most != nil {
		add("maxsize", strconv.Itoa(int(*most)))
	}
	if config != nil {
		add("launchconfigurationname", *config)
	}
	template, types := templateOf(template, mixed)
	if template != nil {
		add("launchtemplateversionspecified", strconv.FormatBool(template.Version != nil && !strings.HasPrefix(*template.Version, "$")))
	}
	if len(types) > 0 {
		g = append(g, estate.NewEntry("autoscaling:instancetypes", policy.Many(types...)))
	}
	if list := split(subnets); len(list) > 0 {
		g = append(g, estate.NewEntry("autoscaling:vpczoneidentifiers", policy.Many(list...)))
	}
	return g
}

// templateOf is the launch template of a group, and the instance types that its policy
// for mixed instances names.
func templateOf(template *types.LaunchTemplateSpecification, mixed *types.MixedInstancesPolicy) (*types.LaunchTemplateSpecification, []string) {
	if mixed == nil || mixed.LaunchTemplate == nil {
		return template, nil
	}
	var names []string
	for _, o := range mixed.LaunchTemplate.Overrides {
		if o.InstanceType != nil {
			names = append(names, *o.InstanceType)
		}
	}
	return mixed.LaunchTemplate.LaunchTemplateSpecification, names
}

// split are the parts of a list in one text.
func split(text *string) []string {
	var list []string
	for _, part := range strings.Split(aws.ToString(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

func tagContext(tags []types.Tag) estate.Given {
	named := map[string]string{}
	for _, t := range tags {
		named[*t.Key] = aws.ToString(t.Value)
	}
	return gate.RequestTags(named)
}
