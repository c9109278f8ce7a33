// Package wire speaks AWS's protocols as a server. One codec, driven by the
// tables of awsfacts, turns requests into the Input structs of aws-sdk-go-v2 and
// the Output structs into answers: json, query, ec2, rest-json and rest-xml.
//
// A request goes through three steps: the protocol's reader makes a tree of
// plain values (maps, lists, strings, numbers, bytes, times) guided by the shape;
// the tree is held against the constraints of the shape, which gives AWS's
// validation texts; and the tree fills the struct. An answer is written from the
// struct directly.
package wire

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
)

// Codec speaks the protocol of one service. It may be used by many goroutines.
type Codec struct {
	api      *awsfacts.API
	jsonType string
	plans    sync.Map // reflect.Type → *plan
	// readers and bodies are for json.
	readers readers
	bodies  bodies
	// unions are the SDK's types for the members of unions, by name.
	unions map[string]reflect.Type
	// routes and byMethod belong to the REST protocols.
	routes   map[*awsfacts.APIOperation]*route
	byMethod map[string][]*route
}

// New returns the codec of an API.
//
// Unions are pointers to the SDK's types for members of unions that requests have,
// such as &types.PolicyIdentifierMemberPolicyArn{}: nothing leads to them from the
// Input structs.
func New(api *awsfacts.API, unions ...any) *Codec {
	c := &Codec{api: api, unions: map[string]reflect.Type{}, jsonType: "application/x-amz-json-" + api.JSONVersion}
	for _, u := range unions {
		t := reflect.TypeOf(u).Elem()
		c.unions[t.Name()] = t
	}
	if api.Protocol == "rest-json" || api.Protocol == "rest-xml" {
		c.addRoutes()
	}
	return c
}

// API returns the tables that the codec works from.
func (c *Codec) API() *awsfacts.API { return c.api }

// Response is an answer ready to be sent.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Stream is the body in place of Body, when it is one. Whoever sends it closes it.
	Stream io.ReadCloser
}

// Decode reads the request of an operation into a pointer to the SDK's Input
// struct. The error is a *Error when the request is at fault.
func (c *Codec) Decode(op *awsfacts.APIOperation, r *http.Request, body []byte, into any) error {
	return c.decode(op, r, body, into, c.validate)
}

// DecodeStream is Decode for an operation whose Input has the body as a stream, of
// which length is the length. The stream goes into the struct as it is.
func (c *Codec) DecodeStream(op *awsfacts.APIOperation, r *http.Request, body io.Reader, length int64, into any) error {
	tree, err := c.readRESTStream(op, r, body, length)
	if err != nil {
		return err
	}
	if err := c.validate(op.Input, tree); err != nil {
		return err
	}
	return c.bind(reflect.ValueOf(into).Elem(), op.Input, tree)
}

// Streams reports whether an operation takes its body as a stream.
func Streams(op *awsfacts.APIOperation) bool {
	if op.Input == nil {
		return false
	}
	m := payload(op.Input)
	return m != nil && m.Shape.Type == "blob" && (m.Streaming || m.Shape.Streaming)
}

// Fill is Decode without the constraints: a value that is too long, or of no form
// that AWS takes, is read all the same.
func (c *Codec) Fill(op *awsfacts.APIOperation, r *http.Request, body []byte, into any) error {
	return c.decode(op, r, body, into, func(*awsfacts.Shape, map[string]any) error { return nil })
}

func (c *Codec) decode(op *awsfacts.APIOperation, r *http.Request, body []byte, into any, check func(*awsfacts.Shape, map[string]any) error) error {
	tree, err := c.read(op, r, body)
	if err != nil || op.Input == nil {
		return err
	}
	if err := check(op.Input, tree); err != nil {
		return err
	}
	return c.bind(reflect.ValueOf(into).Elem(), op.Input, tree)
}

// read turns the request into a tree in the form of the input's shape.
func (c *Codec) read(op *awsfacts.APIOperation, r *http.Request, body []byte) (map[string]any, error) {
	switch c.api.Protocol {
	case "json":
		return c.readJSON(op.Input, body)
	case "query":
		return readForm(op.Input, body, queryNames)
	case "ec2":
		return readForm(op.Input, body, ec2Names)
	case "rest-json", "rest-xml":
		return c.readREST(op, r, body)
	}
	return nil, fmt.Errorf("wire: no reader for protocol %s", c.api.Protocol)
}

// Encode writes the answer of an operation; out is a pointer to the SDK's Output
// struct.
func (c *Codec) Encode(op *awsfacts.APIOperation, out any, requestID string) (*Response, error) {
	return c.EncodeFor(nil, http.Header{}, op, out, requestID)
}

// EncodeFor is Encode for a request: the header goes into h, and a query service
// answers JSON to who asks for it.
func (c *Codec) EncodeFor(r *http.Request, h http.Header, op *awsfacts.APIOperation, out any, requestID string) (*Response, error) {
	v := reflect.Indirect(reflect.ValueOf(out))
	res := &Response{Status: op.Status, Header: h}
	c.setRequestID(h, requestID)
	if c.wantsJSON(r) {
		h.Set("Content-Type", "application/json")
		res.Body = c.queryJSON(op, v, requestID)
		return res, nil
	}
	switch c.api.Protocol {
	case "json":
		h.Set("Content-Type", c.jsonType)
		if op.Output != nil {
			res.Body = c.appendJSON(c.bodies.get(), op.Output, v)
		}
	case "query":
		res.Header.Set("Content-Type", "text/xml")
		res.Body = c.queryAnswer(op, v, requestID)
	case "ec2":
		res.Header.Set("Content-Type", "text/xml;charset=UTF-8")
		res.Body = c.ec2Answer(op, v, requestID)
	case "rest-json", "rest-xml":
		if err := c.restAnswer(res, op, v); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("wire: no writer for protocol %s", c.api.Protocol)
	}
	return res, nil
}

// Reuse gives back the space of an answer that was sent.
func (c *Codec) Reuse(res *Response) {
	if c.api.Protocol == "json" {
		c.bodies.put(res.Body)
		res.Body = nil
	}
}

// bodies is space for answers.
type bodies struct{ pool sync.Pool }

func (p *bodies) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1024)
}

// maxReused is the size up to which space is kept.
const maxReused = 64 << 10

func (p *bodies) put(b []byte) {
	if cap(b) > 0 && cap(b) <= maxReused {
		p.pool.Put(&b)
	}
}

// plan says which field of a struct holds which member.
type plan struct {
	fields []planned
	byName map[string]int // member name → field index
}

type planned struct {
	member *awsfacts.Member
	index  int
}

// planOf works out the plan of a struct type once. A member that the SDK does not
// have is left out.
func (c *Codec) planOf(s *awsfacts.Shape, t reflect.Type) *plan {
	if p, ok := c.plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{byName: map[string]int{}}
	for _, m := range s.Members {
		if f, ok := t.FieldByName(upper(m.Name)); ok && len(f.Index) == 1 {
			p.fields = append(p.fields, planned{member: m, index: f.Index[0]})
			p.byName[m.Name] = f.Index[0]
		}
	}
	actual, _ := c.plans.LoadOrStore(t, p)
	return actual.(*plan)
}

// upper is the field name of a member.
func upper(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[size:]
}
