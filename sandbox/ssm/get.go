package ssm

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// read is a version as it is told.
func (s *Service) read(ctx context.Context, p *Parameter, v *Version, decrypt bool) (*types.Parameter, error) {
	out := &types.Parameter{
		ARN: new(p.arn()), Name: &p.Name, Type: v.Type, Version: v.Number, DataType: &v.DataType, LastModifiedDate: &v.At, Value: new(v.shown()),
	}
	if decrypt {
		plain, err := s.open(ctx, p, v)
		if err != nil {
			return nil, err
		}
		out.Value = &plain
	}
	return out, nil
}

// GetParameter tells a parameter, the latest version unless the name says another.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html.
func (s *Service) GetParameter(ctx context.Context, in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	c := gate.From(ctx)
	p, v, err := s.find(c, *in.Name)
	if err != nil {
		return nil, err
	}
	out, err := s.read(ctx, p, v, set(in.WithDecryption))
	if err != nil {
		return nil, err
	}
	out.Selector = wire.Optional(s.resolve(c, *in.Name).selector)
	return &ssm.GetParameterOutput{Parameter: out}, nil
}

// GetParameters tells several, and which there are not.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html.
func (s *Service) GetParameters(ctx context.Context, in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	c := gate.From(ctx)
	out := &ssm.GetParametersOutput{Parameters: []types.Parameter{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		p, v, err := s.find(c, name)
		if e := (*wire.Error)(nil); errors.As(err, &e) {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		got, err := s.read(ctx, p, v, set(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		got.Selector = wire.Optional(s.resolve(c, name).selector)
		out.Parameters = append(out.Parameters, *got)
	}
	return out, nil
}

// GetParametersByPath tells the parameters below a path.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html.
func (s *Service) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput) (*ssm.GetParametersByPathOutput, error) {
	if !strings.HasPrefix(*in.Path, "/") {
		return nil, invalid("The parameter path has to begin with \"/\".") // assumed text
	}
	type found struct{ Name, Label string }
	c := gate.From(ctx)
	list := []found{}
	for _, p := range s.parameters.All(state.Key(c.Caller.Account, c.Region, "")) {
		if !p.below(*in.Path, set(in.Recursive)) {
			continue
		}
		passes, label, err := p.passes(in.ParameterFilters, true)
		if err != nil {
			return nil, err
		}
		if passes {
			list = append(list, found{p.Name, label})
		}
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults, 10)
	if err != nil {
		return nil, err
	}
	out := &ssm.GetParametersByPathOutput{Parameters: []types.Parameter{}, NextToken: next}
	for _, f := range page {
		p := s.parameters.Get(state.Key(c.Caller.Account, c.Region, f.Name))
		v := p.latest()
		if f.Label != "" {
			v = p.labelled(f.Label)
		}
		got, err := s.read(ctx, p, v, set(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, *got)
	}
	return out, nil
}

// GetParameterHistory tells all versions.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameterHistory.html.
func (s *Service) GetParameterHistory(ctx context.Context, in *ssm.GetParameterHistoryInput) (*ssm.GetParameterHistoryOutput, error) {
	p, _, err := s.find(gate.From(ctx), *in.Name)
	if err != nil {
		return nil, err
	}
	numbers := []int64{}
	for i := range p.Versions {
		numbers = append(numbers, p.Versions[i].Number)
	}
	page, next, err := paged(numbers, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &ssm.GetParameterHistoryOutput{Parameters: []types.ParameterHistory{}, NextToken: next}
	for _, n := range page {
		v := p.version(n)
		got, err := s.read(ctx, p, v, set(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, types.ParameterHistory{
			Name: &p.Name, Type: v.Type, KeyId: wire.Optional(v.KeyID), Value: got.Value, Version: v.Number, Labels: v.Labels, Tier: v.Tier, DataType: &v.DataType,
			Description: v.Description, AllowedPattern: v.Pattern, LastModifiedDate: &v.At, LastModifiedUser: &v.By, Policies: []types.ParameterInlinePolicy{},
		})
	}
	return out, nil
}

// DescribeParameters lists parameters without their values. Those that others share by a
// resource policy alone are not among the shared ones, as AWS documents.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html.
func (s *Service) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	filters := slices.Clone(in.ParameterFilters)
	if len(filters) > 0 && len(in.Filters) > 0 {
		return nil, invalid("You can use either Filters or ParameterFilters in a single request.") // assumed text
	}
	for _, f := range in.Filters {
		old := types.ParameterStringFilter{Key: new(string(f.Key)), Values: f.Values}
		if f.Key == types.ParametersFilterKeyName {
			old.Option = new("BeginsWith")
		}
		filters = append(filters, old)
	}
	c := gate.From(ctx)
	list := []types.ParameterMetadata{}
	for _, p := range s.parameters.All(state.Key(c.Caller.Account, c.Region, "")) {
		passes, _, err := p.passes(filters, false)
		if err != nil {
			return nil, err
		}
		if v := p.latest(); passes && !set(in.Shared) {
			list = append(list, types.ParameterMetadata{
				ARN: new(p.arn()), Name: &p.Name, Type: v.Type, KeyId: wire.Optional(v.KeyID), Version: v.Number, Tier: v.Tier, DataType: &v.DataType,
				Description: v.Description, AllowedPattern: v.Pattern, LastModifiedDate: &v.At, LastModifiedUser: &v.By, Policies: []types.ParameterInlinePolicy{},
			})
		}
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults, 50)
	return &ssm.DescribeParametersOutput{Parameters: page, NextToken: next}, err
}

// passes reports whether a parameter passes all filters. With a filter for labels it
// tells the label that it has.
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html.
func (p *Parameter) passes(filters []types.ParameterStringFilter, byPath bool) (ok bool, label string, err error) {
	for _, f := range filters {
		key, option := *f.Key, aws.ToString(f.Option)
		if option == "" {
			option = "Equals"
		}
		v := p.latest()
		var texts []string
		options := []string{"Equals"}
		switch tag, isTag := strings.CutPrefix(key, "tag:"); {
		case isTag && !byPath:
			for _, t := range p.Tags {
				if t.Key == tag {
					texts = append(texts, t.Value)
				}
			}
			if len(f.Values) == 0 && texts != nil {
				continue
			}
		case key == "Name" && !byPath:
			texts, options = []string{p.Name}, []string{"Equals", "BeginsWith", "Contains"}
		case key == "Path" && !byPath:
			if !slices.ContainsFunc(f.Values, func(path string) bool { return p.below(path, option == "Recursive") }) {
				return false, "", nil
			}
			continue
		case key == "Type":
			texts, options = []string{string(v.Type)}, []string{"Equals", "BeginsWith"}
		case key == "KeyId":
			texts, options = []string{v.KeyID}, []string{"Equals", "BeginsWith"}
		case key == "Tier" && !byPath:
			texts = []string{string(v.Tier)}
		case key == "DataType" && !byPath:
			texts, options = []string{v.DataType}, []string{"Equals", "BeginsWith"}
		case key == "Label" && byPath:
			for i := range p.Versions {
				texts = append(texts, p.Versions[i].Labels...)
			}
			if i := slices.IndexFunc(f.Values, func(l string) bool { return slices.Contains(texts, l) }); i >= 0 {
				label = f.Values[i]
			}
		default:
			return false, "", refuse("InvalidFilterKey", "The following filter key is not valid: "+key+".") // assumed text
		}
		if !slices.Contains(options, option) {
			return false, "", refuse("InvalidFilterOption", "The following filter option is not valid: "+option+". Valid options include: ["+strings.Join(options, ", ")+"].") // assumed text
		}
		matching := map[string]func(string, string) bool{"Equals": func(a, b string) bool { return a == b }, "BeginsWith": strings.HasPrefix, "Contains": strings.Contains}[option]
		if !slices.ContainsFunc(texts, func(t string) bool {
			return slices.ContainsFunc(f.Values, func(v string) bool { return matching(t, v) })
		}) {
			return false, "", nil
		}
	}
	return true, label, nil
}
