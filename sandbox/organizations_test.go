package sandbox_test

import (
	"encoding/json"
	"errors"
	"slices"
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

// See the example at https://docs.aws.amazon.com/organizations/latest/APIReference/API_AcceptHandshake.html.
func TestAnInvitationTellsWhoInvites(t *testing.T) {
	t.Parallel()
	f := found(t)
	o := need(f.org.DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{}))(t).Organization
	h := need(f.org.InviteAccountToOrganization(t.Context(), &organizations.InviteAccountToOrganizationInput{
		Target: &types.HandshakeParty{Id: new(stranger), Type: types.HandshakePartyTypeAccount}, Notes: new("welcome"),
	}))(t).Handshake
	theirs := organizations.NewFromConfig(f.Root(stranger, region))
	seen := need(theirs.ListHandshakesForAccount(t.Context(), &organizations.ListHandshakesForAccountInput{}))(t).Handshakes[0]
	for who, h := range map[string]*types.Handshake{"who invites": h, "who is invited": &seen} {
		var got []string
		for _, p := range h.Parties {
			got = append(got, string(p.Type)+"="+*p.Id)
		}
		for _, r := range h.Resources {
			got = append(got, string(r.Type)+"="+*r.Value)
			for _, inner := range r.Resources {
				got = append(got, "  "+string(inner.Type)+"="+*inner.Value)
			}
		}
		want := []string{
			"ORGANIZATION=" + *o.Id, "ACCOUNT=" + stranger,
			"ORGANIZATION=" + *o.Id, "  MASTER_EMAIL=" + *o.MasterAccountEmail, "  MASTER_NAME=" + management, "  ORGANIZATION_FEATURE_SET=ALL",
			"ACCOUNT=" + stranger, "NOTES=welcome",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s sees\n%q\nwant\n%q", who, got, want)
		}
	}
}

func TestServicesAreTrustedAndAccountsAdministerThem(t *testing.T) {
	t.Parallel()
	f := found(t)
	ctx := t.Context()
	const backup, guardDuty = "backup.amazonaws.com", "guardduty.amazonaws.com"
	enable := func(service string) error {
		_, err := f.org.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: &service})
		return err
	}
	register := func(account, service string) error {
		_, err := f.org.RegisterDelegatedAdministrator(ctx, &organizations.RegisterDelegatedAdministratorInput{AccountId: &account, ServicePrincipal: &service})
		return err
	}
	deregister := func(account, service string) error {
		_, err := f.org.DeregisterDelegatedAdministrator(ctx, &organizations.DeregisterDelegatedAdministratorInput{AccountId: &account, ServicePrincipal: &service})
		return err
	}
	trusted := func() (names []string) {
		for _, s := range need(f.org.ListAWSServiceAccessForOrganization(ctx, &organizations.ListAWSServiceAccessForOrganizationInput{}))(t).EnabledServicePrincipals {
			names = append(names, *s.ServicePrincipal)
		}
		return names
	}
	administrators := func(service *string) (ids []string) {
		for _, a := range need(f.org.ListDelegatedAdministrators(ctx, &organizations.ListDelegatedAdministratorsInput{ServicePrincipal: service}))(t).DelegatedAdministrators {
			ids = append(ids, *a.Id)
		}
		return ids
	}
	theirs := organizations.NewFromConfig(f.Root(member, region))
	look := func() error {
		_, err := theirs.ListAccounts(ctx, &organizations.ListAccountsInput{})
		return err
	}

	refused(t, enable("nosuch"), "InvalidInputException", "unrecognized service principal")
	refused(t, register(member, backup), "ConstraintViolationException", "before you enabled service access")
	for _, service := range []string{backup, guardDuty, backup} {
		if err := enable(service); err != nil {
			t.Fatal(err)
		}
	}
	if got := trusted(); !slices.Equal(got, []string{backup, guardDuty}) {
		t.Errorf("trusted are %v", got)
	}
	refused(t, register(management, backup), "ConstraintViolationException", "management account")
	refused(t, register(stranger, backup), "AccountNotFoundException", "")
	refused(t, deregister(member, backup), "AccountNotRegisteredException", "")
	refused(t, look(), "AccessDeniedException", "")
	for _, service := range []string{backup, guardDuty} {
		if err := register(member, service); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, register(member, backup), "AccountAlreadyRegisteredException", "")
	if got := administrators(nil); !slices.Equal(got, []string{member}) {
		t.Errorf("the administrators are %v", got)
	}
	if err := look(); err != nil {
		t.Errorf("an administrator may not look: %v", err)
	}
	_, err := theirs.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{ParentId: &f.root, Name: new("mine")})
	refused(t, err, "AccessDeniedException", "")
	_, err = f.org.RemoveAccountFromOrganization(ctx, &organizations.RemoveAccountFromOrganizationInput{AccountId: new(member)})
	refused(t, err, "ConstraintViolationException", "delegated administrator")
	services := need(theirs.ListDelegatedServicesForAccount(ctx, &organizations.ListDelegatedServicesForAccountInput{AccountId: new(member)}))(t).DelegatedServices
	if len(services) != 2 || *services[0].ServicePrincipal != backup {
		t.Errorf("the services are %+v", services)
	}
	if err := deregister(member, backup); err != nil {
		t.Fatal(err)
	}
	if got := administrators(new(backup)); got != nil {
		t.Errorf("the administrators of one that has none are %v", got)
	}
	if err := deregister(member, guardDuty); err != nil {
		t.Fatal(err)
	}
	_, err = f.org.ListDelegatedServicesForAccount(ctx, &organizations.ListDelegatedServicesForAccountInput{AccountId: new(member)})
	refused(t, err, "AccountNotRegisteredException", "")
	need(f.org.DisableAWSServiceAccess(ctx, &organizations.DisableAWSServiceAccessInput{ServicePrincipal: new(backup)}))(t)
	if got := trusted(); !slices.Equal(got, []string{guardDuty}) {
		t.Errorf("trusted are then %v", got)
	}
}
