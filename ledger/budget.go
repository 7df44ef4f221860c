package ledger

import (
	"context"
	"errors"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// SetBudget sets what a member gives each month, in micro-units of whole cents; 0 ends it.
// More counts at once, as far as the member's means reach; less counts from the next month,
// because this month's flattrs were made on what is reserved. FieldError "budget": amount.
func (l *Ledger) SetBudget(ctx context.Context, by, amount int64) error {
	if amount < 0 || amount > maxAmount || amount%microPerCent != 0 {
		return refused("budget", "amount")
	}
	return l.tx(ctx, func(tx *Tx) error {
		period, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.activeMember(ctx, by, true); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update member set budget = $2 where id = $1`, by, amount); err != nil {
			return err
		}
		return tx.topUp(ctx, by, period)
	})
}

// Reservation is what a budget holds back for one month.
type Reservation struct {
	ID     int64
	Member int64
	Period string
	Amount int64
	State  string // reserved | settled | rolled | released
}

// reserved is what a member's budget holds back for a month; 0 when none runs.
func (tx *Tx) reserved(ctx context.Context, member int64, period string) (int64, error) {
	r, err := tx.reservation(ctx, member, period)
	return r.Amount, err
}

func (tx *Tx) reservation(ctx context.Context, member int64, period string) (Reservation, error) {
	r, err := row[Reservation](ctx, tx, `
		select id, member, period, amount, state from reservation
		where member = $1 and period = $2 and state <> 'released'`, member, period)
	if errors.Is(err, ErrNotFound) {
		return Reservation{}, nil
	}
	return r, err
}

// topUp reserves min(means, budget) for the open month, if that is more than is reserved now, and
// sends the flattrs that waited for it. The month is share-locked and the member locked.
func (tx *Tx) topUp(ctx context.Context, member int64, period string) error {
	m, err := row[Member](ctx, tx, `select `+memberColumns+` from member where id = $1 for no key update`, member)
	if err != nil {
		return err
	}
	now, err := tx.reservation(ctx, member, period)
	if err != nil {
		return err
	}
	means, err := journal.BalanceOf(ctx, tx, journal.Account{Kind: journal.Means, Owner: member}, tx.l.inst.Currency)
	if err != nil {
		return err
	}
	target := min(means.Free()+now.Amount, m.Budget)
	if target <= now.Amount {
		return nil
	}
	if err := tx.reserve(ctx, now, member, period, target); err != nil {
		return err
	}
	return tx.sendUnfunded(ctx, member, period)
}

// reserve replaces a reservation by a larger one.
func (tx *Tx) reserve(ctx context.Context, old Reservation, member int64, period string, amount int64) error {
	entries := make([]journal.Entry, 0, 2)
	if old.ID != 0 {
		if _, err := tx.Exec(ctx, `update reservation set state = 'released' where id = $1`, old.ID); err != nil {
			return err
		}
		entries = append(entries, journal.Entry{Kind: kindBudget, Ref: old.ID, Phase: journal.Void})
	}
	var id int64
	if err := tx.QueryRow(ctx, `
		insert into reservation (member, period, amount, state, created_at)
		values ($1, $2, $3, 'reserved', $4) returning id`, member, period, amount, tx.at).Scan(&id); err != nil {
		return err
	}
	return tx.post(ctx, period, append(entries, budgetEntry(id, member, amount))...)
}

func budgetEntry(id, member, amount int64) journal.Entry {
	return journal.Entry{Kind: kindBudget, Ref: id, Phase: journal.Pending, Amount: amount,
		Debit: journal.Account{Kind: journal.Means, Owner: member}, Credit: journal.Account{Kind: journal.Clearing}}
}

// sendUnfunded lets the clicks that waited for a budget count.
func (tx *Tx) sendUnfunded(ctx context.Context, member int64, period string) error {
	waiting, err := rows[Flattr](ctx, tx, `
		select `+flattrColumns+` from flattr
		where giver = $1 and period = $2 and state = 'unfunded' order by made_at, id for no key update`, member, period)
	if err != nil {
		return err
	}
	for _, f := range waiting {
		t, err := row[Thing](ctx, tx, `select `+thingColumns+` from thing where id = $1`, f.Thing)
		if err != nil {
			return err
		}
		if _, err := tx.send(ctx, f, t); err != nil {
			return err
		}
	}
	return nil
}
