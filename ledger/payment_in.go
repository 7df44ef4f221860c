package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger/journal"
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
	p, err := tx.peer(ctx, n.Host)
	if err != nil {
		return err
	}
	if err := tx.lockID(ctx, "claims of "+n.Host); err != nil {
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
	d := pair.TakeNotice(p.decided(), known, claims, n.decided(l.inst.BaseURL))
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

// allocateLines divides what a payment pays of a claim over its lines, by largest remainder over
// what each line is still owed, and makes that available to the payees; if one has left, to the cause. What the payees
// get is in w.got then.
func (w *decided) allocateLines(ctx context.Context, payment, claim, amount int64) ([]journal.Entry, error) {
	type open struct {
		ID     int64
		Period string
		Member *int64 // nil: lost with a database, its money stands in recovery
		Gone   bool   // the payee has left
		Cause  *int64 // then: whose it is; nil: the instance's cause
		Open   int64
	}
	lines, err := rows[open](w.Query(ctx, `
		select l.id, c.period, l.member, d.member is not null as gone, g.id as cause, l.amount - coalesce(sum(x.amount), 0)::bigint as open
		from claim_line l join claim c on c.id = l.claim left join line_allocation x on x.line = l.id
		left join departure d on d.member = l.member left join member g on g.id = d.cause and g.deleted_at is null
		where l.claim = $1 group by l.id, c.period, d.member, g.id order by l.payee collate "C"`, claim))
	if err != nil {
		return nil, err
	}
	weights := make([]int64, len(lines))
	for i, line := range lines {
		weights[i] = line.Open
	}
	var entries []journal.Entry
	for i, part := range SplitByWeight(amount, weights) {
		if part == 0 {
			continue
		}
		line, to := lines[i], lines[i].Member
		if line.Gone {
			to = line.Cause
		}
		var id int64
		if err := w.QueryRow(ctx, `
			insert into line_allocation (payment, claim, line, amount, member) values ($1, $2, $3, $4, $5) returning id`,
			payment, claim, line.ID, part, to).Scan(&id); err != nil {
			return nil, err
		}
		if line.Member == nil {
			continue
		}
		if !line.Gone {
			w.got = append(w.got, available{allocation: id, member: *line.Member, period: line.Period, amount: part})
		}
		entries = append(entries, single(kindAllocation, id, of(journal.Announced, *line.Member), causeAccount(to), part)...)
	}
	return entries, nil
}
