package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// broad is an estate of forty principals in four accounts and six keys, whose
// first key has the policy.
func broad(t testing.TB, first raw) *estate.Estate {
	t.Helper()
	e := &estate.Estate{FormatVersion: 1, Organization: &estate.Organization{
		ID: "o-abc1234567", ManagementAccount: "999999999999", Policies: map[string]*estate.Document{"guard": read(doc(allow("*"), deny("kms:ScheduleKeyDeletion")))},
		Root: estate.Unit{ID: "r-ab12", SCPs: []string{"FullAWSAccess", "guard"}, Units: []estate.Unit{{ID: "ou-ab12-1", SCPs: []string{"FullAWSAccess"}}, {ID: "ou-ab12-2", SCPs: []string{"FullAWSAccess"}}}},
	}}
	accounts := []string{owner, other, "333333333333", "444444444444"}
	for i, id := range accounts {
		e.Accounts = append(e.Accounts, estate.Account{ID: id})
		u := &e.Organization.Root.Units[i%2]
		u.Accounts = append(u.Accounts, estate.AccountPolicies{ID: id, SCPs: []string{"FullAWSAccess"}})
	}
	own := read(doc(allow("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"), when(allow("kms:CreateGrant"), `{"Bool":{"kms:GrantIsForAWSResource":"true"}}`)))
	for i := range 40 {
		e.Principals = append(e.Principals, estate.Principal{
			ARN: fmt.Sprintf("arn:aws:iam::%s:role/app%d", accounts[i%4], i), Policies: []estate.Attached{{Name: "use", Document: own}},
			Trust: read(doc(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`)),
		})
	}
	for i := range 6 {
		p := first
		if i > 0 {
			p = delegates
		}
		e.Keys = append(e.Keys, estate.Key{ARN: fmt.Sprintf("arn:aws:kms:us-east-1:%s:key/%08x-12ab-34cd-56ef-1234567890ab", owner, i), Policy: read(p)})
	}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	return e
}

// The usual statements for another account: use, and grants for AWS resources,
// by way of a service.
func openedForAccount() raw {
	use := when(to(xroot, "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"),
		`{"StringEquals":{"kms:ViaService":["ec2.us-east-1.amazonaws.com","rds.us-east-1.amazonaws.com"],"aws:PrincipalOrgID":"o-abc1234567"},"StringLike":{"kms:EncryptionContext:aws:ebs:id":"vol-*"}}`)
	return doc(to(root, "kms:*"), use, when(to(xroot, "kms:CreateGrant"), `{"Bool":{"kms:GrantIsForAWSResource":"true"}}`),
		when(denyTo("*", "kms:*"), `{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-abc1234567"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}`))
}

func BenchmarkGains(b *testing.B) {
	before := broad(b, delegates)
	for _, bm := range []struct {
		name  string
		after raw
	}{
		{"an account opened", openedForAccount()},
		{"opened for everybody", doc(to(root, "kms:*"), to("*", "kms:*"))},
		{"nothing", delegates},
	} {
		after := broad(b, bm.after)
		b.Run(bm.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = len(access.Gains(before, after, access.Probes{}))
			}
			b.ReportMetric(float64(n), "gains")
		})
	}
}

// A plan is compared whenever it is made, shown and applied, so it may not take
// long; the bound is far above what it takes.
func TestGainsAreFoundInTime(t *testing.T) {
	t.Parallel()
	before, after := broad(t, delegates), broad(t, openedForAccount())
	start := time.Now()
	gains := access.Gains(before, after, access.Probes{})
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(gains) == 0 {
		t.Error("nothing opened")
	}
	if again := access.Gains(before, after, access.Probes{}); !slices.Equal(lines(gains), lines(again)) {
		t.Error("two answers to one question")
	}
	for _, g := range gains {
		if g.Incomplete {
			t.Errorf("given up: %+v", g)
		}
	}
}

func TestABoundIsTold(t *testing.T) {
	t.Parallel()
	gains := access.Gains(broad(t, delegates), broad(t, openedForAccount()), access.Probes{Decisions: 10})
	for _, g := range gains {
		if g.Incomplete && g.Why != "" {
			return
		}
	}
	t.Errorf("after ten decisions nothing is incomplete: %v", lines(gains))
}

func TestAProbeThatIsNoneIsTold(t *testing.T) {
	t.Parallel()
	gains := access.Gains(broad(t, delegates), broad(t, delegates), access.Probes{Principals: []string{"nobody at all"}})
	if len(gains) != 1 || !gains[0].Incomplete {
		t.Errorf("%+v", gains)
	}
}
