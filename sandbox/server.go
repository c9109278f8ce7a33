package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/cloudtrail"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/kms"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// maxBody is the size of the largest request: a key policy that is too large, as
// the API lets it be sent, with room to spare.
const maxBody = 1 << 20

// ServeHTTP answers one request. A defect of the sandbox's own that ends a call
// ends nothing else: the state is as it was before the call, and the caller is told
// of an internal failure.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := s.ids.UUID()
	q := routed{}
	defer func() {
		if what := recover(); what != nil {
			failed(w, r, q.served, id, what)
		}
	}()
	if isOwn(r.URL.Path) {
		s.admin(w, r)
		return
	}
	if why := barred(r); why != "" {
		refuse(w, r, nil, &wire.Error{Code: "AccessDeniedException", Message: "The sandbox " + why + ".", Status: http.StatusForbidden}, id)
		return
	}
	if s.isS3(r) {
		s.serveS3(w, r, id, &q)
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		refuse(w, r, nil, unread(err), id)
		return
	}
	if q, err = s.route(r, body); err != nil {
		refuse(w, r, q.served, err, id)
		return
	}
	c := &gate.Call{
		ID: id, Service: q.service.Name(), Operation: q.op.Name, At: s.clock.Now(), UserAgent: r.UserAgent(), SourceIP: sourceIP(r),
	}
	var res *wire.Response
	out, err := s.answer(r, body, &q, c)
	if err == nil {
		res, err = q.codec().EncodeFor(r, w.Header(), q.op, out, id)
	}
	if err != nil {
		err = s.wireError(q.served, err)
		if q.codec().AsError(err).Code == "InternalFailure" {
			tell(r, "sandbox: request %s: %v", id, err) // the caller is told nothing
		}
		refuse(w, r, q.served, err, id)
		return
	}
	send(w, res)
	q.codec().Reuse(res)
}

// refuse answers no, in JSON where the service is not known.
func refuse(w http.ResponseWriter, r *http.Request, v *served, err error, id string) {
	if v != nil {
		send(w, v.codec().ErrorFor(r, w.Header(), err, id))
		return
	}
	e := &wire.Error{Code: "InternalFailure", Message: "The request processing has failed because of an unknown error.", Status: http.StatusInternalServerError}
	errors.As(err, &e)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", id)
	send(w, &wire.Response{Status: e.Status, Body: wire.JSONError(*e)})
}

// failed answers a call whose handling panicked, and tells the server's log where.
func failed(w http.ResponseWriter, r *http.Request, v *served, id string, what any) {
	if what == http.ErrAbortHandler {
		panic(what) // net/http's own way to end a connection
	}
	tell(r, "sandbox: request %s: panic: %v\n%s", id, what, debug.Stack())
	refuse(w, r, v, errors.New("panic"), id)
}

// tell writes to the log of the server that runs the sandbox.
func tell(r *http.Request, format string, values ...any) {
	if web, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && web.ErrorLog != nil {
		web.ErrorLog.Printf(format, values...)
		return
	}
	log.Printf(format, values...)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	if n := r.ContentLength; n > 0 && n <= maxBody {
		b := make([]byte, n)
		_, err := io.ReadFull(r.Body, b)
		return b, err
	}
	var b bytes.Buffer
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return b.Bytes(), err
}

// unread says why a body could not be read.
func unread(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return &wire.Error{Code: "RequestEntityTooLarge", Message: "The request has more than 1 MiB.", Status: http.StatusRequestEntityTooLarge}
	}
	return &wire.Error{Code: "SerializationException", Message: "The request ended before its body did.", Status: http.StatusBadRequest}
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// send sends an answer whose header stands in w already. HeadObject has a length and
// no body.
func send(w http.ResponseWriter, res *wire.Response) {
	h := w.Header()
	if res.Stream != nil {
		w.WriteHeader(res.Status)
		_ = sendStream(w, res.Stream) // the client sees that it ended early
		return
	}
	if res.Status == http.StatusNotModified {
		res.Body = nil // HTTP has none there
	}
	if len(res.Body) > 0 || h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body) // a client that went away is no error of ours
}

// answer authenticates, decodes, authorizes and performs a call.
func (s *Sandbox) answer(r *http.Request, body []byte, q *routed, c *gate.Call) (any, error) {
	if err := s.authenticate(r, body, q.served, c); err != nil {
		return nil, err
	}
	c.At = s.settle()
	o := q.ops()[q.op.Name]
	in := o.New()
	if err := shortened(q.decode(r, in)); err != nil {
		s.remember(c, o, nil, nil, err, 0)
		s.tellEvents()
		return nil, err
	}
	return s.performAndRemember(r, c, o, in, len(q.params))
}

// performAndRemember performs a call whose parameters are of a size.
func (s *Sandbox) performAndRemember(r *http.Request, c *gate.Call, o gate.Operation, in any, size int) (any, error) {
	out, err := s.perform(context.WithoutCancel(r.Context()), c, o, in)
	if size > maxRecorded {
		in, size, c.Asked = nil, 0, nil
	}
	s.remember(c, o, in, out, err, size)
	s.tellEvents()
	return out, err
}

// remember adds a call to the history. Of calls about data it keeps neither parameters
// nor answers, which hold streams.
func (s *Sandbox) remember(c *gate.Call, o gate.Operation, in, out any, err error, size int) {
	if o.Data {
		in, out = nil, nil
	}
	c.Prepared = nil // what was prepared is done with
	s.record(cloudtrail.Entry{Call: c, In: in, Out: out, Err: err, ReadOnly: o.Mode == gate.Reads, Data: o.Data, Size: size})
}

// maxRecorded is the size of the largest request that is remembered with its
// parameters, and with what was asked about it.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
const maxRecorded = 100 << 10

// maxMessage is the length at which a refusal's text ends: a request with many faults
// would otherwise come back, and be remembered, many times larger than it came.
const maxMessage = 16 << 10

func shortened(err error) error {
	var e *wire.Error
	if !errors.As(err, &e) || len(e.Message) <= maxMessage {
		return err
	}
	short := *e
	short.Message = strings.ToValidUTF8(strings.Clone(e.Message[:maxMessage]), "") + "..."
	return &short
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
		defer func() { c.Prepared = nil }() // the history shall not hold it
		if closer, ok := any(prepared).(io.Closer); ok {
			defer closer.Close()
		}
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
	s.setAlarm()
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

// wireError gives a refusal of the gate the code of the service's protocol.
func (s *Sandbox) wireError(v *served, err error) error {
	var denied *gate.Denied
	if !errors.As(err, &denied) {
		return err
	}
	switch v.codec().API().Protocol {
	case "query", "rest-xml":
		return &wire.Error{Code: "AccessDenied", Message: denied.Text, Status: http.StatusForbidden}
	case "ec2":
		text := "You are not authorized to perform this operation. " + denied.Text
		// Users report it of actions on resources, and not of those that have none.
		// See https://github.com/hashicorp/terraform-provider-aws/issues/4664.
		if denied.Case == nil || denied.Case.Request.Resource != "*" {
			text += ". Encoded authorization failure message: " + s.seal.close(denied)
		}
		return &wire.Error{Code: "UnauthorizedOperation", Message: text, Status: http.StatusForbidden}
	case "rest-json":
		return &wire.Error{Code: "AccessDeniedException", Message: denied.Text, Status: http.StatusForbidden}
	}
	return &wire.Error{Code: "AccessDeniedException", Message: denied.Text, Status: http.StatusBadRequest}
}

// describe tells CloudTrail what a call asked and was answered.
func (s *Sandbox) describe(e *cloudtrail.Entry) cloudtrail.Described {
	v := s.services[e.Call.Service]
	op := v.codec().API().Operation(e.Call.Operation)
	var d cloudtrail.Described
	if e.In != nil {
		d.Request = v.codec().Shown(op.Input, e.In)
	}
	if e.Err != nil {
		refusal := v.codec().AsError(s.wireError(v, e.Err))
		d.Code, d.Message = recordedCode(v.codec().API(), refusal.Code), refusal.Message
	} else if e.Out != nil {
		d.Response, d.Additional = v.codec().Shown(op.Output, e.Out), kms.Additional(e.Out)
	}
	return d
}

// recordedCode is what CloudTrail calls a refusal. IAM's are recorded under the names
// of the model, as NoSuchEntityException, where the wire has NoSuchEntity: detections
// for AWS search for these, see https://research.splunk.com/cloud/723b861a-92eb-11eb-93b8-acde48001122/.
// That STS, which has the same protocol, is recorded so too is assumed. Codes outside
// the model, as AccessDenied and ValidationError, stay.
func recordedCode(api *awsfacts.API, code string) string {
	if s := api.Error(code); s != nil && api.Protocol == "query" {
		return s.Name
	}
	return code
}
