package events

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// rule finds the rule of a request.
func (s *Service) rule(c *gate.Call, bus *string, name string) (*Rule, error) {
	b, err := s.found(c, bus)
	if err != nil {
		return nil, err
	}
	r := s.rules.Get(state.Key(b.Account, b.Region, b.Name, name))
	if r == nil {
		return nil, refuse("ResourceNotFoundException", "Rule "+name+" does not exist on EventBus "+b.Name+".")
	}
	return r, nil
}

// asksPutRule asks with the sources and detail types of the pattern.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html.
func (s *Service) asksPutRule(c *gate.Call, in *eventbridge.PutRuleInput) ([]gate.Ask, error) {
	context := requestTags(in.Tags, nil)
	if in.EventPattern != nil {
		if tree, err := readJSON(*in.EventPattern); err == nil {
			top, _ := tree.(map[string]any)
			for member, key := range map[string]string{"source": "events:source", "detail-type": "events:detail-type"} {
				if texts := textsOf(top[member]); len(texts) > 0 {
					context = append(context, estate.NewEntry(key, policy.Many(texts...)))
				}
			}
		}
	}
	list, err := s.askRule(c, "PutRule", in.EventBusName, *in.Name, context)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		tagging := list[0]
		tagging.Action = "events:TagResource"
		list = append(list, tagging)
	}
	return append(list, askPass(c, in.RoleArn)...), nil
}

func textsOf(v any) (list []string) {
	values, _ := v.([]any)
	for _, one := range values {
		if text, ok := one.(string); ok {
			list = append(list, text)
		}
	}
	return list
}

// PutRule makes a rule, or replaces all of one but its targets and tags.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html.
func (s *Service) PutRule(ctx context.Context, in *eventbridge.PutRuleInput) (*eventbridge.PutRuleOutput, error) {
	c := gate.From(ctx)
	b, err := s.found(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	if err := checkRule(b, in); err != nil {
		return nil, err
	}
	r := &Rule{Account: b.Account, Region: b.Region, Bus: b.Name, Name: *in.Name, Creator: c.Caller.Account}
	if old := s.rules.Get(r.row()); old != nil {
		*r = *old
	} else if r.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	scheduled := aws.ToString(r.Schedule)
	r.Pattern, r.Schedule, r.Description, r.Role, r.State = wire.Optional(aws.ToString(in.EventPattern)), wire.Optional(aws.ToString(in.ScheduleExpression)), in.Description, in.RoleArn, in.State
	if r.State == "" {
		r.State = types.RuleStateEnabled
	}
	if aws.ToString(r.Schedule) != scheduled {
		s.schedule(c, r)
	}
	s.rules.Put(r.row(), r)
	return &eventbridge.PutRuleOutput{RuleArn: new(r.arn())}, nil
}

func checkRule(b *Bus, in *eventbridge.PutRuleInput) error {
	pattern, schedule := aws.ToString(in.EventPattern), aws.ToString(in.ScheduleExpression)
	if pattern == "" && schedule == "" {
		return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if pattern != "" {
		if _, err := readPattern(pattern); err != nil {
			return badPattern(err)
		}
	}
	if in.RoleArn != nil {
		if p, err := arn.ParsePrincipal(*in.RoleArn); err != nil || p.Kind != arn.Role {
			return invalid("Parameter RoleArn is not valid.") // assumed text
		}
	}
	switch {
	case schedule == "":
		return nil
	case b.Name != defaultBus:
		return invalid("ScheduleExpression is supported only on the default event bus.") // assumed text
	case readSchedule(schedule) == nil:
		return invalid("Parameter ScheduleExpression is not valid.") // assumed text
	}
	return nil
}

func badPattern(err error) error {
	return refuse("InvalidEventPatternException", "Event pattern is not valid. Reason: "+err.Error())
}

// DescribeRule tells about a rule.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html.
func (s *Service) DescribeRule(ctx context.Context, in *eventbridge.DescribeRuleInput) (*eventbridge.DescribeRuleOutput, error) {
	r, err := s.rule(gate.From(ctx), in.EventBusName, *in.Name)
	if err != nil {
		return nil, err
	}
	return &eventbridge.DescribeRuleOutput{
		Name: &r.Name, Arn: new(r.arn()), EventBusName: &r.Bus, EventPattern: r.Pattern, ScheduleExpression: r.Schedule, Description: r.Description,
		RoleArn: r.Role, State: r.State, CreatedBy: &r.Creator,
	}, nil
}

// EnableRule has a rule match events from now on.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html.
func (s *Service) EnableRule(ctx context.Context, in *eventbridge.EnableRuleInput) (*eventbridge.EnableRuleOutput, error) {
	return &eventbridge.EnableRuleOutput{}, s.turn(ctx, in.EventBusName, *in.Name, types.RuleStateEnabled)
}

// DisableRule has a rule match nothing.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DisableRule.html.
func (s *Service) DisableRule(ctx context.Context, in *eventbridge.DisableRuleInput) (*eventbridge.DisableRuleOutput, error) {
	return &eventbridge.DisableRuleOutput{}, s.turn(ctx, in.EventBusName, *in.Name, types.RuleStateDisabled)
}

func (s *Service) turn(ctx context.Context, bus *string, name string, to types.RuleState) error {
	old, err := s.rule(gate.From(ctx), bus, name)
	if err != nil {
		return err
	}
	r := *old
	if to == types.RuleStateDisabled || !r.on() {
		r.State = to
	}
	s.rules.Put(r.row(), &r)
	return nil
}

// DeleteRule ends a rule that has no targets any more. One that is not there is as good
// as gone.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html.
func (s *Service) DeleteRule(ctx context.Context, in *eventbridge.DeleteRuleInput) (*eventbridge.DeleteRuleOutput, error) {
	b, err := s.found(gate.From(ctx), in.EventBusName)
	if err != nil {
		return nil, err
	}
	r := s.rules.Get(state.Key(b.Account, b.Region, b.Name, *in.Name))
	if r == nil {
		return &eventbridge.DeleteRuleOutput{}, nil
	}
	if len(r.Targets) > 0 {
		return nil, invalid("Rule can't be deleted since it has targets.")
	}
	s.rules.Delete(r.row())
	return &eventbridge.DeleteRuleOutput{}, nil
}

// ListRules lists the rules of a bus.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html.
func (s *Service) ListRules(ctx context.Context, in *eventbridge.ListRulesInput) (*eventbridge.ListRulesOutput, error) {
	b, err := s.found(gate.From(ctx), in.EventBusName)
	if err != nil {
		return nil, err
	}
	list := []types.Rule{}
	for _, r := range s.rules.All(state.Key(b.Account, b.Region, b.Name, "")) {
		if strings.HasPrefix(r.Name, aws.ToString(in.NamePrefix)) {
			list = append(list, types.Rule{
				Name: &r.Name, Arn: new(r.arn()), EventBusName: &r.Bus, EventPattern: r.Pattern, ScheduleExpression: r.Schedule,
				Description: r.Description, RoleArn: r.Role, State: r.State,
			})
		}
	}
	page, next, err := paged(list, in.NextToken, in.Limit)
	return &eventbridge.ListRulesOutput{Rules: page, NextToken: next}, err
}

// ListRuleNamesByTarget lists the rules that have a target.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRuleNamesByTarget.html.
func (s *Service) ListRuleNamesByTarget(ctx context.Context, in *eventbridge.ListRuleNamesByTargetInput) (*eventbridge.ListRuleNamesByTargetOutput, error) {
	b, err := s.found(gate.From(ctx), in.EventBusName)
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, r := range s.rules.All(state.Key(b.Account, b.Region, b.Name, "")) {
		if slices.ContainsFunc(r.Targets, func(t types.Target) bool { return *t.Arn == *in.TargetArn }) {
			list = append(list, r.Name)
		}
	}
	page, next, err := paged(list, in.NextToken, in.Limit)
	return &eventbridge.ListRuleNamesByTargetOutput{RuleNames: page, NextToken: next}, err
}
