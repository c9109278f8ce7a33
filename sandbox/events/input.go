package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// Event is an event as rules see it and targets get it.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html.
type Event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// happened is an event on its way through rules.
type happened struct {
	Event
	text []byte
	tree map[string]any
	at   time.Time // when EventBridge took it
	// reads is set for the record of a call that only read, which few rules get.
	reads bool
}

// took writes an event down once for all rules.
func took(e Event, at time.Time) (*happened, error) {
	if e.Resources == nil {
		e.Resources = []string{}
	}
	text, err := plainJSON(e)
	if err != nil {
		return nil, err
	}
	tree, err := readJSON(string(text))
	if err != nil {
		return nil, err
	}
	return &happened{Event: e, text: text, tree: tree.(map[string]any), at: at}, nil
}

// plainJSON writes JSON that is not meant for web pages: & and < stay.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// input is what a target gets of an event: the event as a whole, a part of it, a text
// of its own, or a template that is filled from it.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html.
func (h *happened) input(r *Rule, t *types.Target) ([]byte, error) {
	switch {
	case t.Input != nil:
		return []byte(*t.Input), nil
	case t.InputPath != nil:
		value, ok := at(h.tree, *t.InputPath)
		if !ok {
			return nil, fmt.Errorf("the event has nothing at %s", *t.InputPath)
		}
		return plainJSON(value)
	case t.InputTransformer != nil:
		return h.fill(r, t.InputTransformer)
	}
	return h.text, nil
}

// fill puts values in the place of <names> of a template: as JSON, or within a JSON
// string as text. A value that the event lacks is null, within a string nothing; AWS
// documents only that the variable is not made.
func (h *happened) fill(r *Rule, t *types.InputTransformer) ([]byte, error) {
	values := map[string]any{
		"aws.events.rule-arn": r.arn(), "aws.events.rule-name": r.Name, "aws.events.event.ingestion-time": h.at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"aws.events.event.json": json.RawMessage(h.text),
	}
	without := maps.Clone(h.tree)
	delete(without, "detail")
	values["aws.events.event"] = without
	for name, path := range t.InputPathsMap {
		value, ok := at(h.tree, path)
		if !ok {
			value = nil
		}
		values[name] = value
	}
	var b bytes.Buffer
	text, quoted := *t.InputTemplate, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if end := strings.IndexByte(text[i:], '>'); c == '<' && end > 0 {
			if value, ok := values[text[i+1:i+end]]; ok {
				if err := write(&b, value, quoted); err != nil {
					return nil, err
				}
				i += end
				continue
			}
		}
		b.WriteByte(c)
		switch {
		case c == '\\' && quoted && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '"':
			quoted = !quoted
		}
	}
	return b.Bytes(), nil
}

// write writes a value into a template.
func write(b *bytes.Buffer, value any, quoted bool) error {
	if text, ok := value.(string); ok && quoted {
		inner, err := plainJSON(text)
		if err == nil {
			b.Write(inner[1 : len(inner)-1])
		}
		return err
	}
	if value == nil && quoted {
		return nil
	}
	text, err := plainJSON(value)
	if err != nil {
		return err
	}
	if quoted {
		if text, err = plainJSON(string(text)); err != nil {
			return err
		}
		text = text[1 : len(text)-1]
	}
	b.Write(text)
	return nil
}

// step is a part of a path: a member, an element, or with neither all elements.
type step struct {
	name string
	at   int
	all  bool
}

// readPath reads a path as $.detail.list[0].name; [*] and * are all elements.
func readPath(path string) ([]step, bool) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, false
	}
	var steps []step
	for rest != "" {
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			name := rest[1:end]
			if name == "" {
				return nil, false
			}
			steps, rest = append(steps, step{name: name, all: name == "*"}), rest[end:]
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, false
			}
			inner := rest[1:end]
			s := step{all: inner == "*"}
			if quoted := strings.Trim(inner, `'"`); len(quoted) == len(inner)-2 {
				s.name = quoted
			} else if n, err := strconv.Atoi(inner); err == nil && n >= 0 {
				s.at = n
			} else if !s.all {
				return nil, false
			}
			steps, rest = append(steps, s), rest[end+1:]
		default:
			return nil, false
		}
	}
	return steps, true
}

// at finds the value at a path; several, when the path has a wildcard, as a list.
func at(tree any, path string) (any, bool) {
	steps, ok := readPath(path)
	if !ok {
		return nil, false
	}
	found := []any{tree}
	for _, s := range steps {
		var next []any
		for _, value := range found {
			next = s.follow(next, value)
		}
		found = next
	}
	if slices.ContainsFunc(steps, func(s step) bool { return s.all }) {
		return append([]any{}, found...), true
	}
	if len(found) == 0 {
		return nil, false
	}
	return found[0], true
}

func (s step) follow(list []any, value any) []any {
	switch value := value.(type) {
	case map[string]any:
		if s.all {
			for _, name := range slices.Sorted(maps.Keys(value)) {
				list = append(list, value[name])
			}
		} else if below, ok := value[s.name]; ok {
			list = append(list, below)
		}
	case []any:
		if s.all {
			list = append(list, value...)
		} else if s.name == "" && s.at < len(value) {
			list = append(list, value[s.at])
		}
	}
	return list
}
