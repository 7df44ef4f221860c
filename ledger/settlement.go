package ledger

import (
	"context"
	"time"
)

// Settlement is how far a month's settlement is, or what it came to.
type Settlement struct {
	Period  string
	Stage   string // splitting | indexing | checking | publishing | settled
	Givers  int64  // whose budgets are to be settled
	Done    int64  // of them, split
	Flattrs int64  // that got a share
	Amount  int64  // micro-units, of all shares
	Rolled  int64  // micro-units, of budgets without a flattr
	BeganAt time.Time
	EndedAt *time.Time
}

// Settlements lists them, newest month first. They can be watched while they run.
func (l *Ledger) Settlements(ctx context.Context) ([]Settlement, error) {
	return rows[Settlement](l.pool.Query(ctx, `
		select period, stage, givers, done, flattrs, amount, rolled, began_at, ended_at
		from settlement order by period desc`))
}
