package audit

import (
	"context"
	"errors"
	"fmt"
)

// lineAllocation is what of a confirmed payment makes a payee's line available.
type lineAllocation struct{ id, payment, claim, line, amount int64 }

func (x *lineAllocation) at() Finding {
	return Finding{Table: "line_allocation", Key: fmt.Sprint(x.id)}
}

// payable is a line of an incoming claim, and what of it is open.
type payable struct{ id, claim, open int64 }

// checkLineAllocations: what of a claim is confirmed reaches its lines by largest remainder over what each is still
// owed, payment after payment.
func (a *auditor) checkLineAllocations(ctx context.Context) error {
	parts := open(ctx, a, "line_allocation", `select id, payment, claim, line, amount from line_allocation order by claim, id`,
		func(x *lineAllocation) []any { return []any{&x.id, &x.payment, &x.claim, &x.line, &x.amount} })
	owed := open(ctx, a, "payable", `
		select l.id, l.claim, l.amount from claim_line l join claim c on c.id = l.claim
		where c.direction = 'in' and c.state in ('accepted', 'confirmed') order by l.claim, l.payee collate "C"`,
		func(l *payable) []any { return []any{&l.id, &l.claim, &l.open} })
	var mine []payable
	for head := owed.head(); head != nil; head = owed.head() {
		claim := head.claim
		a.strayParts(parts, claim)
		mine = take(owed, mine[:0], func(l *payable) bool { return l.claim == claim })
		a.checkClaimParts(a.claims[claim], mine, take(parts, nil, func(x *lineAllocation) bool { return x.claim == claim }))
	}
	a.strayParts(parts, -1)
	a.verified("allocations of payments to payees", parts.count)
	return errors.Join(parts.close(), owed.close())
}

// strayParts are allocations before a claim (or, with -1, all that is left) that belong to no accepted one.
func (a *auditor) strayParts(parts *cursor[lineAllocation], claim int64) {
	for x := parts.head(); x != nil && (claim < 0 || x.claim < claim); x = parts.head() {
		at := x.at()
		at.Column, at.Expected, at.Found = "claim", "an accepted claim of a peer", fmt.Sprint(x.claim)
		a.find(at)
		parts.next()
	}
}

// checkClaimParts derives a claim's allocations again, in the order in which they were made.
func (a *auditor) checkClaimParts(c *claim, lines []payable, parts []lineAllocation) {
	confirmed := a.confirmedOf(c)
	for _, payment := range a.paymentOrder(parts) {
		made := map[int64]lineAllocation{}
		for _, x := range parts {
			if x.payment == payment {
				if _, twice := made[x.line]; twice {
					at := x.at()
					at.Expected, at.Found, at.Why = "once", "again", fmt.Sprintf("claim_line %d, payment %d", x.line, payment)
					a.find(at)
				}
				made[x.line] = x
			}
		}
		a.checkParts(c, payment, confirmed[payment], lines, made)
		delete(confirmed, payment)
	}
	for payment, amount := range confirmed {
		if amount > 0 {
			a.find(Finding{Table: "line_allocation", Expected: fmt.Sprint(amount), Found: "none",
				Why: fmt.Sprintf("payment_allocation %d/%d is confirmed", payment, c.id)})
		}
	}
}

// confirmedOf is what each payment has confirmed of a claim.
func (a *auditor) confirmedOf(c *claim) map[int64]int64 {
	confirmed := map[int64]int64{}
	for _, id := range c.payments {
		y := a.payments[id]
		for _, x := range y.allocations {
			if x.claim == c.id && y.state == "confirmed" && x.confirmed != nil {
				confirmed[id] = *x.confirmed
			}
		}
	}
	return confirmed
}

// paymentOrder are the payments in the order of their first allocation.
func (a *auditor) paymentOrder(parts []lineAllocation) (order []int64) {
	seen := map[int64]bool{}
	for _, x := range parts {
		if !seen[x.payment] {
			seen[x.payment], order = true, append(order, x.payment)
		}
	}
	return order
}

// checkParts compares one payment's allocations to a claim's lines, and takes them off what is open.
func (a *auditor) checkParts(c *claim, payment, confirmed int64, lines []payable, made map[int64]lineAllocation) {
	weights := make([]int64, len(lines))
	for i, l := range lines {
		weights[i] = l.open
	}
	parts, ok := byWeight(confirmed, weights)
	if !ok {
		parts = make([]int64, len(lines)) // more than is open, which is told of the payment
	}
	for i := range lines {
		l, x := &lines[i], made[lines[i].id]
		why := fmt.Sprintf("claim_line %d, open %d, of payment_allocation %d/%d: %d", l.id, l.open, payment, c.id, confirmed)
		switch {
		case x.id == 0 && parts[i] > 0:
			a.find(Finding{Table: "line_allocation", Expected: fmt.Sprint(parts[i]), Found: "none", Why: why})
		case x.id != 0:
			at := x.at()
			at.Why = why
			same(a, at, "amount", parts[i], x.amount)
		}
		l.open -= parts[i]
		delete(made, l.id)
	}
	for _, x := range made {
		at := x.at()
		at.Column, at.Expected, at.Found, at.Why = "line", "a line of its claim", fmt.Sprint(x.line), fmt.Sprintf("claim %d", c.id)
		a.find(at)
	}
}
