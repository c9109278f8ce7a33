package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// asked is a request to the handler itself.
type asked struct {
	what, body string // method and path
	from       string // RemoteAddr
	at, host   string // the address that it went to, and the Host
}

func ask(t *testing.T, s *Sandbox, q asked) (*http.Response, string) {
	t.Helper()
	method, path, _ := strings.Cut(q.what, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(q.body))
	r.RemoteAddr = q.from
	if q.host != "" {
		r.Host = q.host
	}
	if q.at != "" {
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(q.at), Port: 4599})))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func newBox(t *testing.T, o Options) *Sandbox {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // it keeps nothing
	return s
}

func TestItsOwnEndpointsAnswerThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from, at, host string
		served               bool
	}{
		{"a program that calls the handler", "", "", "", true},
		{"a socket in the file system", "@", "", "", true},
		{"the loopback address", "127.0.0.1:40000", "127.0.0.1", "127.0.0.1:4599", true},
		{"another of its addresses", "127.8.0.1:40000", "127.0.0.1", "localhost:4599", true},
		{"that of IPv6", "[::1]:40000", "::1", "[::1]:4599", true},
		{"one that is mapped", "[::ffff:127.0.0.1]:40000", "127.0.0.1", "127.0.0.1:4599", true},
		{"the machine's own address", "10.0.0.5:40000", "10.0.0.5", "10.0.0.5:4599", true},
		{"a page there, whose name leads here", "10.0.0.5:40000", "10.0.0.5", "evil.example:4599", false},
		{"a neighbour", "10.0.0.6:40000", "10.0.0.5", "10.0.0.5:4599", false},
		{"a neighbour in IPv6", "[2001:db8::6]:40000", "2001:db8::5", "[2001:db8::5]:4599", false},
		{"a request of net/http/httptest", "192.0.2.1:1234", "", "", true},
		{"a neighbour who has the address that it uses", "192.0.2.1:1234", "192.0.2.2", "192.0.2.2:4599", false},
		{"what is no address", "somewhere", "10.0.0.5", "10.0.0.5:4599", false},
	} {
		for _, strict := range []bool{false, true} {
			s := newBox(t, Options{Strict: strict})
			for _, what := range []string{"POST reset", "GET clock", "POST clock", "GET estate", "HEAD estate", "PUT estate", "GET decisions/none", "GET none"} {
				method, path, _ := strings.Cut(what, " ")
				res, text := ask(t, s, asked{what: method + " /_keyreach/" + path, from: c.from, at: c.at, host: c.host})
				if refused := res.StatusCode == http.StatusForbidden; refused == c.served {
					t.Errorf("%s, strict %v: %s answers %d %s", c.name, strict, what, res.StatusCode, text)
				}
				if !c.served && !(strings.Contains(text, c.from) && strings.Contains(text, "call it there")) {
					t.Errorf("%s: %s says %s", c.name, what, text)
				}
			}
			if res, text := ask(t, s, asked{what: "GET /_keyreach/health", from: c.from, at: c.at, host: c.host}); res.StatusCode != http.StatusOK {
				t.Errorf("%s: health answers %d %s", c.name, res.StatusCode, text)
			}
		}
	}
}

// Over a network, by an address of this machine that is not the loopback one.
func TestTheMachinesOwnAddressIsThisMachine(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(newBox(t, Options{}))
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	web.Listener.Close()
	web.Listener = l
	web.Start()
	defer web.Close()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip := a.(*net.IPNet).IP.To4()
		if ip == nil {
			continue
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		res, err := web.Client().Get("http://" + net.JoinHostPort(ip.String(), port) + "/_keyreach/clock")
		if err != nil {
			t.Errorf("%s: %v", ip, err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s answers %d", ip, res.StatusCode)
		}
	}
}

func TestAMethodThatAnEndpointDoesNotTakeIsToldWhichItTakes(t *testing.T) {
	t.Parallel()
	s := newBox(t, Options{})
	for what, want := range map[string]struct {
		status int
		allow  string
	}{
		"GET /_keyreach/health":            {200, ""},
		"HEAD /_keyreach/health":           {200, ""},
		"POST /_keyreach/health":           {405, "GET, HEAD"},
		"GET /_keyreach/reset":             {405, "POST"},
		"DELETE /_keyreach/estate":         {405, "GET, HEAD, PUT"},
		"PUT /_keyreach/clock":             {405, "GET, HEAD, POST"},
		"POST /_keyreach/decisions/none":   {405, "GET, HEAD"},
		"OPTIONS /_keyreach/decisions/one": {405, "GET, HEAD"},
		"GET /_keyreach/none":              {404, ""},
		"GET /_keyreach/":                  {404, ""},
		"GET /_keyreach":                   {404, ""},
		"POST /_keyreach":                  {404, ""},
		"GET /_keyreaches":                 {400, ""}, // AWS's
	} {
		res, text := ask(t, s, asked{what: what})
		if allow := res.Header.Get("Allow"); res.StatusCode != want.status || allow != want.allow {
			t.Errorf("%s: %d, Allow %q, %s", what, res.StatusCode, allow, text)
		}
		if own := res.Header.Get("X-Amzn-Requestid") == ""; own != (want.status != 400) {
			t.Errorf("%s is answered as the other kind: %s", what, text)
		}
		if want.status == 405 && !strings.Contains(text, "takes "+want.allow) {
			t.Errorf("%s says %s", what, text)
		}
	}
}

func TestAHostThatIsRefusedIsNamedWithThoseThatAreNot(t *testing.T) {
	t.Parallel()
	s := newBox(t, Options{})
	for _, path := range []string{"GET /_keyreach/clock", "POST /"} {
		res, text := ask(t, s, asked{what: path, from: "127.0.0.1:40000", at: "127.0.0.1", host: "box.example.com:4599"})
		if res.StatusCode != http.StatusForbidden || !strings.Contains(text, "box.example.com:4599") || !strings.Contains(text, "localhost") || !strings.Contains(text, "amazonaws.com") || strings.Contains(text, "web pages") {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
	}
}

func TestTheClockSaysWhatItIsOrWhyNot(t *testing.T) {
	t.Parallel()
	s := newBox(t, Options{})
	for _, c := range []struct{ name, body, want string }{
		{"a week", `{"advance":"168h"}`, ""},
		{"nothing at all", `{"advance":"0s"}`, ""},
		{"with a line end", `{"advance":"1s"}` + "\n", ""},
		{"beyond a hundred years", `{"advance":"900000h"}`, "at most 876000h0m0s ahead"},
		{"beyond what Go can hold", `{"advance":"9999999h"}`, "at most 876000h0m0s ahead"},
		{"beyond it in parts", `{"advance":"1h9999999999999999999.5h"}`, "at most 876000h0m0s ahead"},
		{"back", `{"advance":"-1h"}`, "it only goes ahead"},
		{"back beyond what Go can hold", `{"advance":"-9999999h"}`, "it only goes ahead"},
		{"days", `{"advance":"7d"}`, `not "7d"; its units are h, m and s`},
		{"no unit", `{"advance":"7"}`, "its units are h, m and s"},
		{"no text", `{"advance":""}`, "its units are h, m and s"},
		{"a number", `{"advance":7}`, "advance is a text in quotes, and here it is a JSON number"},
		{"a list", `["7h"]`, "it is an object, and here it is a JSON array"},
		{"another member", `{"advanced":"7h"}`, `unknown field "advanced"`},
		{"no member", `{}`, "advance is missing"},
		{"null", `null`, "advance is missing"},
		{"no body", ``, "it is empty"},
		{"half a body", `{"advance":`, "unexpected EOF"},
		{"another after it", `{"advance":"1h"}{"advance":"1h"}`, "with nothing after it"},
		{"noise after it", `{"advance":"1h"} x`, "with nothing after it"},
		{"two kilobytes", `{"advance":"` + strings.Repeat("1", 2048) + `h"}`, "more than 1 KiB"},
	} {
		before := s.clock.Ahead()
		res, text := ask(t, s, asked{what: "POST /_keyreach/clock", body: c.body})
		var out struct{ Status, Now, Error string }
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%s: %s: %v", c.name, text, err)
		}
		if c.want != "" {
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(out.Error, c.want) || strings.Contains(out.Error, "Go ") || s.clock.Ahead() != before {
				t.Errorf("%s: %d %s", c.name, res.StatusCode, text)
			}
			continue
		}
		now, err := time.Parse(time.RFC3339, out.Now)
		if err != nil || out.Status != "ok" || now.Sub(s.clock.Now()).Abs() > time.Minute {
			t.Errorf("%s: %s: %v", c.name, text, err)
		}
	}
}

func TestAResetLeavesTheClock(t *testing.T) {
	t.Parallel()
	s := newBox(t, Options{})
	if err := s.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	if res, text := ask(t, s, asked{what: "POST /_keyreach/reset"}); res.StatusCode != http.StatusOK || s.clock.Ahead() != time.Hour {
		t.Errorf("%d %s, and it is %s ahead", res.StatusCode, text, s.clock.Ahead())
	}
}
