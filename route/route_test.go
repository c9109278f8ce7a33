package route_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// Every kind is whole: its steps name parties, keys and checks that there are.
func TestTheKindsAreWhole(t *testing.T) {
	t.Parallel()
	for _, k := range route.Kinds() {
		if k.About == "" || !strings.HasPrefix(k.Source, "https://docs.aws.amazon.com/") || len(k.Parties) == 0 || len(k.Steps) == 0 {
			t.Errorf("kind %s lacks something: %+v", k.Name, k)
		}
		for _, s := range k.Steps {
			if _, ok := k.Party(s.Party); !ok || s.About == "" || s.Actor == "" {
				t.Errorf("kind %s, step %s: %+v", k.Name, s.Name, s)
			}
			service, _, _ := strings.Cut(s.Operation, ":")
			if !awsfacts.KnownService(service) {
				t.Errorf("kind %s, step %s: operation %q", k.Name, s.Name, s.Operation)
			}
			for _, u := range usage.Of(s.Operation, s.Scenario) {
				if s.Keys[u.Key] == "" {
					t.Errorf("kind %s, step %s: no %s key for %s", k.Name, s.Name, u.Key, u.Action)
				}
			}
			if len(s.Keys) > 0 && len(usage.Of(s.Operation, s.Scenario)) == 0 {
				t.Errorf("kind %s, step %s: no row of %s in scenario %q", k.Name, s.Name, s.Operation, s.Scenario)
			}
		}
	}
}

const (
	staging = "444455556666"
	target  = "111122223333"
	keyARN  = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	stager  = "arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333"
	slr     = "arn:aws:iam::444455556666:role/aws-service-role/drs.amazonaws.com/AWSServiceRoleForElasticDisasterRecovery"
	actor   = "arn:aws:iam::111122223333:role/RecoveryOperator"
)

// world is the corrected example as values that a test can spoil.
func world(t testing.TB) map[string]any {
	t.Helper()
	data, err := os.ReadFile("../examples/drs-corrected/estate.json")
	if err != nil {
		t.Fatal(err)
	}
	var w map[string]any
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func list(w map[string]any, name string) []any { return w[name].([]any) }

func member(v any, name string) map[string]any { return v.(map[string]any)[name].(map[string]any) }

func prove(t testing.TB, w map[string]any, change func(*route.Route)) route.Proof {
	t.Helper()
	data, err := json.MarshalIndent(w, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.Load("estate.json", data)
	if err != nil {
		t.Fatal(err)
	}
	kind, _ := route.KindNamed("drs")
	r := &route.Route{Name: "r", Kind: kind, Parties: map[string][]route.Party{
		"staging": {{Account: staging, Region: "us-east-1", Key: keyARN}},
		"target":  {{Account: target, Region: "us-east-1", Actor: route.Actor{Principal: actor}}},
	}}
	if change != nil {
		change(r)
	}
	p, err := route.Prove(r, e, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	p.Find(r, e)
	return p
}

func step(p *route.Proof, name string) *route.StepProof {
	for i := range p.Steps {
		if p.Steps[i].Name == name {
			return &p.Steps[i]
		}
	}
	return &route.StepProof{}
}

// The corrected estate is proven; spoiled in one place, the step that needs it
// is not.
func TestProve(t *testing.T) {
	t.Parallel()
	keyOf := func(w map[string]any) map[string]any { return list(w, "keys")[0].(map[string]any) }
	statements := func(w map[string]any) []any { return list(member(keyOf(w), "policy"), "Statement") }
	drop := func(i int) func(map[string]any) {
		return func(w map[string]any) {
			member(keyOf(w), "policy")["Statement"] = slices.Delete(slices.Clone(statements(w)), i, i+1)
		}
	}
	tests := []struct {
		name    string
		spoil   func(map[string]any)
		change  func(*route.Route)
		step    string
		verdict route.Verdict
		rule    string
	}{
		{"nothing spoiled", nil, nil, "share", route.Proven, ""},
		{"the staging role is not admitted", drop(3), nil, "share", route.Blocked, "KEY001"},
		{"the target account is not admitted", drop(4), nil, "recover", route.Blocked, "KEY041"},
		{"the target's operator has no rights", func(w map[string]any) {
			p := list(w, "principals")[3].(map[string]any)
			p["policies"] = p["policies"].([]any)[:1]
		}, nil, "recover", route.Blocked, "KEY041"},
		{"DRS cannot make staging disks", drop(1), nil, "replicate", route.Blocked, ""},
		{"the default key is used", func(w map[string]any) { keyOf(w)["manager"] = "AWS" }, nil, "replicate", route.Blocked, "KEY003"},
		{"the replication settings use the default", func(w map[string]any) {
			member(list(w, "resources")[0], "attributes")["ebsEncryption"] = "DEFAULT"
		}, nil, "replicate", route.Blocked, "KEY003"},
		{"the replication settings name another key", func(w map[string]any) {
			list(w, "resources")[0].(map[string]any)["key"] = strings.Replace(keyARN, "1234abcd", "0000aaaa", 1)
		}, nil, "replicate", route.Blocked, "KEY003"},
		{"the server is not extended", func(w map[string]any) {
			member(list(w, "resources")[1], "attributes")["stagingArea.status"] = "EXTENSION_ERROR"
		}, nil, "recover", route.Blocked, ""},
		{"the target is in another Region", nil, func(r *route.Route) {
			r.Parties["target"][0].Region = "us-west-2"
		}, "extend", route.Blocked, "KEY024"},
		{"the staging role is not known", func(w map[string]any) { w["principals"] = list(w, "principals")[1:] }, nil, "share", route.OpenIf, ""},
		{"the key is not known", func(w map[string]any) { w["keys"] = []any{} }, nil, "share", route.OpenIf, ""},
		{"the key is disabled", func(w map[string]any) { keyOf(w)["state"] = "Disabled" }, nil, "share", route.Blocked, "KEY001"},
		{"nobody knows the organization's policies", func(w map[string]any) {
			w["organization"] = map[string]any{"id": "o-abc1234567", "root": map[string]any{"id": "r-ab12"}, "unreadable": "AccessDenied"}
		}, nil, "recover", route.OpenIf, ""},
		{"what AWS only asks for is missing", func(w map[string]any) {
			s := statements(w)[1].(map[string]any)
			s["Action"] = "kms:GenerateDataKey*"
		}, nil, "replicate", route.Fragile, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			if tt.spoil != nil {
				tt.spoil(w)
			}
			p := prove(t, w, tt.change)
			s := step(&p, tt.step)
			if s.Verdict != tt.verdict {
				t.Errorf("step %s is %v, want %v: %+v %+v", tt.step, s.Verdict, tt.verdict, s.Preconditions, s.Requests)
			}
			if p.Verdict < s.Verdict {
				t.Errorf("the route is %v with a step that is %v", p.Verdict, s.Verdict)
			}
			found := tt.rule == ""
			for _, f := range p.Findings {
				found = found || f.Rule == tt.rule
			}
			if !found {
				t.Errorf("no finding %s among %v", tt.rule, p.Findings)
			}
		})
	}
}

func TestAProofEndsWithTheKey(t *testing.T) {
	t.Parallel()
	w := world(t)
	list(w, "keys")[0].(map[string]any)["valid_to"] = "2027-01-01T00:00:00Z"
	p := prove(t, w, nil)
	if p.Verdict != route.Proven || !p.ValidUntil.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) || !strings.Contains(p.ValidWhy, "imported key material") {
		t.Errorf("%v, valid until %v: %s", p.Verdict, p.ValidUntil, p.ValidWhy)
	}
}

func TestOneAccountRecoversWithoutATarget(t *testing.T) {
	t.Parallel()
	p := prove(t, world(t), func(r *route.Route) { delete(r.Parties, "target") })
	var names []string
	for _, s := range p.Steps {
		names = append(names, s.Name)
	}
	if want := []string{"replicate", "snapshot", "recover"}; !slices.Equal(names, want) || p.Verdict != route.Proven {
		t.Errorf("steps %v, %v; want %v, proven", names, p.Verdict, want)
	}
}

// The volumes of the recovery may be made under a key of the target.
func TestTheTargetsOwnKeyIsAsked(t *testing.T) {
	t.Parallel()
	own := "arn:aws:kms:us-east-1:111122223333:key/own"
	withKey := func(r *route.Route) {
		r.Parties["target"][0].Key = own
	}
	w := world(t)
	w["keys"] = append(list(w, "keys"), map[string]any{"arn": own, "policy": map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + target + ":root"}, "Action": "kms:*", "Resource": "*"}}}})
	p := prove(t, w, withKey)
	s := step(&p, "volumes")
	if s.Verdict != route.Blocked {
		t.Errorf("without any right on its own key the operator's step is %v", s.Verdict)
	}
	var missing []string
	for _, g := range route.Groups(s.Requests) {
		if g.Verdict == route.Blocked {
			missing = append(missing, g.Use.Asks())
		}
	}
	if want := []string{"kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
}

// A service-linked role that a policy was meant for is told, and so is what is
// wrong with the policy itself.
func TestNotAttachedPoliciesAreFindings(t *testing.T) {
	t.Parallel()
	w := world(t)
	p := list(w, "principals")[1].(map[string]any)
	if p["arn"] != slr {
		t.Fatalf("the second principal is %v", p["arn"])
	}
	p["not_attached"] = []any{map[string]any{"name": "DRSAccess", "reason": "UnmodifiableEntity", "document": map[string]any{
		"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "kms:*", "Resource": keyARN,
			"Condition": map[string]any{"StringEquals": map[string]any{"kms:ViaService": "ec2.us-west-2.amazonaws.com"}}}}}}}
	proof := prove(t, w, nil)
	var rules []string
	for _, f := range proof.Findings {
		if f.Subject == slr {
			rules = append(rules, f.Rule)
		}
	}
	if want := []string{"KEY010", "KEY014"}; !slices.Equal(rules, want) {
		t.Errorf("findings %v, want %v", rules, want)
	}
}

func TestSharingActorIsTheStagingRole(t *testing.T) {
	t.Parallel()
	p := prove(t, world(t), nil)
	if s := step(&p, "share"); s.Actor != stager || len(s.Requests) != 2 || s.Requests[0].Caller != stager {
		t.Errorf("step share: %+v", s)
	}
}

// A proof says what it rests on by inference; a blocked step rests on nothing.
func TestAProofSaysWhatIsInferred(t *testing.T) {
	t.Parallel()
	p := prove(t, world(t), nil)
	var steps []string
	for _, in := range p.Inferred() {
		if in.From == "" || len(in.What) == 0 {
			t.Errorf("%+v", in)
		}
		steps = append(steps, in.Steps...)
	}
	if want := []string{"replicate", "extend"}; !slices.Equal(steps, want) {
		t.Errorf("inferred in %v, want %v", steps, want)
	}
	w := world(t)
	list(w, "keys")[0].(map[string]any)["manager"] = "AWS"
	p = prove(t, w, nil)
	for _, in := range p.Inferred() {
		if slices.Contains(in.Steps, "replicate") {
			t.Errorf("a blocked step: %+v", in)
		}
	}
}

func TestAKeyOutsideAWSIsToldApart(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"AWS_KMS":            "",
		"EXTERNAL_KEY_STORE": "an external key store",
		"AWS_CLOUDHSM":       "a CloudHSM key store",
	} {
		w := world(t)
		list(w, "keys")[0].(map[string]any)["origin"] = origin
		p := prove(t, w, nil)
		told := ""
		for _, f := range p.Findings {
			if f.Rule == "KEY022" {
				told = f.Text
			}
		}
		if p.Verdict != route.Proven || (want == "") != (told == "") || !strings.Contains(told, want) {
			t.Errorf("%s: %v, %q; want proven and %q", origin, p.Verdict, told, want)
		}
	}
}
