package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const rootStatement = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + owner + `:root"},"Action":"kms:*","Resource":"*"}`

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestKeyPoliciesThatAreTakenAndRefused(t *testing.T) {
	t.Parallel()
	const (
		lockout    = "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."
		principals = "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals."
		malformed  = "MalformedPolicyDocumentException"
	)
	w := newWorld(t)
	key := w.key(owner, "")
	k := w.kmsOf(w.root(owner))
	for _, c := range []struct {
		name, policy string
		bypass       bool
		want         string // the beginning of the refusal
	}{
		{name: "the account", policy: document(rootStatement)},
		{name: "the account by its number", policy: document(strings.ReplaceAll(rootStatement, "arn:aws:iam::"+owner+":root", owner))},
		{name: "a policy without a version", policy: `{"Statement":` + rootStatement + `}`},
		{name: "a statement without a resource, which does nothing", policy: document(rootStatement, `{"Effect":"Allow","Principal":"*","Action":"kms:*"}`)},
		{name: "a statement without an action, which does nothing", policy: document(rootStatement, `{"Effect":"Allow","Principal":"*","Resource":"*"}`)},
		{name: "a service", policy: document(rootStatement, `{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"kms:Decrypt","Resource":"*"}`)},
		{name: "one that locks the caller out", policy: document(strings.Replace(rootStatement, "kms:*", "kms:Describe*", 1)), want: lockout},
		{name: "one that denies the caller", policy: document(rootStatement, `{"Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*"}`), want: lockout},
		{name: "one that locks the caller out, with the flag", policy: document(strings.Replace(rootStatement, "kms:*", "kms:Describe*", 1)), bypass: true},
		{name: "a role that is not there", policy: document(rootStatement, strings.ReplaceAll(rootStatement, ":root", ":role/none")), want: principals},
		{name: "a service-linked role that is not there yet", policy: document(rootStatement, strings.ReplaceAll(rootStatement, ":root", ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")), want: principals},
		{name: "a group", policy: document(rootStatement, strings.ReplaceAll(rootStatement, ":root", ":group/g")), want: principals},
		{name: "an id of nobody", policy: document(rootStatement, `{"Effect":"Allow","Principal":{"AWS":"AROAAAAAAAAAAAAAAAAAA"},"Action":"kms:*","Resource":"*"}`), want: principals},
		{name: "no JSON", policy: `{nope`, want: malformed},
		{name: "no statement", policy: `{}`, want: malformed},
		{name: "an element that is none", policy: document(rootStatement, `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resources":"*"}`), want: malformed},
		{name: "no principal", policy: document(rootStatement, `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`), want: malformed},
		{name: "another effect", policy: document(strings.Replace(rootStatement, "Allow", "Permit", 1)), want: malformed},
		{name: "an operator that is none", policy: document(rootStatement, strings.Replace(rootStatement, `"Resource":"*"`, `"Resource":"*","Condition":{"StringSimilar":{"a":"b"}}`, 1)), want: malformed},
		{name: "more than 32 KiB", policy: document(strings.Replace(rootStatement, "{", `{"Sid":"`+strings.Repeat("x", 32<<10)+`",`, 1)), want: "LimitExceededException"},
		{name: "characters beyond Latin", policy: document(strings.Replace(rootStatement, "{", `{"Sid":"鍵",`, 1)), want: "ValidationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := *need(k.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &key}))(t).Policy
			_, err := k.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &c.policy, BypassPolicyLockoutSafetyCheck: c.bypass})
			if got := refusal(err); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.bypass { // nobody can put it right any more
				key = w.key(owner, "")
				return
			}
			after := *need(k.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &key}))(t).Policy
			if c.want == "" && after != c.policy || c.want != "" && after != before {
				t.Errorf("the policy is now %s", after)
			}
		})
	}
}

func TestAKeyPolicyShowsTheIDOfARoleThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.role(owner, "r", "", "")
	policy := document(rootStatement, fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:Decrypt","Resource":"*"}`, r.arn))
	key := w.key(owner, policy)
	w.ends("the role", w.decrypt(w.session(owner, r.arn, "mine", ""), key), "")
	need(iam.NewFromConfig(w.root(owner)).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &r.name}))(t)
	k := w.kmsOf(w.root(owner))
	got := *need(k.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &key}))(t).Policy
	if want := strings.ReplaceAll(policy, r.arn, r.id); got != want {
		t.Errorf("the policy reads %s", got)
	}
	_, err := k.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &got})
	w.ends("putting back what was read", err, "invalid principals.")
	w.role(owner, "r", "", "")
	w.ends("the next role of the name", w.decrypt(w.session(owner, r.arn, "mine", ""), key), noIdentity)
}

// Whom a key policy lets in, and with what else.
func TestWhoAKeyPolicyLetsIn(t *testing.T) {
	t.Parallel()
	const withheld = "on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	to := func(principal, condition string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:Decrypt","Resource":"*"%s}`, principal, condition)
	}
	role := func(account string) string { return "arn:aws:iam::" + account + ":role/r" }
	for _, c := range []struct {
		name, account, statement, identity, want string
	}{
		{"a role of the account, named", owner, to(role(owner), ""), "", ""},
		{"a session of the account, named", owner, to(sessionARN(owner, "r", "mine"), ""), "", ""},
		{"the account alone", owner, "", "", noIdentity},
		{"the account and an identity policy", owner, "", allow("kms:Decrypt"), ""},
		{"everybody of the account by a condition", owner, to("*", `,"Condition":{"StringEquals":{"kms:CallerAccount":"`+owner+`"}}`), "", ""},
		{"a condition that is not met", owner, to("*", `,"Condition":{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`), "", noIdentity},
		{"a role of another account, named", consumer, to(role(consumer), ""), "", noIdentity},
		{"a role of another account, named, and an identity policy", consumer, to(role(consumer), ""), allow("kms:Decrypt"), ""},
		{"another account and an identity policy", consumer, to("arn:aws:iam::"+consumer+":root", ""), allow("kms:Decrypt"), ""},
		{"another account alone", consumer, to("arn:aws:iam::"+consumer+":root", ""), "", noIdentity},
		{"an identity policy of another account alone", consumer, "", allow("kms:*"), withheld},
		{"a deny", owner, `{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`, allow("*"), "with an explicit deny in a resource-based policy"},
		{"a deny that another account meets", consumer, to("arn:aws:iam::"+consumer+":root", "") + `,{"Effect":"Deny","Principal":{"AWS":"` + consumer + `"},"Action":"kms:Decrypt","Resource":"*"}`, allow("*"), withheld},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.role(c.account, "r", c.identity, "")
			statements := []string{rootStatement}
			if c.statement != "" {
				statements = append(statements, c.statement)
			}
			key := w.key(owner, "")
			blob := need(w.kmsOf(w.root(owner)).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t).CiphertextBlob
			need(w.kmsOf(w.root(owner)).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(document(statements...))}))(t)
			_, err := w.kmsOf(w.session(c.account, r.arn, "mine", "")).Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob})
			w.ends("Decrypt", err, c.want)
		})
	}
}

// What never works across accounts, whatever a policy says.
func TestWhatNeverCrossesAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.key(consumer, "")
	key := w.key(owner, document(rootStatement, strings.ReplaceAll(rootStatement, owner, consumer)))
	k := w.kmsOf(w.root(consumer))
	allowed := map[string]bool{"Encrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true, "GenerateDataKeyPair": true, "CreateGrant": true, "DescribeKey": true, "ListGrants": true, "GetKeyRotationStatus": true}
	for _, op := range append(append([]onKey{}, keyUses...), keyAdministration...) {
		if op.name == "ListAliases" {
			continue // its key is only a filter
		}
		got := refusal(op.call(t.Context(), k, &key))
		if allowed[op.name] && got != "" || !allowed[op.name] && !strings.HasPrefix(got, "AccessDeniedException: ") {
			t.Errorf("%s: %q", op.name, got)
		}
	}
	id := key[strings.LastIndexByte(key, '/')+1:]
	_, err := k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	w.ends("the bare id", err, "Key 'arn:aws:kms:us-east-1:"+consumer+":key/"+id+"' does not exist")
}

// The keys of AWS are made on first use, and nobody else can change or use them.
func TestAWSManagedKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	m := need(k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/ebs")}))(t).KeyMetadata
	if m.KeyManager != types.KeyManagerTypeAws || *m.Description != "Default key that protects my EBS volumes when no other key is defined" {
		t.Errorf("the key is %+v", m)
	}
	again := need(k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/ebs")}))(t).KeyMetadata
	if *again.Arn != *m.Arn {
		t.Error("it is made twice")
	}
	policy := *need(k.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: m.Arn}))(t).Policy
	for _, words := range []string{`"kms:ViaService" : "ec2.us-east-1.amazonaws.com"`, `"kms:CallerAccount" : "` + owner + `"`} {
		if !strings.Contains(policy, words) {
			t.Errorf("the policy lacks %s: %s", words, policy)
		}
	}
	for _, op := range []onKey{keyUses[0], keyAdministration[3], keyAdministration[8], keyAdministration[15], keyAdministration[16]} {
		if got := refusal(op.call(t.Context(), k, m.Arn)); !strings.Contains(got, "because no resource-based policy allows the kms:"+op.name+" action") {
			t.Errorf("%s by the account itself: %q", op.name, got)
		}
	}
	other := w.kmsOf(w.root(consumer))
	_, err := other.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: m.Arn})
	w.ends("another account", err, "explicitly denies access")
	_, err = k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/nosuch")})
	w.ends("a service without a key", err, "is not found.")
}
