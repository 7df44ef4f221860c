package ledger

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// What tests outside the package see of its inside.
var (
	Digest    = digest
	HideSmall = hideSmall
	Untold    = int64(untold)
)

// CheckTx is Check on what a transaction sees, which need not be committed.
func (l *Ledger) CheckTx(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	return l.check(ctx, tx)
}

// LinesTx is Lines on what a transaction sees.
func (l *Ledger) LinesTx(ctx context.Context, tx pgx.Tx) ([]string, error) { return l.lines(ctx, tx) }
