//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
)

// killer kills PostgreSQL at moments that the load has come to, so that each kill is under load however slow the machine is.
type killer struct {
	town   *pgTown
	lane   *lane
	at     []int        // so many deeds have begun
	done   atomic.Int64 // kills
	random *rand.Rand
	read   int // of the journal

	slowest time.Duration // of the instances' ways back
}

// leeway is how many deeds may begin while a kill is due.
const leeway = 8

// newKiller spreads the kills over all deeds. The first of each month is when its end has come.
func newKiller(p *pgTown, l *lane, kills int) *killer {
	k := &killer{town: p, lane: l, random: rand.New(rand.NewPCG(l.busy.seed, uint64(kills)))}
	perMonth := len(crashStages) * (1 + len(busyPeople)*(2+l.busy.clicks))
	each := float64(p.months()*perMonth) / float64(max(kills, 1))
	for n := range kills {
		k.at = append(k.at, int((float64(n)+k.random.Float64()/2)*each))
		if n%killsPerMonth == 0 {
			k.at[n] = 1 + n/killsPerMonth*perMonth
		}
	}
	return k
}

// gate holds a deed back until the kills that are due have been.
func (k *killer) gate(ctx context.Context, deed int) {
	for ctx.Err() == nil {
		n := int(k.done.Load())
		if n >= len(k.at) || deed <= k.at[n]+leeway {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// run kills at each moment, and looks at what is there afterwards.
func (k *killer) run(t *testing.T) error {
	for n, at := range k.at {
		for int(k.lane.busy.count.Load()) < at {
			if err := context.Cause(k.lane.ctx); err != nil {
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Duration(k.random.Int64N(int64(400 * time.Millisecond))))
		back, err := k.kill(n)
		if err == nil {
			err = k.look()
		}
		if err != nil {
			return fmt.Errorf("kill %d: %w", n+1, err)
		}
		k.done.Add(1)
		t.Logf("kill %d of %d, %s, after %d deeds: %s; %d acknowledged writes are there, the books hold",
			n+1, len(k.at), k.lane.month, k.lane.busy.count.Load(), back, k.read)
	}
	if len(k.at) == 0 {
		return nil
	}
	t.Logf("%d kills in %d months; longest way back of an instance %v", len(k.at), k.town.months(), k.slowest.Round(time.Millisecond))
	if k.slowest > longestWayBack && len(k.at) >= killsPerMonth {
		return fmt.Errorf("an instance took %v to answer again", k.slowest)
	}
	return nil
}

// kill kills the given server and c's own in turn, and now and then both at once. It returns when all answer again.
func (k *killer) kill(n int) (said string, err error) {
	given, own := n%2 == 0 || n%5 == 4, n%2 == 1 || n%5 == 4
	died := k.lane.nodes[2].deaths.Load()
	var pids []int
	if given {
		pids = append(pids, processes(k.town.cluster("ab"))...)
	}
	if own {
		pids = append(pids, processes(k.town.cluster(fmt.Sprint("c", k.town.runs)))...)
	}
	if len(pids) < 2 {
		return "", errors.New("there is no PostgreSQL to kill")
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended meanwhile is dead, too
	}
	if given {
		said, err = k.comeBack()
	}
	if own && err == nil {
		said += k.awaitOwn(died)
	}
	return fmt.Sprintf("%d processes; %s", len(pids), strings.TrimSuffix(said, ", ")), errors.Join(err, context.Cause(k.lane.ctx))
}

// comeBack starts the given server again, as its service would, and waits until both of its instances have answered.
func (k *killer) comeBack() (said string, err error) {
	<-k.town.shared.Done()
	k.town.stop()
	began := time.Now()
	if err := k.town.start(k.lane.ctx); err != nil {
		return "", err
	}
	there := time.Now()
	for _, n := range k.lane.nodes[:2] {
		if err := n.answer(k.lane.ctx); err != nil {
			return "", err
		}
		k.slowest = max(k.slowest, time.Since(there))
	}
	return fmt.Sprintf("a's and b's back after %v, which answer after %v, ", there.Sub(began).Round(time.Millisecond),
		time.Since(there).Round(time.Millisecond)), nil
}

// awaitOwn waits until c was started again with its server and has answered. That takes it as long as the start itself.
func (k *killer) awaitOwn(died int32) string {
	c := k.lane.nodes[2]
	for (c.deaths.Load() == died || !c.up.Load()) && context.Cause(k.lane.ctx) == nil {
		time.Sleep(5 * time.Millisecond)
	}
	k.slowest = max(k.slowest, time.Duration(c.longest.Load()))
	return fmt.Sprintf("c was started again and answers after %v, ", time.Duration(c.last.Load()).Round(time.Millisecond))
}

// look checks, while the load goes on, that what was acknowledged is there, and each instance's books.
func (k *killer) look() error {
	noted, read := k.lane.busy.done.since(k.read)
	for {
		err := k.lane.missing(k.lane.ctx, noted)
		for i, b := range k.lane.books {
			if err == nil {
				err = holds(k.lane.ctx, b)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", worldInstances[i].letter, err)
			}
		}
		if !lostConnection(err) || context.Cause(k.lane.ctx) != nil {
			k.read = read
			return err
		}
	}
}

// holds runs what check and audit run.
func holds(ctx context.Context, b *instance) error {
	found, err := b.ledger.Check(ctx)
	if err != nil || len(found) > 0 {
		return errors.Join(err, fmt.Errorf("check: %v", found))
	}
	report, err := auditOf(ctx, b.pool, audit.Options{})
	if err != nil || report.Count() > 0 {
		return errors.Join(err, fmt.Errorf("audit: %v", report))
	}
	return nil
}

// lostConnection: the test's own pool has connections to what was killed, and learns that with each.
func lostConnection(err error) bool {
	var fault *pgconn.PgError
	return err != nil && (pgconn.SafeToRetry(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.As(err, &fault) && strings.HasPrefix(fault.Code, "57P"))
}

// processes are a cluster's: its first process and those that it has started.
func processes(cluster string) (pids []int) {
	text, _ := os.ReadFile(filepath.Join(cluster, "data", "postmaster.pid"))
	first, _, _ := strings.Cut(string(text), "\n")
	if _, err := strconv.Atoi(first); err != nil {
		return nil
	}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		stat, _ := os.ReadFile(file)
		pid, _, _ := strings.Cut(string(stat), " ")
		_, behind, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(behind); pid == first || len(fields) > 1 && fields[1] == first {
			if n, err := strconv.Atoi(pid); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
