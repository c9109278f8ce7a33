package sandbox

import (
	"sync"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// history remembers the questions of the latest calls, so that somebody may ask
// why one was decided as it was.
type history struct {
	mu      sync.Mutex
	entries []entry
	next    int
	byID    map[string]int
}

type entry struct {
	id     string
	cases  []*estate.Case
	denied *gate.Denied
}

func newHistory(n int) *history {
	return &history{entries: make([]entry, 0, min(n, 64)), byID: map[string]int{}, next: -n}
}

func (h *history) add(c *gate.Call, _, _ any, err error, _ bool) {
	e := entry{id: c.ID, cases: c.Asked}
	if d, ok := err.(*gate.Denied); ok {
		e.denied = d
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// While next is negative the ring still grows.
	if h.next < 0 {
		h.byID[e.id] = len(h.entries)
		h.entries = append(h.entries, e)
		h.next++
		return
	}
	delete(h.byID, h.entries[h.next].id)
	h.entries[h.next] = e
	h.byID[e.id] = h.next
	h.next = (h.next + 1) % len(h.entries)
}

func (h *history) find(id string) (entry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := h.byID[id]
	if !ok {
		return entry{}, false
	}
	return h.entries[i], true
}

func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next >= 0 {
		h.next = -len(h.entries)
	} else {
		h.next -= len(h.entries)
	}
	h.entries, h.byID = h.entries[:0], map[string]int{}
}
