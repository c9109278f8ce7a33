package sandbox

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// noPages is why requests from web pages are refused.
const noPages = "takes no requests from web pages"

// barred says why the sandbox does not take a request at all; it is empty for one that
// it takes. A page in somebody's browser must not act in the sandbox, whose root users
// need no secret.
func barred(r *http.Request) string {
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case r.Header.Get("Origin") != "" || site != "" && site != "none":
		return noPages
	case rebound(r):
		return fmt.Sprintf("takes no requests for the host %q on the loopback address; call it by an address, as localhost, by a name without a dot, or by one under amazonaws.com, %s", r.Host, strings.Join(ownDomains, ", "))
	}
	return ""
}

// httptestAddress is the remote address of requests that httptest.NewRequest makes.
// No server is behind them.
const httptestAddress = "192.0.2.1:1234"

// fromHere reports whether a request comes from the machine that the sandbox runs on:
// from the loopback address, from the address that it went to, over a socket in the
// file system, or from a program that calls the handler itself.
func fromHere(r *http.Request) bool {
	if r.RemoteAddr == "" || r.RemoteAddr == "@" || r.RemoteAddr == httptestAddress && r.Context().Value(http.LocalAddrContextKey) == nil {
		return true
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	if from.Addr().Unmap().IsLoopback() {
		return true
	}
	// A page can let its name lead to such an address as well: see rebound.
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && at.AddrPort().Addr().Unmap() == from.Addr().Unmap() && inside(r.Host)
}

// rebound reports whether a request came to this machine's own address under a name
// from outside: a page can let its own name lead here, and is then of the same origin
// to the browser, which sends none of the headers above.
func rebound(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && at.IP.IsLoopback() && !inside(r.Host)
}

// ownDomains are what names end in that only a network of one's own has.
var ownDomains = []string{"localhost", "local", "internal", "test"}

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
	return slices.Contains(ownDomains, last)
}
