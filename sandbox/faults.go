package sandbox

import (
	"bytes"
	"io"
	"net/http"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Fault is a way in which AWS fails a call that the sandbox never fails in by itself, or
// not when a test needs it. Fail answers with it.
type Fault int

// The faults: too many calls, a failure inside AWS, credentials that have ended, and
// rights that are missing.
const (
	Throttled Fault = iota + 1
	Internal
	Expired
	Denied
)

// Operation tells which operation of which service a request is for, as "kms" and
// "CreateKey". It is not ok for the sandbox's own endpoints, and for what the sandbox does
// not offer. The body can be read again afterwards.
func (s *Sandbox) Operation(r *http.Request) (service, operation string, ok bool) {
	if isOwn(r.URL.Path) {
		return "", "", false
	}
	if s.isS3(r) {
		op := s.services["s3"].codec().Match(byPath(r))
		if op == nil {
			return "", "", false
		}
		return "s3", op.Name, true
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return "", "", false
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	}
	q, err := s.route(r, body)
	if err != nil || q.op == nil {
		return "", "", false
	}
	return q.service.Name(), q.op.Name, true
}

// Fail answers a request for an operation that Operation told of as AWS does when there
// is a fault: with the code, the status and in the form of the service. The call is not
// performed. The codes are those that the SDKs know of the protocols; the texts are
// assumed.
func (s *Sandbox) Fail(w http.ResponseWriter, r *http.Request, service, operation string, f Fault) {
	v := s.services[service]
	drain(r)
	refuse(w, r, v, s.wireError(v, v.fault(operation, f)), s.ids.UUID())
}

// fault is the error of a fault in the words of a service.
func (v *served) fault(operation string, f Fault) error {
	protocol := v.head.Protocol
	switch f {
	case Throttled:
		return throttled(protocol)
	case Expired:
		if protocol == "rest-xml" {
			return s3Words.expired()
		}
		return wordsOf(protocol).expired()
	case Denied:
		action := v.service.Name() + ":" + operation
		return &gate.Denied{Action: action, Text: "User: anonymous is not authorized to perform: " + action + " because no identity-based policy allows the " + action + " action"}
	}
	e := &wire.Error{Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure.", Status: http.StatusInternalServerError}
	if protocol == "ec2" || protocol == "rest-xml" {
		e.Code, e.Message = "InternalError", "We encountered an internal error. Please try again."
	}
	return e
}

// throttled is the refusal of too many calls.
// See https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func throttled(protocol string) error {
	switch protocol {
	case "ec2":
		return &wire.Error{Code: "RequestLimitExceeded", Message: "Request limit exceeded.", Status: http.StatusServiceUnavailable}
	case "rest-xml":
		return &wire.Error{Code: "SlowDown", Message: "Please reduce your request rate.", Status: http.StatusServiceUnavailable}
	case "query":
		return &wire.Error{Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest}
	}
	return &wire.Error{Code: "ThrottlingException", Message: "Rate exceeded"} // the status is the model's
}
