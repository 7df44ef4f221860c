package ledger_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestWithdrawOnce: a form that is sent five times at once asks once. A key belongs to its member.
func TestWithdrawOnce(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a := context.Background(), m.A
	anna := named(t, a, "anna").ID
	before, err := a.WithdrawalsOf(ctx, anna)
	if err != nil {
		t.Fatal(err)
	}
	const account = "DE75512108001245126199"
	var again atomic.Int32
	atOnce(5, func(int) {
		w, err := a.RequestWithdrawalOnce(ctx, anna, 10_000, account, "key")
		if err != nil {
			t.Error(err)
		}
		if w.Again {
			again.Add(1)
		}
	})
	after, err := a.WithdrawalsOf(ctx, anna)
	if err != nil || len(after) != len(before)+1 || again.Load() != 4 {
		t.Errorf("%d withdrawals more, %d told that it was again, %v", len(after)-len(before), again.Load(), err)
	}
	for _, c := range []struct {
		amount  int64
		account string
	}{{20_000, account}, {10_000, "DE02120300000000202051"}} {
		if got := kind(second(a.RequestWithdrawalOnce(ctx, anna, c.amount, c.account, "key"))); got != "conflict" {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if w, err := a.RequestWithdrawalOnce(ctx, anna, 10_000, account, "another"); err != nil || w.Again {
		t.Errorf("%+v, %v", w, err)
	}
}
