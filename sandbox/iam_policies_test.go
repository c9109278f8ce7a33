package sandbox_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

func (w *world) iam(account string) *iam.Client { return iam.NewFromConfig(w.root(account)) }

const malformedPolicy = "MalformedPolicyDocument: "

// Identity policies that IAM refuses, with its texts: every way in says the same.
func TestIdentityPoliciesThatAreTakenAndRefused(t *testing.T) {
	t.Parallel()
	const (
		taken     = ""
		arnFormat = `Resource foo must be in ARN format or "*".`
		vendor    = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		colon     = "Actions/Condition can contain only one colon."
		alnum     = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
		unique    = "Statement IDs (SID) in a single policy must be unique."
		syntax    = "Syntax errors in policy."
		actions   = "Policy statement must contain actions."
		resources = "Policy statement must contain resources."
		legacy    = "The policy failed legacy parsing"
	)
	one := func(elements string) string { return document(`{"Effect":"Allow",` + elements + `}`) }
	const sound = `"Action":"kms:Decrypt","Resource":"*"`
	w := newWorld(t)
	c := w.iam(owner)
	need(c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")}))(t)
	need(c.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: new("g")}))(t)
	w.role(owner, "r", "", "")
	p := need(c.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: new("versions"), PolicyDocument: new(allow("kms:*"))}))(t).Policy
	for i, x := range []struct{ name, policy, want string }{
		{"an action on everything", one(sound), taken},
		{"everything", one(`"Action":"*","Resource":"*"`), taken},
		{"the old version", strings.Replace(one(sound), "2012-10-17", "2008-10-17", 1), taken},
		{"no version", `{"Statement":{"Effect":"Allow",` + sound + `}}`, taken},
		{"NotAction and NotResource", one(`"NotAction":"kms:*","NotResource":"arn:aws:s3:::x"`), taken},
		{"a Sid of letters and digits", one(`"Sid":"A1",` + sound), taken},
		{"an empty Sid, twice", document(`{"Sid":"","Effect":"Allow",`+sound+`}`, `{"Sid":"","Effect":"Deny",`+sound+`}`), taken},
		{"an ARN that is all wildcards", one(`"Action":"s3:*","Resource":"arn:*:s3:::*"`), taken},
		{"an ARN that ends in a wildcard", one(`"Action":"s3:*","Resource":"arn:aws:s3*"`), taken},
		{"an ARN with a variable", one(`"Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"`), taken},
		{"an action of no service that there is", one(`"Action":"nosuch:Thing","Resource":"*"`), taken},
		{"a Sid with a space", one(`"Sid":"a b",` + sound), alnum},
		{"a Sid with a hyphen", one(`"Sid":"a-b",` + sound), alnum},
		{"a Sid twice", document(`{"Sid":"a","Effect":"Allow",`+sound+`}`, `{"Sid":"a","Effect":"Deny",`+sound+`}`), unique},
		{"a resource that is no ARN", one(`"Action":"kms:Decrypt","Resource":"foo"`), arnFormat},
		{"the second resource is no ARN", one(`"Action":"kms:Decrypt","Resource":["*","foo"]`), arnFormat},
		{"NotResource is no ARN", one(`"Action":"kms:Decrypt","NotResource":"foo"`), arnFormat},
		{"an empty resource", one(`"Action":"kms:Decrypt","Resource":""`), `Resource  must be in ARN format or "*".`},
		{"an ARN that is cut off", one(`"Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1"`), legacy},
		{"an ARN of no partition", one(`"Action":"s3:*","Resource":"arn::s3:::b"`), `Partition "" is not valid for resource "arn::s3:::b".`},
		{"an ARN of another partition", one(`"Action":"s3:*","Resource":"arn:aws-cn:s3:::b"`), `Partition "aws-cn" is not valid for resource "arn:aws-cn:s3:::b".`},
		{"an action without a service", one(`"Action":"Decrypt","Resource":"*"`), vendor},
		{"NotAction without a service", one(`"NotAction":"Decrypt","Resource":"*"`), vendor},
		{"an action with two colons", one(`"Action":"kms:key:Decrypt","Resource":"*"`), colon},
		{"another version", strings.Replace(one(sound), "2012-10-17", "2020-01-01", 1), syntax},
		{"a placeholder for a version", strings.Replace(one(sound), "2012-10-17", "${version}", 1), syntax},
		{"no resource", one(`"Action":"kms:Decrypt"`), resources},
		{"an empty list of resources", one(`"Action":"kms:Decrypt","Resource":[]`), resources},
		{"no action", one(`"Resource":"*"`), actions},
		{"an empty list of actions", one(`"Action":[],"Resource":"*"`), actions},
		{"a principal", one(`"Principal":"*",` + sound), "Policy document should not specify a principal."},
		{"no statements", document(), syntax},
		{"no JSON", `{nope`, syntax},
		{"an element that is none", one(`"Resources":"*",` + sound), syntax},
		{"another effect", document(`{"Effect":"Permit",` + sound + `}`), syntax},
	} {
		want := x.want
		if want != taken {
			want = malformedPolicy + want
		}
		name := "p" + strconv.Itoa(i)
		calls := map[string]error{}
		_, calls["CreatePolicy"] = c.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &x.policy})
		v, err := c.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: &x.policy})
		if calls["CreatePolicyVersion"] = err; err == nil {
			need(c.DeletePolicyVersion(t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: v.PolicyVersion.VersionId}))(t)
		}
		_, calls["PutUserPolicy"] = c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: new("u"), PolicyName: new("p"), PolicyDocument: &x.policy})
		_, calls["PutGroupPolicy"] = c.PutGroupPolicy(t.Context(), &iam.PutGroupPolicyInput{GroupName: new("g"), PolicyName: new("p"), PolicyDocument: &x.policy})
		_, calls["PutRolePolicy"] = c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("r"), PolicyName: new("p"), PolicyDocument: &x.policy})
		for call, err := range calls {
			if got := refusal(err); got != want {
				t.Errorf("%s, %s: %q, want %q", x.name, call, got, want)
			}
		}
	}
}

func TestTrustPoliciesThatAreTakenAndRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.iam(owner)
	other := w.role(owner, "other", "", "")
	trust := func(principal, rest string) string {
		return document(`{"Effect":"Allow","Principal":` + principal + `,` + rest + `}`)
	}
	const (
		assume   = `"Action":"sts:AssumeRole"`
		onlySTS  = malformedPolicy + "AssumeRole policy may only specify STS AssumeRole actions."
		noPolicy = malformedPolicy + "This policy contains invalid Json"
	)
	aws := func(name string) string { return `{"AWS":"` + name + `"}` }
	nobody := func(kind, name string) string {
		return malformedPolicy + `Invalid principal in policy: "` + kind + `":"` + name + `"`
	}
	for _, x := range []struct{ name, policy, want string }{
		{"the account", trust(aws("arn:aws:iam::"+owner+":root"), assume), ""},
		{"another account that nobody knows", trust(aws("999999999999"), assume), ""},
		{"everybody", trust(`"*"`, assume), ""},
		{"a role", trust(aws(other.arn), assume), ""},
		{"a role by its id", trust(aws(other.id), assume), ""},
		{"a service", trust(`{"Service":"ec2.amazonaws.com"}`, assume), ""},
		{"a service in a Region", trust(`{"Service":"logs.us-east-1.amazonaws.com"}`, assume), ""},
		{"a service of China", trust(`{"Service":"ec2.amazonaws.com.cn"}`, assume), ""},
		{"two services", trust(`{"Service":["ec2.amazonaws.com","alexa-appkit.amazon.com"]}`, assume), ""},
		{"a web identity", trust(`{"Federated":"cognito-identity.amazonaws.com"}`, `"Action":"sts:AssumeRoleWithWebIdentity"`), ""},
		{"a provider of web identities", trust(`{"Federated":"arn:aws:iam::`+owner+`:oidc-provider/token.actions.githubusercontent.com"}`, `"Action":"sts:AssumeRoleWithWebIdentity"`), ""},
		{"a provider of SAML", trust(`{"Federated":"arn:aws:iam::`+owner+`:saml-provider/p"}`, `"Action":["sts:AssumeRoleWithSAML","sts:TagSession"]`), ""},
		{"all of STS", trust(`"*"`, `"Action":"sts:*"`), ""},
		{"a deny without naming somebody", document(`{"Effect":"Deny","NotPrincipal":` + aws(other.arn) + `,` + assume + `}`), ""},
		{"a service that is none", trust(`{"Service":"nosuch"}`, assume), nobody("SERVICE", "nosuch")},
		{"a web address", trust(`{"Service":"www.example.com"}`, assume), nobody("SERVICE", "www.example.com")},
		{"a role that is not there", trust(aws("arn:aws:iam::"+owner+":role/none"), assume), nobody("AWS", "arn:aws:iam::"+owner+":role/none")},
		{"an id of nobody", trust(aws("AROAAAAAAAAAAAAAAAAAA"), assume), nobody("AWS", "AROAAAAAAAAAAAAAAAAAA")},
		{"a group", trust(aws("arn:aws:iam::"+owner+":group/g"), assume), nobody("AWS", "arn:aws:iam::"+owner+":group/g")},
		{"a service as an account", trust(aws("ec2.amazonaws.com"), assume), nobody("AWS", "ec2.amazonaws.com")},
		{"a word", trust(aws("nosuch"), assume), nobody("AWS", "nosuch")},
		{"an action of another service", trust(`"*"`, `"Action":"kms:Decrypt"`), onlySTS},
		{"an action of another service beside", trust(`"*"`, `"Action":["sts:AssumeRole","kms:Decrypt"]`), onlySTS},
		{"every action", trust(`"*"`, `"Action":"*"`), onlySTS},
		{"a resource", trust(`"*"`, assume+`,"Resource":"*"`), malformedPolicy + "Has prohibited field Resource"},
		{"nobody", document(`{"Effect":"Allow",` + assume + `}`), malformedPolicy + "Missing required field Principal"},
		{"another version", strings.Replace(trust(`"*"`, assume), "2012-10-17", "2020-01-01", 1), noPolicy},
		{"no JSON", `{nope`, noPolicy},
		{"more than 2,048 characters", trust(`"*"`, assume+`,"Condition":{"StringEquals":{"aws:PrincipalTag/x":"`+strings.Repeat("x", 2048)+`"}}`), "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048"},
	} {
		_, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: new("made"), AssumeRolePolicyDocument: &x.policy})
		if got := refusal(err); got != x.want {
			t.Errorf("CreateRole, %s: %q, want %q", x.name, got, x.want)
		}
		if err == nil {
			need(c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: new("made")}))(t)
		}
		_, err = c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &other.name, PolicyDocument: &x.policy})
		if got := refusal(err); got != x.want {
			t.Errorf("UpdateAssumeRolePolicy, %s: %q, want %q", x.name, got, x.want)
		}
	}
}

// The inline policies of an entity count together, without white space.
func TestPoliciesHaveASize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.iam(owner)
	need(c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")}))(t)
	need(c.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: new("g")}))(t)
	w.role(owner, "r", "", "")
	sized := func(n int) string {
		p := document(`{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:::"}`)
		return strings.Replace(p, "kms:::", "kms:::"+strings.Repeat("x", n-len(p)), 1)
	}
	put := map[string]func(name, policy string) error{
		"user u": func(name, policy string) error {
			_, err := c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: new("u"), PolicyName: &name, PolicyDocument: &policy})
			return err
		},
		"group g": func(name, policy string) error {
			_, err := c.PutGroupPolicy(t.Context(), &iam.PutGroupPolicyInput{GroupName: new("g"), PolicyName: &name, PolicyDocument: &policy})
			return err
		},
		"role r": func(name, policy string) error {
			_, err := c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("r"), PolicyName: &name, PolicyDocument: &policy})
			return err
		},
	}
	for who, most := range map[string]int{"user u": 2048, "group g": 5120, "role r": 10240} {
		large := "LimitExceeded: Maximum policy size of " + strconv.Itoa(most) + " bytes exceeded for " + who
		w.ends(who+": as large as may be", put[who]("a", sized(most)), "")
		w.ends(who+": the same with white space", put[who]("a", sized(most)+strings.Repeat(" \n\t", 3000)), "")
		w.ends(who+": one more", put[who]("a", sized(most+1)), large)
		w.ends(who+": a second", put[who]("b", sized(200)), large)
		w.ends(who+": two that fit together", put[who]("a", sized(most-200)), "")
		w.ends(who+": two that fit together", put[who]("b", sized(200)), "")
	}
	create := func(name, policy string) error {
		_, err := c.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &policy})
		return err
	}
	w.ends("a managed policy", create("a", sized(6144)), "")
	w.ends("a managed policy that is too large", create("b", sized(6145)), "LimitExceeded: Cannot exceed quota for PolicySize: 6144")
	_, err := c.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: new("arn:aws:iam::" + owner + ":policy/a"), PolicyDocument: new(sized(6145))})
	w.ends("a version that is too large", err, "LimitExceeded: Cannot exceed quota for PolicySize: 6144")
}

func TestAKeyPolicyOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, version := range []string{"2020-01-01", "${version}", ""} {
		policy := strings.Replace(document(rootStatement), "2012-10-17", version, 1)
		_, err := w.kmsOf(w.root(owner)).CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy})
		if got := refusal(err); !strings.HasPrefix(got, "MalformedPolicyDocumentException") {
			t.Errorf("version %q: %q", version, got)
		}
	}
}

// lettered is an account with three roles, two groups and a user, who have a policy
// in different ways.
func lettered(t *testing.T) (*world, *iam.Client, *string) {
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	p := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("p"), Path: new("/x/"), PolicyDocument: new(allow("kms:*"))}))(t).Policy.Arn
	trust := document(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`)
	for _, name := range []string{"r1", "r2", "r3"} {
		in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}
		if name == "r3" {
			in.Path, in.PermissionsBoundary = new("/deep/"), p
		}
		need(c.CreateRole(ctx, in))(t)
		if name != "r3" {
			need(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: p}))(t)
		}
	}
	for _, name := range []string{"g1", "g2"} {
		need(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &name}))(t)
		need(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: &name, PolicyArn: p}))(t)
	}
	need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("u1"), Path: new("/deep/"), PermissionsBoundary: p}))(t)
	need(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: new("u1"), PolicyArn: p}))(t)
	return w, c, p
}

func TestWhoHasAPolicy(t *testing.T) {
	t.Parallel()
	w, c, p := lettered(t)
	for _, x := range []struct {
		name string
		in   iam.ListEntitiesForPolicyInput
		want string // the pages
	}{
		{"everybody", iam.ListEntitiesForPolicyInput{}, "r1 r2 r3 g1 g2 u1"},
		{"roles, then groups, then users, by pages", iam.ListEntitiesForPolicyInput{MaxItems: new(int32(2))}, "r1 r2|r3 g1|g2 u1"},
		{"roles", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeRole}, "r1 r2 r3"},
		{"groups by pages of one", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeGroup, MaxItems: new(int32(1))}, "g1|g2"},
		{"users", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeUser}, "u1"},
		{"those under a path", iam.ListEntitiesForPolicyInput{PathPrefix: new("/deep/")}, "r3 u1"},
		{"those under no path", iam.ListEntitiesForPolicyInput{PathPrefix: new("/none/")}, ""},
		{"those to whom it gives rights", iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}, "r1 r2 g1 g2 u1"},
		{"those whom it bounds", iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, "r3 u1"},
		{"roles that it bounds", iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary, EntityFilter: types.EntityTypeRole}, "r3"},
	} {
		x.in.PolicyArn = p
		var pages []string
		for more := true; more; more = x.in.Marker != nil {
			o := need(c.ListEntitiesForPolicy(t.Context(), &x.in))(t)
			if o.PolicyRoles == nil || o.PolicyGroups == nil || o.PolicyUsers == nil {
				t.Errorf("%s: lists are missing in %+v", x.name, o)
			}
			page := names(o.PolicyRoles, func(r *types.PolicyRole) *string { return r.RoleName })
			page = append(page, names(o.PolicyGroups, func(g *types.PolicyGroup) *string { return g.GroupName })...)
			page = append(page, names(o.PolicyUsers, func(u *types.PolicyUser) *string { return u.UserName })...)
			pages, x.in.Marker = append(pages, strings.Join(page, " ")), o.Marker
		}
		if got := strings.Join(pages, "|"); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
	_, err := w.iam(consumer).ListEntitiesForPolicy(t.Context(), &iam.ListEntitiesForPolicyInput{PolicyArn: p})
	w.ends("another account", err, "was not found.")
}

func TestWhichPoliciesAreListed(t *testing.T) {
	t.Parallel()
	w, c, _ := lettered(t)
	ctx := t.Context()
	bounds := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("bounds"), PolicyDocument: new(allow("kms:*"))}))(t).Policy.Arn
	need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("idle"), Path: new("/x/y/"), PolicyDocument: new(allow("kms:*"))}))(t)
	need(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: new("r1"), PermissionsBoundary: bounds}))(t)
	for _, x := range []struct {
		name string
		in   iam.ListPoliciesInput
		want string
	}{
		{"all", iam.ListPoliciesInput{}, "bounds p idle"},
		{"those under a path", iam.ListPoliciesInput{PathPrefix: new("/x/")}, "p idle"},
		{"those that somebody has", iam.ListPoliciesInput{OnlyAttached: true}, "p"},
		{"those that give rights", iam.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}, "p"},
		{"those that bound", iam.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, "bounds p"},
	} {
		x.in.Scope = types.PolicyScopeTypeLocal
		o := need(c.ListPolicies(ctx, &x.in))(t)
		if got := strings.Join(names(o.Policies, func(p *types.Policy) *string { return p.PolicyName }), " "); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
	admin := new("arn:aws:iam::aws:policy/AdministratorAccess")
	need(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: new("u1"), PolicyArn: admin}))(t)
	need(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: new("g1"), PolicyArn: admin}))(t)
	need(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: new("r1"), PolicyArn: admin}))(t)
	for path, want := range map[string]string{"/": "p AdministratorAccess", "/x/": "p", "/none/": ""} {
		name := func(p *types.AttachedPolicy) *string { return p.PolicyName }
		u := need(c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: new("u1"), PathPrefix: &path}))(t).AttachedPolicies
		g := need(c.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: new("g1"), PathPrefix: &path}))(t).AttachedPolicies
		r := need(c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: new("r1"), PathPrefix: &path}))(t).AttachedPolicies
		for who, list := range map[string][]types.AttachedPolicy{"the user": u, "the group": g, "the role": r} {
			if got := strings.Join(names(list, name), " "); got != want {
				t.Errorf("%s under %s: %s, want %s", who, path, got, want)
			}
		}
	}
	shown := func(account string) int32 {
		return *need(w.iam(account).GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: admin}))(t).Policy.AttachmentCount
	}
	if mine, theirs := shown(owner), shown(consumer); mine != 3 || theirs != 0 {
		t.Errorf("AWS's policy is attached %d times, in another account %d", mine, theirs)
	}
}

func TestTheDetailsOfAnAccount(t *testing.T) {
	t.Parallel()
	_, c, _ := lettered(t)
	ctx := t.Context()
	need(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: new("u1"), PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}))(t)
	need(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: new("u1"), GroupName: new("g1")}))(t)
	need(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: new("u1"), PolicyName: new("own"), PolicyDocument: new(allow("kms:*"))}))(t)
	for _, x := range []struct {
		name   string
		filter []types.EntityType
		want   string
	}{
		{"all", nil, "u1 g1 g2 r1 r2 r3 p AdministratorAccess"},
		{"users", []types.EntityType{types.EntityTypeUser}, "u1"},
		{"groups and roles", []types.EntityType{types.EntityTypeGroup, types.EntityTypeRole}, "g1 g2 r1 r2 r3"},
		{"the account's policies", []types.EntityType{types.EntityTypeLocalManagedPolicy}, "p"},
		{"AWS's policies that somebody has", []types.EntityType{types.EntityTypeAWSManagedPolicy}, "AdministratorAccess"},
	} {
		for _, n := range []int32{1, 3, 1000} {
			in, got := &iam.GetAccountAuthorizationDetailsInput{Filter: x.filter, MaxItems: &n}, []string{}
			for pages := iam.NewGetAccountAuthorizationDetailsPaginator(c, in); pages.HasMorePages(); {
				o := need(pages.NextPage(ctx))(t)
				got = append(got, names(o.UserDetailList, func(u *types.UserDetail) *string { return u.UserName })...)
				got = append(got, names(o.GroupDetailList, func(g *types.GroupDetail) *string { return g.GroupName })...)
				got = append(got, names(o.RoleDetailList, func(r *types.RoleDetail) *string { return r.RoleName })...)
				got = append(got, names(o.Policies, func(p *types.ManagedPolicyDetail) *string { return p.PolicyName })...)
			}
			if strings.Join(got, " ") != x.want {
				t.Errorf("%s by %d: %v, want %s", x.name, n, got, x.want)
			}
		}
	}
	u := need(c.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeUser}}))(t).UserDetailList[0]
	if u.GroupList[0] != "g1" || *u.UserPolicyList[0].PolicyName != "own" || len(u.AttachedManagedPolicies) != 2 || u.PermissionsBoundary == nil {
		t.Errorf("the user is %+v", u)
	}
}

func TestTheSummaryCountsWhatThereIs(t *testing.T) {
	t.Parallel()
	_, c, p := lettered(t)
	need(c.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: p, PolicyDocument: new(allow("kms:*"))}))(t)
	got := need(c.GetAccountSummary(t.Context(), &iam.GetAccountSummaryInput{}))(t).SummaryMap
	for name, want := range map[string]int32{
		"Users": 1, "Groups": 2, "Roles": 3, "Policies": 1, "PolicyVersionsInUse": 2, "InstanceProfiles": 0, "MFADevices": 0, "AccountMFAEnabled": 0,
		"UsersQuota": 5000, "GroupsQuota": 300, "RolesQuota": 1000, "PoliciesQuota": 1500, "AccessKeysPerUserQuota": 2, "UserPolicySizeQuota": 2048,
		"RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048, "PolicySizeQuota": 6144, "GroupsPerUserQuota": 10,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %d, want %d", name, n, want)
		}
	}
	for _, name := range types.SummaryKeyType("").Values() {
		if _, ok := got[string(name)]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestAnAccountHasOnePasswordPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	none := "NoSuchEntity: The Password Policy with domain name " + owner + " cannot be found."
	get := func() error {
		return ignore(c.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{}))
	}
	remove := func() error {
		return ignore(c.DeleteAccountPasswordPolicy(ctx, &iam.DeleteAccountPasswordPolicyInput{}))
	}
	w.steps([]turn{{"none", get, none}, {"none to delete", remove, none}})
	need(c.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{RequireNumbers: true, MaxPasswordAge: new(int32(90)), MinimumPasswordLength: new(int32(14))}))(t)
	p := need(c.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{}))(t).PasswordPolicy
	if !p.RequireNumbers || p.RequireSymbols || *p.MaxPasswordAge != 90 || !p.ExpirePasswords || *p.MinimumPasswordLength != 14 {
		t.Errorf("it is %+v", p)
	}
	need(c.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{}))(t)
	p = need(c.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{}))(t).PasswordPolicy
	if p.RequireNumbers || p.MaxPasswordAge != nil || p.ExpirePasswords || *p.MinimumPasswordLength != 6 {
		t.Errorf("what is left out is %+v", p)
	}
	w.steps([]turn{{"delete", remove, ""}, {"none again", get, none}})
}

func TestTheCredentialReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	w.user(owner, "keyed", "")
	need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("signs-in")}))(t)
	need(c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: new("signs-in"), Password: new("secret")}))(t)
	get := func() error { return ignore(c.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})) }
	generate := func() types.ReportStateType {
		return need(c.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}))(t).State
	}
	w.ends("none", get(), "No report exists for the account.")
	if first, second := generate(), generate(); first != types.ReportStateTypeStarted || second != types.ReportStateTypeComplete {
		t.Errorf("%s, then %s", first, second)
	}
	rows := need(csv.NewReader(bytes.NewReader(need(c.GetCredentialReport(ctx, &iam.GetCredentialReportInput{}))(t).Content)).ReadAll())(t)
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join([]string{r[0], r[3], r[8], r[13], r[21]}, " "))
	}
	want := []string{
		"user password_enabled access_key_1_active access_key_2_active cert_2_last_rotated",
		"<root_account> not_supported false false N/A", "keyed false true false N/A", "signs-in true false false N/A",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the report says\n%q\nwant\n%q", got, want)
	}
	if err := w.Advance(5 * time.Hour); err != nil {
		t.Fatal(err)
	}
	w.ends("an old one", get(), "The report is older than four hours.")
}

func TestCredentialsThatTheSandboxHasNotGot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	_, creds := w.user(owner, "u", allow("iam:*"))
	mine := iam.NewFromConfig(creds)
	for who, name := range map[string]*string{"a user": new("u"), "nobody": new("none"), "the caller": nil} {
		devices, err1 := mine.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: name})
		keys, err2 := mine.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: name})
		certificates, err3 := mine.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: name})
		specific, err4 := mine.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: name})
		if name != nil && *name == "none" {
			for _, err := range []error{err1, err2, err3, err4} {
				w.ends(who, err, "NoSuchEntity: The user with name none cannot be found.")
			}
			continue
		}
		if n := len(need(devices, err1)(t).MFADevices) + len(need(keys, err2)(t).SSHPublicKeys) + len(need(certificates, err3)(t).Certificates) + len(need(specific, err4)(t).ServiceSpecificCredentials); n != 0 {
			t.Errorf("%s has %d", who, n)
		}
	}
	if n := len(need(c.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{}))(t).VirtualMFADevices); n != 0 {
		t.Errorf("there are %d devices", n)
	}
	w.ends("the root user's devices", ignore(c.ListMFADevices(ctx, &iam.ListMFADevicesInput{})), "")
}
