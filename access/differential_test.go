package access_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/access"
)

// Requests that another evaluator can express are put to both. Where they
// differ the difference has a name, and docs/decisions/008-differential.md
// says which AWS page or recording settles it.
func TestDifferential(t *testing.T) {
	t.Parallel()
	folder := otherEvaluator(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same questions in every run
	n := 3000
	if testing.Short() {
		n = 300
	}
	questions := make([]question, n)
	var in bytes.Buffer
	for i := range questions {
		questions[i] = expressible(random)
		b, err := json.Marshal(simulation(questions[i]))
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	cmd := exec.Command("node", "run.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = folder, &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running the other evaluator: %v", err)
	}
	tally := map[string]int{}
	answers := bufio.NewScanner(bytes.NewReader(out))
	answers.Buffer(nil, 1<<20)
	for i := 0; answers.Scan(); i++ {
		tally[compare(t, questions[i], answers.Bytes())]++
	}
	t.Logf("%v", tally)
	if tally["agreed"] < n/2 {
		t.Errorf("the two agree on %d of %d only", tally["agreed"], n)
	}
}

// otherEvaluator installs the package beside the repository, once, or skips.
func otherEvaluator(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here: no comparison with @cloud-copilot/iam-simulate", tool)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder to install @cloud-copilot/iam-simulate in: %v", err)
	}
	folder := filepath.Join(cache, "keyreach-differential-0.1.173")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Skipf("no folder to install @cloud-copilot/iam-simulate in: %v", err)
	}
	for _, name := range []string{"package.json", "run.mjs"} {
		data, err := os.ReadFile(filepath.Join("testdata", "differential", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@cloud-copilot", "iam-simulate")); err == nil {
		return folder
	}
	cmd := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = folder
	cmd.WaitDelay = time.Minute
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("@cloud-copilot/iam-simulate cannot be installed: %v\n%s", err, out)
	}
	return folder
}

// expressible draws a question that both evaluators can take: no grants, no
// unknown values, every key given that either would derive.
func expressible(r *rand.Rand) question {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	q := question{
		by: pick(sess, sess, user, xsess, xsess, root, "arn:aws:iam::222222222222:user/carol"),
		do: pick("kms:Decrypt", "kms:Decrypt", "kms:Encrypt", "kms:DescribeKey", "kms:CreateGrant", "kms:GetKeyPolicy"),
	}
	if r.IntN(4) == 0 {
		q.do, q.on, q.account = "s3:GetObject", "arn:aws:s3:::bucket/a", owner
	}
	q.ctx = map[string]any{}
	for _, k := range []string{"kms:ViaService", "aws:PrincipalOrgID", "aws:SourceIp"} {
		if v := pick("", "a", "bc", "10.1.2.3"); v != "" && (k != "kms:ViaService" || q.on == "") && (k != "aws:SourceIp" || v[0] == '1') {
			q.ctx[k] = v
		}
	}
	account := strings.Split(q.by, ":")[4]
	if q.on == "" {
		q.ctx["kms:CallerAccount"] = account
	}
	principal := strings.Replace(strings.TrimSuffix(q.by, "/one"), ":sts::"+account+":assumed-role/", ":iam::"+account+":role/", 1)
	q.ctx["aws:PrincipalArn"], q.ctx["aws:PrincipalAccount"] = principal, account

	q.identity = []raw{drawn(r, q, "")}
	q.resource = drawn(r, q, "any")
	if r.IntN(4) == 0 && !strings.HasSuffix(q.by, ":root") {
		q.boundary = drawn(r, q, "")
	}
	if r.IntN(4) == 0 && strings.Contains(q.by, "assumed-role") {
		q.session = drawn(r, q, "")
	}
	if r.IntN(4) == 0 {
		q.scp = [][]raw{{doc(allow("*"))}, {drawn(r, q, "")}}
	}
	if r.IntN(5) == 0 {
		q.rcp = [][]raw{{drawn(r, q, "deny")}}
	}
	return q
}

// drawn draws a document: principals "" for none, "any", or "deny" for the
// form of an RCP.
func drawn(r *rand.Rand, q question, principals string) raw {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	service, _, _ := strings.Cut(q.do, ":")
	resource := key
	if q.on != "" {
		resource = q.on
	}
	var ss []string
	for range 1 + r.IntN(3) {
		effect := pick("Allow", "Allow", "Allow", "Deny")
		element, who := "Action", ""
		switch principals {
		case "any":
			who = `"Principal":` + pick(`"*"`, `{"AWS":"`+root+`"}`, `{"AWS":"`+root+`"}`, `{"AWS":"`+xroot+`"}`, `{"AWS":"`+role+`"}`, `{"AWS":["`+xrole+`","`+user+`"]}`, `{"AWS":"`+sess+`"}`) + ","
		case "deny":
			effect, who = "Deny", `"Principal":"*",`
		default:
			element = pick("Action", "Action", "Action", "NotAction")
		}
		action := pick(q.do, service+":*", service+":*", "s3:PutObject", "kms:Sign")
		s := fmt.Sprintf(`{"Effect":%q,%s%q:%q,"Resource":%q`, effect, who, element, action, pick("*", "*", resource, strings.NewReplacer("1234abcd", "1234ABCD", "bucket", "Bucket").Replace(resource)))
		if r.IntN(2) == 0 {
			k := pick("aws:PrincipalOrgID", "aws:PrincipalArn", "aws:PrincipalAccount")
			op := pick("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists", "StringEqualsIgnoreCase", "Null")
			v := pick("a", "b*", "B?", owner, "arn:aws:iam::*:role/*")
			if op == "Null" {
				v = pick("true", "false")
			}
			if q.on == "" && r.IntN(3) == 0 {
				k = "kms:ViaService"
			}
			if r.IntN(6) == 0 {
				op, k, v = pick("IpAddress", "NotIpAddress"), "aws:SourceIp", pick("10.0.0.0/8", "192.0.2.1")
			}
			s += fmt.Sprintf(`,"Condition":{%q:{%q:%q}}`, op, k, v)
		}
		ss = append(ss, s+"}")
	}
	return doc(ss...)
}

// simulation writes the question in the other evaluator's form.
func simulation(q question) map[string]any {
	resource, account := key, owner
	if q.on != "" {
		resource, account = q.on, q.account
	}
	named := func(rs []raw) []any {
		list := []any{}
		for i, r := range rs {
			list = append(list, map[string]any{"name": fmt.Sprint("p", i), "policy": r})
		}
		return list
	}
	levels := func(ls [][]raw) []any {
		list := []any{}
		for i, l := range ls {
			list = append(list, map[string]any{"orgIdentifier": fmt.Sprint("ou-", i), "policies": named(l)})
		}
		return list
	}
	s := map[string]any{
		"request": map[string]any{
			"principal": q.by, "action": q.do, "resource": map[string]any{"resource": resource, "accountId": account}, "contextVariables": q.ctx,
		},
		"identityPolicies": named(q.identity), "serviceControlPolicies": levels(q.scp), "resourceControlPolicies": levels(q.rcp), "resourcePolicy": q.resource,
	}
	if q.boundary != nil {
		s["permissionBoundaryPolicies"] = named([]raw{q.boundary})
	}
	if q.session != nil {
		s["sessionPolicy"] = q.session
	}
	return s
}

// compare returns "agreed", "not expressible", or the name of the difference.
func compare(t *testing.T, q question, line []byte) string {
	t.Helper()
	var answer struct {
		Result, Error string
		Ignored       []string
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		t.Fatalf("the other evaluator answered %s", line)
	}
	if answer.Error != "" || len(answer.Ignored) > 0 {
		return "not expressible"
	}
	d := decide(t, q)
	ours := map[access.Effect]string{access.Allow: "Allowed", access.ImplicitDeny: "ImplicitlyDenied", access.ExplicitDeny: "ExplicitlyDenied"}[d.Effect]
	if ours == answer.Result {
		return "agreed"
	}
	for _, known := range knownDifferences {
		if known.holds(q, ours, answer.Result) {
			return known.name
		}
	}
	t.Errorf("we say %s, the other %s: %s\nblockers %+v", ours, answer.Result, q.line(), d.Blockers)
	return "unexplained"
}

// difference is one way in which the two are known to differ.
type difference struct {
	name  string
	holds func(q question, ours, theirs string) bool
}

var knownDifferences = []difference{
	{"the account's root user", func(q question, ours, theirs string) bool {
		return strings.HasSuffix(q.by, ":root") && theirs != "ExplicitlyDenied" && ours == "Allowed"
	}},
	{"operations that never work across accounts", func(q question, ours, theirs string) bool {
		return q.do == "kms:GetKeyPolicy" && strings.Contains(q.by, other) && ours == "ImplicitlyDenied" && theirs == "Allowed"
	}},
	{"a session named itself under a silent session policy", func(q question, ours, theirs string) bool {
		return q.by == sess && q.session != nil && ours == "Allowed" && theirs == "ImplicitlyDenied"
	}},
	{"everyone named under a silent boundary", func(q question, ours, theirs string) bool {
		return q.boundary != nil && strings.Contains(q.by, owner) && strings.Contains(string(q.resource), `"Principal":"*"`) &&
			ours == "ImplicitlyDenied" && theirs == "Allowed"
	}},
}
