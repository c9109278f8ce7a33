package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
)

// readREST reads a request of the REST protocols: labels of the path, query,
// headers and body.
func (c *Codec) readREST(op *awsfacts.APIOperation, r *http.Request, body []byte) (map[string]any, error) {
	rt := c.routes[op]
	if rt == nil {
		return nil, fmt.Errorf("wire: %s has no operation %s", c.api.Service, op.Name)
	}
	tree := map[string]any{}
	if op.Input == nil {
		return tree, nil
	}
	if err := readParts(tree, rt, r, int64(len(body))); err != nil {
		return nil, c.argument(err)
	}
	return tree, c.readRESTBody(tree, op, body)
}

// readRESTStream is readREST for a body that is a stream.
func (c *Codec) readRESTStream(op *awsfacts.APIOperation, r *http.Request, body io.Reader, length int64) (map[string]any, error) {
	rt := c.routes[op]
	if rt == nil || !Streams(op) {
		return nil, fmt.Errorf("wire: %s has no operation %s with a stream", c.api.Service, op.Name)
	}
	tree := map[string]any{}
	if err := readParts(tree, rt, r, length); err != nil {
		return nil, c.argument(err)
	}
	tree[payload(op.Input).Name] = body
	return tree, nil
}

// argument gives the code that S3 has for what stands outside the document.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func (c *Codec) argument(err error) error {
	var e *Error
	if c.api.Protocol != "rest-xml" || !errors.As(err, &e) {
		return err
	}
	return &Error{Code: "InvalidArgument", Message: e.Message, Status: http.StatusBadRequest}
}

// parts are the places of a request other than its body.
type parts struct {
	labels map[string]string
	query  url.Values
	header http.Header
	// length is that of the body as it was read: the header of a chunked upload
	// counts the framing as well, and Go's server takes the header away.
	length int64
}

func readParts(tree map[string]any, rt *route, r *http.Request, length int64) error {
	labels, ok := rt.labels(r.URL.EscapedPath())
	if !ok {
		return malformed("the path is not one of " + rt.op.Name)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return malformed("the query cannot be read")
	}
	p := parts{labels: labels, query: query, header: r.Header, length: length}
	for _, m := range rt.op.Input.Members {
		v, err := p.member(m)
		if err != nil {
			return err
		}
		if v != nil {
			tree[m.Name] = v
		}
	}
	return nil
}

func (p *parts) member(m *awsfacts.Member) (any, error) {
	switch m.Location {
	case "uri":
		if text, ok := p.labels[m.Wire()]; ok {
			return plain(m.Shape, text, m.Name)
		}
	case "querystring":
		return p.fromQuery(m)
	case "header":
		return p.fromHeader(m)
	case "headers":
		return p.prefixed(m)
	}
	return nil, nil
}

// fromQuery reads a member of the query. A map takes all parameters, those too
// that other members have; of a parameter that stands twice the first counts.
// See https://smithy.io/2.0/spec/http-bindings.html#httpqueryparams-trait.
func (p *parts) fromQuery(m *awsfacts.Member) (any, error) {
	if m.Shape.Type == "map" {
		out := make(map[string]any, len(p.query))
		for name, values := range p.query {
			v, err := fromTexts(m.Shape.Value.Shape, values, join(m.Name, name))
			if err != nil {
				return nil, err
			}
			out[name] = v
		}
		return out, nil
	}
	values, ok := p.query[m.Wire()]
	if !ok {
		return nil, nil
	}
	return fromTexts(m.Shape, values, m.Name)
}

// fromTexts reads a list from all of the values, anything else from the first.
func fromTexts(s *awsfacts.Shape, values []string, path string) (any, error) {
	if s.Type != "list" {
		return plain(s, values[0], path)
	}
	out := make([]any, len(values))
	for i, text := range values {
		v, err := plain(s.Elem.Shape, text, join(path, strconv.Itoa(i+1)))
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// fromHeader reads a member from its header. An empty header is one that was not
// sent.
func (p *parts) fromHeader(m *awsfacts.Member) (any, error) {
	if strings.EqualFold(m.Wire(), "Content-Length") {
		if p.length == 0 {
			return nil, nil
		}
		return p.length, nil
	}
	text := strings.Join(p.header.Values(m.Wire()), ",")
	if text == "" {
		return nil, nil
	}
	if m.Shape.Type == "list" {
		return fromTexts(m.Shape, splitHeader(text), m.Name)
	}
	return plain(m.Shape, text, m.Name)
}

// splitHeader splits the list in a header at its commas. An element may stand in
// quotes, with commas in it and backslashes before quotes.
func splitHeader(text string) []string {
	var out []string
	var item strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '"':
			quoted = !quoted
		case ch == '\\' && quoted && i+1 < len(text):
			i++
			item.WriteByte(text[i])
		case ch == ',' && !quoted:
			out = append(out, strings.TrimSpace(item.String()))
			item.Reset()
		default:
			item.WriteByte(ch)
		}
	}
	return append(out, strings.TrimSpace(item.String()))
}

// prefixed reads the map that all headers with a prefix make. Names are in lower
// case, as S3 keeps those of an object's metadata.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html.
func (p *parts) prefixed(m *awsfacts.Member) (any, error) {
	prefix := strings.ToLower(m.Wire())
	out := map[string]any{}
	for name, values := range p.header {
		key, ok := strings.CutPrefix(strings.ToLower(name), prefix)
		if !ok || key == "" {
			continue
		}
		v, err := plain(m.Shape.Value.Shape, strings.Join(values, ","), join(m.Name, key))
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// payload is the member that is the body of a message, or nil.
func payload(s *awsfacts.Shape) *awsfacts.Member {
	for _, m := range s.Members {
		if s.Payload != "" && m.Name == s.Payload {
			return m
		}
	}
	return nil
}

// hasBody reports whether members of a structure make a document of their own.
func hasBody(s *awsfacts.Shape) bool {
	for _, m := range s.Members {
		if m.Location == "" {
			return true
		}
	}
	return false
}

// readRESTBody reads the body into the tree: one member that is all of it, or a
// document of those that stand nowhere else.
func (c *Codec) readRESTBody(tree map[string]any, op *awsfacts.APIOperation, body []byte) error {
	m := payload(op.Input)
	if m == nil {
		if !hasBody(op.Input) {
			return nil
		}
		doc, err := c.document(op.Input, op.Root, body)
		for name, v := range doc {
			tree[name] = v
		}
		return err
	}
	switch m.Shape.Type {
	case "structure":
		doc, err := c.document(m.Shape, m.Wire(), body)
		if err == nil && doc != nil {
			tree[m.Name] = doc
		}
		return err
	case "blob":
		// An upload without content is one all the same.
		if len(body) > 0 || m.Streaming || m.Shape.Streaming {
			tree[m.Name] = body
		}
	case "string":
		if !utf8.Valid(body) {
			return unfit(m.Name, m.Shape)
		}
		if len(body) > 0 {
			tree[m.Name] = string(body)
		}
	}
	return nil
}

// document reads a JSON or XML document, nil for none.
func (c *Codec) document(s *awsfacts.Shape, root string, body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if c.api.Protocol == "rest-json" {
		return c.readJSON(s, body)
	}
	n, err := parseXML(body)
	if err != nil {
		return nil, err
	}
	if root != "" && n.name != root {
		return nil, malformed("the document is not a " + root)
	}
	return n.structure(s, "")
}

// content is a body that an Input struct has as a stream. SDK clients go back in
// it to hash it, so it can seek.
type content struct{ *bytes.Reader }

// Close does nothing: there is nothing to give back.
func (content) Close() error { return nil }

// newContent makes a stream of bytes.
func newContent(b []byte) io.ReadSeekCloser { return content{bytes.NewReader(b)} }
