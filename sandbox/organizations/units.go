package organizations

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) unit(o *Organization, id string) *Unit { return s.units.Get(state.Key(o.ID, id)) }

// isParent reports whether an id is that of the root or a unit.
func (s *Service) isParent(o *Organization, id string) bool {
	return id == o.Root || s.unit(o, id) != nil
}

func (s *Service) shownUnit(o *Organization, u *Unit) *types.OrganizationalUnit {
	return &types.OrganizationalUnit{Id: &u.ID, Arn: new(o.unitARN(u.ID)), Name: &u.Name, Path: new(o.ID + "/" + strings.Join(s.chain(o, u.ID), "/") + "/")}
}

// nameTaken reports whether another unit under a parent has a name.
func (s *Service) nameTaken(o *Organization, parent, name, but string) bool {
	for _, u := range s.units.All(state.Key(o.ID, "")) {
		if u.Parent == parent && u.Name == name && u.ID != but {
			return true
		}
	}
	return false
}

func duplicateUnit() error {
	return refuse("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")
}

// CreateOrganizationalUnit makes a unit under the root or another.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganizationalUnit.html.
func (s *Service) CreateOrganizationalUnit(ctx context.Context, in *organizations.CreateOrganizationalUnitInput) (*organizations.CreateOrganizationalUnitOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case !s.isParent(o, *in.ParentId):
		return nil, noParent()
	case s.nameTaken(o, *in.ParentId, *in.Name, ""):
		return nil, duplicateUnit()
	case len(s.chain(o, *in.ParentId)) > maxUnitDepth:
		return nil, constraint("OU_DEPTH_LIMIT_EXCEEDED", "You have exceeded the maximum depth of the organization.")
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	u := &Unit{Organization: o.ID, ID: "ou-" + strings.TrimPrefix(o.Root, "r-") + "-" + s.IDs.Hex(8), Name: *in.Name, Parent: *in.ParentId, Tags: tags}
	s.units.Put(state.Key(o.ID, u.ID), u)
	s.attachFull(o, u.ID)
	return &organizations.CreateOrganizationalUnitOutput{OrganizationalUnit: s.shownUnit(o, u)}, nil
}

// mayAct is which organization the caller may manage or view: managed or viewed.
type mayAct func(context.Context) (*Organization, error)

// foundUnit is a unit of the organization on which the caller may act.
func (s *Service) foundUnit(ctx context.Context, id string, may mayAct) (*Organization, *Unit, error) {
	o, err := may(ctx)
	if err != nil {
		return nil, nil, err
	}
	u := s.unit(o, id)
	if u == nil {
		return nil, nil, noUnit()
	}
	return o, u, nil
}

// DescribeOrganizationalUnit tells about a unit.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganizationalUnit.html.
func (s *Service) DescribeOrganizationalUnit(ctx context.Context, in *organizations.DescribeOrganizationalUnitInput) (*organizations.DescribeOrganizationalUnitOutput, error) {
	o, u, err := s.foundUnit(ctx, *in.OrganizationalUnitId, s.viewed)
	if err != nil {
		return nil, err
	}
	return &organizations.DescribeOrganizationalUnitOutput{OrganizationalUnit: s.shownUnit(o, u)}, nil
}

// UpdateOrganizationalUnit renames a unit.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_UpdateOrganizationalUnit.html.
func (s *Service) UpdateOrganizationalUnit(ctx context.Context, in *organizations.UpdateOrganizationalUnitInput) (*organizations.UpdateOrganizationalUnitOutput, error) {
	o, u, err := s.foundUnit(ctx, *in.OrganizationalUnitId, s.managed)
	if err != nil {
		return nil, err
	}
	changed := *u
	if in.Name != nil {
		if s.nameTaken(o, u.Parent, *in.Name, u.ID) {
			return nil, duplicateUnit()
		}
		changed.Name = *in.Name
	}
	s.units.Put(state.Key(o.ID, u.ID), &changed)
	return &organizations.UpdateOrganizationalUnitOutput{OrganizationalUnit: s.shownUnit(o, &changed)}, nil
}

// DeleteOrganizationalUnit ends a unit in which nothing is.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeleteOrganizationalUnit.html.
func (s *Service) DeleteOrganizationalUnit(ctx context.Context, in *organizations.DeleteOrganizationalUnitInput) (*organizations.DeleteOrganizationalUnitOutput, error) {
	o, u, err := s.foundUnit(ctx, *in.OrganizationalUnitId, s.managed)
	if err != nil {
		return nil, err
	}
	if len(s.unitsUnder(o, u.ID)) > 0 || len(s.membersUnder(o, u.ID)) > 0 {
		return nil, refuse("OrganizationalUnitNotEmptyException", "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child OUs, and try the operation again.")
	}
	s.detachAll(o, u.ID)
	s.units.Delete(state.Key(o.ID, u.ID))
	return &organizations.DeleteOrganizationalUnitOutput{}, nil
}

func (s *Service) unitsUnder(o *Organization, parent string) []*Unit {
	var list []*Unit
	for _, u := range s.units.All(state.Key(o.ID, "")) {
		if u.Parent == parent {
			list = append(list, u)
		}
	}
	return list
}

func (s *Service) membersUnder(o *Organization, parent string) []*Member {
	var list []*Member
	for _, m := range s.members.All("") {
		if m.Organization == o.ID && (parent == "" || m.Parent == parent) {
			list = append(list, m)
		}
	}
	return list
}

// ListOrganizationalUnitsForParent lists the units directly under a parent.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListOrganizationalUnitsForParent.html.
func (s *Service) ListOrganizationalUnitsForParent(ctx context.Context, in *organizations.ListOrganizationalUnitsForParentInput) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	if !s.isParent(o, *in.ParentId) {
		return nil, noParent()
	}
	var list []types.OrganizationalUnit
	for _, u := range s.unitsUnder(o, *in.ParentId) {
		list = append(list, *s.shownUnit(o, u))
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListOrganizationalUnitsForParentOutput{OrganizationalUnits: page, NextToken: next}, err
}

// ListChildren lists the ids of the units or accounts directly under a parent.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListChildren.html.
func (s *Service) ListChildren(ctx context.Context, in *organizations.ListChildrenInput) (*organizations.ListChildrenOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	if !s.isParent(o, *in.ParentId) {
		return nil, noParent()
	}
	var list []types.Child
	if in.ChildType == types.ChildTypeOrganizationalUnit {
		for _, u := range s.unitsUnder(o, *in.ParentId) {
			list = append(list, types.Child{Id: &u.ID, Type: in.ChildType})
		}
	} else {
		for _, m := range s.membersUnder(o, *in.ParentId) {
			list = append(list, types.Child{Id: &m.Account, Type: in.ChildType})
		}
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListChildrenOutput{Children: page, NextToken: next}, err
}

// ListParents lists the one parent of a unit or account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListParents.html.
func (s *Service) ListParents(ctx context.Context, in *organizations.ListParentsInput) (*organizations.ListParentsOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	parent := ""
	if u := s.unit(o, *in.ChildId); u != nil {
		parent = u.Parent
	} else if m := s.member(o, *in.ChildId); m != nil {
		parent = m.Parent
	} else {
		return nil, refuse("ChildNotFoundException", "We can't find an organizational unit (OU) or AWS account with the ChildId that you specified.")
	}
	t := types.ParentTypeOrganizationalUnit
	if parent == o.Root {
		t = types.ParentTypeRoot
	}
	page, next, err := paged([]types.Parent{{Id: &parent, Type: t}}, in.NextToken, in.MaxResults)
	return &organizations.ListParentsOutput{Parents: page, NextToken: next}, err
}
