package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/cloudtrail"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// maxBody is the size of the largest request: a key policy that is too large, as
// the API lets it be sent, with room to spare.
const maxBody = 1 << 20

// ServeHTTP answers one request.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		s.admin(w, r)
		return
	}
	body, err := readBody(w, r)
	id := s.ids.UUID()
	if err != nil {
		plain(w, &wire.Error{Code: "RequestEntityTooLarge", Message: "The request has more than 1 MiB.", Status: http.StatusRequestEntityTooLarge}, id)
		return
	}
	v, op, err := s.route(r, body)
	if v == nil {
		plain(w, err, id)
		return
	}
	if err != nil {
		send(w, v.codec.EncodeError(err, id))
		return
	}
	c := &gate.Call{
		ID: id, Service: v.service.Name(), Operation: op.Name, At: s.clock.Now(), UserAgent: r.UserAgent(), SourceIP: sourceIP(r),
	}
	out, err := s.answer(r, body, v, op, c)
	if err != nil {
		send(w, v.codec.EncodeError(s.wireError(v, err), id))
		return
	}
	res, err := v.codec.Encode(op, out, id)
	if err != nil {
		send(w, v.codec.EncodeError(err, id))
		return
	}
	send(w, res)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	limited := http.MaxBytesReader(w, r.Body, maxBody)
	if n := r.ContentLength; n > 0 && n <= maxBody {
		b := make([]byte, n)
		_, err := io.ReadFull(limited, b)
		return b, err
	}
	var b bytes.Buffer
	_, err := b.ReadFrom(limited)
	return b.Bytes(), err
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func send(w http.ResponseWriter, res *wire.Response) {
	h := w.Header()
	for name, values := range res.Header {
		h[name] = values
	}
	h["Content-Length"] = []string{strconv.Itoa(len(res.Body))}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body) // a client that went away is no error of ours
}

// plain answers a request of which the service is not known.
func plain(w http.ResponseWriter, err error, id string) {
	e := &wire.Error{Code: "UnknownOperationException", Message: "The request names no service that the sandbox has.", Status: http.StatusBadRequest}
	errors.As(err, &e)
	h := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Requestid": {id}}
	send(w, &wire.Response{Status: e.Status, Header: h, Body: wire.JSONError(*e)})
}

// route finds the service and the operation of a request: by its target, or by
// the action and version of its form.
func (s *Sandbox) route(r *http.Request, body []byte) (*served, *awsfacts.APIOperation, error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		dot := strings.LastIndexByte(target, '.')
		if dot < 0 || s.targets[target[:dot]] == nil {
			return nil, nil, &wire.Error{Code: "UnknownOperationException", Message: "The sandbox has no service for the target " + target, Status: http.StatusBadRequest}
		}
		v := s.targets[target[:dot]]
		op, err := v.operation(target[dot+1:])
		return v, op, err
	}
	form := r.URL.RawQuery
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form = string(body)
	}
	action, version := formAction(form)
	if action == "" {
		return nil, nil, nil
	}
	v := s.versions[version]
	if v == nil {
		return nil, nil, &wire.Error{Code: "UnknownOperationException", Message: "The sandbox has no service with the version " + version + " of its API.", Status: http.StatusBadRequest}
	}
	op, err := v.operation(action)
	return v, op, err
}

// formAction reads Action and Version of a form without reading the rest.
func formAction(form string) (action, version string) {
	for pair := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "Action":
			action, _ = url.QueryUnescape(value)
		case "Version":
			version, _ = url.QueryUnescape(value)
		}
		if action != "" && version != "" {
			break
		}
	}
	return action, version
}

// operation finds an operation that is offered.
func (v *served) operation(name string) (*awsfacts.APIOperation, error) {
	api := v.codec.API()
	op := api.Operation(name)
	switch {
	case op == nil && api.Protocol == "json":
		return nil, &wire.Error{Code: "UnknownOperationException", Message: "Unknown operation " + name, Status: http.StatusBadRequest}
	case op == nil:
		return nil, &wire.Error{Code: "InvalidAction", Message: "Could not find operation " + name + " for version " + api.Version, Status: http.StatusBadRequest}
	}
	if _, ok := v.ops[name]; !ok {
		return nil, &wire.Error{Code: "NotImplemented", Message: "Keyreach's sandbox does not offer " + api.Service + ":" + name + "; docs/sandbox.md lists what it offers", Status: http.StatusNotImplemented}
	}
	return op, nil
}

// answer authenticates, decodes, authorizes and performs a call.
func (s *Sandbox) answer(r *http.Request, body []byte, v *served, op *awsfacts.APIOperation, c *gate.Call) (any, error) {
	if err := s.authenticate(r, body, v, c); err != nil {
		return nil, err
	}
	o := v.ops[op.Name]
	in := o.New()
	if err := v.codec.Decode(op, r, body, in); err != nil {
		s.log.Add(cloudtrail.Entry{Call: c, Err: err, ReadOnly: o.Mode == gate.Reads})
		return nil, err
	}
	out, err := s.perform(context.WithoutCancel(r.Context()), c, o, in)
	s.log.Add(cloudtrail.Entry{Call: c, In: in, Out: out, Err: err, ReadOnly: o.Mode == gate.Reads})
	return out, err
}

// perform authorizes and handles, under the lock that the operation needs.
func (s *Sandbox) perform(ctx context.Context, c *gate.Call, o gate.Operation, in any) (any, error) {
	ctx = gate.With(ctx, c)
	if o.Prepare != nil {
		if err := s.db.View(func() error { return s.allowed(c, o, in) }); err != nil && !errors.Is(err, gate.ErrUpdate) {
			return nil, err
		}
		prepared, err := o.Prepare(c, in)
		if err != nil {
			return nil, err
		}
		c.Prepared = prepared
	}
	var out any
	do := func() (err error) {
		if err = s.allowed(c, o, in); err == nil {
			out, err = o.Handle(ctx, in)
		}
		return err
	}
	if o.Mode == gate.Reads {
		err := s.db.View(do)
		if !errors.Is(err, gate.ErrUpdate) {
			return out, err
		}
	}
	c.Writing = true
	err := s.db.Update(do)
	return out, err
}

// allowed puts the operation's questions to the gate.
func (s *Sandbox) allowed(c *gate.Call, o gate.Operation, in any) error {
	if o.Asks == nil {
		return nil
	}
	c.Resources, c.Asked = c.Resources[:0], c.Asked[:0]
	asks, err := o.Asks(c, in)
	if err != nil {
		return err
	}
	return s.gate.Authorize(c, asks)
}

// client makes calls from one service to another.
type client struct{ s *Sandbox }

// Do performs an operation for the caller of the call that ctx carries. The state
// is locked already.
func (k client) Do(ctx context.Context, service, operation string, in any, f gate.Forward) (any, error) {
	from := gate.From(ctx)
	v := k.s.services[service]
	if v == nil {
		return nil, errors.New("sandbox: no service " + service)
	}
	o, ok := v.ops[operation]
	if !ok {
		return nil, errors.New("sandbox: no operation " + service + ":" + operation)
	}
	c := *from
	c.ID, c.Service, c.Operation, c.Forward = k.s.ids.UUID(), service, operation, &f
	c.Prepared, c.Asked, c.Resources = nil, nil, nil
	c.SourceIP, c.UserAgent = "", f.Service+".amazonaws.com"
	if err := k.s.allowed(&c, o, in); err != nil {
		k.s.log.Add(cloudtrail.Entry{Call: &c, In: in, Err: err, ReadOnly: o.Mode == gate.Reads})
		return nil, err
	}
	out, err := o.Handle(gate.With(ctx, &c), in)
	k.s.log.Add(cloudtrail.Entry{Call: &c, In: in, Out: out, Err: err, ReadOnly: o.Mode == gate.Reads})
	return out, err
}

// wireError gives a refusal of the gate the code of the service's protocol.
func (s *Sandbox) wireError(v *served, err error) error {
	var denied *gate.Denied
	if !errors.As(err, &denied) {
		return err
	}
	switch v.codec.API().Protocol {
	case "query", "rest-xml":
		return &wire.Error{Code: "AccessDenied", Message: denied.Text, Status: http.StatusForbidden}
	case "ec2":
		text := "You are not authorized to perform this operation. " + denied.Text + ". Encoded authorization failure message: " + s.seal.close(denied)
		return &wire.Error{Code: "UnauthorizedOperation", Message: text, Status: http.StatusForbidden}
	case "rest-json":
		return &wire.Error{Code: "AccessDeniedException", Message: denied.Text, Status: http.StatusForbidden}
	}
	return &wire.Error{Code: "AccessDeniedException", Message: denied.Text, Status: http.StatusBadRequest}
}

// describe tells CloudTrail what a call asked and was answered.
func (s *Sandbox) describe(e *cloudtrail.Entry) cloudtrail.Described {
	v := s.services[e.Call.Service]
	op := v.codec.API().Operation(e.Call.Operation)
	var d cloudtrail.Described
	if e.In != nil {
		d.Request = v.codec.Shown(op.Input, e.In)
	}
	if e.Err != nil {
		refusal := v.codec.AsError(s.wireError(v, e.Err))
		d.Code, d.Message = refusal.Code, refusal.Message
	} else if e.Out != nil {
		d.Response = v.codec.Shown(op.Output, e.Out)
	}
	return d
}
