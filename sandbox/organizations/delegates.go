package organizations

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Trusted is a service that may work with the organization.
type Trusted struct {
	Service string
	Since   time.Time
}

// Delegate is an account that administers a service for the organization.
type Delegate struct {
	Account, Service string
	Since            time.Time
}

// delegateOperations are those about trusted services and their administrators.
func (s *Service) delegateOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "EnableAWSServiceAccess", func(in *organizations.EnableAWSServiceAccessInput, q *question) { q.service(in.ServicePrincipal) }), s.EnableAWSServiceAccess),
		gate.Op(writes, on(s, "DisableAWSServiceAccess", func(in *organizations.DisableAWSServiceAccessInput, q *question) { q.service(in.ServicePrincipal) }), s.DisableAWSServiceAccess),
		gate.Op(reads, onAny[organizations.ListAWSServiceAccessForOrganizationInput]("ListAWSServiceAccessForOrganization"), s.ListAWSServiceAccessForOrganization),
		gate.Op(writes, on(s, "RegisterDelegatedAdministrator", func(in *organizations.RegisterDelegatedAdministratorInput, q *question) {
			q.ids(in.AccountId)
			q.service(in.ServicePrincipal)
		}), s.RegisterDelegatedAdministrator),
		gate.Op(writes, on(s, "DeregisterDelegatedAdministrator", func(in *organizations.DeregisterDelegatedAdministratorInput, q *question) {
			q.ids(in.AccountId)
			q.service(in.ServicePrincipal)
		}), s.DeregisterDelegatedAdministrator),
		gate.Op(reads, on(s, "ListDelegatedAdministrators", func(in *organizations.ListDelegatedAdministratorsInput, q *question) { q.service(in.ServicePrincipal) }), s.ListDelegatedAdministrators),
		gate.Op(reads, on(s, "ListDelegatedServicesForAccount", func(in *organizations.ListDelegatedServicesForAccountInput, q *question) { q.ids(in.AccountId) }), s.ListDelegatedServicesForAccount),
	}
}

// service adds the service that a request names.
func (q *question) service(name *string) {
	if name != nil {
		q.one("organizations:serviceprincipal", *name)
	}
}

// checkService refuses a name that has not the form of a service's: which services
// work with organizations, the sandbox does not know.
func checkService(name string) error {
	if !strings.HasSuffix(name, ".amazonaws.com") {
		return invalid("UNRECOGNIZED_SERVICE_PRINCIPAL", "You specified an unrecognized service principal.")
	}
	return nil
}

// EnableAWSServiceAccess lets a service work with the organization; again is the
// same as once.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_EnableAWSServiceAccess.html.
func (s *Service) EnableAWSServiceAccess(ctx context.Context, in *organizations.EnableAWSServiceAccessInput) (*organizations.EnableAWSServiceAccessOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkService(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	if row := state.Key(o.ID, *in.ServicePrincipal); s.trusted.Get(row) == nil {
		s.trusted.Put(row, &Trusted{Service: *in.ServicePrincipal, Since: gate.From(ctx).At})
	}
	return &organizations.EnableAWSServiceAccessOutput{}, nil
}

// DisableAWSServiceAccess ends that.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DisableAWSServiceAccess.html.
func (s *Service) DisableAWSServiceAccess(ctx context.Context, in *organizations.DisableAWSServiceAccessInput) (*organizations.DisableAWSServiceAccessOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkService(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	s.trusted.Delete(state.Key(o.ID, *in.ServicePrincipal))
	return &organizations.DisableAWSServiceAccessOutput{}, nil
}

// ListAWSServiceAccessForOrganization lists the services.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAWSServiceAccessForOrganization.html.
func (s *Service) ListAWSServiceAccessForOrganization(ctx context.Context, in *organizations.ListAWSServiceAccessForOrganizationInput) (*organizations.ListAWSServiceAccessForOrganizationOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	var list []types.EnabledServicePrincipal
	for _, t := range s.trusted.All(state.Key(o.ID, "")) {
		list = append(list, types.EnabledServicePrincipal{ServicePrincipal: &t.Service, DateEnabled: &t.Since})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListAWSServiceAccessForOrganizationOutput{EnabledServicePrincipals: page, NextToken: next}, err
}

// RegisterDelegatedAdministrator makes a member account administer a service.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_RegisterDelegatedAdministrator.html.
func (s *Service) RegisterDelegatedAdministrator(ctx context.Context, in *organizations.RegisterDelegatedAdministratorInput) (*organizations.RegisterDelegatedAdministratorOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkService(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	row := state.Key(o.ID, *in.AccountId, *in.ServicePrincipal)
	switch m := s.member(o, *in.AccountId); {
	case m == nil:
		return nil, noAccount()
	case m.Account == o.Management:
		return nil, constraint("CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR", "You cannot register the management account as a delegated administrator for an AWS service.")
	case m.Suspended:
		return nil, constraint("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR", "You cannot register a suspended account as a delegated administrator.")
	case s.trusted.Get(state.Key(o.ID, *in.ServicePrincipal)) == nil:
		return nil, constraint("SERVICE_ACCESS_NOT_ENABLED", "You attempted to register a delegated administrator before you enabled service access. Call the EnableAWSServiceAccess API first.")
	case s.delegates.Get(row) != nil:
		return nil, refuse("AccountAlreadyRegisteredException", "The specified account is already a delegated administrator for this AWS service.")
	}
	s.delegates.Put(row, &Delegate{Account: *in.AccountId, Service: *in.ServicePrincipal, Since: gate.From(ctx).At})
	return &organizations.RegisterDelegatedAdministratorOutput{}, nil
}

// DeregisterDelegatedAdministrator ends that.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeregisterDelegatedAdministrator.html.
func (s *Service) DeregisterDelegatedAdministrator(ctx context.Context, in *organizations.DeregisterDelegatedAdministratorInput) (*organizations.DeregisterDelegatedAdministratorOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	row := state.Key(o.ID, *in.AccountId, *in.ServicePrincipal)
	switch {
	case s.member(o, *in.AccountId) == nil:
		return nil, noAccount()
	case s.delegates.Get(row) == nil:
		return nil, noDelegate()
	}
	s.delegates.Delete(row)
	return &organizations.DeregisterDelegatedAdministratorOutput{}, nil
}

func noDelegate() error {
	return refuse("AccountNotRegisteredException", "The specified account is not a delegated administrator for this AWS service.")
}

// isDelegate reports whether an account administers some service.
func (s *Service) isDelegate(o *Organization, account string) bool {
	for range s.delegates.All(state.Key(o.ID, account, "")) {
		return true
	}
	return false
}

// ListDelegatedAdministrators lists the accounts that administer a service, or any.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListDelegatedAdministrators.html.
func (s *Service) ListDelegatedAdministrators(ctx context.Context, in *organizations.ListDelegatedAdministratorsInput) (*organizations.ListDelegatedAdministratorsOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	var list []types.DelegatedAdministrator
	last := ""
	for _, d := range s.delegates.All(state.Key(o.ID, "")) {
		m := s.member(o, d.Account)
		if m == nil || d.Account == last || in.ServicePrincipal != nil && *in.ServicePrincipal != d.Service {
			continue
		}
		last = d.Account
		a := s.shownAccount(o, m)
		list = append(list, types.DelegatedAdministrator{
			Id: a.Id, Arn: a.Arn, Name: a.Name, Email: a.Email, State: a.State, Status: a.Status, JoinedMethod: a.JoinedMethod, JoinedTimestamp: a.JoinedTimestamp,
			DelegationEnabledDate: &d.Since,
		})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListDelegatedAdministratorsOutput{DelegatedAdministrators: page, NextToken: next}, err
}

// ListDelegatedServicesForAccount lists what an account administers.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListDelegatedServicesForAccount.html.
func (s *Service) ListDelegatedServicesForAccount(ctx context.Context, in *organizations.ListDelegatedServicesForAccountInput) (*organizations.ListDelegatedServicesForAccountOutput, error) {
	o, err := s.viewed(ctx)
	switch {
	case err != nil:
		return nil, err
	case s.member(o, *in.AccountId) == nil:
		return nil, noAccount()
	case !s.isDelegate(o, *in.AccountId):
		return nil, noDelegate()
	}
	var list []types.DelegatedService
	for _, d := range s.delegates.All(state.Key(o.ID, *in.AccountId, "")) {
		list = append(list, types.DelegatedService{ServicePrincipal: &d.Service, DelegationEnabledDate: &d.Since})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListDelegatedServicesForAccountOutput{DelegatedServices: page, NextToken: next}, err
}
