package ledgertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// Crowd is how many members of a.example and b.example play one month.
type Crowd struct {
	Givers int  // at each: 3.00 over all things
	Idle   int  // at a: 1.00 over nothing
	Here   int  // payees at a, a thing each
	There  int  // payees at b
	Leaves bool // the first payee at b leaves before the settlement
}

// PlayCrowd plays November 2026 between two instances and settles it: a's givers flattr everything, b's what
// is a's. Claims are offered and not delivered.
func PlayCrowd(t testing.TB, c Crowd) Post {
	t.Helper()
	ctx, clock := context.Background(), NewClock(Start)
	p := Post{"a.example": New(t, Host("a.example"), WithClock(clock)), "b.example": New(t, Host("b.example"), WithClock(clock))}
	a, b := p["a.example"], p["b.example"]
	here, there := a.payees(c.Here), b.payees(c.There)
	a.give(c.Givers, append(append([]ledger.Thing{}, here...), there...))
	a.give(c.Idle, nil)
	b.give(c.Givers, here)
	p.Deliver(t)
	for _, at := range []time.Time{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)} {
		clock.Set(at)
		if err := a.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		if err := b.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		if at.Day() == 1 {
			p.Deliver(t)
			if c.Leaves {
				b.leave("payee0")
			}
		}
	}
	return p
}

// payees are members with a thing each.
func (i *Instance) payees(n int) (things []ledger.Thing) {
	i.t.Helper()
	for k := range n {
		_, thing := i.Button(i.Join(fmt.Sprintf("payee%d", k)), "page")
		things = append(things, thing)
	}
	return things
}

// give lets new members flattr things; without things they only have a budget.
func (i *Instance) give(n int, things []ledger.Thing) {
	i.t.Helper()
	for k := range n {
		name, budget := fmt.Sprintf("giver%d", k), int64(3_000_000)
		if len(things) == 0 {
			name, budget = fmt.Sprintf("idle%d", k), 1_000_000
		}
		m := i.Join(name)
		i.Fund(m, budget)
		for _, thing := range things {
			if err := i.click(m, thing); err != nil {
				i.t.Fatal(err)
			}
		}
	}
}

func (i *Instance) click(m ledger.Member, thing ledger.Thing) error {
	ctx := context.Background()
	mine, err := i.ThingByIRI(ctx, thing.IRI)
	if err != nil {
		mine, err = i.SaveThing(ctx, ledger.RemoteThing{IRI: thing.IRI, URL: thing.URL, Title: thing.Title, Payee: thing.Payee,
			PayeeName: thing.PayeeName, Host: hostOf(thing.Payee)})
	}
	if err == nil {
		_, _, err = i.Flattr(ctx, m.ID, mine.ID)
	}
	return err
}

func (i *Instance) leave(name string) {
	i.t.Helper()
	m, err := i.MemberByName(context.Background(), name)
	if err == nil {
		err = i.DeleteMember(context.Background(), m.ID)
	}
	if err != nil {
		i.t.Fatal(err)
	}
}
