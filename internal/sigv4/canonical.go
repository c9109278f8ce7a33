package sigv4

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// appendCanonical writes the request in the form that is signed.
func (s *Signature) appendCanonical(b []byte, r *http.Request, path, hash string) []byte {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, path...)
	b = append(b, '\n')
	b = appendQuery(b, r.URL.RawQuery, s.Presigned)
	b = append(b, '\n')
	for _, name := range s.signed {
		b = append(b, name...)
		b = append(b, ':')
		b = appendValue(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range s.signed {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, hash...)
}

// paths are the forms of the path that a signer may have taken: as it was sent,
// which SDKs do, and without empty and dotted segments, which AWS's rules ask for
// outside S3.
func (s *Signature) paths(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		sent := r.URL.EscapedPath()
		if sent == "" {
			sent = "/"
		}
		if s.Service == "s3" {
			yield(sent)
			return
		}
		if !yield(escapeSegments(sent)) {
			return
		}
		short := path.Clean(sent)
		if strings.HasSuffix(sent, "/") && short != "/" {
			short += "/"
		}
		if short != sent {
			yield(escapeSegments(short))
		}
	}
}

func escapeSegments(path string) string {
	if path == "/" {
		return path
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	return strings.Join(parts, "/")
}

// appendQuery writes the parameters in the order of their escaped names, and those
// of one name in that of their values.
func appendQuery(b []byte, raw string, presigned bool) []byte {
	if raw == "" {
		return b
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return append(b, raw...)
	}
	pairs := make([][2]string, 0, len(values))
	for name, vs := range values {
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		for _, v := range vs {
			pairs = append(pairs, [2]string{escape(name), escape(v)})
		}
	}
	slices.SortFunc(pairs, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p[0]...)
		b = append(b, '=')
		b = append(b, p[1]...)
	}
	return b
}

func appendValue(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return append(b, r.Host...)
	case "content-length":
		if r.Header.Get("Content-Length") == "" && r.ContentLength >= 0 {
			return fmt.Appendf(b, "%d", r.ContentLength)
		}
	}
	for i, v := range valuesOf(r.Header, name) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, squeeze(v)...)
	}
	return b
}

// canonicalNames are the names in http.Header of what clients sign, which spares the
// working out of them.
var canonicalNames = map[string]string{
	"content-type": "Content-Type", "x-amz-date": "X-Amz-Date", "x-amz-target": "X-Amz-Target", "x-amz-security-token": "X-Amz-Security-Token",
	"x-amz-content-sha256": "X-Amz-Content-Sha256", "amz-sdk-invocation-id": "Amz-Sdk-Invocation-Id", "amz-sdk-request": "Amz-Sdk-Request",
}

func valuesOf(h http.Header, name string) []string {
	if canonical, ok := canonicalNames[name]; ok {
		return h[canonical]
	}
	return h.Values(name)
}

// squeeze trims a header value and makes runs of spaces one. Tabs and other white
// space within stay as they are.
func squeeze(v string) string {
	v = strings.TrimSpace(v)
	for strings.Contains(v, "  ") {
		v = strings.ReplaceAll(v, "  ", " ")
	}
	return v
}

const upperHex = "0123456789ABCDEF"

// escape is the percent encoding that AWS asks for.
func escape(s string) string {
	plain := func(c byte) bool {
		return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
	}
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}
