package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// PaymentNotice is a peer's word that it sent money, its proof checked.
type PaymentNotice struct {
	IRI         string
	Host        string
	Amount      int64
	Currency    string
	Method      string
	Reference   string
	PaidAt      time.Time
	Allocations []NoticedAllocation
	Content     string // SHA-256 of the JCS without proof
	Document    []byte // as it came; kept
}

// NoticedAllocation is what a payment says it pays of one claim.
type NoticedAllocation struct {
	Claim  string // IRI
	Amount int64
}

// ReceivePayment stores a notice; the operator confirms it when the money is on the account. The
// same content again gets the stored answer, if there is one. A *ClaimFault names what is wrong: the
// allocations must name accepted claims of this peer, within what is open, and add up to the amount.
func (l *Ledger) ReceivePayment(ctx context.Context, n PaymentNotice) error {
	if err := l.checkNotice(n); err != nil {
		return err
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
	for _, key := range []string{claimsOf, paymentsWith} {
		if err := tx.lockID(ctx, key+n.Host); err != nil {
			return err
		}
	}
	p, err := tx.peer(ctx, n.Host)
	if err != nil {
		return err
	}
	known, err := tx.paymentOnRecord(ctx, p, n.IRI)
	if err != nil {
		return err
	}
	claims, err := tx.claimsNamed(ctx, p.ID, n.claims())
	if err != nil {
		return err
	}
	d := pair.TakeNotice(p.decided(tx.at), l.inst.Host, known, claims, n.decided(l.inst.BaseURL))
	conflict, err := result(d)
	w := &decided{Tx: tx, step: "payment", peer: p, open: open, paidAt: &n.PaidAt}
	if err == nil {
		err = w.store(ctx, d)
	}
	if err == nil {
		err = w.post(ctx, d)
	}
	if err == nil && known == nil {
		tx.keep(n.IRI, n.Document, false)
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("payment.announced")
	return errors.Join(err, conflict)
}

// paymentOnRecord reads and locks a payment with this peer, without its allocations; nil: there is none. ErrRefused: it is another's.
func (tx *Tx) paymentOnRecord(ctx context.Context, p Peer, iri string) (*pair.Payment, error) {
	y, err := row[Payment](tx.Query(ctx, paymentQuery+` where y.iri = $1 for no key update of y`, iri))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case y.Peer != p.ID:
		return nil, notTheirs(iri, p)
	}
	d := y.decided()
	return &d, nil
}

func (n PaymentNotice) claims() (iris []string) {
	for _, a := range n.Allocations {
		iris = append(iris, a.Claim)
	}
	return iris
}

// decided is a notice as package pair decides about it; claims below our base are our own offers.
func (n PaymentNotice) decided(base string) pair.Payment {
	y := pair.Payment{IRI: n.IRI, Incoming: true, Method: n.Method, Amount: n.Amount, Reference: n.Reference, Content: n.Content}
	for _, a := range n.Allocations {
		y.Allocations = append(y.Allocations, pair.Allocation{Claim: a.Claim, Amount: a.Amount,
			Incoming: !strings.HasPrefix(a.Claim, base+"/")})
	}
	return y
}

func (l *Ledger) checkNotice(n PaymentNotice) error {
	switch {
	case n.Amount <= 0 || n.Amount > maxAmount || n.Method != pair.Netting && n.Amount%microPerCent != 0:
		return &ClaimFault{Code: "malformed", Detail: "amount must be whole cents"}
	case n.Currency != l.inst.Currency:
		return &ClaimFault{Code: "unknown-currency", Detail: n.Currency}
	case strings.Contains(n.IRI, "#"):
		return &ClaimFault{Code: "malformed", Detail: "an id has no fragment"}
	case n.Reference == "" || len(n.Reference) > 35 || n.Method == "" || n.PaidAt.IsZero():
		return &ClaimFault{Code: "malformed", Detail: "reference, method or paidAt"}
	}
	return nil
}

// ConfirmPayment records what of an announced payment is on our account, in whole cents: it becomes
// available to the payees, a shortfall stays owed, an excess is the peer's credit. The peer is told.
// Again with the same amount is fine; with another it is ErrConflict.
func (l *Ledger) ConfirmPayment(ctx context.Context, operator, id, received int64) error {
	if received <= 0 || received > maxAmount || received%microPerCent != 0 {
		return refused("received", "amount")
	}
	return l.changePayment(ctx, operator, id, "in", func(p pair.Peer, y pair.Payment, claims pair.Claims) pair.Decision {
		return pair.Receive(p, y, claims, received)
	})
}

// PaymentNotReceived answers that nothing arrived; everything it was to pay is owed again.
func (l *Ledger) PaymentNotReceived(ctx context.Context, operator, id int64) error {
	return l.changePayment(ctx, operator, id, "in", func(p pair.Peer, y pair.Payment, _ pair.Claims) pair.Decision {
		return pair.Miss(p, y)
	})
}
