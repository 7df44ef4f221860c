package audit

import (
	"context"
	"errors"
	"fmt"
)

// payable is a line of an incoming claim: what of it is open, and what of that is advanced, written off and lost.
type payable struct{ id, claim, member, open, advanced, written, lost int64 }

// checkLineAllocations: what of a claim is confirmed reaches its lines by largest remainder over what each is still
// owed, payment after payment.
func (a *auditor) checkLineAllocations(ctx context.Context) error {
	if err := a.readAdvances(ctx); err != nil {
		return err
	}
	parts := open(ctx, a, "step", allSteps, (*step).fields)
	owed := open(ctx, a, "payable", `
		select l.id, l.claim, coalesce(l.member, 0), l.amount from claim_line l join claim c on c.id = l.claim
		where c.direction = 'in' and c.state in ('accepted', 'confirmed') order by l.claim, l.payee collate "C"`,
		func(l *payable) []any { return []any{&l.id, &l.claim, &l.member, &l.open} })
	var mine []payable
	for head := owed.head(); head != nil; head = owed.head() {
		claim := head.claim
		a.strayParts(parts, claim)
		mine = take(owed, mine[:0], func(l *payable) bool { return l.claim == claim })
		a.checkClaimParts(a.claims[claim], mine, take(parts, nil, func(x *step) bool { return x.claim == claim }))
	}
	a.strayParts(parts, -1)
	a.checkHeads()
	a.verified("allocations of payments, advances and write-offs to payees", parts.count)
	return errors.Join(parts.close(), owed.close())
}

// strayParts are allocations before a claim (or, with -1, all that is left) that belong to no accepted one.
func (a *auditor) strayParts(parts *cursor[step], claim int64) {
	for x := parts.head(); x != nil && (claim < 0 || x.claim < claim); x = parts.head() {
		at := x.at()
		at.Column, at.Expected, at.Found = "claim", "an accepted claim of a peer", fmt.Sprint(x.claim)
		a.find(at)
		parts.next()
	}
}

// checkClaimParts derives again what happened to a claim's lines, in the order in which it did.
func (a *auditor) checkClaimParts(c *claim, lines []payable, parts []step) {
	confirmed := a.confirmedOf(c)
	for _, stage := range stages(parts) {
		made, of := a.once(stage), stage[0].of
		switch v, o := a.advances[of], a.writeOffs[of]; {
		case stage[0].table == "line_allocation":
			a.checkParts(c, of, confirmed[of], lines, made)
			delete(confirmed, of)
		case stage[0].table == "line_advance" && v != nil && v.claim == c.id:
			a.checkAdvance(c, v, lines, made)
		case stage[0].table == "write_off_line" && o != nil:
			a.checkWritten(c, o, lines, made)
		default:
			a.leftOver(c, made)
		}
	}
	for _, l := range lines {
		a.advanced[c.peer] += l.advanced - l.lost
		a.written[c.peer] += l.written
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

// checkParts compares one payment's allocations to a claim's lines, and takes them off what is open: each line's part
// pays back what was advanced, and brings back what was written off.
func (a *auditor) checkParts(c *claim, payment, confirmed int64, lines []payable, made map[int64]step) {
	weights := make([]int64, len(lines))
	for i, l := range lines {
		weights[i] = l.open
	}
	parts, ok := byWeight(confirmed, weights)
	if !ok {
		parts = make([]int64, len(lines)) // more than is open, which is told of the payment
	}
	for i := range lines {
		l := &lines[i]
		want := step{amount: parts[i], repaid: min(parts[i], l.advanced), reinstated: min(parts[i], l.written)}
		want.recovered = min(want.repaid, l.lost)
		a.compareStep(made, l.id, "line_allocation",
			fmt.Sprintf("claim_line %d, open %d, of payment_allocation %d/%d: %d", l.id, l.open, payment, c.id, confirmed), want)
		l.open, l.advanced = l.open-want.amount, l.advanced-want.repaid
		l.written, l.lost = l.written-want.reinstated, l.lost-want.recovered
	}
	a.leftOver(c, made)
}
