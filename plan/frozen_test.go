package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/plan"
)

// frozen is an organization whose service control policy keeps the key's account from an
// action on keys.
func frozen(action, condition string) string {
	return `,"organization":{"id":"o-abc1234567","management_account":"999999999999",
		"policies":{"frozen":{"Version":"2012-10-17","Statement":[{"Sid":"Freeze","Effect":"Deny","Action":"` + action + `","Resource":"*"` + condition + `}]}},
		"root":{"id":"r-ab12","scps":["FullAWSAccess"],"accounts":[{"id":"444455556666","scps":["FullAWSAccess","frozen"]},{"id":"111122223333","scps":["FullAWSAccess"]}]}}`
}

// Whoever can let somebody change a frozen key is the one who is asked to.
func TestTheLetterGoesToWhoeverCanThawTheKey(t *testing.T) {
	t.Parallel()
	const (
		byOne   = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/Operator"},"Action":["kms:PutKeyPolicy","kms:EnableKey"],"Resource":"*"}`
		byGone  = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/Nobody"},"Action":"kms:PutKeyPolicy","Resource":"*"}`
		refused = byOwner + `,{"Effect":"Deny","Principal":"*","Action":["kms:PutKeyPolicy","kms:CreateGrant"],"Resource":"*"}`
		notRoot = `,"Condition":{"StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:root"}}`
	)
	for _, tt := range []struct {
		name, statement, key, more string
		owner, do                  string
	}{
		{"a service control policy freezes the key", byOwner, "", frozen("kms:PutKeyPolicy", ""), "the management account of the organization", "\"Freeze\" for kms:PutKeyPolicy"},
		{"it freezes a key of one role", byOne, "", frozen("kms:PutKeyPolicy", ""), "the management account of the organization", "\"Freeze\" for kms:PutKeyPolicy"},
		{"it spares a root user whom the key policy does not name", byOne, "", frozen("kms:PutKeyPolicy", notRoot), "the management account of the organization", "\"Freeze\" for kms:PutKeyPolicy"},
		{"the key policy names nobody who is there", byGone, "", "", "account 444455556666, through AWS Support", "ask AWS Support"},
		{"the key policy names nobody, and a service control policy freezes it too", byGone, "", frozen("kms:PutKeyPolicy", ""), "account 444455556666, through AWS Support", "ask AWS Support"},
		{"the key policy denies it to everybody", refused, "", "", "account 444455556666, through AWS Support", "ask AWS Support"},
		{"a service control policy keeps a disabled key from being enabled", byOwner, `,"state":"Disabled"`, frozen("kms:EnableKey", ""), "the management account of the organization", "\"Freeze\" for kms:EnableKey"},
		{"the key policy lets nobody cancel a deletion", byTwo, `,"state":"PendingDeletion"`, "", "account 444455556666", "have the key policy let an administrator kms:CancelKeyDeletion"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			routes, e := takenWorld(t, ofDRS, keyBy(tt.statement, tt.key), tt.more)
			p := planned(t, routes, e, plan.Options{Chosen: plan.Chosen{EnableKeys: true}})
			if !slices.ContainsFunc(p.Stuck, func(s plan.Stuck) bool {
				return strings.HasPrefix(s.Owner, tt.owner) && strings.Contains(s.Do, tt.do) && strings.Contains(s.Message, "To: "+s.Owner)
			}) {
				t.Errorf("%d steps, stuck %+v", len(p.Steps), p.Stuck)
			}
			for _, s := range p.Stuck {
				if !strings.Contains(tt.owner, "AWS Support") && strings.Contains(s.Message, "AWS Support") {
					t.Errorf("the letter goes to AWS Support:\n%s", s.Message)
				}
			}
		})
	}
}
