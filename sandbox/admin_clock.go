package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"time"
)

func (s *Sandbox) getClock(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]string{"now": s.clock.Now().Format(time.RFC3339Nano), "ahead": s.clock.Ahead().String()})
}

// postClock moves the clock: {"advance": "24h"}.
func (s *Sandbox) postClock(w http.ResponseWriter, r *http.Request) {
	by, err := readAdvance(http.MaxBytesReader(w, r.Body, 1<<10))
	if err == nil {
		err = s.Advance(by)
	}
	if err != nil {
		done(w, err)
		return
	}
	answer(w, map[string]string{"status": "ok", "now": s.clock.Now().Format(time.RFC3339Nano)})
}

// readAdvance reads the body that moves the clock.
func readAdvance(body io.Reader) (time.Duration, error) {
	var in struct {
		Advance *string `json:"advance"`
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return 0, errors.New(`the body is {"advance": "24h"}: ` + wrong(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return 0, errors.New(`the body is {"advance": "24h"}, with nothing after it`)
	}
	if in.Advance == nil {
		return 0, errors.New(`the body is {"advance": "24h"}: advance is missing`)
	}
	return parseAdvance(*in.Advance)
}

// wrong says what is wrong with the JSON, without the names that Go has for it.
func wrong(err error) string {
	var kind *json.UnmarshalTypeError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return "advance is a text in quotes, and here it is a JSON " + kind.Value
	case errors.As(err, &kind):
		return "it is an object, and here it is a JSON " + kind.Value
	case errors.As(err, &large):
		return "it has more than 1 KiB"
	case errors.Is(err, io.EOF):
		return "it is empty"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// spans is the form of a duration, also of one that is too long for Go to hold.
var spans = regexp.MustCompile(`^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`)

// parseAdvance reads a duration. One that is too long to hold is beyond the clock's
// limit too, which is what its caller is to be told.
func parseAdvance(text string) (time.Duration, error) {
	by, err := time.ParseDuration(text)
	switch {
	case err == nil:
		return by, nil
	case !spans.MatchString(text):
		return 0, fmt.Errorf(`advance is a time such as "168h" or "1h30m", not %q; its units are h, m and s, and a day is 24h`, text)
	case strings.HasPrefix(text, "-"):
		return math.MinInt64, nil
	}
	return math.MaxInt64, nil
}
