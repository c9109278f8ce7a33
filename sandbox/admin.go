package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/events"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// adminPath is where the sandbox's own endpoints are.
const adminPath = "/_keyreach"

// maxEstate is the size of the largest estate that can be put.
const maxEstate = 64 << 20

// isOwn reports whether a path is the sandbox's own and none of AWS's.
func isOwn(path string) bool {
	return path == adminPath || strings.HasPrefix(path, adminPath+"/")
}

// admin answers what is not AWS's. It asks for no credentials, also of a strict
// sandbox, so it asks where a request comes from.
func (s *Sandbox) admin(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, adminPath+"/")
	why := barred(r)
	if why == "" && r.Header.Get("Sec-Fetch-Site") != "" {
		why = noPages // not even when somebody typed the address
	}
	if why != "" {
		// A page in somebody's browser must neither steer the sandbox nor read it.
		problem(w, http.StatusForbidden, "the sandbox "+why)
		return
	}
	if r.Header.Get(events.Header) != "" {
		problem(w, http.StatusForbidden, "the sandbox refuses its own deliveries here")
		return
	}
	if path != "health" && !fromHere(r) {
		problem(w, http.StatusForbidden, fmt.Sprintf("%s %s is refused to %s: the sandbox's own endpoints, but for health, answer only the machine that it runs on; call it there, as 127.0.0.1", r.Method, r.URL.Path, r.RemoteAddr))
		return
	}
	if r.Body == nil {
		r.Body = http.NoBody // of a request that no server read
	}
	s.dispatch(w, r, s.own(path))
}

// own are the methods of the endpoint at a path, with what answers them. It has none
// where there is no endpoint.
func (s *Sandbox) own(path string) map[string]http.HandlerFunc {
	switch path {
	case "health":
		return map[string]http.HandlerFunc{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) { done(w, nil) }}
	case "reset":
		return map[string]http.HandlerFunc{http.MethodPost: func(w http.ResponseWriter, _ *http.Request) { done(w, s.Reset()) }}
	case "estate":
		return map[string]http.HandlerFunc{http.MethodGet: s.getEstate, http.MethodPut: s.putEstate}
	case "deliveries":
		return map[string]http.HandlerFunc{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) {
			answer(w, map[string]any{"format_version": 1, "deliveries": s.events.Attempts()})
		}}
	case "clock":
		return map[string]http.HandlerFunc{http.MethodGet: s.getClock, http.MethodPost: s.postClock}
	case "drs/source-servers":
		return map[string]http.HandlerFunc{http.MethodPost: s.postSourceServer}
	case "drs/failback-clients":
		return map[string]http.HandlerFunc{http.MethodPost: s.postFailbackClient}
	}
	if id, ok := strings.CutPrefix(path, "decisions/"); ok {
		return map[string]http.HandlerFunc{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) { s.getDecision(w, id) }}
	}
	return nil
}

// dispatch has the method of a request answered. Whoever may get may ask for the head.
func (s *Sandbox) dispatch(w http.ResponseWriter, r *http.Request, methods map[string]http.HandlerFunc) {
	if len(methods) == 0 {
		problem(w, http.StatusNotFound, fmt.Sprintf("%s %s is not offered; see docs/sandbox.md", r.Method, r.URL.Path))
		return
	}
	if get := methods[http.MethodGet]; get != nil {
		methods[http.MethodHead] = get // net/http leaves the body out
	}
	answering := methods[r.Method]
	if answering == nil {
		allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		w.Header().Set("Allow", allowed)
		problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s takes %s, not %s", r.URL.Path, allowed, r.Method))
		return
	}
	answering(w, r)
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

func (s *Sandbox) getEstate(w http.ResponseWriter, _ *http.Request) {
	e, err := s.Estate()
	if err != nil {
		done(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = e.WriteTo(w) // a client that went away is no error of ours
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
