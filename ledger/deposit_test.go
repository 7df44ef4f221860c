package ledger_test

import (
	"context"
	"testing"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestDepositAgain: the same booking is recorded once, and who records it again is told so. The text that
// a giver writes on every transfer is no booking's reference: with it the second month would be lost.
func TestDepositAgain(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	first, err := i.RecordDeposit(ctx, i.Op.ID, "alice", 1_000_000, "2026-11/0815")
	if err != nil || first.Again {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := i.RecordDeposit(ctx, i.Op.ID, "alice", 1_000_000, " 2026-11/0815\n")
	if err != nil || !again.Again || again.ID != first.ID || !again.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("%+v, %v", again, err)
	}
	for _, reference := range []string{i.DepositReference(alice), "flattr  Alice", "FLATTR @alice 2", "FLATTR nobody 99"} {
		if got := kind(second(i.RecordDeposit(ctx, i.Op.ID, "alice", 1_000_000, reference))); got != "reference: standing" {
			t.Errorf("%q: %s", reference, got)
		}
	}
	if next, err := i.RecordDeposit(ctx, i.Op.ID, "alice", 1_000_000, "FLATTR alice 2 2026-12/0816"); err != nil || next.Again {
		t.Errorf("%+v, %v", next, err)
	}
	if h, err := i.Holdings(ctx, alice.ID); err != nil || h.Means != 2_000_000 {
		t.Errorf("%+v, %v", h, err)
	}
}
