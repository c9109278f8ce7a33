package rds

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Group is a group of subnets or of parameters.
type Group struct {
	Kind, Account, Region, Name string
	About                       string
	Family                      string            `json:",omitempty"`
	Subnets                     []string          `json:",omitempty"`
	Values                      []types.Parameter `json:",omitempty"`
}

func (g *Group) arn() string { return arnOf(g.Region, g.Account, g.Kind, g.Name) }

// group finds a group by its name. Those of AWS are there unmade: a default group of
// parameters for each family, and one of subnets.
func (s *Service) group(kind, account, region, name string) *Group {
	name = strings.ToLower(name)
	if g := s.groups.Get(key(kind, account, region, name)); g != nil {
		return g
	}
	g := &Group{Kind: kind, Account: account, Region: region, Name: name}
	if kind == kindSubnets && name == "default" {
		g.About = "default"
		return g
	}
	family, ok := strings.CutPrefix(name, "default.")
	e, _, known := familyOf(family)
	if !ok || !known || kind != kindParameters && (kind != kindClusterParams || !e.aurora) {
		return nil
	}
	g.Family, g.About = family, "Default parameter group for "+family
	return g
}

func noGroup(kind, name string) error {
	switch kind {
	case kindSubnets:
		return refuse("DBSubnetGroupNotFoundFault", "DB subnet group '"+name+"' does not exist.")
	case kindOptions:
		return refuse("OptionGroupNotFoundFault", "Specified OptionGroupName: "+name+" not found.")
	case kindClusterParams:
		return refuse("DBClusterParameterGroupNotFound", "DBClusterParameterGroup not found: "+name)
	}
	return refuse("DBParameterGroupNotFound", "DBParameterGroup not found: "+name)
}

// named finds the group of the caller that a request names.
func (s *Service) named(c *gate.Call, kind, name string) (*Group, error) {
	if g := s.group(kind, c.Caller.Account, c.Region, name); g != nil {
		return g, nil
	}
	return nil, noGroup(kind, name)
}

// made stores a new group.
func (s *Service) made(c *gate.Call, g *Group, tags []types.Tag) error {
	g.Account, g.Region, g.Name = c.Caller.Account, c.Region, strings.ToLower(g.Name)
	if g.Name == "default" || strings.HasPrefix(g.Name, "default.") {
		return invalid("The name " + g.Name + " is one of AWS's own groups.") // assumed text
	}
	row := key(g.Kind, g.Account, g.Region, g.Name)
	if s.groups.Get(row) != nil {
		if g.Kind == kindSubnets {
			return refuse("DBSubnetGroupAlreadyExists", "The DB subnet group '"+g.Name+"' already exists.")
		}
		return refuse("DBParameterGroupAlreadyExists", "Parameter group "+g.Name+" already exists")
	}
	if g.Kind != kindSubnets {
		if e, _, ok := familyOf(g.Family); !ok || g.Kind == kindClusterParams && !e.aurora {
			return invalid("ParameterGroupFamily " + g.Family + " is not a valid parameter group family")
		}
	}
	s.groups.Put(row, g)
	return s.tag(g.arn(), tags)
}

// drop ends a group that nothing uses.
func (s *Service) drop(c *gate.Call, kind, name string) error {
	g, err := s.named(c, kind, name)
	if err != nil {
		return err
	}
	if user := s.userOf(g); user != "" || strings.HasPrefix(g.Name, "default") {
		code := "InvalidDBParameterGroupState"
		if kind == kindSubnets {
			code = "InvalidDBSubnetGroupStateFault"
		}
		return refuse(code, "The group "+g.Name+" cannot be deleted: it is AWS's own, or in use by "+user+".") // assumed text
	}
	s.groups.Delete(key(kind, g.Account, g.Region, g.Name))
	s.tags.Delete(g.arn())
	return nil
}

// userOf is a database that a group is used by.
func (s *Service) userOf(g *Group) string {
	prefix := key(g.Account, g.Region, "")
	for _, i := range s.instances.All(prefix) {
		if g.Kind == kindSubnets && i.Subnets == g.Name || g.Kind == kindParameters && i.Parameters == g.Name {
			return *i.DB.DBInstanceIdentifier
		}
	}
	for _, cl := range s.clusters.All(prefix) {
		if g.Kind == kindSubnets && aws.ToString(cl.DB.DBSubnetGroup) == g.Name || g.Kind == kindClusterParams && aws.ToString(cl.DB.DBClusterParameterGroup) == g.Name {
			return *cl.DB.DBClusterIdentifier
		}
	}
	return ""
}

// list are the groups of a kind, or the one of that name.
func (s *Service) list(c *gate.Call, kind string, name *string) ([]*Group, error) {
	if name != nil && *name != "" {
		id := *name
		if _, _, last, ok := split(id); ok {
			id = last
		}
		g, err := s.named(c, kind, id)
		return []*Group{g}, err
	}
	var all []*Group
	for _, g := range s.groups.All(key(kind, c.Caller.Account, c.Region, "")) {
		all = append(all, g)
	}
	return all, nil
}

// vpcOf is the VPC that the groups of subnets of an account are in. Which VPC a subnet
// is of, EC2 would tell; it is not asked.
func vpcOf(account, region string) string {
	sum := sha256.Sum256([]byte("vpc " + account + region))
	return "vpc-" + hex.EncodeToString(sum[:9])[:17]
}

// subnets is a group of subnets as answers have it.
func (g *Group) subnets() *types.DBSubnetGroup {
	v := &types.DBSubnetGroup{
		DBSubnetGroupArn: new(g.arn()), DBSubnetGroupName: &g.Name, DBSubnetGroupDescription: &g.About, SubnetGroupStatus: new("Complete"),
		VpcId: new(vpcOf(g.Account, g.Region)), SupportedNetworkTypes: []string{"IPV4"},
	}
	for i, id := range g.Subnets {
		zone := g.Region + string(rune('a'+i%3))
		v.Subnets = append(v.Subnets, types.Subnet{SubnetIdentifier: &id, SubnetStatus: new("Active"), SubnetAvailabilityZone: &types.AvailabilityZone{Name: &zone}, SubnetOutpost: &types.Outpost{}})
	}
	return v
}

// CreateDBSubnetGroup makes a group of subnets, which are not looked for.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html.
func (s *Service) CreateDBSubnetGroup(ctx context.Context, in *rds.CreateDBSubnetGroupInput) (*rds.CreateDBSubnetGroupOutput, error) {
	g := &Group{Kind: kindSubnets, Name: *in.DBSubnetGroupName, About: aws.ToString(in.DBSubnetGroupDescription), Subnets: in.SubnetIds}
	if err := coverage(in.SubnetIds); err != nil {
		return nil, err
	}
	if err := s.made(gate.From(ctx), g, in.Tags); err != nil {
		return nil, err
	}
	return &rds.CreateDBSubnetGroupOutput{DBSubnetGroup: g.subnets()}, nil
}

func coverage(subnets []string) error {
	if len(subnets) < 2 {
		return refuse("DBSubnetGroupDoesNotCoverEnoughAZs", "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: one. Add subnets to cover at least 2 AZs.")
	}
	return nil
}

// ModifyDBSubnetGroup puts other subnets into a group.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBSubnetGroup.html.
func (s *Service) ModifyDBSubnetGroup(ctx context.Context, in *rds.ModifyDBSubnetGroupInput) (*rds.ModifyDBSubnetGroupOutput, error) {
	old, err := s.named(gate.From(ctx), kindSubnets, *in.DBSubnetGroupName)
	if err != nil {
		return nil, err
	}
	if err := coverage(in.SubnetIds); err != nil {
		return nil, err
	}
	g := *old
	g.Subnets = in.SubnetIds
	if in.DBSubnetGroupDescription != nil {
		g.About = *in.DBSubnetGroupDescription
	}
	s.groups.Put(key(g.Kind, g.Account, g.Region, g.Name), &g)
	return &rds.ModifyDBSubnetGroupOutput{DBSubnetGroup: g.subnets()}, nil
}

// DeleteDBSubnetGroup ends a group of subnets.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSubnetGroup.html.
func (s *Service) DeleteDBSubnetGroup(ctx context.Context, in *rds.DeleteDBSubnetGroupInput) (*rds.DeleteDBSubnetGroupOutput, error) {
	return &rds.DeleteDBSubnetGroupOutput{}, s.drop(gate.From(ctx), kindSubnets, *in.DBSubnetGroupName)
}

// DescribeDBSubnetGroups lists groups of subnets.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSubnetGroups.html.
func (s *Service) DescribeDBSubnetGroups(ctx context.Context, in *rds.DescribeDBSubnetGroupsInput) (*rds.DescribeDBSubnetGroupsOutput, error) {
	groups, err := s.list(gate.From(ctx), kindSubnets, in.DBSubnetGroupName)
	if err != nil {
		return nil, err
	}
	list := []types.DBSubnetGroup{}
	for _, g := range groups {
		list = append(list, *g.subnets())
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBSubnetGroupsOutput{DBSubnetGroups: part, Marker: next}, err
}

// DescribeOptionGroups lists the option groups of AWS; no others can be made.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeOptionGroups.html.
func (s *Service) DescribeOptionGroups(ctx context.Context, in *rds.DescribeOptionGroupsInput) (*rds.DescribeOptionGroupsOutput, error) {
	c := gate.From(ctx)
	list := []types.OptionGroup{}
	for i := range engines {
		e := &engines[i]
		for j := range e.majors {
			name := e.optionGroup(&e.majors[j])
			if in.OptionGroupName != nil && *in.OptionGroupName != name || in.EngineName != nil && *in.EngineName != e.name || in.MajorEngineVersion != nil && *in.MajorEngineVersion != e.majors[j].name {
				continue
			}
			list = append(list, types.OptionGroup{
				OptionGroupName: &name, OptionGroupArn: new(arnOf(c.Region, c.Caller.Account, kindOptions, name)), EngineName: &e.name, MajorEngineVersion: &e.majors[j].name,
				OptionGroupDescription: new("Default option group for " + e.name + " " + e.majors[j].name), AllowsVpcAndNonVpcInstanceMemberships: new(true),
			})
		}
	}
	if in.OptionGroupName != nil && len(list) == 0 {
		return nil, noGroup(kindOptions, *in.OptionGroupName)
	}
	part, next, err := page(slices.Clip(list), in.Marker, in.MaxRecords)
	return &rds.DescribeOptionGroupsOutput{OptionGroupsList: part, Marker: next}, err
}
