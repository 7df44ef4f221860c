package audit

import (
	"context"
	"fmt"
	"time"
)

// reversal takes a deposit back: what its giver hadn't given yet, and the rest as the instance's loss.
type reversal struct {
	id, deposit, taken, lost     int64
	reservation, lowered         *int64
	made                         time.Time
	member, amount, reservations int64 // the deposit's; the reservation's member
	paidIn                       *time.Time
}

// readReversals reads them, each held to its deposit. They say which reservations were lowered.
func (a *auditor) readReversals(ctx context.Context) error {
	a.lowered = map[int64]reversal{}
	all := open(ctx, a, "reversal", `
		select v.id, v.deposit, v.taken, v.lost, v.reservation, v.lowered, v.created_at,
		  coalesce(d.member, 0), coalesce(d.amount, 0), d.created_at, coalesce(r.member, 0)
		from reversal v left join deposit d on d.id = v.deposit left join reservation r on r.id = v.reservation order by v.id`,
		func(v *reversal) []any {
			return []any{&v.id, &v.deposit, &v.taken, &v.lost, &v.reservation, &v.lowered, &v.made,
				&v.member, &v.amount, &v.paidIn, &v.reservations}
		})
	err := all.each(func(v reversal) {
		at := Finding{Table: "reversal", Key: fmt.Sprint(v.id), Why: fmt.Sprintf("it takes back deposit %d", v.deposit)}
		same(a, at, "taken + lost", v.amount, v.taken+v.lost)
		same(a, at, "is after the deposit", true, v.paidIn != nil && !v.made.Before(*v.paidIn))
		if v.reservation == nil || v.lowered == nil {
			return
		}
		same(a, at, "reservation: member", v.member, v.reservations)
		same(a, at, "lowered is within taken", true, *v.lowered <= v.taken)
		a.lowered[*v.reservation] = v
	})
	a.verified("reversals of deposits", all.count)
	return err
}

// checkPlaces: a giver's reservations of a month take each other's place, in order. A later one is larger, unless a
// reversal has lowered it by what it says; only the last holds.
func (a *auditor) checkPlaces(g *giver) {
	for i, r := range g.reserved {
		at := Finding{Table: "reservation", Key: fmt.Sprint(r.id), Why: fmt.Sprintf("of member %d, the last of the month", g.id)}
		next := int64(0)
		if i+1 < len(g.reserved) {
			next = g.reserved[i+1].amount
			at.Why = fmt.Sprintf("of member %d, and then reservation %d", g.id, g.reserved[i+1].id)
		}
		v, lowered := a.lowered[r.id]
		if !lowered {
			same(a, at, "state = released", next > 0, r.state == "released")
			same(a, at, "is less than the one in its place", true, next == 0 || next > r.amount)
			continue
		}
		at.Why += fmt.Sprintf("; lowered by reversal %d", v.id)
		same(a, at, "state", "released", r.state)
		if rest := r.amount - *v.lowered; rest != 0 {
			same(a, at, "amount of the one in its place", rest, next)
		}
	}
}
