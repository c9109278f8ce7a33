// Package golden is for tests: it reads the requests that the SDK's modules keep, one
// for each operation, and has the SDK write them again.
package golden

import (
	"encoding/json"
	"errors"
	"io"
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
	"github.com/aws/smithy-go/middleware"
)

// Message is a request or an answer as the SDK's own tests keep it. An answer has
// header and body.
type Message struct {
	Method, Target, Host string
	Header               http.Header
	Body                 string
}

// ReadRequest reads a request from a file of the SDK.
func ReadRequest(t testing.TB, path string) Message {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), "\n\n", 3)
	if len(parts) < 2 {
		t.Fatalf("%s has %d parts", path, len(parts))
	}
	var g Message
	g.Method, g.Target, _ = strings.Cut(parts[0], " ")
	if len(parts) == 3 {
		g.Body = parts[2]
	}
	g.Header = header(parts[1])
	return g
}

// ReadAnswer reads the answer to an operation of a service.
func ReadAnswer(t testing.TB, service, operation string) Message {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(ModuleDir(t, service), "response_snapshot", operation+".response.snap"))
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(text), "\n\n")
	return Message{Header: header(head), Body: body}
}

func header(text string) http.Header {
	h := http.Header{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

// HTTP is the request as a server gets it.
func (g Message) HTTP() *http.Request {
	r := httptest.NewRequest(g.Method, g.Target, strings.NewReader(g.Body))
	r.Header, r.Host = g.Header, g.Host
	return r
}

// Content is the body in a form that does not depend on the order of JSON members.
func (g Message) Content() any {
	var body any = g.Body
	if strings.Contains(g.Header.Get("Content-Type"), "json") {
		d := json.NewDecoder(strings.NewReader(g.Body))
		d.UseNumber()
		_ = d.Decode(&body) // what is no JSON stays text
	}
	return body
}

// Kept is an HTTP client that sends nothing: it keeps what would have been sent.
type Kept struct{ last Message }

// Do keeps a request and answers an error.
func (k *Kept) Do(q *http.Request) (*http.Response, error) {
	k.last = Message{Method: q.Method, Target: q.URL.RequestURI(), Host: q.URL.Host, Header: q.Header}
	if q.Body != nil {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		k.last.Body = string(text)
	}
	return nil, errors.New("kept")
}

// Config is for clients of the SDK that send inputs as they are, and once, with an
// HTTP client such as [Kept].
func Config(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "us-east-1", HTTPClient: client, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			_, _ = stack.Initialize.Remove("OperationInputValidation") // some operations have none
			return nil
		}},
	}
}

// Again has the SDK write a request for an input. The client has k in its [Config].
func (k *Kept) Again(t testing.TB, client any, operation string, in any) Message {
	t.Helper()
	k.last = Message{}
	out := reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(in)})
	if k.last.Method == "" {
		t.Fatalf("the SDK sends nothing: %v", out[1])
	}
	return k.last
}

// ModuleDir is the folder of the SDK's module for a service, by its name in awsfacts.
func ModuleDir(t testing.TB, service string) string {
	t.Helper()
	if service == "events" {
		service = "eventbridge"
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	if err != nil {
		t.Fatalf("finding the SDK's module for %s: %v", service, err)
	}
	return strings.TrimSpace(string(out))
}
