package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

const adminPrefix = "/_keyreach/"

// maxEstate is the size of the largest estate that can be put.
const maxEstate = 64 << 20

// admin answers what is not AWS's: reset, estate, clock, decisions, health.
func (s *Sandbox) admin(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, adminPrefix)
	id, isDecision := strings.CutPrefix(path, "decisions/")
	if fromWebPage(r) || r.Header.Get("Sec-Fetch-Site") != "" {
		// A page in somebody's browser must neither steer the sandbox nor read it.
		problem(w, http.StatusForbidden, "the sandbox's own endpoints take no requests from web pages")
		return
	}
	switch what := r.Method + " " + path; {
	case what == "GET health":
		answer(w, map[string]string{"status": "ok"})
	case what == "POST reset":
		done(w, s.Reset())
	case what == "GET estate":
		e, err := s.Estate()
		if err != nil {
			done(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = e.WriteTo(w) // a client that went away is no error of ours
	case what == "PUT estate":
		s.putEstate(w, r)
	case what == "GET clock":
		answer(w, map[string]string{"now": s.clock.Now().Format(time.RFC3339Nano), "ahead": s.clock.Ahead().String()})
	case what == "POST clock":
		s.postClock(w, r)
	case r.Method == http.MethodGet && isDecision:
		s.getDecision(w, id)
	default:
		problem(w, http.StatusNotFound, fmt.Sprintf("%s %s is not offered; see docs/sandbox.md", r.Method, r.URL.Path))
	}
}

func answer(w http.ResponseWriter, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n'))
}

func problem(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, map[string]string{"status": "ok"})
}

// putEstate replaces everything by an estate.
func (s *Sandbox) putEstate(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEstate))
	if err != nil {
		problem(w, http.StatusRequestEntityTooLarge, "the estate has more than 64 MiB")
		return
	}
	e, err := estate.Load("estate", text)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	done(w, s.reset(e))
}

// postClock moves the clock: {"advance": "24h"}.
func (s *Sandbox) postClock(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance string `json:"advance"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		problem(w, http.StatusBadRequest, `the body is {"advance": "24h"}: `+err.Error())
		return
	}
	by, err := time.ParseDuration(in.Advance)
	if err != nil {
		problem(w, http.StatusBadRequest, `advance is a duration such as "24h": `+err.Error())
		return
	}
	done(w, s.Advance(by))
}

// decision is one question of a call and its answer, with all evidence.
type decision struct {
	Principal string            `json:"principal"`
	Action    string            `json:"action"`
	Resource  string            `json:"resource"`
	Effect    string            `json:"decision"`
	BlockedBy []access.Layer    `json:"blocked_by"`
	Blockers  []access.Blocker  `json:"blockers,omitempty"`
	Evidence  []access.Evidence `json:"evidence"`
	Unknown   []access.Doubt    `json:"unknown,omitempty"`
	Notes     []string          `json:"notes,omitempty"`
}

// getDecision says why a call was decided as it was. The evidence is worked out
// now, from the policies of then.
func (s *Sandbox) getDecision(w http.ResponseWriter, id string) {
	e, ok := s.log.Find(id)
	if !ok {
		problem(w, http.StatusNotFound, fmt.Sprintf("no call with the request id %s is remembered; the sandbox keeps the latest %d", id, s.log.Size()))
		return
	}
	out := struct {
		FormatVersion int        `json:"format_version"`
		RequestID     string     `json:"request_id"`
		Operation     string     `json:"operation"`
		Refused       string     `json:"refused,omitempty"`
		Missing       string     `json:"missing,omitempty"` // what does not exist, when that is why
		Why           string     `json:"why,omitempty"`     // what AWS does not tell
		Decisions     []decision `json:"decisions"`
	}{FormatVersion: 1, RequestID: id, Operation: e.Call.Service + ":" + e.Call.Operation, Decisions: []decision{}}
	if denied := (*gate.Denied)(nil); errors.As(e.Err, &denied) {
		out.Refused, out.Missing, out.Why = denied.Text, denied.Missing, denied.Why
	} else if e.Err != nil {
		out.Refused = e.Err.Error()
	}
	if own := (*wire.Error)(nil); errors.As(e.Err, &own) {
		out.Why = own.Why
	}
	for _, k := range e.Call.Asked {
		d := access.Authorize(k)
		out.Decisions = append(out.Decisions, decision{
			Principal: k.Request.Caller.Text, Action: k.Request.Action, Resource: k.Request.Resource, Effect: d.Effect.String(),
			BlockedBy: d.BlockedBy(), Blockers: d.Blockers, Evidence: d.Evidence, Unknown: d.Unknown, Notes: d.Notes,
		})
	}
	answer(w, out)
}
