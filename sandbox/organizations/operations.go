package organizations

import (
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

const reads, writes = gate.Reads, gate.Writes

// Operations are those about the organization, its units, accounts, invitations
// and control policies. Each stands with what has to be allowed for it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html.
func (s *Service) Operations() []gate.Operation {
	ops := append(s.organizationOperations(), s.unitOperations()...)
	ops = append(ops, s.accountOperations()...)
	ops = append(ops, s.handshakeOperations()...)
	ops = append(ops, s.delegateOperations()...)
	return append(ops, s.policyOperations()...)
}

func (s *Service) organizationOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, onAny[organizations.CreateOrganizationInput]("CreateOrganization"), s.CreateOrganization),
		gate.Op(reads, onAny[organizations.DescribeOrganizationInput]("DescribeOrganization"), s.DescribeOrganization),
		gate.Op(writes, onAny[organizations.DeleteOrganizationInput]("DeleteOrganization"), s.DeleteOrganization),
		gate.Op(reads, onAny[organizations.ListRootsInput]("ListRoots"), s.ListRoots),
		gate.Op(writes, on(s, "EnablePolicyType", func(in *organizations.EnablePolicyTypeInput, q *question) {
			q.ids(in.RootId)
			q.one("organizations:policytype", string(in.PolicyType))
		}), s.EnablePolicyType),
		gate.Op(writes, on(s, "DisablePolicyType", func(in *organizations.DisablePolicyTypeInput, q *question) {
			q.ids(in.RootId)
			q.one("organizations:policytype", string(in.PolicyType))
		}), s.DisablePolicyType),
		gate.Op(writes, on(s, "TagResource", func(in *organizations.TagResourceInput, q *question) {
			q.ids(in.ResourceId)
			q.tags(in.Tags)
		}), s.TagResource),
		gate.Op(writes, on(s, "UntagResource", func(in *organizations.UntagResourceInput, q *question) {
			q.ids(in.ResourceId)
			q.keys(in.TagKeys)
		}), s.UntagResource),
		gate.Op(reads, on(s, "ListTagsForResource", func(in *organizations.ListTagsForResourceInput, q *question) { q.ids(in.ResourceId) }), s.ListTagsForResource),
	}
}

func (s *Service) unitOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreateOrganizationalUnit", func(in *organizations.CreateOrganizationalUnitInput, q *question) {
			q.ids(in.ParentId)
			q.tags(in.Tags)
		}), s.CreateOrganizationalUnit),
		gate.Op(reads, on(s, "DescribeOrganizationalUnit", func(in *organizations.DescribeOrganizationalUnitInput, q *question) { q.ids(in.OrganizationalUnitId) }), s.DescribeOrganizationalUnit),
		gate.Op(writes, on(s, "UpdateOrganizationalUnit", func(in *organizations.UpdateOrganizationalUnitInput, q *question) { q.ids(in.OrganizationalUnitId) }), s.UpdateOrganizationalUnit),
		gate.Op(writes, on(s, "DeleteOrganizationalUnit", func(in *organizations.DeleteOrganizationalUnitInput, q *question) { q.ids(in.OrganizationalUnitId) }), s.DeleteOrganizationalUnit),
		gate.Op(reads, on(s, "ListOrganizationalUnitsForParent", func(in *organizations.ListOrganizationalUnitsForParentInput, q *question) { q.ids(in.ParentId) }), s.ListOrganizationalUnitsForParent),
		gate.Op(reads, on(s, "ListChildren", func(in *organizations.ListChildrenInput, q *question) { q.ids(in.ParentId) }), s.ListChildren),
		gate.Op(reads, on(s, "ListParents", func(in *organizations.ListParentsInput, q *question) { q.ids(in.ChildId) }), s.ListParents),
	}
}

func (s *Service) accountOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreateAccount", func(in *organizations.CreateAccountInput, q *question) { q.tags(in.Tags) }), s.CreateAccount),
		gate.Op(reads, onAny[organizations.DescribeCreateAccountStatusInput]("DescribeCreateAccountStatus"), s.DescribeCreateAccountStatus),
		gate.Op(reads, onAny[organizations.ListCreateAccountStatusInput]("ListCreateAccountStatus"), s.ListCreateAccountStatus),
		gate.Op(reads, on(s, "DescribeAccount", func(in *organizations.DescribeAccountInput, q *question) { q.ids(in.AccountId) }), s.DescribeAccount),
		gate.Op(reads, onAny[organizations.ListAccountsInput]("ListAccounts"), s.ListAccounts),
		gate.Op(reads, on(s, "ListAccountsForParent", func(in *organizations.ListAccountsForParentInput, q *question) { q.ids(in.ParentId) }), s.ListAccountsForParent),
		gate.Op(writes, on(s, "MoveAccount", func(in *organizations.MoveAccountInput, q *question) {
			q.ids(in.AccountId, in.SourceParentId, in.DestinationParentId)
		}), s.MoveAccount),
		gate.Op(writes, on(s, "RemoveAccountFromOrganization", func(in *organizations.RemoveAccountFromOrganizationInput, q *question) { q.ids(in.AccountId) }), s.RemoveAccountFromOrganization),
		gate.Op(writes, onAny[organizations.LeaveOrganizationInput]("LeaveOrganization"), s.LeaveOrganization),
		gate.Op(writes, on(s, "CloseAccount", func(in *organizations.CloseAccountInput, q *question) { q.ids(in.AccountId) }), s.CloseAccount),
	}
}

func (s *Service) handshakeOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "InviteAccountToOrganization", func(in *organizations.InviteAccountToOrganizationInput, q *question) {
			q.ids(in.Target.Id)
			q.tags(in.Tags)
		}), s.InviteAccountToOrganization),
		gate.Op(reads, on(s, "DescribeHandshake", func(in *organizations.DescribeHandshakeInput, q *question) { q.ids(in.HandshakeId) }), s.DescribeHandshake),
		gate.Op(writes, on(s, "AcceptHandshake", func(in *organizations.AcceptHandshakeInput, q *question) { q.ids(in.HandshakeId) }), s.AcceptHandshake),
		gate.Op(writes, on(s, "DeclineHandshake", func(in *organizations.DeclineHandshakeInput, q *question) { q.ids(in.HandshakeId) }), s.DeclineHandshake),
		gate.Op(writes, on(s, "CancelHandshake", func(in *organizations.CancelHandshakeInput, q *question) { q.ids(in.HandshakeId) }), s.CancelHandshake),
		gate.Op(reads, onAny[organizations.ListHandshakesForAccountInput]("ListHandshakesForAccount"), s.ListHandshakesForAccount),
		gate.Op(reads, onAny[organizations.ListHandshakesForOrganizationInput]("ListHandshakesForOrganization"), s.ListHandshakesForOrganization),
	}
}

func (s *Service) policyOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreatePolicy", func(in *organizations.CreatePolicyInput, q *question) {
			q.one("organizations:policytype", string(in.Type))
			q.tags(in.Tags)
		}), s.CreatePolicy),
		gate.Op(reads, on(s, "DescribePolicy", func(in *organizations.DescribePolicyInput, q *question) { q.ids(in.PolicyId) }), s.DescribePolicy),
		gate.Op(writes, on(s, "UpdatePolicy", func(in *organizations.UpdatePolicyInput, q *question) { q.ids(in.PolicyId) }), s.UpdatePolicy),
		gate.Op(writes, on(s, "DeletePolicy", func(in *organizations.DeletePolicyInput, q *question) { q.ids(in.PolicyId) }), s.DeletePolicy),
		gate.Op(reads, on(s, "ListPolicies", func(in *organizations.ListPoliciesInput, q *question) {
			q.one("organizations:policytype", string(in.Filter))
		}), s.ListPolicies),
		gate.Op(reads, on(s, "ListPoliciesForTarget", func(in *organizations.ListPoliciesForTargetInput, q *question) {
			q.ids(in.TargetId)
			q.one("organizations:policytype", string(in.Filter))
		}), s.ListPoliciesForTarget),
		gate.Op(reads, on(s, "ListTargetsForPolicy", func(in *organizations.ListTargetsForPolicyInput, q *question) { q.ids(in.PolicyId) }), s.ListTargetsForPolicy),
		gate.Op(writes, on(s, "AttachPolicy", func(in *organizations.AttachPolicyInput, q *question) { q.ids(in.PolicyId, in.TargetId) }), s.AttachPolicy),
		gate.Op(writes, on(s, "DetachPolicy", func(in *organizations.DetachPolicyInput, q *question) { q.ids(in.PolicyId, in.TargetId) }), s.DetachPolicy),
	}
}

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

// onAny is what an operation needs that is about nothing in particular.
func onAny[I any](action string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "organizations:" + action, Resource: "*"}}, nil
	}
}

// question collects what a request is about.
type question struct {
	orgs    *Service
	account string
	arns    []string
	context estate.Given
}

// on is what an operation needs that is about things of the organization: the
// action on each of them, or on "*" when there are none.
func on[I any](s *Service, action string, look func(*I, *question)) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		q := question{orgs: s, account: c.Caller.Account}
		look(in, &q)
		if len(q.arns) == 0 {
			q.arns = []string{"*"}
		}
		list := make([]gate.Ask, len(q.arns))
		for i, name := range q.arns {
			target, _ := arn.Parse(name) // what is no ARN is about nothing
			list[i] = gate.Ask{Action: "organizations:" + action, Resource: name, Target: target, Context: q.context}
			if name != "*" {
				c.Resources = append(c.Resources, gate.Resource{ARN: name, Account: c.Caller.Account})
			}
		}
		return list, nil
	}
}

func (q *question) one(name, value string) {
	if value != "" {
		q.context = append(q.context, estate.NewEntry(name, policy.One(value)))
	}
}

func (q *question) keys(keys []string) {
	if len(keys) > 0 {
		q.context = append(q.context, estate.NewEntry("aws:tagkeys", policy.Many(keys...)))
	}
}

func (q *question) tags(tags []types.Tag) {
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = *t.Key
		q.one("aws:requesttag/"+*t.Key, *t.Value)
	}
	q.keys(keys)
}

// ids adds the ARNs of things by their ids; what the caller's organization does
// not have is left for the handler to refuse.
func (q *question) ids(ids ...*string) {
	s := q.orgs
	for _, id := range ids {
		if h := s.handshakes.Get(*id); h != nil {
			o := Organization{ID: h.Organization, Management: h.Management}
			q.arns = append(q.arns, o.handshakeARN(h.ID))
			continue
		}
		m := s.members.Get(q.account)
		if m == nil {
			continue
		}
		o := s.organizations.Get(m.Organization)
		if t := s.target(o, *id); t != nil {
			q.arns = append(q.arns, *t.Arn)
		} else if p := s.policy(o, *id); p != nil {
			q.arns = append(q.arns, o.policyARN(p))
		}
	}
}
