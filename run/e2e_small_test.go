package run_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	record "github.com/keyreach/keyreach/sandbox/cloudtrail"
)

// The accounts of the small world: a database and disks of production are opened in
// recovery.
const (
	production = "444455556666"
	recovery   = "111122223333"
	sharedKey  = "arn:aws:kms:us-east-1:444455556666:key/00000001-0a1b-4c2d-8e3f-000000000001"
)

const smallRoutes = `format_version: 1
accounts:
  production: {id: "444455556666", region: us-east-1, access: {profile: production}, actor: {role: Operator}}
  recovery: {id: "111122223333", region: us-east-1, access: {profile: recovery}, actor: {role: Operator}}
routes:
  - name: database
    kind: rds
    source: {account: production, key: "` + sharedKey + `"}
    target: {account: recovery, key: alias/recovered}
  - name: servers
    kind: ebs
    owner: {account: production, key: "` + sharedKey + `"}
    consumers:
      - {account: recovery, as: auto-scaling}
`

const (
	ownerOnly = `{"Version":"2012-10-17","Statement":[{"Sid":"Owner","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:*","Resource":"*"}]}`
	services  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"}]}`
	byAccount = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}]}`
)

// smallEstate is what the routes of the small world find: a key that only its account
// uses, a database under AWS's own key, and who may call every service but KMS.
func smallEstate(t testing.TB) (*estate.Estate, []route.Route) {
	t.Helper()
	f, err := route.Load(route.FileName, []byte(smallRoutes))
	if err != nil {
		t.Fatal(err)
	}
	principal := func(account string) string {
		return fmt.Sprintf(`{"arn":"arn:aws:iam::%s:role/Operator","trust":%s,"policies":[{"name":"services","kind":"inline","document":%s}]}`, account, fmt.Sprintf(byAccount, account), services)
	}
	e, err := estate.Load("estate.json", []byte(`{"format_version":1,
		"accounts":[{"id":"444455556666","name":"production"},{"id":"111122223333","name":"recovery"}],
		"principals":[`+principal(production)+`,`+principal(recovery)+`],
		"keys":[{"arn":"`+sharedKey+`","policy":`+ownerOnly+`}],
		"resources":[{"type":"rds:DBInstance","id":"orders","account":"444455556666","region":"us-east-1","key":"arn:aws:kms:us-east-1:444455556666:alias/aws/rds"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return e, f.Routes
}

// smallTwin is a twin of the small world, and the plan for it.
func smallTwin(t testing.TB) (*twin, *plan.Plan) {
	t.Helper()
	e, routes := smallEstate(t)
	w := newTwin(t, e)
	p, err := plan.Make(routes, w.estate(), plan.Options{At: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Stuck) > 0 || len(p.Steps) < 8 || len(p.Accounts()) != 2 {
		t.Fatalf("the plan has %d steps in %v and is stuck at %+v", len(p.Steps), p.Accounts(), p.Stuck)
	}
	return w, p
}

// again is another twin of the small world, and the same plan: it need not be made anew.
func again(t testing.TB, p *plan.Plan) (*twin, *plan.Plan) {
	t.Helper()
	e, _ := smallEstate(t)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var own plan.Plan
	if err := json.Unmarshal(text, &own); err != nil {
		t.Fatal(err)
	}
	return newTwin(t, e), &own
}

// ended is how the small world came out: what it says, and how often each thing was
// written. Keys go by what the plan called them, or by their aliases: AWS gives them
// other ids each time.
type ended struct {
	facts  map[string]string
	writes map[string]int
}

func (w *twin) ended() ended {
	w.Helper()
	e := w.estate()
	var ids []string
	for i := range e.Keys {
		k := &e.Keys[i]
		id := k.ARN[strings.LastIndexByte(k.ARN, '/')+1:]
		switch planned := k.Tags["keyreach:key"]; {
		case planned != "":
			ids = append(ids, id, "planned-as-"+planned)
		case len(k.Aliases) > 0:
			ids = append(ids, id, k.Aliases[0])
		}
	}
	named := strings.NewReplacer(ids...).Replace
	for i := range e.Principals {
		for j := range e.Principals[i].Policies {
			if a := &e.Principals[i].Policies[j]; a.Kind == "inline" {
				a.Document = &estate.Document{Unreadable: named(estate.CanonicalPolicy(a.Document.Source.String()))}
			}
		}
	}
	out := ended{map[string]string{}, map[string]int{}}
	for name, value := range facts(e) {
		out.facts[named(name)] = named(value)
	}
	for _, r := range w.effects(production, recovery) {
		out.writes[named(writeOf(&r))]++
	}
	return out
}

// writeOf says what a call wrote.
func writeOf(r *record.Record) string {
	m, _ := r.RequestParameters.(map[string]any)
	var about []string
	for _, name := range []string{"keyId", "aliasName", "roleName", "policyName", "name", "dBSnapshotIdentifier", "dBInstanceIdentifier", "targetDBSnapshotIdentifier"} {
		if v, ok := m[name].(string); ok {
			about = append(about, v[strings.LastIndexAny(v, "/")+1:])
		}
	}
	return r.EventName + " " + strings.Join(about, " ")
}

// same holds an end to another.
func (w *twin) same(want, got ended) {
	w.Helper()
	if diff := differences(want.facts, got.facts); diff != "" {
		w.Errorf("the end is another:\n%s", diff)
	}
	counts := func(m map[string]int) map[string]string {
		out := map[string]string{}
		for name, n := range m {
			out[name] = fmt.Sprint(n)
		}
		return out
	}
	if diff := differences(counts(want.writes), counts(got.writes)); diff != "" {
		w.Errorf("the writes are others:\n%s", diff)
	}
}

// reads reports whether an operation only looks.
func reads(operation string) bool {
	return slices.ContainsFunc([]string{"Get", "List", "Describe", "Lookup"}, func(p string) bool { return strings.HasPrefix(operation, p) })
}
