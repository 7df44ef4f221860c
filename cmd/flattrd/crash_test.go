//go:build linux

package main

import (
	"context"
	"flag"
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

// crash is a run in which processes kill themselves at failpoints: a, b and c each at its own, one after the other. Brief
// ones are those of go test -short.
type crash struct {
	from  string // the stage that the run starts with
	armed [3]string
	brief bool
}

// crashes name every failpoint at least once, in order of the stages: mostly one at close, one in settlement, one when it is
// paid. Those that not all instances pass: b alone gives a final answer at close, has a claim refused, and offers a third
// one, its successor. Rendered is signed and stored, but not sent; delivered is answered with 202, but not noted. Committed
// is booked; taken is that too, but 202 isn't sent. Prepared and changed are committed, but the operator sees no page; the
// third change is the first payment that is confirmed as received.
var crashes = []crash{
	{from: "close", armed: [3]string{
		"close.locked settle.before-commit payment.prepared",
		"close.answered settle.committed payment.sent",
		"close.before-commit claim.rendered payment.changed"}},
	{from: "close", armed: [3]string{
		"close.committed claim.stored payment.rendered",
		"accept.rendered claim.rendered:3 payment.announced",
		"settle.locked claim.posted payment.delivered"}},
	{from: "close", brief: true, armed: [3]string{
		"settle.split claim.committed inbox.taken:2",
		"accept.delivered claim.delivered:3 payment.judged:3",
		"settle.booked inbox.taken payment.changed:3"}},
	{from: "close", brief: true, armed: [3]string{
		"settle.frozen answer.stored:2",
		"settle.built answer.judged",
		"reserve.committed answer.posted"}},
	{from: "settle", armed: [3]string{
		"claim.delivered payment-answer.rendered",
		"answer.stored payment.posted",
		"claim-answer.rendered payment-answer.delivered"}},
	{from: "settle", armed: [3]string{
		"answer.committed payment.stored",
		"answer.refused inbox.taken",
		"claim-answer.delivered payment.answered"}},
}

var crashTimes = flag.Int("crash.times", 0, "crash at each failpoint so many times, in months that differ")

// planned are the runs of this test. The first isn't disturbed: what is compared doesn't vary by itself.
func planned() []crash {
	plan := []crash{{from: "close"}}
	for _, c := range crashes {
		if c.brief || !testing.Short() {
			plan = append(plan, c)
		}
	}
	return plan
}

// lanesAtOnce: a run mostly waits, for ticks and for messages to be tried again. Where it is measured how long a process
// takes to come back, there are fewer.
const (
	lanesAtOnce   = 4
	lanesMeasured = 3
)

// Whatever step the processes of three instances are killed at, they come to the same books after a
// restart as without it.
func TestCrashes(t *testing.T) {
	t.Parallel()
	if *crashTimes > 0 {
		crashOften(t, *crashTimes)
		return
	}
	newCrashRig(t, 0, "").runAll(t, planned(), func(t *testing.T, c crash, deaths [3]int32) { c.checkDeaths(t, deaths) })
}

// runAll runs a plan in all lanes; judge is given each run's deaths.
func (r *crashRig) runAll(t *testing.T, plan []crash, judge func(t *testing.T, c crash, deaths [3]int32)) {
	next := make(chan crash)
	var lanes sync.WaitGroup
	for n := range r.atOnce {
		lanes.Go(func() {
			for c := range next {
				t.Run(c.from+" "+strings.Join(c.armed[:], " "), func(t *testing.T) { judge(t, c, r.run(t, n, c)) })
			}
		})
	}
	for _, c := range plan {
		next <- c
	}
	close(next)
	lanes.Wait()
}

// run plays the rest of the month with the failpoints armed and compares what comes of it.
func (r *crashRig) run(t *testing.T, n int, c crash) (deaths [3]int32) {
	ctx, cancel := context.WithTimeout(t.Context(), r.patience())
	defer cancel()
	l := r.lane(n)
	defer l.end(syscall.SIGKILL)
	if r.seed != 0 {
		l.say = t.Logf
	}
	if err := l.begin(ctx, c.from, c.armed); err != nil {
		t.Fatal(err)
	}
	if err := l.play(c.from); err != nil {
		lines, _ := l.lines(t.Context())
		t.Fatalf("%v\n%s%s", err, r.differ(lines), l.logs())
	}
	got, err := l.outcome(ctx)
	if err != nil {
		t.Fatalf("%v\n%s", err, l.logs())
	}
	if !slices.Equal(got, r.want) {
		lines, err := l.lines(ctx)
		t.Errorf("hashes are %v, undisturbed %v\n%s%v\n%s", got, r.want, r.differ(lines), err, l.logs())
	}
	if err := l.checkKept(ctx); err != nil {
		t.Errorf("%v\n%s", err, l.logs())
	}
	r.slowest.Store(max(r.slowest.Load(), int64(l.slowest())))
	return l.deaths()
}

// patience is for how long a run may last. The long form runs beside other work.
func (r *crashRig) patience() time.Duration {
	if r.seed != 0 {
		return 20 * time.Minute
	}
	return 2 * time.Minute
}

// checkDeaths: a failpoint that is never passed would let its run succeed for nothing.
func (c crash) checkDeaths(t *testing.T, deaths [3]int32) {
	for k, armed := range c.armed {
		if want := int32(len(strings.Fields(armed))); deaths[k] != want {
			t.Errorf("%s was killed %d times at %q", worldInstances[k].letter, deaths[k], armed)
		}
	}
}

// A failpoint that is in the code is in the table.
func TestFailpointsAreCrashed(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, c := range crashes {
		for _, armed := range strings.Fields(strings.Join(c.armed[:], " ")) {
			name, _, _ := strings.Cut(armed, ":")
			tested[name] = true
		}
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
