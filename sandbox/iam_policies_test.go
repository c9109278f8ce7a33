package sandbox_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
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
