package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// Payment moves money between instances by bank: outgoing ordered → sent → confirmed | not_received
// (or ordered → cancelled), incoming announced → confirmed | not_received.
type Payment struct {
	ID         int64
	Direction  string // out | in
	Peer       int64
	Host       string
	IRI        string
	Amount     int64 // whole cents
	Currency   string
	Method     string
	Content    string
	Reference  string // on the bank order; at most 35 characters
	State      string
	Received   *int64 // what arrived, whole cents
	CreatedAt  time.Time
	PaidAt     *time.Time
	AnsweredAt *time.Time
}

const paymentColumns = `y.id, y.direction, y.peer, p.host, y.iri, y.amount, y.currency, y.method, y.content, y.reference,
	  y.state, y.received, y.created_at, y.paid_at, y.answered_at`

const paymentQuery = `
	select ` + paymentColumns + `
	from payment y join peer p on p.id = y.peer`

// Allocation is what a payment pays of one claim.
type Allocation struct {
	Payment   int64
	Claim     int64
	IRI       string // the claim's
	Direction string // the claim's: out | in
	Amount    int64
	Confirmed *int64
}

// allocationQuery reads a payment's allocations oldest claim first, the order in which money that
// falls short is used up, the same on both sides.
const allocationQuery = `
	select a.payment, a.claim, c.iri, c.direction, a.amount, a.confirmed
	from payment_allocation a join claim c on c.id = a.claim
	where a.payment = $1 order by c.period, c.n`

// Payments lists the latest 200 payments, newest first. What an operator works through is listed by
// OpenPayments and PaymentPage, where no peer's payments hide another's.
func (l *Ledger) Payments(ctx context.Context) ([]Payment, error) {
	return rows[Payment](l.pool.Query(ctx, paymentQuery+` order by y.id desc limit 200`))
}

// PaymentDocument is all that a payment, or the answer to one, says.
type PaymentDocument struct {
	Payment
	Allocations []Allocation
}

// PaymentDocument reads a payment by its id; ErrNotFound.
func (l *Ledger) PaymentDocument(ctx context.Context, iri string) (PaymentDocument, error) {
	var d PaymentDocument
	err := pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead},
		func(tx pgx.Tx) (err error) {
			if d.Payment, err = row[Payment](tx.Query(ctx, paymentQuery+` where y.iri = $1`, iri)); err != nil {
				return err
			}
			d.Allocations, err = rows[Allocation](tx.Query(ctx, allocationQuery, d.ID))
			return err
		})
	return d, err
}

// PreparePayment reserves what we owe a peer in whole cents, oldest claims first, and commits the
// bank reference before any order is placed. FieldError "amount": below-threshold; "host": frozen,
// because the peer's books, and so its account, are in doubt until the operators have talked.
func (l *Ledger) PreparePayment(ctx context.Context, operator int64, host string) (Payment, error) {
	var y Payment
	err := l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		if err := tx.lockID(ctx, paymentsWith+host); err != nil {
			return err
		}
		p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where host = $1 for no key update`, host))
		if err != nil {
			return err
		}
		if p.KeyHeldAt != nil {
			return refused("host", "key-held")
		}
		if err := tx.bankFirst(ctx, "host"); err != nil {
			return err
		}
		claims, err := tx.openClaims(ctx, p, "out")
		if err != nil {
			return err
		}
		reference := newReference()
		d := pair.Order(p.decided(tx.at), claims, pair.Payment{Method: "bank", Reference: reference,
			IRI: tx.l.inst.BaseURL + "/payments/" + reference})
		switch {
		case d.Fault != nil:
			return refused("host", d.Fault.Code)
		case d.Payments[0].Amount < p.Threshold:
			return refused("amount", "below-threshold")
		}
		w := &decided{Tx: tx, step: "payment", peer: p, open: open, by: &operator}
		if err := w.store(ctx, d); err != nil {
			return err
		}
		if err := w.post(ctx, d); err != nil {
			return err
		}
		y, err = row[Payment](tx.Query(ctx, paymentQuery+` where y.id = $1`, w.payments[d.Payments[0].IRI]))
		return err
	})
	failpoint("payment.prepared")
	return y, err
}

// The locks of a pair, each with the peer's host behind it, and taken in this order: the peer's claims, ours, and what
// is open of either, which is read and allocated by both instances' nettings and payments.
const (
	claimsOf     = "claims of "
	claimsFor    = "claims for "
	paymentsWith = "payments with "
)

// openClaims reads and locks the binding claims of one direction of which something is open, oldest first. What was
// written off isn't asked for by netting: it is no longer in the books.
func (tx *Tx) openClaims(ctx context.Context, p Peer, direction string) (open []pair.Claim, err error) {
	claims, err := rows[Claim](tx.Query(ctx, claimQuery+`
		where c.direction = $2 and c.peer = $1 and c.state in ('accepted', 'confirmed')
		  and c.amount > coalesce(a.allocated, 0)
		  and not exists (select from write_off_line y join claim_line l on l.id = y.line where l.claim = c.id)
		order by c.period, c.n for no key update of c`, p.ID, direction))
	for _, c := range claims {
		open = append(open, c.decided())
	}
	return open, err
}

// PaymentSent records that the bank order is placed and tells the peer. Again is fine.
func (l *Ledger) PaymentSent(ctx context.Context, operator, id int64) error {
	return l.changePayment(ctx, operator, id, "out", func(p pair.Peer, y pair.Payment, _ pair.Claims) pair.Decision {
		defer failpoint("payment.sent")
		return pair.Send(p, y)
	})
}

// PaymentCancelled releases a payment whose bank order was never placed. Again is fine.
func (l *Ledger) PaymentCancelled(ctx context.Context, operator, id int64) error {
	return l.changePayment(ctx, operator, id, "out", func(_ pair.Peer, y pair.Payment, _ pair.Claims) pair.Decision {
		return pair.Cancel(y)
	})
}

// changePayment carries an operator's step out on a payment by bank of the given direction. ErrConflict: it isn't
// at that step. FieldError "host": the step waits.
func (l *Ledger) changePayment(ctx context.Context, operator, id int64, direction string,
	step func(p pair.Peer, y pair.Payment, claims pair.Claims) pair.Decision) error {
	defer failpoint("payment.changed")
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		y, err := tx.lockedPayment(ctx, id, direction)
		if err != nil {
			return err
		}
		p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where id = $1`, y.Peer))
		if err != nil {
			return err
		}
		paid, claims, err := tx.withAllocations(ctx, y)
		if err != nil {
			return err
		}
		d := step(p.decided(tx.at), paid, claims)
		switch {
		case d.Fault != nil:
			return refused("host", d.Fault.Code)
		case d.Conflict != "":
			return fmt.Errorf("%w: payment %d: %s", ErrConflict, id, d.Conflict)
		}
		w := &decided{Tx: tx, step: "payment", peer: p, open: open}
		if err := w.store(ctx, d); err != nil {
			return err
		}
		return w.post(ctx, d)
	})
}

// lockedPayment reads a payment by bank, behind the lock of what is open with its peer, and locks it.
func (tx *Tx) lockedPayment(ctx context.Context, id int64, direction string) (y Payment, err error) {
	var host string
	err = tx.QueryRow(ctx, `select p.host from payment y join peer p on p.id = y.peer where y.id = $1`, id).Scan(&host)
	if errors.Is(err, pgx.ErrNoRows) {
		return y, ErrNotFound
	}
	if err != nil {
		return y, err
	}
	if err := tx.lockID(ctx, paymentsWith+host); err != nil {
		return y, err
	}
	return row[Payment](tx.Query(ctx, paymentQuery+`
		where y.id = $1 and y.direction = $2 and y.method <> 'netting' for no key update of y`, id, direction))
}

// decided is a payment as package pair decides about it, without allocations.
func (y Payment) decided() pair.Payment {
	d := pair.Payment{Row: y.ID, IRI: y.IRI, Incoming: y.Direction == "in", Method: y.Method, Amount: y.Amount,
		Reference: y.Reference, Content: y.Content, State: y.State}
	if y.Received != nil {
		d.Received = *y.Received
	}
	return d
}

// withAllocations is a payment as package pair decides about it, and the claims that it pays, locked.
func (tx *Tx) withAllocations(ctx context.Context, y Payment) (pair.Payment, pair.Claims, error) {
	d := y.decided()
	all, err := rows[Allocation](tx.Query(ctx, allocationQuery, y.ID))
	if err != nil {
		return d, nil, err
	}
	iris := make([]string, len(all))
	for i, a := range all {
		iris[i] = a.IRI
		d.Allocations = append(d.Allocations, pair.Allocation{Claim: a.IRI, Amount: a.Amount, Incoming: a.Direction == "in"})
		if a.Confirmed != nil {
			d.Allocations[i].Confirmed = *a.Confirmed
		}
	}
	claims, err := tx.claimsNamed(ctx, y.Peer, iris)
	return d, claims, err
}

// claimsNamed reads and locks claims with a peer by their ids.
func (tx *Tx) claimsNamed(ctx context.Context, peer int64, iris []string) (pair.Claims, error) {
	found, err := rows[Claim](tx.Query(ctx, claimQuery+`
		where c.peer = $1 and c.iri = any($2) order by c.id for no key update of c`, peer, iris))
	named := make(map[string]*pair.Claim, len(found))
	for _, c := range found {
		d := c.decided()
		named[c.IRI] = &d
	}
	return func(iri string) *pair.Claim { return named[iri] }, err
}
