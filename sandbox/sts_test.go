package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyreach/keyreach/sandbox"
)

// trusting makes a role with a trust policy.
func (w *world) trusting(account, name, trust, policy string) string {
	w.Helper()
	c := iam.NewFromConfig(w.root(account))
	r := need(c.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(w).Role
	if policy != "" {
		need(c.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("own"), PolicyDocument: &policy}))(w)
	}
	return *r.Arn
}

// trust is a trust policy with one statement; condition is JSON or empty.
func trust(principal, actions, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + condition + `}]}`
}

func TestWhoMayAssumeARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const assume = `"sts:AssumeRole"`
	byAccount := w.trusting(owner, "by-account", trust(consumer, assume, ""), "")
	byUser := w.trusting(owner, "by-user", trust(owner, assume, ""), "")
	external := w.trusting(owner, "external", trust(consumer, assume, `{"StringEquals":{"sts:ExternalId":"ticket-1"}}`), "")
	named := w.trusting(owner, "named", trust(consumer, assume, `{"StringLike":{"sts:RoleSessionName":"drill-*"}}`), "")
	device := w.trusting(owner, "device", trust(consumer, assume, `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`), "")
	admin := w.admin(consumer)
	user, weak := w.user(consumer, "weak", "")
	mine, own := w.user(owner, "own", "")
	direct := w.trusting(owner, "direct", trust(mine.arn, assume, ""), "")
	across := w.trusting(owner, "across", trust(user.arn, assume, ""), "")

	denied := func(who, role string) string {
		return "AccessDenied: User: " + who + " is not authorized to perform: sts:AssumeRole on resource: " + role
	}
	adminARN := "arn:aws:iam::" + consumer + ":user/world-admin"
	tests := []struct {
		name string
		as   aws.Config
		in   sts.AssumeRoleInput
		want string
	}{
		{"an account that is trusted lets its administrators in", admin, sts.AssumeRoleInput{RoleArn: &byAccount}, ""},
		{"a user whose account is trusted needs a policy of its own", weak, sts.AssumeRoleInput{RoleArn: &byAccount}, denied(user.arn, byAccount)},
		{"a user of another account that is trusted by name needs one too", weak, sts.AssumeRoleInput{RoleArn: &across}, denied(user.arn, across)},
		{"a user of the role's account that is trusted by name needs none", own, sts.AssumeRoleInput{RoleArn: &direct}, ""},
		{"an account that trusts itself leaves it to its policies", own, sts.AssumeRoleInput{RoleArn: &byUser}, denied(mine.arn, byUser)},
		{"a role that trusts others says no", admin, sts.AssumeRoleInput{RoleArn: &byUser}, denied(adminARN, byUser)},
		{"a role that is not there says the same", admin, sts.AssumeRoleInput{RoleArn: new(byUser + "-not")}, denied(adminARN, byUser+"-not")},
		{"the external id is asked for", admin, sts.AssumeRoleInput{RoleArn: &external}, denied(adminARN, external)},
		{"another external id is refused", admin, sts.AssumeRoleInput{RoleArn: &external, ExternalId: new("ticket-2")}, denied(adminARN, external)},
		{"the external id opens", admin, sts.AssumeRoleInput{RoleArn: &external, ExternalId: new("ticket-1")}, ""},
		{"the name of the session is asked for", admin, sts.AssumeRoleInput{RoleArn: &named}, denied(adminARN, named)},
		{"the name of the session opens", admin, sts.AssumeRoleInput{RoleArn: &named, RoleSessionName: new("drill-7")}, ""},
		{"a device is asked for", admin, sts.AssumeRoleInput{RoleArn: &device}, denied(adminARN, device)},
		{"a device opens", admin, sts.AssumeRoleInput{RoleArn: &device, SerialNumber: new("arn:aws:iam::" + consumer + ":mfa/x"), TokenCode: new("123456")}, ""},
		{"a device of another account", admin, sts.AssumeRoleInput{RoleArn: &device, SerialNumber: new("arn:aws:iam::" + owner + ":mfa/x"), TokenCode: new("123456")},
			"AccessDenied: MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."},
		{"a user's ARN for a device's", admin, sts.AssumeRoleInput{RoleArn: &device, SerialNumber: new("arn:aws:iam::" + consumer + ":user/x"), TokenCode: new("123456")},
			"AccessDenied: MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."},
		{"a device without its code", admin, sts.AssumeRoleInput{RoleArn: &device, SerialNumber: new("arn:aws:iam::" + consumer + ":mfa/x")},
			"AccessDenied: MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."},
		{"a root user", w.root(consumer), sts.AssumeRoleInput{RoleArn: &byAccount}, "AccessDenied: Roles may not be assumed by root accounts."},
		{"an ARN that is no role's", admin, sts.AssumeRoleInput{RoleArn: &user.arn}, "ValidationError: " + user.arn + " is invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.in.RoleSessionName == nil {
				tt.in.RoleSessionName = new("drill")
			}
			_, err := sts.NewFromConfig(tt.as).AssumeRole(t.Context(), &tt.in)
			if got := refusal(err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHowLongASessionLasts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, user := w.user(owner, "u", allow("sts:*"))
	r := w.role(owner, "r", allow("sts:*"), "")
	long := w.role(owner, "long", "", "")
	need(iam.NewFromConfig(w.root(owner)).UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: &long.name, MaxSessionDuration: new(int32(43200))}))(t)
	session := w.session(owner, r.arn, "drill", "")
	const tooLong = "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
	const chain = "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."

	assume := func(as aws.Config, role string, seconds *int32) func() (*ststypes.Credentials, error) {
		return func() (*ststypes.Credentials, error) {
			out, err := sts.NewFromConfig(as).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("drill"), DurationSeconds: seconds})
			if err != nil {
				return nil, err
			}
			return out.Credentials, nil
		}
	}
	own := func(as aws.Config, seconds *int32) func() (*ststypes.Credentials, error) {
		return func() (*ststypes.Credentials, error) {
			out, err := sts.NewFromConfig(as).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{DurationSeconds: seconds})
			if err != nil {
				return nil, err
			}
			return out.Credentials, nil
		}
	}
	guest := func(as aws.Config, seconds *int32) func() (*ststypes.Credentials, error) {
		return func() (*ststypes.Credentials, error) {
			out, err := sts.NewFromConfig(as).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("guest"), DurationSeconds: seconds})
			if err != nil {
				return nil, err
			}
			return out.Credentials, nil
		}
	}
	n := func(seconds int32) *int32 { return &seconds }
	tests := []struct {
		name    string
		ask     func() (*ststypes.Credentials, error)
		seconds int
		want    string
	}{
		{"a role for an hour when nothing is asked", assume(user, long.arn, nil), 3600, ""},
		{"a role for as long as it lets", assume(user, long.arn, n(43200)), 43200, ""},
		{"a role for longer than it lets", assume(user, r.arn, n(3601)), 0, tooLong},
		{"a role from a role for an hour", assume(session, long.arn, n(3600)), 3600, ""},
		{"a role from a role for longer", assume(session, long.arn, n(3601)), 0, chain},
		{"a role for less than STS gives", assume(user, r.arn, n(899)), 0, "ValidationError: 1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"a user's own session for half a day when nothing is asked", own(user, nil), 43200, ""},
		{"a user's own session for a day and a half", own(user, n(129600)), 129600, ""},
		{"a user's own session for longer", own(user, n(129601)), 0, "ValidationError: 1 validation error detected: Value '129601' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 129600"},
		{"a root user's session for an hour", own(w.root(owner), nil), 3600, ""},
		{"a root user's session for an hour when more is asked", own(w.root(owner), n(7200)), 3600, ""},
		{"a guest of a user for half a day", guest(user, nil), 43200, ""},
		{"a guest of a root user for an hour", guest(w.root(owner), nil), 3600, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := time.Now()
			c, err := tt.ask()
			if got := refusal(err); got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			if err != nil {
				return
			}
			if d := c.Expiration.Sub(before) - time.Duration(tt.seconds)*time.Second; d < -2*time.Second || d > 30*time.Second {
				t.Errorf("ends at %v, asked at %v: want %d s", c.Expiration, before, tt.seconds)
			}
		})
	}
}

func TestASessionEndsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.role(owner, "r", allow("kms:*"), "")
	key := w.key(owner, "")
	session := w.session(owner, r.arn, "drill", "")
	w.ends("a running session", w.decrypt(session, key), "")
	w.pass(time.Hour + time.Second)
	w.ends("a session that has ended", w.decrypt(session, key), "ExpiredTokenException: The security token included in the request is expired")
	_, err := sts.NewFromConfig(session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.ends("STS asked by a session that has ended", err, "ExpiredToken: The security token included in the request is expired")
}

func TestWhatASessionPolicyLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.role(owner, "r", allow("kms:*"), "")
	key := w.key(owner, "")
	w.ends("no session policy", w.decrypt(w.session(owner, r.arn, "drill", ""), key), "")
	w.ends("one that allows", w.decrypt(w.session(owner, r.arn, "drill", allow("kms:Decrypt")), key), "")
	w.ends("one that is silent", w.decrypt(w.session(owner, r.arn, "drill", allow("kms:Encrypt")), key), "because no session policy allows the kms:Decrypt action")
	w.ends("one that denies", w.decrypt(w.session(owner, r.arn, "drill", deny("kms:Decrypt")), key), "with an explicit deny in a session policy")

	limits := need(iam.NewFromConfig(w.root(owner)).CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: new("limits"), PolicyDocument: new(allow("kms:Encrypt"))}))(t).Policy.Arn
	c := sts.NewFromConfig(w.admin(owner))
	ask := func(in sts.AssumeRoleInput) (aws.Config, error) {
		in.RoleArn, in.RoleSessionName = &r.arn, new("drill")
		out, err := c.AssumeRole(t.Context(), &in)
		if err != nil {
			return aws.Config{}, err
		}
		return w.As(home, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), nil
	}
	session := need(ask(sts.AssumeRoleInput{PolicyArns: managed(*limits)}))(t)
	w.ends("a managed one that is silent", w.decrypt(session, key), "because no session policy allows the kms:Decrypt action")
	_, err := ask(sts.AssumeRoleInput{PolicyArns: managed(*limits + "-not")})
	w.ends("a managed one that is not there", err, "MalformedPolicyDocument: The specified policy does not exist.")
	_, err = ask(sts.AssumeRoleInput{Policy: new("{")})
	w.ends("one that is not JSON", err, "MalformedPolicyDocument: The policy is not in the valid JSON format.")
	large := allow("kms:Decrypt") + strings.Repeat(" ", 4096)
	_, err = ask(sts.AssumeRoleInput{Policy: &large})
	w.ends("one that is too large", err, "PackedPolicyTooLarge: Packed policy consumes 103% of allotted space, please use smaller policy.")
	_, err = c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("guest"), Policy: &large})
	w.ends("one of a guest that is too large", err, "at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048")
}

func TestTagsAndSourceIdentityOfSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	first := w.trusting(owner, "first", trust(owner, all, ""), allow("sts:*"))
	untagged := w.trusting(owner, "untagged", trust(owner, `"sts:AssumeRole"`, ""), "")
	second := w.trusting(owner, "second", trust(owner, all, `{"StringEquals":{"aws:PrincipalTag/team":"dr"}}`), "")
	key := w.key(owner, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+owner+`:root"},"Action":"kms:*","Resource":"*","Condition":{"StringLike":{"aws:PrincipalArn":"*:root"}}},
		{"Effect":"Allow","Principal":{"AWS":"`+second+`"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"dr","aws:SourceIdentity":"jane"}}}]}`)
	tag := func(k, v string) []ststypes.Tag { return []ststypes.Tag{{Key: &k, Value: &v}} }
	assume := func(as aws.Config, in sts.AssumeRoleInput) (aws.Config, error) {
		in.RoleSessionName = new("drill")
		out, err := sts.NewFromConfig(as).AssumeRole(t.Context(), &in)
		if err != nil {
			return aws.Config{}, err
		}
		return w.As(home, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), nil
	}
	admin := w.admin(owner)
	_, err := assume(admin, sts.AssumeRoleInput{RoleArn: &untagged, Tags: tag("team", "dr")})
	w.ends("tags where the trust policy takes none", err, "is not authorized to perform: sts:TagSession on resource: "+untagged)
	_, err = assume(admin, sts.AssumeRoleInput{RoleArn: &untagged, SourceIdentity: new("jane")})
	w.ends("a source identity where the trust policy takes none", err, "is not authorized to perform: sts:SetSourceIdentity on resource: "+untagged)
	_, err = assume(admin, sts.AssumeRoleInput{RoleArn: &first, Tags: append(tag("team", "a"), tag("Team", "b")...)})
	w.ends("a tag twice", err, "InvalidParameterValue: Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	_, err = assume(admin, sts.AssumeRoleInput{RoleArn: &first, TransitiveTagKeys: []string{"team"}})
	w.ends("a transitive tag that is not given", err, "InvalidParameterValue: The specified transitive tag key must be included in the requested tags.")

	plain := need(assume(admin, sts.AssumeRoleInput{RoleArn: &first, Tags: tag("team", "dr"), SourceIdentity: new("jane")}))(t)
	_, err = assume(plain, sts.AssumeRoleInput{RoleArn: &untagged})
	w.ends("a session hands its source identity on, which the next role must let it", err, "is not authorized to perform: sts:SetSourceIdentity on resource: "+untagged)
	transitive := need(assume(admin, sts.AssumeRoleInput{RoleArn: &first, Tags: tag("team", "dr"), TransitiveTagKeys: []string{"team"}, SourceIdentity: new("jane")}))(t)
	_, err = assume(transitive, sts.AssumeRoleInput{RoleArn: &second, Tags: tag("team", "other")})
	w.ends("a transitive tag set again", err, "conflicts with a transitive tag key from the calling session.")
	_, err = assume(transitive, sts.AssumeRoleInput{RoleArn: &second, SourceIdentity: new("joe")})
	w.ends("a source identity set again", err, "The source identity is already set for this assume role session")

	lost := need(assume(plain, sts.AssumeRoleInput{RoleArn: &second}))(t)
	w.ends("a tag that is not transitive ends with its session", w.decrypt(lost, key), "because no resource-based policy allows the kms:Decrypt action")
	kept := need(assume(transitive, sts.AssumeRoleInput{RoleArn: &second}))(t)
	w.ends("a transitive tag and the source identity go along", w.decrypt(kept, key), "")
}

func TestWhatSessionsOfUsersAndGuestsMayCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, long := w.user(owner, "u", allow("*"))
	r := w.role(owner, "r", allow("*"), "")
	key := w.key(owner, "")
	c := sts.NewFromConfig(long)
	own := need(c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{}))(t).Credentials
	device := need(c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: new("arn:aws:iam::" + owner + ":mfa/u"), TokenCode: new("123456")}))(t).Credentials
	federated := need(c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("guest"), Policy: new(allow("*"))}))(t)
	silent := need(c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("guest")}))(t).Credentials
	as := func(c *ststypes.Credentials) aws.Config {
		return w.As(home, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	}
	guestARN := "arn:aws:sts::" + owner + ":federated-user/guest"
	if *federated.FederatedUser.Arn != guestARN || *federated.FederatedUser.FederatedUserId != owner+":guest" {
		t.Errorf("the guest is %s, %s", *federated.FederatedUser.Arn, *federated.FederatedUser.FederatedUserId)
	}
	type who struct {
		name, arn string
		as        aws.Config
		decrypt   string
		assume    string
		session   string
		iam       string
	}
	const with = "AccessDenied: Cannot call "
	const invalid = "InvalidClientTokenId: The security token included in the request is invalid."
	for _, x := range []who{
		{"a user", user.arn, long, "", "", "", ""},
		{"a user's own session", user.arn, as(own), "", "", with + "GetSessionToken with session credentials", invalid},
		{"a user's own session with a device", user.arn, as(device), "", "", with + "GetSessionToken with session credentials", ""},
		{"a guest with a session policy", guestARN, as(federated.Credentials), "", with + "AssumeRole with session credentials", with + "GetSessionToken with session credentials", invalid},
		{"a guest without one", guestARN, as(silent), "because no session policy allows the kms:Decrypt action", with + "AssumeRole with session credentials", with + "GetSessionToken with session credentials", invalid},
		{"a role", sessionARN(owner, "r", "drill"), w.session(owner, r.arn, "drill", ""), "", "", with + "GetSessionToken with session credentials", ""},
	} {
		c := sts.NewFromConfig(x.as)
		if got := *need(c.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t).Arn; got != x.arn {
			t.Errorf("%s is %s, want %s", x.name, got, x.arn)
		}
		w.ends(x.name+" decrypts", w.decrypt(x.as, key), x.decrypt)
		_, err := c.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &r.arn, RoleSessionName: new("drill")})
		w.ends(x.name+" assumes a role", err, x.assume)
		_, err = c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
		w.ends(x.name+" asks for a session", err, x.session)
		_, err = c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("g2")})
		w.ends(x.name+" asks for a guest", err, strings.Replace(x.session, "GetSessionToken", "GetFederationToken", 1))
		_, err = iam.NewFromConfig(x.as).ListUsers(t.Context(), &iam.ListUsersInput{})
		w.ends(x.name+" lists users", err, x.iam)
	}
}

func TestWhoseAnAccessKeyIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.role(owner, "r", "", "")
	_, user := w.user(consumer, "u", allow("sts:GetAccessKeyInfo"))
	_, weak := w.user(consumer, "weak", "")
	long := need(user.Credentials.Retrieve(t.Context()))(t)
	session := need(w.session(owner, r.arn, "drill", "").Credentials.Retrieve(t.Context()))(t)
	for id, want := range map[string]string{long.AccessKeyID: consumer, session.AccessKeyID: owner} {
		got := need(sts.NewFromConfig(user).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &id}))(t)
		if *got.Account != want {
			t.Errorf("%s is of %s, want %s", id, *got.Account, want)
		}
	}
	_, err := sts.NewFromConfig(weak).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &long.AccessKeyID})
	w.ends("without the right", err, "because no identity-based policy allows the sts:GetAccessKeyInfo action")
}

func TestAGrantTakesItsTimeForCallersWithoutItsToken(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, sandbox.Options{GrantDelay: 5 * time.Minute})
	key := w.key(owner, "")
	_, user := w.user(owner, "u", "")
	me := *need(sts.NewFromConfig(user).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t).Arn
	g := w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &me, Operations: decryptOnly})
	const not = "because no identity-based policy allows the kms:Decrypt action"
	err := w.decrypt(user, key)
	w.ends("at once, without the token", err, not)
	if why := w.why(err).Why; !strings.HasPrefix(why, "A grant allows it that does not count yet: it was made less than 5m0s ago") {
		t.Errorf("the reason is %q", why)
	}
	_, err = w.kmsOf(user).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	if why := w.why(err).Why; why != "" {
		t.Errorf("the reason of a refusal that the grant would not lift is %q", why)
	}
	w.ends("at once, with the token", w.decrypt(user, key, *g.GrantToken), "")
	w.ends("at once, with a token that is none", w.decrypt(user, key, "AQpAM2RhZ"), "InvalidGrantTokenException: The grant token is not valid.")
	w.pass(5 * time.Minute)
	w.ends("after its time, without the token", w.decrypt(user, key), "")
}

func TestAnEncodedMessageThatSTSDidNotMake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := sts.NewFromConfig(w.root(owner)).DecodeAuthorizationMessage(t.Context(), &sts.DecodeAuthorizationMessageInput{EncodedMessage: new("bm90IG9uZQ")})
	w.ends("a message of somebody's own", err, "InvalidAuthorizationMessageException: The specified message is not valid.")
}
