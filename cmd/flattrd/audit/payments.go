package audit

import (
	"context"
	"fmt"
	"time"
)

const microPerCent = 10_000

// netting is the method by which both sides' claims pay each other.
const netting = "netting"

// payment is a bank transfer between two instances, or a netting.
type payment struct {
	id                       int64
	direction                string
	peer                     int64
	iri                      string
	amount                   int64
	currency, content        string
	method, reference, state string
	received                 *int64
	created                  time.Time
	paid, answered           *time.Time
	adopted                  bool // ours, came back answered after a restore

	allocations []allocation // of claims, oldest first
}

// allocation is what of a payment pays one claim.
type allocation struct {
	payment, claim, amount int64
	confirmed              *int64
}

func (y *payment) at() Finding { return Finding{Table: "payment", Key: fmt.Sprint(y.id)} }

// credited is what of a confirmed payment pays claims.
func (y *payment) credited() int64 { return min(*y.received, y.amount) }

const allPayments = `
	select id, direction, peer, iri, amount, currency, content, method, reference, state, received, created_at, paid_at, answered_at, adopted
	from payment order by id`

// checkPayments reads all payments and holds them to what they pay, and the claims to what pays them.
func (a *auditor) checkPayments(ctx context.Context) error {
	a.payments, a.payIRI = map[int64]*payment{}, map[string]*payment{}
	all := open(ctx, a, "payment", allPayments, func(y *payment) []any {
		return []any{&y.id, &y.direction, &y.peer, &y.iri, &y.amount, &y.currency, &y.content, &y.method, &y.reference, &y.state,
			&y.received, &y.created, &y.paid, &y.answered, &y.adopted}
	})
	if err := all.each(func(y payment) { a.payments[y.id], a.payIRI[y.iri] = &y, &y; a.checkPaymentKey(&y) }); err != nil {
		return err
	}
	allocations, err := a.readAllocations(ctx)
	if err != nil {
		return err
	}
	for _, y := range a.payments {
		a.checkAllocated(y)
	}
	for _, c := range a.claims {
		a.checkPaid(c)
	}
	a.verified("payments", all.count)
	a.verified("allocations of payments to claims", allocations)
	return nil
}

// checkPaymentKey: our payments' ids are made of the bank reference, a peer's stand on its host.
func (a *auditor) checkPaymentKey(y *payment) {
	at := y.at()
	same(a, at, "currency", a.inst.currency, y.currency)
	same(a, at, "content is there", y.direction == "in", y.content != "")
	same(a, at, "received is there", y.state == "confirmed", y.received != nil)
	if y.method == netting && y.received != nil {
		same(a, at, "received", y.amount, *y.received)
	}
	if y.adopted {
		same(a, at, "is ours, and answered", true, y.direction == "out" && y.answered != nil)
	}
	if y.direction == "out" {
		same(a, at, "iri", a.inst.base+"/payments/"+y.reference, y.iri)
	} else if p := a.peers[y.peer]; p == nil || authority(y.iri) != p.host {
		at.Column, at.Expected, at.Found = "iri", fmt.Sprintf("on the host of peer %d", y.peer), y.iri
		a.find(at)
	}
}

func (a *auditor) readAllocations(ctx context.Context) (int64, error) {
	all := open(ctx, a, "allocation", `
		select x.payment, x.claim, x.amount, x.confirmed
		from payment_allocation x left join claim c on c.id = x.claim order by x.payment, c.period, c.n, x.claim`,
		func(x *allocation) []any { return []any{&x.payment, &x.claim, &x.amount, &x.confirmed} })
	err := all.each(func(x allocation) {
		y, c := a.payments[x.payment], a.claims[x.claim]
		if y == nil || c == nil {
			at := x.at()
			at.Expected, at.Found = "of a payment to a claim", "of none"
			a.find(at)
			return
		}
		y.allocations = append(y.allocations, x)
	})
	return all.count, err
}

func (x *allocation) at() Finding {
	return Finding{Table: "payment_allocation", Key: fmt.Sprintf("%d/%d", x.payment, x.claim)}
}

// checkAllocated: a payment is allocated whole, to accepted claims of its peer; what arrived is used up over them,
// oldest first. A netting is so on both sides.
func (a *auditor) checkAllocated(y *payment) {
	total, left := map[string]int64{y.direction: 0}, map[string]int64{}
	if y.method == netting {
		total = map[string]int64{"out": 0, "in": 0}
	}
	if y.received != nil {
		left["out"], left["in"] = y.credited(), y.credited()
	}
	names := ""
	for i := range y.allocations {
		x := &y.allocations[i]
		c, at := a.claims[x.claim], x.at()
		names += fmt.Sprintf(" payment_allocation %d/%d", x.payment, x.claim)
		at.Why = fmt.Sprintf("payment %d, %s %s, pays claim %d", y.id, y.direction, y.state, c.id)
		same(a, at, "direction and peer", y.sideOf(c), fmt.Sprint(c.direction, c.peer))
		same(a, at, "the claim is accepted", true, c.live())
		part := "none"
		if y.state == "confirmed" {
			paid := min(left[c.direction], x.amount)
			left[c.direction] -= paid
			part, c.paid, c.allocated = fmt.Sprint(paid), c.paid+paid, c.allocated+paid
		} else if y.state == "ordered" || y.state == "sent" || y.state == "announced" {
			c.allocated += x.amount
		}
		same(a, at, "confirmed", part, orNone(x.confirmed))
		total[c.direction] += x.amount
		c.payments = append(c.payments, y.id)
	}
	at := y.at()
	at.Why = "its allocations are" + names
	for _, sum := range total {
		same(a, at, "amount", sum, y.amount)
	}
}

// checkPaid: no claim is paid twice, and confirmed is one of which less than a cent is open.
func (a *auditor) checkPaid(c *claim) {
	at := c.at()
	at.Why = fmt.Sprintf("%d of %d is allocated, %d paid", c.allocated, c.amount, c.paid)
	same(a, at, "allocated is at most the amount", true, c.allocated <= c.amount && c.paid <= c.amount)
	if c.live() {
		same(a, at, "state = confirmed", c.amount-c.paid < microPerCent, c.state == "confirmed")
	} else {
		same(a, at, "allocated", 0, c.allocated+c.paid)
	}
}
