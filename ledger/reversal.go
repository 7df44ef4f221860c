package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Causes of a reversal.
const (
	Mistake    = "mistake"    // recorded, but not what the bank booked
	Chargeback = "chargeback" // the bank took it back
)

// Reversal takes a deposit back: a transfer of its own, the deposit stays as it was recorded.
type Reversal struct {
	ID        int64
	Deposit   int64
	Name      string // the giver
	Cause     string // mistake | chargeback
	Reason    string
	Taken     int64 // micro-units, from the giver's means, reserved ones of the open month included
	Lost      int64 // micro-units, given already: the instance's loss; Taken + Lost is the deposit
	CreatedAt time.Time
	Again     bool `db:"-"` // it was recorded before this call, which booked nothing
}

const reversalQuery = `
	select v.id, v.deposit, m.name, v.cause, v.reason, v.taken, v.lost, v.created_at
	from reversal v join deposit d on d.id = v.deposit join member m on m.id = d.member`

// Deposit reads one; ErrNotFound.
func (l *Ledger) Deposit(ctx context.Context, id int64) (Deposit, error) {
	return row[Deposit](l.pool.Query(ctx, depositQuery+` where d.id = $1`, id))
}

// Unspent is what of a giver's money a reversal could take back now: free means, and what the open month holds
// back. What a closed month holds back is given: budgets freeze at close (protocol §7).
type Unspent struct{ Free, Reserved int64 }

// Taken is how much of a deposit that would be.
func (u Unspent) Taken(deposit int64) int64 { return min(deposit, u.Free+u.Reserved) }

// Unspent reads it, as it stands.
func (l *Ledger) Unspent(ctx context.Context, member int64) (u Unspent, err error) {
	err = l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		u, _, err = tx.unspent(ctx, member, open)
		return err
	})
	return u, err
}

// unspent reads it with the open month's reservation; its id is 0 if there is none.
func (tx *Tx) unspent(ctx context.Context, member int64, open string) (u Unspent, r Reservation, err error) {
	means, err := journal.BalanceOf(ctx, tx, of(journal.Means, member), tx.l.inst.Currency)
	if err != nil {
		return u, r, err
	}
	r, err = row[Reservation](tx.Query(ctx, `
		select id, member, period, amount, state from reservation
		where member = $1 and period = $2 and state <> 'released'`, member, open))
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return Unspent{Free: means.Free(), Reserved: r.Amount}, r, err
}

// ReverseDeposit takes a whole deposit back, once: from what its giver hasn't given yet, also from the open month's
// budget; the rest was given, and is this instance's loss (protocol §9). The same again returns the first reversal,
// marked as Again, ErrConflict if cause or reason are others. FieldError: cause (required), reason (required,
// too-long, form). ErrNotFound: no such deposit. ErrFunds: there isn't as much at the bank.
func (l *Ledger) ReverseDeposit(ctx context.Context, operator, deposit int64, cause, reason string) (Reversal, error) {
	reason = strings.TrimSpace(reason)
	switch {
	case cause != Mistake && cause != Chargeback:
		return Reversal{}, refused("cause", "required")
	case reason == "":
		return Reversal{}, refused("reason", "required")
	case utf8.RuneCountInString(reason) > 500:
		return Reversal{}, refused("reason", "too-long")
	case !Legible(reason):
		return Reversal{}, refused("reason", "form")
	}
	var v Reversal
	err := l.tx(ctx, func(tx *Tx) (err error) {
		v, err = tx.reverse(ctx, operator, deposit, cause, reason)
		return err
	})
	return v, err
}

func (tx *Tx) reverse(ctx context.Context, operator, deposit int64, cause, reason string) (v Reversal, err error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return v, err
	}
	if err := tx.operator(ctx, operator); err != nil {
		return v, err
	}
	d, err := row[Deposit](tx.Query(ctx, depositQuery+` where d.id = $1 for no key update of m`, deposit))
	if err != nil {
		return v, err
	}
	if v, err = tx.reversed(ctx, deposit, cause, reason); v.ID != 0 || err != nil {
		return v, err
	}
	entries, lowered, err := tx.takeBack(ctx, d, open, &v)
	if err != nil {
		return v, err
	}
	if err := tx.QueryRow(ctx, `
		insert into reversal (deposit, cause, reason, taken, lost, reservation, lowered, recorded_by, created_at)
		values ($1, $2, $3, $4, $5, nullif($6, 0), nullif($7, 0), $8, $9) returning id`,
		d.ID, cause, reason, v.Taken, v.Lost, lowered.ID, lowered.Amount, operator, tx.at).Scan(&v.ID); err != nil {
		return v, err
	}
	v.Cause = cause
	if err := booked(journal.Post(ctx, tx.book(open), append(entries, v.entries(d.Member)...)...)); err != nil {
		return v, err
	}
	return row[Reversal](tx.Query(ctx, reversalQuery+` where v.id = $1`, v.ID))
}

// reversed finds the reversal of a deposit, if there is one, which must be this one.
func (tx *Tx) reversed(ctx context.Context, deposit int64, cause, reason string) (v Reversal, err error) {
	v, err = row[Reversal](tx.Query(ctx, reversalQuery+` where v.deposit = $1`, deposit))
	switch {
	case errors.Is(err, ErrNotFound):
		return Reversal{}, nil
	case err == nil && (v.Cause != cause || v.Reason != reason):
		return v, fmt.Errorf("%w: deposit %d was reversed for another reason", ErrConflict, deposit)
	}
	v.Again = err == nil
	return v, err
}

// entries are what a reversal books of a member's deposit: what is taken from the means, and what is lost.
func (v Reversal) entries(member int64) (all []journal.Entry) {
	kind := map[string]string{Mistake: kindReversal, Chargeback: kindChargeback}[v.Cause]
	for _, e := range []journal.Entry{
		{Kind: kind, Debit: of(journal.Means, member), Credit: bank(), Amount: v.Taken},
		{Kind: kindLoss, Debit: of(journal.Loss, 0), Credit: bank(), Amount: v.Lost},
	} {
		if e.Ref, e.Phase = v.ID, journal.Single; e.Amount > 0 {
			all = append(all, e)
		}
	}
	return all
}

// takeBack finds what is there to take, and lowers the open month's reservation if that is needed. lowered is that
// reservation, with what is taken off it as its amount. The member is locked.
func (tx *Tx) takeBack(ctx context.Context, d Deposit, open string, v *Reversal) (entries []journal.Entry, lowered Reservation, err error) {
	u, r, err := tx.unspent(ctx, d.Member, open)
	if err != nil {
		return nil, lowered, err
	}
	v.Taken = u.Taken(d.Amount)
	v.Lost = d.Amount - v.Taken
	off := v.Taken - max(u.Free, 0)
	if off <= 0 {
		return nil, lowered, nil
	}
	if entries, err = tx.lower(ctx, r, off); err != nil {
		return nil, lowered, err
	}
	r.Amount = off
	return entries, r, nil
}

// lower releases a reservation and makes a smaller one in its place. If nothing is left of it, its flattrs wait for a
// budget again.
func (tx *Tx) lower(ctx context.Context, r Reservation, off int64) ([]journal.Entry, error) {
	if _, err := tx.Exec(ctx, `update reservation set state = 'released' where id = $1`, r.ID); err != nil {
		return nil, err
	}
	var made []Reservation
	var err error
	if rest := r.Amount - off; rest > 0 {
		made, err = rows[Reservation](tx.Query(ctx, `
			insert into reservation (member, period, amount, state, created_at) values ($1, $2, $3, 'reserved', $4)
			returning id, member, period, amount, state`, r.Member, r.Period, rest, tx.at))
	} else {
		err = tx.unfund(ctx, r.Member, r.Period)
	}
	return budgetEntries([]int64{r.ID}, made), err
}

// unfund takes a giver's flattrs of the open month back, where others were told of them too, and keeps each click as
// a new one that waits for a budget.
func (tx *Tx) unfund(ctx context.Context, giver int64, open string) error {
	all, err := rows[Flattr](tx.Query(ctx, `select `+flattrColumns+` from flattr
		where giver = $1 and period = $2 and state in ('sent', 'held', 'accepted') order by made_at, id for no key update`, giver, open))
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := tx.undo(ctx, f); err != nil {
			return err
		}
		again := Flattr{ID: uuid.Must(uuid.NewV7()), Giver: giver, Thing: f.Thing, Period: open, State: Unfunded, MadeAt: f.MadeAt}
		if err := tx.insertFlattr(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

// Reversals lists the latest 200.
func (l *Ledger) Reversals(ctx context.Context) ([]Reversal, error) {
	return rows[Reversal](l.pool.Query(ctx, reversalQuery+` order by v.id desc limit 200`))
}
