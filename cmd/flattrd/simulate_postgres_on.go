//go:build simulation

package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/histories"
)

// postgres plays whole instances on a real database: each seed's history in calm and in rough weather, which must come
// to the same, and once with a backup that is put back, after which nobody may differ in silence.
func (c simulateCommand) postgres(ctx context.Context) error {
	from, seeds := c.From, uint64(c.Seeds)
	if c.Seed != nil {
		from, seeds = *c.Seed, 1
	}
	var next, failed, agreed, frozen, held atomic.Int64
	start := time.Now()
	var players sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		players.Go(func() {
			for n := uint64(next.Add(1)); n <= seeds && ctx.Err() == nil; n = uint64(next.Add(1)) {
				seed := from + n - 1
				diff, pairs, said := playSeed(ctx, seed)
				if diff != "" || said != "" {
					failed.Add(1)
					fmt.Printf("seed %d\n%s%s\n", seed, diff, said)
				}
				agreed.Add(pairs.Agreed)
				frozen.Add(pairs.Frozen)
				held.Add(pairs.Held)
			}
		})
	}
	players.Wait()
	fmt.Printf("%d seeds in %s: %d failed; after a restore %d pairs agree, %d are frozen, %d held\n",
		min(uint64(next.Load()), seeds), time.Since(start).Round(time.Second), failed.Load(), agreed.Load(), frozen.Load(), held.Load())
	if failed.Load() > 0 {
		return fmt.Errorf("rules were broken: %d", failed.Load())
	}
	return ctx.Err()
}

// playSeed plays a seed's histories; said is what they complained of.
func playSeed(ctx context.Context, seed uint64) (diff string, pairs histories.Pairs, said string) {
	t := &judge{ctx: ctx, name: fmt.Sprint(seed)}
	done := make(chan struct{})
	go func() { // Fatal ends a goroutine
		defer close(done)
		defer t.end()
		diff = histories.Differ(t, seed)
		pairs = histories.Restored(t, seed)
	}()
	<-done
	return diff, pairs, t.said
}

// judge is a testing.TB outside of a test.
type judge struct {
	testing.TB
	ctx  context.Context
	name string

	mu       sync.Mutex
	said     string
	cleanups []func()
}

func (j *judge) Name() string             { return j.name }
func (j *judge) Context() context.Context { return j.ctx }
func (j *judge) Helper()                  {}
func (j *judge) Log(...any)               {}
func (j *judge) Logf(string, ...any)      {}

func (j *judge) Failed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.said != ""
}

func (j *judge) Errorf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.said += fmt.Sprintf(format, args...) + "\n"
}

func (j *judge) Error(args ...any) { j.Errorf("%s", fmt.Sprintln(args...)) }

func (j *judge) Fatal(args ...any) {
	j.Error(args...)
	runtime.Goexit()
}

func (j *judge) Fatalf(format string, args ...any) {
	j.Errorf(format, args...)
	runtime.Goexit()
}

func (j *judge) Cleanup(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cleanups = append(j.cleanups, f)
}

// end runs the cleanups, the last first.
func (j *judge) end() {
	for len(j.cleanups) > 0 {
		last := len(j.cleanups) - 1
		f := j.cleanups[last]
		j.cleanups = j.cleanups[:last]
		f()
	}
}
