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
	// Data is set for calls about data, of which LookupEvents does not tell.
	Data bool
	// Size is about how many bytes the call's parameters take.
	Size int
}

// maxBytes is about how many bytes of parameters are remembered: that many calls can
// be large without the memory of the sandbox being so.
const maxBytes = 16 << 20

// Log remembers the latest calls, in the order in which they ended.
type Log struct {
	mu      sync.Mutex
	size    int
	entries []Entry // a ring once it has size elements
	first   int     // the oldest
	n       int
	bytes   int
}

// NewLog returns a log of at most size calls.
func NewLog(size int) *Log { return &Log{size: size} }

// Size is how many calls the log holds at most.
func (l *Log) Size() int { return l.size }

// Add remembers a call, and forgets the oldest when there are too many or they are
// too large.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.n == l.size || l.n > 0 && l.bytes+e.Size > maxBytes {
		l.bytes -= l.entries[l.first].Size
		l.entries[l.first] = Entry{}
		l.first = (l.first + 1) % l.size
		l.n--
	}
	l.bytes += e.Size
	at := (l.first + l.n) % l.size
	l.n++
	if at == len(l.entries) {
		l.entries = append(l.entries, e)
		return
	}
	l.entries[at] = e
}

// Find returns the call with a request id.
func (l *Log) Find(id string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.n {
		if e := &l.entries[(l.first+i)%l.size]; e.Call.ID == id {
			return *e, true
		}
	}
	return Entry{}, false
}

// Latest returns the calls, the latest first.
func (l *Log) Latest() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Entry, l.n)
	for i := range list {
		list[i] = l.entries[(l.first+l.n-1-i)%l.size]
	}
	return list
}

// Clear forgets all calls.
func (l *Log) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.first, l.n, l.bytes = nil, 0, 0, 0
}
