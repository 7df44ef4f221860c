//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// await waits until the month has the state everywhere and nobody has anything left to tell. The
// databases are read one after the other, so it takes two looks between which nothing was enqueued:
// in between them there was a moment at which nothing waited anywhere.
func (l *lane) await(state string) error {
	var before []int64
	for {
		newest, err := l.quiet(state)
		switch {
		case context.Cause(l.ctx) != nil:
			return fmt.Errorf("not %s and quiet: %w", state, errors.Join(context.Cause(l.ctx), err))
		case newest != nil && slices.Equal(newest, before):
			return nil
		}
		before = newest
		time.Sleep(30 * time.Millisecond)
	}
}

// quiet returns each instance's newest message, or nil while one waits, a month isn't there yet, or statements are
// still to be compared, as they are after each start: until then what an operator wants signed is put off.
func (l *lane) quiet(state string) (newest []int64, err error) {
	for k, b := range l.books {
		var last int64
		var there bool
		if err := b.pool.QueryRow(l.ctx, `
			select coalesce(max(id), 0), count(*) filter (where state in
			  ('available', 'pending', 'retryable', 'running', 'scheduled')) = 0
			  and exists (select from month m where m.period = $1 and m.state = $2)
			  and not exists (select from standing where held_at is not null)
			from river_job`, l.month, state).Scan(&last, &there); err != nil || !there || !l.nodes[k].up.Load() {
			return nil, err
		}
		newest = append(newest, last)
	}
	return newest, nil
}

// outcome checks the books, each by itself and all together, and returns the hashes that the program
// prints.
func (l *lane) outcome(ctx context.Context) ([]string, error) {
	d := &demo{world: &world{instances: l.books}, month: l.month}
	s, err := d.statement(ctx)
	if err != nil {
		return nil, err
	}
	if s.Invariants != "ok" {
		return nil, fmt.Errorf("%w: %s", ledger.ErrInvariant, s.Invariants)
	}
	if n := len(s.Claims); n < l.leastClaims {
		return nil, fmt.Errorf("only %d claims: %v", n, s.Claims)
	}
	hashes, all := make([]string, len(l.nodes)), make([]error, len(l.nodes))
	var checks sync.WaitGroup
	for k, n := range l.nodes {
		checks.Go(func() {
			cmd := exec.CommandContext(ctx, l.binary, "check", "--hash")
			cmd.Env = n.env
			out, err := cmd.CombinedOutput()
			hashes[k] = strings.TrimSpace(string(out))
			if err != nil {
				all[k] = fmt.Errorf("check --hash of %s: %w: %s", worldInstances[k].letter, err, out)
			}
		})
	}
	checks.Wait()
	return hashes, errors.Join(all...)
}

// lines are what the hashes are made of.
func (l *lane) lines(ctx context.Context) (all [3][]string, err error) {
	for k, b := range l.books {
		if all[k], err = b.ledger.Lines(ctx); err != nil {
			return all, err
		}
	}
	return all, nil
}

// differ says in which lines the books aren't those of the undisturbed run.
func (r *crashRig) differ(got [3][]string) string {
	var all strings.Builder
	for k, i := range worldInstances {
		for _, line := range got[k] {
			if !slices.Contains(r.lines[k], line) {
				fmt.Fprintf(&all, "+ %s %s\n", i.letter, line)
			}
		}
		for _, line := range r.lines[k] {
			if !slices.Contains(got[k], line) {
				fmt.Fprintf(&all, "- %s %s\n", i.letter, line)
			}
		}
	}
	return all.String()
}
