package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

const debtor = "d.example"

// lent is an instance whose members d.example owes, and whose operator trusts it so far.
type lent struct {
	*ledgertest.Instance
	t     *testing.T
	n     int32
	alice ledger.Member
	bob   ledger.Member
}

func newLent(t *testing.T, limit int64) *lent {
	t.Helper()
	l := &lent{Instance: ledgertest.New(t), t: t}
	l.alice, l.bob = l.Join("alice"), l.Join("bob")
	settle(t, l.Instance, "2026-11")
	l.trust(debtor, limit)
	return l
}

func (l *lent) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// trust pins and confirms a peer's key and sets its limit.
func (l *lent) trust(host string, limit int64) {
	l.t.Helper()
	ctx := context.Background()
	_, err := l.PinPeer(ctx, ledger.PeerIdentity{Host: host, Actor: "https://" + host + "/actor", AccountingKey: "z1 " + host, AccountingKeyID: "https://" + host + "/actor#accounting-key"})
	l.must(err)
	l.must(l.ConfirmPeerKey(ctx, l.Op.ID, host, "z1 "+host))
	l.must(l.SetAdvanceLimit(ctx, l.Op.ID, host, limit))
}

// claim lets a peer owe alice and bob; it returns the claim's id.
func (l *lent) claim(host string, n int32, alice, bob int64) string {
	l.t.Helper()
	o, err := ledgertest.StrangersOffer(host, "a.example", "2026-11", n, map[string]int64{
		"https://a.example/users/alice": alice, "https://a.example/users/bob": bob})
	l.must(err)
	l.must(l.ReceiveClaim(context.Background(), o))
	return o.IRI
}

// pay lets a peer announce a payment and the operator find so much of it.
func (l *lent) pay(host string, amount, received int64, claims ...string) {
	l.t.Helper()
	ctx := context.Background()
	l.n++
	n := ledger.PaymentNotice{IRI: fmt.Sprintf("https://%s/payments/%d", host, l.n), Host: host, Currency: "EUR", Amount: amount,
		Method: "bank", Reference: fmt.Sprint("FL", l.n), PaidAt: l.Now(), Content: "x"}
	for _, iri := range claims {
		c, err := l.Claim(ctx, iri)
		l.must(err)
		n.Allocations = append(n.Allocations, ledger.NoticedAllocation{Claim: iri, Amount: min(amount, c.Open())})
		amount -= min(amount, c.Open())
	}
	l.must(l.ReceivePayment(ctx, n))
	d, err := l.PaymentDocument(ctx, n.IRI)
	l.must(err)
	l.must(l.ConfirmPayment(ctx, l.Op.ID, d.ID, received))
}

// stands compares what payees have, and what the peer owes, is advanced and written off: alice's announced and
// available, bob's, the peer's receivable, advance and written off, all in cents.
func (l *lent) stands(when string, want ...int64) {
	l.t.Helper()
	ctx := context.Background()
	var got []int64
	for _, m := range []ledger.Member{l.alice, l.bob} {
		e, err := l.Earned(ctx, m.ID)
		l.must(err)
		got = append(got, e.Announced/10_000, e.Available/10_000)
	}
	all, err := l.PeerPositions(ctx)
	l.must(err)
	for _, p := range all {
		if p.Host == debtor {
			got = append(got, p.Receivable/10_000, p.Advanced/10_000, p.WrittenOff/10_000)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Errorf("%s: %v, want %v", when, got, want)
	}
}

// TestAdvance: what a peer owes is available at once as far as its limit goes, and the payment pays that back first.
func TestAdvance(t *testing.T) {
	t.Parallel()
	l := newLent(t, ct(100))
	ctx := context.Background()
	first := l.claim(debtor, 1, ct(60), ct(20))
	l.stands("within the limit", 0, 60, 0, 20, 80, 80, 0)
	second := l.claim(debtor, 2, ct(30), ct(10))
	l.stands("the limit is full: 20 of 40 by largest remainder", 15, 75, 5, 25, 120, 100, 0)
	third := l.claim(debtor, 3, ct(10), ct(10))
	l.stands("nothing is left of it, and the claim is taken", 25, 75, 15, 25, 140, 100, 0)
	l.must(l.SetAdvanceLimit(ctx, l.Op.ID, debtor, ct(20)))
	l.stands("a lower limit takes nothing back", 25, 75, 15, 25, 140, 100, 0)
	l.pay(debtor, ct(80), ct(80), first)
	l.stands("paid: it was there before", 25, 75, 15, 25, 60, 20, 0)
	l.pay(debtor, ct(20), ct(10), second)
	l.stands("half of a payment arrives: pays back 10, and as much is advanced again", 17, 82, 12, 27, 50, 20, 0)
	l.must(l.SetAdvanceLimit(ctx, l.Op.ID, debtor, ct(1000)))
	l.stands("a higher limit advances what was open", 0, 100, 0, 40, 50, 50, 0)
	l.pay(debtor, ct(50), ct(70), second, third)
	l.stands("all is paid, and 20 more", 0, 100, 0, 40, 0, 0, 0)
	if p, err := l.PeerPositions(ctx); err != nil || p[0].Credit != ct(20) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestNoAdvance: nothing is advanced to whom nobody knows, who is frozen, or whose key has changed.
func TestNoAdvance(t *testing.T) {
	t.Parallel()
	l := newLent(t, ct(100))
	ctx := context.Background()
	l.claim("e.example", 1, ct(5), ct(5))
	l.stands("a stranger's", 5, 0, 5, 0, 0, 0, 0)
	for name, c := range map[string]struct {
		host string
		sum  int64
		want string
	}{"an uncompared key": {"e.example", ct(1), "limit: key-uncompared"}, "half a cent": {debtor, 5_000, "limit: amount"},
		"less than nothing": {debtor, -10_000, "limit: amount"}, "nobody": {"x.example", ct(1), "not found"}, "nothing to a stranger": {"e.example", 0, "done"}} {
		if got := kind(l.SetAdvanceLimit(ctx, l.Op.ID, c.host, c.sum)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := kind(l.SetAdvanceLimit(ctx, l.alice.ID, debtor, 0)); got != "refused" {
		t.Errorf("a member's limit: %s", got)
	}
	l.must(l.FreezePeer(ctx, l.Op.ID, debtor, "they don't answer the telephone"))
	if _, err := l.HoldPeerKey(ctx, debtor, "z2", "https://d.example/actor#accounting-key"); err != nil {
		t.Fatal(err)
	}
	l.must(l.UnfreezePeer(ctx, l.Op.ID, debtor, "they do"))
	o, err := ledgertest.StrangersOffer(debtor, "a.example", "2026-11", 1, map[string]int64{"https://a.example/users/alice": ct(10)})
	l.must(err)
	if got := kind(l.ReceiveClaim(ctx, o)); got != "fault frozen" {
		t.Errorf("a claim while another key is held: %s", got)
	}
	if got := kind(second(l.PreparePayment(ctx, l.Op.ID, debtor))); got != "host: key-held" {
		t.Errorf("a payment while another key is held: %s", got)
	}
	l.must(l.KeepPeerKey(ctx, l.Op.ID, debtor, "z2", "a broken backup"))
	l.claim(debtor, 1, ct(10), ct(10))
	l.stands("when the old one is right", 5, 10, 5, 10, 20, 20, 0)
}

// TestAdvanceAtOnce: however many claims, payments and limits come at once, never is more advanced than the limit.
func TestAdvanceAtOnce(t *testing.T) {
	t.Parallel()
	l := newLent(t, ct(100))
	ctx := context.Background()
	first := l.claim(debtor, 100, ct(50), ct(50))
	var refused atomic.Int64
	n := ledger.PaymentNotice{IRI: "https://d.example/payments/x", Host: debtor, Currency: "EUR", Amount: ct(60), Method: "bank",
		Reference: "FLx", PaidAt: l.Now(), Content: "x", Allocations: []ledger.NoticedAllocation{{Claim: first, Amount: ct(60)}}}
	l.must(l.ReceivePayment(ctx, n))
	d, err := l.PaymentDocument(ctx, n.IRI)
	l.must(err)
	atOnce(12, func(n int) {
		switch n {
		case 0, 1:
			l.must(l.SetAdvanceLimit(ctx, l.Op.ID, debtor, ct(100)))
		case 2:
			l.must(l.ConfirmPayment(ctx, l.Op.ID, d.ID, ct(60)))
		default:
			o, err := ledgertest.StrangersOffer(debtor, "a.example", "2026-11", int32(n), map[string]int64{"https://a.example/users/alice": ct(7)})
			l.must(err)
			for err = l.ReceiveClaim(ctx, o); ledger.GaveWay(err); err = l.ReceiveClaim(ctx, o) {
				refused.Add(1)
			}
			l.must(err)
		}
	})
	all, err := l.PeerPositions(ctx)
	l.must(err)
	if p := all[0]; p.Advanced != ct(100) || p.Receivable != ct(40+63) {
		t.Errorf("%d advanced of %d (%d tries gave way)", p.Advanced, p.Receivable, refused.Load())
	}
}

// TestAdvanceLimitInTheDatabase: more than the limit can't be committed, whoever writes it.
func TestAdvanceLimitInTheDatabase(t *testing.T) {
	t.Parallel()
	l := newLent(t, ct(100))
	ctx := context.Background()
	l.claim(debtor, 1, ct(60), ct(20))
	tx, err := l.Pool.Begin(ctx)
	l.must(err)
	for _, sql := range []string{`insert into advance (claim, amount, created_at) select claim, 210000, created_at from advance`,
		`update account set debits_posted = debits_posted + 210000 where kind = 'advance'`} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err == nil || !strings.Contains(err.Error(), "more than the peer's limit") {
		t.Errorf("%v", err)
	}
	if _, err := l.Pool.Exec(ctx, `update peer set key_confirmed_at = null`); err == nil {
		t.Error("an uncompared key keeps its limit")
	}
}

// TestAdvanceAlarm: what reaches four fifths of the limit is told once, when it is committed.
func TestAdvanceAlarm(t *testing.T) {
	t.Parallel()
	quiet := newLent(t, ct(100))
	ctx := context.Background()
	var log bytes.Buffer
	books, err := ledger.Open(ctx, ledger.Options{Pool: quiet.Pool, Now: quiet.Clock.Now, Outbox: quiet.Outbox, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	quiet.must(err)
	l := *quiet
	l.Instance = &ledgertest.Instance{Ledger: books, Pool: quiet.Pool, Outbox: quiet.Outbox, Clock: quiet.Clock, Op: quiet.Op}
	alarms := func(when string, want int) {
		t.Helper()
		if n := strings.Count(log.String(), `"code":"peer.advance-alarm"`); n != want {
			t.Errorf("%s: %d alarms, want %d: %s", when, n, want, log.String())
		}
		p, err := l.PeerPositions(ctx)
		if err != nil || p[0].Alarm() != (want > 0) {
			t.Errorf("%s: %+v, %v", when, p, err)
		}
	}
	first := l.claim(debtor, 1, ct(40), ct(39))
	alarms("79 of 100", 0)
	l.claim(debtor, 2, ct(1), ct(1))
	alarms("81 of 100", 1)
	l.claim(debtor, 3, ct(1), ct(1))
	alarms("83 of 100, as is known", 1)
	l.must(l.SetAdvanceLimit(ctx, l.Op.ID, debtor, ct(50)))
	alarms("more than a lower limit, as is known", 1)
	l.pay(debtor, ct(79), ct(79), first)
	if p, err := l.PeerPositions(ctx); err != nil || p[0].Alarm() {
		t.Errorf("4 of 50: %+v, %v", p, err)
	}
	l.must(l.SetAdvanceLimit(ctx, l.Op.ID, debtor, ct(5)))
	alarms("4 of 5", 2)
	if todo, err := l.Chores(ctx); err != nil || todo.Alarms != 1 {
		t.Errorf("%+v, %v", todo, err)
	}
}

// ct are so many cents in micro-units.
func ct(n int64) int64 { return n * 10_000 }
