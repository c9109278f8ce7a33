package access_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// caseA is a role session of one account that decrypts under a key of another:
// a key policy of four statements, an identity policy of three, six context
// keys.
func caseA(t testing.TB) *estate.Case {
	t.Helper()
	f, err := os.Open("testdata/case-a.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for l := range estate.ReadCases("case-a", f) {
		if l.Err != nil {
			t.Fatal(l.Err)
		}
		return l.Case
	}
	t.Fatal("no case")
	return nil
}

func TestCaseAIsAllowedWithoutAllocation(t *testing.T) {
	c := caseA(t)
	if got := access.Decide(c); got != access.Allow {
		t.Fatalf("decision %v: %+v", got, access.Authorize(c).Blockers)
	}
	if n := testing.AllocsPerRun(100, func() { access.Decide(c) }); n != 0 {
		t.Errorf("a decision takes %v allocations, and it should take none", n)
	}
}

func BenchmarkCaseA(b *testing.B) {
	c := caseA(b)
	b.Run("keyreach decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if access.Decide(c) != access.Allow {
				b.Fatal("denied")
			}
		}
	})
	b.Run("keyreach evidence", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d := access.Authorize(c); d.Effect != access.Allow {
				b.Fatal("denied")
			}
		}
	})
	b.Run("cedar-go decision", func(b *testing.B) {
		ps, entities, request := cedarCaseA(b)
		b.ReportAllocs()
		for b.Loop() {
			if ok, _ := cedar.Authorize(ps, entities, request); ok != cedar.Allow {
				b.Fatal("denied")
			}
		}
	})
}

// cedarCaseA says the same in Cedar: the two sides of the account boundary
// become two conditions of one permit, which is less than AWS's rule.
func cedarCaseA(t testing.TB) (*cedar.PolicySet, cedar.EntityMap, cedar.Request) {
	t.Helper()
	ps, err := cedar.NewPolicySetFromBytes("case-a.cedar", []byte(`
permit (principal in Account::"111111111111", action in Action::"kms", resource);
permit (principal in Account::"222222222222",
        action in [Action::"kms:Encrypt", Action::"kms:Decrypt", Action::"kms:ReEncryptFrom", Action::"kms:ReEncryptTo", Action::"kms:GenerateDataKey", Action::"kms:DescribeKey"],
        resource)
when {
  ["s3.us-east-1.amazonaws.com", "sqs.us-east-1.amazonaws.com"].contains(context.viaService) && context.callerAccount == "222222222222" &&
  context has s3arn && context.s3arn like "arn:aws:s3:::bkt*"
};
permit (principal in Account::"222222222222", action in [Action::"kms:CreateGrant", Action::"kms:ListGrants", Action::"kms:RevokeGrant"], resource)
when { context has grantIsForAWSResource && context.grantIsForAWSResource };
forbid (principal, action in Action::"kms", resource)
unless { (context has principalOrgID && context.principalOrgID == "o-abc123") || (context has principalIsAWSService && context.principalIsAWSService) };
permit (principal == Role::"app", action in [Action::"s3:GetObject", Action::"s3:PutObject"], resource in Bucket::"bkt");
forbid (principal == Role::"app", action in [Action::"kms:ScheduleKeyDeletion", Action::"kms:DisableKey"], resource);
`))
	if err != nil {
		t.Fatal(err)
	}
	uid := func(typ, id string) cedar.EntityUID {
		return cedar.NewEntityUID(cedar.EntityType(typ), cedar.String(id))
	}
	app, decryptAction, k := uid("Role", "app"), uid("Action", "kms:Decrypt"), uid("Key", "1234abcd")
	entities := cedar.EntityMap{
		app:           {UID: app, Parents: cedar.NewEntityUIDSet(uid("Account", "222222222222"))},
		decryptAction: {UID: decryptAction, Parents: cedar.NewEntityUIDSet(uid("Action", "kms"))},
		k:             {UID: k, Parents: cedar.NewEntityUIDSet(uid("Account", "111111111111"))},
	}
	request := cedar.Request{Principal: app, Action: decryptAction, Resource: k, Context: cedar.NewRecord(cedar.RecordMap{
		"viaService": cedar.String("s3.us-east-1.amazonaws.com"), "callerAccount": cedar.String("222222222222"),
		"s3arn": cedar.String("arn:aws:s3:::bkt/a"), "principalOrgID": cedar.String("o-abc123"), "principalIsAWSService": cedar.False,
	})}
	if ok, _ := cedar.Authorize(ps, entities, request); ok != cedar.Allow {
		t.Fatal("the Cedar form of case A is denied")
	}
	return ps, entities, request
}

const (
	largeKeys     = 1000
	largeRoles    = 200
	largeRequests = 1_000_000
)

// largeEstate has a thousand keys in ten accounts and two hundred roles in
// ten others, in an organization with control policies.
func largeEstate(t testing.TB) *estate.Estate {
	t.Helper()
	document := func(text string) *estate.Document {
		d, _, err := policy.Read("large", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return estate.NewDocument(d)
	}
	e := &estate.Estate{Organization: &estate.Organization{
		ID: "o-abc123", ManagementAccount: "999999999999",
		Policies: map[string]*estate.Document{"guard": document(string(doc(allow("*"), deny("kms:ScheduleKeyDeletion"))))},
		Root:     estate.Unit{ID: "r-1", SCPs: []string{"FullAWSAccess", "guard"}},
	}}
	for i := range 20 {
		id := fmt.Sprintf("%012d", 100000000000+i)
		e.Accounts = append(e.Accounts, estate.Account{ID: id})
		e.Organization.Root.Accounts = append(e.Organization.Root.Accounts, estate.AccountPolicies{ID: id, SCPs: []string{"FullAWSAccess"}})
	}
	c := caseA(t)
	for i := range largeKeys {
		e.Keys = append(e.Keys, estate.Key{
			ARN:    fmt.Sprintf("arn:aws:kms:us-east-1:%012d:key/%08x-12ab-34cd-56ef-1234567890ab", 100000000000+i%10, i),
			Policy: estate.NewDocument(c.Resource.Source), Aliases: []string{fmt.Sprintf("alias/k%d", i)},
		})
	}
	for i := range largeRoles {
		e.Principals = append(e.Principals, estate.Principal{
			ARN:      fmt.Sprintf("arn:aws:iam::%012d:role/app%d", 100000000010+i%10, i),
			Policies: []estate.Attached{{Name: "use", Kind: "inline", Document: estate.NewDocument(c.Identity[0].Source)}},
		})
	}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	return e
}

func largeBatch(t testing.TB, e *estate.Estate, n int) []estate.Request {
	t.Helper()
	requests := make([]estate.Request, n)
	var via estate.Given
	via.Set("kms:ViaService", policy.One("s3.us-east-1.amazonaws.com"))
	via.Set("kms:EncryptionContext:aws:s3:arn", policy.One("arn:aws:s3:::bkt/a"))
	actions := [...]string{"kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:DescribeKey"}
	for i := range requests {
		r, err := estate.NewRequest(e.Principals[i%largeRoles].ARN, actions[i%len(actions)], e.Keys[(i/7)%largeKeys].ARN)
		if err != nil {
			t.Fatal(err)
		}
		r.Context = via
		requests[i] = r
	}
	return requests
}

func TestDecideAllIsDecideOfEach(t *testing.T) {
	t.Parallel()
	e := largeEstate(t)
	requests := largeBatch(t, e, 3000)
	for _, workers := range []int{0, 1, 2, 7} {
		for i, got := range access.DecideAll(e, requests, workers) {
			c := e.Bind(requests[i])
			if want := access.Decide(&c); got != want {
				t.Fatalf("with %d workers request %d is %v, alone it is %v", workers, i, got, want)
			}
		}
	}
}

// BenchmarkBatch decides a million requests over a thousand keys with one
// worker and with two, in turn, and reports how many times faster two are.
func BenchmarkBatch(b *testing.B) {
	e := largeEstate(b)
	requests := largeBatch(b, e, largeRequests)
	var one, two time.Duration
	measure := func(workers int) time.Duration {
		start := time.Now()
		access.DecideAll(e, requests, workers)
		return time.Since(start)
	}
	for round := 0; b.Loop(); round++ {
		// Each goes first every other time.
		if round%2 == 0 {
			one += measure(1)
			two += measure(2)
		} else {
			two += measure(2)
			one += measure(1)
		}
	}
	b.ReportMetric(float64(one)/float64(two), "speedup")
	b.ReportMetric(float64(one.Nanoseconds())/float64(b.N*largeRequests), "ns/decision")
}
