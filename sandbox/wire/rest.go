package wire

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
)

// route is the way in which a REST request names an operation: the template of
// its path and what has to stand in its query.
type route struct {
	op       *awsfacts.APIOperation
	segments []segment
	literals []literal
	// needed are the required members in the query and the headers. They tell
	// operations of one method and path apart, as CopyObject from PutObject.
	needed []*awsfacts.Member
}

type segment struct {
	text          string // as it stands in the path, or the name of the label
	label, greedy bool
}

type literal struct {
	name, value string
	any         bool // the name is enough
}

func newRoute(op *awsfacts.APIOperation) *route {
	path, query, _ := strings.Cut(op.URI, "?")
	rt := &route{op: op}
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch name, label := strings.CutPrefix(part, "{"); {
		case part == "": // the root has no segments
		case label:
			name, greedy := strings.CutSuffix(strings.TrimSuffix(name, "}"), "+")
			rt.segments = append(rt.segments, segment{text: name, label: true, greedy: greedy})
		default:
			rt.segments = append(rt.segments, segment{text: part})
		}
	}
	for part := range strings.SplitSeq(query, "&") {
		if name, value, given := strings.Cut(part, "="); name != "" {
			rt.literals = append(rt.literals, literal{name: name, value: value, any: !given})
		}
	}
	if op.Input == nil {
		return rt
	}
	for _, m := range op.Input.Members {
		if m.Required && (m.Location == "querystring" || m.Location == "header") {
			rt.needed = append(rt.needed, m)
		}
	}
	return rt
}

// addRoutes works out the routes of an API, by method, each list in the order of the
// names.
func (c *Codec) addRoutes() {
	c.routes, c.byMethod = map[*awsfacts.APIOperation]*route{}, map[string][]*route{}
	for _, name := range slices.Sorted(maps.Keys(c.api.Operations)) {
		op := c.api.Operations[name]
		rt := newRoute(op)
		c.routes[op] = rt
		c.byMethod[op.Method] = append(c.byMethod[op.Method], rt)
	}
}

// labels reads the labels of a path as it was sent. A slash at the end is taken
// for none, unless it belongs to a label that takes all of the rest.
func (rt *route) labels(path string) (map[string]string, bool) {
	rest := strings.TrimPrefix(path, "/")
	var labels map[string]string
	for _, s := range rt.segments {
		part, more, _ := strings.Cut(rest, "/")
		if s.greedy {
			part, more = rest, ""
		}
		text, err := url.PathUnescape(part)
		if err != nil || text == "" || !utf8.ValidString(text) || !s.label && text != s.text {
			return nil, false
		}
		if s.label {
			if labels == nil {
				labels = make(map[string]string, len(rt.segments))
			}
			labels[s.text] = text
		}
		rest = more
	}
	return labels, rest == ""
}

// rank is how well a request fits a route; the parts count in their order.
type rank [5]int

// fit ranks a request. A segment that is named beats a label; a name in the query
// beats none; then the required members decide, those that are missing first; last
// the operation that the client says it means, as SDKs do where S3 cannot tell
// otherwise.
func (rt *route) fit(path string, query url.Values, header http.Header) (rank, bool) {
	var k rank
	if _, ok := rt.labels(path); !ok {
		return k, false
	}
	for _, s := range rt.segments {
		if !s.label {
			k[0]++
		}
	}
	for _, l := range rt.literals {
		values, ok := query[l.name]
		if !ok || !l.any && values[0] != l.value {
			return k, false
		}
		k[1]++
	}
	for _, m := range rt.needed {
		there := query.Has(m.Wire())
		if m.Location == "header" {
			there = header.Get(m.Wire()) != ""
		}
		if there {
			k[3]++
		} else {
			k[2]--
		}
	}
	if query.Get("x-id") == rt.op.Name {
		k[4] = 1
	}
	return k, true
}

// Match finds the operation that a request of a REST protocol names by its method,
// path, query and headers, or nil. A request to a bucket's own host has to go
// through PathStyle first.
func (c *Codec) Match(r *http.Request) *awsfacts.APIOperation {
	// A part of the query that cannot be read is missing here; Decode refuses it.
	query, _ := url.ParseQuery(r.URL.RawQuery)
	path := r.URL.EscapedPath()
	var best *awsfacts.APIOperation
	var top rank
	for _, rt := range c.byMethod[r.Method] {
		if k, ok := rt.fit(path, query, r.Header); ok && (best == nil || slices.Compare(k[:], top[:]) > 0) {
			best, top = rt.op, k
		}
	}
	return best
}

// PathStyle returns a request to a bucket's own host as the request to the path
// that means the same, /bucket/key; any other it returns as it is. Host is the one
// at which buckets have theirs, as "s3.eu-west-1.amazonaws.com"; ports do not
// matter. A signature holds for the request as it was sent.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html.
func PathStyle(r *http.Request, host string) *http.Request {
	asked, suffix := withoutPort(r.Host), "."+withoutPort(host)
	at := len(asked) - len(suffix)
	if at <= 0 || !strings.EqualFold(asked[at:], suffix) {
		return r
	}
	u := *r.URL
	u.Path = "/" + asked[:at] + r.URL.Path
	u.RawPath = "/" + url.PathEscape(asked[:at]) + r.URL.EscapedPath()
	out := r.WithContext(r.Context())
	out.URL = &u
	return out
}

func withoutPort(host string) string {
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		return host[:at]
	}
	return host
}
