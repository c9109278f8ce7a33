package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	noIdentity = "because no identity-based policy allows the kms:Decrypt action"
	noSession  = "because no session policy allows the kms:Decrypt action"
	noBoundary = "because no permissions boundary allows the kms:Decrypt action"
)

// What a grant of the key's own account gives, recorded from AWS.
func TestGrantsWithinTheAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                      string
		toRole                    bool
		boundary, session, policy string
		as                        string // name of the session that decrypts
		want                      string
	}{
		{name: "a session grant needs no policy", as: "target"},
		{name: "a session policy that is silent does not limit it", session: allow("s3:ListAllMyBuckets"), as: "target"},
		{name: "a boundary that is silent does not limit it", boundary: allow("s3:ListAllMyBuckets"), as: "target"},
		{name: "a session policy that denies does", session: deny("kms:*"), as: "target", want: "with an explicit deny in a session policy"},
		{name: "a boundary that denies does", boundary: deny("kms:*"), as: "target", want: "with an explicit deny in a permissions boundary: arn:aws:iam::" + owner + ":policy/boundary-of-r"},
		{name: "an identity policy that denies does", policy: deny("kms:*"), as: "target", want: "with an explicit deny in an identity-based policy"},
		{name: "another session of the role is not meant", as: "sibling", want: noIdentity},
		{name: "a role grant needs no policy", toRole: true, as: "any"},
		{name: "a silent session policy limits a role grant", toRole: true, session: allow("s3:ListAllMyBuckets"), as: "any", want: noSession},
		{name: "a silent boundary limits a role grant", toRole: true, boundary: allow("s3:ListAllMyBuckets"), as: "any", want: noBoundary},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := w.key(owner, "")
			r := w.role(owner, "r", c.policy, c.boundary)
			grantee := r.arn
			if !c.toRole {
				grantee = sessionARN(owner, "r", "target")
			}
			g := w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &grantee, Operations: decryptOnly})
			w.ends("Decrypt", w.decrypt(w.session(owner, r.arn, c.as, c.session), key, *g.GrantToken), c.want)
		})
	}
}

// Across accounts it matters who issued a grant, as recorded.
func TestGrantsAcrossAccounts(t *testing.T) {
	t.Parallel()
	const onIt = "AccessDeniedException: User: %s is not authorized to perform: kms:Decrypt on this resource "
	silent := allow("s3:ListAllMyBuckets")
	for _, c := range []struct {
		name, issuer    string
		toRole          bool
		policy, session string
		want            string
	}{
		{name: "the owner's session grant is not enough", issuer: owner, want: noIdentity},
		{name: "the owner's role grant is not enough", issuer: owner, toRole: true, want: noIdentity},
		{name: "the owner's role grant under a silent session policy", issuer: owner, toRole: true, session: silent, want: noSession},
		{name: "the owner's session grant under a silent session policy", issuer: owner, session: silent, want: noIdentity},
		{name: "the owner's grant and an identity policy are", issuer: owner, policy: allow("kms:*")},
		{name: "the owner's grant, an identity policy and a silent session policy are not", issuer: owner, policy: allow("kms:*"), session: silent, want: noSession},
		{name: "the consumer's session grant is enough", issuer: consumer},
		{name: "the consumer's session grant passes a silent session policy", issuer: consumer, session: silent},
		{name: "the consumer's role grant is enough", issuer: consumer, toRole: true},
		{name: "the consumer's role grant does not pass a silent session policy", issuer: consumer, toRole: true, session: silent, want: noSession},
		{name: "the consumer's grant, an identity policy and a silent session policy are", issuer: consumer, policy: allow("kms:*"), session: silent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.key(consumer, "") // the account is there
			key := w.key(owner, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"},
				{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:CreateGrant","Resource":"*"}]}`, owner, consumer))
			r := w.role(consumer, "r", c.policy, "")
			grantee := r.arn
			if !c.toRole {
				grantee = sessionARN(consumer, "r", "target")
			}
			g := w.grant(w.root(c.issuer), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &grantee, Operations: decryptOnly})
			want := c.want
			if want != "" {
				want = fmt.Sprintf(onIt, sessionARN(consumer, "r", "target")) + want
			}
			w.ends("Decrypt", w.decrypt(w.session(consumer, r.arn, "target", c.session), key, *g.GrantToken), want)
		})
	}
}

func TestGrantsToFederatedUsersAndAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	federated := "arn:aws:sts::" + owner + ":federated-user/guest"
	g := w.grant(w.root(owner), &kms.CreateGrantInput{
		KeyId: &key, GranteePrincipal: &federated, RetiringPrincipal: &federated, Operations: []types.GrantOperation{"Decrypt", "RetireGrant"},
	})
	silent := allow("s3:ListAllMyBuckets")
	creds := need(sts.NewFromConfig(w.admin(owner)).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: new("guest"), Policy: &silent}))(w).Credentials
	guest := w.As(home, *creds.AccessKeyId, *creds.SecretAccessKey, *creds.SessionToken)
	w.ends("a federated user's grant under a silent session policy", w.decrypt(guest, key, *g.GrantToken), "")
	_, err := w.kmsOf(guest).RetireGrant(t.Context(), &kms.RetireGrantInput{GrantToken: g.GrantToken})
	w.ends("and its retiring", err, "")

	root := "arn:aws:iam::" + owner + ":root"
	w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &root, Operations: decryptOnly})
	list := need(w.kmsOf(w.root(owner)).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(w).Grants
	if len(list) != 1 || *list[0].GranteePrincipal != root || *list[0].IssuingAccount != root || list[0].Constraints != nil {
		t.Errorf("the grants are %+v", list)
	}
}

// Who can be named in a grant, as recorded.
func TestGranteesThatAreTakenAndRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	r := w.role(owner, "r", "", "")
	for _, c := range []struct{ name, grantee, want string }{
		{"a session that was never issued", sessionARN(owner, "r", "future"), ""},
		{"a raw id of a session", r.id + ":future", ""},
		{"a federated user that was never issued", "arn:aws:sts::" + owner + ":federated-user/unissued", ""},
		{"a role", r.arn, ""},
		{"the account", "arn:aws:iam::" + owner + ":root", ""},
		{"a session of a role that is not there", sessionARN(owner, "none", "x"), "InvalidArnException: ARN does not refer to a valid principal: " + sessionARN(owner, "none", "x")},
		{"a federated user of an account that is not there", "arn:aws:sts::999999999999:federated-user/x", "InvalidArnException: ARN does not refer to a valid principal: arn:aws:sts::999999999999:federated-user/x"},
		{"a session ARN with the role's path", "arn:aws:sts::" + owner + ":assumed-role/probe/r/x", "InvalidArnException: ARN is not valid: arn:aws:sts::" + owner + ":assumed-role/probe/r/x"},
		{"a group", "arn:aws:iam::" + owner + ":group/g", "InvalidArnException: ARN does not refer to a valid principal: arn:aws:iam::" + owner + ":group/g"},
		{"a service, in the wrong member", "ec2.amazonaws.com", "InvalidArnException: ARN does not refer to a valid principal: ec2.amazonaws.com"},
		{"an id of nobody", "AROAAAAAAAAAAAAAAAAAA:x", "InvalidArnException: GranteePrincipal does not refer to a valid principal."},
	} {
		_, err := w.kmsOf(w.root(owner)).CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &c.grantee, Operations: decryptOnly})
		if got := refusal(err); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A grant is bound to the role that there was, not to its name, as recorded.
func TestAGrantOutlivesItsGranteeAndGivesNothingToTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	k, c := w.kmsOf(w.root(owner)), iam.NewFromConfig(w.root(owner))
	old := w.role(owner, "r", "", "")
	session := sessionARN(owner, "r", "future")
	in := &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &session, RetiringPrincipal: &session, Operations: decryptOnly, Name: new("n")}
	first := w.grant(w.root(owner), in)
	byID := *in
	byID.GranteePrincipal, byID.RetiringPrincipal = new(old.id+":future"), new(old.id+":future")
	if same := w.grant(w.root(owner), &byID); *same.GrantId != *first.GrantId || *same.GrantToken == *first.GrantToken {
		t.Errorf("the same name and principal, spelled as an id, made grant %s beside %s", *same.GrantId, *first.GrantId)
	}

	need(c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: new("r")}))(w)
	list := need(k.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(w).Grants
	if len(list) != 1 || *list[0].GranteePrincipal != old.id+":future" || *list[0].RetiringPrincipal != old.id+":future" {
		t.Fatalf("after the role's end the grants are %+v", list)
	}
	_, err := k.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key, GranteePrincipal: &session})
	w.ends("a filter by the ARN", err, "InvalidArnException: ARN does not refer to a valid principal: "+session)
	_, err = k.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key, GranteePrincipal: new(old.id + ":future")})
	w.ends("a filter by the id", err, "InvalidArnException: Input does not refer to a valid principal")
	_, err = k.ListRetirableGrants(t.Context(), &kms.ListRetirableGrantsInput{RetiringPrincipal: new(old.id + ":future")})
	w.ends("retirable grants by the id", err, "NotFoundException: Retiring principal "+old.id+":future could not be found")
	_, err = k.CreateGrant(t.Context(), &byID)
	w.ends("a new grant for the id", err, "InvalidArnException: GranteePrincipal does not refer to a valid principal.")

	w.role(owner, "r", "", "")
	w.ends("the role of the same name", w.decrypt(w.session(owner, old.arn, "future", ""), key, *first.GrantToken), noIdentity)
	next := w.grant(w.root(owner), in)
	if *next.GrantId == *first.GrantId {
		t.Error("the same named grant for the new role is the old grant")
	}
	w.ends("the new grant", w.decrypt(w.session(owner, old.arn, "future", ""), key, *next.GrantToken), "")
}

// A right to make grants that comes from a grant allows less, never more, and
// grants do not add up, as recorded.
func TestDelegatedGrants(t *testing.T) {
	t.Parallel()
	both := map[string]string{"department": "IT", "project": "reach"}
	const refused = "because no identity-based policy allows the kms:CreateGrant action"
	for _, c := range []struct {
		name        string
		operations  []types.GrantOperation
		constraints *types.GrantConstraints
		want        string
	}{
		{"the operations of two parents", []types.GrantOperation{"Decrypt", "Encrypt"}, &types.GrantConstraints{EncryptionContextEquals: both}, refused},
		{"an operation of a parent without CreateGrant", []types.GrantOperation{"Encrypt"}, &types.GrantConstraints{EncryptionContextEquals: both}, refused},
		{"no constraint", decryptOnly, nil, refused},
		{"a constraint that is as narrow", decryptOnly, &types.GrantConstraints{EncryptionContextSubset: map[string]string{"department": "IT"}}, ""},
		{"a constraint that is narrower", decryptOnly, &types.GrantConstraints{EncryptionContextEquals: both}, ""},
		{"another value", decryptOnly, &types.GrantConstraints{EncryptionContextEquals: map[string]string{"department": "HR"}}, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := w.key(owner, "")
			r := w.role(owner, "r", "", "")
			parent := func(ops []types.GrantOperation, name, value string) *string {
				return w.grant(w.root(owner), &kms.CreateGrantInput{
					KeyId: &key, GranteePrincipal: &r.arn, Operations: ops, Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{name: value}},
				}).GrantToken
			}
			tokens := []string{*parent([]types.GrantOperation{"CreateGrant", "Decrypt"}, "department", "IT"), *parent([]types.GrantOperation{"Encrypt"}, "project", "reach")}
			_, err := w.kmsOf(w.session(owner, r.arn, "mine", "")).CreateGrant(t.Context(), &kms.CreateGrantInput{
				KeyId: &key, GranteePrincipal: &r.arn, Operations: c.operations, Constraints: c.constraints, GrantTokens: tokens,
			})
			w.ends("CreateGrant", err, c.want)
		})
	}
}

func TestConstraintsOfGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	r := w.role(owner, "r", "", "")
	session := w.session(owner, r.arn, "mine", "")
	w.grant(w.root(owner), &kms.CreateGrantInput{
		KeyId: &key, GranteePrincipal: &r.arn, Operations: []types.GrantOperation{"Encrypt", "DescribeKey"},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"a": "1"}},
	})
	for _, c := range []struct {
		name    string
		context map[string]string
		want    string
	}{
		{"the same context", map[string]string{"a": "1"}, ""},
		{"more context", map[string]string{"a": "1", "b": "2"}, ""},
		{"another value", map[string]string{"a": "2"}, "kms:Encrypt action"},
		{"no context", nil, "kms:Encrypt action"},
	} {
		_, err := w.kmsOf(session).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: c.context})
		w.ends(c.name, err, c.want)
	}
	_, err := w.kmsOf(session).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	w.ends("DescribeKey, which has no context", err, "")
	tooMany := map[string]string{}
	for i := range 9 {
		tooMany[fmt.Sprint(i)] = "v"
	}
	_, err = w.kmsOf(w.root(owner)).CreateGrant(t.Context(), &kms.CreateGrantInput{
		KeyId: &key, GranteePrincipal: &r.arn, Operations: decryptOnly, Constraints: &types.GrantConstraints{EncryptionContextEquals: tooMany},
	})
	if !strings.HasPrefix(refusal(err), "ValidationException: ") {
		t.Errorf("nine pairs: %q", refusal(err))
	}
}

// Who may end a grant.
func TestRetiringAndRevoking(t *testing.T) {
	t.Parallel()
	const refused = "because no identity-based policy allows the kms:RetireGrant action"
	retire := []types.GrantOperation{"Decrypt", "RetireGrant"}
	for _, c := range []struct {
		name       string
		operations []types.GrantOperation
		retiring   bool
		want       string
	}{
		{"the retiring principal", decryptOnly, true, ""},
		{"the grantee, when the grant says so", retire, false, ""},
		{"the grantee, when it does not", decryptOnly, false, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := w.key(owner, "")
			r := w.role(owner, "r", "", "")
			in := &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &r.arn, Operations: c.operations}
			if c.retiring {
				in.RetiringPrincipal = &r.arn
			}
			g := w.grant(w.root(owner), in)
			mine := w.kmsOf(w.session(owner, r.arn, "mine", ""))
			_, err := mine.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: &key, GrantId: g.GrantId})
			w.ends("RetireGrant", err, c.want)
			_, err = mine.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: &key, GrantId: g.GrantId})
			w.ends("RevokeGrant", err, "because no identity-based policy allows the kms:RevokeGrant action")
		})
	}
}

func TestRetirableGrantsAreAskedOfTheRetiringPrincipal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, _ := w.user(owner, "mine", "")
	other, _ := w.user(owner, "other", "")
	_, reader := w.user(owner, "reader", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListRetirableGrants","Resource":"`+mine.arn+`"}]}`)
	key := w.key(owner, "")
	w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &other.arn, RetiringPrincipal: &mine.arn, Operations: decryptOnly})
	list := func(principal string) (int, error) {
		out, err := w.kmsOf(reader).ListRetirableGrants(t.Context(), &kms.ListRetirableGrantsInput{RetiringPrincipal: &principal})
		if err != nil {
			return 0, err
		}
		return len(out.Grants), nil
	}
	n, err := list(mine.arn)
	if w.ends("the principal of the policy", err, ""); n != 1 {
		t.Errorf("%d grants are listed, want 1", n)
	}
	_, err = list(other.arn)
	w.ends("another principal", err, "is not authorized to perform: kms:ListRetirableGrants on resource: "+other.arn+" because no identity-based policy allows the kms:ListRetirableGrants action")
}

func TestRetireGrantNamesTheKeyByItsARN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	k := w.kmsOf(w.root(owner))
	g := w.grant(w.root(owner), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: new("arn:aws:iam::" + owner + ":root"), Operations: decryptOnly})
	id := key[strings.LastIndexByte(key, '/')+1:]
	_, err := k.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: &id, GrantId: g.GrantId})
	w.ends("by the bare id", err, "NotFoundException: Invalid arn "+id)
	_, err = k.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: &key, GrantId: g.GrantId, DryRun: aws.Bool(true)})
	w.ends("as a dry run", err, "DryRunOperationException: The request would have succeeded, but the DryRun option is set.")
	_, err = k.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: &key, GrantId: g.GrantId})
	w.ends("by the ARN", err, "")
	_, err = k.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: &key, GrantId: g.GrantId})
	if !strings.HasPrefix(refusal(err), "NotFoundException: ") {
		t.Errorf("revoking what is gone: %q", refusal(err))
	}
}
