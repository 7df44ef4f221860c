// Package histories plays seeded months between three instances, each on a PostgreSQL database of its own, over real
// HTTP on a network that loses, doubles, delays and reorders: twice, to see that the weather changes nothing, or with a
// backup that is put back, to see that nobody differs in silence. The tests play some; flattrd simulate --postgres
// plays as many as one likes.
package histories

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// A plan is a history before it has happened: who does what, and when. It is data, drawn from a seed.
//
// Most of what people do commutes with the messages in flight, and the plan puts it anywhere. What
// doesn't commute, because its outcome depends on what its author could see, comes after a lull, in
// which everything told before has arrived:
//
//   - settlement: only final answers that are home by then count (protocol §7); that is what grace is for
//   - a payee's departure: a Like that finds the payee gone is refused, one that came before is accepted
//     and its line refused later (protocol §7, Deletion); nobody clicks on what the departed owned
//   - payments: an order pays what is accepted by then, and the payees' side decides about a notice it has
//   - withdrawals: they take what is there
//   - lowering a budget: money that returns tops up the budget as it then stands. Raising it may come at
//     any time, before any money returns lowering may too
//   - following and unfollowing: ActivityPub knows no tombstone for a Follow, and no money hangs on it
//
// An outage over the end of a month is drawn only where no instance asks for reciprocity: there a Like
// that came before its payee's budget is held, one that came after it accepted, and the outage keeps the
// final answer to the former from coming in time.
type plan struct {
	seed     uint64
	policies map[string]string
	people   []person
	steps    []step
}

type person struct {
	host, name string
	buttons    int
	leaves     bool
}

func (p person) handle() string { return p.name + "@" + p.host }

// step is one thing that somebody does. What it needs beyond its numbers is looked up when it happens.
type step struct {
	at   time.Time
	op   string
	who  string // a handle, or a host for what an operator does
	what string // a thing: handle/number; or a host
	n    int64  // cents, or how a payment turns out
}

func (s step) String() string {
	return fmt.Sprintf("%s %-9s %s %s %d", s.at.Format("01-02 15:04:05"), s.op, s.who, s.what, s.n)
}

// How an announced payment turns out.
const (
	arrivesWhole = iota
	arrivesShort
	arrivesNot
	arrivesTooMuch
)

func date(month time.Month, day, hour int) time.Time {
	year := 2026
	if month == time.January {
		year = 2027
	}
	return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
}

// author draws a plan.
type author struct {
	*rand.Rand
	plan
	cut bool // there is an outage
}

func newPlan(seed uint64) plan {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 0x706c616e)), plan: plan{seed: seed}}
	a.cast()
	a.november()
	a.turnOfMonth(time.December)
	a.outage()
	a.december()
	a.money(date(time.December, 8, 0), true)
	if a.IntN(3) > 0 {
		a.lateDecember()
		a.turnOfMonth(time.January)
		a.money(date(time.January, 3, 0), false)
	}
	a.end()
	slices.SortStableFunc(a.steps, func(x, y step) int { return x.at.Compare(y.at) })
	return a.plan
}

func (a *author) do(at time.Time, op, who, what string, n int64) {
	a.steps = append(a.steps, step{at, op, who, what, n})
}

// between draws a time to the second.
func (a *author) between(from, to time.Time) time.Time {
	return from.Add(time.Duration(a.Int64N(int64(to.Sub(from)/time.Second))) * time.Second)
}

// cast: one instance asks for reciprocity, one doesn't, one is drawn; without an outage. Who leaves lives where receiving
// takes no budget: who has money can't leave.
func (a *author) cast() {
	policies := []string{ledger.ReciprocityRequired, ledger.ReciprocityOff, ledger.ReciprocityRequired}
	if a.IntN(2) == 0 {
		policies[2] = ledger.ReciprocityOff
	}
	if a.cut = a.IntN(3) == 0; a.cut {
		policies[0], policies[2] = ledger.ReciprocityOff, ledger.ReciprocityOff
	}
	hosts := []string{"a", "b", "c"}
	a.Shuffle(3, func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	a.policies = map[string]string{}
	for i, host := range hosts {
		a.policies[host] = policies[i]
	}
	for _, host := range []string{"a", "b", "c"} {
		for n := range 2 + a.IntN(2) {
			a.people = append(a.people, person{host: host, name: fmt.Sprintf("p%d", n+1), buttons: 1 + a.IntN(2)})
		}
	}
	a.people = append(a.people, person{host: hosts[1], name: "gone", buttons: 1, leaves: true})
}

// givers are those who may have a budget.
func (a *author) givers() []person {
	return slices.DeleteFunc(slices.Clone(a.people), func(p person) bool { return p.leaves })
}

func (a *author) someone() person { g := a.givers(); return g[a.IntN(len(g))] }

// thing draws something to click on, mostly of others.
func (a *author) thing(giver person, departed bool) string {
	for {
		p := a.people[a.IntN(len(a.people))]
		mine := p == giver && a.IntN(8) > 0
		if mine || p.leaves && departed {
			continue
		}
		return fmt.Sprintf("%s/%d", p.handle(), 1+a.IntN(p.buttons))
	}
}

// fund lets somebody pay in and set a budget, at times of their own.
func (a *author) fund(p person, from, to time.Time) {
	if a.IntN(5) == 0 {
		return // clicks without a budget, perhaps for ever
	}
	cents := int64(1 + a.IntN(900))
	a.do(a.between(from, to), "deposit", p.handle(), "", cents)
	a.do(a.between(from, to), "raise", p.handle(), "", 1+a.Int64N(cents+50))
}

// clicks draws flattrs, doubled, undone, and made again.
func (a *author) clicks(n int, from, to time.Time, departed bool) {
	for range n {
		giver := a.someone()
		thing := a.thing(giver, departed)
		at := a.between(from, to)
		a.do(at, "flattr", giver.handle(), thing, 0)
		switch a.IntN(8) {
		case 0:
			a.do(a.between(at, to), "flattr", giver.handle(), thing, 0)
		case 1, 2:
			undone := a.between(at, to)
			a.do(undone, "undo", giver.handle(), thing, 0)
			if a.IntN(2) == 0 {
				a.do(a.between(undone, to), "flattr", giver.handle(), thing, 0)
			}
		}
	}
}

func (a *author) november() {
	from, to := date(time.November, 10, 13), date(time.November, 30, 23)
	for _, p := range a.givers() {
		a.fund(p, from, to)
	}
	a.clicks(12+a.IntN(10), from, to, false)
	for _, p := range a.people {
		if p.leaves { // somebody elsewhere gives to who leaves, so that there is a line to refuse
			for _, giver := range a.givers() {
				if giver.host != p.host && a.IntN(2) == 0 {
					a.do(a.between(from, to), "flattr", giver.handle(), p.handle()+"/1", 0)
				}
			}
		}
	}
	if a.IntN(2) == 0 {
		a.do(a.between(from, to), "budget", a.someone().handle(), "", a.Int64N(300)) // more or less, or none
	}
	p := a.someone()
	followed := a.between(from, to)
	a.do(followed, "follow", p.handle(), "", 0)
	a.do(a.between(followed, to), "button", p.handle(), "new", 0)
	if a.IntN(2) == 0 {
		a.do(a.between(followed, to), "unfollow", p.handle(), "", 0)
	}
}

// turnOfMonth closes the month before, lets grace pass, and settles. Each instance's clockwork may be
// late, by less than the hour that receivers take the next month's flattrs early.
func (a *author) turnOfMonth(month time.Month) {
	for _, host := range []string{"a", "b", "c"} {
		a.do(date(month, 1, 0), "tick", host, "", 0)
	}
	a.clicks(a.IntN(3), date(month, 1, 2), date(month, 1, 22), true)
	for _, host := range []string{"a", "b", "c"} { // in the middle of grace what has no answer is told again
		a.do(date(month, 1, 13), "tick", host, "", 0)
	}
	a.do(date(month, 1, 22), "lull", "", "", 0)
	if month == time.December {
		for _, p := range a.people {
			if p.leaves {
				a.do(date(month, 1, 23), "leave", p.handle(), "", 0)
			}
		}
	}
	for _, host := range []string{"a", "b", "c"} {
		a.do(date(month, 2, 2), "tick", host, "", 0)
	}
}

// outage takes one instance off the net from November's last days until its settlement is over: what is
// clicked meanwhile has no answer in time and is carried into December (protocol §7).
func (a *author) outage() {
	if !a.cut {
		return
	}
	host := []string{"a", "b", "c"}[a.IntN(3)]
	a.do(date(time.November, 27, 12), "lull", "", "", 0)
	a.do(date(time.November, 27, 12), "cut", host, "", 0)
	for range 4 {
		giver := a.someone()
		a.do(a.between(date(time.November, 27, 13), date(time.November, 30, 23)), "flattr", giver.handle(), a.thing(giver, false), 0)
	}
	a.do(date(time.December, 3, 12), "heal", host, "", 0)
}

// end closes the month that is open: until then an answer may be for the time being, and which it is
// depends on whether the payee had a budget when the Like came.
func (a *author) end() {
	last := slices.MaxFunc(a.steps, func(x, y step) int { return x.at.Compare(y.at) }).at
	at := ledger.PeriodEnd(ledger.PeriodOf(last))
	for _, host := range []string{"a", "b", "c"} {
		a.do(at, "tick", host, "", 0)
	}
	a.do(at.Add(20*time.Hour), "lull", "", "", 0)
}

// december goes on while November's claims are under way.
func (a *author) december() {
	from, to := date(time.December, 2, 4), date(time.December, 7, 20)
	for range a.IntN(3) {
		a.fund(a.someone(), from, to)
	}
	a.clicks(4+a.IntN(6), from, to, true)
}

func (a *author) lateDecember() {
	from, to := date(time.December, 16, 4), date(time.December, 31, 23)
	a.clicks(3+a.IntN(6), from, to, true)
	a.do(a.between(from, to), "budget", a.someone().handle(), "", a.Int64N(300))
	if a.IntN(2) == 0 {
		a.fund(a.someone(), from, to)
	}
}

// money: what is owed is paid, falls short or gets lost, is paid again, and is drawn out.
func (a *author) money(from time.Time, mishaps bool) {
	hosts := []string{"a", "b", "c"}
	day := 24 * time.Hour
	a.do(from, "lull", "", "", 0)
	for round := range 2 {
		at := from.Add(time.Duration(round) * 3 * day)
		for _, host := range hosts {
			for _, to := range hosts {
				if host != to {
					a.do(a.between(at.Add(2*time.Hour), at.Add(20*time.Hour)), "pay", host, to, 0)
				}
			}
		}
		a.do(at.Add(day), "lull", "", "", 0)
		for _, host := range hosts {
			for _, to := range hosts {
				if host != to {
					a.do(a.between(at.Add(day+2*time.Hour), at.Add(day+20*time.Hour)), "receive", to, host, a.outcome(mishaps && round == 0))
				}
			}
		}
		a.do(at.Add(2*day), "lull", "", "", 0)
		if !mishaps {
			break
		}
	}
	for _, p := range a.givers() {
		if a.IntN(2) == 0 {
			a.do(a.between(from.Add(6*day), from.Add(7*day)), "withdraw", p.handle(), "", a.Int64N(4))
		}
	}
}

func (a *author) outcome(mishaps bool) int64 {
	if !mishaps {
		return arrivesWhole
	}
	return cmp.Or([]int64{arrivesShort, arrivesNot, arrivesTooMuch}[a.IntN(3)]*int64(a.IntN(2)), arrivesWhole)
}
