package estate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

const (
	caseKey  = "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	caseRole = "arn:aws:sts::222222222222:assumed-role/app/s"
)

func request(members string) string {
	return `{"id":"t","request":{"principal":"` + caseRole + `","action":"kms:Decrypt","resource":"` + caseKey + `"` + members + `}`
}

func oneCase(t testing.TB, line string) *estate.Case {
	t.Helper()
	ls := cases(t, line)
	if len(ls) != 1 || ls[0].Err != nil {
		t.Fatalf("%v in %s", ls[0].Err, line)
	}
	return ls[0].Case
}

func TestACaseHasDefaults(t *testing.T) {
	t.Parallel()
	c := oneCase(t, request(`}`))
	r := &c.Request
	if r.Caller.Account != "222222222222" || r.ResourceAccount != "111111111111" || r.Caller.RoleARN != "arn:aws:iam::222222222222:role/app" || r.Caller.PathKnown {
		t.Errorf("accounts are not those of the ARNs: %+v", r)
	}
	if c.KeyState() != "Enabled" || c.AWSManaged() || c.Resource != nil || c.Grants != nil || c.SCP != nil || c.Session != nil {
		t.Errorf("not an enabled customer key without policies: %+v", c)
	}
	for name, want := range map[string]string{"kms:keyspec": "SYMMETRIC_DEFAULT", "kms:keyusage": "ENCRYPT_DECRYPT", "kms:keyorigin": "AWS_KMS", "kms:multiregion": "false"} {
		if got := c.Lookup(name).One; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	bucket := oneCase(t, `{"id":"t","request":{"principal":"`+caseRole+`","action":"s3:GetObject","resource":"arn:aws:s3:::b/k"}}`)
	if bucket.Request.ResourceAccount != "222222222222" || !bucket.SameAccount() {
		t.Errorf("an ARN without an account does not belong to the caller: %+v", bucket.Request)
	}
}

func TestEveryMemberOfACaseIsRead(t *testing.T) {
	t.Parallel()
	c := oneCase(t, strings.ReplaceAll(`{"id":"x1","source":"passed over","request":{"principal":"`+caseRole+`","principal_account":"222222222222","principal_id":"AROA:s",
 "role_arn":"arn:aws:iam::222222222222:role/path/app","action":"kms:Decrypt","resource":"`+caseKey+`","resource_account":"444444444444",
 "context":{"kms:EncryptionContext:aws:s3:arn":"arn:x","aws:TagKeys":["one"],"aws:SourceIp":null,"n":1,"b":true},"grant_tokens":["t1"]},
 "policies":{"identity":[{},{}],"boundary":{},"session":{},"resource":{},"endpoint":{},"scp":[[{}],[{},{}]],"rcp":[[]]},
 "grants":[{"grant_id":"g1","token":"t1","grantee_principal":"AROA:s","operations":["Decrypt"],"constraints":{"EncryptionContextSubset":{}},"issuing_account":"arn:aws:iam::222222222222:root","retiring_principal":"`+caseRole+`"}],
 "key":{"state":"Disabled","manager":"AWS","spec":"RSA_2048","usage":"SIGN_VERIFY","origin":"EXTERNAL","multi_region":true,"aliases":["alias/x"],"tags":{"k":"v"}},"expect":"Deny"}`, "\n", ""))
	r := &c.Request
	switch {
	case r.Caller.Account != "222222222222" || r.Caller.ID != "AROA:s" || r.Caller.RoleARN != "arn:aws:iam::222222222222:role/path/app" || r.ResourceAccount != "444444444444":
		t.Errorf("request %+v", r)
	case len(c.Identity) != 2 || c.Boundary == nil || len(c.Session) != 1 || c.Resource == nil || c.Endpoint == nil || len(c.SCP) != 2 || len(c.SCP[1]) != 2 || len(c.RCP) != 1:
		t.Errorf("policies of %+v", c)
	case !r.Caller.Bounded || len(r.GrantTokens) != 1 || c.Expect != "Deny":
		t.Errorf("the rest of %+v", c)
	case len(c.Grants) != 1 || c.Grants[0].Constraints != nil || c.Grants[0].Issuer() != "222222222222" || c.Grants[0].GrantID != "g1":
		t.Errorf("grants %+v", c.Grants)
	case c.KeyState() != "Disabled" || !c.AWSManaged() || c.Lookup("kms:keyspec").One != "RSA_2048" || c.Lookup("kms:multiregion").One != "true":
		t.Errorf("key %+v", c.Key)
	}
	values := map[string]policy.ContextValue{
		"kms:encryptioncontext:aws:s3:arn": policy.One("arn:x"), "aws:tagkeys": policy.Many("one"), "aws:sourceip": policy.NotGiven(), "n": policy.One("1"), "b": policy.One("true"),
	}
	for name, want := range values {
		if got := c.Lookup(name); got.Presence != want.Presence || got.Multi != want.Multi || got.One != want.One || len(got.Many) != len(want.Many) {
			t.Errorf("%s = %+v, want %+v", name, got, want)
		}
	}
}

func TestOddCasesAreReadWithAWarning(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, want string }{
		{"a misspelt member", `{"id":"t","request":{"principal":"` + caseRole + `","action":"kms:Decrypt","resource":"*"},"grant":[]}`, `"grant" is no member of case and is passed over; did you mean grants?`},
		{"a misspelt member of the request", request(`,"contxt":{}}`), `"contxt" is no member of request`},
		{"a context key twice", request(`,"context":{"aws:A":"1","aws:a":"2"}}`), `the context has "aws:A" and "aws:a", which are one key; the last counts`},
		{"an operation with its service", request(`},"grants":[{"grant_id":"g","grantee_principal":"` + caseRole + `","operations":["kms:Decrypt"]}]`), `"kms:Decrypt" is no operation of a grant and gives nothing; write Decrypt`},
		{"a grant for nobody", request(`},"grants":[{"grant_id":"g","grantee_principal":"nobody","operations":["Decrypt"]}]`), "the grant is for nobody"},
		{"a grant that nobody can retire", line(`"grants":[{"grant_id":"g","grantee_principal":"` + caseRole + `","retiring_principal":"nobody","operations":["Decrypt"]}]`), `nobody can retire the grant: "nobody" is no principal`},
		{"a misspelt member of the policies", line(`"policies":{"identty":[]}`), `"identty" is no member of policies and is passed over; did you mean identity?`},
		{"a member of the policies that nobody knows", line(`"policies":{"permission-set":{}}`), `"permission-set" is no member of policies and is passed over`},
		{"a misspelt member of a grant", line(`"grants":[{"grant_id":"g","grantee_principal":"` + caseRole + `","operations":[],"constraint":{}}]`), `"constraint" is no member of grant and is passed over; did you mean constraints?`},
		{"a constraint that KMS does not have", line(`"grants":[{"grant_id":"g","grantee_principal":"` + caseRole + `","operations":[],"constraints":{"Region":{}}}]`), `"Region" is no member of constraints and is passed over`},
		{"a misspelt member of the key", line(`"key":{"sate":"Enabled"}`), `"sate" is no member of key and is passed over; did you mean state?`},
		{"a misspelt expectation", line(`"expected":"Allow"`), `"expected" is no member of case and is passed over; did you mean expect?`},
		{"a member twice", line(`"key":{},"key":{}`), `"key" stands twice in case; the last counts; remove one of the two`},
		{"the role of another session", request(`,"role_arn":"arn:aws:iam::222222222222:role/other"}`), "role_arn is passed over: " + caseRole + " is no session of the role arn:aws:iam::222222222222:role/other"},
		{"a policy with a misspelt element", line(`"policies":{"resource":{"Version":"2012-10-17","Statment":[]}}`), `"Statment" is no element of a policy`},
		{"a policy with an element twice", line(`"policies":{"resource":{"Version":"2012-10-17","Statement":[],"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}}`), `"Statement" stands twice here`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ls := cases(t, tt.line)
			if ls[0].Err != nil || ls[0].Case == nil {
				t.Fatalf("refused: %v", ls[0].Err)
			}
			for _, w := range ls[0].Warnings {
				if strings.Contains(w.String(), tt.want) && w.Subject == "t" {
					return
				}
			}
			t.Errorf("warnings %v, want one with %s", ls[0].Warnings, tt.want)
		})
	}
}

func TestABadLineDoesNotKeepTheRestFromBeingRead(t *testing.T) {
	t.Parallel()
	good := request(`}`)
	ls := cases(t, good, "", `{"id":`, good, `[]`, `{"id":"x"}`, request(`,"principal_account":"12"}`), strings.Replace(good, "kms:Decrypt", "kms:*", 1),
		strings.Replace(good, caseRole, "me", 1), request(`},"expect":"Maybe"`), request(`},"key":{"state":"off"}`), request(`},"policies":{"resource":5}`), good)
	wants := []string{
		"", "c.jsonl:3:7: the text ends", "", "c.jsonl:5:1: a case is a map with id and request; this is a list", "c.jsonl:6:1: this case has no request",
		`"principal_account" is "12", which is not an account number`, `the action is "kms:*": it is no single action`, `the principal is "me": it is no principal`,
		`"expect" is "Maybe", which is none of Allow, Deny, ImplicitDeny, ExplicitDeny, Unknown`, `"state" is "off", which is none of`, "a policy is a map with Statement; this is a number", "",
	}
	if len(ls) != len(wants) {
		t.Fatalf("%d lines, want %d", len(ls), len(wants))
	}
	for i, want := range wants {
		switch err := ls[i].Err; {
		case want == "" && (err != nil || ls[i].Case == nil):
			t.Errorf("line %d: refused: %v", ls[i].Line, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || ls[i].Case != nil):
			t.Errorf("line %d: %v, want %s", ls[i].Line, err, want)
		}
	}
}

func TestAVeryLongLineIsRefused(t *testing.T) {
	t.Parallel()
	ls := cases(t, `{"id":"`+strings.Repeat("x", 17<<20)+`"}`, request(`}`))
	if len(ls) != 2 || ls[0].Err == nil || !strings.Contains(ls[0].Err.Error(), "longer than 16 MiB") || ls[1].Err != nil {
		t.Errorf("a line of 17 MiB: %d lines, %v", len(ls), ls[0].Err)
	}
}

// sameCase writes a case and reads it back.
func sameCase(t testing.TB, c *estate.Case) {
	t.Helper()
	first, err := estate.AppendCase(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	var again []byte
	for l := range estate.ReadCases("again", bytes.NewReader(first)) {
		if l.Err != nil {
			t.Fatalf("%v reading back %s", l.Err, first)
		}
		if again, err = estate.AppendCase(nil, l.Case); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first, again) {
		t.Errorf("written and read back it differs:\n%s\n%s", first, again)
	}
}

func TestACaseOfAnEstateCanBeWritten(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	r, err := estate.NewRequest("arn:aws:iam::111122223333:role/app", "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k1")
	if err != nil {
		t.Fatal(err)
	}
	r.Context.Set("aws:SourceIp", policy.NotGiven())
	c := e.Bind(r)
	c.ID = "bound"
	sameCase(t, &c)
}

func TestRecordedCasesAreReadAndWritten(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("KEYREACH_CORPUS")
	if folder == "" {
		t.Skip("KEYREACH_CORPUS is not set: the recorded cases are not read")
	}
	f, err := os.Open(filepath.Join(folder, "recorded", "cases.jsonl"))
	if err != nil {
		t.Skipf("the recorded cases are not read: %v", err)
	}
	defer f.Close()
	for l := range estate.ReadCases("cases.jsonl", f) {
		if l.Err != nil {
			t.Errorf("line %d: %v", l.Line, l.Err)
			continue
		}
		sameCase(t, l.Case)
	}
}

// What a document says of its own kind comes with its name.
func TestPoliciesHaveNames(t *testing.T) {
	t.Parallel()
	const some = `{"Version":"2012-10-17","Statement":[]}`
	c := oneCase(t, line(`"policies":{"identity":[`+some+`,`+some+`],"boundary":`+some+`,"session":`+some+`,"resource":`+some+`,"endpoint":{"unreadable":"x"},"scp":[[`+some+`],[`+some+`]],"rcp":[`+some+`]}`))
	var names []string
	for _, n := range c.Policies() {
		names = append(names, n.Name)
	}
	want := "identity policy 1, identity policy 2, session policy 1, key policy, permissions boundary, SCP level 1 policy 1, SCP level 2 policy 1, RCP level 1 policy 1"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("the policies are %s, want %s", got, want)
	}
	if c.Endpoint.Policy() != nil || (*estate.Named)(nil).Policy() != nil {
		t.Error("what could not be read has a policy")
	}
	for resource, want := range map[string]string{"arn:aws:iam::222222222222:role/app": "trust policy", "arn:aws:s3:::b": "resource policy"} {
		text := `{"id":"t","request":{"principal":"` + caseRole + `","action":"x:Y","resource":"` + resource + `"},"policies":{"resource":` + some + `}}`
		if got := oneCase(t, text).Resource.Name; got != want {
			t.Errorf("the policy of %s is a %s, want %s", resource, got, want)
		}
	}
}

// Whether a service forwards the call follows from either of two keys.
func TestWhetherACallIsForwarded(t *testing.T) {
	t.Parallel()
	for context, want := range map[string]policy.Truth{
		`{}`: policy.False, `{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`: policy.True, `{"aws:ViaAWSService":"true"}`: policy.True,
		`{"aws:ViaAWSService":false}`: policy.False, `{"kms:ViaService":null}`: policy.Unknown, `{"aws:ViaAWSService":null}`: policy.Unknown,
	} {
		if got := oneCase(t, request(`,"context":`+context+`}`)).Forwarded(); got != want {
			t.Errorf("with %s it is %v, want %v", context, got, want)
		}
	}
}

// The pairs of the encryption context keep the names that they were given by.
func TestTheEncryptionContextOfACase(t *testing.T) {
	t.Parallel()
	c := oneCase(t, request(`,"context":{"kms:EncryptionContext:aws:s3:arn":"a","KMS:encryptioncontext:App":"b","kms:EncryptionContext:unknown":null}}`))
	m := c.Request.Context.EncryptionContext()
	if len(m) != 2 || m["aws:s3:arn"] != "a" || m["App"] != "b" {
		t.Errorf("the pairs are %v", m)
	}
	if v := c.Lookup("kms:encryptioncontextkeys"); strings.Join(v.Many, " ") != "App aws:s3:arn unknown" {
		t.Errorf("their names are %v", v.Many)
	}
}

func FuzzReadCases(f *testing.F) {
	f.Add(request(`}`))
	f.Add(`{"id":"x1","request":{"principal":"` + caseRole + `","action":"kms:Decrypt","resource":"*","context":{"a":null,"b":["x"]},"grant_tokens":["t"]},"policies":{"identity":[{}],"session":{},"scp":[[{}]],"rcp":[{"unreadable":"x"}],"resource":{"unreadable":"y"}},"grants":[{"grant_id":"g","operations":["Decrypt"],"constraints":{"EncryptionContextEquals":{"a":"b"}}}],"key":{"state":"Disabled","deletion_date":"2030-01-01T00:00:00Z"}}`)
	f.Add("{}\n[]\nnull\n{\"id\":1}")
	f.Fuzz(func(t *testing.T, text string) {
		for l := range estate.ReadCases("f", strings.NewReader(text)) {
			if (l.Err == nil) != (l.Case != nil) {
				t.Fatalf("line %d has case %v and error %v", l.Line, l.Case, l.Err)
			}
			if l.Case != nil {
				sameCase(t, l.Case)
			}
		}
	})
}
