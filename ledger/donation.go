package ledger

import (
	"context"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// donateUnused stores what a month's budgets without a flattr give to the cause, where that is the month's policy,
// and returns what is to be booked.
func (tx *Tx) donateUnused(ctx context.Context, b *building) ([]journal.Entry, error) {
	if !b.donates || b.totals.rolled == 0 {
		return nil, nil
	}
	var id int64
	err := tx.QueryRow(ctx, `insert into donation (source, period, amount, created_at) values ('unused', $1, $2, $3) returning id`,
		b.period, b.totals.rolled, tx.at).Scan(&id)
	return []journal.Entry{{Kind: kindDonation, Ref: id, Phase: journal.Single, Amount: b.totals.rolled,
		Debit: of(journal.Clearing, 0), Credit: of(journal.Cause, 0)}}, err
}
