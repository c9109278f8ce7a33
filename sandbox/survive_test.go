package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// said is what a server logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// call makes a call as the root user of an account.
func call(t *testing.T, web *httptest.Server, service, target, action string) (*http.Response, string) {
	t.Helper()
	body, kind := "{}", "application/x-amz-json-1.1"
	if target == "" {
		body, kind = action, formType
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=111122223333/"+now.Format("20060102")+"/us-east-1/"+service+"/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	res, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// A defect of the sandbox ends the call that meets it, and nothing else.
func TestAPanicOfAHandlerEndsItsCallOnly(t *testing.T) {
	t.Parallel()
	s, err := New(Options{State: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	burst := func(context.Context, any) (any, error) {
		s.settings.Put("left", &setting{"behind"})
		panic("a defect")
	}
	plain := s.services["kms"].ops()["ListAliases"]
	plain.Mode, plain.Asks, plain.Handle = gate.Writes, nil, burst
	s.services["kms"].ops()["ListAliases"] = plain
	reading := s.services["iam"].ops()["ListUsers"]
	reading.Asks = func(*gate.Call, any) ([]gate.Ask, error) { var k *estate.Key; _ = k.ARN; return nil, nil }
	s.services["iam"].ops()["ListUsers"] = reading
	preparing := s.services["kms"].ops()["CreateKey"]
	preparing.Prepare = func(*gate.Call, any) (any, error) { panic(errors.New("another")) }
	s.services["kms"].ops()["CreateKey"] = preparing

	logged := &said{}
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = log.New(logged, "", 0)
	web.Start()
	defer web.Close()
	for _, c := range []struct{ name, service, target, action, want, why string }{
		{"while it writes", "kms", "TrentService.ListAliases", "", `{"__type":"InternalFailure"`, "panic: a defect"},
		{"while it reads", "iam", "", "Action=ListUsers&Version=2010-05-08", "<Code>InternalFailure</Code>", "nil pointer"},
		{"before it has a lock", "kms", "TrentService.CreateKey", "", `{"__type":"InternalFailure"`, "panic: another"},
	} {
		res, body := call(t, web, c.service, c.target, c.action)
		id := res.Header.Get("X-Amzn-Requestid")
		if res.StatusCode != http.StatusInternalServerError || !strings.Contains(body, c.want) || id == "" {
			t.Errorf("%s: %d %s", c.name, res.StatusCode, body)
		}
		if text := logged.String(); !strings.Contains(text, "request "+id+": panic: ") || !strings.Contains(text, c.why) || !strings.Contains(text, "survive_test.go") {
			t.Errorf("%s: the log has %s", c.name, text)
		}
	}
	if left := s.settings.Get("left"); left != nil {
		t.Errorf("the call left %v", left)
	}
	if res, body := call(t, web, "kms", "TrentService.ListKeys", ""); res.StatusCode != http.StatusOK {
		t.Errorf("a call after it: %d %s", res.StatusCode, body)
	}
	if err := s.Advance(time.Hour); err != nil {
		t.Errorf("a write after it: %v", err)
	}
}

// The caller of a call that could not be written is told of a failure, and the log
// why.
func TestAStateThatCannotBeWrittenIsSaidInTheLog(t *testing.T) {
	t.Parallel()
	s, err := New(Options{State: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	logged := &said{}
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = log.New(logged, "", 0)
	web.Start()
	defer web.Close()
	if res, body := call(t, web, "kms", "TrentService.CreateKey", ""); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	res, body := call(t, web, "kms", "TrentService.CreateKey", "")
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(body, "state") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if text := logged.String(); !strings.Contains(text, "writing the state") || !strings.Contains(text, res.Header.Get("X-Amzn-Requestid")) {
		t.Errorf("the log has %q", text)
	}
	if _, body := call(t, web, "kms", "TrentService.ListKeys", ""); strings.Count(body, `"KeyId"`) != 1 {
		t.Errorf("after the failure there is %s", body)
	}
}

// Thousands of calls are remembered: none of them with a megabyte.
func TestALargeCallIsRememberedWithoutItsParameters(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	document := url.QueryEscape(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	for pad, remembered := range map[int]bool{0: true, maxRecorded + 1: false} {
		res, body := call(t, web, "iam", "", "Action=SimulateCustomPolicy&Version=2010-05-08&ActionNames.member.1=a%3Ab&PolicyInputList.member.1="+document+strings.Repeat("+", pad))
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		e, ok := s.log.Find(res.Header.Get("X-Amzn-Requestid"))
		if !ok || (e.In != nil) != remembered || (e.Call.Asked != nil) != remembered {
			t.Errorf("with %d bytes more: found %v, parameters %v, questions %d", pad, ok, e.In != nil, len(e.Call.Asked))
		}
	}
}

// net/http's own way to end a connection stays so.
func TestAnAbortedHandlerIsNotAnswered(t *testing.T) {
	t.Parallel()
	defer func() {
		if what := recover(); what != http.ErrAbortHandler {
			t.Errorf("recovered %v", what)
		}
	}()
	failed(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), nil, "id", http.ErrAbortHandler)
}

func TestAResetThatFailsLeavesAllThereWas(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.see("111122223333"); err != nil {
		t.Fatal(err)
	}
	bad := &estate.Estate{Principals: []estate.Principal{{ARN: "no ARN"}}}
	if err := s.reset(bad); err == nil {
		t.Fatal("a principal without an ARN was taken")
	}
	if !s.knows("111122223333") {
		t.Error("the account is gone")
	}
	if err := s.Reset(); err != nil {
		t.Errorf("the estate that failed is what a reset fills from: %v", err)
	}
}

func TestTheClockGoesNeitherBackNorBeyondWhatTimesCanSay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	s, err := New(Options{State: path})
	if err != nil {
		t.Fatal(err)
	}
	const century = 100 * 365 * 24 * time.Hour
	for _, c := range []struct {
		by time.Duration
		ok bool
	}{{-time.Second, false}, {0, true}, {time.Hour, true}, {century, false}, {1<<63 - 1, false}, {century - time.Hour, true}, {time.Nanosecond, false}} {
		before := s.clock.Ahead()
		if err := s.Advance(c.by); (err == nil) != c.ok {
			t.Errorf("by %s: %v", c.by, err)
		}
		if ahead := s.clock.Ahead(); ahead < before || !c.ok && ahead != before {
			t.Errorf("by %s: it went from %s to %s", c.by, before, ahead)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Advance(0); err == nil {
		t.Error("a step that cannot be written was taken")
	}
	again, err := New(Options{State: path})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if ahead := again.clock.Ahead(); ahead != century {
		t.Errorf("after a restart it is %s ahead", ahead)
	}
}

// What of an estate no service keeps is there again after a restart.
func TestTheRestOfAnEstateIsKept(t *testing.T) {
	t.Parallel()
	given, err := estate.LoadFile("../examples/drs-cross-account/estate.json")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state")
	var before, after bytes.Buffer
	for _, to := range []*bytes.Buffer{&before, &after} {
		s, err := New(Options{State: path, Estate: given})
		if err != nil {
			t.Fatal(err)
		}
		if s.Kept() != (to == &after) {
			t.Errorf("Kept is %v", s.Kept())
		}
		e, err := s.Estate()
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Resources) != len(given.Resources) || len(e.Endpoints) != len(given.Endpoints) || len(e.Accounts) != len(given.Accounts) {
			t.Errorf("%d resources of %d, %d endpoints of %d, %d accounts of %d", len(e.Resources), len(given.Resources), len(e.Endpoints), len(given.Endpoints), len(e.Accounts), len(given.Accounts))
		}
		e.CollectedAt = nil
		if _, err := e.WriteTo(to); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(given.Resources)+len(given.Endpoints) == 0 {
		t.Error("the example holds nothing that this could show")
	}
	if before.String() != after.String() {
		t.Errorf("before\n%s\nafter\n%s", &before, &after)
	}
}
