package sandbox_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// throughSandbox fills a sandbox from an estate and takes the estate out again, as
// a file.
func throughSandbox(t *testing.T, e *estate.Estate) *estate.Estate {
	t.Helper()
	s := sandboxtest.Start(t, sandbox.Options{Estate: e})
	return taken(t, s)
}

// taken is GET /_keyreach/estate.
func taken(t *testing.T, s *sandboxtest.Server) *estate.Estate {
	t.Helper()
	_, text := admin(t, s, http.MethodGet, "estate", "")
	return loaded(t, text)
}

func loaded(t *testing.T, text string) *estate.Estate {
	t.Helper()
	e, err := estate.Load("estate.json", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return e
}

// admin calls one of the sandbox's own endpoints.
func admin(t *testing.T, s *sandboxtest.Server, method, path, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/_keyreach/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(all)
}

// answers are what keyreach check says of the routes of a file: verdicts, steps and
// findings, without the places at which policies are written.
func answers(t *testing.T, f *route.File, e *estate.Estate) []string {
	t.Helper()
	findings := e.Findings()
	var all []string
	for i := range f.Routes {
		p, err := route.Prove(&f.Routes[i], e, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		p.Find(&f.Routes[i], e)
		all = append(all, fmt.Sprintf("route %s is %v until %v %s", p.Route, p.Verdict, p.ValidUntil, p.ValidWhy))
		for j := range p.Steps {
			all = append(all, fmt.Sprintf("step %s of %s by %s is %v", p.Steps[j].Name, p.Steps[j].For, p.Steps[j].Actor, p.Steps[j].Verdict))
		}
		findings = append(findings, p.Findings...)
	}
	for _, f := range findings {
		if f.Rule == "KEY063" {
			continue // the sandbox has just made the grant
		}
		all = append(all, fmt.Sprintf("%v %s %s: %s; %s", f.Severity, f.Rule, f.Subject, f.Text, f.Fix))
	}
	slices.Sort(all) // users stand before roles in what comes out
	return all
}

// What comes out of the sandbox answers keyreach check as what went in.
func TestAnEstateThatWentThroughTheSandboxIsCheckedAlike(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/*/estate.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			t.Parallel()
			given, err := estate.LoadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := route.LoadFile(filepath.Join(filepath.Dir(path), route.FileName))
			if err != nil {
				t.Fatal(err)
			}
			want, got := answers(t, f, given), answers(t, f, throughSandbox(t, given))
			for _, line := range want {
				if !slices.Contains(got, line) {
					t.Errorf("no longer: %s", line)
				}
			}
			for _, line := range got {
				if !slices.Contains(want, line) {
					t.Errorf("of the sandbox's own: %s", line)
				}
			}
		})
	}
}

const (
	nobodyKnows = "arn:aws:iam::111122223333:role/trusts"
	backupRole  = "arn:aws:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
	backupARN   = "arn:aws:iam::aws:policy/aws-service-role/AWSBackupServiceLinkedRolePolicyForBackup"
	ofBoth      = "arn:aws:iam::111122223333:policy/both"
)

// estateOf is an estate file with these principals and more.
func estateOf(principals string) string {
	return `{"format_version": 1, "accounts": [{"id": "111122223333"}], "principals": [` + principals + `], "keys": []}`
}

// has is a principal of an estate with a managed policy.
func has(principalARN, policyARN, action string) string {
	return fmt.Sprintf(`{"arn": %q, "policies": [{"name": "p", "kind": "managed", "arn": %q, "document": %s}]}`, principalARN, policyARN, allow(action))
}

// What the estate does not hold is not made up, and says so when it is asked for.
func TestWhatAnEstateDoesNotHoldIsNotMadeUp(t *testing.T) {
	t.Parallel()
	caller := `{"arn": "arn:aws:iam::111122223333:user/caller", "policies": [{"name": "all", "kind": "inline", "document": ` + allow("*") + `}]}`
	s := sandboxtest.Start(t, sandbox.Options{Estate: loaded(t, estateOf(`{"arn": "`+nobodyKnows+`"}, `+caller))})
	root := iam.NewFromConfig(s.Root("111122223333", home))
	shown, err := root.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("trusts")})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := url.QueryUnescape(*shown.Role.AssumeRolePolicyDocument); text != `{"Version":"2012-10-17","Statement":[]}` {
		t.Errorf("IAM shows %s, and clients read a policy", text)
	}
	k, err := root.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: new("caller")})
	if err != nil {
		t.Fatal(err)
	}
	c := sts.NewFromConfig(s.As(home, *k.AccessKey.AccessKeyId, *k.AccessKey.SecretAccessKey, ""))
	if _, err := c.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: new(nobodyKnows), RoleSessionName: new("s")}); err == nil {
		t.Error("a role of which nobody knows whom it trusts was assumed")
	}
	if p := taken(t, s).Principal(nobodyKnows); p == nil || p.Trust != nil {
		t.Errorf("it came out as %+v", p)
	}
	if _, err := root.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: new("trusts"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}`),
	}); err != nil {
		t.Fatal(err)
	}
	if p := taken(t, s).Principal(nobodyKnows); p == nil || p.Trust == nil {
		t.Errorf("with a trust policy it came out as %+v", p)
	}
}

// A key of which the estate holds no policy is none that has AWS's default policy.
func TestAKeyWithoutAPolicyLetsNobodyIn(t *testing.T) {
	t.Parallel()
	const key, caller = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555", "arn:aws:iam::111122223333:user/caller"
	given := loaded(t, strings.Replace(estateOf(has(caller, ofBoth, "kms:*")), `"keys": []`, `"keys": [{"arn": "`+key+`"}]`, 1))
	s := sandboxtest.Start(t, sandbox.Options{Estate: given})
	_, err := kms.NewFromConfig(s.Root("111122223333", home)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new(key)})
	if err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("the root user was answered with %v", err)
	}
	r, err := estate.NewRequest(caller, "kms:Decrypt", key)
	if err != nil {
		t.Fatal(err)
	}
	if want, got := given.Bind(r), taken(t, s).Bind(r); got.ResourceUnread != want.ResourceUnread || got.Resource != nil {
		t.Errorf("it came out as %v, unread %q, want %q", got.Resource, got.ResourceUnread, want.ResourceUnread)
	}
}

// mayGenerate reports whether the role of AWS Backup may make data keys.
func mayGenerate(t *testing.T, s *sandboxtest.Server) bool {
	t.Helper()
	out, err := iam.NewFromConfig(s.Root("111122223333", home)).SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: new(backupRole), ActionNames: []string{"kms:GenerateDataKey"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.EvaluationResults[0].EvalDecision == iamtypes.PolicyEvaluationDecisionTypeAllowed
}

// The estate holds what was collected, and the sandbox's own table is abridged.
func TestAPolicyOfAWSIsWhatTheEstateSays(t *testing.T) {
	t.Parallel()
	collected := loaded(t, estateOf(has(backupRole, backupARN, "kms:GenerateDataKey")))
	s := sandboxtest.Start(t, sandbox.Options{})
	root := iam.NewFromConfig(s.Root("111122223333", home))
	listed := func() (n int) {
		out, err := root.ListPolicies(t.Context(), &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeAws, PathPrefix: new("/aws-service-role/")})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Policies {
			if *p.Arn == backupARN {
				n++
			}
		}
		return n
	}
	if err := s.Fill(collected); err != nil {
		t.Fatal(err)
	}
	if !mayGenerate(t, s) {
		t.Error("the document of the table stands in for the collected one")
	}
	if got, want := taken(t, s).Principal(backupRole).Policies[0].Document.Source.String(), collected.Principals[0].Policies[0].Document.Source.String(); got != want {
		t.Errorf("it came out as %s, want %s", got, want)
	}
	details, err := root.GetAccountAuthorizationDetails(t.Context(), &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{iamtypes.EntityTypeAWSManagedPolicy}})
	if err != nil || len(details.Policies) != 1 || !strings.Contains(*details.Policies[0].PolicyVersionList[0].Document, "GenerateDataKey%22") {
		t.Errorf("the details of the account have %+v, %v", details, err)
	}
	if n := listed(); n != 1 {
		t.Errorf("it is listed %d times", n)
	}

	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := root.CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("backup.amazonaws.com")}); err != nil {
		t.Fatal(err)
	}
	if mayGenerate(t, s) || listed() != 1 {
		t.Errorf("after a reset the document of the estate is still there, listed %d times", listed())
	}
}

// A user and a role may have one name, and each its boundary.
func TestEachPrincipalKeepsItsBoundary(t *testing.T) {
	t.Parallel()
	const user, role = "arn:aws:iam::111122223333:user/app", "arn:aws:iam::111122223333:role/app"
	bounded := func(principalARN, action string) string {
		return fmt.Sprintf(`{"arn": %q, "boundary": %s}`, principalARN, allow(action))
	}
	for _, tt := range []struct{ name, more string }{
		{"a user and a role of one name", ""},
		{"a policy that has the name of a boundary", ", " + has("arn:aws:iam::111122223333:user/other", "arn:aws:iam::111122223333:policy/boundary-of-role-app", "s3:GetObject")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given := loaded(t, estateOf(bounded(user, "kms:Encrypt")+", "+bounded(role, "kms:Decrypt")+tt.more))
			got := throughSandbox(t, given)
			for i := range given.Principals {
				want := &given.Principals[i]
				p := got.Principal(want.ARN)
				if w, g := documentsOf(want), documentsOf(p); w != g {
					t.Errorf("%s came out with %s, want %s", want.ARN, g, w)
				}
			}
		})
	}
}

// documentsOf are the boundary and the policies of a principal.
func documentsOf(p *estate.Principal) string {
	var b strings.Builder
	if p.Boundary != nil {
		fmt.Fprintf(&b, "boundary %s", p.Boundary.Source)
	}
	for i := range p.Policies {
		fmt.Fprintf(&b, " policy %s", p.Policies[i].Document.Source)
	}
	return b.String()
}

// A managed policy has one document: an estate with two is refused as a whole.
func TestAManagedPolicyHasOneDocument(t *testing.T) {
	t.Parallel()
	const a, b = "arn:aws:iam::111122223333:user/a", "arn:aws:iam::111122223333:role/b"
	tests := []struct {
		name, estate string
		says         []string
	}{
		{"the same for both", estateOf(has(a, ofBoth, "kms:Decrypt") + ", " + has(b, ofBoth, "kms:Decrypt")), nil},
		{"the same for both, written otherwise", estateOf(has(a, ofBoth, "kms:Decrypt") + ", " + has(b, ofBoth, "KMS:decrypt")), nil},
		{"two for one ARN", estateOf(has(a, ofBoth, "kms:Decrypt") + ", " + has(b, ofBoth, "kms:Encrypt")), []string{a, b, ofBoth, "give both the same"}},
		{"two for one ARN of AWS", estateOf(has(a, backupARN, "kms:Decrypt") + ", " + has(b, backupARN, "kms:Encrypt")), []string{a, b, backupARN}},
		{"two with one name in two accounts", estateOf(has(a, ofBoth, "kms:Decrypt") + ", " + has("arn:aws:iam::444455556666:role/b", strings.Replace(ofBoth, "111122223333", "444455556666", 1), "kms:Encrypt")), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, sandbox.Options{Estate: loaded(t, estateOf(has(a, ofBoth, "kms:ListKeys")))})
			before := withoutTime(t, taken(t, s))
			status, text := admin(t, s, http.MethodPut, "estate", tt.estate)
			_, err := sandbox.New(sandbox.Options{Estate: loaded(t, tt.estate)})
			if tt.says == nil {
				if status != http.StatusOK || err != nil {
					t.Errorf("it was refused: %d %s, %v", status, text, err)
				}
				return
			}
			if status != http.StatusBadRequest || err == nil {
				t.Fatalf("it was taken: %d %s, %v", status, text, err)
			}
			for _, want := range tt.says {
				if !strings.Contains(text, want) || !strings.Contains(err.Error(), want) {
					t.Errorf("the errors do not say %q: %s, %v", want, text, err)
				}
			}
			if after := withoutTime(t, taken(t, s)); after != before {
				t.Errorf("the sandbox changed to\n%s\nfrom\n%s", after, before)
			}
		})
	}
}

// withoutTime is the text of an estate but for the time at which it was taken.
func withoutTime(t *testing.T, e *estate.Estate) string {
	t.Helper()
	e.CollectedAt = nil
	var text bytes.Buffer
	if _, err := e.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
