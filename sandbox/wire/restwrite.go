package wire

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
)

const (
	// headerTime is the form of times in headers, unless the shape says otherwise.
	headerTime = "Mon, 02 Jan 2006 15:04:05 GMT"
	// xmlTime is the form in which S3 writes times.
	xmlTime = "2006-01-02T15:04:05.000Z"
)

// restAnswer fills the answer of a REST protocol: status, headers and body.
func (c *Codec) restAnswer(res *Response, op *awsfacts.APIOperation, v reflect.Value) error {
	if op.Output == nil {
		return nil
	}
	for _, f := range c.planOf(op.Output, v.Type()).fields {
		if field := v.Field(f.index); !absent(field) {
			writePart(res, f.member, reflect.Indirect(field))
		}
	}
	if res.Header.Get("Content-Range") != "" {
		res.Status = http.StatusPartialContent
	}
	m := payload(op.Output)
	if m == nil {
		if hasBody(op.Output) {
			c.writeDocument(res, op, v)
		}
		return nil
	}
	at, ok := c.planOf(op.Output, v.Type()).byName[m.Name]
	if !ok || absent(v.Field(at)) {
		return nil
	}
	return c.writePayload(res, m, v.Field(at))
}

// writePart writes a member that stands outside the body.
func writePart(res *Response, m *awsfacts.Member, v reflect.Value) {
	switch m.Location {
	case "statusCode":
		if v.CanInt() && v.Int() != 0 {
			res.Status = int(v.Int())
		}
	case "header":
		if text := headerText(m.Shape, v); text != "" {
			res.Header.Set(m.Wire(), text)
		}
	case "headers":
		for _, key := range v.MapKeys() {
			// Clients take the names of an object's metadata as they come, in lower case.
			res.Header[m.Wire()+key.String()] = []string{headerText(m.Shape.Value.Shape, v.MapIndex(key))}
		}
	}
}

func headerText(s *awsfacts.Shape, v reflect.Value) string {
	v = reflect.Indirect(v)
	if s.Type != "list" {
		return scalarText(s, v, headerTime)
	}
	items := make([]string, v.Len())
	for i := range items {
		items[i] = scalarText(s.Elem.Shape, reflect.Indirect(v.Index(i)), headerTime)
		if strings.ContainsAny(items[i], `,"\`) && s.Elem.Shape.Type == "string" {
			items[i] = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(items[i]) + `"`
		}
	}
	return strings.Join(items, ",")
}

// writeDocument writes the members that stand nowhere else.
func (c *Codec) writeDocument(res *Response, op *awsfacts.APIOperation, v reflect.Value) {
	if c.api.Protocol == "rest-json" {
		setType(res, "application/json")
		res.Body = c.appendObject(make([]byte, 0, 512), op.Output, v)
		return
	}
	root := op.Wrapper
	if root == "" {
		root = op.Output.Name
	}
	// One member under the name of the document is the document, not a part of it:
	// S3 answers a bucket's location so.
	// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html.
	if fields := c.planOf(op.Output, v.Type()).fields; len(fields) == 1 && fields[0].member.Wire() == root {
		var b bytes.Buffer
		c.openDocument(&b, root)
		b.WriteString(">")
		escape(&b, scalarText(fields[0].member.Shape, v.Field(fields[0].index), xmlTime))
		b.WriteString("</" + root + ">")
		setType(res, "application/xml")
		res.Body = b.Bytes()
		return
	}
	c.writeXMLDocument(res, root, op.Output, v)
}

// openDocument writes the head of a document up to the attributes of its element.
func (c *Codec) openDocument(b *bytes.Buffer, root string) {
	b.WriteString(xml.Header + "<" + root)
	if c.api.XMLNamespace != "" {
		b.WriteString(` xmlns="` + c.api.XMLNamespace + `"`)
	}
}

func (c *Codec) writeXMLDocument(res *Response, root string, s *awsfacts.Shape, v reflect.Value) {
	var b bytes.Buffer
	c.openDocument(&b, root)
	c.writeAttributes(&b, s, v)
	b.WriteString(">")
	c.writeMembers(&b, s, v, restXML)
	b.WriteString("</" + root + ">")
	setType(res, "application/xml")
	res.Body = b.Bytes()
}

// writePayload writes the one member that is the body.
func (c *Codec) writePayload(res *Response, m *awsfacts.Member, v reflect.Value) error {
	if stream, ok := v.Interface().(io.ReadCloser); ok {
		setType(res, "application/octet-stream")
		res.Stream = stream
		return nil
	}
	v = reflect.Indirect(v)
	switch m.Shape.Type {
	case "structure":
		if c.api.Protocol == "rest-json" {
			setType(res, "application/json")
			res.Body = c.appendObject(make([]byte, 0, 512), m.Shape, v)
			return nil
		}
		c.writeXMLDocument(res, m.Wire(), m.Shape, v)
	case "blob":
		setType(res, "application/octet-stream")
		res.Body = v.Bytes()
	default:
		setType(res, "text/plain")
		res.Body = []byte(v.String())
	}
	return nil
}

// setType says what the body is, unless a member of the answer has.
func setType(res *Response, contentType string) {
	if res.Header.Get("Content-Type") == "" {
		res.Header.Set("Content-Type", contentType)
	}
}

// restJSONError writes an error of the rest-json protocol. The text has the name
// that the model gives it.
func (c *Codec) restJSONError(res *Response, e Error) {
	res.Header.Set("Content-Type", "application/json")
	res.Header.Set("X-Amzn-Errortype", e.Code)
	name := "message"
	if s := c.api.Error(e.Code); s != nil {
		for _, m := range s.Members {
			if strings.EqualFold(m.Name, name) {
				name = m.Wire()
				break
			}
		}
	}
	res.Body = jsonError(e, "code", name)
}

// restXMLError writes an error as S3 does, which has no element around it.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func restXMLError(res *Response, e Error, requestID string) {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<Error>")
	element(&b, "Code", e.Code)
	element(&b, "Message", e.Message)
	for _, name := range fieldNames(e) {
		element(&b, name, e.Fields[name])
	}
	element(&b, "RequestId", requestID)
	element(&b, "HostId", hostID(requestID))
	b.WriteString("</Error>")
	res.Header.Set("Content-Type", "application/xml")
	res.Body = b.Bytes()
}

// setRequestID puts the number of a request where the protocol has it.
func (c *Codec) setRequestID(h http.Header, requestID string) {
	if c.api.Protocol == "rest-xml" {
		h.Set("X-Amz-Request-Id", requestID)
		h.Set("X-Amz-Id-2", hostID(requestID))
		return
	}
	h.Set("X-Amzn-Requestid", requestID)
}

// hostID is the second number of S3's answers, which is opaque: here it is the
// first again.
func hostID(requestID string) string { return requestID }
