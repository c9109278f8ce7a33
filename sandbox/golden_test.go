package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdktrail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdkorgs "github.com/aws/aws-sdk-go-v2/service/organizations"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// golden is a request as the SDK's own tests keep it.
type golden struct {
	method, target string
	header         http.Header
	body           string
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), "\n\n", 3)
	if len(parts) < 2 {
		t.Fatalf("%s has %d parts", path, len(parts))
	}
	g := golden{header: http.Header{}}
	g.method, g.target, _ = strings.Cut(parts[0], " ")
	for line := range strings.SplitSeq(parts[1], "\n") {
		name, value, _ := strings.Cut(line, ": ")
		g.header.Add(name, value)
	}
	if len(parts) == 3 {
		g.body = parts[2]
	}
	return g
}

// requests sends nothing: it keeps what would have been sent.
type requests struct{ last golden }

func (r *requests) Do(q *http.Request) (*http.Response, error) {
	r.last = golden{method: q.Method, target: q.URL.RequestURI(), header: q.Header}
	if q.Body != nil {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		r.last.body = string(text)
	}
	return nil, errors.New("kept")
}

// again has the SDK write a request for an input.
func again(t *testing.T, client any, kept *requests, operation string, in any) golden {
	t.Helper()
	reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(in)})
	return kept.last
}

// comparable is a request in a form that does not depend on the order of JSON
// members.
func (g golden) comparable() map[string]any {
	var body any = g.body
	if strings.Contains(g.header.Get("Content-Type"), "json") {
		d := json.NewDecoder(strings.NewReader(g.body))
		d.UseNumber()
		_ = d.Decode(&body) // what is no JSON stays text
	}
	return map[string]any{"method": g.method, "target": g.target, "type": g.header.Get("Content-Type"), "operation": g.header.Get("X-Amz-Target"), "body": body}
}

// The SDK's modules hold one request for every operation, with every member set.
// Each that the sandbox offers has to go through its codec without loss.
func TestTheGoldenRequestsOfTheSDKDecodeAndEncodeBackToTheSame(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := &requests{}
	config := aws.Config{
		Region: "us-east-1", HTTPClient: kept, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			_, _ = stack.Initialize.Remove("OperationInputValidation") // some operations have none
			return nil
		}},
	}
	clients := map[string]any{
		"kms": sdkkms.NewFromConfig(config), "iam": sdkiam.NewFromConfig(config), "sts": sdksts.NewFromConfig(config),
		"organizations": sdkorgs.NewFromConfig(config), "cloudtrail": sdktrail.NewFromConfig(config),
	}
	seen := 0
	for name, v := range s.services {
		dir := filepath.Join(moduleDir(t, name), "request_snapshot")
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			t.Logf("the SDK's module for %s has no golden requests: its %d operations are not compared here", name, len(v.ops))
			continue
		}
		for operation, o := range v.ops {
			path := filepath.Join(dir, operation+".request.snap")
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the SDK has no request for %s:%s", name, operation)
				continue
			}
			seen++
			t.Run(name+":"+operation, func(t *testing.T) {
				want := readGolden(t, path)
				got := again(t, clients[name], kept, operation, decodeGolden(t, v, o, want))
				if diff := cmp.Diff(want.comparable(), got.comparable()); diff != "" {
					t.Errorf("-golden +decoded and encoded again\n%s", diff)
				}
			})
		}
	}
	t.Logf("%d golden requests", seen)
}

func decodeGolden(t *testing.T, v *served, o gate.Operation, g golden) any {
	t.Helper()
	r := httptest.NewRequest(g.method, g.target, bytes.NewReader([]byte(g.body)))
	r.Header = g.header
	in := o.New()
	if err := v.codec.Fill(v.codec.API().Operation(o.Name), r, []byte(g.body), in); err != nil {
		t.Fatal(err)
	}
	return in
}

func moduleDir(t *testing.T, service string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	if err != nil {
		t.Fatalf("finding the SDK's module for %s: %v", service, err)
	}
	return strings.TrimSpace(string(out))
}
