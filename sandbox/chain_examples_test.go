package sandbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// exampleRegion are the Regions of the examples, in whose place the tests have theirs.
var exampleRegion = regexp.MustCompile(`\b(eu-central-1|us-west-2)\b`)

// exampleText is a file of an example with the accounts of the tests: those that have the
// data and those that need it stand the other way round there.
func exampleText(t *testing.T, name, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", name, file))
	if err != nil {
		t.Fatal(err)
	}
	swapped := regexp.MustCompile(owner+"|"+consumer).ReplaceAllStringFunc(string(text), func(account string) string {
		if account == owner {
			return consumer
		}
		return owner
	})
	return []byte(exampleRegion.ReplaceAllString(swapped, home))
}

// exampleJourney is a chain in a sandbox of an example's estate. What its actors may do
// but use keys is added, since an estate does not say it.
func (c *chain) exampleJourney(t *testing.T, name string) *journey {
	t.Helper()
	e, err := estate.Load("estate.json", exampleText(t, name, "estate.json"))
	if err != nil {
		t.Fatal(err)
	}
	// What a chain is about it makes itself.
	e.Resources = slices.DeleteFunc(e.Resources, func(r estate.Resource) bool { return r.Type == "rds:DBInstance" || strings.HasPrefix(r.Type, "drs:") })
	for i := range e.Principals {
		p := &e.Principals[i]
		p.Policies = append(p.Policies, estate.Attached{Name: "rest", Kind: "inline", Document: gate.Document("rest", allButKeys)})
	}
	f, err := route.Load("keyreach.yaml", exampleText(t, name, "keyreach.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	j := &journey{world: newWorldWith(t, sandbox.Options{Estate: e}), chain: c, route: f.Routes[0], made: map[string]string{}}
	for part, parties := range j.route.Parties {
		for _, p := range parties {
			switch part {
			case "staging", "source", "vault":
				j.keys[0] = p.Key
			case "target":
				j.keys[1] = p.Key
			}
			j.employ(p.Actor.Principal)
		}
	}
	c.prepare(j)
	return j
}

// allButKeys is what everybody may do beside what the estate says of keys.
const allButKeys = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"}]}`

// employ lets its account be an actor's role.
func (j *journey) employ(principal string) {
	j.Helper()
	p, err := arn.ParsePrincipal(principal)
	if err != nil || p.Kind != arn.Role {
		return // a party without an actor, or a user
	}
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}]}`, p.Account)
	need(iam.NewFromConfig(j.root(p.Account)).UpdateAssumeRolePolicy(j.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &p.Name, PolicyDocument: &trust}))(j)
}

// What check says of the examples that people can read, the sandbox does.
func TestTheExamplesEndAtTheStepThatCheckNames(t *testing.T) {
	t.Parallel()
	stage := func(j *journey) {
		j.stage()
		j.site(consumer, "")
	}
	for _, x := range []struct {
		chain   chain
		prepare func(*journey)
		names   []string
	}{
		{rdsChain(), nil, []string{"rds-default-key", "rds-default-key-corrected"}},
		{auroraChain(), nil, []string{"aurora", "aurora-corrected"}},
		{backupChain(), nil, []string{"etcd-backup", "etcd-backup-corrected"}},
		{drsChains()[1], stage, []string{"drs-cross-account", "drs-authfailure", "drs-corrected"}},
	} {
		for _, name := range x.names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := x.chain
				if x.prepare != nil {
					c.prepare = x.prepare
				}
				j := c.exampleJourney(t, name)
				proof := j.prove()
				want, _ := blocked(&proof)
				step, err := j.perform(&proof)
				if step != want {
					t.Errorf("check says %q is blocked; in the sandbox it is %q: %v", want, step, err)
				}
				t.Logf("%q: %v", step, err)
			})
		}
	}
}
