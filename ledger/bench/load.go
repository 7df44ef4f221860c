package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Load is one slot of a benchmark: what so many writers got done.
type Load struct {
	Rate float64 `json:"perSecond"`
	P50  float64 `json:"p50ms"`
	P99  float64 `json:"p99ms"`
}

// drive lets so many writers repeat one durable step, each its own, until the time is over; a step counts for
// so many.
func drive(ctx context.Context, writers, each int, seconds float64, step func(ctx context.Context, writer int) error) (Load, error) {
	var all sync.WaitGroup
	taken := make([][]time.Duration, writers)
	errs := make([]error, writers)
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	for w := range writers {
		all.Go(func() {
			for began := time.Now(); began.Before(end) && errs[w] == nil; {
				errs[w] = step(ctx, w)
				now := time.Now()
				taken[w] = append(taken[w], now.Sub(began))
				began = now
			}
		})
	}
	all.Wait()
	took := time.Since(start).Seconds()
	for _, err := range errs {
		if err != nil {
			return Load{}, err
		}
	}
	every := slices.Concat(taken...)
	slices.Sort(every)
	at := func(percent int) float64 { return every[(len(every)-1)*percent/100].Seconds() * 1000 }
	return Load{Rate: float64(len(every)*each) / took, P50: at(50), P99: at(99)}, nil
}

// median is the value in the middle.
func median[T any](all []T, by func(T) float64) T {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b T) int {
		if by(a) < by(b) {
			return -1
		}
		return 1
	})
	return sorted[len(sorted)/2]
}
