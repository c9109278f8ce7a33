package organizations

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// InviteAccountToOrganization invites an account, by number or address.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_InviteAccountToOrganization.html.
func (s *Service) InviteAccountToOrganization(ctx context.Context, in *organizations.InviteAccountToOrganizationInput) (*organizations.InviteAccountToOrganizationOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	if in.Target.Type != types.HandshakePartyTypeAccount || !arn.IsAccount(*in.Target.Id) {
		return nil, invalid("INVALID_PARTY_TYPE_TARGET", "The sandbox invites accounts by their number.") // our own text
	}
	c, account := gate.From(ctx), *in.Target.Id
	if s.member(o, account) != nil {
		return nil, alreadyMember()
	}
	for _, h := range s.handshakes.All("") {
		if h.Organization == o.ID && h.Account == account && h.at(c.At) == types.HandshakeStateOpen {
			return nil, refuse("DuplicateHandshakeException", "A handshake with the same action and target already exists.")
		}
	}
	h := &Handshake{
		ID: "h-" + s.IDs.Hex(32), Organization: o.ID, Management: o.Management, Account: account, State: types.HandshakeStateOpen,
		Created: c.At, Expires: c.At.AddDate(0, 0, inviteDays),
	}
	if in.Notes != nil {
		h.Notes = *in.Notes
	}
	s.handshakes.Put(h.ID, h)
	return &organizations.InviteAccountToOrganizationOutput{Handshake: s.shownHandshake(h, c)}, nil
}

func (s *Service) shownHandshake(h *Handshake, c *gate.Call) *types.Handshake {
	o := Organization{ID: h.Organization, Management: h.Management}
	out := &types.Handshake{
		Id: &h.ID, Arn: new(o.handshakeARN(h.ID)), Action: types.ActionTypeInviteAccountToOrganization, State: h.at(c.At),
		RequestedTimestamp: &h.Created, ExpirationTimestamp: &h.Expires,
		Parties: []types.HandshakeParty{
			{Id: &h.Organization, Type: types.HandshakePartyTypeOrganization}, {Id: &h.Account, Type: types.HandshakePartyTypeAccount},
		},
		Resources: []types.HandshakeResource{
			{Type: types.HandshakeResourceTypeOrganization, Value: &h.Organization, Resources: s.inviting(h)}, {Type: types.HandshakeResourceTypeAccount, Value: &h.Account},
		},
	}
	if h.Notes != "" {
		out.Resources = append(out.Resources, types.HandshakeResource{Type: types.HandshakeResourceTypeNotes, Value: &h.Notes})
	}
	return out
}

// inviting tells the invited account who invites it.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_AcceptHandshake.html.
func (s *Service) inviting(h *Handshake) []types.HandshakeResource {
	var list []types.HandshakeResource
	if m := s.members.Get(h.Management); m != nil {
		list = append(list, types.HandshakeResource{Type: types.HandshakeResourceTypeMasterEmail, Value: &m.Email}, types.HandshakeResource{Type: types.HandshakeResourceTypeMasterName, Value: &m.Name})
	}
	if o := s.organizations.Get(h.Organization); o != nil {
		list = append(list, types.HandshakeResource{Type: types.HandshakeResourceTypeOrganizationFeatureSet, Value: new(string(o.FeatureSet))})
	}
	return list
}

// handshake is one that the caller's account is a party of.
func (s *Service) handshake(c *gate.Call, id string) (*Handshake, error) {
	h := s.handshakes.Get(id)
	if h == nil || c.Caller.Account != h.Account && c.Caller.Account != h.Management {
		return nil, noHandshake()
	}
	return h, nil
}

// open is a handshake that the account may still answer.
func (s *Service) open(c *gate.Call, id, account string) (*Handshake, error) {
	h, err := s.handshake(c, id)
	if err != nil {
		return nil, err
	}
	switch state := h.at(c.At); {
	case account == "invited" && c.Caller.Account != h.Account, account == "inviting" && c.Caller.Account != h.Management:
		return nil, notManagement()
	case state == types.HandshakeStateAccepted || state == types.HandshakeStateDeclined || state == types.HandshakeStateCanceled:
		return nil, refuse("HandshakeAlreadyInStateException", "The specified handshake is already in the requested state.")
	case state != types.HandshakeStateOpen:
		return nil, refuse("InvalidHandshakeTransitionException", "You can't perform the operation on the handshake in its current state.")
	}
	return h, nil
}

func (s *Service) end(h *Handshake, to types.HandshakeState, c *gate.Call) *types.Handshake {
	done := *h
	done.State = to
	s.handshakes.Put(h.ID, &done)
	return s.shownHandshake(&done, c)
}

// DescribeHandshake tells either party about an invitation.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeHandshake.html.
func (s *Service) DescribeHandshake(ctx context.Context, in *organizations.DescribeHandshakeInput) (*organizations.DescribeHandshakeOutput, error) {
	c := gate.From(ctx)
	h, err := s.handshake(c, *in.HandshakeId)
	if err != nil {
		return nil, err
	}
	return &organizations.DescribeHandshakeOutput{Handshake: s.shownHandshake(h, c)}, nil
}

// AcceptHandshake takes the caller's account into the organization.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_AcceptHandshake.html.
func (s *Service) AcceptHandshake(ctx context.Context, in *organizations.AcceptHandshakeInput) (*organizations.AcceptHandshakeOutput, error) {
	c := gate.From(ctx)
	h, err := s.open(c, *in.HandshakeId, "invited")
	if err != nil {
		return nil, err
	}
	if s.members.Get(h.Account) != nil {
		return nil, alreadyMember()
	}
	o := s.organizations.Get(h.Organization)
	s.enter(o, &Member{Account: h.Account, Name: h.Account, Email: emailOf(h.Account), Method: types.AccountJoinedMethodInvited}, c)
	return &organizations.AcceptHandshakeOutput{Handshake: s.end(h, types.HandshakeStateAccepted, c)}, nil
}

// DeclineHandshake turns an invitation down.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeclineHandshake.html.
func (s *Service) DeclineHandshake(ctx context.Context, in *organizations.DeclineHandshakeInput) (*organizations.DeclineHandshakeOutput, error) {
	c := gate.From(ctx)
	h, err := s.open(c, *in.HandshakeId, "invited")
	if err != nil {
		return nil, err
	}
	return &organizations.DeclineHandshakeOutput{Handshake: s.end(h, types.HandshakeStateDeclined, c)}, nil
}

// CancelHandshake takes an invitation back.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_CancelHandshake.html.
func (s *Service) CancelHandshake(ctx context.Context, in *organizations.CancelHandshakeInput) (*organizations.CancelHandshakeOutput, error) {
	c := gate.From(ctx)
	h, err := s.open(c, *in.HandshakeId, "inviting")
	if err != nil {
		return nil, err
	}
	return &organizations.CancelHandshakeOutput{Handshake: s.end(h, types.HandshakeStateCanceled, c)}, nil
}

// ListHandshakesForAccount lists the invitations of the caller's account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListHandshakesForAccount.html.
func (s *Service) ListHandshakesForAccount(ctx context.Context, in *organizations.ListHandshakesForAccountInput) (*organizations.ListHandshakesForAccountOutput, error) {
	c := gate.From(ctx)
	list := s.listHandshakes(c, in.Filter, func(h *Handshake) bool { return h.Account == c.Caller.Account })
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListHandshakesForAccountOutput{Handshakes: page, NextToken: next}, err
}

// ListHandshakesForOrganization lists the organization's invitations.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListHandshakesForOrganization.html.
func (s *Service) ListHandshakesForOrganization(ctx context.Context, in *organizations.ListHandshakesForOrganizationInput) (*organizations.ListHandshakesForOrganizationOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	list := s.listHandshakes(gate.From(ctx), in.Filter, func(h *Handshake) bool { return h.Organization == o.ID })
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListHandshakesForOrganizationOutput{Handshakes: page, NextToken: next}, err
}

func (s *Service) listHandshakes(c *gate.Call, f *types.HandshakeFilter, wanted func(*Handshake) bool) []types.Handshake {
	var list []types.Handshake
	if f != nil && f.ActionType != "" && f.ActionType != types.ActionTypeInviteAccountToOrganization {
		return list
	}
	for _, h := range s.handshakes.All("") {
		if wanted(h) {
			list = append(list, *s.shownHandshake(h, c))
		}
	}
	return list
}
