package plan_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// TestAGrantHoldsWhatIsHandedOn: who may make grants by a grant may hand on what that allows
// and nothing else, so that the grant of a role that launches under the key of another
// account allows also what EC2's grant for the volume does.
func TestAGrantHoldsWhatIsHandedOn(t *testing.T) {
	t.Parallel()
	at := filepath.Join("..", "examples", "auto-scaling", route.FileName)
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	const key = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	f, err := route.Load(at, []byte(strings.Replace(string(text), "as: auto-scaling", `as: auto-scaling, key: "`+key+`"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, e := example(t, "auto-scaling")
	for _, tight := range []bool{false, true} {
		p := planned(t, f.Routes, e, plan.Options{Chosen: plan.Chosen{Tight: tight}})
		if len(p.Stuck) > 0 {
			t.Errorf("tight %v: stuck: %+v", tight, p.Stuck)
			continue
		}
		if o := opOf[*estate.GrantTo](t, p); slices.Contains(o.Operations, "CreateGrant") && !slices.Contains(o.Operations, "Decrypt") {
			t.Errorf("tight %v: the grant allows %v", tight, o.Operations)
		}
	}
}

// TestAGrantOfARoleThatWasMadeAnewIsMadeAnew: the old one names nobody any more.
func TestAGrantOfARoleThatWasMadeAnewIsMadeAnew(t *testing.T) {
	t.Parallel()
	routes, e := example(t, "auto-scaling")
	made := *opOf[*estate.GrantTo](t, planned(t, routes, e, plan.Options{}))
	for i := range e.Keys {
		if k := &e.Keys[i]; k.ARN == made.Key {
			k.Grants = append(k.Grants, estate.Grant{GrantID: "g-1", Name: made.Name, GranteePrincipal: "AROA0123456789ABCDEFG", Operations: []string{"Decrypt", "Encrypt"}, IssuingAccount: made.Issuer})
		}
	}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	if o := opOf[*estate.GrantTo](t, planned(t, routes, e, plan.Options{})); o.Name != made.Name || o.Grantee != made.Grantee {
		t.Errorf("the grant is %+v, and was %+v", o, made)
	}
}

// TestTheNameOfAGrantIsOneThatKMSTakes: roles may have letters in their names that grants
// may not.
func TestTheNameOfAGrantIsOneThatKMSTakes(t *testing.T) {
	t.Parallel()
	const plain, other = "AWSServiceRoleForAutoScaling", "AWSServiceRoleForAutoScaling_web.prod+1"
	at := filepath.Join("..", "examples", "auto-scaling")
	text, err := os.ReadFile(filepath.Join(at, route.FileName))
	if err != nil {
		t.Fatal(err)
	}
	f, err := route.Load(filepath.Join(at, route.FileName), []byte(strings.Replace(string(text), "as: auto-scaling", "actor: {role: aws-service-role/autoscaling.amazonaws.com/"+other+"}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, e := example(t, "auto-scaling")
	for i := range e.Principals {
		e.Principals[i].ARN = strings.Replace(e.Principals[i].ARN, plain, other, 1)
	}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	o := opOf[*estate.GrantTo](t, planned(t, f.Routes, e, plan.Options{}))
	if !strings.HasSuffix(o.Grantee, other) || !regexp.MustCompile(`^[a-zA-Z0-9:/_-]{1,256}$`).MatchString(o.Name) {
		t.Errorf("the grant for %s is called %s", o.Grantee, o.Name)
	}
}
