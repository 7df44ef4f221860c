package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedflattr/flattrd/ledger/journal"
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
	p, err := tx.peer(ctx, n.Host)
	if err != nil {
		return err
	}
	if err := tx.lockID(ctx, "claims of "+n.Host); err != nil {
		return err
	}
	known, err := row[Payment](tx.Query(ctx, paymentQuery+` where y.iri = $1`, n.IRI))
	var conflict error
	switch {
	case err == nil:
		conflict, err = tx.paymentAgain(ctx, known, n)
	case !errors.Is(err, ErrNotFound):
	case p.FrozenAt != nil:
		err = &ClaimFault{Code: "frozen", Detail: p.FrozenReason}
	default:
		err = tx.announce(ctx, p, n)
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("payment.announced")
	return errors.Join(err, conflict)
}

func (l *Ledger) checkNotice(n PaymentNotice) error {
	left := n.Amount
	for _, a := range n.Allocations {
		if a.Amount <= 0 || a.Amount > left {
			return &ClaimFault{Code: "total-mismatch", Detail: "allocations don't add up to the amount"}
		}
		left -= a.Amount
	}
	switch {
	case n.Amount <= 0 || n.Amount > maxAmount || n.Amount%microPerCent != 0:
		return &ClaimFault{Code: "malformed", Detail: "amount must be whole cents"}
	case left != 0:
		return &ClaimFault{Code: "total-mismatch", Detail: "allocations don't add up to the amount"}
	case n.Currency != l.inst.Currency:
		return &ClaimFault{Code: "unknown-currency", Detail: n.Currency}
	case n.Reference == "" || len(n.Reference) > 35 || n.Method == "" || n.PaidAt.IsZero():
		return &ClaimFault{Code: "malformed", Detail: "reference, method or paidAt"}
	}
	return nil
}

func (tx *Tx) paymentAgain(ctx context.Context, known Payment, n PaymentNotice) (conflict, err error) {
	switch {
	case known.Host != n.Host || known.Direction != "in":
		return nil, fmt.Errorf("%w: %s isn't %s's", ErrRefused, n.IRI, n.Host)
	case known.Content != n.Content:
		return fmt.Errorf("%w: %s is known with other content", ErrConflict, n.IRI),
			tx.freeze(ctx, known.Peer, "same id, other content: "+n.IRI)
	case known.AnsweredAt == nil:
		return nil, nil
	}
	tx.tell(Message{Kind: TellPaymentAnswer, Key: n.IRI, To: n.Host})
	return nil, nil
}

func (tx *Tx) announce(ctx context.Context, p Peer, n PaymentNotice) error {
	allocations := make([]Allocation, len(n.Allocations))
	for i, a := range n.Allocations {
		c, err := row[Claim](tx.Query(ctx, claimQuery+`
			where c.iri = $1 and c.peer = $2 and c.direction = 'in' and c.state in ('accepted', 'confirmed')
			for no key update of c`, a.Claim, p.ID))
		if errors.Is(err, ErrNotFound) || slices.ContainsFunc(allocations[:i], func(b Allocation) bool { return b.Claim == c.ID }) {
			return &ClaimFault{Code: "unknown-claim", Detail: a.Claim}
		}
		if err != nil {
			return err
		}
		if a.Amount > c.Open() {
			return &ClaimFault{Code: "total-mismatch", Detail: "more than is open of " + a.Claim}
		}
		allocations[i] = Allocation{Claim: c.ID, Amount: a.Amount}
	}
	_, err := tx.insertPayment(ctx, Payment{Direction: "in", Peer: p.ID, IRI: n.IRI, Amount: n.Amount,
		Currency: n.Currency, Method: n.Method, Content: n.Content, Reference: n.Reference,
		State: "announced", PaidAt: &n.PaidAt}, nil, allocations)
	if isUnique(err) {
		return &ClaimFault{Code: "malformed", Detail: "reference is taken by another payment"}
	}
	return err
}

// ConfirmPayment records what of an announced payment is on our account, in whole cents: it becomes
// available to the payees, a shortfall stays owed, an excess is the peer's credit. The peer is told.
// Again with the same amount is fine; with another it is ErrConflict.
func (l *Ledger) ConfirmPayment(ctx context.Context, operator, id, received int64) error {
	if received <= 0 || received > maxAmount || received%microPerCent != 0 {
		return refused("received", "amount")
	}
	return l.changePayment(ctx, operator, id, "in", func(tx *Tx, y Payment, open string) error {
		switch {
		case y.State == "confirmed" && *y.Received == received:
			return nil
		case y.State != "announced":
			return fmt.Errorf("%w: payment %d is %s", ErrConflict, id, y.State)
		}
		return tx.confirm(ctx, y, received, open)
	})
}

// PaymentNotReceived answers that nothing arrived; everything it was to pay is owed again.
func (l *Ledger) PaymentNotReceived(ctx context.Context, operator, id int64) error {
	return l.changePayment(ctx, operator, id, "in", func(tx *Tx, y Payment, open string) error {
		switch y.State {
		case "not_received":
			return nil
		case "announced":
		default:
			return fmt.Errorf("%w: payment %d is %s", ErrConflict, id, y.State)
		}
		if err := tx.notReceived(ctx, y, open); err != nil {
			return err
		}
		tx.tell(Message{Kind: TellPaymentAnswer, Key: y.IRI, To: y.Host})
		return nil
	})
}

func (tx *Tx) confirm(ctx context.Context, y Payment, received int64, open string) error {
	if _, err := tx.Exec(ctx, `
		update payment set state = 'confirmed', received = $2, answered_at = $3 where id = $1`,
		y.ID, received, tx.at); err != nil {
		return err
	}
	credited := min(received, y.Amount)
	entries := []journal.Entry{{Kind: kindReceipt, Ref: y.ID, Phase: journal.Single, Amount: credited,
		Debit: bank(), Credit: of(journal.Receivable, y.Peer)}}
	if excess := received - credited; excess > 0 {
		entries = append(entries, journal.Entry{Kind: kindReceiptExcess, Ref: y.ID, Phase: journal.Single,
			Debit: bank(), Credit: of(journal.PeerCredit, y.Peer), Amount: excess})
	}
	paid, err := tx.confirmAllocations(ctx, y.ID, credited)
	if err != nil {
		return err
	}
	var got []available
	for _, a := range paid {
		lines, ours, err := tx.allocateLines(ctx, a)
		if err != nil {
			return err
		}
		entries, got = append(entries, lines...), append(got, ours...)
	}
	fees, err := tx.takeFees(ctx, got)
	if err != nil {
		return err
	}
	entries = append(entries, fees...)
	failpoint("payment.allocated")
	if err := booked(journal.Post(ctx, tx.book(open), entries...)); err != nil {
		return err
	}
	for _, a := range paid {
		if err := tx.settleClaim(ctx, a.Claim); err != nil {
			return err
		}
	}
	tx.tell(Message{Kind: TellPaymentAnswer, Key: y.IRI, To: y.Host})
	return nil
}

// allocateLines divides what a payment pays of a claim over its lines, by largest remainder over
// what each line is still owed, and makes that available to the payees; if one has left, to the cause.
func (tx *Tx) allocateLines(ctx context.Context, a Allocation) (entries []journal.Entry, got []available, err error) {
	type open struct {
		ID, Member, Open int64
		Period           string
		Gone             bool   // the payee has left
		Cause            *int64 // then: whose it is; nil: the instance's cause
	}
	lines, err := rows[open](tx.Query(ctx, `
		select l.id, c.period, l.member, d.member is not null as gone, g.id as cause, l.amount - coalesce(sum(x.amount), 0)::bigint as open
		from claim_line l join claim c on c.id = l.claim left join line_allocation x on x.line = l.id
		left join departure d on d.member = l.member left join member g on g.id = d.cause and g.deleted_at is null
		where l.claim = $1 group by l.id, c.period, d.member, g.id order by l.payee collate "C"`, a.Claim))
	if err != nil {
		return nil, nil, err
	}
	weights := make([]int64, len(lines))
	for i, line := range lines {
		weights[i] = line.Open
	}
	for i, part := range SplitByWeight(*a.Confirmed, weights) {
		if part == 0 {
			continue
		}
		line, to := lines[i], &lines[i].Member
		if line.Gone {
			to = line.Cause
		}
		var id int64
		if err := tx.QueryRow(ctx, `
			insert into line_allocation (payment, claim, line, amount, member) values ($1, $2, $3, $4, $5) returning id`,
			a.Payment, a.Claim, line.ID, part, to).Scan(&id); err != nil {
			return nil, nil, err
		}
		if !line.Gone {
			got = append(got, available{allocation: id, member: line.Member, period: line.Period, amount: part})
		}
		entries = append(entries, journal.Entry{Kind: kindAllocation, Ref: id, Phase: journal.Single, Amount: part,
			Debit: of(journal.Announced, line.Member), Credit: causeAccount(to)})
	}
	return entries, got, nil
}
