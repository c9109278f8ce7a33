package live

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/keyreach/keyreach/cloud"
)

// Stats say what collecting cost and what it did not get.
type Stats struct {
	// Accounts, Regions and Keys are how many were read: Regions as pairs of account
	// and Region.
	Accounts, Regions, Keys int
	// Calls counts the calls by operation, Pages those of them that asked for a further
	// page, Again those that were sent once more because AWS was busy. The latter stand
	// in neither of the others.
	Calls        map[string]int
	Pages, Again int
	// KeyCallsMax and KeyCallsMean are the calls that one key took, without further
	// pages.
	KeyCallsMax  int
	KeyCallsMean float64
	Duration     time.Duration
	// Record says what is done, for collecting the rest later.
	Record Record
}

// Total is the number of all calls.
func (s *Stats) Total() int {
	n := s.Again
	for _, c := range s.Calls {
		n += c
	}
	return n
}

// Record is how far collecting came. With the estate that came with it, it goes on
// where it stopped.
type Record struct {
	// Done are the parts that were read, as account/Region/part.
	Done []string `json:"done"`
	// Unread is what AWS did not let be read in them.
	Unread []Unread `json:"unread,omitempty"`
}

// Unread is what could not be read.
type Unread struct {
	Account   string `json:"account"`
	Region    string `json:"region,omitempty"`
	Operation string `json:"operation"` // kms:GetKeyPolicy
	Code      string `json:"code,omitempty"`
	// Text is what AWS said the first time, Times how often the operation failed so.
	Text  string `json:"text"`
	Times int    `json:"times"`
}

// tally gathers Stats from many goroutines.
type tally struct {
	mu     sync.Mutex
	stats  Stats
	perKey map[string]int
}

// ofKey and ofPage mark the calls of a context: those that are made for one key, and
// those that ask for a further page.
type (
	ofKey  struct{}
	ofPage struct{}
)

func forKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, ofKey{}, key)
}

func furtherPage(ctx context.Context) context.Context {
	return context.WithValue(ctx, ofPage{}, true)
}

func (t *tally) count(ctx context.Context, operation string, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if again {
		t.stats.Again++
		return
	}
	t.stats.Calls[operation]++
	if ctx.Value(ofPage{}) != nil {
		t.stats.Pages++
	} else if key, ok := ctx.Value(ofKey{}).(string); ok {
		t.perKey[key]++
	}
}

// unread notes that a call was refused.
func (t *tally) unread(e *cloud.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.stats.Record.Unread
	for i := range list {
		u := &list[i]
		if u.Account == e.Account && u.Region == e.Region && u.Operation == e.Operation && u.Code == e.Code {
			u.Times++
			u.Text = min(u.Text, e.Err.Error()) // the same one in every run
			return
		}
	}
	t.stats.Record.Unread = append(list, Unread{Account: e.Account, Region: e.Region, Operation: e.Operation, Code: e.Code, Text: e.Err.Error(), Times: 1})
}

// settle takes back what was noted of operations that somebody else was allowed.
func (t *tally) settle(operations ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Record.Unread = slices.DeleteFunc(t.stats.Record.Unread, func(u Unread) bool { return slices.Contains(operations, u.Operation) })
}

func (t *tally) isDone(part string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Contains(t.stats.Record.Done, part)
}

func (t *tally) done(part string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Record.Done = append(t.stats.Record.Done, part)
}

// sum is everything counted, in a stable order.
func (t *tally) sum(began time.Time) Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	total := 0
	for _, n := range t.perKey {
		s.KeyCallsMax = max(s.KeyCallsMax, n)
		total += n
	}
	if len(t.perKey) > 0 {
		s.KeyCallsMean = float64(total) / float64(len(t.perKey))
	}
	slices.Sort(s.Record.Done)
	slices.SortFunc(s.Record.Unread, func(a, b Unread) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Code, b.Code))
	})
	s.Duration = time.Since(began)
	return s
}
