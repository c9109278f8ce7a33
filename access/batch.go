package access

import (
	"sync"
	"sync/atomic"

	"github.com/keyreach/keyreach/estate"
)

// batch is how many requests a worker takes at a time: enough that the workers
// do not meet at the counter, few enough that none is left with all the rest.
const batch = 256

// DecideAll decides every request on the estate, with as many workers at the
// same time as asked for, at least one. The effects stand in the order of the
// requests.
func DecideAll(e *estate.Estate, requests []estate.Request, workers int) []Effect {
	effects := make([]Effect, len(requests))
	var next atomic.Int64
	work := func() {
		var c estate.Case
		for {
			end := int(next.Add(batch))
			start := end - batch
			if start >= len(requests) {
				return
			}
			for i := start; i < min(end, len(requests)); i++ {
				c = e.Bind(requests[i])
				effects[i] = Decide(&c)
			}
		}
	}
	var group sync.WaitGroup
	for range max(workers, 1) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
	return effects
}
