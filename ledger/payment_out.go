package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// PaymentAnswer is a peer's answer to a payment of ours, its proof checked.
type PaymentAnswer struct {
	IRI      string // the payment
	Host     string // who answers
	Received int64  // what arrived, whole cents; 0: not received
	Document []byte // as it came; kept if it is the first
}

// PaymentAnswered records the payee's home's first answer. What arrived is paid; what didn't is
// owed again, and if the bank sent it all the same, the difference stands in suspense until the
// operator finds it. ErrConflict: a different answer than the first; the peer is frozen.
// ErrRefused: not that peer's payment, or an amount that no bank moves.
func (l *Ledger) PaymentAnswered(ctx context.Context, a PaymentAnswer) error {
	if a.Received < 0 || a.Received > maxAmount {
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
	if err := tx.lockID(ctx, paymentsWith+a.Host); err != nil {
		return err
	}
	p, err := tx.peerKnown(ctx, a.Host)
	if err != nil {
		return err
	}
	y, err := row[Payment](tx.Query(ctx, paymentQuery+`
		where y.iri = $1 and y.direction = 'out' for no key update of y`, a.IRI))
	switch {
	case err != nil:
		return err
	case y.Peer != p.ID:
		return fmt.Errorf("%w: %s doesn't answer %s", ErrRefused, a.Host, a.IRI)
	case y.Method == pair.Netting && a.Received != 0 && a.Received != y.Amount, y.Method != pair.Netting && a.Received%microPerCent != 0:
		return refused("amount", "amount")
	}
	paid, claims, err := tx.withAllocations(ctx, y)
	if err != nil {
		return err
	}
	d := pair.TakeReceipt(paid, claims, a.Received)
	conflict, err := result(d)
	w := &decided{Tx: tx, step: "payment", peer: p, open: open}
	if err == nil {
		err = w.store(ctx, d)
	}
	if err == nil {
		err = w.post(ctx, d)
	}
	if err == nil && !paid.Answered() {
		tx.keep(a.IRI+"#answer", a.Document, false)
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("payment.answered")
	return errors.Join(err, conflict)
}
