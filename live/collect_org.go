package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// What stands for an organization of which nothing may be read but that there may be
// one.
const (
	unknownOrganization = "o-unknown"
	unknownRoot         = "r-unknown"
)

// The policies that AWS puts on everything and that allow everything. An estate need
// not hold them.
const (
	fullAWSAccess    = "FullAWSAccess"
	rcpFullAWSAccess = "RCPFullAWSAccess"
)

// organizations reads the organization that the accounts are in. Any account may say
// which it is; what is in it only the management account and delegated administrators
// may read: https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPolicies.html.
func (k *collector) organizations(ctx context.Context) {
	const part = "//organization"
	if ctx.Err() != nil || k.isDone(part) {
		return
	}
	found, err := k.readOrganization(ctx)
	if err != nil {
		k.fail(ctx, part, err)
		return
	}
	if found != nil {
		k.add(func(e *estate.Estate) { e.Organization = found })
	}
	k.done(part)
	k.told(Progress{Part: "organization", Done: 1, Of: 1})
}

// readOrganization asks the accounts in their order, the management account first, until
// one may read the whole. An estate has one organization, so an account of another is
// noted as unread.
func (k *collector) readOrganization(ctx context.Context) (*estate.Organization, error) {
	var found *estate.Organization
	var members []*reader
	var last string
	for i := range k.scope.Accounts {
		r, err := k.at(ctx, k.scope.Accounts[i].ID, "")
		if err != nil {
			return nil, err
		}
		o, why, err := r.describeOrganization(ctx)
		switch {
		case err != nil:
			return nil, err
		case why != "":
			last = why
		case o == nil:
		case found != nil && found.ID != o.ID:
			r.unread(&cloud.Error{Account: r.account, Operation: "organizations:DescribeOrganization", Err: fmt.Errorf("it is in the organization %s, and the estate holds %s", o.ID, found.ID)})
		case r.account == o.ManagementAccount:
			found, members = o, append([]*reader{r}, members...)
		default:
			found, members = o, append(members, r)
		}
	}
	if found == nil {
		if last == "" {
			return nil, nil // none of the accounts is in one
		}
		return &estate.Organization{ID: unknownOrganization, Root: estate.Unit{ID: unknownRoot}, Unreadable: last}, nil
	}
	for _, r := range members {
		whole, why, err := r.wholeOrganization(ctx, found)
		if err != nil {
			return nil, err
		}
		if whole != nil {
			k.settle("organizations:ListRoots", "organizations:ListPolicies") // which members were refused before
			return whole, nil
		}
		last = why
	}
	found.Root, found.Unreadable = estate.Unit{ID: unknownRoot}, last
	return found, nil
}

// describeOrganization returns the organization that an account is in, or nothing when
// it is in none, or why that is not known.
func (r *reader) describeOrganization(ctx context.Context) (*estate.Organization, string, error) {
	out, err := organizations.NewFromConfig(r.cfg).DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		if r.answered(err, "organizations:DescribeOrganization", "AWSOrganizationsNotInUseException") {
			return nil, "", nil
		}
		why, err := r.refused(err, "organizations:DescribeOrganization")
		return nil, why, err
	}
	return &estate.Organization{ID: aws.ToString(out.Organization.Id), ManagementAccount: aws.ToString(out.Organization.MasterAccountId)}, "", nil
}

// orgReader reads an organization as a member who may. What was refused, and matters
// for the whole, is kept in why.
type orgReader struct {
	*reader
	c        *organizations.Client
	policies map[string]*estate.Document
	on       map[types.PolicyType]map[string][]string // names of policies by target, of types that are enabled
	why      string
}

// wholeOrganization reads units, accounts and control policies.
func (r *reader) wholeOrganization(ctx context.Context, head *estate.Organization) (*estate.Organization, string, error) {
	o := &orgReader{reader: r, c: organizations.NewFromConfig(r.cfg), policies: map[string]*estate.Document{}, on: map[types.PolicyType]map[string][]string{}}
	roots, err := o.c.ListRoots(ctx, &organizations.ListRootsInput{})
	if err != nil {
		why, err := r.refused(err, "organizations:ListRoots")
		return nil, why, err
	}
	if len(roots.Roots) == 0 {
		return nil, "organizations:ListRoots: it gives no root", nil
	}
	root := &roots.Roots[0]
	for _, t := range root.PolicyTypes {
		if t.Status != types.PolicyTypeStatusEnabled || t.Type != types.PolicyTypeServiceControlPolicy && t.Type != types.PolicyTypeResourceControlPolicy {
			continue
		}
		o.on[t.Type] = map[string][]string{}
		if err := o.readPolicies(ctx, t.Type); err != nil || o.why != "" {
			return nil, o.why, err
		}
	}
	whole := &estate.Organization{ID: head.ID, ManagementAccount: head.ManagementAccount}
	whole.Root, err = o.unit(ctx, aws.ToString(root.Id), aws.ToString(root.Name))
	if err != nil || o.why != "" {
		return nil, o.why, err
	}
	if len(o.policies) > 0 {
		whole.Policies = o.policies
	}
	return whole, "", nil
}

// readPolicies reads the policies of a type and where they are attached.
func (o *orgReader) readPolicies(ctx context.Context, t types.PolicyType) error {
	var list []types.PolicySummary
	pages := organizations.NewListPoliciesPaginator(o.c, &organizations.ListPoliciesInput{Filter: t})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			o.why, err = o.refused(err, "organizations:ListPolicies")
			return err
		}
		list = append(list, out.Policies...)
	}
	for i := range list {
		name, err := o.readPolicy(ctx, &list[i])
		if err != nil {
			return err
		}
		if err := o.readTargets(ctx, t, aws.ToString(list[i].Id), name); err != nil || o.why != "" {
			return err
		}
	}
	return nil
}

// readPolicy reads a policy and returns the name that it has in the estate: its own, or
// one with its id when a policy of the other type has the same.
func (o *orgReader) readPolicy(ctx context.Context, p *types.PolicySummary) (string, error) {
	name := aws.ToString(p.Name)
	if p.AwsManaged && (name == fullAWSAccess || name == rcpFullAWSAccess) {
		return name, nil
	}
	if _, taken := o.policies[name]; taken {
		name += " (" + aws.ToString(p.Id) + ")"
	}
	out, err := o.c.DescribePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: p.Id})
	if err != nil {
		why, err := o.refused(err, "organizations:DescribePolicy")
		o.policies[name] = &estate.Document{Unreadable: why}
		return name, err
	}
	o.policies[name] = collectedDocument("policy "+name, aws.ToString(out.Policy.Content))
	return name, nil
}

func (o *orgReader) readTargets(ctx context.Context, t types.PolicyType, id, name string) error {
	pages := organizations.NewListTargetsForPolicyPaginator(o.c, &organizations.ListTargetsForPolicyInput{PolicyId: &id})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			o.why, err = o.refused(err, "organizations:ListTargetsForPolicy")
			return err
		}
		for _, target := range out.Targets {
			at := aws.ToString(target.TargetId)
			o.on[t][at] = append(o.on[t][at], name)
		}
	}
	return nil
}

// attached are the policies of a type on a target. A type that is off limits nothing,
// which an estate says with the policy that allows everything.
func (o *orgReader) attached(t types.PolicyType, target, full string) []string {
	byTarget, on := o.on[t]
	if !on {
		return []string{full}
	}
	return slices.Sorted(slices.Values(byTarget[target]))
}

// unit reads a unit with everything below it.
func (o *orgReader) unit(ctx context.Context, id, name string) (estate.Unit, error) {
	u := estate.Unit{
		ID: id, Name: name, SCPs: o.attached(types.PolicyTypeServiceControlPolicy, id, fullAWSAccess), RCPs: o.attached(types.PolicyTypeResourceControlPolicy, id, rcpFullAWSAccess),
	}
	accounts := organizations.NewListAccountsForParentPaginator(o.c, &organizations.ListAccountsForParentInput{ParentId: &id})
	for turn := ctx; accounts.HasMorePages(); turn = furtherPage(ctx) {
		out, err := accounts.NextPage(turn)
		if err != nil {
			o.why, err = o.refused(err, "organizations:ListAccountsForParent")
			return u, err
		}
		for _, a := range out.Accounts {
			at := aws.ToString(a.Id)
			u.Accounts = append(u.Accounts, estate.AccountPolicies{
				ID: at, SCPs: o.attached(types.PolicyTypeServiceControlPolicy, at, fullAWSAccess), RCPs: o.attached(types.PolicyTypeResourceControlPolicy, at, rcpFullAWSAccess),
			})
		}
	}
	slices.SortFunc(u.Accounts, func(a, b estate.AccountPolicies) int { return strings.Compare(a.ID, b.ID) })
	below, err := o.unitsBelow(ctx, id)
	if err != nil || o.why != "" {
		return u, err
	}
	u.Units = below
	return u, nil
}

func (o *orgReader) unitsBelow(ctx context.Context, id string) ([]estate.Unit, error) {
	var list []estate.Unit
	units := organizations.NewListOrganizationalUnitsForParentPaginator(o.c, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &id})
	for turn := ctx; units.HasMorePages(); turn = furtherPage(ctx) {
		out, err := units.NextPage(turn)
		if err != nil {
			o.why, err = o.refused(err, "organizations:ListOrganizationalUnitsForParent")
			return nil, err
		}
		for _, u := range out.OrganizationalUnits {
			below, err := o.unit(ctx, aws.ToString(u.Id), aws.ToString(u.Name))
			if err != nil || o.why != "" {
				return nil, err
			}
			list = append(list, below)
		}
	}
	slices.SortFunc(list, func(a, b estate.Unit) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}
