package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
)

// queryAnswer writes the answer of the query protocol.
func (c *Codec) queryAnswer(op *awsfacts.APIOperation, v reflect.Value, requestID string) []byte {
	var b bytes.Buffer
	b.WriteString("<" + op.Name + `Response xmlns="` + c.api.XMLNamespace + `">`)
	if op.Output != nil && op.Wrapper != "" {
		b.WriteString("<" + op.Wrapper + ">")
		c.writeMembers(&b, op.Output, v, queryXML)
		b.WriteString("</" + op.Wrapper + ">")
	}
	b.WriteString("<ResponseMetadata><RequestId>" + requestID + "</RequestId></ResponseMetadata></" + op.Name + "Response>")
	return b.Bytes()
}

// ec2Answer writes the answer of the ec2 protocol.
func (c *Codec) ec2Answer(op *awsfacts.APIOperation, v reflect.Value, requestID string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<" + op.Name + `Response xmlns="` + c.api.XMLNamespace + `"><requestId>` + requestID + "</requestId>")
	if op.Output != nil {
		c.writeMembers(&b, op.Output, v, ec2XML)
	}
	b.WriteString("</" + op.Name + "Response>")
	return b.Bytes()
}

// dialect is what differs between the protocols that answer XML.
type dialect struct {
	element string // the name of a list's element where the model gives none
	times   string // how times are written where the model does not say
}

var (
	queryXML = dialect{element: "member", times: time.RFC3339}
	ec2XML   = dialect{element: "item", times: time.RFC3339}
	restXML  = dialect{element: "member", times: xmlTime}
)

func (c *Codec) writeMembers(b *bytes.Buffer, s *awsfacts.Shape, v reflect.Value, d dialect) {
	if v.Kind() == reflect.Interface {
		if m, held := union(s, v); m != nil {
			c.writeXML(b, m.Wire(), m.Shape, m.Flattened, held, d)
		}
		return
	}
	for _, f := range c.planOf(s, v.Type()).fields {
		if field := v.Field(f.index); !absent(field) && f.member.Location == "" && !f.member.Attribute {
			c.writeXML(b, f.member.Wire(), f.member.Shape, f.member.Flattened, field, d)
		}
	}
}

// writeXML writes one element with its content.
func (c *Codec) writeXML(b *bytes.Buffer, name string, s *awsfacts.Shape, flattened bool, v reflect.Value, d dialect) {
	v = reflect.Indirect(v)
	if !v.IsValid() {
		return
	}
	if s.Type == "list" && flattened {
		name = flatName(name, s)
		for i := range v.Len() {
			c.writeXML(b, name, s.Elem.Shape, false, v.Index(i), d)
		}
		return
	}
	if s.Type == "map" && flattened {
		c.writePairs(b, name, s, v, d)
		return
	}
	b.WriteString("<" + name)
	if s.Type == "structure" {
		c.writeAttributes(b, s, v)
	}
	b.WriteString(">")
	switch s.Type {
	case "structure":
		c.writeMembers(b, s, v, d)
	case "list":
		element := d.element
		if s.Elem.LocationName != "" {
			element = s.Elem.LocationName
		}
		for i := range v.Len() {
			c.writeXML(b, element, s.Elem.Shape, false, v.Index(i), d)
		}
	case "map":
		c.writePairs(b, "entry", s, v, d)
	default:
		escape(b, scalarText(s, v, d.times))
	}
	b.WriteString("</" + name + ">")
}

// writeAttributes writes what stands in the element of a structure itself.
func (c *Codec) writeAttributes(b *bytes.Buffer, s *awsfacts.Shape, v reflect.Value) {
	if s.Namespace != "" {
		b.WriteString(" xmlns")
		if s.Prefix != "" {
			b.WriteString(":" + s.Prefix)
		}
		b.WriteString(`="` + s.Namespace + `"`)
	}
	if v.Kind() == reflect.Interface {
		return // the members of unions are elements
	}
	for _, f := range c.planOf(s, v.Type()).fields {
		field := v.Field(f.index)
		if !f.member.Attribute || absent(field) {
			continue
		}
		b.WriteString(" " + f.member.Wire() + `="`)
		escape(b, scalarText(f.member.Shape, reflect.Indirect(field), xmlTime))
		b.WriteString(`"`)
	}
}

// escape writes text for an element or an attribute.
func escape(b *bytes.Buffer, text string) {
	_ = xml.EscapeText(b, []byte(text)) // into a buffer: it cannot fail
}

func (c *Codec) writePairs(b *bytes.Buffer, entry string, s *awsfacts.Shape, v reflect.Value, d dialect) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	key, value := pairNames(s)
	for _, k := range keys {
		b.WriteString("<" + entry + ">")
		c.writeXML(b, key, s.Key.Shape, false, k, d)
		c.writeXML(b, value, s.Value.Shape, false, v.MapIndex(k), d)
		b.WriteString("</" + entry + ">")
	}
}

// scalarText writes a value that is neither structure, list nor map; layout is
// how the protocol writes times unless the shape says otherwise.
func scalarText(s *awsfacts.Shape, v reflect.Value, layout string) string {
	switch s.Type {
	case "blob":
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case "boolean":
		return strconv.FormatBool(v.Bool())
	case "integer", "long":
		return strconv.FormatInt(v.Int(), 10)
	case "float", "double":
		return floatText(v.Float())
	case "timestamp":
		return timeText(s, v.Interface().(time.Time), layout)
	}
	return v.String()
}

func timeText(s *awsfacts.Shape, t time.Time, layout string) string {
	t = t.UTC()
	switch s.Timestamp {
	case "unixTimestamp":
		return strconv.FormatInt(t.Unix(), 10)
	case "rfc822":
		return t.Format(headerTime)
	case "iso8601":
		layout = time.RFC3339
	}
	if layout == time.RFC3339 && t.Nanosecond() != 0 {
		layout = "2006-01-02T15:04:05.000Z"
	}
	return t.Format(layout)
}

// floatText writes a number; those that are none have names of their own.
// See https://smithy.io/2.0/spec/protocol-traits.html.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
