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
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/sandbox"
)

// signedIn is an SDK configuration of a principal that the sandbox signs in.
func (w *world) signedIn(principal string, d time.Duration) aws.Config {
	w.Helper()
	c := need(w.SignIn(principal, d))(w)
	return w.As(home, c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
}

func TestWhoeverIsSignedInCallsAsThatPrincipal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _ := w.user(owner, "walker", allow("kms:*"))
	role := w.role(owner, "closed", allow("kms:*"), "")
	const nobody = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}`
	need(iam.NewFromConfig(w.root(owner)).UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &role.name, PolicyDocument: new(nobody)}))(t)
	for _, x := range []struct{ principal, arn, id string }{
		{user.arn, user.arn, user.id},
		{role.arn, sessionARN(owner, "closed", "rehearsal"), role.id + ":rehearsal"},
		{"arn:aws:iam::" + owner + ":root", "arn:aws:iam::" + owner + ":root", owner},
	} {
		out := need(sts.NewFromConfig(w.signedIn(x.principal, time.Hour)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
		if *out.Arn != x.arn || *out.UserId != x.id || *out.Account != owner {
			t.Errorf("%s calls as %s (%s) of %s", x.principal, *out.Arn, *out.UserId, *out.Account)
		}
	}
	if c := need(w.SignIn(role.arn, time.Hour))(t); strings.Contains(fmt.Sprintf("%v %+v %s", c, c, c), c.SecretAccessKey) {
		t.Error("the secret is printed")
	}
	if keys := need(iam.NewFromConfig(w.root(owner)).ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: &user.name}))(t).AccessKeyMetadata; len(keys) != 1 {
		t.Errorf("the user has %d access keys, not its own one", len(keys))
	}
}

// noListing ends the refusal to who has no right to list keys.
const noListing = "because no identity-based policy allows the kms:ListKeys action"

// Authorization and policy variables see the session as STS would have made it.
func TestASessionThatWasSignedInIsAuthorizedLikeAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(owner, "limited", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*","Condition":{"StringLike":{"aws:userid":"*:named"}}}]}`, "")
	list := func(name string) error {
		c := need(w.SignInAs(role.arn, name, time.Hour))(t)
		return just(w.kmsOf(w.As(home, c.AccessKeyID, c.SecretAccessKey, c.SessionToken)).ListKeys(t.Context(), &kms.ListKeysInput{}))
	}
	w.ends("the session that the policy names", list("named"), "")
	w.ends("another", list("other"), noListing)
	user, _ := w.user(owner, "plain", "")
	w.ends("a user without rights", just(w.kmsOf(w.signedIn(user.arn, time.Hour)).ListKeys(t.Context(), &kms.ListKeysInput{})), noListing)
	// A user's key is no session: IAM and STS take it.
	w.ends("a user at IAM", just(iam.NewFromConfig(w.signedIn(user.arn, time.Hour)).ListUsers(t.Context(), &iam.ListUsersInput{})), "because no identity-based policy allows the iam:ListUsers action")
}

func TestWhatWasSignedInEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _ := w.user(owner, "u", allow("*"))
	role := w.role(owner, "r", allow("*"), "")
	for _, principal := range []string{user.arn, role.arn, "arn:aws:iam::" + owner + ":root"} {
		c := w.signedIn(principal, 2*time.Hour)
		w.ends(principal, just(w.kmsOf(c).ListKeys(t.Context(), &kms.ListKeysInput{})), "")
		w.pass(3 * time.Hour)
		if got := refusal(just(w.kmsOf(c).ListKeys(t.Context(), &kms.ListKeysInput{}))); !strings.HasPrefix(got, "ExpiredTokenException") {
			t.Errorf("%s after its time: %q", principal, got)
		}
	}
	gone := w.signedIn(user.arn, time.Hour)
	need(0, w.Reset())(t)
	if got := refusal(just(w.kmsOf(gone).ListKeys(t.Context(), &kms.ListKeysInput{}))); !strings.HasPrefix(got, "UnrecognizedClientException") {
		t.Errorf("after a reset: %q", got)
	}
}

func TestNobodyIsSignedInWhoCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(owner, "r", "", "")
	need(iam.NewFromConfig(w.root(owner)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("backup.amazonaws.com")}))(t)
	for _, x := range []struct {
		name, principal, session string
		d                        time.Duration
		want                     string
	}{
		{"a service-linked role", backupRole, "s1", time.Hour, "only its service can take"},
		{"a role that there is not", "arn:aws:iam::" + owner + ":role/none", "s1", time.Hour, sandbox.ErrNoPrincipal.Error()},
		{"an account that there is not", "arn:aws:iam::999988887777:root", "s1", time.Hour, sandbox.ErrNoPrincipal.Error()},
		{"a session", sessionARN(owner, "r", "x"), "s1", time.Hour, "no ARN of a user, a role or an account's root"},
		{"no ARN", "r", "s1", time.Hour, "r"},
		{"no name of a session", role.arn, "a b", time.Hour, "no name of a session"},
		{"no time", role.arn, "s1", 0, "a session lasts"},
		{"too long a time", role.arn, "s1", 13 * time.Hour, "a session lasts"},
	} {
		c, err := w.SignInAs(x.principal, x.session, x.d)
		if err == nil || !strings.Contains(err.Error(), x.want) || c != (sandbox.Credentials{}) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if _, err := w.SignIn("arn:aws:iam::"+owner+":user/none", time.Hour); !errors.Is(err, sandbox.ErrNoPrincipal) {
		t.Errorf("a user that there is not: %v", err)
	}
}
