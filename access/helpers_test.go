package access_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// The people and things of the tests: a key in account 111111111111, and
// principals in its account and in 222222222222.
const (
	owner  = "111111111111"
	other  = "222222222222"
	key    = "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	role   = "arn:aws:iam::111111111111:role/app"
	sess   = "arn:aws:sts::111111111111:assumed-role/app/one"
	user   = "arn:aws:iam::111111111111:user/carol"
	root   = "arn:aws:iam::111111111111:root"
	fed    = "arn:aws:sts::111111111111:federated-user/guest"
	xrole  = "arn:aws:iam::222222222222:role/app"
	xsess  = "arn:aws:sts::222222222222:assumed-role/app/one"
	xroot  = "arn:aws:iam::222222222222:root"
	asgSLR = "arn:aws:iam::222222222222:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
)

type raw = json.RawMessage

// question is a case in short: only what differs from the plain case is said.
type question struct {
	by, do, on string // principal, action, resource; default key
	id         string // principal_id
	roleARN    string
	account    string // resource_account
	ctx        map[string]any
	identity   []raw
	boundary   raw
	session    raw
	resource   raw
	endpoint   raw
	scp, rcp   [][]raw
	grants     []map[string]any
	key        map[string]any
}

// line writes the question in the case form.
func (q question) line() string {
	request := map[string]any{"principal": q.by, "action": q.do, "resource": key, "context": q.ctx}
	for name, v := range map[string]string{"resource": q.on, "principal_id": q.id, "role_arn": q.roleARN, "resource_account": q.account} {
		if v != "" {
			request[name] = v
		}
	}
	policies := map[string]any{"identity": q.identity}
	for name, v := range map[string]raw{"boundary": q.boundary, "session": q.session, "resource": q.resource, "endpoint": q.endpoint} {
		if v != nil {
			policies[name] = v
		}
	}
	if q.scp != nil {
		policies["scp"] = q.scp
	}
	if q.rcp != nil {
		policies["rcp"] = q.rcp
	}
	c := map[string]any{"id": "t", "request": request, "policies": policies, "grants": q.grants}
	if q.key != nil {
		c["key"] = q.key
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// bind reads the question as a case.
func bind(t testing.TB, q question) *estate.Case {
	t.Helper()
	for l := range estate.ReadCases("test", strings.NewReader(q.line())) {
		if l.Err != nil {
			t.Fatalf("%v in %s", l.Err, q.line())
		}
		return l.Case
	}
	t.Fatal("no case")
	return nil
}

// decide asks both ways, which have to agree, and returns the full decision.
func decide(t testing.TB, q question) access.Decision {
	t.Helper()
	c := bind(t, q)
	d := access.Authorize(c)
	if quick := access.Decide(c); quick != d.Effect {
		t.Errorf("Decide = %v and Authorize = %v for %s", quick, d.Effect, q.line())
	}
	return d
}

// doc makes a policy of statements.
func doc(statements ...string) raw {
	return raw(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

func quoted(ss []string) string {
	b, _ := json.Marshal(ss)
	return string(b)
}

// allow and deny are statements of an identity policy on any resource.
func allow(actions ...string) string {
	return `{"Effect":"Allow","Action":` + quoted(actions) + `,"Resource":"*"}`
}

func deny(actions ...string) string {
	return `{"Effect":"Deny","Action":` + quoted(actions) + `,"Resource":"*"}`
}

// to and denyTo are statements of a resource policy about an AWS principal.
func to(principal string, actions ...string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + quoted(actions) + `,"Resource":"*"}`
}

func denyTo(principal string, actions ...string) string {
	return `{"Effect":"Deny","Principal":{"AWS":"` + principal + `"},"Action":` + quoted(actions) + `,"Resource":"*"}`
}

// when adds a condition to a statement.
func when(statement, condition string) string {
	return strings.TrimSuffix(statement, "}") + `,"Condition":` + condition + `}`
}

// grant is a grant on the key by its owner.
func grant(grantee string, operations ...string) map[string]any {
	return map[string]any{"grant_id": "g1", "grantee_principal": grantee, "operations": operations}
}

// with adds a member to a grant.
func with(g map[string]any, name string, value any) map[string]any {
	m := map[string]any{name: value}
	for k, v := range g {
		m[k] = v
	}
	return m
}

var (
	nothing   = doc(allow("s3:ListAllMyBuckets")) // a policy that says nothing of KMS
	delegates = doc(to(root, "kms:*"))            // the default key policy
	both      = doc(to(root, "kms:*"), to(xroot, "kms:*"))
)

// row is a question and its answer, with the page or recording behind it.
type row struct {
	name   string
	source string
	q      question
	want   access.Effect
	by     string // blocked_by, joined by spaces
}

func run(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if r.source == "" {
				t.Error("the row has no source")
			}
			d := decide(t, r.q)
			if d.Effect != r.want {
				t.Errorf("decision %v, want %v (%s)\n%s\nblockers: %+v", d.Effect, r.want, r.source, r.q.line(), d.Blockers)
			}
			var by []string
			for _, l := range d.BlockedBy() {
				by = append(by, string(l))
			}
			if got := strings.Join(by, " "); got != r.by {
				t.Errorf("blocked by %q, want %q", got, r.by)
			}
			if (d.Effect == access.Allow && d.Usable) != (len(d.Blockers) == 0 && d.Effect != access.Unknown) {
				t.Errorf("%v, usable %v, with %d blockers", d.Effect, d.Usable, len(d.Blockers))
			}
		})
	}
}
