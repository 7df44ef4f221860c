//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/migrations"
)

// crashRig is a month that three instances have played up to its end, from where it is played on again
// and again: by three processes of the program with failpoints, each run in a lane of its own. The port
// is part of every id and the same in all lanes; what differs is the loopback address that they
// listen on.
type crashRig struct {
	binary    string
	admin     string // address of the database server
	server    *pgxpool.Pool
	dir       string
	port      uint16
	month     string
	buttons   map[string]string   // page address by "owner/slug"
	seed      uint64              // of the load beside; 0: none
	atOnce    int                 // lanes
	passes    [][3]map[string]int // of the undisturbed run: how often each instance passed each failpoint
	snapshots map[string]snapshot // by the stage that starts from it
	slowest   atomic.Int64        // way back of a process, in all runs
	strategy  string              // of copies
	want      []string            // hashes of the undisturbed run, a, b, c
	lines     [3][]string         // that they are made of
}

// snapshot is the state of three instances that nobody is connected to.
type snapshot struct {
	databases []string
	clock     time.Duration // ahead of the machine's
}

// newCrashRig builds the program, plays the month, and plays the rest once undisturbed. With a seed there is more in the
// month, and people go on while the rest is played. The program may be built already.
func newCrashRig(t *testing.T, seed uint64, binary string) *crashRig {
	ctx := t.Context()
	r := &crashRig{admin: ledgertest.ServerDSN(t), dir: t.TempDir(), port: uint16(quietPort(t)), seed: seed, binary: binary,
		atOnce: lanesAtOnce, snapshots: map[string]snapshot{}}
	if seed != 0 {
		r.atOnce = lanesMeasured
	}
	built := make(chan error, 1)
	go func() { built <- r.build(ctx) }()
	var err error
	if r.server, err = pgxpool.New(ctx, r.admin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.server.Close)
	t.Cleanup(func() { r.dropAll(context.Background()) })
	if err := r.playMonth(ctx); err != nil && r.seed == 0 {
		t.Fatal(err)
	} else if err != nil { // the long form runs beside other work, and the month has little patience
		t.Log("once more: ", err)
		if err := r.playMonth(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-built; err != nil {
		t.Fatal(err)
	}
	if err := r.playUndisturbed(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *crashRig) build(ctx context.Context) error {
	if r.binary != "" {
		return nil
	}
	r.binary = filepath.Join(r.dir, "flattrd")
	out, err := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", r.binary, ".").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build -tags failpoint: %w\n%s", err, out)
	}
	return nil
}

// playMonth plays the demo's month up to its last day, between three instances of this process.
func (r *crashRig) playMonth(ctx context.Context) error {
	for _, i := range worldInstances {
		if err := migrations.DropDatabase(ctx, r.admin, r.database("world", i.letter)); err != nil {
			return err
		}
	}
	if err := r.startClock(); err != nil {
		return err
	}
	w, err := newWorld(ctx, &Database{DatabaseURL: r.admin, Data: r.dir}, r.port, false)
	if err != nil {
		return err
	}
	defer w.close()
	play := &demo{world: w, out: io.Discard, people: map[string]*person{}, buttons: map[string]string{}}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- w.serve(ctx, func() {}, nil) }()
	for _, scene := range []func(context.Context) error{play.join, play.fund, play.makeButtons, play.click, play.quiet,
		play.change, r.more(play), play.quiet} {
		if err == nil {
			err = scene(ctx)
		}
	}
	now := w.clock.Now()
	r.buttons = play.buttons
	r.month = ledger.PeriodOf(now)
	r.snapshots["close"] = snapshot{databases: r.databases("world"), clock: w.clock.off + ledger.PeriodEnd(r.month).Sub(now) + time.Second}
	cancel()
	if served := <-served; err == nil {
		err = served
	}
	return err
}

// startClock lets the month begin far from its end, whatever day it is.
func (r *crashRig) startClock() error {
	now := time.Now()
	tenth := ledger.PeriodEnd(ledger.PeriodOf(now)).AddDate(0, 0, 9).Add(12 * time.Hour)
	return writeClock(filepath.Join(r.dir, fmt.Sprintf("clock-%d", r.port)), tenth.Sub(now))
}

func writeClock(file string, ahead time.Duration) error {
	return os.WriteFile(file, []byte(ahead.String()+"\n"), 0o600)
}

// database names one: localserve's of this port, or one of a snapshot or lane.
func (r *crashRig) database(of, letter string) string {
	if of == "world" {
		return fmt.Sprintf("flattrd_%s_%d", letter, r.port)
	}
	return fmt.Sprintf("flattrd_crash_%d_%s_%s", r.port, of, letter)
}

func (r *crashRig) databases(of string) []string {
	var names []string
	for _, i := range worldInstances {
		names = append(names, r.database(of, i.letter))
	}
	return names
}

// playUndisturbed plays the rest, and keeps the state before each stage.
func (r *crashRig) playUndisturbed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	l := r.lane(0)
	defer l.end(syscall.SIGKILL)
	for k, s := range crashStages {
		if k > 0 {
			if err := r.keep(ctx, l, s.name); err != nil {
				return err
			}
		}
		if err := l.begin(ctx, s.name, [3]string{"tell", "tell", "tell"}); err != nil {
			return err
		}
		if err := l.playBusy(s); err != nil {
			return fmt.Errorf("undisturbed: %s: %w\n%s", s.name, err, l.logs())
		}
		if err := l.checkKept(ctx); err != nil {
			return fmt.Errorf("undisturbed: %s: %w", s.name, err)
		}
		var passed [3]map[string]int
		for i, n := range l.nodes {
			passed[i] = n.passed()
		}
		r.passes = append(r.passes, passed)
	}
	var err error
	if r.want, err = l.outcome(ctx); err == nil {
		r.lines, err = l.lines(ctx)
	}
	return err
}

// keep ends a lane's processes and copies their databases.
func (r *crashRig) keep(ctx context.Context, l *lane, stage string) error {
	l.end(syscall.SIGTERM)
	s := snapshot{databases: r.databases(stage), clock: l.ahead}
	for k, name := range l.databases() {
		if err := r.copy(ctx, name, s.databases[k]); err != nil {
			return err
		}
	}
	r.snapshots[stage] = s
	return nil
}

func (r *crashRig) copy(ctx context.Context, from, to string) error {
	if _, err := r.server.Exec(ctx, `drop database if exists `+to+` with (force)`); err != nil {
		return err
	}
	_, err := r.server.Exec(ctx, `create database `+to+` template `+from+r.strategy)
	return err
}

func (r *crashRig) dropAll(ctx context.Context) {
	names := r.databases("world")
	for of := range r.snapshots {
		names = append(names, r.databases(of)...)
	}
	for n := range lanesAtOnce {
		names = append(names, r.lane(n).databases()...)
	}
	for _, name := range names {
		_, _ = r.server.Exec(ctx, `drop database if exists `+name+` with (force)`)
	}
}
