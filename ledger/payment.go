package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
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
	Amount    int64
	Confirmed *int64
}

// allocationQuery reads a payment's allocations oldest claim first, the order in which money that
// falls short is used up, the same on both sides.
const allocationQuery = `
	select a.payment, a.claim, c.iri, a.amount, a.confirmed
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
		p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where host = $1 for no key update`, host))
		if err != nil {
			return err
		}
		if p.FrozenAt != nil {
			return refused("host", "frozen")
		}
		if p.HeldAt != nil {
			return refused("host", "key-held")
		}
		allocations, amount, err := tx.owed(ctx, p)
		if err != nil {
			return err
		}
		if amount < p.Threshold {
			return refused("amount", "below-threshold")
		}
		y, err = tx.orderPayment(ctx, operator, p, amount, allocations, open)
		return err
	})
	failpoint("payment.prepared")
	return y, err
}

// owed allocates the whole cents owed to a peer over its accepted claims, oldest first. The
// fraction of a cent that is left stays with the newest and is paid another month.
func (tx *Tx) owed(ctx context.Context, p Peer) ([]Allocation, int64, error) {
	claims, err := rows[Claim](tx.Query(ctx, claimQuery+`
		where c.direction = 'out' and c.peer = $1 and c.state in ('accepted', 'confirmed')
		  and c.amount > coalesce(a.allocated, 0)
		order by c.period, c.n for no key update of c`, p.ID))
	if err != nil {
		return nil, 0, err
	}
	total := int64(0)
	for _, c := range claims {
		total += c.Open()
	}
	amount, left := WholeCents(total), WholeCents(total)
	var allocations []Allocation
	for _, c := range claims {
		if part := min(left, c.Open()); part > 0 {
			allocations = append(allocations, Allocation{Claim: c.ID, Amount: part})
			left -= part
		}
	}
	return allocations, amount, nil
}

func (tx *Tx) orderPayment(ctx context.Context, operator int64, p Peer, amount int64, allocations []Allocation, open string) (Payment, error) {
	reference := newReference()
	y := Payment{Direction: "out", Peer: p.ID, IRI: tx.l.inst.BaseURL + "/payments/" + reference, Amount: amount,
		Currency: tx.l.inst.Currency, Method: "bank", Reference: reference, State: "ordered"}
	id, err := tx.insertPayment(ctx, y, &operator, allocations)
	if err != nil {
		return y, err
	}
	failpoint("payment.ordered")
	if err := booked(journal.Post(ctx, tx.book(open), journal.Entry{Kind: kindPayment, Ref: id, Phase: journal.Pending,
		Debit: of(journal.Payable, p.ID), Credit: bank(), Amount: amount})); err != nil {
		return y, err
	}
	return row[Payment](tx.Query(ctx, paymentQuery+` where y.id = $1`, id))
}

func (tx *Tx) insertPayment(ctx context.Context, y Payment, by *int64, allocations []Allocation) (int64, error) {
	var id int64
	err := tx.QueryRow(ctx, `
		insert into payment (direction, peer, iri, amount, currency, method, content, reference, state,
		  created_at, paid_at, recorded_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning id`,
		y.Direction, y.Peer, y.IRI, y.Amount, y.Currency, y.Method, y.Content, y.Reference, y.State,
		tx.at, y.PaidAt, by).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"payment_allocation"}, []string{"payment", "claim", "amount"},
		pgx.CopyFromSlice(len(allocations), func(i int) ([]any, error) {
			return []any{id, allocations[i].Claim, allocations[i].Amount}, nil
		}))
	return id, err
}

// PaymentSent records that the bank order is placed and tells the peer. Again is fine.
func (l *Ledger) PaymentSent(ctx context.Context, operator, id int64) error {
	return l.changePayment(ctx, operator, id, "out", func(tx *Tx, y Payment, _ string) error {
		switch y.State {
		case "sent", "confirmed", "not_received":
			return nil
		case "cancelled":
			return fmt.Errorf("%w: payment %d was cancelled", ErrConflict, id)
		}
		if _, err := tx.Exec(ctx, `update payment set state = 'sent', paid_at = $2 where id = $1`, y.ID, tx.at); err != nil {
			return err
		}
		failpoint("payment.sent")
		tx.tell(Message{Kind: TellPayment, Key: y.IRI, To: y.Host})
		return nil
	})
}

// PaymentCancelled releases a payment whose bank order was never placed. Again is fine.
func (l *Ledger) PaymentCancelled(ctx context.Context, operator, id int64) error {
	return l.changePayment(ctx, operator, id, "out", func(tx *Tx, y Payment, open string) error {
		switch y.State {
		case "cancelled":
			return nil
		case "ordered":
		default:
			return fmt.Errorf("%w: payment %d is %s", ErrConflict, id, y.State)
		}
		if _, err := tx.Exec(ctx, `update payment set state = 'cancelled' where id = $1`, y.ID); err != nil {
			return err
		}
		return booked(journal.Post(ctx, tx.book(open), journal.Entry{Kind: kindPayment, Ref: y.ID, Phase: journal.Void}))
	})
}

// changePayment runs an operator's step on a locked payment of the given direction.
func (l *Ledger) changePayment(ctx context.Context, operator, id int64, direction string, f func(tx *Tx, y Payment, open string) error) error {
	defer failpoint("payment.changed")
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		y, err := row[Payment](tx.Query(ctx, paymentQuery+`
			where y.id = $1 and y.direction = $2 for no key update of y`, id, direction))
		if err != nil {
			return err
		}
		return f(tx, y, open)
	})
}

// confirmAllocations uses up what arrived over a payment's allocations, oldest claim first.
func (tx *Tx) confirmAllocations(ctx context.Context, payment, arrived int64) ([]Allocation, error) {
	all, err := rows[Allocation](tx.Query(ctx, allocationQuery, payment))
	if err != nil {
		return nil, err
	}
	for i := range all {
		part := min(arrived, all[i].Amount)
		arrived -= part
		all[i].Confirmed = &part
		if _, err := tx.Exec(ctx, `update payment_allocation set confirmed = $3 where payment = $1 and claim = $2`,
			payment, all[i].Claim, part); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(a Allocation) bool { return *a.Confirmed == 0 }), nil
}
