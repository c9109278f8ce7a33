package rds

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

func (g *Group) parameters() *types.DBParameterGroup {
	return &types.DBParameterGroup{DBParameterGroupName: &g.Name, DBParameterGroupArn: new(g.arn()), DBParameterGroupFamily: &g.Family, Description: &g.About}
}

func (g *Group) clusterParameters() *types.DBClusterParameterGroup {
	return &types.DBClusterParameterGroup{DBClusterParameterGroupName: &g.Name, DBClusterParameterGroupArn: new(g.arn()), DBParameterGroupFamily: &g.Family, Description: &g.About}
}

// CreateDBParameterGroup makes a group of parameters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html.
func (s *Service) CreateDBParameterGroup(ctx context.Context, in *rds.CreateDBParameterGroupInput) (*rds.CreateDBParameterGroupOutput, error) {
	g := &Group{Kind: kindParameters, Name: *in.DBParameterGroupName, Family: *in.DBParameterGroupFamily, About: *in.Description}
	if err := s.made(gate.From(ctx), g, in.Tags); err != nil {
		return nil, err
	}
	return &rds.CreateDBParameterGroupOutput{DBParameterGroup: g.parameters()}, nil
}

// CreateDBClusterParameterGroup makes a group of parameters for clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterParameterGroup.html.
func (s *Service) CreateDBClusterParameterGroup(ctx context.Context, in *rds.CreateDBClusterParameterGroupInput) (*rds.CreateDBClusterParameterGroupOutput, error) {
	g := &Group{Kind: kindClusterParams, Name: *in.DBClusterParameterGroupName, Family: *in.DBParameterGroupFamily, About: *in.Description}
	if err := s.made(gate.From(ctx), g, in.Tags); err != nil {
		return nil, err
	}
	return &rds.CreateDBClusterParameterGroupOutput{DBClusterParameterGroup: g.clusterParameters()}, nil
}

// DeleteDBParameterGroup ends a group of parameters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBParameterGroup.html.
func (s *Service) DeleteDBParameterGroup(ctx context.Context, in *rds.DeleteDBParameterGroupInput) (*rds.DeleteDBParameterGroupOutput, error) {
	return &rds.DeleteDBParameterGroupOutput{}, s.drop(gate.From(ctx), kindParameters, *in.DBParameterGroupName)
}

// DeleteDBClusterParameterGroup ends a group of parameters for clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBClusterParameterGroup.html.
func (s *Service) DeleteDBClusterParameterGroup(ctx context.Context, in *rds.DeleteDBClusterParameterGroupInput) (*rds.DeleteDBClusterParameterGroupOutput, error) {
	return &rds.DeleteDBClusterParameterGroupOutput{}, s.drop(gate.From(ctx), kindClusterParams, *in.DBClusterParameterGroupName)
}

// DescribeDBParameterGroups lists groups of parameters. AWS's own are told of by name.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameterGroups.html.
func (s *Service) DescribeDBParameterGroups(ctx context.Context, in *rds.DescribeDBParameterGroupsInput) (*rds.DescribeDBParameterGroupsOutput, error) {
	groups, err := s.list(gate.From(ctx), kindParameters, in.DBParameterGroupName)
	if err != nil {
		return nil, err
	}
	list := []types.DBParameterGroup{}
	for _, g := range groups {
		list = append(list, *g.parameters())
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBParameterGroupsOutput{DBParameterGroups: part, Marker: next}, err
}

// DescribeDBClusterParameterGroups lists groups of parameters for clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterParameterGroups.html.
func (s *Service) DescribeDBClusterParameterGroups(ctx context.Context, in *rds.DescribeDBClusterParameterGroupsInput) (*rds.DescribeDBClusterParameterGroupsOutput, error) {
	groups, err := s.list(gate.From(ctx), kindClusterParams, in.DBClusterParameterGroupName)
	if err != nil {
		return nil, err
	}
	list := []types.DBClusterParameterGroup{}
	for _, g := range groups {
		list = append(list, *g.clusterParameters())
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBClusterParameterGroupsOutput{DBClusterParameterGroups: part, Marker: next}, err
}

// values are the parameters of a group. The sandbox knows only those that somebody set:
// which others an engine has, it does not know.
func (s *Service) values(c *gate.Call, kind, name string, source, marker *string, most *int32) ([]types.Parameter, *string, error) {
	g, err := s.named(c, kind, name)
	if err != nil {
		return nil, nil, err
	}
	list := []types.Parameter{}
	if source == nil || *source == "" || *source == "user" {
		list = append(list, g.Values...)
	}
	return page(list, marker, most)
}

// DescribeDBParameters lists the parameters of a group that were set.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameters.html.
func (s *Service) DescribeDBParameters(ctx context.Context, in *rds.DescribeDBParametersInput) (*rds.DescribeDBParametersOutput, error) {
	part, next, err := s.values(gate.From(ctx), kindParameters, *in.DBParameterGroupName, in.Source, in.Marker, in.MaxRecords)
	return &rds.DescribeDBParametersOutput{Parameters: part, Marker: next}, err
}

// DescribeDBClusterParameters lists the parameters of a group for clusters that were
// set.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterParameters.html.
func (s *Service) DescribeDBClusterParameters(ctx context.Context, in *rds.DescribeDBClusterParametersInput) (*rds.DescribeDBClusterParametersOutput, error) {
	part, next, err := s.values(gate.From(ctx), kindClusterParams, *in.DBClusterParameterGroupName, in.Source, in.Marker, in.MaxRecords)
	return &rds.DescribeDBClusterParametersOutput{Parameters: part, Marker: next}, err
}

// set gives parameters of a group values; a reset takes them away.
func (s *Service) set(c *gate.Call, kind, name string, changes []types.Parameter, reset, all bool) (*string, error) {
	old, err := s.named(c, kind, name)
	if err != nil {
		return nil, err
	}
	if s.groups.Get(key(kind, old.Account, old.Region, old.Name)) == nil {
		return nil, refuse("InvalidDBParameterGroupState", "The group "+old.Name+" is AWS's own and cannot be changed.") // assumed text
	}
	g := *old
	g.Values = slices.DeleteFunc(slices.Clone(g.Values), func(v types.Parameter) bool {
		return all || slices.ContainsFunc(changes, func(p types.Parameter) bool { return aws.ToString(p.ParameterName) == aws.ToString(v.ParameterName) })
	})
	for _, p := range changes {
		if !reset {
			p.Source, p.IsModifiable = new("user"), new(true)
			g.Values = append(g.Values, p)
		}
	}
	s.groups.Put(key(kind, g.Account, g.Region, g.Name), &g)
	return &g.Name, nil
}

// ModifyDBParameterGroup sets parameters; which there are, and what values they may
// have, is not looked at.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html.
func (s *Service) ModifyDBParameterGroup(ctx context.Context, in *rds.ModifyDBParameterGroupInput) (*rds.ModifyDBParameterGroupOutput, error) {
	name, err := s.set(gate.From(ctx), kindParameters, *in.DBParameterGroupName, in.Parameters, false, false)
	return &rds.ModifyDBParameterGroupOutput{DBParameterGroupName: name}, err
}

// ResetDBParameterGroup takes back what was set.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ResetDBParameterGroup.html.
func (s *Service) ResetDBParameterGroup(ctx context.Context, in *rds.ResetDBParameterGroupInput) (*rds.ResetDBParameterGroupOutput, error) {
	name, err := s.set(gate.From(ctx), kindParameters, *in.DBParameterGroupName, in.Parameters, true, is(in.ResetAllParameters))
	return &rds.ResetDBParameterGroupOutput{DBParameterGroupName: name}, err
}

// ModifyDBClusterParameterGroup sets parameters of clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBClusterParameterGroup.html.
func (s *Service) ModifyDBClusterParameterGroup(ctx context.Context, in *rds.ModifyDBClusterParameterGroupInput) (*rds.ModifyDBClusterParameterGroupOutput, error) {
	name, err := s.set(gate.From(ctx), kindClusterParams, *in.DBClusterParameterGroupName, in.Parameters, false, false)
	return &rds.ModifyDBClusterParameterGroupOutput{DBClusterParameterGroupName: name}, err
}

// ResetDBClusterParameterGroup takes back what was set.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ResetDBClusterParameterGroup.html.
func (s *Service) ResetDBClusterParameterGroup(ctx context.Context, in *rds.ResetDBClusterParameterGroupInput) (*rds.ResetDBClusterParameterGroupOutput, error) {
	name, err := s.set(gate.From(ctx), kindClusterParams, *in.DBClusterParameterGroupName, in.Parameters, true, is(in.ResetAllParameters))
	return &rds.ResetDBClusterParameterGroupOutput{DBClusterParameterGroupName: name}, err
}
