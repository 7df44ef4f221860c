//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what people do while processes or databases are killed: click, pay in, raise their budgets. What they do
// follows from the seed alone, each tries until it is told that it is done, and a second time does nothing: so
// the books come to the same whatever was killed meanwhile, if nothing that was told as done is lost.
type load struct {
	seed   uint64
	clicks int // by each, in each stage
	gate   func(ctx context.Context, deed int)
	people []*person // who have logged in
	stage  int       // how many stages there were
	done   journal
	count  atomic.Int64
}

// busyPeople give, each with a budget at the start.
var busyPeople = []struct {
	name, letter string
	budget       int64 // cents
}{{"frank", "a", 200}, {"anna", "a", 100}, {"dave", "b", 100}, {"bob", "b", 100}, {"erin", "c", 700}, {"carla", "c", 0}}

// deed is one thing to do, and the query that finds it in the books.
type deed struct {
	what string
	do   func(ctx context.Context) error
	acknowledged
}

// playBusy plays a stage with the load beside it, and waits until nothing of either is left to tell. Clicks at a
// month's end may belong to either month, so the load begins when the new one has.
func (l *lane) playBusy(s crashStage) error {
	if l.busy == nil {
		return s.play(l)
	}
	if err := l.settleIn(); err != nil {
		return err
	}
	l.busy.count.Add(1) // a stage's begin is a moment to kill at, like a deed's
	all := make([]error, 2)
	var both sync.WaitGroup
	both.Go(func() { all[0] = l.orStop(s.play(l)) })
	both.Go(func() {
		if all[1] = l.orStop(l.awaitOver()); all[1] == nil {
			all[1] = l.orStop(l.carry())
		}
	})
	both.Wait()
	if err := errors.Join(all...); err != nil {
		return err
	}
	return l.await(s.state)
}

// orStop ends the run with its first error.
func (l *lane) orStop(err error) error {
	if err != nil {
		l.stop(err)
	}
	return err
}

// awaitOver waits until the month is over everywhere.
func (l *lane) awaitOver() error {
	for k := 0; k < len(l.books); {
		var over bool
		err := l.books[k].pool.QueryRow(l.ctx, `select state <> 'open' from month where period = $1`, l.month).Scan(&over)
		switch {
		case context.Cause(l.ctx) != nil:
			return fmt.Errorf("%s isn't over: %w", l.month, errors.Join(context.Cause(l.ctx), err))
		case err == nil && over:
			k++
		default:
			time.Sleep(30 * time.Millisecond)
		}
	}
	return nil
}

// settleIn logs everybody in, once for as long as the databases live.
func (l *lane) settleIn() error {
	if l.busy.people != nil {
		return nil
	}
	names := make([][2]string, 0, len(busyPeople)+len(worldInstances))
	for _, p := range busyPeople {
		names = append(names, [2]string{p.name, p.letter})
	}
	for _, i := range worldInstances {
		names = append(names, [2]string{"op", i.letter})
	}
	for _, n := range names {
		if err := l.persist(func(ctx context.Context) error {
			p, err := l.login(ctx, n[0], n[1])
			if err == nil && p == nil {
				err = fmt.Errorf("%s can't log in", n[0])
			}
			if err == nil {
				l.busy.people = append(l.busy.people, p)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// carry has everybody do at once what is theirs in this stage. In a month's first, who gives is paid in for before anybody
// clicks: whether a click is held until the payee gives, too, would depend on who comes first.
func (l *lane) carry() error {
	stage := l.busy.stage
	l.busy.stage++
	if stage%len(crashStages) > 0 {
		return l.carryOut(func(p *person) []deed { return append(l.funding(stage, p), l.clicking(stage, p)...) })
	}
	return errors.Join(l.carryOut(func(p *person) []deed { return l.funding(stage, p) }),
		l.carryOut(func(p *person) []deed { return l.clicking(stage, p) }))
}

func (l *lane) carryOut(deeds func(p *person) []deed) error {
	all := make([]error, len(l.busy.people))
	var people sync.WaitGroup
	for n, p := range l.busy.people {
		people.Go(func() {
			for _, d := range deeds(p) {
				if all[n] = l.orStop(l.insist(d)); all[n] != nil {
					return
				}
			}
		})
	}
	people.Wait()
	return errors.Join(all...)
}

// insist does something until it is acknowledged, and notes that.
func (l *lane) insist(d deed) error {
	if l.busy.gate != nil {
		l.busy.gate(l.ctx, int(l.busy.count.Add(1)))
	}
	if err := l.persist(d.do, away); err != nil {
		return fmt.Errorf("%s: %w", d.what, err)
	}
	l.busy.done.add(d.acknowledged)
	return nil
}

// away: the giver's home was down when the page with the button asked for it.
func away(err error) bool {
	var fault *pageError
	return errors.As(err, &fault) && fault.status == http.StatusUnprocessableEntity && strings.Contains(fault.fault, "answer right now")
}
