package ledger_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// second operator of an instance.
func (l *lent) other() ledger.Member {
	l.t.Helper()
	m, err := l.CreateOperator(context.Background(), ledger.Joining{Name: "op2", PasswordHash: "x", Language: "en"})
	l.must(err)
	return m
}

// TestWriteOff: two operators give up what a peer owes; what comes later reaches this instance's loss first, then
// the payees.
func TestWriteOff(t *testing.T) {
	t.Parallel()
	l := newLent(t, ct(40))
	ctx, op := context.Background(), l.Op.ID
	other := l.other()
	claim := l.claim(debtor, 1, ct(30), ct(30))
	l.stands("40 of 60 is advanced", 10, 20, 10, 20, 60, 40, 0)
	off, err := l.ProposeWriteOff(ctx, op, debtor, "  insolvent,\n file 7 IN 12/27 ")
	l.must(err)
	if off.Reason != "insolvent, file 7 IN 12/27" || off.Sum() != ct(60) || off.State != "proposed" || off.Proposer != "op" {
		t.Errorf("%+v", off)
	}
	l.stands("proposed, and nothing moves", 10, 20, 10, 20, 60, 40, 0)
	if got := kind(l.ConfirmWriteOff(ctx, op, off.ID)); got != "operator: same" {
		t.Errorf("confirmed by who proposed it: %s", got)
	}
	if got := kind(l.ConfirmWriteOff(ctx, l.alice.ID, off.ID)); got != "refused" {
		t.Errorf("confirmed by a member: %s", got)
	}
	l.must(l.ConfirmWriteOff(ctx, other.ID, off.ID))
	l.must(l.ConfirmWriteOff(ctx, other.ID, off.ID)) // again is fine
	l.stands("10 of each are lost, and 40 are this instance's loss", 0, 20, 0, 20, 0, 0, 60)
	if e, err := l.Earned(ctx, l.alice.ID); err != nil || e.Lost != ct(10) || e.Sources[0].Lost != ct(10) || e.Sources[0].Announced() != 0 {
		t.Errorf("alice: %+v, %v", e, err)
	}
	if all, err := l.Totals(ctx); err != nil || all.Loss != ct(40) || all.Announced != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if p, err := l.Peer(ctx, debtor); err != nil || p.AdvanceLimit != 0 {
		t.Errorf("its limit: %+v, %v", p, err)
	}
	l.claim(debtor, 2, ct(1), ct(1))
	l.stands("what it owes after that isn't given up", 1, 20, 1, 20, 2, 0, 60)
	l.pay(debtor, ct(30), ct(30), claim)
	l.stands("30 come after all: of each 15, which this instance had lost", 1, 20, 1, 20, 2, 0, 30)
	l.pay(debtor, ct(30), ct(30), claim)
	l.stands("the rest: 5 more of each to the loss, 10 to them", 1, 30, 1, 30, 2, 0, 0)
	if all, err := l.Totals(ctx); err != nil || all.Loss != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if c, err := l.Claim(ctx, claim); err != nil || c.State != ledger.Confirmed {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestWriteOffRefusals: what can't be proposed or confirmed.
func TestWriteOffRefusals(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx, op := context.Background(), l.Op.ID
	other := l.other().ID
	propose := func() error { return second(l.ProposeWriteOff(ctx, op, debtor, "why")) }
	step := func(what string, err error, want string) {
		t.Helper()
		if got := kind(err); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	step("nothing is owed", propose(), "host: nothing-owed")
	claim := l.claim(debtor, 1, ct(30), ct(30))
	step("no reason", second(l.ProposeWriteOff(ctx, op, debtor, " \u200b\n")), "reason: required")
	step("a long reason", second(l.ProposeWriteOff(ctx, op, debtor, strings.Repeat("x", 2001))), "reason: too-long")
	step("a member", second(l.ProposeWriteOff(ctx, l.alice.ID, debtor, "why")), "refused")
	step("nobody", second(l.ProposeWriteOff(ctx, op, "x.example", "why")), "not found")
	off, err := l.ProposeWriteOff(ctx, op, debtor, "why")
	l.must(err)
	step("twice", propose(), "host: proposed-already")
	l.claim(debtor, 2, ct(1), ct(1))
	step("more is owed now", l.ConfirmWriteOff(ctx, other, off.ID), "host: changed")
	l.must(l.WithdrawWriteOff(ctx, other, off.ID))
	l.must(l.WithdrawWriteOff(ctx, other, off.ID))
	step("withdrawn", l.ConfirmWriteOff(ctx, other, off.ID), "conflict")
	off, err = l.ProposeWriteOff(ctx, op, debtor, "why")
	l.must(err)
	n := ledger.PaymentNotice{IRI: "https://d.example/payments/1", Host: debtor, Currency: "EUR", Amount: ct(10), Method: "bank",
		Reference: "FL", PaidAt: l.Now(), Content: "x", Allocations: []ledger.NoticedAllocation{{Claim: claim, Amount: ct(10)}}}
	l.must(l.ReceivePayment(ctx, n))
	step("while a payment is announced", l.ConfirmWriteOff(ctx, other, off.ID), "host: in-flight")
	d, err := l.PaymentDocument(ctx, n.IRI)
	l.must(err)
	l.must(l.PaymentNotReceived(ctx, op, d.ID))
	step("nothing of that number", l.ConfirmWriteOff(ctx, other, 99), "not found")
	var confirmed atomic.Int64
	atOnce(4, func(int) {
		if err := l.ConfirmWriteOff(ctx, other, off.ID); err == nil {
			confirmed.Add(1)
		} else {
			t.Error(err)
		}
	})
	l.stands("confirmed at once, once", 0, 0, 0, 0, 0, 0, 62)
	step("withdrawn too late", l.WithdrawWriteOff(ctx, op, off.ID), "conflict")
	if _, err := l.Pool.Exec(ctx, `update write_off set decided_by = proposed_by where id = $1`, off.ID); err == nil {
		t.Error("the database lets a decided write-off change")
	}
	if _, err := l.Pool.Exec(ctx, `insert into write_off (peer, proposed, proposed_lines, amount, lost, reason, state, proposed_by, created_at, decided_by, decided_at)
		select peer, '1', proposed_lines, 1, 0, 'x', 'confirmed', proposed_by, created_at, proposed_by, created_at from write_off limit 1`); err == nil || !strings.Contains(err.Error(), "two_operators") {
		t.Errorf("one operator alone: %v", err)
	}
}

// TestAgeing: what is owed grows old by its month; what is paid or given up doesn't.
func TestAgeing(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx := context.Background()
	first := l.claim(debtor, 1, ct(30), ct(30))
	for day, want := range map[string]ledger.Ageing{"2026-12-31": {To30: ct(60)}, "2027-01-01": {To60: ct(60)}, "2027-01-30": {To60: ct(60)},
		"2027-02-01": {To90: ct(60)}, "2027-03-01": {To90: ct(60)}, "2027-03-02": {Over90: ct(60)}} {
		at, err := time.Parse(time.DateOnly, day)
		l.must(err)
		l.Clock.Set(at)
		all, err := l.Ageings(ctx)
		if err != nil || all[debtor] != want {
			t.Errorf("%s: %+v, want %+v, %v", day, all, want, err)
		}
	}
	l.Clock.Set(time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC))
	if e, err := l.Earned(ctx, l.alice.ID); err != nil || e.Ageing != (ledger.Ageing{Over90: ct(30)}) || e.Ageing.Late() != ct(30) {
		t.Errorf("alice: %+v, %v", e.Ageing, err)
	}
	l.pay(debtor, ct(20), ct(20), first)
	off, err := l.ProposeWriteOff(ctx, l.Op.ID, debtor, "why")
	l.must(err)
	if all, err := l.Ageings(ctx); err != nil || all[debtor].Sum() != ct(40) {
		t.Errorf("a part is paid: %+v, %v", all, err)
	}
	l.must(l.ConfirmWriteOff(ctx, l.other().ID, off.ID))
	l.pay(debtor, ct(20), ct(10), first)
	if all, err := l.Ageings(ctx); err != nil || all[debtor].Sum() != 0 {
		t.Errorf("the rest is given up: %+v, %v", all, err)
	}
}
