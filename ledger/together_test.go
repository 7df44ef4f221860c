package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// together lets all calls begin while nobody can book, so that most of them wait and are committed together, and
// returns their errors.
func together(t *testing.T, i *ledgertest.Instance, calls ...func() error) []error {
	t.Helper()
	ctx := context.Background()
	held, err := i.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback(ctx)
	if _, err := held.Exec(ctx, `select from month where state = 'open' for update`); err != nil {
		t.Fatal(err)
	}
	errs, done := make([]error, len(calls)), make(chan struct{})
	go func() {
		defer close(done)
		atOnce(len(calls), func(n int) { errs[n] = calls[n]() })
	}()
	// Those that came first wait for the month; the others wait for them.
	for blocked := 0; blocked == 0; {
		if err := i.Pool.QueryRow(ctx, `
			select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&blocked); err != nil {
			t.Fatal(err)
		}
	}
	if err := held.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	<-done
	return errs
}

func expectEach(t *testing.T, what string, errs []error, want func(n int) error) {
	t.Helper()
	for n, err := range errs {
		if w := want(n); w == nil && err != nil || !errors.Is(err, w) {
			t.Errorf("%s %d: %v, want %v", what, n, err, w)
		}
	}
}

// TestDepositsTogether: bookings that are recorded at once are judged each by itself.
func TestDepositsTogether(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	var members []ledger.Member
	for n := range 6 {
		members = append(members, i.Join(fmt.Sprintf("m%d", n)))
	}
	i.Fund(members[0], 1_000_000)
	var again [60]bool
	var calls []func() error
	var unknown *ledger.FieldError
	for n := range 60 {
		name, operator, reference := members[n%6].Name, i.Op.ID, fmt.Sprint("booking ", n)
		switch n % 10 {
		case 6:
			name = "nobody"
		case 7:
			operator = members[1].ID
		case 8: // one booking, recorded by six at once
			name, reference = "m0", "the same"
		case 9: // and one that six claim
			reference = "another's"
		}
		calls = append(calls, func() error {
			d, err := i.RecordDeposit(ctx, operator, name, 20_000, reference)
			again[n] = d.Again
			return err
		})
	}
	errs := together(t, i, calls...)
	var refusedAsAnothers, fresh int
	for n, err := range errs {
		switch n % 10 {
		case 6:
			if !errors.As(err, &unknown) || unknown.Field != "name" {
				t.Errorf("%d: %v", n, err)
			}
		case 7:
			if !errors.Is(err, ledger.ErrRefused) {
				t.Errorf("%d: %v", n, err)
			}
		case 9:
			if errors.Is(err, ledger.ErrConflict) {
				refusedAsAnothers++
			}
		case 8:
			if err != nil {
				t.Errorf("%d: %v", n, err)
			} else if !again[n] {
				fresh++
			}
		default:
			if err != nil || again[n] {
				t.Errorf("%d: %v, again %v", n, err, again[n])
			}
		}
	}
	// 9, 19, … belong to m3, m1, m5, m3, m1, m5: whoever came first, and the same member's other claim.
	if refusedAsAnothers != 4 || fresh != 1 {
		t.Errorf("of six claims to one booking %d were refused, of six recordings of one %d were new", refusedAsAnothers, fresh)
	}
	var sum int64
	if err := i.Pool.QueryRow(ctx, `select sum(amount)::bigint from deposit`).Scan(&sum); err != nil || sum != 1_000_000+38*20_000 {
		t.Errorf("%d were paid in, %v", sum, err)
	}
}

// TestBudgetsTogether: budgets that are set at once are reserved as far as each one's means reach.
func TestBudgetsTogether(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	var calls []func() error
	var members []ledger.Member
	for n := range 20 {
		m := i.Join(fmt.Sprintf("m%d", n))
		members = append(members, m)
		if _, err := i.RecordDeposit(ctx, i.Op.ID, m.Name, int64(n)*100_000+10_000, "for "+m.Name); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, func() error { return i.SetBudget(ctx, m.ID, 1_000_000) })
	}
	calls = append(calls, func() error { return i.SetBudget(ctx, 4711, 10_000) })
	expectEach(t, "budget", together(t, i, calls...), func(n int) error {
		if n == 20 {
			return ledger.ErrNotFound
		}
		return nil
	})
	for n, m := range members {
		h, err := i.Holdings(ctx, m.ID)
		if want := min(1_000_000, int64(n)*100_000+10_000); err != nil || h.Reserved != want {
			t.Errorf("%d: %d reserved, want %d, %v", n, h.Reserved, want, err)
		}
	}
}

// TestWithdrawalsTogether: of those who ask at once, who asks for too much gets nothing and leaves nothing, and
// the others get theirs.
func TestWithdrawalsTogether(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	giver := i.Join("giver")
	i.Fund(giver, 10_000_000)
	var payees []ledger.Member
	for n := range 10 {
		m := i.Join(fmt.Sprintf("m%d", n))
		_, thing := i.Button(m, "1")
		if _, _, err := i.Flattr(ctx, giver.ID, thing.ID); err != nil {
			t.Fatal(err)
		}
		payees = append(payees, m)
	}
	settle(t, i, "2026-11") // a unit for each
	const iban = "DE75512108001245126199"
	var calls []func() error
	for n, m := range payees {
		amount := int64(700_000 + n%2*400_000) // every other one wants more than there is
		calls = append(calls, func() error { _, err := i.RequestWithdrawalOnce(ctx, m.ID, amount, iban, "form"); return err })
	}
	calls = append(calls, func() error { _, err := i.RequestWithdrawal(ctx, 4711, 10_000, iban); return err })
	expectEach(t, "withdrawal", together(t, i, calls...), func(n int) error {
		switch {
		case n == 10:
			return ledger.ErrNotFound
		case n%2 == 1:
			return ledger.ErrFunds
		}
		return nil
	})
	all, err := i.Withdrawals(ctx)
	if err != nil || len(all) != 5 {
		t.Errorf("%d withdrawals, %v", len(all), err)
	}
	calls = nil
	for _, m := range payees { // the forms are sent again; those who got nothing ask for less
		calls = append(calls, func() error { _, err := i.RequestWithdrawalOnce(ctx, m.ID, 700_000, iban, "form"); return err })
	}
	expectEach(t, "second withdrawal", together(t, i, calls...), func(int) error { return nil })
	if all, err = i.Withdrawals(ctx); err != nil || len(all) != 10 {
		t.Errorf("%d withdrawals after all have asked, %v", len(all), err)
	}
}

// TestATransferOfNoAccount: no foreign key ties transfers to accounts, so check must find it.
func TestATransferOfNoAccount(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	i.Fund(i.Join("alice"), 1_000_000)
	super := ledgertest.Superuser(t, i.Pool)
	for _, column := range []string{"debit_account", "credit_account"} {
		if _, err := super.Exec(ctx, `update transfer set `+column+` = -`+column+` where kind = 'deposit'`); err != nil {
			t.Fatal(err)
		}
		found, err := i.Check(ctx)
		if err != nil {
			t.Fatal(err)
		}
		codes := map[string]bool{}
		for _, v := range found {
			codes[v.Invariant] = true
		}
		if !codes["books"] || !codes["account-totals"] {
			t.Errorf("%s: %v", column, found)
		}
		if _, err := super.Exec(ctx, `update transfer set `+column+` = -`+column+` where kind = 'deposit'`); err != nil {
			t.Fatal(err)
		}
	}
}
