package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/awsfacts"
)

// Error is an answer that says no: a code of AWS and its text.
type Error struct {
	Code, Message string
	// Status is the HTTP status; 0 leaves it to the model, and to 400.
	Status int
	// Fields are further members of the answer, as Reason of the EBS API.
	Fields map[string]string
	// Header is further headers of the answer, as S3's x-amz-delete-marker.
	Header map[string]string
	// Why is what AWS does not tell: it stays out of the answer.
	Why string
}

// Error returns code and text.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrorCode, ErrorMessage and ErrorFault make it the SDK's kind of error, so that
// an in-process caller sees what a caller over the wire sees.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage returns the text alone.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault says whose fault it is.
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status >= http.StatusInternalServerError {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// Refuse returns an error with an AWS code and text.
func Refuse(code, message string) error { return &Error{Code: code, Message: message} }

// malformed is the refusal of a request that cannot be read. AWS's texts differ
// from service to service and are not documented: these are our own.
func malformed(why string) error {
	return &Error{Code: "SerializationException", Message: why, Status: http.StatusBadRequest}
}

func unfit(path string, s *awsfacts.Shape) error {
	return malformed(path + " is not a valid " + s.Type)
}

// invalid is the refusal of a request that breaks a constraint.
func (c *Codec) invalid(text string) error {
	code := "ValidationException"
	switch c.api.Protocol {
	case "query", "ec2":
		code = "ValidationError"
	case "rest-xml":
		code = "InvalidArgument"
	}
	return &Error{Code: code, Message: text, Status: http.StatusBadRequest}
}

// EncodeError writes an error. One that is not of AWS's kind becomes an internal
// failure that tells nothing.
func (c *Codec) EncodeError(err error, requestID string) *Response {
	return c.ErrorFor(nil, http.Header{}, err, requestID)
}

// ErrorFor is EncodeError for a request, as EncodeFor is Encode.
func (c *Codec) ErrorFor(r *http.Request, h http.Header, err error, requestID string) *Response {
	e := c.AsError(err)
	res := &Response{Status: e.Status, Header: h}
	c.setRequestID(h, requestID)
	for name, value := range e.Header {
		h.Set(name, value)
	}
	if c.wantsJSON(r) {
		h.Set("Content-Type", "application/json")
		res.Body = queryJSONError(e, requestID)
		return res
	}
	switch c.api.Protocol {
	case "query":
		res.Header.Set("Content-Type", "text/xml")
		res.Body = queryError(c.api.XMLNamespace, e, requestID)
	case "ec2":
		res.Header.Set("Content-Type", "text/xml;charset=UTF-8")
		res.Body = ec2Error(e, requestID)
	case "rest-json":
		c.restJSONError(res, e)
	case "rest-xml":
		restXMLError(res, e, requestID)
	default:
		res.Header.Set("Content-Type", c.jsonType)
		res.Body = JSONError(e)
	}
	return res
}

// AsError gives every error a code, a text and a status.
func (c *Codec) AsError(err error) Error {
	var own *Error
	var sdk smithy.APIError
	e := Error{Code: "InternalFailure", Message: "The request processing has failed because of an unknown error.", Status: http.StatusInternalServerError}
	switch {
	case errors.As(err, &own):
		e = *own
	case errors.As(err, &sdk):
		e = Error{Code: sdk.ErrorCode(), Message: sdk.ErrorMessage()}
	}
	if e.Code == "SerializationException" {
		switch c.api.Protocol {
		case "query":
			e.Code = "MalformedInput" // the query services' word
		case "rest-xml":
			// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
			e.Code = "MalformedXML"
			e.Message = "The XML you provided was not well-formed or did not validate against our published schema"
		}
	}
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
		if s := c.api.Error(e.Code); s != nil && s.Status != 0 {
			e.Status = s.Status
		}
	}
	return e
}

// JSONError writes an error for the json protocols.
func JSONError(e Error) []byte { return jsonError(e, "__type", "message") }

func jsonError(e Error, code, message string) []byte {
	b := []byte{'{'}
	b = appendQuoted(b, code)
	b = append(b, ':')
	b = appendQuoted(b, e.Code)
	for _, name := range fieldNames(e) {
		b = append(b, ',')
		b = appendQuoted(b, name)
		b = append(b, ':')
		b = appendQuoted(b, e.Fields[name])
	}
	b = append(b, ',')
	b = appendQuoted(b, message)
	b = append(b, ':')
	b = appendQuoted(b, e.Message)
	return append(b, '}')
}

func fieldNames(e Error) []string { return slices.Sorted(maps.Keys(e.Fields)) }

// whose says whose fault an error is, in the query protocol's words.
func (e *Error) whose() string {
	if e.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

func queryError(namespace string, e Error, requestID string) []byte {
	var b bytes.Buffer
	b.WriteString(`<ErrorResponse xmlns="` + namespace + `"><Error><Type>` + e.whose() + "</Type>")
	element(&b, "Code", e.Code)
	element(&b, "Message", e.Message)
	b.WriteString("</Error><RequestId>" + requestID + "</RequestId></ErrorResponse>")
	return b.Bytes()
}

func ec2Error(e Error, requestID string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<Response><Errors><Error>")
	element(&b, "Code", e.Code)
	element(&b, "Message", e.Message)
	b.WriteString("</Error></Errors><RequestID>" + requestID + "</RequestID></Response>")
	return b.Bytes()
}

func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	escape(b, text)
	b.WriteString("</" + name + ">")
}
