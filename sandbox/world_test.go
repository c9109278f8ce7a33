package sandbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// Two accounts of the tests: the first owns the keys.
const (
	owner    = "111122223333"
	consumer = "444455556666"
	home     = "us-east-1"
)

const day = 24 * time.Hour

// world is a sandbox with what tests ask of it.
type world struct {
	testing.TB
	*sandboxtest.Server
	admins map[string]aws.Config
}

func newWorld(t *testing.T) *world { return newWorldWith(t, sandbox.Options{}) }

func newWorldWith(t *testing.T, o sandbox.Options) *world {
	t.Helper()
	return &world{TB: t, Server: sandboxtest.Start(t, o), admins: map[string]aws.Config{}}
}

// need ends the test when a call that prepares it fails.
func need[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) root(account string) aws.Config { return w.Root(account, home) }

func (w *world) kmsOf(c aws.Config) *kms.Client { return kms.NewFromConfig(c) }

// allow is an identity policy.
func allow(actions ...string) string { return statement("Allow", actions...) }

func deny(actions ...string) string { return statement("Deny", actions...) }

func statement(effect string, actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":["%s"],"Resource":"*"}]}`, effect, strings.Join(actions, `","`))
}

// made is a principal that a test made.
type made struct{ arn, id, name string }

// role makes a role of an account that the account may assume. An empty policy
// or boundary is none.
func (w *world) role(account, name, policy, boundary string) made {
	w.Helper()
	c := iam.NewFromConfig(w.root(account))
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}]}`, account)
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}
	if boundary != "" {
		in.PermissionsBoundary = need(c.CreatePolicy(w.Context(), &iam.CreatePolicyInput{PolicyName: new("boundary-of-" + name), PolicyDocument: &boundary}))(w).Policy.Arn
	}
	r := need(c.CreateRole(w.Context(), in))(w).Role
	if policy != "" {
		need(c.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("own"), PolicyDocument: &policy}))(w)
	}
	return made{*r.Arn, *r.RoleId, name}
}

// user makes a user with an access key.
func (w *world) user(account, name, policy string) (made, aws.Config) {
	w.Helper()
	c := iam.NewFromConfig(w.root(account))
	u := need(c.CreateUser(w.Context(), &iam.CreateUserInput{UserName: &name}))(w).User
	if policy != "" {
		need(c.PutUserPolicy(w.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: new("own"), PolicyDocument: &policy}))(w)
	}
	k := need(c.CreateAccessKey(w.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(w).AccessKey
	return made{*u.Arn, *u.UserId, name}, w.As(home, *k.AccessKeyId, *k.SecretAccessKey, "")
}

// admin is a user of the account with all rights: roots assume no roles.
func (w *world) admin(account string) aws.Config {
	w.Helper()
	if c, ok := w.admins[account]; ok {
		return c
	}
	_, c := w.user(account, "world-admin", allow("*"))
	w.admins[account] = c
	return c
}

// session assumes a role of the account.
func (w *world) session(account, roleARN, name, policy string) aws.Config {
	w.Helper()
	in := &sts.AssumeRoleInput{RoleArn: &roleARN, RoleSessionName: &name}
	if policy != "" {
		in.Policy = &policy
	}
	c := need(sts.NewFromConfig(w.admin(account)).AssumeRole(w.Context(), in))(w).Credentials
	return w.As(home, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// sessionARN is the ARN of a session of a role.
func sessionARN(account, role, name string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name
}

// key makes a key of an account; an empty policy is the default.
func (w *world) key(account, policy string) string {
	w.Helper()
	in := &kms.CreateKeyInput{}
	if policy != "" {
		in.Policy = &policy
	}
	return *need(w.kmsOf(w.root(account)).CreateKey(w.Context(), in))(w).KeyMetadata.Arn
}

// grant makes a grant and returns its token.
func (w *world) grant(c aws.Config, in *kms.CreateGrantInput) *kms.CreateGrantOutput {
	w.Helper()
	return need(w.kmsOf(c).CreateGrant(w.Context(), in))(w)
}

// decrypt has somebody decrypt what the key's owner encrypted under it.
func (w *world) decrypt(c aws.Config, keyARN string, tokens ...string) error {
	w.Helper()
	blob := need(w.kmsOf(w.root(strings.Split(keyARN, ":")[4])).Encrypt(w.Context(), &kms.EncryptInput{KeyId: &keyARN, Plaintext: []byte("x")}))(w).CiphertextBlob
	_, err := w.kmsOf(c).Decrypt(w.Context(), &kms.DecryptInput{KeyId: &keyARN, CiphertextBlob: blob, GrantTokens: tokens})
	return err
}

// pass moves the sandbox's clock on.
func (w *world) pass(by time.Duration) {
	w.Helper()
	if err := w.Advance(by); err != nil {
		w.Fatal(err)
	}
}

var decryptOnly = []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}

// refusal is code and text of an error of AWS, empty for none.
func refusal(err error) string {
	if err == nil {
		return ""
	}
	var e smithy.APIError
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.ErrorCode() + ": " + e.ErrorMessage()
}

// ends checks that a call was refused with a text that ends so, or, when want is
// empty, that it was not.
func (w *world) ends(what string, err error, want string) {
	w.Helper()
	got := refusal(err)
	if want == "" && got != "" || want != "" && !strings.HasSuffix(got, want) {
		w.Errorf("%s: got %q, want an end of %q", what, got, want)
	}
}

// managed names managed policies for a session.
func managed(arns ...string) (list []ststypes.PolicyDescriptorType) {
	for _, a := range arns {
		list = append(list, ststypes.PolicyDescriptorType{Arn: &a})
	}
	return list
}
