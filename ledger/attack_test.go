package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// holding takes a lock by its name, as a transaction does that hangs, until the returned function ends it.
func holding(t *testing.T, i *ledgertest.Instance, name string) (release func()) {
	t.Helper()
	ctx := context.Background()
	tx, err := i.Pool.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(ctx) }
}

// waiting runs f aside and returns once it waits for an advisory lock, as the nth to do so, or has ended.
func waiting(t *testing.T, i *ledgertest.Instance, n int, f func() error) (ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	go func() { ended <- f() }()
	for {
		var waits int
		if err := i.Pool.QueryRow(context.Background(), `
			select count(*) from pg_locks l join pg_database d on d.oid = l.database
			where l.locktype = 'advisory' and not l.granted and d.datname = current_database()`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
		if waits >= n || len(ended) > 0 {
			return ended
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestReleaseSeesWhatItWaitedFor: while a hold ends, the peer refuses a line of a claim. What is left of the claim is
// offered, though it was refused after the end of the hold had begun.
func TestReleaseSeesWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	i := ledgertest.New(t)
	alice := i.Join("alice")
	i.Fund(alice, 1_000_000)
	for _, p := range []string{"p1", "p2"} {
		flattrStranger(t, i, alice, p, "1")
	}
	settle(t, i, "2026-11")
	const host = "d.example"
	claim := i.Instance().ClaimIRI(host, "2026-11", "EUR", 1)
	if _, err := i.ReceiveStatement(ctx, host, pair.Statement{ID: "https://" + host + "/statements/1", Sequence: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if err := i.Started(ctx); err != nil {
		t.Fatal(err)
	}
	theirs := pair.Statement{ID: "https://" + host + "/statements/2", Sequence: 2, InReplyTo: i.Instance().BaseURL + "/statements/1"}
	if err := i.State(ctx, host, theirs.InReplyTo, "", func(s ledger.Statement) error {
		theirs.Seen, theirs.Balance = s.Sequence, -s.Balance()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	release := holding(t, i, "claims for "+host)
	refusal := waiting(t, i, 1, func() error {
		return i.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: claim, Host: host,
			Refusals: []ledger.Refusal{{Payee: "https://d.example/users/p1", Reason: "deleted"}}})
	})
	compared := waiting(t, i, 2, func() error {
		_, err := i.ReceiveStatement(ctx, host, theirs, nil)
		return err
	})
	release()
	if err := <-refusal; err != nil {
		t.Error(err)
	}
	if err := <-compared; err != nil {
		t.Error(err)
	}
	if held, err := i.HeldFor(ctx, host); err != nil || held > 0 {
		t.Errorf("held for %v, %v", held, err)
	}
	if c, err := i.Claim(ctx, claim); err != nil || c.State != ledger.Superseded {
		t.Errorf("the refused claim is %s and has no successor, %v", c.State, err)
	}
}

// TestWriteOffOfOtherLines: the second operator confirms that these payees lose, and not others, with the same sum.
func TestWriteOffOfOtherLines(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx, other := context.Background(), l.other().ID
	first := l.claim(debtor, 1, ct(30), ct(30))
	off, err := l.ProposeWriteOff(ctx, l.Op.ID, debtor, "why")
	l.must(err)
	l.pay(debtor, ct(20), ct(20), first)
	l.claim(debtor, 2, ct(19), ct(1))
	l.stands("as much is owed, to others", 39, 10, 21, 10, 60, 0, 0)
	if got := kind(l.ConfirmWriteOff(ctx, other, off.ID)); got != "host: changed" {
		t.Errorf("confirmed: %s", got)
	}
	l.stands("nothing is given up", 39, 10, 21, 10, 60, 0, 0)
	l.must(l.WithdrawWriteOff(ctx, other, off.ID))
	off, err = l.ProposeWriteOff(ctx, l.Op.ID, debtor, "why")
	l.must(err)
	l.must(l.SetAdvanceLimit(ctx, other, debtor, ct(60)))
	if got := kind(l.ConfirmWriteOff(ctx, other, off.ID)); got != "host: changed" {
		t.Errorf("this instance would lose instead of the payees: %s", got)
	}
}

// TestStepsOnPaymentsWait: an operator's step on a payment waits for whoever reads what is open with its peer.
func TestStepsOnPaymentsWait(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx := context.Background()
	claim := l.claim(debtor, 1, ct(30), ct(30))
	n := ledger.PaymentNotice{IRI: "https://" + debtor + "/payments/1", Host: debtor, Currency: "EUR", Amount: ct(60), Method: "bank",
		Reference: "FL1", PaidAt: l.Now(), Content: "x", Allocations: []ledger.NoticedAllocation{{Claim: claim, Amount: ct(60)}}}
	l.must(l.ReceivePayment(ctx, n))
	d, err := l.PaymentDocument(ctx, n.IRI)
	l.must(err)
	release := holding(t, l.Instance, "payments with "+debtor)
	ended := waiting(t, l.Instance, 1, func() error { return l.ConfirmPayment(ctx, l.Op.ID, d.ID, ct(60)) })
	if len(ended) > 0 {
		t.Error("it didn't wait")
	}
	release()
	l.must(<-ended)
}

// TestNobodyWaitsForEver: who waits too long for a transaction that hangs is told so, and nothing is done.
func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx := context.Background()
	config := l.Pool.Config().Copy()
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `set lock_timeout = '20ms'`)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	l.must(err)
	defer pool.Close()
	hasty, err := ledger.Open(ctx, ledger.Options{Pool: pool, Now: l.Clock.Now, Outbox: l.Outbox})
	l.must(err)
	o, err := ledgertest.StrangersOffer(debtor, "a.example", "2026-11", 1, map[string]int64{"https://a.example/users/alice": ct(1)})
	l.must(err)
	release := holding(t, l.Instance, "claims of "+debtor)
	if err := hasty.ReceiveClaim(ctx, o); !ledger.Waited(err) || ledger.GaveWay(err) {
		t.Errorf("it waited: %v", err)
	}
	release()
	l.must(hasty.ReceiveClaim(ctx, o))
}

// TestHigherHostProposesNoNetting: two proposals would cross.
func TestHigherHostProposesNoNetting(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	claim := l.claim(debtor, 1, ct(30), ct(30)) // d.example sorts behind a.example
	n := ledger.PaymentNotice{IRI: "https://" + debtor + "/payments/1", Host: debtor, Currency: "EUR", Amount: ct(60), Method: pair.Netting,
		Reference: "FL1", PaidAt: l.Now(), Content: "x", Allocations: []ledger.NoticedAllocation{{Claim: claim, Amount: ct(60)},
			{Claim: l.Instance.Instance().BaseURL + "/claims/2026-11/" + debtor + "/EUR/1", Amount: ct(60)}}}
	if got := kind(l.ReceivePayment(context.Background(), n)); got != "fault malformed" {
		t.Errorf("a netting by the higher host: %s", got)
	}
}

// TestStatementsOverAMonthsEnd: thirteen months back is another month before midnight of the 1st than after it. A
// statement that was made before and comes after, or the other way round where clocks differ, contradicts nothing.
func TestStatementsOverAMonthsEnd(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx := context.Background()
	for n, at := range map[int32]time.Time{1: time.Date(2027, 12, 31, 23, 59, 0, 0, time.UTC), 2: time.Date(2028, 1, 1, 0, 1, 0, 0, time.UTC)} {
		o, err := ledgertest.StrangersOffer(debtor, "a.example", "2026-11", n, map[string]int64{"https://a.example/users/alice": ct(1)})
		l.must(err)
		o.Document = []byte("the offer " + o.IRI)
		l.must(l.ReceiveClaim(ctx, o))
		l.must(keep(ctx, l.Instance, o.IRI+"#answer"))
		l.Clock.Set(at)
	}
	before, after := time.Date(2027, 12, 31, 23, 59, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 1, 0, 0, time.UTC)
	for n, c := range []struct{ made, read time.Time }{{before, after}, {after, before}, {before, before}, {after, after}} {
		l.Clock.Set(c.made)
		theirs := pair.Statement{ID: "https://" + debtor + "/statements/1", Sequence: int64(n) + 1, InReplyTo: "x"}
		_, ours, err := l.Reading(ctx, debtor)
		l.must(err)
		theirs.Records, theirs.Balance = ours.Records, -ours.Balance()
		for i := range theirs.Records {
			theirs.Records[i].Ours = false
		}
		if want := map[bool]int{true: 2, false: 0}[c.made == before]; len(theirs.Records) != want {
			t.Fatalf("%d records of %v, want %d", len(theirs.Records), c.made, want)
		}
		l.Clock.Set(c.read)
		l.Outbox.Take(t)
		h, err := l.ReceiveStatement(ctx, debtor, theirs, nil)
		if err != nil || !h.Agreed || h.Lost || h.Freeze != "" || len(h.Return) > 0 {
			t.Errorf("made %v, read %v: %+v, %v", c.made, c.read, h.Comparison, err)
		}
		if told := l.Outbox.Take(t); len(told) > 0 {
			t.Errorf("made %v, read %v: told %v", c.made, c.read, told)
		}
	}
}

// keep signs a document of an instance's own.
func keep(ctx context.Context, i *ledgertest.Instance, id string) error {
	return pgx.BeginFunc(ctx, i.Pool, func(tx pgx.Tx) error {
		return i.Outbox.Keep(ctx, tx, ledger.Document{ID: id, Body: []byte(strings.ToUpper(id)), Ours: true, At: i.Now()})
	})
}
