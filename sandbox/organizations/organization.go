package organizations

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// CreateOrganization makes an organization that the caller's account manages.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html.
func (s *Service) CreateOrganization(ctx context.Context, in *organizations.CreateOrganizationInput) (*organizations.CreateOrganizationOutput, error) {
	c := gate.From(ctx)
	if s.members.Get(c.Caller.Account) != nil {
		return nil, refuse("AlreadyInOrganizationException", "The AWS account is already a member of an organization.")
	}
	o := &Organization{
		ID: "o-" + s.IDs.Hex(10), Root: "r-" + s.IDs.Hex(4), Management: c.Caller.Account, FeatureSet: in.FeatureSet, Created: c.At,
	}
	if o.FeatureSet == "" {
		o.FeatureSet = types.OrganizationFeatureSetAll
	}
	s.organizations.Put(o.ID, o)
	s.enter(o, &Member{Account: o.Management, Name: o.Management, Email: emailOf(o.Management), Method: types.AccountJoinedMethodInvited}, c)
	return &organizations.CreateOrganizationOutput{Organization: s.shown(o)}, nil
}

// enter puts an account under the root of an organization. The service-linked
// role that AWS then makes in it, which uses no keys, is not made.
func (s *Service) enter(o *Organization, m *Member, c *gate.Call) {
	m.Organization, m.Parent, m.Joined = o.ID, o.Root, c.At
	s.members.Put(m.Account, m)
	s.attachFull(o, m.Account)
}

// emailOf is the address of an account of which none was given.
func emailOf(account string) string { return account + "@example.com" }

func (s *Service) shown(o *Organization) *types.Organization {
	out := &types.Organization{
		Id: &o.ID, Arn: new(o.ownARN()), FeatureSet: o.FeatureSet, MasterAccountId: &o.Management, MasterAccountArn: new(o.accountARN(o.Management)),
	}
	if m := s.members.Get(o.Management); m != nil {
		out.MasterAccountEmail = &m.Email
	}
	if o.FeatureSet == types.OrganizationFeatureSetAll {
		// AWS says that this member is not to be relied on; it names SCPs alone.
		out.AvailablePolicyTypes = []types.PolicyTypeSummary{{Type: types.PolicyTypeServiceControlPolicy, Status: types.PolicyTypeStatusEnabled}}
	}
	return out
}

// DescribeOrganization tells any member about its organization.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html.
func (s *Service) DescribeOrganization(ctx context.Context, _ *organizations.DescribeOrganizationInput) (*organizations.DescribeOrganizationOutput, error) {
	o, err := s.mine(ctx)
	if err != nil {
		return nil, err
	}
	return &organizations.DescribeOrganizationOutput{Organization: s.shown(o)}, nil
}

// DeleteOrganization ends an organization that has no other account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeleteOrganization.html.
func (s *Service) DeleteOrganization(ctx context.Context, _ *organizations.DeleteOrganizationInput) (*organizations.DeleteOrganizationOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range s.members.All("") {
		if m.Organization == o.ID && m.Account != o.Management {
			return nil, refuse("OrganizationNotEmptyException", "The organization isn't empty. To delete an organization, you must first remove all accounts except the management account.")
		}
	}
	drop(s.units, state.Key(o.ID, ""))
	drop(s.policies, state.Key(o.ID, ""))
	drop(s.attachments, state.Key(o.ID, ""))
	drop(s.creations, state.Key(o.ID, ""))
	drop(s.trusted, state.Key(o.ID, ""))
	drop(s.delegates, state.Key(o.ID, ""))
	for id, h := range s.handshakes.All("") {
		if h.Organization == o.ID {
			s.handshakes.Delete(id)
		}
	}
	s.members.Delete(o.Management)
	s.organizations.Delete(o.ID)
	return &organizations.DeleteOrganizationOutput{}, nil
}

func drop[T any](t *state.Table[T], prefix string) {
	for row := range t.All(prefix) {
		t.Delete(row)
	}
}

// ListRoots lists the one root.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListRoots.html.
func (s *Service) ListRoots(ctx context.Context, in *organizations.ListRootsInput) (*organizations.ListRootsOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	page, next, err := paged([]types.Root{*o.shownRoot()}, in.NextToken, in.MaxResults)
	return &organizations.ListRootsOutput{Roots: page, NextToken: next}, err
}

func (o *Organization) shownRoot() *types.Root {
	r := &types.Root{Id: &o.Root, Arn: new(o.rootARN()), Name: new("Root"), PolicyTypes: []types.PolicyTypeSummary{}}
	for _, t := range o.Enabled {
		r.PolicyTypes = append(r.PolicyTypes, types.PolicyTypeSummary{Type: t, Status: types.PolicyTypeStatusEnabled})
	}
	return r
}

// typed finds the root and checks that its organization can have a policy type.
func (s *Service) typed(ctx context.Context, root string, t types.PolicyType) (*Organization, error) {
	o, err := s.managed(ctx)
	switch {
	case err != nil:
		return nil, err
	case root != o.Root:
		return nil, refuse("RootNotFoundException", "We can't find a root with the RootId that you specified.")
	case kinds[t].full == nil:
		return nil, refuse("UnsupportedAPIEndpointException", "The sandbox has service control and resource control policies, and no "+string(t)) // our own text
	case o.FeatureSet != types.OrganizationFeatureSetAll:
		return nil, refuse("PolicyTypeNotAvailableForOrganizationException", "You can't use the specified policy type with the feature set currently enabled for this organization.")
	}
	return o, nil
}

// EnablePolicyType turns a policy type on; AWS's policy that allows everything is
// then on the root, every unit and every account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_EnablePolicyType.html.
func (s *Service) EnablePolicyType(ctx context.Context, in *organizations.EnablePolicyTypeInput) (*organizations.EnablePolicyTypeOutput, error) {
	o, err := s.typed(ctx, *in.RootId, in.PolicyType)
	if err != nil {
		return nil, err
	}
	if o.on(in.PolicyType) {
		return nil, refuse("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.")
	}
	changed := *o
	changed.Enabled = append(slices.Clone(o.Enabled), in.PolicyType)
	s.organizations.Put(o.ID, &changed)
	for _, id := range s.targets(&changed) {
		s.attach(&changed, id, kindOf(in.PolicyType).full.ID)
	}
	return &organizations.EnablePolicyTypeOutput{Root: changed.shownRoot()}, nil
}

// DisablePolicyType turns a policy type off and detaches its policies.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DisablePolicyType.html.
func (s *Service) DisablePolicyType(ctx context.Context, in *organizations.DisablePolicyTypeInput) (*organizations.DisablePolicyTypeOutput, error) {
	o, err := s.typed(ctx, *in.RootId, in.PolicyType)
	if err != nil {
		return nil, err
	}
	if !o.on(in.PolicyType) {
		return nil, notEnabled()
	}
	for row, a := range s.attachments.All(state.Key(o.ID, "")) {
		if p := s.policy(o, a.Policy); p == nil || p.Type == in.PolicyType {
			s.attachments.Delete(row)
		}
	}
	changed := *o
	changed.Enabled = slices.DeleteFunc(slices.Clone(o.Enabled), func(t types.PolicyType) bool { return t == in.PolicyType })
	s.organizations.Put(o.ID, &changed)
	return &organizations.DisablePolicyTypeOutput{Root: changed.shownRoot()}, nil
}

func notEnabled() error {
	return refuse("PolicyTypeNotEnabledException", "The specified policy type isn't currently enabled in this root.")
}

// Manages reports whether an account manages its organization.
func (s *Service) Manages(account string) bool {
	m := s.members.Get(account)
	return m != nil && s.organizations.Get(m.Organization).Management == account
}
