package ssm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// DeleteParameter ends a parameter.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html.
func (s *Service) DeleteParameter(ctx context.Context, in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	p, _, err := s.find(gate.From(ctx), *in.Name)
	if err != nil {
		return nil, err
	}
	s.parameters.Delete(p.row())
	return &ssm.DeleteParameterOutput{}, nil
}

// DeleteParameters ends several, and tells which there are not.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html.
func (s *Service) DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput) (*ssm.DeleteParametersOutput, error) {
	out := &ssm.DeleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		p, _, err := s.find(gate.From(ctx), name)
		if err != nil {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		s.parameters.Delete(p.row())
		out.DeletedParameters = append(out.DeletedParameters, name)
	}
	return out, nil
}

// labelForm is the form of labels, which do not begin with aws or ssm either.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html.
var labelForm = regexp.MustCompile(`^[A-Za-z_.\-][A-Za-z0-9_.\-]{0,99}$`)

// maxLabels is how many labels a version has at most.
const maxLabels = 10

// versionOf is the version of a request, the latest if none is named.
func (s *Service) versionOf(ctx context.Context, name string, number *int64) (*Parameter, *Version, error) {
	old, _, err := s.find(gate.From(ctx), name)
	if err != nil {
		return nil, nil, err
	}
	p := old.clone()
	if number == nil {
		return p, p.latest(), nil
	}
	v := p.version(*number)
	if v == nil {
		return nil, nil, refuse("ParameterVersionNotFound", "The specified parameter version wasn't found. Verify the parameter name and version, and try again.") // assumed text
	}
	return p, v, nil
}

// LabelParameterVersion puts labels on a version, and takes them from others.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html.
func (s *Service) LabelParameterVersion(ctx context.Context, in *ssm.LabelParameterVersionInput) (*ssm.LabelParameterVersionOutput, error) {
	p, v, err := s.versionOf(ctx, *in.Name, in.ParameterVersion)
	if err != nil {
		return nil, err
	}
	out := &ssm.LabelParameterVersionOutput{ParameterVersion: v.Number, InvalidLabels: []string{}}
	for _, label := range in.Labels {
		low := strings.ToLower(label)
		if !labelForm.MatchString(label) || strings.HasPrefix(low, "aws") || strings.HasPrefix(low, "ssm") {
			out.InvalidLabels = append(out.InvalidLabels, label)
			continue
		}
		if other := p.labelled(label); other != nil {
			other.Labels = slices.DeleteFunc(other.Labels, func(l string) bool { return l == label })
		}
		v.Labels = append(v.Labels, label)
	}
	if len(v.Labels) > maxLabels {
		return nil, refuse("ParameterVersionLabelLimitExceeded", "A parameter version can have maximum 10 labels. Move one or more labels to another version and try again.") // assumed text
	}
	s.parameters.Put(p.row(), p)
	return out, nil
}

// UnlabelParameterVersion takes labels from a version.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UnlabelParameterVersion.html.
func (s *Service) UnlabelParameterVersion(ctx context.Context, in *ssm.UnlabelParameterVersionInput) (*ssm.UnlabelParameterVersionOutput, error) {
	p, v, err := s.versionOf(ctx, *in.Name, in.ParameterVersion)
	if err != nil {
		return nil, err
	}
	out := &ssm.UnlabelParameterVersionOutput{RemovedLabels: []string{}, InvalidLabels: []string{}}
	for _, label := range in.Labels {
		if i := slices.Index(v.Labels, label); i >= 0 {
			v.Labels = slices.Delete(v.Labels, i, i+1)
			out.RemovedLabels = append(out.RemovedLabels, label)
		} else {
			out.InvalidLabels = append(out.InvalidLabels, label)
		}
	}
	s.parameters.Put(p.row(), p)
	return out, nil
}

// hash is what names the text of a policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// policied finds the parameter of a request about resource policies.
func (s *Service) policied(ctx context.Context, name string) (*Parameter, error) {
	p, _, err := s.find(gate.From(ctx), name)
	if err != nil || !strings.HasPrefix(name, "arn:") {
		return nil, refuse("ResourceNotFoundException", "The specified parameter to be shared could not be found.") // assumed text
	}
	return p.clone(), nil
}

// named checks that a request means the policy that there is.
func (p *Parameter) named(id, sum *string) error {
	switch {
	case p.Policy == "" || aws.ToString(id) != p.PolicyID:
		return refuse("ResourcePolicyNotFoundException", "No policies with specified policy ID and hash could be found.") // assumed text
	case aws.ToString(sum) != hash(p.Policy):
		return refuse("ResourcePolicyConflictException", "The hash provided in the call doesn't match the stored hash.") // assumed text
	}
	return nil
}

// PutResourcePolicy shares an advanced parameter by a policy, of which it has one.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutResourcePolicy.html.
func (s *Service) PutResourcePolicy(ctx context.Context, in *ssm.PutResourcePolicyInput) (*ssm.PutResourcePolicyOutput, error) {
	p, err := s.policied(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if p.latest().Tier != types.ParameterTierAdvanced {
		return nil, refuse("ResourcePolicyInvalidParameterException", "To share a parameter, it must be in the advanced parameter tier.") // assumed text
	}
	if _, err := gate.ReadPolicy("parameter policy", *in.Policy, false); err != nil {
		return nil, refuse("MalformedResourcePolicyDocumentException", "The policy document is malformed: "+err.Error()) // assumed text
	}
	switch {
	case in.PolicyId != nil || in.PolicyHash != nil:
		if err := p.named(in.PolicyId, in.PolicyHash); err != nil {
			return nil, err
		}
	case p.Policy != "":
		return nil, refuse("ResourcePolicyLimitExceededException", "The parameter has a resource policy already.") // assumed text
	default:
		p.PolicyID = s.IDs.UUID()
	}
	p.Policy = *in.Policy
	s.parameters.Put(p.row(), p)
	return &ssm.PutResourcePolicyOutput{PolicyId: &p.PolicyID, PolicyHash: new(hash(p.Policy))}, nil
}

// GetResourcePolicies tells the policy of a parameter.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetResourcePolicies.html.
func (s *Service) GetResourcePolicies(ctx context.Context, in *ssm.GetResourcePoliciesInput) (*ssm.GetResourcePoliciesOutput, error) {
	p, err := s.policied(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	list := []types.GetResourcePoliciesResponseEntry{}
	if p.Policy != "" {
		list = append(list, types.GetResourcePoliciesResponseEntry{Policy: &p.Policy, PolicyId: &p.PolicyID, PolicyHash: new(hash(p.Policy))})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults, 50)
	return &ssm.GetResourcePoliciesOutput{Policies: page, NextToken: next}, err
}

// DeleteResourcePolicy takes the policy of a parameter away.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteResourcePolicy.html.
func (s *Service) DeleteResourcePolicy(ctx context.Context, in *ssm.DeleteResourcePolicyInput) (*ssm.DeleteResourcePolicyOutput, error) {
	p, err := s.policied(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := p.named(in.PolicyId, in.PolicyHash); err != nil {
		return nil, err
	}
	p.Policy, p.PolicyID = "", ""
	s.parameters.Put(p.row(), p)
	return &ssm.DeleteResourcePolicyOutput{}, nil
}

// maxTags is how many tags a parameter may have.
const maxTags = 50

func addTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := slices.Clone(old)
	for _, t := range added {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid("Tag keys must not begin with aws:.") // assumed text
		}
		tag := Tag{*t.Key, aws.ToString(t.Value)}
		if i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == tag.Key }); i >= 0 {
			tags[i] = tag
		} else {
			tags = append(tags, tag)
		}
	}
	if len(tags) > maxTags {
		return nil, refuse("TooManyTagsError", "A parameter has at most 50 tags.") // assumed text
	}
	return tags, nil
}

// tagged has the tags of a parameter looked at, and changed when change is not nil.
func (s *Service) tagged(ctx context.Context, kind types.ResourceTypeForTagging, name string, change func([]Tag) ([]Tag, error)) ([]Tag, error) {
	if kind != types.ResourceTypeForTaggingParameter {
		return nil, refuse("InvalidResourceType", "The sandbox has parameters, and nothing else of Systems Manager.") // our own text
	}
	old, _, err := s.find(gate.From(ctx), name)
	if err != nil {
		return nil, refuse("InvalidResourceId", "The parameter "+name+" does not exist.") // assumed text
	}
	if change == nil {
		return old.Tags, nil
	}
	p := old.clone()
	if p.Tags, err = change(old.Tags); err != nil {
		return nil, err
	}
	s.parameters.Put(p.row(), p)
	return p.Tags, nil
}

// AddTagsToResource puts tags on a parameter.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AddTagsToResource.html.
func (s *Service) AddTagsToResource(ctx context.Context, in *ssm.AddTagsToResourceInput) (*ssm.AddTagsToResourceOutput, error) {
	_, err := s.tagged(ctx, in.ResourceType, *in.ResourceId, func(old []Tag) ([]Tag, error) { return addTags(old, in.Tags) })
	return &ssm.AddTagsToResourceOutput{}, err
}

// RemoveTagsFromResource takes tags away.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_RemoveTagsFromResource.html.
func (s *Service) RemoveTagsFromResource(ctx context.Context, in *ssm.RemoveTagsFromResourceInput) (*ssm.RemoveTagsFromResourceOutput, error) {
	_, err := s.tagged(ctx, in.ResourceType, *in.ResourceId, func(old []Tag) ([]Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
	return &ssm.RemoveTagsFromResourceOutput{}, err
}

// ListTagsForResource lists tags.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListTagsForResource.html.
func (s *Service) ListTagsForResource(ctx context.Context, in *ssm.ListTagsForResourceInput) (*ssm.ListTagsForResourceOutput, error) {
	tags, err := s.tagged(ctx, in.ResourceType, *in.ResourceId, nil)
	list := []types.Tag{}
	for i := range tags {
		list = append(list, types.Tag{Key: &tags[i].Key, Value: &tags[i].Value})
	}
	return &ssm.ListTagsForResourceOutput{TagList: list}, err
}
