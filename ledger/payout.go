package ledger

import (
	"context"
	"fmt"

	"github.com/almerlucke/go-iban/iban"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Where the operator's withdrawals take from.
const (
	OfCause = journal.Cause // what was given to the instance's cause
	OfFees  = journal.Fee   // what the instance keeps
)

// Funds is money that is the instance's to pay on, in micro-units.
type Funds struct {
	Cause     int64 // given to the cause and free to be paid
	Fees      int64 // kept of what payees got, and free to be paid
	Requested int64 // of both, ordered and not paid yet
	Loss      int64 // charged back after it was given
}

// Funds reads it.
func (l *Ledger) Funds(ctx context.Context) (f Funds, err error) {
	cause, err := journal.BalanceOf(ctx, l.pool, of(journal.Cause, 0), l.inst.Currency)
	if err != nil {
		return f, err
	}
	fees, err := journal.BalanceOf(ctx, l.pool, of(journal.Fee, 0), l.inst.Currency)
	if err != nil {
		return f, err
	}
	loss, err := journal.BalanceOf(ctx, l.pool, of(journal.Loss, 0), l.inst.Currency)
	return Funds{Cause: cause.Free(), Fees: fees.Free(), Requested: cause.Reserved + fees.Reserved, Loss: loss.Posted}, err
}

// RequestPayoutOnce reserves money of one of the instance's accounts (OfCause, OfFees) to be paid by bank, as
// RequestWithdrawalOnce does a member's, and has the same refusals; only an operator may ask (ErrRefused). FieldError
// source: unknown.
func (l *Ledger) RequestPayoutOnce(ctx context.Context, operator int64, source string, amount int64, account, key string) (Withdrawal, error) {
	if source != OfCause && source != OfFees {
		return Withdrawal{}, refused("source", "unknown")
	}
	if amount <= 0 || amount > maxAmount || amount%microPerCent != 0 {
		return Withdrawal{}, refused("amount", "amount")
	}
	parsed, err := iban.NewIBAN(account)
	if err != nil {
		return Withdrawal{}, refused("iban", "form")
	}
	var w Withdrawal
	err = l.tx(ctx, func(tx *Tx) (err error) {
		w, err = tx.askPayout(ctx, operator, source, amount, parsed.Code, referenceOf("payout", operator, key))
		return err
	})
	return w, err
}

func (tx *Tx) askPayout(ctx context.Context, operator int64, source string, amount int64, account, reference string) (w Withdrawal, err error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return w, err
	}
	if err := tx.operator(ctx, operator); err != nil {
		return w, err
	}
	made, err := tx.Exec(ctx, `
		insert into withdrawal (source, amount, iban, state, reference, asked_by, created_at)
		values ($1, $2, $3, 'requested', $4, $5, $6) on conflict (reference) do nothing`,
		source, amount, account, reference, operator, tx.at)
	if err != nil {
		return w, err
	}
	w, err = row[Withdrawal](tx.Query(ctx, withdrawalQuery+` where w.reference = $1`, reference))
	switch {
	case err != nil:
		return w, err
	case w.Source != source || w.Amount != amount || w.Iban != account:
		return w, fmt.Errorf("%w: withdrawal %d was asked for with this key", ErrConflict, w.ID)
	case made.RowsAffected() == 0:
		w.Again = true
		return w, nil
	}
	return w, booked(journal.Post(ctx, tx.book(open), w.entry(journal.Pending)))
}
