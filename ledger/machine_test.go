package ledger_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestHistories plays random histories of two instances: people join, pay in, give, take back and
// leave, months close and settle, claims and payments go to and fro, and what the instances tell
// each other comes late, twice and in any order. After every step the books of both must be right;
// in the end, when everything has arrived, both must agree, and no money may be lost or made.
//
// A few histories run each time; -rapid.checks=1000 runs as many. It isn't parallel, because rapid's
// number of checks is a flag of the whole process.
func TestHistories(t *testing.T) {
	defer set("rapid.checks", "RAPID_CHECKS", "8")()
	defer set("rapid.steps", "RAPID_STEPS", "120")()
	rapid.Check(t, func(rt *rapid.T) {
		s := &scope{TB: t, t: rt}
		defer s.end()
		w := newWorld(s, rt)
		rt.Repeat(map[string]func(*rapid.T){
			"join": w.join, "deposit": w.deposit, "budget": w.budget, "flattr": w.flattr, "click": w.flattr, "undo": w.undo,
			"turn": w.turn, "tick": w.tick, "deliver": w.deliver, "post": w.deliver, "repeat": w.repeat,
			"order": w.order, "send": w.send, "confirm": w.confirm, "withdraw": w.withdraw, "refund": w.refund, "decide": w.decide, "reverse": w.reverse, "rate": w.rate, "change": w.change,
			"leave": w.leave, "remove": w.remove, "wait": w.wait, "payable": w.payable, "trust": w.trust, "give up": w.giveUp, "": w.check,
		})
		w.quiet(rt)
	})
}

// set gives a flag another value, unless the command or the environment says one.
func set(name, variable, value string) (restore func()) {
	f := flag.Lookup(name)
	before, said := f.Value.String(), os.Getenv(variable) != ""
	flag.Visit(func(given *flag.Flag) { said = said || given == f })
	if !said {
		_ = f.Value.Set(value)
	}
	return func() { _ = f.Value.Set(before) }
}

// scope makes what a test owns last as long as one history.
type scope struct {
	testing.TB
	t    *rapid.T
	ends []func()
}

func (s *scope) Cleanup(f func())             { s.ends = append(s.ends, f) }
func (s *scope) Error(args ...any)            { s.t.Error(args...) }
func (s *scope) Errorf(f string, args ...any) { s.t.Errorf(f, args...) }
func (s *scope) Fatal(args ...any)            { s.t.Fatal(args...) }
func (s *scope) Fatalf(f string, args ...any) { s.t.Fatalf(f, args...) }
func (s *scope) Failed() bool                 { return s.t.Failed() }

func (s *scope) end() {
	for _, f := range slices.Backward(s.ends) {
		f()
	}
}

// world is two instances and everything that was done.
type world struct {
	scope   *scope
	post    ledgertest.Post
	hosts   []*ledgertest.Instance
	clock   *ledgertest.Clock
	people  []person
	things  []thing
	clicks  []click
	waiting []said // told, but not arrived
	arrived []said
	bank    map[string]int64 // what must be at the bank of each
	refs    int
	seconds []int64 // a second operator of each
}

type person struct {
	i *ledgertest.Instance
	ledger.Member
}

type thing struct {
	of   person
	id   string
	home ledger.Thing
}

type click struct {
	by person
	id uuid.UUID
}

type said struct {
	from *ledgertest.Instance
	ledger.Message
}

func newWorld(s *scope, t *rapid.T) *world {
	w := &world{scope: s, post: ledgertest.Post{}, clock: ledgertest.NewClock(ledgertest.Start), bank: map[string]int64{}}
	for _, host := range []string{"a.example", "b.example"} {
		i := ledgertest.New(s, ledgertest.Host(host), ledgertest.WithClock(w.clock), ledgertest.Policy(func(i *ledger.Instance) {
			i.Reciprocity = rapid.SampledFrom([]string{ledger.ReciprocityOff, ledger.ReciprocityRequired, ledger.ReciprocityMinimum}).Draw(t, "reciprocity")
			if i.Reciprocity == ledger.ReciprocityMinimum {
				i.Minimum = 1_000_000
			}
			i.UnclaimedMonths = rapid.Int32Range(1, 3).Draw(t, "months that a flattr waits")
			i.Funding = rapid.SampledFrom([]string{ledger.FundingPrepaid, ledger.FundingPrepaid, ledger.FundingPledge}).Draw(t, "funding")
			i.Unused = rapid.SampledFrom([]string{ledger.UnusedRollover, ledger.UnusedCause}).Draw(t, "unused")
		}))
		w.post[host], w.hosts = i, append(w.hosts, i)
		second, err := i.CreateOperator(context.Background(), ledger.Joining{Name: "second", PasswordHash: "x", Language: "en"})
		done(t, err)
		w.seconds = append(w.seconds, second.ID)
	}
	for range 4 {
		w.join(t)
		w.fund(t, w.people[len(w.people)-1])
	}
	return w
}

func (w *world) host(t *rapid.T) *ledgertest.Instance {
	return rapid.SampledFrom(w.hosts).Draw(t, "host")
}

func (w *world) person(t *rapid.T) person { return rapid.SampledFrom(w.people).Draw(t, "person") }

func cents(t *rapid.T, most int64) int64 { return rapid.Int64Range(1, most).Draw(t, "cents") * 10_000 }

// done fails on an error that none of the given ones is.
func done(t *rapid.T, err error, but ...error) {
	for _, e := range but {
		field, want := new(ledger.FieldError), new(ledger.FieldError)
		if errors.Is(err, e) || errors.As(err, &field) && errors.As(e, &want) && *field == *want {
			return
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) join(t *rapid.T) {
	if len(w.people) > 8 {
		t.Skip("enough")
	}
	i := w.hosts[len(w.people)%2]
	p := person{i, i.Join(fmt.Sprint("p", len(w.people)))}
	w.people = append(w.people, p)
	for n := range 2 {
		b, home := i.Button(p.Member, fmt.Sprint(n))
		w.things = append(w.things, thing{p, b.ID, home})
	}
}

// fund gives a newcomer something to give.
func (w *world) fund(t *rapid.T, p person) {
	w.pay(t, p, cents(t, 500))
	done(t, p.i.SetBudget(context.Background(), p.ID, cents(t, 200)))
}

func (w *world) deposit(t *rapid.T) { w.pay(t, w.person(t), cents(t, 500)) }

func (w *world) pay(t *rapid.T, p person, amount int64) {
	w.refs++
	_, err := p.i.RecordDeposit(context.Background(), p.i.Op.ID, p.Name, amount, fmt.Sprint("ref ", w.refs))
	if err == nil {
		w.bank[p.i.Instance().Host] += amount
	}
	done(t, err, &ledger.FieldError{Field: "name", Rule: "unknown"})
}

func (w *world) budget(t *rapid.T) {
	p := w.person(t)
	done(t, p.i.SetBudget(context.Background(), p.ID, cents(t, 300)-10_000), ledger.ErrNotFound)
}

func (w *world) flattr(t *rapid.T) {
	ctx, p, what := context.Background(), w.person(t), rapid.SampledFrom(w.things).Draw(t, "thing")
	here := what.home
	if p.i != what.of.i {
		var err error
		here, err = p.i.SaveThing(ctx, ledger.RemoteThing{IRI: what.home.IRI, URL: what.home.URL, Title: what.home.Title,
			Payee: what.home.Payee, PayeeName: what.home.PayeeName, Host: what.of.i.Instance().Host})
		done(t, err)
	}
	f, _, err := p.i.Flattr(ctx, p.ID, here.ID)
	if err == nil {
		w.clicks = append(w.clicks, click{p, f.ID})
	}
	done(t, err, ledger.ErrRefused, ledger.ErrNotFound)
}

func (w *world) undo(t *rapid.T) {
	if len(w.clicks) == 0 {
		t.Skip("no click")
	}
	c := rapid.SampledFrom(w.clicks).Draw(t, "click")
	done(t, c.by.i.UndoFlattr(context.Background(), c.by.ID, c.id), ledger.ErrClosed)
}

// turn turns the clock to the end of the month or of grace. One of the instances may sleep through it.
func (w *world) turn(t *rapid.T) {
	now := w.clock.Now()
	next := ledger.PeriodEnd(ledger.PeriodOf(now))
	switch now.Day() {
	case 1:
		next = now.Add(24 * time.Hour)
	case 2: // to when pledges are collected
		if rapid.Bool().Draw(t, "middle") {
			next = now.AddDate(0, 0, 13)
		}
	}
	w.clock.Set(next)
	w.tick(t)
	if rapid.IntRange(0, 3).Draw(t, "asleep") > 0 {
		w.tick(t)
	}
}

func (w *world) tick(t *rapid.T) { done(t, w.host(t).Tick(context.Background())) }

// seldom skips an action most of the time.
func seldom(t *rapid.T) {
	if rapid.IntRange(0, 7).Draw(t, "seldom") > 0 {
		t.Skip("not now")
	}
}

// gather takes what was told since.
func (w *world) gather() {
	for _, i := range w.hosts {
		for _, m := range i.Outbox.Take(w.scope) {
			w.waiting = append(w.waiting, said{i, m})
		}
	}
}

func (w *world) deliver(t *rapid.T) {
	w.gather()
	if len(w.waiting) == 0 {
		t.Skip("nothing told")
	}
	for range rapid.IntRange(1, 12).Draw(t, "messages") {
		if len(w.waiting) > 0 {
			w.carry(t, rapid.IntRange(0, len(w.waiting)-1).Draw(t, "message"))
		}
	}
}

// carry carries a waiting message. What can't be taken yet waits on: a claim of a month that isn't
// closed there, a payment of a claim that hasn't come.
func (w *world) carry(t *rapid.T, n int) {
	m := w.waiting[n]
	err := w.post.Carry(m.from, m.Message)
	if early := new(ledger.ClaimFault); errors.As(err, &early) && (early.Code == "period-not-closed" || early.Code == "unknown-claim") {
		return
	}
	done(t, err)
	w.waiting = slices.Delete(w.waiting, n, n+1)
	w.arrived = append(w.arrived, m)
}

func (w *world) repeat(t *rapid.T) {
	if len(w.arrived) == 0 {
		t.Skip("nothing arrived")
	}
	m := rapid.SampledFrom(w.arrived).Draw(t, "again")
	done(t, w.post.Carry(m.from, m.Message))
}

func (w *world) order(t *rapid.T) {
	ctx, i := context.Background(), w.host(t)
	other := w.hosts[0]
	if i == other {
		other = w.hosts[1]
	}
	done(t, i.SetThreshold(ctx, i.Op.ID, other.Instance().Host, 10_000), ledger.ErrNotFound)
	_, err := i.PreparePayment(ctx, i.Op.ID, other.Instance().Host)
	done(t, err, ledger.ErrNotFound, ledger.ErrFunds, // its bank hasn't what it has advanced
		&ledger.FieldError{Field: "amount", Rule: "below-threshold"})
}

// trust lets an instance advance what the other owes its members.
func (w *world) trust(t *rapid.T) {
	ctx, n := context.Background(), rapid.IntRange(0, 1).Draw(t, "who")
	i, host := w.hosts[n], w.hosts[1-n].Instance().Host
	_, err := i.PinPeer(ctx, ledger.PeerIdentity{Host: host, Actor: "https://" + host + "/actor", AccountingKey: "z",
		AccountingKeyID: "https://" + host + "/actor#accounting-key"})
	done(t, err)
	done(t, i.ConfirmPeerKey(ctx, i.Op.ID, host, "z"))
	done(t, i.SetAdvanceLimit(ctx, i.Op.ID, host, cents(t, 200)-10_000))
}

// giveUp lets an operator propose to write off what the other instance owes, and perhaps another confirm it.
func (w *world) giveUp(t *rapid.T) {
	seldom(t)
	ctx, n := context.Background(), rapid.IntRange(0, 1).Draw(t, "who")
	i, host := w.hosts[n], w.hosts[1-n].Instance().Host
	o, err := i.ProposeWriteOff(ctx, i.Op.ID, host, "gone")
	if err != nil {
		done(t, err, ledger.ErrNotFound, &ledger.FieldError{Field: "host", Rule: "nothing-owed"}, &ledger.FieldError{Field: "host", Rule: "in-flight"})
		return
	}
	if rapid.IntRange(0, 2).Draw(t, "withdraw") == 0 {
		done(t, i.WithdrawWriteOff(ctx, i.Op.ID, o.ID))
		return
	}
	done(t, i.ConfirmWriteOff(ctx, w.seconds[n], o.ID))
}

// payment draws one of an instance's payments in a state.
func (w *world) payment(t *rapid.T, state string) (*ledgertest.Instance, ledger.Payment) {
	i := w.host(t)
	all, err := i.Payments(context.Background())
	done(t, err)
	all = slices.DeleteFunc(all, func(y ledger.Payment) bool { return y.State != state })
	if len(all) == 0 {
		t.Skip("no payment")
	}
	return i, rapid.SampledFrom(all).Draw(t, "payment")
}

func (w *world) send(t *rapid.T) {
	i, y := w.payment(t, "ordered")
	if rapid.IntRange(0, 3).Draw(t, "cancel") == 0 {
		done(t, i.PaymentCancelled(context.Background(), i.Op.ID, y.ID))
		return
	}
	done(t, i.PaymentSent(context.Background(), i.Op.ID, y.ID))
}

func (w *world) confirm(t *rapid.T) {
	i, y := w.payment(t, "announced")
	received := y.Amount + 10_000*rapid.SampledFrom([]int64{0, 0, 0, -1, -20, 5}).Draw(t, "difference")
	if received <= 0 {
		done(t, i.PaymentNotReceived(context.Background(), i.Op.ID, y.ID))
		return
	}
	done(t, i.ConfirmPayment(context.Background(), i.Op.ID, y.ID, received))
	w.bank[i.Instance().Host] += received
	w.bank[y.Host] -= y.Amount
}

func (w *world) withdraw(t *rapid.T) {
	p := w.person(t)
	_, err := p.i.RequestWithdrawal(context.Background(), p.ID, cents(t, 100), "DE75512108001245126199")
	done(t, err, ledger.ErrFunds, ledger.ErrNotFound)
}

func (w *world) refund(t *rapid.T) {
	p := w.person(t)
	_, err := p.i.RequestRefundOnce(context.Background(), p.ID, cents(t, 100), "DE75512108001245126199", fmt.Sprint(w.refs))
	done(t, err, ledger.ErrFunds, ledger.ErrNotFound, ledger.ErrConflict)
}

// reverse takes back any deposit, also one that was given long ago.
func (w *world) reverse(t *rapid.T) {
	seldom(t)
	ctx, i := context.Background(), w.host(t)
	all, err := i.Deposits(ctx)
	done(t, err)
	if len(all) == 0 {
		t.Skip("no deposit")
	}
	d := rapid.SampledFrom(all).Draw(t, "deposit")
	v, err := i.ReverseDeposit(ctx, i.Op.ID, d.ID, ledger.Chargeback, "back")
	if err == nil && !v.Again {
		w.bank[i.Instance().Host] -= d.Amount
	}
	done(t, err, ledger.ErrFunds)
}

// change changes how the months to come are funded.
func (w *world) change(t *rapid.T) {
	seldom(t)
	_, err := w.host(t).Pool.Exec(context.Background(), `update instance set funding = $1`,
		rapid.SampledFrom([]string{ledger.FundingPrepaid, ledger.FundingPledge}).Draw(t, "funding"))
	done(t, err)
}

func (w *world) rate(t *rapid.T) {
	seldom(t)
	i := w.host(t)
	next := ledger.NextPeriod(ledger.PeriodOf(w.clock.Now()))
	done(t, i.SetFeeRate(context.Background(), i.Op.ID, next, rapid.Int32Range(0, 5000).Draw(t, "rate")))
}

func (w *world) decide(t *rapid.T) {
	ctx, i := context.Background(), w.host(t)
	all, err := i.Withdrawals(ctx)
	done(t, err)
	if len(all) == 0 || all[0].State != "requested" {
		t.Skip("no withdrawal")
	}
	if left, err := i.Left(ctx); err == nil && len(left) > 0 && rapid.Bool().Draw(t, "left") {
		done(t, i.GiveLeft(ctx, i.Op.ID, left[0].Member))
	}
	if rapid.Bool().Draw(t, "refuse") {
		done(t, i.WithdrawalRefused(ctx, i.Op.ID, all[0].ID))
		return
	}
	done(t, i.WithdrawalPaid(ctx, i.Op.ID, all[0].ID))
	w.bank[i.Instance().Host] -= all[0].Amount
}

func (w *world) leave(t *rapid.T) {
	seldom(t)
	p := w.person(t)
	o := rapid.SampledFrom([]ledger.Leaving{{}, {IBAN: "DE75512108001245126199"}, {Give: true}, {Give: true, Cause: "p0"},
		{IBAN: "DE75512108001245126199", Cause: "p1"}}).Draw(t, "leaving")
	done(t, p.i.Leave(context.Background(), p.ID, o), ledger.ErrFunds, ledger.ErrNotFound, &ledger.FieldError{Field: "cause", Rule: "unknown"})
}

func (w *world) remove(t *rapid.T) {
	seldom(t)
	what := rapid.SampledFrom(w.things).Draw(t, "thing")
	done(t, what.of.i.RemoveButton(context.Background(), what.of.ID, what.id), ledger.ErrNotFound)
}

func (w *world) check(t *rapid.T) {
	for _, i := range w.hosts {
		found, err := i.Check(context.Background())
		if err != nil || len(found) > 0 {
			t.Fatalf("%s: %v %v", i.Instance().Host, found, err)
		}
	}
}

// quiet lets everything arrive and holds the instances against each other and against the bank.
func (w *world) quiet(t *rapid.T) {
	for _, i := range w.hosts {
		done(t, i.Tick(context.Background()))
	}
	w.gather()
	for range 100 {
		for n := len(w.waiting) - 1; n >= 0; n-- {
			w.carry(t, n)
		}
		w.gather()
	}
	if len(w.waiting) > 0 {
		t.Fatalf("these can't arrive: %v", w.waiting)
	}
	w.check(t)
	a, b := w.hosts[0], w.hosts[1]
	for _, pair := range [][2]*ledgertest.Instance{{a, b}, {b, a}} {
		owes, owed := position(t, pair[0], pair[1]).Payable, position(t, pair[1], pair[0])
		if owes != owed.Receivable+owed.WrittenOff {
			t.Fatalf("%s owes %d, %s is owed %d, and %d written off", pair[0].Instance().Host, owes, pair[1].Instance().Host, owed.Receivable, owed.WrittenOff)
		}
	}
	for _, i := range w.hosts {
		at, err := journal.BalanceOf(context.Background(), i.Pool, journal.Account{Kind: journal.Bank}, "EUR")
		if host := i.Instance().Host; err != nil || at.Posted != w.bank[host] {
			t.Fatalf("%s has %d at the bank, must have %d, %v", host, at.Posted, w.bank[host], err)
		}
	}
}

func position(t *rapid.T, of, to *ledgertest.Instance) ledger.PeerPosition {
	all, err := of.PeerPositions(context.Background())
	done(t, err)
	for _, p := range all {
		if p.Host == to.Instance().Host {
			return p
		}
	}
	return ledger.PeerPosition{}
}
