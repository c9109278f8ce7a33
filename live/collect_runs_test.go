package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// seenRequest is a request as it came.
type seenRequest struct {
	target string
	body   []byte
}

// front stands before a sandbox, counts the requests, and may answer in its place.
type front struct {
	mu     sync.Mutex
	seen   []seenRequest
	answer func(w http.ResponseWriter, r *http.Request, q seenRequest) bool
	behind http.Handler
}

// before has a front answer instead of the sandbox.
func (f *front) before(t *testing.T, s *sandboxtest.Server) *sandboxtest.Server {
	f.behind = s.Sandbox
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	front := *s
	front.URL = web.URL
	return &front
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	q := seenRequest{target: r.Header.Get("X-Amz-Target"), body: body}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	f.seen = append(f.seen, q)
	f.mu.Unlock()
	if f.answer == nil || !f.answer(w, r, q) {
		f.behind.ServeHTTP(w, r)
	}
}

// refuse answers as KMS refuses.
func refuse(w http.ResponseWriter, code string) bool {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"__type":%q,"message":"as the test says"}`, code)
	return true
}

// reading is a role that may do exactly what reading needs, and a way in as it.
func (s *shop) reading(policy string) *live.Cloud {
	s.Helper()
	c := iam.NewFromConfig(s.Root(first, home))
	need(c.CreateRole(s.Context(), &iam.CreateRoleInput{RoleName: new("Reader"), AssumeRolePolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + first + `"},"Action":"sts:AssumeRole"}]}`)}))(s)
	need(c.PutRolePolicy(s.Context(), &iam.PutRolePolicyInput{RoleName: new("Reader"), PolicyName: new("read"), PolicyDocument: &policy}))(s)
	need(c.CreateUser(s.Context(), &iam.CreateUserInput{UserName: new("starter")}))(s)
	need(c.PutUserPolicy(s.Context(), &iam.PutUserPolicyInput{UserName: new("starter"), PolicyName: new("assume"), PolicyDocument: new(allowing("sts:AssumeRole"))}))(s)
	key := need(c.CreateAccessKey(s.Context(), &iam.CreateAccessKeyInput{UserName: new("starter")}))(s).AccessKey
	assume := sts.NewFromConfig(s.As(home, *key.AccessKeyId, *key.SecretAccessKey, ""))
	return roots(s.Server, func(o *live.Options) {
		o.SignIn = func(ctx context.Context, _ string) (live.Keys, error) {
			out, err := assume.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::" + first + ":role/Reader"), RoleSessionName: new("collect")})
			if err != nil {
				return live.Keys{}, err
			}
			k := out.Credentials
			return live.Keys{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey, SessionToken: *k.SessionToken, Expires: *k.Expiration}, nil
		}
	})
}

// policyOf is the identity policy of all needs for reading but some.
func policyOf(t *testing.T, without ...string) string {
	t.Helper()
	var actions []string
	for _, n := range need(live.Needs(live.ForReading))(t) {
		if !slices.Contains(without, n.Action) {
			actions = append(actions, n.Action)
		}
	}
	return allowing(actions...)
}

func TestWhatReadingNeedsIsEnough(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	collect(t, roots(s.Server, nil), s.scope()) // AWS makes its keys
	reader := s.reading(policyOf(t))
	want, _ := collect(t, roots(s.Server, nil), s.scope())
	got, stats := collect(t, reader, s.scope())
	want.CollectedAt, got.CollectedAt = nil, nil
	if d := cmp.Diff(string(need(want.AppendJSON(nil))(t)), string(need(got.AppendJSON(nil))(t))); d != "" {
		t.Errorf("the root user (-) and the reader (+) collect:\n%s", d)
	}
	if len(stats.Record.Unread) != 1 || stats.Record.Unread[0].Code != "NotImplemented" {
		t.Errorf("unread: %+v", stats.Record.Unread)
	}
}

func TestTheTableOfNeedsIsWhatIsCalled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	// AWS's policy that bounds is as if it were not among the details.
	f := &front{answer: func(w http.ResponseWriter, r *http.Request, q seenRequest) bool {
		if !strings.Contains(string(q.body), "Action=GetAccountAuthorizationDetails") {
			return false
		}
		whole := httptest.NewRecorder()
		s.ServeHTTP(whole, r)
		maps.Copy(w.Header(), whole.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(whole.Code)
		_, _ = io.WriteString(w, strings.ReplaceAll(whole.Body.String(), "<Arn>arn:aws:iam::aws:policy/AdministratorAccess</Arn>", "<Arn>arn:aws:iam::aws:policy/Other</Arn>"))
		return true
	}}
	e, stats := collect(t, roots(f.before(t, s.Server), nil), s.scope())
	called, table := slices.Sorted(maps.Keys(stats.Calls)), slices.Sorted(maps.Keys(live.ReadCalls()))
	if d := cmp.Diff(table, called); d != "" {
		t.Errorf("the table (-) and the calls (+):\n%s", d)
	}
	if p := e.Principal("arn:aws:iam::" + first + ":user/ann"); p.Boundary == nil || p.Boundary.Source == nil {
		t.Errorf("the boundary was not looked up: %+v", p.Boundary)
	}
}

func TestWhatMayNotBeReadIsRecordedAndTheRestIsRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	denied := []string{"kms:GetKeyPolicy", "kms:ListGrants", "organizations:ListRoots", "rds:DescribeDBInstances", "backup:GetBackupVaultAccessPolicy"}
	e, stats := collect(t, s.reading(policyOf(t, denied...)), s.scope())
	k := e.Key(s.key)
	if k == nil || !strings.Contains(k.Policy.Unreadable, "is not authorized to perform: kms:GetKeyPolicy") || !strings.Contains(k.GrantsUnreadable, "kms:ListGrants") || k.Tags["app"] != "shop" {
		t.Errorf("the key is %+v", k)
	}
	if o := e.Organization; o == nil || o.ManagementAccount != first || !strings.Contains(o.Unreadable, "organizations:ListRoots") {
		t.Errorf("the organization is %+v", o)
	}
	if v := resource(t, e, "backup:BackupVault", "safe"); len(v.Attributes) > 0 {
		t.Errorf("of a vault whose policy may not be read it is said that %v", v.Attributes)
	}
	resource(t, e, "rds:DBCluster", "stock")
	var refused []string
	for _, u := range stats.Record.Unread {
		if u.Code != "NotImplemented" {
			refused = append(refused, u.Operation)
		}
		if u.Account != first || u.Text == "" || u.Times == 0 {
			t.Errorf("unread without what belongs to it: %+v", u)
		}
	}
	slices.Sort(denied)
	if slices.Sort(refused); !slices.Equal(refused, denied) {
		t.Errorf("unread is %v, want %v", refused, denied)
	}
	if _, err := estate.Load("estate.json", need(e.AppendJSON(nil))(t)); err != nil {
		t.Errorf("what was collected is no estate: %v", err)
	}
}

func TestWithoutIAMThePrincipalsAreNotKnown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e, stats := collect(t, s.reading(policyOf(t, "iam:GetAccountAuthorizationDetails")), s.scope())
	if len(e.Principals) > 0 || len(e.Keys) == 0 {
		t.Errorf("%d principals and %d keys were collected", len(e.Principals), len(e.Keys))
	}
	if !slices.ContainsFunc(stats.Record.Unread, func(u live.Unread) bool {
		return u.Operation == "iam:GetAccountAuthorizationDetails" && u.Code == "AccessDenied"
	}) {
		t.Errorf("unread: %+v", stats.Record.Unread)
	}
}

func TestThrottledCallsAreMadeAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var once sync.Map
	f := &front{answer: func(w http.ResponseWriter, _ *http.Request, q seenRequest) bool {
		_, again := once.LoadOrStore(q.target, true)
		return q.target == "TrentService.GetKeyPolicy" && !again && refuse(w, "ThrottlingException")
	}}
	e, stats := collect(t, roots(f.before(t, s.Server), nil), s.scope())
	if stats.Again != 1 || len(e.Keys) == 0 || slices.ContainsFunc(e.Keys, func(k estate.Key) bool { return k.Policy.Unreadable != "" }) {
		t.Errorf("%d calls were made again, and the keys are %+v", stats.Again, e.Keys)
	}
}

func TestWhatFailsInPassingIsReadByAnotherRun(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	collect(t, roots(s.Server, nil), s.scope()) // AWS makes its keys
	want, _ := collect(t, roots(s.Server, nil), s.scope())
	f := &front{answer: func(w http.ResponseWriter, _ *http.Request, q seenRequest) bool {
		return q.target == "TrentService.ListGrants" && strings.Contains(string(q.body), s.key) && refuse(w, "ThrottlingException")
	}}
	impatient := func(o *live.Options) { o.MaxAttempts = 1 }
	e, stats, err := roots(f.before(t, s.Server), impatient).Collect(t.Context(), s.scope(), nil)
	var partial *live.Incomplete
	if !errors.As(err, &partial) || !slices.Equal(partial.Parts, []string{first + "/" + home + "/kms"}) || cloud.KindOf(err) != cloud.Throttled {
		t.Fatalf("collecting ended with %v", err)
	}
	if e.Key(s.key) != nil || len(e.Keys) == 0 || len(e.Principals) == 0 {
		t.Errorf("%d keys and %d principals were kept", len(e.Keys), len(e.Principals))
	}
	s.resumed(t, want, e, stats, func(called []string) {
		if slices.Contains(called, "iam:GetAccountAuthorizationDetails") || !slices.Contains(called, "kms:GetKeyPolicy") {
			t.Errorf("the second run called %v", called)
		}
	})
}

// resumed goes on where a run stopped, and compares with what one run collects.
func (s *shop) resumed(t *testing.T, want, e *estate.Estate, stats live.Stats, check func(called []string)) {
	t.Helper()
	e, err := estate.Load("estate.json", need(e.AppendJSON(nil))(t)) // as from a file
	if err != nil {
		t.Fatal(err)
	}
	scope := s.scope()
	scope.Resume, scope.Record = e, stats.Record
	got, after := collect(t, roots(s.Server, nil), scope)
	want.CollectedAt, got.CollectedAt = nil, nil
	if d := cmp.Diff(string(need(want.AppendJSON(nil))(t)), string(need(got.AppendJSON(nil))(t))); d != "" {
		t.Errorf("one run (-) and two (+) collect:\n%s", d)
	}
	check(slices.Sorted(maps.Keys(after.Calls)))
}

func TestAnInterruptedRunGoesOn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := kms.NewFromConfig(s.Root(first, home))
	for range 20 {
		need(c.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t)
	}
	collect(t, roots(s.Server, nil), s.scope()) // AWS makes its keys
	want, _ := collect(t, roots(s.Server, nil), s.scope())
	ctx, stop := context.WithCancel(t.Context())
	scope := s.scope()
	scope.Concurrency = 2
	e, stats, err := roots(s.Server, nil).Collect(ctx, scope, func(p live.Progress) {
		if p.Part == "kms" && p.Done == 5 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("collecting ended with %v", err)
	}
	if len(e.Keys) < 5 || len(e.Keys) >= len(want.Keys) {
		t.Errorf("%d of %d keys were kept", len(e.Keys), len(want.Keys))
	}
	s.resumed(t, want, e, stats, func([]string) {})
}

func TestOnlyTheKeysThatWereAskedForAreRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	need(kms.NewFromConfig(s.Root(first, home)).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t)
	scope := live.Scope{Accounts: []live.ScopeAccount{{ID: first}}, Keys: []string{s.key}}
	e, stats := collect(t, roots(s.Server, nil), scope)
	if len(e.Keys) != 1 || e.Keys[0].ARN != s.key || stats.Regions != 1 || stats.Calls["kms:ListKeys"] != 0 {
		t.Errorf("keys %+v in %d Regions", e.Keys, stats.Regions)
	}
	resource(t, e, "ec2:Snapshot", s.made["snapshot"])
}

func TestAllRegionsThatAreEnabledAreRead(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	there := need(kms.NewFromConfig(s.Root(first, "eu-west-1")).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.Arn
	e, stats := collect(t, roots(s, nil), live.Scope{Accounts: []live.ScopeAccount{{ID: first}}})
	if e.Key(*there) == nil || stats.Regions != len(e.Account(first).Regions) || stats.Regions < 10 {
		t.Errorf("%d Regions were read of %v", stats.Regions, e.Account(first).Regions)
	}
}

func TestCredentialsOfAnotherAccountEndItBeforeItBegins(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	wrong := roots(s, func(o *live.Options) {
		o.SignIn = func(context.Context, string) (live.Keys, error) {
			return live.Keys{AccessKeyID: second, SecretAccessKey: "any"}, nil
		}
	})
	_, stats, err := wrong.Collect(t.Context(), live.Scope{Accounts: []live.ScopeAccount{{ID: first}}}, nil)
	if cloud.KindOf(err) != cloud.Credentials || stats.Total() != 0 {
		t.Errorf("collecting ended with %v after %d calls", err, stats.Total())
	}
}
