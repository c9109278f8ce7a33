package sandbox

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// fromWebPage reports whether a page in somebody's browser makes the request: it
// must not act in the sandbox, whose root users need no secret.
func fromWebPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") != "" || site != "" && site != "none" || rebound(r)
}

// rebound reports whether a request came to this machine's own address under a name
// from outside: a page can let its own name lead here, and is then of the same origin
// to the browser, which sends none of the headers above.
func rebound(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && at.IP.IsLoopback() && !inside(r.Host)
}

// inside reports whether a host is an address, AWS's, or a name that only a network
// of one's own has.
func inside(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]."))
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".amazonaws.com") {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return slices.Contains([]string{"localhost", "local", "internal", "test"}, last)
}
