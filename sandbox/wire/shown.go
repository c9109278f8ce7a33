package wire

import (
	"reflect"
	"strconv"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
)

// hidden stands in CloudTrail's records for what is sensitive.
const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// Shown is an Input or Output struct as CloudTrail records it, nil for nothing:
// members in lower case, no bytes (which plaintexts, ciphertexts and key material
// are), no secrets.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
func (c *Codec) Shown(s *awsfacts.Shape, v any) any {
	r := reflect.Indirect(reflect.ValueOf(v))
	if s == nil || !r.IsValid() {
		return nil
	}
	shown, _ := c.shown(s, r).(map[string]any)
	if len(shown) == 0 {
		return nil
	}
	return shown
}

func (c *Codec) shown(s *awsfacts.Shape, v reflect.Value) any {
	v = reflect.Indirect(v)
	if !v.IsValid() {
		return nil
	}
	switch s.Type {
	case "structure":
		out := map[string]any{}
		if v.Kind() == reflect.Interface {
			if m, held := union(s, v); m != nil {
				out[m.Lower()] = c.shown(m.Shape, held)
			}
			return out
		}
		for _, f := range c.planOf(s, v.Type()).fields {
			field := v.Field(f.index)
			if absent(field) || f.member.Shape.Type == "blob" || f.member.Name == "SecretAccessKey" {
				continue
			}
			out[f.member.Lower()] = c.shown(f.member.Shape, field)
		}
		return out
	case "list":
		out := make([]any, v.Len())
		for i := range out {
			out[i] = c.shown(s.Elem.Shape, v.Index(i))
		}
		return out
	case "map":
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[key.String()] = c.shown(s.Value.Shape, v.MapIndex(key))
		}
		return out
	case "blob":
		return hidden
	case "boolean":
		return v.Bool()
	case "integer", "long":
		return v.Int()
	case "float", "double":
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case "timestamp":
		return v.Interface().(time.Time).UTC().Format("Jan 2, 2006, 3:04:05 PM")
	}
	if s.Sensitive {
		return hidden
	}
	return v.String()
}
