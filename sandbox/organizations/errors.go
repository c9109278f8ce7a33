package organizations

import (
	"context"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// The texts follow what the API reference says of each error; how AWS words them
// was not recorded: assumed.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/CommonErrors.html.
func refuse(code, text string) error { return wire.Refuse(code, text) }

func notInUse() error {
	return refuse("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
}

func notManagement() error {
	return refuse("AccessDeniedException", "You don't have permissions to access this resource.")
}

func noPolicy() error {
	return refuse("PolicyNotFoundException", "We can't find a policy with the PolicyId that you specified.")
}

func noTarget() error {
	return refuse("TargetNotFoundException", "We can't find a root, OU, or account with the TargetId that you specified.")
}

func noParent() error {
	return refuse("ParentNotFoundException", "We can't find a root or OU with the ParentId that you specified.")
}

func noUnit() error {
	return refuse("OrganizationalUnitNotFoundException", "We can't find an OU with the OrganizationalUnitId that you specified.")
}

func noAccount() error {
	return refuse("AccountNotFoundException", "You specified an account that doesn't exist.")
}

func noHandshake() error {
	return refuse("HandshakeNotFoundException", "We can't find a handshake with the HandshakeId that you specified.")
}

func invalid(reason, text string) error {
	return &wire.Error{Code: "InvalidInputException", Message: text, Fields: map[string]string{"Reason": reason}}
}

func constraint(reason, text string) error {
	return &wire.Error{Code: "ConstraintViolationException", Message: text, Fields: map[string]string{"Reason": reason}}
}

// mine is the organization of the caller's account.
func (s *Service) mine(ctx context.Context) (*Organization, error) {
	m := s.members.Get(gate.From(ctx).Caller.Account)
	if m == nil {
		return nil, notInUse()
	}
	return s.organizations.Get(m.Organization), nil
}

// managed is the organization that the caller's account manages; the other
// accounts may not do what asks for it.
func (s *Service) managed(ctx context.Context) (*Organization, error) {
	o, err := s.mine(ctx)
	if err == nil && o.Management != gate.From(ctx).Caller.Account {
		return nil, notManagement()
	}
	return o, err
}

// viewed is the organization that the caller's account may look at as a whole: its
// management account, and an account that administers a service for it.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html.
func (s *Service) viewed(ctx context.Context) (*Organization, error) {
	o, err := s.mine(ctx)
	if account := gate.From(ctx).Caller.Account; err == nil && o.Management != account && !s.isDelegate(o, account) {
		return nil, notManagement()
	}
	return o, err
}

// paged cuts a page from a list.
func paged[T any](list []T, token *string, limit *int32) ([]T, *string, error) {
	page, next, ok := gate.Page(list, token, limit, 20)
	if !ok {
		return nil, nil, invalid("INVALID_NEXT_TOKEN", "You specified an invalid value for nextToken.")
	}
	return page, next, nil
}

func alreadyMember() error {
	return &wire.Error{
		Code: "HandshakeConstraintViolationException", Message: "The account is already a member of an organization.",
		Fields: map[string]string{"Reason": "ALREADY_IN_AN_ORGANIZATION"},
	}
}
