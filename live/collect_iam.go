package live

import (
	"cmp"
	"context"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/estate"
)

// iamDetails is what GetAccountAuthorizationDetails returns, page by page.
type iamDetails struct {
	users    []types.UserDetail
	roles    []types.RoleDetail
	groups   map[string]*types.GroupDetail // by name
	managed  map[string]*estate.Document   // by ARN
	client   *iam.Client
	reader   *reader
	complete error // the first failure in looking a managed policy up
}

// readPrincipals reads the users and roles of an account with their policies. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html.
func (r *reader) readPrincipals(ctx context.Context) error {
	d := &iamDetails{groups: map[string]*types.GroupDetail{}, managed: map[string]*estate.Document{}, client: iam.NewFromConfig(r.cfg), reader: r}
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(d.client, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "iam:GetAccountAuthorizationDetails")
			return err
		}
		d.take(out)
	}
	var list []estate.Principal
	for i := range d.users {
		list = append(list, d.user(ctx, &d.users[i]))
	}
	for i := range d.roles {
		list = append(list, d.role(ctx, &d.roles[i]))
	}
	if d.complete != nil {
		return d.complete
	}
	r.add(func(e *estate.Estate) { e.Principals = append(e.Principals, list...) })
	return nil
}

func (d *iamDetails) take(out *iam.GetAccountAuthorizationDetailsOutput) {
	d.users = append(d.users, out.UserDetailList...)
	d.roles = append(d.roles, out.RoleDetailList...)
	for i := range out.GroupDetailList {
		g := &out.GroupDetailList[i]
		d.groups[aws.ToString(g.GroupName)] = g
	}
	for i := range out.Policies {
		p := &out.Policies[i]
		for _, v := range p.PolicyVersionList {
			if v.IsDefaultVersion {
				d.managed[aws.ToString(p.Arn)] = iamDocument("policy "+aws.ToString(p.Arn), v.Document)
			}
		}
	}
}

func (d *iamDetails) user(ctx context.Context, u *types.UserDetail) estate.Principal {
	p := estate.Principal{ARN: aws.ToString(u.Arn), ID: aws.ToString(u.UserId), Tags: iamTags(u.Tags)}
	p.Policies = append(iamInline(p.ARN, u.UserPolicyList), d.attached(ctx, u.AttachedManagedPolicies)...)
	p.Boundary = d.boundary(ctx, u.PermissionsBoundary)
	for _, name := range u.GroupList {
		g := d.groups[name]
		if g == nil {
			p.Unreadable = "AWS did not give the policies of its group " + name
			continue
		}
		for _, a := range append(iamInline(aws.ToString(g.Arn), g.GroupPolicyList), d.attached(ctx, g.AttachedManagedPolicies)...) {
			a.Kind, a.Group = "group", name
			p.Policies = append(p.Policies, a)
		}
	}
	sortAttached(p.Policies)
	return p
}

func (d *iamDetails) role(ctx context.Context, role *types.RoleDetail) estate.Principal {
	p := estate.Principal{ARN: aws.ToString(role.Arn), ID: aws.ToString(role.RoleId), Tags: iamTags(role.Tags)}
	p.Policies = append(iamInline(p.ARN, role.RolePolicyList), d.attached(ctx, role.AttachedManagedPolicies)...)
	p.Boundary = d.boundary(ctx, role.PermissionsBoundary)
	if aws.ToString(role.AssumeRolePolicyDocument) != "" {
		p.Trust = iamDocument("trust policy of "+p.ARN, role.AssumeRolePolicyDocument)
	}
	sortAttached(p.Policies)
	return p
}

func (d *iamDetails) attached(ctx context.Context, list []types.AttachedPolicy) []estate.Attached {
	var all []estate.Attached
	for _, a := range list {
		at := aws.ToString(a.PolicyArn)
		all = append(all, estate.Attached{Name: aws.ToString(a.PolicyName), Kind: "managed", ARN: at, Document: d.policy(ctx, at)})
	}
	return all
}

func (d *iamDetails) boundary(ctx context.Context, b *types.AttachedPermissionsBoundary) *estate.Document {
	if b == nil || aws.ToString(b.PermissionsBoundaryArn) == "" {
		return nil
	}
	return d.policy(ctx, aws.ToString(b.PermissionsBoundaryArn))
}

// policy is the document of a managed policy. One of AWS's that only bounds may not be
// among the details, and is asked for.
func (d *iamDetails) policy(ctx context.Context, policyARN string) *estate.Document {
	if doc := d.managed[policyARN]; doc != nil {
		return doc
	}
	doc, err := d.lookUp(ctx, policyARN)
	if err != nil {
		if d.complete == nil {
			d.complete = err
		}
		return nil
	}
	d.managed[policyARN] = doc
	return doc
}

func (d *iamDetails) lookUp(ctx context.Context, policyARN string) (*estate.Document, error) {
	head, err := d.client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &policyARN})
	if err != nil {
		why, err := d.reader.refused(err, "iam:GetPolicy")
		return &estate.Document{Unreadable: why}, err
	}
	out, err := d.client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &policyARN, VersionId: head.Policy.DefaultVersionId})
	if err != nil {
		why, err := d.reader.refused(err, "iam:GetPolicyVersion")
		return &estate.Document{Unreadable: why}, err
	}
	return iamDocument("policy "+policyARN, out.PolicyVersion.Document), nil
}

// iamDocument reads a document in the URL encoding of IAM's API.
func iamDocument(name string, text *string) *estate.Document {
	plain, err := url.PathUnescape(aws.ToString(text))
	if err != nil {
		plain = aws.ToString(text)
	}
	return collectedDocument(name, plain)
}

func iamInline(owner string, list []types.PolicyDetail) []estate.Attached {
	var all []estate.Attached
	for _, p := range list {
		name := aws.ToString(p.PolicyName)
		all = append(all, estate.Attached{Name: name, Kind: "inline", Document: iamDocument("policy "+name+" of "+owner, p.PolicyDocument)})
	}
	return all
}

func iamTags(list []types.Tag) map[string]string {
	if len(list) == 0 {
		return nil
	}
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags
}

// sortAttached puts a principal's policies in an order: its own, the managed ones,
// those of its groups.
func sortAttached(list []estate.Attached) {
	rank := map[string]int{"inline": 0, "managed": 1, "group": 2}
	slices.SortStableFunc(list, func(a, b estate.Attached) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(a.Group, b.Group), cmp.Compare(a.ARN, b.ARN), cmp.Compare(a.Name, b.Name))
	})
}
