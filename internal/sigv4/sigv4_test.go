package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// noon is when the requests of these tests are signed.
func noon() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

// sample is a request to be signed by the SDK's own signer.
type sample struct {
	method, url string
	header      http.Header
	body        string
	service     string
	token       string
	// hash is what is signed as the body's hash where it is not that of the body.
	hash string
}

func (s sample) request(t testing.TB) *http.Request {
	t.Helper()
	method, target, service := s.method, s.url, s.service
	if method == "" {
		method = http.MethodPost
	}
	if target == "" {
		target = "http://127.0.0.1:4599/"
	}
	if service == "" {
		service = "kms"
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(s.body))
	for name, values := range s.header {
		r.Header[name] = values
	}
	hash := s.hash
	if hash == "" {
		sum := sha256.Sum256([]byte(s.body))
		hash = hex.EncodeToString(sum[:])
	}
	credentials := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret, SessionToken: s.token}
	plain := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hash, service, "us-east-1", noon(), plain); err != nil {
		t.Fatal(err)
	}
	return arrived(t, r)
}

// presigned is the request that a holder of the presigned URL makes.
func (s sample) presigned(t testing.TB) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range s.header {
		r.Header[name] = values
	}
	hash := s.hash
	if hash == "" {
		sum := sha256.Sum256(nil)
		hash = hex.EncodeToString(sum[:])
	}
	credentials := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret, SessionToken: s.token}
	plain := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == "s3" }
	target, header, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hash, s.service, "us-east-1", noon(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil); err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		if name != "Host" {
			r.Header[name] = values
		}
	}
	return arrived(t, r)
}

// arrived is the request as a server sees it: through net/http's own writer and
// reader.
func arrived(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatalf("reading what was written: %v", err)
	}
	return got
}

// verified parses and checks a request.
func verified(r *http.Request, now time.Time) (*Signature, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	s, err := Parse(r)
	if err != nil {
		return nil, err
	}
	return s, s.Verify(&Keys{}, r, body, secret, now)
}

func TestWhatTheSDKSignsIsTaken(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]sample{
		"a json request":                        {header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"TrentService.ListKeys"}}, body: "{}"},
		"no body":                               {method: http.MethodGet},
		"a session token":                       {token: "IQoJb3JpZ2luX2VjEJr//////////wEaCXVz+/="},
		"spaces around and within a header":     {header: http.Header{"X-Odd": {"  a   b    c  "}}},
		"tabs within a header":                  {header: http.Header{"X-Odd": {"a\t b  c"}}},
		"letters that are not ASCII":            {header: http.Header{"X-Odd": {"é  ü"}}},
		"a header that comes twice":             {header: http.Header{"X-Odd": {"b", " a "}}},
		"an empty header":                       {header: http.Header{"X-Odd": {""}}},
		"parameters out of order and twice":     {method: http.MethodGet, url: "http://h/?b=2&a=2&a=1&b=1&a="},
		"names that begin with others":          {method: http.MethodGet, url: "http://h/?a1=x&a=y&a-b=z&a.b=w&ab=v"},
		"parameters with spaces and signs":      {method: http.MethodGet, url: "http://h/?x=a+b&y=c%20d&z=%C3%BC%2F%3D%26*~&e"},
		"a path with spaces":                    {url: "http://h/a%20b/c"},
		"a path with letters that are no ASCII": {url: "http://h/ü/日本"},
		"a path with empty segments":            {url: "http://h//a//b/"},
		"a path with reserved signs":            {url: "http://h/a:b/c=d;e/%2F/~"},
		"an S3 path":                            {url: "http://h/a%20b//c", service: "s3"},
		"a signed length":                       {body: strings.Repeat("x", 1234)},
		"a body that is not signed":             {body: "{}", header: http.Header{"X-Amz-Content-Sha256": {Unsigned}}, hash: Unsigned},
		"a host with its port":                  {url: "http://kms.us-east-1.amazonaws.com:8443/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := verified(s.request(t), noon())
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || got.Region != "us-east-1" || got.Token != s.token || got.Presigned {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWhatTheSDKPresignsIsTaken(t *testing.T) {
	t.Parallel()
	const who = "http://127.0.0.1:4599/?Action=GetCallerIdentity&Version=2011-06-15"
	for name, s := range map[string]sample{
		"STS, as the SDK leaves it":           {url: who, service: "sts"},
		"STS with a session token":            {url: who, service: "sts", token: "token+/="},
		"STS with a time":                     {url: who + "&X-Amz-Expires=60", service: "sts"},
		"STS with a header, as EKS's clients": {url: who, service: "sts", header: http.Header{"X-K8s-Aws-Id": {"cluster"}}},
		"S3, whose body is not signed":        {url: "http://h/a%20b?X-Amz-Expires=60", service: "s3", hash: Unsigned},
		"S3 with parameters out of order":     {url: "http://h/k?z=1&X-Amz-Expires=60&a=2&a=1", service: "s3", hash: Unsigned, token: "t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := verified(s.presigned(t), noon().Add(30*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if got.Token != s.token || !got.Presigned {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A signer by AWS's rules leaves empty and dotted segments out of the path; the
// SDK for Go does not.
func TestAPathMayBeSignedWithoutItsEmptySegments(t *testing.T) {
	t.Parallel()
	r := sample{url: "http://h/a/c/"}.request(t)
	r.URL.Path, r.URL.RawPath = "/a//b/.././c/", ""
	if _, err := verified(r, noon()); err != nil {
		t.Error(err)
	}
	r = sample{url: "http://h/a/c", service: "s3"}.request(t)
	r.URL.Path = "/a//c"
	if _, err := verified(r, noon()); !errors.Is(err, ErrMismatch) {
		t.Errorf("S3, where every segment counts: %v", err)
	}
}

func TestAnythingChangedAfterSigningIsRefused(t *testing.T) {
	t.Parallel()
	signed := sample{
		url: "http://h/p?a=1", body: `{"a":1}`, token: "token",
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"TrentService.ListKeys"}, "X-Odd": {"a"}},
	}
	head := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		}
	}
	for name, change := range map[string]func(*http.Request){
		"nothing":                     func(*http.Request) {},
		"the method":                  func(r *http.Request) { r.Method = http.MethodPut },
		"the host":                    func(r *http.Request) { r.Host = "other" },
		"the path":                    func(r *http.Request) { r.URL.Path = "/q" },
		"a parameter":                 func(r *http.Request) { r.URL.RawQuery = "a=2" },
		"a parameter more":            func(r *http.Request) { r.URL.RawQuery += "&b=1" },
		"the body":                    func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":2}`)) },
		"the length":                  func(r *http.Request) { r.Header.Set("Content-Length", "8") },
		"a header":                    func(r *http.Request) { r.Header.Set("X-Odd", "b") },
		"a header that comes again":   func(r *http.Request) { r.Header.Add("X-Odd", "b") },
		"a header that is gone":       func(r *http.Request) { r.Header.Del("X-Odd") },
		"the operation":               func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.CreateKey") },
		"the token":                   func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") },
		"an x-amz header more":        func(r *http.Request) { r.Header.Set("X-Amz-More", "x") },
		"the time, by a second":       func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260304T120001Z") },
		"the day of the scope":        head("/20260304/", "/20260305/"),
		"the Region of the scope":     head("/us-east-1/", "/us-west-2/"),
		"the service of the scope":    head("/kms/", "/sts/"),
		"a digit of the signature":    func(r *http.Request) { r.Header.Set("Authorization", flipLast(r.Header.Get("Authorization"))) },
		"the signature in upper case": func(r *http.Request) { r.Header.Set("Authorization", upperMAC(r.Header.Get("Authorization"))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed.request(t)
			change(r)
			_, err := verified(r, noon())
			switch {
			case name == "nothing" && err != nil:
				t.Errorf("the request as it was signed: %v", err)
			case name == "the day of the scope" && !errors.Is(err, ErrIncomplete):
				t.Errorf("got %v, want a scope that does not fit the date", err)
			case name != "nothing" && name != "the day of the scope" && !errors.Is(err, ErrMismatch):
				t.Errorf("got %v, want a mismatch", err)
			}
		})
	}
}

func flipLast(text string) string {
	last := byte('0')
	if text[len(text)-1] == '0' {
		last = '1'
	}
	return text[:len(text)-1] + string(last)
}

func upperMAC(text string) string {
	at := strings.LastIndexByte(text, '=')
	mac := strings.ToUpper(text[at:])
	if mac == text[at:] { // a signature of digits only
		mac = flipLast(mac)
	}
	return text[:at] + mac
}

func TestAWrongSecretIsRefused(t *testing.T) {
	t.Parallel()
	r := sample{}.request(t)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	keys := &Keys{}
	if err := s.Verify(keys, r, nil, secret, noon()); err != nil {
		t.Errorf("the right secret: %v", err)
	}
	if err := s.Verify(keys, r, nil, secret+"x", noon()); !errors.Is(err, ErrMismatch) {
		t.Errorf("a wrong secret, after the right one made its signing key: %v", err)
	}
}

// Without these, whoever passes a request on could change what it says.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
func TestTheHostAndEveryAmzHeaderMustBeSigned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, unsigned, want string }{
		{"the host", "host;", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"the target", "x-amz-target", "There were headers present in the request which were not signed: x-amz-target"},
		{"the token", "x-amz-security-token;", "There were headers present in the request which were not signed: x-amz-security-token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := sample{token: "token", header: http.Header{"X-Amz-Target": {"TrentService.ListKeys"}}}.request(t)
			head := strings.Replace(r.Header.Get("Authorization"), c.unsigned, "", 1)
			r.Header.Set("Authorization", strings.Replace(head, ";,", ",", 1))
			if _, err := verified(r, noon()); !errors.Is(err, ErrMismatch) || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
	r := sample{}.request(t)
	r.Header.Set("X-Amzn-Trace-Id", "Root=1")
	if _, err := verified(r, noon()); err != nil {
		t.Errorf("X-Amzn-Trace-Id, which load balancers add: %v", err)
	}
}

// AWS's texts for clocks that differ are recorded for both services.
func TestAClockThatDiffersIsSaidInAWSsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service string
		later   time.Duration
		want    string
	}{
		{"kms", 5 * time.Minute, ""},
		{"kms", -5 * time.Minute, ""},
		{"kms", 5*time.Minute + time.Second, "Signature expired: 20260304T120000Z is now earlier than 20260304T120001Z (20260304T120501Z - 5 min.)"},
		{"kms", -5*time.Minute - time.Second, "Signature not yet current: 20260304T120000Z is still later than 20260304T115959Z (20260304T115459Z + 5 min.)"},
		{"sts", 15 * time.Minute, ""},
		{"sts", 15*time.Minute + time.Second, "Signature expired: 20260304T120000Z is now earlier than 20260304T120001Z (20260304T121501Z - 15 min.)"},
		{"s3", -15*time.Minute - time.Second, "Signature not yet current: 20260304T120000Z is still later than 20260304T115959Z (20260304T114459Z + 15 min.)"},
	} {
		_, err := verified(sample{service: c.service}.request(t), noon().Add(c.later))
		if got := text(err); got != c.want {
			t.Errorf("%s, %s later: %q\nwant %q", c.service, c.later, got, c.want)
		}
		var at *TimeError
		if c.want != "" && !errors.As(err, &at) {
			t.Errorf("%s, %s later: %T is no *TimeError", c.service, c.later, err)
		}
	}
}

// STS heeds its 15 minutes only: https://github.com/aws/aws-sdk-go/issues/2167.
func TestAPresignedRequestExpires(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service, expires string
		later            time.Duration
		ok               bool
	}{
		{"s3", "60", time.Minute, true},
		{"s3", "60", 61 * time.Second, false},
		{"s3", "604800", 7 * 24 * time.Hour, true},
		{"s3", "604800", 7*24*time.Hour + time.Second, false},
		{"s3", "86400", -15*time.Minute - time.Second, false},
		{"sts", "60", 15 * time.Minute, true},
		{"sts", "60", 15*time.Minute + time.Second, false},
		{"sts", "86400", 15*time.Minute + time.Second, false},
	} {
		s := sample{url: "http://h/?X-Amz-Expires=" + c.expires, service: c.service}
		if c.service == "s3" {
			s.hash = Unsigned
		}
		r := s.presigned(t)
		_, err := verified(r, noon().Add(c.later))
		var at *TimeError
		if ok := err == nil; ok != c.ok || !ok && !errors.As(err, &at) {
			t.Errorf("%s for %s s, %s later: %v", c.service, c.expires, c.later, err)
		}
	}
}

func TestThePayloadHashInTheRequestMustBeThatOfTheBody(t *testing.T) {
	t.Parallel()
	wrong := strings.Repeat("0", 64)
	r := sample{body: "{}", header: http.Header{"X-Amz-Content-Sha256": {wrong}}, hash: wrong}.request(t)
	if _, err := verified(r, noon()); !errors.Is(err, ErrMismatch) {
		t.Errorf("another hash, rightly signed: %v", err)
	}
	const streamed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	s := sample{body: "{}", header: http.Header{"X-Amz-Content-Sha256": {streamed}}, hash: streamed}
	if _, err := verified(s.request(t), noon()); !errors.Is(err, ErrMismatch) {
		t.Errorf("a body in signed parts, which only S3 takes: %v", err)
	}
	s.service = "s3"
	if _, err := verified(s.request(t), noon()); err != nil {
		t.Errorf("a body in signed parts to S3: %v", err)
	}
}

func TestASignatureThatIsIncompleteIsSaidToBe(t *testing.T) {
	t.Parallel()
	const credential = "Credential=AKIAIOSFODNN7EXAMPLE/20260304/us-east-1/kms/aws4_request"
	const rest = ", SignedHeaders=host, Signature=00"
	for _, c := range []struct{ name, head, date, want string }{
		{"another scheme", "Bearer x", "", "Unsupported AWS 'algorithm'"},
		{"another algorithm", "AWS4-ECDSA-P256-SHA256 " + credential + rest, "", "Unsupported AWS 'algorithm'"},
		{"nothing after the algorithm", "AWS4-HMAC-SHA256 ", "", "not a valid key=value pair"},
		{"no space", "AWS4-HMAC-SHA256" + credential + rest, "", "Unsupported AWS 'algorithm'"},
		{"no equal sign", "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders, Signature=00", "", "'SignedHeaders' not a valid key=value pair"},
		{"no credential", "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00", "", "Authorization header requires 'Credential' parameter."},
		{"no signed headers", "AWS4-HMAC-SHA256 " + credential + ", Signature=00", "", "Authorization header requires 'SignedHeaders' parameter."},
		{"no signature", "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host", "", "Authorization header requires 'Signature' parameter."},
		{"only a name", "AWS4-HMAC-SHA256 Credential=", "", "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"no date", "AWS4-HMAC-SHA256 " + credential + rest, "none", "existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"a date of another form", "AWS4-HMAC-SHA256 " + credential + rest, "2026-03-04T12:00:00Z", "Date must be in ISO-8601 'basic format'. Got '2026-03-04T12:00:00Z'."},
		{"a date with more after it", "AWS4-HMAC-SHA256 " + credential + rest, "20260304T120000Zx", "Date must be in ISO-8601"},
		{"another day", "AWS4-HMAC-SHA256 " + credential + rest, "20260305T120000Z", "'20260304' != '20260305'."},
		{"half a day", "AWS4-HMAC-SHA256 Credential=A/2026/us-east-1/kms/aws4_request" + rest, "", "'2026' != '20260304'."},
		{"a short scope", "AWS4-HMAC-SHA256 Credential=A/20260304/kms/aws4_request" + rest, "", "exactly 5 slash-delimited elements"},
		{"a long scope", "AWS4-HMAC-SHA256 Credential=A/B/20260304/us-east-1/kms/aws4_request" + rest, "", "exactly 5 slash-delimited elements"},
		{"an empty Region", "AWS4-HMAC-SHA256 Credential=A/20260304//kms/aws4_request" + rest, "", "exactly 5 slash-delimited elements"},
		{"another end", "AWS4-HMAC-SHA256 Credential=A/20260304/us-east-1/kms/aws5_request" + rest, "", "valid terminator: 'aws4_request'."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.Header.Set("Authorization", c.head)
			switch c.date {
			case "":
				r.Header.Set("X-Amz-Date", "20260304T120000Z")
			case "none":
			default:
				r.Header.Set("X-Amz-Date", c.date)
			}
			if _, err := Parse(r); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant …%s…", err, c.want)
			}
		})
	}
}

func TestAPresignedQueryThatIsIncompleteIsSaidToBe(t *testing.T) {
	t.Parallel()
	all := url.Values{
		"X-Amz-Algorithm": {algorithm}, "X-Amz-Credential": {"A/20260304/us-east-1/s3/aws4_request"}, "X-Amz-Date": {"20260304T120000Z"},
		"X-Amz-SignedHeaders": {"host"}, "X-Amz-Signature": {"00"}, "X-Amz-Expires": {"60"},
	}
	for _, c := range []struct{ name, value, want string }{
		{"X-Amz-Algorithm", "AWS4-HMAC-SHA1", "Unsupported AWS 'algorithm'"},
		{"X-Amz-Credential", "", "AWS query-string parameters requires 'X-Amz-Credential' parameter."},
		{"X-Amz-Date", "", "requires 'X-Amz-Date' parameter."},
		{"X-Amz-SignedHeaders", "", "requires 'X-Amz-SignedHeaders' parameter."},
		{"X-Amz-Signature", "", "requires 'X-Amz-Signature' parameter."},
		{"X-Amz-Expires", "", "between 1 and 604800 seconds"},
		{"X-Amz-Expires", "0", "between 1 and 604800 seconds"},
		{"X-Amz-Expires", "-1", "between 1 and 604800 seconds"},
		{"X-Amz-Expires", "604801", "between 1 and 604800 seconds"},
		{"X-Amz-Expires", "1h5", "between 1 and 604800 seconds"},
		{"X-Amz-Expires", "99999999999999999999", "between 1 and 604800 seconds"},
	} {
		q := url.Values{}
		for name, values := range all {
			q[name] = values
		}
		q.Set(c.name, c.value)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+q.Encode(), nil)
		if _, err := Parse(r); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%q: got %v\nwant …%s…", c.name, c.value, err, c.want)
		}
	}
	for _, target := range []string{"/", "/?a=b", "/?X-Amz-Date=20260304T120000Z"} {
		if _, err := Parse(httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: got %v, want no signature at all", target, err)
		}
	}
}

// The Date header stands in for X-Amz-Date.
// See https://docs.aws.amazon.com/general/latest/gr/sigv4-date-handling.html.
func TestTheDateHeaderWillDo(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"20260304T120000Z", "Wed, 04 Mar 2026 12:00:00 GMT"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header.Set("Date", date)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A/20260304/us-east-1/kms/aws4_request, SignedHeaders=date;host, Signature=00")
		s, err := Parse(r)
		if err != nil || !s.at.Equal(noon()) {
			t.Errorf("%s: %+v, %v", date, s, err)
		}
	}
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	t.Parallel()
	r := sample{}.request(t)
	r.Header.Add("Authorization", r.Header.Get("Authorization"))
	if _, err := Parse(r); !errors.Is(err, ErrIncomplete) {
		t.Errorf("got %v", err)
	}
}

// Remembered signing keys are bounded, and right after they were forgotten.
func TestSigningKeysAreForgottenWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	keys := &Keys{}
	first := keys.get(scope{secret, "20260304", "us-east-1", "kms"})
	for i := range maxKeys {
		keys.get(scope{secret, "20260304", "us-east-1", strings.Repeat("x", i%7) + hex.EncodeToString([]byte{byte(i >> 8), byte(i)})})
	}
	if n := len(keys.known); n > maxKeys {
		t.Errorf("%d keys are remembered", n)
	}
	if again := keys.get(scope{secret, "20260304", "us-east-1", "kms"}); !bytes.Equal(first.appendSign(nil, nil), again.appendSign(nil, nil)) {
		t.Error("the key made again is another")
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Whatever a request says, it is signed, not signed or signed incompletely, and
// checking it ends.
func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20260304/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20260304T120000Z", "", "/")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260304%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260304T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "/a//b")
	f.Add("AWS4-HMAC-SHA256 =,=,=", "Wed, 04 Mar 2026 12:00:00 GMT", "%zz&;", "/%2F")
	f.Fuzz(func(t *testing.T, head, date, query, path string) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Host: "h"}
		for name, value := range map[string]string{"Authorization": head, "X-Amz-Date": date} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		s, err := Parse(r.WithContext(context.Background()))
		if err != nil {
			if !errors.Is(err, ErrMissing) && !errors.Is(err, ErrIncomplete) {
				t.Fatalf("%v is neither missing nor incomplete", err)
			}
			return
		}
		if err := s.Verify(&Keys{}, r, nil, secret, noon()); err == nil {
			t.Fatalf("%q with %q passes without the secret", head, query)
		}
	})
}
