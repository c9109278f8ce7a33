package diagnose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// The people and things of the estates: a key in account 111122223333, and principals
// there and in 444455556666.
const (
	judgeOwner = "111122223333"
	judgeOther = "444455556666"
	judgeKey   = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	judgeID    = "1234abcd-12ab-34cd-56ef-1234567890ab"
	judgeRole  = "arn:aws:iam::111122223333:role/app"
	judgeUser  = "arn:aws:iam::111122223333:user/carol"
	judgeFar   = "arn:aws:iam::444455556666:role/restore"
	judgeSLR   = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	judgeFarLR = "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
)

// delegates is the statement by which a key's account lets IAM decide.
const delegates = `{"Sid":"Account","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`

func admits(who, action string) string {
	return `{"Sid":"Admits","Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":"` + action + `","Resource":"*"}`
}

func allows(effect, action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"` + condition + `}`
}

// world is an estate in short: what differs from a key that lets its account decide, and
// from principals that may use it.
type world struct {
	key       []string // statements of the key policy
	identity  []string // statements of every principal's own policy
	boundary  string
	scp, rcp  string
	change    func(e *estate.Estate)
	stateless bool // without the key
}

func document(t *testing.T, statements ...string) *estate.Document {
	t.Helper()
	d, _, err := policy.Read("test", []byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`))
	if err != nil {
		t.Fatalf("reading a policy: %v", err)
	}
	return estate.NewDocument(d)
}

func (w world) estate(t *testing.T) *estate.Estate {
	t.Helper()
	if w.key == nil {
		w.key = []string{delegates}
	}
	if w.identity == nil {
		w.identity = []string{allows("Allow", "kms:*", "*", "")}
	}
	e := &estate.Estate{FormatVersion: 1, Accounts: []estate.Account{{ID: judgeOwner}, {ID: judgeOther}}}
	for _, name := range []string{judgeRole, judgeUser, judgeFar} {
		p := estate.Principal{ARN: name, ID: "AROAEXAMPLE" + strings.ToUpper(name[len(name)-4:]), Policies: []estate.Attached{{Name: "own", Kind: "inline", Document: document(t, w.identity...)}}}
		if w.boundary != "" {
			p.Boundary = document(t, w.boundary)
		}
		e.Principals = append(e.Principals, p)
	}
	if !w.stateless {
		e.Keys = []estate.Key{{ARN: judgeKey, State: "Enabled", Aliases: []string{"alias/data"}, Policy: document(t, w.key...)}}
	}
	e.Keys = append(e.Keys, estate.Key{ARN: strings.Replace(judgeKey, judgeID, "another", 1), Policy: document(t, delegates)})
	e.Organization = &estate.Organization{ID: "o-1", ManagementAccount: "999999999999", Policies: map[string]*estate.Document{}, Root: estate.Unit{
		ID: "r-1", SCPs: []string{"FullAWSAccess"}, Accounts: []estate.AccountPolicies{{ID: judgeOwner, SCPs: []string{"FullAWSAccess"}}, {ID: judgeOther, SCPs: []string{"FullAWSAccess"}}},
	}}
	if w.scp != "" {
		e.Organization.Policies["Guard"] = document(t, w.scp)
		e.Organization.Root.SCPs = append(e.Organization.Root.SCPs, "Guard")
	}
	if w.rcp != "" {
		e.Organization.Policies["Fence"] = document(t, w.rcp)
		e.Organization.Root.RCPs = []string{"Fence"}
	}
	if w.change != nil {
		w.change(e)
	}
	if err := e.Index(); err != nil {
		t.Fatalf("the estate: %v", err)
	}
	return e
}

// decrypts is the incident of a principal that was refused to decrypt.
func decrypts(who string) diagnose.Incident {
	return diagnose.Incident{Code: "AccessDeniedException", Service: "kms", Operation: "Decrypt", Principal: who, Action: "kms:Decrypt", Key: judgeKey, Account: accountIn(who), KeyAccount: judgeOwner, Region: "us-east-1"}
}

func accountIn(who string) string {
	if parts := strings.Split(who, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

// through is the incident with a service that forwarded the call.
func through(in diagnose.Incident, service, operation, action string) diagnose.Incident {
	in.Service, in.Operation, in.Action = service, operation, action
	return in
}

func named(in diagnose.Incident, key string) diagnose.Incident {
	in.Key, in.KeyAccount = key, ""
	return in
}

func TestAnEstateTellsWhichCauseIsTrue(t *testing.T) {
	t.Parallel()
	none := []string{allows("Allow", "s3:*", "*", "")}
	for _, tt := range []struct {
		name  string
		world world
		in    diagnose.Incident
		want  string // the first cause
		also  []string
		not   []string // ruled out
		why   string   // in the reasons of the first
	}{
		{"no policy of the role has the action", world{identity: none}, decrypts(judgeRole), "iam-policy-missing-action", nil, []string{"key-policy-missing-principal", "key-disabled", "scp-deny", "boundary-deny", "cross-account-key-access"}, "no identity policy of"},
		{"a session of the role is refused as the role is", world{identity: none}, decrypts("arn:aws:sts::111122223333:assumed-role/app/i-0123456789abcdef0"), "iam-policy-missing-action", nil, []string{"explicit-deny"}, "role/app"},
		{"the policy of the role has an alias in Resource", world{identity: []string{allows("Allow", "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:alias/data", "")}}, decrypts(judgeRole), "alias-misuse", []string{"iam-policy-missing-action"}, nil, "alias/data"},
		{"the condition of the role's policy does not hold", world{identity: []string{allows("Allow", "kms:Decrypt", "*", `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`)}}, decrypts(judgeRole), "policy-condition-mismatch", nil, []string{"iam-policy-missing-action"}, "kms:ViaService absent"},
		{"the condition of the key policy does not hold", world{identity: none, key: []string{`{"Sid":"Data","Effect":"Allow","Principal":{"AWS":"` + judgeRole + `"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:app":"a"}}}`}}, withContext(decrypts(judgeRole), "app", "b"), "policy-condition-mismatch", nil, nil, "kms:EncryptionContext:app is b"},
		{"the key policy names the role for something else", world{key: []string{admits(judgeRole, "kms:Encrypt")}}, decrypts(judgeRole), "key-policy-missing-action", nil, []string{"iam-policy-missing-action"}, "not for kms:Decrypt"},
		{"the key policy names the account for something else", world{key: []string{admits("arn:aws:iam::111122223333:root", "kms:DescribeKey")}}, decrypts(judgeRole), "key-policy-missing-action", nil, []string{"iam-policy-missing-action"}, "names account"},
		{"the key policy names somebody else and not the account", world{key: []string{admits("arn:aws:iam::111122223333:role/other", "kms:*")}}, decrypts(judgeRole), "key-policy-root-delegation-missing", []string{"key-policy-missing-principal"}, []string{"iam-policy-missing-action"}, "have no effect"},
		{"nobody lets the role in", world{identity: none, key: []string{admits("arn:aws:iam::111122223333:role/other", "kms:*")}}, decrypts(judgeRole), "key-policy-missing-principal", nil, []string{"aws-managed-key-not-usable"}, "allows kms:Decrypt neither"},
		{"the key of another account lets nobody of this in", world{}, decrypts(judgeFar), "cross-account-key-access", []string{"key-policy-missing-principal"}, []string{"iam-policy-missing-action"}, "does not let 444455556666 in"},
		{"the key of another account lets it in, and its own policies do not", world{identity: none, key: []string{delegates, admits("arn:aws:iam::444455556666:root", "kms:Decrypt")}}, decrypts(judgeFar), "cross-account-key-access", []string{"iam-policy-missing-action"}, []string{"key-policy-missing-principal"}, "has to allow it too"},
		{"a service is not in the key policy", world{}, service(decrypts("cloudtrail.amazonaws.com"), "cloudtrail"), "key-policy-missing-service-principal", nil, []string{"iam-policy-missing-action", "slr-missing-key-access"}, "cloudtrail.amazonaws.com"},
		{"the role of Auto Scaling is not in the key policy", world{key: []string{admits("arn:aws:iam::111122223333:root", "kms:DescribeKey")}}, launched(judgeSLR), "slr-missing-key-access", nil, []string{"key-disabled", "session-policy-deny"}, ""},
		{"the role of Auto Scaling of another account has no grant", world{key: []string{delegates, admits("arn:aws:iam::444455556666:root", "kms:*")}}, launched(judgeFarLR), "slr-missing-key-access", []string{"cross-account-key-access"}, []string{"aws-managed-key-not-usable"}, "make a grant to it from account 444455556666"},
		{"a Deny in the role's policy", world{identity: []string{allows("Allow", "kms:*", "*", ""), allows("Deny", "kms:Decrypt", "*", "")}}, decrypts(judgeRole), "explicit-deny", nil, []string{"iam-policy-missing-action", "scp-deny"}, "den"},
		{"a Deny in the key policy", world{key: []string{delegates, `{"Sid":"Not","Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`}}, decrypts(judgeRole), "explicit-deny", nil, nil, "Not"},
		{"a service control policy denies", world{scp: allows("Deny", "kms:Decrypt", "*", "")}, decrypts(judgeRole), "scp-deny", nil, []string{"explicit-deny", "iam-policy-missing-action"}, "Guard"},
		{"a resource control policy denies", world{rcp: `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}`}, decrypts(judgeRole), "rcp-deny", nil, []string{"scp-deny"}, "Fence"},
		{"the boundary leaves the action out", world{boundary: allows("Allow", "s3:*", "*", "")}, decrypts(judgeRole), "boundary-deny", nil, []string{"iam-policy-missing-action"}, "permissions boundary"},
		{"the key is disabled", world{change: state("Disabled")}, decrypts(judgeRole), "key-disabled", nil, []string{"key-pending-deletion", "iam-policy-missing-action"}, "Disabled"},
		{"the key is pending deletion", world{change: state("PendingDeletion")}, decrypts(judgeRole), "key-pending-deletion", nil, []string{"key-disabled"}, "PendingDeletion"},
		{"the key is not there", world{stateless: true}, missing(decrypts(judgeRole)), "key-not-found", nil, nil, "none of them"},
		{"the key is in another Region", world{}, named(decrypts(judgeRole), strings.Replace(judgeKey, "us-east-1", "eu-west-1", 1)), "wrong-region", nil, nil, "in us-east-1"},
		{"a bare id of a key of another account", world{key: []string{delegates, admits("arn:aws:iam::444455556666:root", "kms:*")}}, named(decrypts(judgeFar), judgeID), "wrong-key", nil, nil, "bare key id"},
		{"the alias is nowhere", world{}, named(decrypts(judgeRole), "alias/none"), "alias-not-found", nil, nil, "alias/none"},
		{"the alias is another account's", world{}, named(decrypts(judgeFar), "alias/data"), "alias-not-found", nil, nil, "in its own account only"},
		{"an AWS managed key is another account's", world{key: managed(), change: manager}, decrypts(judgeFar), "default-key-not-shareable", nil, nil, "AWS managed key"},
		{"an AWS managed key is for another service", world{key: managed(), change: manager}, through(decrypts(judgeRole), "s3", "GetObject", "kms:Decrypt"), "aws-managed-key-not-usable", nil, []string{"default-key-not-shareable"}, "kms:ViaService is s3"},
		{"an AWS managed key serves no service principal", world{key: managed(), change: manager}, service(decrypts("sns.amazonaws.com"), "sns"), "aws-managed-key-not-usable", nil, []string{"key-policy-missing-service-principal"}, "cannot be changed"},
		{"a grant names a role that was made anew", world{identity: none, change: grant("Decrypt", "AROAOLD")}, decrypts(judgeRole), "grant-stale-recreated-principal", nil, nil, "AROAOLD"},
		{"a key that signs does not decrypt", world{change: func(e *estate.Estate) { e.Keys[0].Usage, e.Keys[0].Spec = "SIGN_VERIFY", "RSA_2048" }}, decrypts(judgeRole), "key-spec-or-usage-mismatch", nil, []string{"key-disabled"}, "SIGN_VERIFY"},
		{"an operation that names no action, by what it needs", world{identity: none}, through(decrypts(judgeRole), "s3", "PutObject", ""), "iam-policy-missing-action", nil, nil, "kms:GenerateDataKey"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := tt.in
			for _, code := range diagnose.Codes() {
				if code != tt.want { // the text suggests everything but the true one
					in.Causes = append(in.Causes, diagnose.Cause{Code: code, Confidence: 0.01})
				}
			}
			j := diagnose.Judge(&in, tt.world.estate(t), time.Time{})
			got := in.Causes[0]
			if got.Code != tt.want || got.Verdict != diagnose.True || !strings.Contains(strings.Join(got.Why, "\n"), tt.why) || got.Fix == "" && tt.want != "key-not-found" && tt.want != "alias-not-found" {
				t.Errorf("the first cause is %s, want %s because of %q\n%s", said(&got), tt.want, tt.why, told(&in, &j))
			}
			for _, code := range tt.also {
				if v := verdictOf(&in, code); v != diagnose.True {
					t.Errorf("%s is %q, want true\n%s", code, v, told(&in, &j))
				}
			}
			for _, code := range tt.not {
				if v := verdictOf(&in, code); v != diagnose.RuledOut {
					t.Errorf("%s is %q, want ruled out\n%s", code, v, told(&in, &j))
				}
			}
			if !j.Settled(&in) || j.Allowed {
				t.Errorf("settled %t, allowed %t: %s", j.Settled(&in), j.Allowed, j.Says)
			}
		})
	}
}

func withContext(in diagnose.Incident, name, value string) diagnose.Incident {
	in.Context = map[string]string{name: value}
	return in
}

func service(in diagnose.Incident, name string) diagnose.Incident {
	in.Service, in.Operation, in.PrincipalKind, in.Action, in.Account = name, "", diagnose.Service, "kms:GenerateDataKey", ""
	return in
}

func launched(role string) diagnose.Incident {
	in := decrypts(role)
	in.Service, in.Operation, in.Action, in.PrincipalKind = "autoscaling", "", "kms:GenerateDataKeyWithoutPlaintext", diagnose.ServiceRole
	return in
}

func missing(in diagnose.Incident) diagnose.Incident {
	in.Code, in.Text = "NotFoundException", "Key does not exist"
	return in
}

func state(name string) func(*estate.Estate) {
	return func(e *estate.Estate) { e.Keys[0].State = name }
}

func manager(e *estate.Estate) {
	e.Keys[0].Manager, e.Keys[0].Aliases = "AWS", []string{"alias/aws/ebs"}
}

// managed is the policy of a key that AWS manages for EBS.
func managed() []string {
	return []string{`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:CreateGrant"],"Resource":"*",
		"Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`}
}

func grant(operation, id string) func(*estate.Estate) {
	return func(e *estate.Estate) {
		e.Keys[0].Grants = []estate.Grant{{GrantID: "g1", GranteePrincipal: judgeRole, GranteePrincipalID: id, Operations: []string{operation}}}
	}
}

func verdictOf(in *diagnose.Incident, code string) diagnose.Verdict {
	i := slices.IndexFunc(in.Causes, func(c diagnose.Cause) bool { return c.Code == code })
	if i < 0 {
		return "absent"
	}
	return in.Causes[i].Verdict
}

func said(c *diagnose.Cause) string {
	return fmt.Sprintf("%s %q %.2f %q; fix: %s", c.Code, c.Verdict, c.Confidence, c.Why, c.Fix)
}

func told(in *diagnose.Incident, j *diagnose.Judgement) string {
	text := j.Says + fmt.Sprintf(" %q\n", j.Notes)
	for i := range in.Causes {
		if c := &in.Causes[i]; c.Verdict != diagnose.RuledOut {
			text += "  " + said(c) + "\n"
		}
	}
	return text
}

func TestWhatIsAllowedTodayIsSaidSo(t *testing.T) {
	t.Parallel()
	in := decrypts(judgeRole)
	in.Layer = access.Identity
	for _, code := range []string{"iam-policy-missing-action", "key-policy-missing-principal", "eventual-consistency"} {
		in.Causes = append(in.Causes, diagnose.Cause{Code: code, Confidence: 0.3})
	}
	j := diagnose.Judge(&in, world{}.estate(t), time.Time{})
	if !j.Allowed || !strings.Contains(j.Says, "is allowed") {
		t.Errorf("the request is allowed, and it is said: %s", j.Says)
	}
	if in.Causes[0].Code != "eventual-consistency" || in.Causes[0].Verdict != diagnose.Open || in.Causes[1].Verdict != diagnose.RuledOut || in.Causes[1].Confidence != 0 {
		t.Errorf("what an estate does not tell is first, and the rest is ruled out:\n%s", told(&in, &j))
	}
}

func TestWhatTheOperationFailsOfNextIsTold(t *testing.T) {
	t.Parallel()
	only := func(actions ...string) world {
		return world{identity: []string{`{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`}}
	}
	for _, tt := range []struct {
		name  string
		world world
		in    diagnose.Incident
		want  []string
	}{
		{"a copy that lacks all", only("s3:*"), through(decrypts(judgeRole), "ec2", "CopySnapshot", "kms:GenerateDataKeyWithoutPlaintext"), []string{"kms:DescribeKey", "kms:CreateGrant"}},
		{"a copy that lacks one more", only("kms:DescribeKey"), through(decrypts(judgeRole), "ec2", "CopySnapshot", "kms:GenerateDataKeyWithoutPlaintext"), []string{"kms:CreateGrant"}},
		{"what only one of two keys needs", only("s3:*"), through(decrypts(judgeRole), "ec2", "CopySnapshot", "kms:CreateGrant"), nil},
		{"a launch by Auto Scaling", world{key: []string{admits("arn:aws:iam::111122223333:root", "kms:DescribeKey")}}, launched(judgeSLR), []string{"kms:CreateGrant"}},
		{"a direct call", only("s3:*"), decrypts(judgeRole), nil},
		{"a call that is allowed", world{}, through(decrypts(judgeRole), "ec2", "CopySnapshot", "kms:GenerateDataKeyWithoutPlaintext"), nil},
	} {
		in := tt.in
		j := diagnose.Judge(&in, tt.world.estate(t), time.Time{})
		var got []string
		for i := range j.Next {
			got = append(got, j.Next[i].Use.Action)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: it fails next of %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTheHolderOfASessionsRightsIsItsRole(t *testing.T) {
	t.Parallel()
	e := world{}.estate(t)
	for caller, want := range map[string]string{
		judgeSession: judgeRole, judgeUser: judgeUser, "logs.amazonaws.com": "logs.amazonaws.com",
		"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling": judgeSLR,
		"arn:aws:sts::111122223333:assumed-role/unknown/one":                              "arn:aws:iam::111122223333:role/unknown",
	} {
		if got := diagnose.Holder(caller, e); got != want {
			t.Errorf("the holder of %s is %s, want %s", caller, got, want)
		}
	}
}

func TestWhatTheEstateCannotKnowStaysOpen(t *testing.T) {
	t.Parallel()
	unread := func(e *estate.Estate) { e.Keys[0].Policy = &estate.Document{Unreadable: "AccessDeniedException"} }
	for _, tt := range []struct {
		name  string
		world world
		in    diagnose.Incident
		code  string
		why   string
	}{
		{"the key policy could not be read", world{change: unread}, decrypts(judgeRole), "key-policy-missing-principal", "AccessDenied"},
		{"the role is not in the estate", world{key: []string{delegates}}, decrypts("arn:aws:iam::111122223333:role/gone"), "iam-policy-missing-action", "does not hold"},
		{"no organization is in the estate", world{change: func(e *estate.Estate) { e.Organization = nil }}, decrypts(judgeRole), "scp-deny", "no organization"},
		{"a session may have a policy of its own", world{}, decrypts(judgeRole), "session-policy-deny", "does not tell"},
		{"a call may come through an endpoint", world{}, decrypts(judgeRole), "vpce-deny", "VPC endpoint"},
		{"the text names no key", world{}, named(decrypts(judgeRole), ""), "iam-policy-missing-action", "does not name the key"},
		{"the text names nobody", world{}, func() diagnose.Incident { in := decrypts(judgeRole); in.Principal = ""; return in }(), "iam-policy-missing-action", "does not tell who"},
		{"the ciphertext may be damaged", world{}, decrypts(judgeRole), "corrupt-ciphertext", "does not tell"},
		{"the condition asks for what is not known", world{identity: []string{allows("Allow", "kms:Decrypt", "*", `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)}}, decrypts(judgeRole), "policy-condition-mismatch", "SourceIp"},
	} {
		in := tt.in
		in.Causes = []diagnose.Cause{{Code: tt.code, Confidence: 0.5}}
		j := diagnose.Judge(&in, tt.world.estate(t), time.Time{})
		i := slices.IndexFunc(in.Causes, func(c diagnose.Cause) bool { return c.Code == tt.code })
		if c := in.Causes[i]; c.Verdict != diagnose.Open || !strings.Contains(strings.ToLower(strings.Join(c.Why, " ")), strings.ToLower(tt.why)) {
			t.Errorf("%s: %s, want open because of %q\n%s", tt.name, said(&c), tt.why, told(&in, &j))
		}
	}
}

func TestMaskedNamesAreFoundInTheEstate(t *testing.T) {
	t.Parallel()
	none := world{identity: []string{allows("Allow", "s3:*", "*", "")}}
	for _, tt := range []struct{ name, principal, key string }{
		{"an account in asterisks", "arn:aws:sts::************:assumed-role/app/session", judgeKey},
		{"an account left out", "arn:aws:iam::<account>:user/carol", judgeKey},
		{"a bare name of a role", "restore", judgeKey},
		{"the key by its alias", judgeRole, "alias/data"},
		{"the key by the ARN of its alias", judgeRole, "arn:aws:kms:us-east-1:111122223333:alias/data"},
		{"the key by its id", judgeRole, judgeID},
	} {
		in := decrypts(tt.principal)
		in.Key, in.Account = tt.key, ""
		j := diagnose.Judge(&in, none.estate(t), time.Time{})
		if j.Principal == "" || j.Key != judgeKey || len(j.Asked) != 1 {
			t.Errorf("%s: asked of %q about %q, %d requests, %q", tt.name, j.Principal, j.Key, len(j.Asked), j.Notes)
		}
	}
}

func TestTheLikelihoodsOfAJudgedIncidentSumToOneAtMost(t *testing.T) {
	t.Parallel()
	in := decrypts(judgeFar)
	for _, code := range diagnose.Codes() {
		in.Causes = append(in.Causes, diagnose.Cause{Code: code, Confidence: 1 / float64(len(diagnose.Codes()))})
	}
	diagnose.Judge(&in, world{}.estate(t), time.Time{})
	sum := 0.0
	for i := range in.Causes {
		if sum += in.Causes[i].Confidence; i > 0 && in.Causes[i].Confidence > in.Causes[i-1].Confidence {
			t.Errorf("%s comes after %s and is likelier", in.Causes[i].Code, in.Causes[i-1].Code)
		}
	}
	if sum > 1.0001 || sum < 0.5 {
		t.Errorf("the likelihoods sum to %.3f", sum)
	}
}
