package organizations

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// adminRole is the role that AWS makes in a new account unless told otherwise.
const adminRole = "OrganizationAccountAccessRole"

// member is an account of an organization.
func (s *Service) member(o *Organization, account string) *Member {
	if m := s.members.Get(account); m != nil && m.Organization == o.ID {
		return m
	}
	return nil
}

func (s *Service) shownAccount(o *Organization, m *Member) *types.Account {
	a := &types.Account{
		Id: &m.Account, Arn: new(o.accountARN(m.Account)), Name: &m.Name, Email: &m.Email, JoinedMethod: m.Method, JoinedTimestamp: &m.Joined,
		Paths: []string{o.ID + "/" + strings.Join(s.chain(o, m.Parent), "/") + "/" + m.Account + "/"},
		State: types.AccountStateActive,
	}
	status := types.AccountStatusActive
	if m.Suspended {
		a.State, status = types.AccountStateSuspended, types.AccountStatusSuspended
	}
	a.Status = status
	return a
}

// CreateAccount makes an account in the organization, with a role in it that the
// management account may assume. AWS needs minutes for it; here it is there when
// somebody next asks.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html.
func (s *Service) CreateAccount(ctx context.Context, in *organizations.CreateAccountInput) (*organizations.CreateAccountOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	c := gate.From(ctx)
	req := &Creation{Organization: o.ID, ID: "car-" + s.IDs.Hex(32), Name: *in.AccountName, At: c.At}
	if s.emailTaken(*in.Email) {
		req.Failure = types.CreateAccountFailureReasonEmailAlreadyExists
	} else {
		req.Account = s.newAccount()
		role := adminRole
		if in.RoleName != nil {
			role = *in.RoleName
		}
		if err := s.Accounts.Create(req.Account, role, o.Management); err != nil {
			return nil, err
		}
		m := &Member{Account: req.Account, Name: req.Name, Email: *in.Email, Method: types.AccountJoinedMethodCreated, Tags: tags}
		s.enter(o, m, c)
	}
	s.creations.Put(state.Key(o.ID, req.ID), req)
	return &organizations.CreateAccountOutput{CreateAccountStatus: &types.CreateAccountStatus{
		Id: &req.ID, AccountName: &req.Name, RequestedTimestamp: &req.At, State: types.CreateAccountStateInProgress,
	}}, nil
}

func (s *Service) emailTaken(email string) bool {
	for _, m := range s.members.All("") {
		if strings.EqualFold(m.Email, email) {
			return true
		}
	}
	return false
}

// newAccount is a number that no account has.
func (s *Service) newAccount() string {
	for {
		n, _ := strconv.ParseUint(s.IDs.Hex(15), 16, 64) // fifteen hexadecimal digits always fit
		id := strconv.FormatUint(100_000_000_000+n%900_000_000_000, 10)
		if !s.Accounts.Known(id) {
			return id
		}
	}
}

func (r *Creation) shown() *types.CreateAccountStatus {
	out := &types.CreateAccountStatus{Id: &r.ID, AccountName: &r.Name, RequestedTimestamp: &r.At, CompletedTimestamp: &r.At, State: types.CreateAccountStateSucceeded}
	if r.Failure != "" {
		out.State, out.FailureReason = types.CreateAccountStateFailed, r.Failure
		return out
	}
	out.AccountId = &r.Account
	return out
}

// DescribeCreateAccountStatus tells how a CreateAccount went.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeCreateAccountStatus.html.
func (s *Service) DescribeCreateAccountStatus(ctx context.Context, in *organizations.DescribeCreateAccountStatusInput) (*organizations.DescribeCreateAccountStatusOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	r := s.creations.Get(state.Key(o.ID, *in.CreateAccountRequestId))
	if r == nil {
		return nil, refuse("CreateAccountStatusNotFoundException", "We can't find a create account request with the CreateAccountRequestId that you specified.")
	}
	return &organizations.DescribeCreateAccountStatusOutput{CreateAccountStatus: r.shown()}, nil
}

// ListCreateAccountStatus lists how the CreateAccounts went.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListCreateAccountStatus.html.
func (s *Service) ListCreateAccountStatus(ctx context.Context, in *organizations.ListCreateAccountStatusInput) (*organizations.ListCreateAccountStatusOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	var list []types.CreateAccountStatus
	for _, r := range s.creations.All(state.Key(o.ID, "")) {
		if v := r.shown(); len(in.States) == 0 || slices.Contains(in.States, v.State) {
			list = append(list, *v)
		}
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListCreateAccountStatusOutput{CreateAccountStatuses: page, NextToken: next}, err
}

// DescribeAccount tells about an account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeAccount.html.
func (s *Service) DescribeAccount(ctx context.Context, in *organizations.DescribeAccountInput) (*organizations.DescribeAccountOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	m := s.member(o, *in.AccountId)
	if m == nil {
		return nil, noAccount()
	}
	return &organizations.DescribeAccountOutput{Account: s.shownAccount(o, m)}, nil
}

func (s *Service) shownAccounts(o *Organization, parent string) []types.Account {
	var list []types.Account
	for _, m := range s.membersUnder(o, parent) {
		list = append(list, *s.shownAccount(o, m))
	}
	return list
}

// ListAccounts lists all accounts.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html.
func (s *Service) ListAccounts(ctx context.Context, in *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(s.shownAccounts(o, ""), in.NextToken, in.MaxResults)
	return &organizations.ListAccountsOutput{Accounts: page, NextToken: next}, err
}

// ListAccountsForParent lists the accounts directly under a parent.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html.
func (s *Service) ListAccountsForParent(ctx context.Context, in *organizations.ListAccountsForParentInput) (*organizations.ListAccountsForParentOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	if !s.isParent(o, *in.ParentId) {
		return nil, noParent()
	}
	page, next, err := paged(s.shownAccounts(o, *in.ParentId), in.NextToken, in.MaxResults)
	return &organizations.ListAccountsForParentOutput{Accounts: page, NextToken: next}, err
}

// MoveAccount puts an account under another parent.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_MoveAccount.html.
func (s *Service) MoveAccount(ctx context.Context, in *organizations.MoveAccountInput) (*organizations.MoveAccountOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	m := s.member(o, *in.AccountId)
	switch {
	case m == nil:
		return nil, noAccount()
	case m.Parent != *in.SourceParentId:
		return nil, refuse("SourceParentNotFoundException", "We can't find a source root or OU with the ParentId that you specified.")
	case !s.isParent(o, *in.DestinationParentId):
		return nil, refuse("DestinationParentNotFoundException", "We can't find the destination container (a root or OU) with the ParentId that you specified.")
	case m.Parent == *in.DestinationParentId:
		return nil, refuse("DuplicateAccountException", "That account is already present in the specified destination.")
	}
	moved := *m
	moved.Parent = *in.DestinationParentId
	s.members.Put(m.Account, &moved)
	return &organizations.MoveAccountOutput{}, nil
}

func stillDelegate() error {
	return constraint("CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", "You cannot remove an account that is registered as a delegated administrator for a service. First deregister it.")
}

// leave takes an account out of its organization, when it may go.
func (s *Service) leave(o *Organization, m *Member) error {
	switch {
	case m.Account == o.Management:
		return refuse("MasterCannotLeaveOrganizationException", "You can't remove a management account from an organization.")
	case s.isDelegate(o, m.Account):
		return stillDelegate()
	}
	s.detachAll(o, m.Account)
	s.members.Delete(m.Account)
	return nil
}

// RemoveAccountFromOrganization takes an account out.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_RemoveAccountFromOrganization.html.
func (s *Service) RemoveAccountFromOrganization(ctx context.Context, in *organizations.RemoveAccountFromOrganizationInput) (*organizations.RemoveAccountFromOrganizationOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	m := s.member(o, *in.AccountId)
	if m == nil {
		return nil, noAccount()
	}
	return &organizations.RemoveAccountFromOrganizationOutput{}, s.leave(o, m)
}

// LeaveOrganization takes the caller's account out.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_LeaveOrganization.html.
func (s *Service) LeaveOrganization(ctx context.Context, _ *organizations.LeaveOrganizationInput) (*organizations.LeaveOrganizationOutput, error) {
	o, err := s.mine(ctx)
	if err != nil {
		return nil, err
	}
	return &organizations.LeaveOrganizationOutput{}, s.leave(o, s.members.Get(gate.From(ctx).Caller.Account))
}

// CloseAccount suspends an account. Its calls go on being answered: what a closed
// account may still do is not in the references.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_CloseAccount.html.
func (s *Service) CloseAccount(ctx context.Context, in *organizations.CloseAccountInput) (*organizations.CloseAccountOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	m := s.member(o, *in.AccountId)
	switch {
	case m == nil:
		return nil, noAccount()
	case m.Account == o.Management:
		return nil, constraint("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "You cannot close the management account.")
	case m.Suspended:
		return nil, refuse("AccountAlreadyClosedException", "You attempted to close an account that is already closed.")
	}
	closed := *m
	closed.Suspended = true
	s.members.Put(m.Account, &closed)
	return &organizations.CloseAccountOutput{}, nil
}
