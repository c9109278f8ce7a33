package sandboxtest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/keyreach/keyreach/sandbox"
)

// Fault is a way in which a call fails.
type Fault int

// The faults, each in the codes and the form of the service that is called.
const (
	// Throttled refuses for too many calls: ThrottlingException, Throttling,
	// RequestLimitExceeded or SlowDown.
	Throttled Fault = iota + 1
	// InternalError is a failure inside AWS, status 500.
	InternalError
	// LostResponse performs the call and closes the connection without an answer. The
	// client sees an EOF; net/http sends a GET or HEAD again by itself when its
	// connection was used before.
	LostResponse
	// ExpiredToken refuses credentials that have ended.
	ExpiredToken
	// AccessDenied refuses for want of rights.
	AccessDenied
)

// Call is an operation of AWS that was called, as {"kms", "CreateKey"}.
type Call struct{ Service, Operation string }

// Faults fails calls of a Server, and lets a test do something between them. It counts
// the calls of AWS's operations that reach the server, the first as 1, those too that it
// fails; not the sandbox's own endpoints, the clock among them, and nothing that is done
// in process. Rules may be added while calls are made. Of several rules that fit a call,
// the one that was added first counts.
type Faults struct {
	mu    sync.Mutex
	calls []Call
	rules []*rule
}

// rule is a fault or something to do, and for which calls.
type rule struct {
	fits  func(n int, c Call) bool
	left  int // how often yet; negative for always
	fault Fault
	// before and after are done around the call.
	before, after func()
}

// StartFaulty is Start with faults. Without a rule the server is as any other.
func StartFaulty(t testing.TB, o sandbox.Options) (*Server, *Faults) {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatalf("starting the sandbox: %v", err)
	}
	f := &Faults{}
	return serve(t, s, f.around(s)), f
}

// At fails the call with that number.
func (f *Faults) At(n int, fault Fault) {
	f.add(&rule{fits: func(i int, _ Call) bool { return i == n }, left: 1, fault: fault})
}

// On fails the next so many calls that fit; a negative number of times is for ever.
func (f *Faults) On(fits func(Call) bool, times int, fault Fault) {
	f.add(&rule{fits: func(_ int, c Call) bool { return fits(c) }, left: times, fault: fault})
}

// Before does something when the call with that number has come and before anything is
// looked at for it. It does not fail the call; a fault may be told for the same one.
func (f *Faults) Before(n int, do func()) {
	f.add(&rule{fits: func(i int, _ Call) bool { return i == n }, left: 1, before: do})
}

// After does something when the call with that number was performed and before it is
// answered, so that it is done when the client makes the next.
func (f *Faults) After(n int, do func()) {
	f.add(&rule{fits: func(i int, _ Call) bool { return i == n }, left: 1, after: do})
}

// BeforeNext is Before for the next call that fits.
func (f *Faults) BeforeNext(fits func(Call) bool, do func()) {
	f.add(&rule{fits: func(_ int, c Call) bool { return fits(c) }, left: 1, before: do})
}

// AfterNext is After for the next call that fits.
func (f *Faults) AfterNext(fits func(Call) bool, do func()) {
	f.add(&rule{fits: func(_ int, c Call) bool { return fits(c) }, left: 1, after: do})
}

// Is fits calls of one operation.
func Is(service, operation string) func(Call) bool {
	return func(c Call) bool { return c == Call{service, operation} }
}

// Count is how many calls there were.
func (f *Faults) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// Calls are the calls there were, in the order in which they came.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Clear forgets all rules, and the calls there were: the next is the first.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules, f.calls = nil, nil
}

func (f *Faults) add(r *rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
}

// come counts a call, and returns what is to be done with it.
func (f *Faults) come(c Call) (fault Fault, before, after []func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	for _, r := range f.rules {
		if r.left == 0 || r.fault != 0 && fault != 0 || !r.fits(len(f.calls), c) {
			continue
		}
		r.left--
		switch {
		case r.fault != 0:
			fault = r.fault
		case r.before != nil:
			before = append(before, r.before)
		default:
			after = append(after, r.after)
		}
	}
	return fault, before, after
}

// around is the sandbox with the faults.
func (f *Faults) around(s *sandbox.Sandbox) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, operation, ok := s.Operation(r)
		if !ok {
			s.ServeHTTP(w, r)
			return
		}
		fault, before, after := f.come(Call{service, operation})
		for _, do := range before {
			do()
		}
		if as, refused := inSandbox(fault); refused {
			s.Fail(w, r, service, operation, as)
			return
		}
		if fault != LostResponse && len(after) == 0 {
			s.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		for _, do := range after {
			do()
		}
		if fault == LostResponse {
			panic(http.ErrAbortHandler) // net/http closes the connection
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that went away is no error of ours
	})
}

// inSandbox is a fault that the sandbox answers with, without performing the call.
func inSandbox(f Fault) (sandbox.Fault, bool) {
	switch f {
	case Throttled:
		return sandbox.Throttled, true
	case InternalError:
		return sandbox.Internal, true
	case ExpiredToken:
		return sandbox.Expired, true
	case AccessDenied:
		return sandbox.Denied, true
	}
	return 0, false
}
