package sandbox

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/sigv4"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// routed is a request whose service and operation are known. A refusal leaves it
// with the service alone, or with one that speaks the protocol of the request.
type routed struct {
	*served
	op *awsfacts.APIOperation
	// params are the body of a json request, and the form of a query request
	// wherever it stands.
	params []byte
}

const formType = "application/x-www-form-urlencoded"

// route finds the service and the operation of a request: by its target, or by
// the action and version of its form.
func (s *Sandbox) route(r *http.Request, body []byte) (routed, error) {
	if targets := r.Header.Values("X-Amz-Target"); len(targets) > 0 {
		return s.routeJSON(r, targets, body)
	}
	return s.routeForm(r, body)
}

func (s *Sandbox) routeJSON(r *http.Request, targets []string, body []byte) (routed, error) {
	target := targets[0]
	dot := strings.LastIndexByte(target, '.')
	if len(targets) > 1 || dot < 0 || s.targets[target[:dot]] == nil {
		if name := s.strange(r); name != "" {
			return notOffered(name, "json")
		}
		return routed{}, unknownOperation("The sandbox has no service for the target " + strings.Join(targets, ", "))
	}
	q := routed{served: s.targets[target[:dot]], params: body}
	if r.Method != http.MethodPost {
		return q, unknownOperation("The json protocol has POST only, not " + r.Method)
	}
	if kind := mediaType(r); kind != "application/x-amz-json-1.1" && kind != "application/x-amz-json-1.0" {
		return q, unknownOperation("The json protocol has the content type application/x-amz-json-" + q.codec().API().JSONVersion)
	}
	var err error
	q.op, err = q.operation(target[dot+1:])
	return q, err
}

// routeForm takes the parameters from the body of a form, and else from the URL,
// where presigned requests have them.
func (s *Sandbox) routeForm(r *http.Request, body []byte) (routed, error) {
	form := mediaType(r) == formType
	q := routed{params: []byte(r.URL.RawQuery)}
	if form && r.Method == http.MethodPost {
		q.params = body
	}
	action, version := formAction(string(q.params))
	if action == "" && !form {
		if v := s.restOf(r); v != nil {
			return routeREST(r, v, body)
		}
		if name := s.strange(r); name != "" {
			return notOffered(name, "rest-json")
		}
		return q, unknownOperation("The request names no service that the sandbox has.")
	}
	if q.served = s.versions[version]; q.served == nil {
		if name := s.strange(r); name != "" {
			return notOffered(name, "query")
		}
		q.served = s.services["sts"] // for its protocol
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		return q, q.notFound(action, version)
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return q, &wire.Error{Code: "InvalidAction", Message: "The query protocol has GET and POST only, not " + r.Method, Status: http.StatusBadRequest}
	}
	var err error
	q.op, err = q.operation(action)
	return q, err
}

// restOf is the REST service that a request is signed for, or nil.
func (s *Sandbox) restOf(r *http.Request) *served {
	sig, err := sigv4.Parse(r)
	if err != nil {
		return nil
	}
	return s.signed[sig.Service]
}

// routeREST finds the operation by the method and the path.
func routeREST(r *http.Request, v *served, body []byte) (routed, error) {
	q := routed{served: v, params: body}
	op := v.codec().Match(r)
	if op == nil {
		return q, unknownOperation(r.Method + " " + r.URL.Path + " is no operation of " + v.service.Name())
	}
	var err error
	q.op, err = q.operation(op.Name)
	return q, err
}

// strange is the service that a request is signed for, when the sandbox has none of
// that name.
func (s *Sandbox) strange(r *http.Request) string {
	sig, err := sigv4.Parse(r)
	if err != nil {
		return ""
	}
	for _, v := range s.services {
		if v.head.SigningName == sig.Service {
			return ""
		}
	}
	return sig.Service
}

// notOffered refuses a request to a service that the sandbox does not have, in the
// form that its clients read.
func notOffered(service, protocol string) (routed, error) {
	codec := wire.New(&awsfacts.API{Service: service, Protocol: protocol, JSONVersion: "1.1"})
	return routed{served: &served{codec: func() *wire.Codec { return codec }}}, notImplemented(service)
}

func notImplemented(what string) error {
	return &wire.Error{Code: "NotImplemented", Message: "Keyreach's sandbox does not offer " + what + "; docs/sandbox.md lists what it offers", Status: http.StatusNotImplemented}
}

func unknownOperation(text string) error {
	return &wire.Error{Code: "UnknownOperationException", Message: text, Status: http.StatusBadRequest}
}

func mediaType(r *http.Request) string {
	kind := r.Header.Get("Content-Type")
	if !strings.ContainsAny(kind, "; ") && kind == strings.ToLower(kind) {
		return kind // as SDKs write it
	}
	kind, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return ""
	}
	return kind
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
	api := v.codec().API()
	op := api.Operation(name)
	if op == nil {
		if slices.Contains(api.Others, name) {
			return nil, notImplemented(api.Service + ":" + name)
		}
		return nil, v.notFound(name, api.Version)
	}
	if _, ok := v.ops()[name]; !ok {
		return nil, notImplemented(api.Service + ":" + name)
	}
	return op, nil
}

// notFound is the refusal of an operation that there is not, in the protocol's
// words.
func (v *served) notFound(name, version string) error {
	switch {
	case v.codec().API().Protocol == "json":
		return unknownOperation("Unknown operation " + name)
	case name == "":
		return &wire.Error{Code: "MissingAction", Message: "The request is missing an action or a required parameter.", Status: http.StatusBadRequest}
	}
	return &wire.Error{Code: "InvalidAction", Message: "Could not find operation " + name + " for version " + version, Status: http.StatusBadRequest}
}

// decode reads the parameters into the SDK's struct. Text that is not UTF-8 is
// refused before that: reading it would put other characters in its place.
func (q *routed) decode(r *http.Request, in any) error {
	text := q.params
	switch q.head.Protocol {
	case "json":
	case "rest-json", "rest-xml": // whose text is in many places, and whose bodies may be bytes
		return q.codec().Decode(q.op, r, q.params, in)
	default:
		plain, err := url.QueryUnescape(string(text))
		if err != nil {
			plain = "" // the codec refuses it in its own words
		}
		text = []byte(plain)
	}
	if !utf8.Valid(text) {
		return &wire.Error{Code: "SerializationException", Message: "The request is not UTF-8.", Status: http.StatusBadRequest}
	}
	return q.codec().Decode(q.op, r, q.params, in)
}
