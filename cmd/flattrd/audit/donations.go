package audit

import (
	"context"
	"fmt"
)

// checkDonations: what no flattr took of a settled month's budgets went to the cause, if the month's policy is so.
func (a *auditor) checkDonations(ctx context.Context) error {
	type donation struct {
		id     int64
		period string
		amount int64
	}
	given := map[string]bool{}
	all := open(ctx, a, "donation", `select id, period, amount from donation order by period`,
		func(d *donation) []any { return []any{&d.id, &d.period, &d.amount} })
	err := all.each(func(d donation) {
		given[d.period] = true
		at := Finding{Table: "donation", Key: fmt.Sprint(d.id), Why: "budgets of " + d.period + " without an accepted flattr"}
		want := int64(0)
		if m := a.monthAt[d.period]; m != nil && m.state == "settled" && m.unused == "cause" {
			want = m.rolls
		}
		same(a, at, "amount", want, d.amount)
	})
	for _, m := range a.months {
		if m.state == "settled" && m.unused == "cause" && m.rolls > 0 && !given[m.period] {
			a.find(Finding{Table: "donation", Expected: fmt.Sprint(m.rolls), Found: "none", Why: "budgets of " + m.period + " without an accepted flattr"})
		}
	}
	a.verified("donations to the cause", all.count)
	return err
}
