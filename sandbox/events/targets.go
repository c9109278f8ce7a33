package events

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// asksPutTargets asks with the ARNs of the targets, and for the right to hand over their
// roles.
func (s *Service) asksPutTargets(c *gate.Call, in *eventbridge.PutTargetsInput) ([]gate.Ask, error) {
	var arns []string
	var roles []gate.Ask
	for _, t := range in.Targets {
		arns = append(arns, *t.Arn)
		roles = append(roles, askPass(c, t.RoleArn)...)
	}
	context := estate.Given{estate.NewEntry("events:targetarn", policy.Many(arns...))}
	list, err := s.askRule(c, "PutTargets", in.EventBusName, *in.Rule, context)
	return append(list, roles...), err
}

// maxTargets is how many targets a rule has at most.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html.
const maxTargets = 5

// PutTargets adds targets to a rule, or replaces those of the same id. Targets of any
// kind are taken; what the sandbox does not have is reached by who subscribes.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html.
func (s *Service) PutTargets(ctx context.Context, in *eventbridge.PutTargetsInput) (*eventbridge.PutTargetsOutput, error) {
	old, err := s.rule(gate.From(ctx), in.EventBusName, *in.Rule)
	if err != nil {
		return nil, err
	}
	r := *old
	r.Targets = slices.Clone(old.Targets)
	for _, t := range in.Targets {
		if err := checkTarget(&t); err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(r.Targets, func(o types.Target) bool { return *o.Id == *t.Id }); i >= 0 {
			r.Targets[i] = t
		} else {
			r.Targets = append(r.Targets, t)
		}
	}
	if len(r.Targets) > maxTargets {
		return nil, refuse("LimitExceededException", "The requested resource exceeds the maximum number allowed.") // assumed text
	}
	s.rules.Put(r.row(), &r)
	return &eventbridge.PutTargetsOutput{FailedEntries: []types.PutTargetsResultEntry{}}, nil
}

// checkTarget refuses a target that no event could go to. The texts are assumed.
func checkTarget(t *types.Target) error {
	if _, err := arn.Parse(*t.Arn); err != nil {
		return invalid("Parameter " + *t.Arn + " is not valid. Reason: Provided Arn is not in correct format.")
	}
	ways := 0
	for _, given := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target " + *t.Id + ".")
	}
	if t.Input != nil && !json.Valid([]byte(*t.Input)) {
		return invalid("JSON syntax error in input for target " + *t.Id + ".")
	}
	if t.InputPath != nil && !isPath(*t.InputPath) {
		return invalid("InputPath for target " + *t.Id + " is invalid.")
	}
	if v := t.InputTransformer; v != nil {
		for name, path := range v.InputPathsMap {
			if !isPath(path) || strings.HasPrefix(strings.ToLower(name), "aws") {
				return invalid("InputTransformer for target " + *t.Id + " is invalid: " + name + ".")
			}
		}
	}
	return nil
}

func isPath(text string) bool {
	_, ok := readPath(text)
	return ok
}

// RemoveTargets takes targets from a rule; ids that it does not have are told.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemoveTargets.html.
func (s *Service) RemoveTargets(ctx context.Context, in *eventbridge.RemoveTargetsInput) (*eventbridge.RemoveTargetsOutput, error) {
	old, err := s.rule(gate.From(ctx), in.EventBusName, *in.Rule)
	if err != nil {
		return nil, err
	}
	r := *old
	r.Targets = slices.Clone(old.Targets)
	out := &eventbridge.RemoveTargetsOutput{FailedEntries: []types.RemoveTargetsResultEntry{}}
	for _, id := range in.Ids {
		i := slices.IndexFunc(r.Targets, func(t types.Target) bool { return *t.Id == id })
		if i < 0 {
			out.FailedEntries = append(out.FailedEntries, types.RemoveTargetsResultEntry{
				TargetId: &id, ErrorCode: new("ResourceNotFoundException"), ErrorMessage: new("Rule " + r.Name + " does not have a target with the Id " + id + "."), // assumed text
			})
			continue
		}
		r.Targets = slices.Delete(r.Targets, i, i+1)
	}
	out.FailedEntryCount = int32(len(out.FailedEntries))
	s.rules.Put(r.row(), &r)
	return out, nil
}

// ListTargetsByRule lists the targets of a rule.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html.
func (s *Service) ListTargetsByRule(ctx context.Context, in *eventbridge.ListTargetsByRuleInput) (*eventbridge.ListTargetsByRuleOutput, error) {
	r, err := s.rule(gate.From(ctx), in.EventBusName, *in.Rule)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(r.Targets, in.NextToken, in.Limit)
	return &eventbridge.ListTargetsByRuleOutput{Targets: page, NextToken: next}, err
}
