package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// atOnce runs n goroutines that start together.
func atOnce(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() { <-start; f(i) })
	}
	close(start)
	all.Wait()
}

// TestClicksAtOnce: clicks, undos, budgets up and down and the month's close, all at once on one
// member and one thing, month after month. Each is done or refused for its reason; nothing
// deadlocks, and the books stay right.
func TestClicksAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	_, thing := i.Button(bob, "1")
	if _, err := i.RecordDeposit(ctx, i.Op.ID, "alice", 100_000_000, "first"); err != nil {
		t.Fatal(err)
	}
	period := "2026-11"
	for round := range 12 {
		if round%3 == 0 { // from time to time the click waits for a budget
			if err := i.SetBudget(ctx, alice.ID, 0); err != nil {
				t.Fatal(err)
			}
		}
		i.Clock.Set(ledger.PeriodEnd(period).Add(time.Duration(round) * time.Second))
		atOnce(50, func(n int) {
			if err := actAtOnce(i, alice.ID, thing.ID, n, period); err != nil {
				t.Errorf("round %d, %d: %v", round, n, err)
			}
		})
		var clicks int
		if err := i.Pool.QueryRow(ctx, `
			select coalesce(max(n), 0) from (select count(*) as n from flattr where state <> 'undone' group by giver, thing, period) x`).
			Scan(&clicks); err != nil || clicks > 1 {
			t.Errorf("round %d: clicked %d times in a month, %v", round, clicks, err)
		}
		i.MustCheck()
		period = ledger.NextPeriod(period)
	}
}

func actAtOnce(i *ledgertest.Instance, giver, thing int64, n int, period string) error {
	ctx := context.Background()
	switch n % 5 {
	case 0, 1:
		_, _, err := i.Flattr(ctx, giver, thing)
		return err
	case 2:
		return undoLatest(i, giver)
	case 3:
		return i.SetBudget(ctx, giver, int64(n%7)*500_000)
	}
	if n > 30 {
		return i.Tick(ctx)
	}
	if err := i.CloseMonth(ctx, period); err != nil {
		return err
	}
	_, _, err := i.Flattr(ctx, giver, thing)
	return err
}

// undoLatest takes back the member's latest click, which may be undone or over by then.
func undoLatest(i *ledgertest.Instance, giver int64) error {
	ctx := context.Background()
	v, err := i.MyMonth(ctx, giver, "")
	if err != nil || len(v.Lines) == 0 {
		return err
	}
	if err := i.UndoFlattr(ctx, giver, v.Lines[0].ID); !errors.Is(err, ledger.ErrClosed) {
		return err
	}
	return nil
}

// TestMoneyAtOnce: a payee withdraws more than there is, many times at once, while budgets move the
// givers' money: nobody gets below zero.
func TestMoneyAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	_, thing := i.Button(bob, "1")
	i.Fund(alice, 1_000_000)
	if _, _, err := i.Flattr(ctx, alice.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	settle(t, i, "2026-11")
	var granted, short int
	var mu sync.Mutex
	atOnce(40, func(n int) {
		_, err := i.RequestWithdrawal(ctx, bob.ID, 70_000, "DE75512108001245126199")
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			granted++
		case errors.Is(err, ledger.ErrFunds):
			short++
		default:
			t.Error(err)
		}
	})
	if granted != 14 || short != 26 {
		t.Errorf("%d withdrawals of 0.07 out of 1.00, %d refused", granted, short)
	}
}

// settle closes and settles a month.
func settle(t *testing.T, i *ledgertest.Instance, period string) {
	t.Helper()
	for _, at := range []time.Time{ledger.PeriodEnd(period), ledger.PeriodEnd(period).Add(24 * time.Hour)} {
		i.Clock.Set(at)
		if err := i.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSettleAtOnce: several processes settle the same month at the same time, and it is settled once.
func TestSettleAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	bob := i.Join("bob")
	_, thing := i.Button(bob, "1")
	for n := range 20 {
		giver := i.Join(fmt.Sprint("giver", n))
		i.Fund(giver, 1_000_000)
		if _, _, err := i.Flattr(ctx, giver.ID, thing.ID); err != nil {
			t.Fatal(err)
		}
	}
	i.Clock.Set(ledger.PeriodEnd("2026-11"))
	atOnce(4, func(int) {
		if err := i.Tick(ctx); err != nil {
			t.Error(err)
		}
	})
	i.Clock.Set(ledger.PeriodEnd("2026-11").Add(24 * time.Hour))
	atOnce(4, func(n int) {
		if err := i.SettleMonth(ctx, "2026-11"); err != nil {
			t.Error(err)
		}
	})
	e, err := i.Earned(ctx, bob.ID)
	if err != nil || e.Available != 20_000_000 || len(e.Sources) != 1 {
		t.Errorf("bob has %+v, %v", e, err)
	}
	if n := ledgertest.Collect[int64](t, i.Pool, `select count(*) from share`)[0]; n != 20 {
		t.Errorf("%d shares", n)
	}
}

// TestClaimAtOnce: the same claim comes twenty times at once, and is posted once; every sender gets
// the answer.
func TestClaimAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	bob := i.Join("bob")
	settle(t, i, "2026-11")
	i.Outbox.Take(t)
	if _, err := i.PinPeer(ctx, ledger.PeerIdentity{Host: "d.example", AccountingKey: "z6Mk"}); err != nil { // its row isn't what they wait for
		t.Fatal(err)
	}
	offer, err := ledgertest.StrangersOffer("d.example", "a.example", "2026-11", 1, map[string]int64{i.Instance().MemberIRI("bob"): 5_000_000})
	if err != nil {
		t.Fatal(err)
	}
	atOnce(20, func(int) {
		if err := i.ReceiveClaim(ctx, offer); err != nil {
			t.Error(err)
		}
	})
	if told := i.Outbox.Take(t); len(told) != 20 {
		t.Errorf("%d answers", len(told))
	}
	b, err := journal.BalanceOf(ctx, i.Pool, journal.Account{Kind: journal.Announced, Owner: bob.ID}, "EUR")
	if err != nil || b.Posted != 5_000_000 {
		t.Errorf("%+v announced, %v", b, err)
	}
}

// TestAnswersAtOnce: accepting and refusing answers to one claim race; the first stands, whichever
// it is, every other kind is a conflict.
func TestAnswersAtOnce(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx := context.Background()
	claim := m.A.Instance().ClaimIRI("c.example", "2026-12", "EUR", 1)
	refusals := []ledger.Refusal{{Payee: "https://c.example/users/carl", Reason: "blocked"}}
	var accepted, refused, conflicts int
	var mu sync.Mutex
	atOnce(20, func(n int) {
		err := m.A.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: claim, Host: "c.example", Accepted: n%2 == 0, Refusals: refusals})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case errors.Is(err, ledger.ErrConflict):
			conflicts++
		case err != nil:
			t.Error(err)
		case n%2 == 0:
			accepted++
		default:
			refused++
		}
	})
	if conflicts != 10 || accepted+refused != 10 || accepted*refused != 0 {
		t.Errorf("%d accepted, %d refused, %d conflicts", accepted, refused, conflicts)
	}
	if p, err := m.A.Peer(ctx, "c.example"); err != nil || p.FrozenAt == nil {
		t.Errorf("the peer isn't frozen: %+v, %v", p, err)
	}
}

// TestPaymentsAtOnce: what is owed is ordered once, and confirmed once.
func TestPaymentsAtOnce(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx := context.Background()
	var mu sync.Mutex
	var orders []ledger.Payment
	atOnce(8, func(int) {
		y, err := m.C.PreparePayment(ctx, m.C.Op.ID, "a.example")
		mu.Lock()
		defer mu.Unlock()
		if field := new(ledger.FieldError); errors.As(err, &field) && field.Rule == "below-threshold" {
			return
		}
		if err != nil {
			t.Error(err)
		}
		orders = append(orders, y)
	})
	if len(orders) > 1 {
		t.Errorf("%d orders for one debt", len(orders))
	}
	all, err := m.A.Payments(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range all {
		if y.Direction == "in" && y.State == "announced" {
			atOnce(8, func(int) {
				if err := m.A.ConfirmPayment(ctx, m.A.Op.ID, y.ID, y.Amount); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestLikesAtOnce: a Like and its Undo pass each other in any order, and other ids of the same
// flattr come between; in the end it is undone once and counted never.
func TestLikesAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	bob := i.Join("bob")
	button, thing := i.Button(bob, "1")
	for round := range 6 {
		like := "https://b.example/flattrs/" + uuid.NewString()
		giver := fmt.Sprintf("https://b.example/users/giver%d", round)
		atOnce(16, func(n int) {
			err := error(nil)
			if n%4 == 0 {
				err = i.ReceiveUndo(ctx, like, giver)
			} else {
				err = i.ReceiveFlattr(ctx, ledger.ReceivedLike{ID: like, Giver: giver, Host: "b.example", Object: thing.IRI, Period: "2026-11"})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	if b, err := i.Ledger.Button(ctx, button.ID); err != nil || b.Flattrs != 0 {
		t.Errorf("%d flattrs count, %v", b.Flattrs, err)
	}
}

// TestUndoWhileABudgetStarts: clicks that waited for a budget are taken back at the moment when it
// starts to run: each is undone, and none comes back.
func TestUndoWhileABudgetStarts(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	if _, err := i.RecordDeposit(ctx, i.Op.ID, "alice", 1_000_000, "first"); err != nil {
		t.Fatal(err)
	}
	clicks := make([]uuid.UUID, 40)
	for n := range clicks {
		_, thing := i.Button(bob, fmt.Sprint(n))
		f, _, err := i.Flattr(ctx, alice.ID, thing.ID)
		if err != nil {
			t.Fatal(err)
		}
		clicks[n] = f.ID
	}
	atOnce(len(clicks)+1, func(n int) {
		err := error(nil)
		if n == len(clicks) {
			err = i.SetBudget(ctx, alice.ID, 1_000_000)
		} else {
			err = i.UndoFlattr(ctx, alice.ID, clicks[n])
		}
		if err != nil {
			t.Error(err)
		}
	})
	if left := ledgertest.Collect[int64](t, i.Pool, `select count(*) from flattr where state <> 'undone'`)[0]; left != 0 {
		t.Errorf("%d clicks came back", left)
	}
}

// TestLeaveAtOnce: a payee leaves while others click on the payee's thing and the month closes.
// Whatever came first, nothing is given to one who left.
func TestLeaveAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	period := "2026-11"
	for round := range 4 {
		leaver := i.Join(fmt.Sprint("leaver", round))
		_, thing := i.Button(leaver, "1")
		givers := make([]ledger.Member, 8)
		for n := range givers {
			givers[n] = i.Join(fmt.Sprintf("giver%d_%d", round, n))
			i.Fund(givers[n], 100_000)
		}
		i.Clock.Set(ledger.PeriodEnd(period))
		atOnce(len(givers)+2, func(n int) {
			err := error(nil)
			switch n {
			case len(givers):
				err = i.DeleteMember(ctx, leaver.ID)
			case len(givers) + 1:
				err = i.CloseMonth(ctx, period)
			default:
				_, _, err = i.Flattr(ctx, givers[n].ID, thing.ID)
			}
			if field := new(ledger.FieldError); err != nil && (!errors.As(err, &field) || field.Rule != ledger.ReasonNotAccepting) {
				t.Error(err)
			}
		})
		settle(t, i, period)
		period = ledger.NextPeriod(period)
		settle(t, i, period)
		period = ledger.NextPeriod(period)
		if h, err := i.Holdings(ctx, leaver.ID); err != nil || !h.Closable() {
			t.Errorf("one who left has %+v, %v", h, err)
		}
	}
}

// TestRefusalsAtOnce: the claims of one month are refused in part at the same time; each is offered
// again under a number of its own.
func TestRefusalsAtOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	const claims = 8
	long := strings.Repeat("x", 6000) // six such things fill a line, and a payee's next line stands in the next claim
	for n := range claims {
		for payee := range 2 { // nobody gives to two claims
			giver := i.Join(fmt.Sprint("giver", n, "_", payee))
			i.Fund(giver, 1_000_000)
			for k := range 6 {
				flattrStranger(t, i, giver, fmt.Sprintf("p%02d", payee), fmt.Sprintf("%s-%d-%d-%d", long, payee, n, k))
			}
		}
	}
	settle(t, i, "2026-11")
	atOnce(claims, func(n int) {
		if err := i.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: i.Instance().ClaimIRI("d.example", "2026-11", "EUR", int32(n+1)), Host: "d.example",
			Refusals: []ledger.Refusal{{Payee: "https://d.example/users/p00", Reason: "blocked"}}}); err != nil {
			t.Error(err)
		}
	})
	states := ledgertest.Collect[string](t, i.Pool, `select n || ' ' || state from claim order by n`)
	for n, state := range states {
		want := fmt.Sprint(n+1, " superseded")
		if n >= claims {
			want = fmt.Sprint(n+1, " offered")
		}
		if state != want {
			t.Errorf("claim %s, want %s", state, want)
		}
	}
	if len(states) != 2*claims {
		t.Errorf("%d claims", len(states))
	}
}
