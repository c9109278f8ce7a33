package cloudtrail

import (
	"sync"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Entry is a call as it was made. Its record is written only when somebody looks.
type Entry struct {
	Call    *gate.Call
	In, Out any // the SDK's structs; nil for what there was none of
	Err     error
	// ReadOnly is set for operations that change nothing.
	ReadOnly bool
}

// Log remembers the latest calls, in the order in which they ended.
type Log struct {
	mu      sync.Mutex
	size    int
	entries []Entry // a ring once it has size elements
	next    int     // where the ring goes on
	byID    map[string]int
}

// NewLog returns a log of at most size calls.
func NewLog(size int) *Log { return &Log{size: size, byID: map[string]int{}} }

// Size is how many calls the log holds at most.
func (l *Log) Size() int { return l.size }

// Add remembers a call, and forgets the oldest when there are too many.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) < l.size {
		l.byID[e.Call.ID] = len(l.entries)
		l.entries = append(l.entries, e)
		return
	}
	delete(l.byID, l.entries[l.next].Call.ID)
	l.byID[e.Call.ID] = l.next
	l.entries[l.next] = e
	l.next = (l.next + 1) % l.size
}

// Find returns the call with a request id.
func (l *Log) Find(id string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.byID[id]
	if !ok {
		return Entry{}, false
	}
	return l.entries[i], true
}

// Latest returns the calls, the latest first.
func (l *Log) Latest() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.entries)
	list := make([]Entry, n)
	for i := range list {
		list[i] = l.entries[(l.next+2*n-1-i)%n]
	}
	return list
}

// Clear forgets all calls.
func (l *Log) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.next, l.byID = nil, 0, map[string]int{}
}
