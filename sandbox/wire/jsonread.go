package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyreach/keyreach/awsfacts"
)

// jsonReader reads one body, guided by the shape that it should have: what the
// shape does not know is passed over, as AWS does, and never kept.
type jsonReader struct {
	source bytes.Buffer
	tokens jsontext.Decoder
}

// readers are used again: a decoder is large beside a request.
type readers struct{ pool sync.Pool }

func (p *readers) get(body []byte) *jsonReader {
	r, ok := p.pool.Get().(*jsonReader)
	if !ok {
		r = &jsonReader{}
	}
	r.source = *bytes.NewBuffer(body)
	// Of a member that is there twice the last counts, as in most readers.
	r.tokens.Reset(&r.source, jsontext.AllowDuplicateNames(true))
	return r
}

func (p *readers) put(r *jsonReader) {
	r.source = bytes.Buffer{}
	r.tokens.Reset(&r.source)
	p.pool.Put(r)
}

// readJSON reads the body of a json request. An empty body is an empty object.
func (c *Codec) readJSON(s *awsfacts.Shape, body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return map[string]any{}, nil
	}
	r := c.readers.get(body)
	defer c.readers.put(r)
	if r.tokens.PeekKind() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	if s == nil {
		s = &awsfacts.Shape{Type: "structure"}
	}
	tree, err := r.structure(s, nil)
	if err != nil {
		return nil, err
	}
	switch _, err := r.tokens.ReadToken(); {
	case err == nil:
		return nil, malformed("there is more after the JSON object")
	case !errors.Is(err, io.EOF):
		return nil, notJSON()
	}
	return tree, nil
}

func notJSON() error { return malformed("the body is not a JSON object") }

// place is where a value stands, told only when it is wrong.
type place struct {
	in   *place
	name string
	item int // counted from 1, of a list
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	name := p.name
	if p.item > 0 {
		name = strconv.Itoa(p.item)
	}
	return join(p.in.String(), name)
}

// value reads the next value as the shape asks; null is nil.
func (r *jsonReader) value(s *awsfacts.Shape, at *place) (any, error) {
	switch kind := r.tokens.PeekKind(); kind {
	case '{':
		switch s.Type {
		case "structure":
			return r.structure(s, at)
		case "map":
			if s.Value.Shape.Type == "string" {
				return r.texts(s, at)
			}
			return r.pairs(s, at)
		}
	case '[':
		if s.Type == "list" {
			return r.list(s, at)
		}
	case 'n', 't', 'f', '"', '0':
		raw, err := r.tokens.ReadValue()
		if err != nil {
			return nil, notJSON()
		}
		return scalar(s, raw, kind, at)
	default:
		return nil, notJSON()
	}
	return nil, unfit(at.String(), s)
}

// scalar reads what is neither object nor array.
func scalar(s *awsfacts.Shape, raw jsontext.Value, kind jsontext.Kind, at *place) (any, error) {
	switch kind {
	case 'n':
		return nil, nil
	case 't', 'f':
		if s.Type == "boolean" {
			return kind == 't', nil
		}
		return nil, unfit(at.String(), s)
	case '0':
		if v, ok := fromNumber(s, string(raw)); ok {
			return v, nil
		}
		return nil, unfit(at.String(), s)
	}
	if plain := raw[1 : len(raw)-1]; s.Type == "blob" && bytes.IndexByte(plain, '\\') < 0 {
		b := make([]byte, base64.StdEncoding.DecodedLen(len(plain)))
		n, err := base64.StdEncoding.Decode(b, plain)
		if err != nil {
			return nil, unfit(at.String(), s)
		}
		return b[:n], nil
	}
	text, err := unquoted(raw)
	if err != nil {
		return nil, notJSON()
	}
	if v, ok := fromText(s, text); ok {
		return v, nil
	}
	return nil, unfit(at.String(), s)
}

// unquoted is the text of a JSON string, which nearly always is written as it is.
func unquoted(raw jsontext.Value) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	return string(b), err
}

// members calls each with the name of every member of an object, in quotes; it has to
// read the value. The name is good until then.
func (r *jsonReader) members(each func(name jsontext.Value) error) error {
	if _, err := r.tokens.ReadToken(); err != nil {
		return notJSON()
	}
	for r.tokens.PeekKind() != '}' {
		name, err := r.tokens.ReadValue()
		if err != nil {
			return notJSON()
		}
		if err := each(name); err != nil {
			return err
		}
	}
	if _, err := r.tokens.ReadToken(); err != nil {
		return notJSON()
	}
	return nil
}

func (r *jsonReader) structure(s *awsfacts.Shape, at *place) (map[string]any, error) {
	out := make(map[string]any, 8)
	err := r.members(func(name jsontext.Value) error {
		m, err := memberOf(s, name)
		if err != nil {
			return notJSON()
		}
		if m == nil {
			if err := r.tokens.SkipValue(); err != nil {
				return notJSON()
			}
			return nil
		}
		v, err := r.value(m.Shape, &place{in: at, name: m.Name})
		if err != nil {
			return err
		}
		if v == nil {
			delete(out, m.Name)
			return nil
		}
		out[m.Name] = v
		return nil
	})
	return out, err
}

// memberOf is the member that a name in quotes means, nil for none.
func memberOf(s *awsfacts.Shape, raw jsontext.Value) (*awsfacts.Member, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return s.BodyMember(raw[1 : len(raw)-1]), nil
	}
	name, err := jsontext.AppendUnquote(nil, raw)
	return s.BodyMember(name), err
}

func (r *jsonReader) pairs(s *awsfacts.Shape, at *place) (map[string]any, error) {
	out := map[string]any{}
	err := r.members(func(raw jsontext.Value) error {
		name, err := unquoted(raw)
		if err != nil {
			return notJSON()
		}
		out[name], err = r.value(s.Value.Shape, &place{in: at, name: name})
		return err
	})
	return out, err
}

// texts reads a map of texts, which nearly all maps are, as what the SDK has for it.
// What is null is not there.
func (r *jsonReader) texts(s *awsfacts.Shape, at *place) (map[string]string, error) {
	out := map[string]string{}
	err := r.members(func(raw jsontext.Value) error {
		name, err := unquoted(raw)
		if err != nil {
			return notJSON()
		}
		v, err := r.value(s.Value.Shape, &place{in: at, name: name})
		if err != nil {
			return err
		}
		if text, ok := v.(string); ok {
			out[name] = text
			return nil
		}
		delete(out, name)
		return nil
	})
	return out, err
}

func (r *jsonReader) list(s *awsfacts.Shape, at *place) ([]any, error) {
	if _, err := r.tokens.ReadToken(); err != nil {
		return nil, notJSON()
	}
	out := []any{}
	for r.tokens.PeekKind() != ']' {
		v, err := r.value(s.Elem.Shape, &place{in: at, item: len(out) + 1})
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if _, err := r.tokens.ReadToken(); err != nil {
		return nil, notJSON()
	}
	return out, nil
}
