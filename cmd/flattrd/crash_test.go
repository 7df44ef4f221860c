//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crash is a run in which every process kills itself where it first passes the failpoint; from is the
// stage that the run starts with. Brief ones are those of go test -short.
type crash struct {
	failpoint, from string
	brief           bool
}

var crashes = []crash{
	{failpoint: "close.locked", from: "close"},
	{failpoint: "close.answered", from: "close"},
	{failpoint: "close.before-commit", from: "close"},
	{failpoint: "close.committed", from: "close"},
	{failpoint: "accept.rendered", from: "close"}, // the final answer to a held flattr
	{failpoint: "accept.delivered", from: "close"},

	{failpoint: "settle.locked", from: "settle"},
	{failpoint: "settle.split", from: "settle"},
	{failpoint: "settle.booked", from: "settle", brief: true},
	{failpoint: "settle.before-commit", from: "settle"},
	{failpoint: "settle.committed", from: "settle"},

	{failpoint: "claim.rendered", from: "settle"}, // signed and stored, not sent
	{failpoint: "claim.rendered:3", from: "settle"},
	{failpoint: "claim.stored", from: "settle"},
	{failpoint: "claim.posted", from: "settle"},
	{failpoint: "claim.committed", from: "settle", brief: true}, // document not kept, 202 not sent
	{failpoint: "inbox.taken", from: "settle"},                  // document kept, 202 not sent
	{failpoint: "claim.delivered", from: "settle"},              // 202 received, job not done
	{failpoint: "claim.delivered:3", from: "settle"},            // the third of b is the successor

	{failpoint: "claim-answer.rendered", from: "settle"},
	{failpoint: "answer.kept", from: "settle"}, // the peer's document stored, the ledger not yet told
	{failpoint: "answer.accept", from: "settle"},
	{failpoint: "answer.reject", from: "settle"},
	{failpoint: "answer.returned", from: "settle"},
	{failpoint: "answer.committed", from: "settle"},
	{failpoint: "claim-answer.delivered", from: "settle", brief: true},

	{failpoint: "payment.ordered", from: "pay"},
	{failpoint: "payment.prepared", from: "pay"}, // the operator sees no page
	{failpoint: "payment.sent", from: "pay"},
	{failpoint: "payment.changed", from: "pay"}, // sent, the operator sees no page
	{failpoint: "payment.rendered", from: "pay"},
	{failpoint: "payment.announced", from: "pay"},
	{failpoint: "inbox.taken:2", from: "pay"},
	{failpoint: "payment.delivered", from: "pay"},
	{failpoint: "payment.allocated", from: "pay"},
	{failpoint: "payment.changed:3", from: "pay", brief: true}, // the first that is confirmed as received
	{failpoint: "payment-answer.rendered", from: "pay"},
	{failpoint: "payment.posted", from: "pay"},
	{failpoint: "payment.answered", from: "pay"},
	{failpoint: "payment-answer.delivered", from: "pay"},
}

// lanesAtOnce: a run mostly waits, for ticks and for messages to be tried again.
const lanesAtOnce = 4

// Whatever step the processes of three instances are killed at, they come to the same books after a
// restart as without it.
func TestCrashes(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t)
	next := make(chan crash)
	var lanes sync.WaitGroup
	for n := range lanesAtOnce {
		lanes.Go(func() {
			for c := range next {
				t.Run(c.failpoint+"@"+c.from, func(t *testing.T) { rig.run(t, n, c) })
			}
		})
	}
	next <- crash{from: "close", brief: true} // undisturbed once more: what is compared doesn't vary by itself
	for _, c := range crashes {
		if c.brief || !testing.Short() {
			next <- c
		}
	}
	close(next)
	lanes.Wait()
}

// run plays the rest of the month with the failpoint armed in all three processes and compares what
// comes of it.
func (r *crashRig) run(t *testing.T, n int, c crash) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := r.lane(n)
	defer l.end(syscall.SIGKILL)
	if err := l.begin(ctx, r.snapshots[c.from], c.failpoint); err != nil {
		t.Fatal(err)
	}
	if err := l.play(c.from); err != nil {
		t.Fatalf("%v\n%s", err, l.logs())
	}
	got, err := l.outcome(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if deaths := l.deaths(); (deaths > 0) != (c.failpoint != "") {
		t.Errorf("%d processes were killed at %q", deaths, c.failpoint)
	}
	if !slices.Equal(got, r.want) {
		t.Errorf("hashes are %v, undisturbed %v\n%s", got, r.want, l.logs())
	}
}

// A failpoint that is in the code is in the table.
func TestFailpointsAreCrashed(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, c := range crashes {
		name, _, _ := strings.Cut(c.failpoint, ":")
		tested[name] = true
	}
	call := regexp.MustCompile(`\bfailpoint\("([^"]+)"\)`)
	found := 0
	for _, dir := range []string{"ledger", "federation"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range call.FindAllStringSubmatch(string(src), -1) {
				found++
				if !tested[m[1]] {
					t.Errorf("%s: no run crashes at %s", file, m[1])
				}
			}
		}
	}
	if found < 12 {
		t.Errorf("only %d failpoints found", found)
	}
}
