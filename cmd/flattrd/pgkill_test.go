//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

var pgKills = flag.Int("kills", 2, "how often TestPostgresKilled kills PostgreSQL, twelve times a month")

// killsPerMonth: each start of c asks for statements, which others answer ten of at once and then one a minute.
const killsPerMonth = 12

// PostgreSQL is killed with all its processes, again and again, while people click, pay in and change budgets and the
// instances settle, claim and pay. a and b use a server that is given to them: their processes live on, because a given
// server comes back by itself (Database.watch). c runs its own, ends with it, and is started again as systemd would.
// What was acknowledged is there each time, the books hold, and in the end they are those of a run without kills.
func TestPostgresKilled(t *testing.T) {
	binary := program(t)
	t.Parallel()
	p := newPGTown(t, binary)
	p.play(t, 0)
	p.want, p.lines = p.got, p.gotLines
	p.play(t, *pgKills)
	if !slices.Equal(p.got, p.want) {
		t.Errorf("hashes are %v, undisturbed %v\n%s", p.got, p.want, p.differ(p.gotLines))
	}
}

// play plays as many months as so many kills need, from the same start each time, and keeps what comes of it.
func (p *pgTown) play(t *testing.T, kills int) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Duration(*pgKills)*time.Minute)
	defer cancel()
	l := p.lane(0)
	defer func() { l.end(syscall.SIGKILL) }()
	if err := p.begin(ctx, l); err != nil {
		t.Fatalf("%v\n%s", err, l.logs())
	}
	k := newKiller(p, l, kills)
	l.busy.gate = k.gate
	done := make(chan error, 1)
	go func() { done <- l.orStop(k.run(t)) }()
	err := p.playMonths(t, l)
	if err = errors.Join(err, <-done); err == nil {
		err = p.keepOutcome(ctx, l)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, l.logs())
	}
}

// months is how many are played.
func (p *pgTown) months() int { return max(1, (*pgKills+killsPerMonth-1)/killsPerMonth) }

func (p *pgTown) playMonths(t *testing.T, l *lane) error {
	for m := range p.months() {
		t.Logf("month %d of %d, %s", m+1, p.months(), time.Now().UTC().Format(time.TimeOnly))
		if m > 0 {
			if err := l.nextMonth(); err != nil {
				return err
			}
		}
		for _, s := range crashStages {
			if err := l.playBusy(s); err != nil {
				return fmt.Errorf("%s, %s: %w", l.month, s.name, err)
			}
		}
	}
	return nil
}

func (p *pgTown) keepOutcome(ctx context.Context, l *lane) (err error) {
	if err := l.checkKept(ctx); err != nil {
		return err
	}
	if p.got, err = l.outcome(ctx); err == nil {
		p.gotLines, err = l.lines(ctx)
	}
	return err
}
