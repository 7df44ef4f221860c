package simulation

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Summary is what became of many seeds.
type Summary struct {
	Seeds    int      `json:"seeds"`
	Events   int      `json:"events"`
	Claims   int      `json:"claims"`
	Payments int      `json:"payments"`
	Restores int      `json:"restores"`
	Lies     int      `json:"lies"`
	Frozen   int      `json:"frozen"` // pairs of honest hosts, after restores
	Failed   []Result `json:"failed"` // seeds with violations, lowest first
}

// Many runs seeds from one on, as many at once as there are processors, hosts as for Run. It ends early when ctx
// does, and after the first violation if that is asked for; the lowest seed of Failed is then the lowest of all that
// fail.
func Many(ctx context.Context, from uint64, seeds, hosts int, first bool) (sum Summary) {
	var next atomic.Int64
	var stop atomic.Bool
	var mutex sync.Mutex
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for n := next.Add(1); n <= int64(seeds) && !stop.Load() && ctx.Err() == nil; n = next.Add(1) {
				r := Run(from+uint64(n-1), hosts, nil)
				mutex.Lock()
				sum.add(r)
				mutex.Unlock()
				if len(r.Violations) > 0 && first {
					stop.Store(true)
				}
			}
		})
	}
	workers.Wait()
	slices.SortFunc(sum.Failed, func(a, b Result) int { return int(a.Seed) - int(b.Seed) })
	return sum
}

func (s *Summary) add(r Result) {
	s.Seeds++
	s.Events += r.Events
	s.Claims += r.Claims
	s.Payments += r.Payments
	s.Restores += r.Restores
	s.Lies += r.Lies
	s.Frozen += r.Frozen
	if len(r.Violations) > 0 {
		s.Failed = append(s.Failed, r)
	}
}
