package sandbox_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

const (
	management = "111111111111"
	member     = "222222222222"
	stranger   = "333333333333"
	region     = "us-east-1"
)

// refused checks that a call was refused with a code, and a text that holds words.
func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), words) {
		t.Errorf("got %s: %s\nwant %s: …%s…", api.ErrorCode(), api.ErrorMessage(), code, words)
	}
}

// founded is a sandbox with an organization of two accounts.
type founded struct {
	*sandboxtest.Server
	org  *organizations.Client
	root string
	unit string
}

func found(t *testing.T) *founded {
	t.Helper()
	ctx := t.Context()
	f := &founded{Server: sandboxtest.Start(t, sandbox.Options{})}
	f.org = organizations.NewFromConfig(f.Root(management, region))
	need(f.org.CreateOrganization(ctx, &organizations.CreateOrganizationInput{}))(t)
	roots := need(f.org.ListRoots(ctx, &organizations.ListRootsInput{}))(t)
	f.root = *roots.Roots[0].Id
	for _, kind := range []types.PolicyType{types.PolicyTypeServiceControlPolicy, types.PolicyTypeResourceControlPolicy} {
		need(f.org.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: &f.root, PolicyType: kind}))(t)
	}
	ou := need(f.org.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{
		ParentId: &f.root, Name: new("workloads"),
	}))(t)
	f.unit = *ou.OrganizationalUnit.Id
	h := need(f.org.InviteAccountToOrganization(ctx, &organizations.InviteAccountToOrganizationInput{
		Target: &types.HandshakeParty{Id: new(member), Type: types.HandshakePartyTypeAccount},
	}))(t)
	invited := organizations.NewFromConfig(f.Root(member, region))
	need(invited.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: h.Handshake.Id}))(t)
	need(f.org.MoveAccount(ctx, &organizations.MoveAccountInput{
		AccountId: new(member), SourceParentId: &f.root, DestinationParentId: &f.unit,
	}))(t)
	return f
}

// policy makes a control policy and attaches it.
func (f *founded) policy(t *testing.T, kind types.PolicyType, target, content string) *types.PolicySummary {
	t.Helper()
	p := need(f.org.CreatePolicy(t.Context(), &organizations.CreatePolicyInput{
		Name: new("p"), Description: new(""), Type: kind, Content: &content,
	}))(t)
	need(f.org.AttachPolicy(t.Context(), &organizations.AttachPolicyInput{PolicyId: p.Policy.PolicySummary.Id, TargetId: &target}))(t)
	return p.Policy.PolicySummary
}

func (f *founded) key(t *testing.T, account string) string {
	t.Helper()
	k := need(kms.NewFromConfig(f.Root(account, region)).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t)
	return *k.KeyMetadata.Arn
}

func (f *founded) encrypt(t *testing.T, account, key string) error {
	t.Helper()
	_, err := kms.NewFromConfig(f.Root(account, region)).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	return err
}

func TestAServiceControlPolicyOfAUnitBindsItsAccountsButNotTheManagementAccount(t *testing.T) {
	t.Parallel()
	f := found(t)
	mine, theirs := f.key(t, management), f.key(t, member)
	const deny = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}]}`
	p := f.policy(t, types.PolicyTypeServiceControlPolicy, f.unit, deny)
	refused(t, f.encrypt(t, member, theirs), "AccessDeniedException", "with an explicit deny in a service control policy")
	need(f.org.AttachPolicy(t.Context(), &organizations.AttachPolicyInput{PolicyId: p.Id, TargetId: &f.root}))(t)
	if err := f.encrypt(t, management, mine); err != nil {
		t.Errorf("the management account is bound: %v", err)
	}
	for _, target := range []string{f.root, f.unit} {
		need(f.org.DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: p.Id, TargetId: &target}))(t)
	}
	if err := f.encrypt(t, member, theirs); err != nil {
		t.Errorf("the policy is detached: %v", err)
	}
}

func TestAServiceControlPolicyThatAllowsLessTakesTheRestAway(t *testing.T) {
	t.Parallel()
	f := found(t)
	theirs := f.key(t, member)
	f.policy(t, types.PolicyTypeServiceControlPolicy, member, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	if err := f.encrypt(t, member, theirs); err != nil {
		t.Errorf("FullAWSAccess is still there: %v", err)
	}
	full := new("p-FullAWSAccess")
	need(f.org.DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: full, TargetId: new(member)}))(t)
	refused(t, f.encrypt(t, member, theirs), "AccessDeniedException", "because no service control policy allows the kms:Encrypt action")
	_, err := f.org.DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: full, TargetId: &f.unit})
	refused(t, err, "ConstraintViolationException", "last policy")
}

func TestAResourceControlPolicyBindsEverybodyButOnlyOnResourcesOfMembers(t *testing.T) {
	t.Parallel()
	f := found(t)
	mine, theirs := f.key(t, management), f.key(t, member)
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + member + `","` + management + `"]},"Action":"kms:*","Resource":"*"}]}`
	owner := kms.NewFromConfig(f.Root(member, region))
	need(owner.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &theirs, Policy: &open}))(t)
	p := f.policy(t, types.PolicyTypeResourceControlPolicy, f.root, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}]}`)
	for _, caller := range []string{member, management} {
		refused(t, f.encrypt(t, caller, theirs), "AccessDeniedException", "with an explicit deny in a resource control policy: "+*p.Arn)
	}
	if err := f.encrypt(t, management, mine); err != nil {
		t.Errorf("resources of the management account are bound: %v", err)
	}
}

// The refusals are recorded: see docs/sandbox.md.
func TestCreatePolicyTakesOnlyResourceControlPoliciesThatAWSTakes(t *testing.T) {
	t.Parallel()
	f := found(t)
	for _, c := range []struct {
		name, statement string
		accepted        bool
	}{
		{"allow", `"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"`, false},
		{"all actions", `"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"`, false},
		{"a service that is not covered", `"Effect":"Deny","Principal":"*","Action":"ec2:RunInstances","Resource":"*"`, false},
		{"an account", `"Effect":"Deny","Principal":{"AWS":"` + member + `"},"Action":"kms:*","Resource":"*"`, false},
		{"a list of principals", `"Effect":"Deny","Principal":{"AWS":["*","` + member + `"]},"Action":"kms:*","Resource":"*"`, false},
		{"NotAction", `"Effect":"Deny","Principal":"*","NotAction":"kms:*","Resource":"*"`, false},
		{"NotPrincipal", `"Effect":"Deny","NotPrincipal":"*","Action":"kms:*","Resource":"*"`, false},
		{"everybody as AWS", `"Effect":"Deny","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"`, true},
		{"NotResource", `"Effect":"Deny","Principal":"*","Action":"kms:*","NotResource":"arn:aws:kms:*:*:key/x"`, true},
		{"an action that is none", `"Effect":"Deny","Principal":"*","Action":"kms:NoSuchThing","Resource":"*"`, true},
		{"a service in capitals", `"Effect":"Deny","Principal":"*","Action":"KMS:Encrypt","Resource":"*"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := f.org.CreatePolicy(t.Context(), &organizations.CreatePolicyInput{
				Name: &c.name, Description: new(""), Type: types.PolicyTypeResourceControlPolicy, Content: new(`{"Statement":[{` + c.statement + `}]}`),
			})
			if !c.accepted {
				refused(t, err, "MalformedPolicyDocumentException", "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var stored struct{ Version string }
			if err := json.Unmarshal([]byte(*out.Policy.Content), &stored); err != nil || stored.Version != "2008-10-17" {
				t.Errorf("stored as version %q (%v)", stored.Version, err)
			}
		})
	}
}

func TestOnlyTheManagementAccountManages(t *testing.T) {
	t.Parallel()
	f := found(t)
	for account, code := range map[string]string{member: "AccessDeniedException", stranger: "AWSOrganizationsNotInUseException"} {
		c := organizations.NewFromConfig(f.Root(account, region))
		_, err := c.ListAccounts(t.Context(), &organizations.ListAccountsInput{})
		refused(t, err, code, "")
	}
}

func TestAnAccountMadeByTheOrganizationIsEnteredByItsRole(t *testing.T) {
	t.Parallel()
	f := found(t)
	ctx := t.Context()
	req := need(f.org.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: new("backup"), Email: new("b@example.org")}))(t)
	status := need(f.org.DescribeCreateAccountStatus(ctx, &organizations.DescribeCreateAccountStatusInput{
		CreateAccountRequestId: req.CreateAccountStatus.Id,
	}))(t)
	admin := iam.NewFromConfig(f.Root(management, region))
	need(admin.CreateUser(ctx, &iam.CreateUserInput{UserName: new("admin")}))(t)
	need(admin.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: new("admin"), PolicyName: new("p"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`),
	}))(t)
	key := need(admin.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: new("admin")}))(t).AccessKey
	role := "arn:aws:iam::" + *status.CreateAccountStatus.AccountId + ":role/OrganizationAccountAccessRole"
	need(sts.NewFromConfig(f.As(region, *key.AccessKeyId, *key.SecretAccessKey, "")).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: new("admin"),
	}))(t)
}

func TestAnOrganizationGoesIntoAnEstateAndOut(t *testing.T) {
	t.Parallel()
	f := found(t)
	theirs := f.key(t, member)
	f.policy(t, types.PolicyTypeServiceControlPolicy, f.unit, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}]}`)
	e := need(f.Estate())(t)
	again := &founded{Server: sandboxtest.Start(t, sandbox.Options{Estate: e})}
	refused(t, again.encrypt(t, member, theirs), "AccessDeniedException", "with an explicit deny in a service control policy")
	if err := again.encrypt(t, management, again.key(t, management)); err != nil {
		t.Error(err)
	}
}
