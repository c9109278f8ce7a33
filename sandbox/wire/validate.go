package wire

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
)

// validate holds a tree against the constraints of its shape and returns AWS's
// text with everything that is amiss, or nil.
func (c *Codec) validate(s *awsfacts.Shape, tree map[string]any) error {
	var v violations
	v.structure(s, tree, "")
	if len(v) == 0 {
		return nil
	}
	if name, ok := v.missing(); ok && c.api.Protocol == "ec2" {
		return &Error{Code: "MissingParameter", Message: "The request must contain the parameter " + name, Status: http.StatusBadRequest}
	}
	if c.api.Protocol == "ec2" {
		return &Error{Code: "InvalidParameterValue", Message: v.parameter(), Status: http.StatusBadRequest}
	}
	if c.api.Protocol == "rest-xml" {
		return c.outOfSet(s, tree)
	}
	noun := "errors"
	if len(v) == 1 {
		noun = "error"
	}
	return c.invalid(fmt.Sprintf("%d validation %s detected: %s", len(v), noun, strings.Join(v, "; ")))
}

// violations are the texts of the constraints that failed.
type violations []string

// missing is the first member that is not there: EC2 tells of no more than one, and has a
// code of its own for it.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
func (v violations) missing() (name string, ok bool) {
	for _, text := range v {
		if rest, null := strings.CutPrefix(text, "Value null at '"); null {
			name, _, _ = strings.Cut(rest, "'")
			return name, true
		}
	}
	return "", false
}

// parameter is the first violation as EC2 tells of one: it has no code for constraints of
// its model, and names a parameter with its value. What follows of lengths and patterns is
// in our own words; what an enum has is not told.
// See https://github.com/cloudavail/aws-missing-tools/issues/59.
func (v violations) parameter() string {
	text, why, _ := strings.Cut(v[0], " failed to satisfy constraint: ")
	value, at, _ := strings.Cut(strings.TrimPrefix(text, "Value "), "at '")
	value = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(value), "'"), "'")
	said := "Value (" + value + ") for parameter " + strings.TrimSuffix(at, "'") + " is invalid."
	if strings.HasPrefix(why, "Member must satisfy enum") {
		return said
	}
	return said + " " + why
}

// maxShown is the length to which a value is repeated in a text, so that a huge
// field does not come back whole. AWS repeats tag values of hundreds of
// characters; where it stops is not known.
const maxShown = 2048

// maxViolations ends the list, so that a request of a megabyte does not come back
// as an answer of many. Whether AWS ends it is not known.
const maxViolations = 100

func (v *violations) structure(s *awsfacts.Shape, tree map[string]any, path string) {
	for _, m := range s.Members {
		if len(*v) >= maxViolations {
			return
		}
		value, ok := tree[m.Name]
		at := join(path, m.Lower())
		if !ok || value == nil {
			if m.Required {
				*v = append(*v, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", at))
			}
			continue
		}
		v.value(m.Shape, value, at)
	}
}

func (v *violations) value(s *awsfacts.Shape, value any, at string) {
	switch value := value.(type) {
	case map[string]any:
		if s.Type == "structure" {
			v.structure(s, value, at)
			return
		}
		v.length(s, len(value), nil, at)
		if !constrained(s.Key.Shape) && !constrained(s.Value.Shape) {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if len(*v) >= maxViolations {
				return
			}
			v.value(s.Key.Shape, key, at+".key")
			v.value(s.Value.Shape, value[key], at+"."+key+".member")
		}
	case map[string]string:
		v.length(s, len(value), nil, at)
		if constrained(s.Key.Shape) || constrained(s.Value.Shape) {
			v.texts(s, value, at)
		}
	case []any:
		v.length(s, len(value), nil, at)
		for i, item := range value {
			if len(*v) >= maxViolations {
				return
			}
			v.value(s.Elem.Shape, item, at+"."+strconv.Itoa(i+1)+".member")
		}
	case []byte:
		v.length(s, len(value), nil, at)
	case string:
		v.text(s, value, at)
	case int64:
		v.number(s, float64(value), value, at)
	case float64:
		v.number(s, value, value, at)
	case bool, time.Time, nil:
	}
}

func (v *violations) texts(s *awsfacts.Shape, value map[string]string, at string) {
	for _, key := range slices.Sorted(maps.Keys(value)) {
		if len(*v) >= maxViolations {
			return
		}
		v.text(s.Key.Shape, key, at+".key")
		v.text(s.Value.Shape, value[key], at+"."+key+".member")
	}
}

// constrained reports whether a value of the shape can be wrong. Shapes of several
// parts are taken to be.
func constrained(s *awsfacts.Shape) bool {
	switch s.Type {
	case "structure", "list", "map":
		return true
	}
	return s.Min != nil || s.Max != nil || len(s.Enum) > 0 || s.Pattern != ""
}

func (v *violations) text(s *awsfacts.Shape, value, at string) {
	if len(s.Enum) > 0 {
		if !slices.Contains(s.Enum, value) {
			v.fail(s, &value, at, "Member must satisfy enum value set: ["+strings.Join(s.Enum, ", ")+"]")
		}
		return
	}
	n := len(*v)
	v.length(s, utf8.RuneCountInString(value), &value, at)
	if len(*v) == n && !s.Match(value) {
		v.fail(s, &value, at, "Member must satisfy regular expression pattern: "+s.Pattern)
	}
}

func (v *violations) length(s *awsfacts.Shape, n int, shown *string, at string) {
	if s.Min != nil && float64(n) < *s.Min {
		v.fail(s, shown, at, "Member must have length greater than or equal to "+bound(*s.Min))
	}
	if s.Max != nil && float64(n) > *s.Max {
		v.fail(s, shown, at, "Member must have length less than or equal to "+bound(*s.Max))
	}
}

// number checks n; value is the same as it came, to be shown.
func (v *violations) number(s *awsfacts.Shape, n float64, value any, at string) {
	if s.Min != nil && n < *s.Min {
		v.fail(s, new(fmt.Sprint(value)), at, "Member must have value greater than or equal to "+bound(*s.Min))
	}
	if s.Max != nil && n > *s.Max {
		v.fail(s, new(fmt.Sprint(value)), at, "Member must have value less than or equal to "+bound(*s.Max))
	}
}

// fail adds a text; a value that is sensitive or no text is not shown.
func (v *violations) fail(s *awsfacts.Shape, shown *string, at, constraint string) {
	value := ""
	if shown != nil && !s.Sensitive {
		text := *shown
		if len(text) > maxShown {
			text = strings.ToValidUTF8(text[:maxShown], "") + "..."
		}
		value = "'" + text + "' "
	}
	*v = append(*v, fmt.Sprintf("Value %sat '%s' failed to satisfy constraint: %s", value, at, constraint))
}

func bound(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
