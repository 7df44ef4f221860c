package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// PaymentAnswer is a peer's answer to a payment of ours, its proof checked.
type PaymentAnswer struct {
	IRI      string // the payment
	Host     string // who answers
	Received int64  // what arrived, whole cents; 0: not received
}

// PaymentAnswered records the payee's home's first answer. What arrived is paid; what didn't is
// owed again, and if the bank sent it all the same, the difference stands in suspense until the
// operator finds it. ErrConflict: a different answer than the first; the peer is frozen.
// ErrRefused: not that peer's payment, or an amount that no bank moves.
func (l *Ledger) PaymentAnswered(ctx context.Context, a PaymentAnswer) error {
	if a.Received < 0 || a.Received > maxAmount || a.Received%microPerCent != 0 {
		return refused("amount", "amount")
	}
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	y, err := row[Payment](tx.Query(ctx, paymentQuery+`
		where y.iri = $1 and y.direction = 'out' for no key update of y`, a.IRI))
	var conflict error
	switch {
	case err != nil:
	case y.Host != a.Host:
		err = fmt.Errorf("%w: %s doesn't answer %s", ErrRefused, a.Host, a.IRI)
	case y.State == "confirmed" && *y.Received == a.Received, y.State == "not_received" && a.Received == 0:
	case y.State != "sent":
		conflict = fmt.Errorf("%w: payment %s is %s", ErrConflict, y.IRI, y.State)
		err = tx.freeze(ctx, y.Peer, "two different answers to "+y.IRI)
	case a.Received == 0:
		err = tx.notReceived(ctx, y, open)
	default:
		err = tx.paid(ctx, y, a.Received, open)
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("payment.answered")
	return errors.Join(err, conflict)
}

// notReceived reopens everything that a payment was to pay.
func (tx *Tx) notReceived(ctx context.Context, y Payment, open string) error {
	if _, err := tx.Exec(ctx, `
		update payment set state = 'not_received', answered_at = $2 where id = $1`, y.ID, tx.at); err != nil {
		return err
	}
	if y.Direction == "in" {
		return nil
	}
	return booked(journal.Post(ctx, tx.book(open), journal.Entry{Kind: kindPayment, Ref: y.ID, Phase: journal.Void}))
}

func (tx *Tx) paid(ctx context.Context, y Payment, received int64, open string) error {
	if _, err := tx.Exec(ctx, `
		update payment set state = 'confirmed', received = $2, answered_at = $3 where id = $1`,
		y.ID, received, tx.at); err != nil {
		return err
	}
	credited := min(received, y.Amount)
	entries := []journal.Entry{{Kind: kindPayment, Ref: y.ID, Phase: journal.Posted, Amount: credited}}
	if short := y.Amount - credited; short > 0 {
		entries = append(entries, journal.Entry{Kind: kindPaymentShort, Ref: y.ID, Phase: journal.Single,
			Debit: of(journal.Suspense, 0), Credit: bank(), Amount: short})
	}
	if err := booked(journal.Post(ctx, tx.book(open), entries...)); err != nil {
		return err
	}
	failpoint("payment.posted")
	paid, err := tx.confirmAllocations(ctx, y.ID, credited)
	if err != nil {
		return err
	}
	for _, a := range paid {
		if err := tx.settleClaim(ctx, a.Claim); err != nil {
			return err
		}
	}
	return nil
}
