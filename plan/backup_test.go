package plan_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

const stores = `
accounts:
  cluster: {id: "444455556666", region: us-east-1, actor: {role: nodes}}
  recovery: {id: "111122223333", region: us-east-1, actor: {role: restorer}}
routes:
  - name: ca
    kind: backup
    vault: {account: recovery, key: alias/one}
    hosts: [cluster]
    restorers: [recovery]
    backup:
      store: s3://example-org-backups/step-ca
      source: {kind: step-ca, path: /etc/step-ca}
      keys: [{account: cluster, key: alias/two}]
      admins: {account: recovery, actor: {role: admin}}
      retention: {days: 90, expire: true}
      max_age: 36h
  - name: etcd
    kind: backup
    vault: {account: recovery, key: alias/one}
    hosts: [cluster]
    restorers: [recovery]
    backup:
      store: s3://example-org-backups/etcd
      source: {kind: etcd, path: /var/snapshot.db}
`

const twoAccounts = `{"format_version": 1, "accounts": [{"id": "444455556666"}, {"id": "111122223333"}], "keys": [], "principals": [
 {"arn": "arn:aws:iam::444455556666:role/nodes"}, {"arn": "arn:aws:iam::111122223333:role/restorer"}, {"arn": "arn:aws:iam::111122223333:role/admin"}]`

// backups are the routes of two stores in one bucket, on an estate with a lifecycle of the
// bucket; without one there is no bucket yet.
func backups(t *testing.T, text, lifecycle string) ([]route.Route, *estate.Estate) {
	t.Helper()
	f, err := route.Load("keyreach.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	data := twoAccounts + "}"
	if lifecycle != "" {
		data = twoAccounts + `, "resources": [{"type": "s3:Bucket", "id": "example-org-backups", "arn": "arn:aws:s3:::example-org-backups", "account": "111122223333", "region": "us-east-1", "attributes": {"lifecycle": ` + string(jsonOf(lifecycle)) + `}}]}`
	}
	e, err := estate.Load("estate.json", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return f.Routes, e
}

// A plan makes keys, bucket and rights, opens the routes, and leaves nothing for another.
func TestAPlanSetsBackupsUp(t *testing.T) {
	t.Parallel()
	routes, e := backups(t, stores, "")
	p := planned(t, routes, e, plan.Options{})
	if len(p.Stuck) > 0 {
		t.Fatalf("stuck at %+v", p.Stuck)
	}
	after := performed(t, p, e)
	for i := range routes {
		proof, err := route.Prove(&routes[i], after, noon)
		if err != nil || proof.Verdict != route.Proven {
			t.Errorf("route %s is %v, %v", routes[i].Name, proof.Verdict, err)
		}
	}
	if again := planned(t, routes, after, plan.Options{}); !again.Empty() {
		t.Errorf("a second plan has %d steps, first %s", len(again.Steps), again.Steps[0].Op.Slot())
	}
	one := planned(t, routes[:1], after, plan.Options{})
	if !one.Empty() {
		t.Errorf("a plan for one of the routes takes back what the other has: %s", one.Steps[0].Op.Slot())
	}
	kinds := map[string]int{}
	for i := range p.Steps {
		kinds[p.Steps[i].Op.Slot().Kind]++
	}
	if kinds["key"] != 2 || kinds["rotation"] != 2 || kinds["bucket"] != 1 || kinds["bucket-setting"] != 6 {
		t.Errorf("steps %v", kinds)
	}
	rules := lifecycleOf(t, after)
	want := []string{"keyreach-expire step-ca", "keyreach-uploads etcd", "keyreach-uploads step-ca", "keyreach-versions etcd", "keyreach-versions step-ca"}
	var ids []string
	for id := range rules {
		ids = append(ids, id)
	}
	if slices.Sort(ids); !slices.Equal(ids, want) {
		t.Errorf("lifecycle rules %v, want %v", ids, want)
	}
	if days := rules["keyreach-uploads etcd"]["AbortIncompleteMultipartUpload"].(map[string]any)["DaysAfterInitiation"]; days != 2.0 {
		t.Errorf("uploads are given up after %v days", days)
	}
}

// What is set up lets everybody do their work: who prunes looks at each backup for its lock.
func TestTheRightsThatAreSetUpAreThoseThatTheWorkTakes(t *testing.T) {
	t.Parallel()
	const bucket = "arn:aws:s3:::example-org-backups"
	const backup = bucket + "/step-ca/x.age"
	routes, e := backups(t, stores, "")
	after := performed(t, planned(t, routes, e, plan.Options{}), e)
	for _, who := range []struct {
		role           string
		does, doesNot  []string // with a backup
		toTheWholeList []string
	}{
		{"444455556666:role/nodes", []string{"s3:PutObject", "s3:AbortMultipartUpload"}, []string{"s3:DeleteObject", "s3:GetObject"}, []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}},
		{"111122223333:role/restorer", []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"}, []string{"s3:DeleteObject", "s3:PutObject"}, []string{"s3:ListBucket", "s3:ListBucketVersions"}},
		{"111122223333:role/admin", []string{"s3:DeleteObject", "s3:AbortMultipartUpload", "s3:GetObject", "s3:GetObjectRetention", "s3:GetObjectLegalHold"}, []string{"s3:PutObject", "s3:DeleteObjectVersion"}, []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}},
	} {
		may := func(action, resource string) bool {
			r, err := estate.NewRequest("arn:aws:iam::"+who.role, action, resource)
			if err != nil {
				t.Fatal(err)
			}
			r.At = noon
			c := after.Bind(r)
			d := access.Authorize(&c)
			return d.Effect == access.Allow
		}
		for _, action := range who.does {
			if !may(action, backup) {
				t.Errorf("%s may not %s", who.role, action)
			}
		}
		for _, action := range who.doesNot {
			if may(action, backup) {
				t.Errorf("%s may %s", who.role, action)
			}
		}
		for _, action := range who.toTheWholeList {
			if !may(action, bucket) {
				t.Errorf("%s may not %s", who.role, action)
			}
		}
	}
}

// A right that a newer version needs, or that somebody took away, goes back into the
// statement that is there.
func TestARightThatIsMissingInAStatementOfAPlanIsPutBack(t *testing.T) {
	t.Parallel()
	routes, e := backups(t, stores, "")
	after := performed(t, planned(t, routes, e, plan.Options{}), e)
	for _, action := range []string{"s3:GetObjectVersion", "s3:AbortMultipartUpload", "s3:GetObjectLegalHold"} {
		data, err := after.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		stands := `\\?"` + action + `\\?"`
		less := regexp.MustCompile(stands+`,\s*|,\s*`+stands).ReplaceAllString(text, "")
		if less == text {
			t.Fatalf("nothing allows %s", action)
		}
		short, err := estate.Load("estate.json", []byte(less))
		if err != nil {
			t.Fatal(err)
		}
		p := planned(t, routes, short, plan.Options{})
		if p.Empty() {
			t.Errorf("%s is not missed", action)
		}
		if again := planned(t, routes, performed(t, p, short), plan.Options{}); !again.Empty() {
			t.Errorf("%s: a second plan has %d steps", action, len(again.Steps))
		}
	}
}

// lifecycleOf are the rules of the estate's one bucket, by their ids.
func lifecycleOf(t *testing.T, e *estate.Estate) map[string]map[string]any {
	t.Helper()
	rules := map[string]map[string]any{}
	for i := range e.Resources {
		var l struct{ Rules []map[string]any }
		if err := json.Unmarshal([]byte(e.Resources[i].Attributes[estate.BucketLifecycle]), &l); err != nil {
			t.Fatal(err)
		}
		for _, r := range l.Rules {
			rules[r["ID"].(string)] = r
		}
	}
	return rules
}

// An end that the route no longer asks for goes, and the rest stays.
func TestAnEndThatNobodyAsksForGoes(t *testing.T) {
	t.Parallel()
	routes, e := backups(t, stores, "")
	after := performed(t, planned(t, routes, e, plan.Options{}), e)
	routes, _ = backups(t, strings.Replace(stores, ", expire: true", "", 1), "")
	after = performed(t, planned(t, routes, after, plan.Options{}), after)
	if rules := lifecycleOf(t, after); rules["keyreach-expire step-ca"] != nil || len(rules) != 4 {
		t.Errorf("rules %v", rules)
	}
}

func TestLifecyclesOfOthers(t *testing.T) {
	t.Parallel()
	rule := func(prefix, days string) string {
		return `{"Rules":[{"ID":"theirs","Status":"Enabled","Filter":{"Prefix":"` + prefix + `"},"Expiration":{"Days":` + days + `}}]}`
	}
	tests := []struct {
		name, lifecycle, stuck string
	}{
		{"another prefix is left", rule("logs/", "1"), ""},
		{"late enough to be noticed", rule("step-ca/", "30"), ""},
		{"sooner than twice max_age", rule("step-ca/", "2"), "hides backups after 2 days"},
		{"a store without max_age", rule("etcd/", "365"), "hides backups after 365 days"},
		{"everything in the bucket", rule("", "365"), "hides backups after 365 days"},
		{"a rule that is off", strings.Replace(rule("", "1"), "Enabled", "Disabled", 1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			routes, e := backups(t, stores, tt.lifecycle)
			p := planned(t, routes, e, plan.Options{})
			if tt.stuck != "" {
				if len(p.Stuck) == 0 || !strings.Contains(p.Stuck[0].What, tt.stuck) {
					t.Errorf("stuck at %+v, want %s", p.Stuck, tt.stuck)
				}
				return
			}
			if len(p.Stuck) > 0 {
				t.Fatalf("stuck at %+v", p.Stuck)
			}
			if rules := lifecycleOf(t, performed(t, p, e)); rules["theirs"] == nil || len(rules) != 6 {
				t.Errorf("%d rules: %v", len(rules), rules)
			}
		})
	}
}

// Plans for backups that somebody made wider are refused.
func TestWidenedBackupPlansAreRefused(t *testing.T) {
	t.Parallel()
	replace := func(from, to string) func(estate.Op) bool {
		return func(op estate.Op) bool {
			var text *string
			switch o := op.(type) {
			case *estate.KeyPolicy:
				text = &o.Document
			case *estate.InlinePolicy:
				text = &o.Document
			case *estate.BucketSetting:
				text = &o.Text
			default:
				return false
			}
			was := *text
			*text = strings.Replace(was, from, to, 1)
			return *text != was
		}
	}
	tests := []struct {
		name  string
		widen func(estate.Op) bool
	}{
		{"another context", replace(`"kms:EncryptionContext:app":"keyreach"`, `"kms:EncryptionContext:app":"*"`)},
		{"any context", replace(`,"kms:EncryptionContext:app":"keyreach"`, ``)},
		{"decryption by hosts", replace(`"Action":"kms:Encrypt"`, `"Action":"kms:Decrypt"`)},
		{"deletion by hosts", replace(`"s3:PutObject"`, `"s3:DeleteObject"`)},
		{"all of the bucket", replace(`example-org-backups/step-ca/*`, `example-org-backups/*`)},
		{"an earlier end", replace(`"Days":90`, `"Days":1`)},
		{"no versions", replace("Enabled", "Suspended")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			routes, e := backups(t, stores, "")
			o := plan.Options{At: noon}
			p := planned(t, routes, e, o)
			if !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return tt.widen(s.Op) }) {
				t.Fatal("nothing of the plan was changed")
			}
			var refused *plan.RefusedError
			if err := p.Check(routes, e, o); !errors.As(err, &refused) {
				t.Errorf("it passes: %v", err)
			}
		})
	}
}
