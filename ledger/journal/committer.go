package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// Limits of a Committer.
const (
	MostInBatch = 8190    // requests in one transaction
	mostWaiting = 1 << 16 // requests, before those who come wait outside
)

// Verdict is what became of one request.
type Verdict[R any] struct {
	Result R
	Err    error
}

// Committer is group commit: requests that meet in the same accounts and come while a transaction is under
// way wait together and go into the next one, so that a hot account is locked, changed and written to the disk once
// for all of them. A batch grows with the load; who comes alone is committed alone and at once. There is one
// transaction at a time, because a second would only wait for the first one's locks, with half the requests.
//
// It has no goroutine while nobody waits, and so needs no end. What isn't answered when the process dies may or
// may not be committed; a request must be one that may be made again.
type Committer[T any, K comparable, R any] struct {
	key   func(T) K
	batch func(ctx context.Context, requests []T) ([]Verdict[R], error)
	room  chan struct{}

	mu      sync.Mutex
	waiting []*waiter[T, R]
	busy    bool // a batch is under way, and who commits it looks for the next
}

// waiter is a request whose maker waits.
type waiter[T, R any] struct {
	ctx     context.Context
	request T
	done    chan Verdict[R] // holds one
}

// NewCommitter makes a Committer. batch does requests in one transaction and returns a verdict for each, in
// order, when they are durable; on an error, nothing was done. A request that another must not see undone,
// such as the same one again, has the other's key: two of a key never stand in one batch.
func NewCommitter[T any, K comparable, R any](key func(T) K, batch func(ctx context.Context, requests []T) ([]Verdict[R], error)) *Committer[T, K, R] {
	return &Committer[T, K, R]{key: key, batch: batch, room: make(chan struct{}, mostWaiting)}
}

// Commit returns when the request is durable or refused. If ctx ends before, its error is returned and the
// request, unless it was still waiting, may be committed all the same.
func (c *Committer[T, K, R]) Commit(ctx context.Context, request T) (R, error) {
	var none R
	select {
	case c.room <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	w := &waiter[T, R]{ctx: ctx, request: request, done: make(chan Verdict[R], 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	lead := !c.busy
	c.busy = true
	c.mu.Unlock()
	if lead {
		c.lead()
	}
	if len(w.done) == 0 {
		select {
		case v := <-w.done:
			return v.Result, v.Err
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	v := <-w.done
	return v.Result, v.Err
}

// lead commits one batch for whoever finds nobody at it: who comes alone needs no other goroutine. What has come
// meanwhile is committed beside it.
func (c *Committer[T, K, R]) lead() {
	c.next()
	if c.more() {
		go func() {
			for c.more() {
				c.next()
				runtime.Gosched() // whoever goes on at once with another request may come along
			}
		}()
	}
}

// more tells whether somebody waits; if not, the next who comes leads.
func (c *Committer[T, K, R]) more() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = len(c.waiting) > 0
	return c.busy
}

// next commits a batch.
func (c *Committer[T, K, R]) next() {
	batch := c.take()
	if len(batch) == 0 {
		return
	}
	verdicts := c.commit(batch)
	for i, w := range batch {
		w.done <- verdicts[i]
		<-c.room
	}
}

// take takes the next batch, in order: the first of each key. Whoever has left is left out.
func (c *Committer[T, K, R]) take() (batch []*waiter[T, R]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := map[K]bool{}
	c.waiting = slices.DeleteFunc(c.waiting, func(w *waiter[T, R]) bool {
		k := c.key(w.request)
		switch {
		case w.ctx.Err() != nil:
			<-c.room
			return true
		case keys[k] || len(batch) == MostInBatch:
			return false
		}
		keys[k] = true
		batch = append(batch, w)
		return true
	})
	return batch
}

// commit does a batch; if it is refused as a whole, each request alone, so that a bad one harms no other. An
// error that isn't a refusal, such as a lost connection, is everybody's: what was done then isn't known.
func (c *Committer[T, K, R]) commit(batch []*waiter[T, R]) []Verdict[R] {
	verdicts, err := c.try(batch)
	if err == nil {
		return verdicts
	}
	verdicts = make([]Verdict[R], len(batch))
	for i, w := range batch {
		verdicts[i].Err = err
		if len(batch) > 1 && refused(err) {
			verdicts[i] = c.commit([]*waiter[T, R]{w})[0]
		}
	}
	return verdicts
}

// try does a batch as long as one of those who wait for it is there. A panic is the batch's error: it must not
// end everybody else's work.
func (c *Committer[T, K, R]) try(batch []*waiter[T, R]) (verdicts []Verdict[R], err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	defer cancel()
	var left atomic.Int64
	requests := make([]T, len(batch))
	for i, w := range batch {
		requests[i] = w.request
		defer context.AfterFunc(w.ctx, func() {
			if int(left.Add(1)) == len(batch) {
				cancel()
			}
		})()
	}
	defer func() {
		if p := recover(); p != nil {
			verdicts, err = nil, fmt.Errorf("journal: internal error: %v", p)
		}
	}()
	verdicts, err = c.batch(ctx, requests)
	if err == nil && len(verdicts) != len(batch) {
		err = fmt.Errorf("journal: internal error: %d verdicts on %d requests", len(verdicts), len(batch))
	}
	return verdicts, err
}

// refused: the transaction was ended by what it asked for.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) || errors.Is(err, ErrOverdraft) || errors.Is(err, ErrReused) ||
		errors.Is(err, ErrPending) || errors.Is(err, ErrMalformed)
}

// GaveWay tells whether a transaction failed only because it met another: serialisation failures and deadlocks
// (40001, 40P01), which PostgreSQL resolves by aborting one side, and a transfer's key that another took at the
// same moment for other accounts. Nothing was changed, and the same may succeed now.
func GaveWay(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505" && pg.TableName == "transfer_key")
}
