package audit

import (
	"context"
	"fmt"
	"time"
)

// departure is how a member left: where what is left is paid to, or whose it is; cause 0 is the instance's.
type departure struct {
	cause int64
	at    time.Time
}

// readDepartures reads them; who left has one, and nobody else.
func (a *auditor) readDepartures(ctx context.Context) error {
	a.departures = map[int64]departure{}
	type row struct {
		member int64
		departure
	}
	all := open(ctx, a, "departure", `select member, coalesce(cause, 0), created_at from departure order by member`,
		func(r *row) []any { return []any{&r.member, &r.cause, &r.at} })
	err := all.each(func(r row) {
		a.departures[r.member] = r.departure
		at := Finding{Table: "departure", Key: fmt.Sprint(r.member), Why: "its member has left"}
		left := a.members[r.member].deleted
		same(a, at, "created_at", instantOf(left), instantOf(&r.at))
	})
	for id, m := range a.members {
		if _, said := a.departures[id]; m.deleted != nil && !said {
			a.find(Finding{Table: "departure", Expected: "one", Found: "none", Why: fmt.Sprintf("member %d has left", id)})
		}
	}
	a.verified("departures of members", all.count)
	return err
}

func instantOf(t *time.Time) string {
	if t == nil {
		return "none"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// checkHeir: what was a leaver's became the named cause's, or the instance's if that one had left too. Those who leave
// at the very instant may be taken either way.
func (a *auditor) checkHeir(at Finding, d departure, heir int64, when time.Time) {
	named := a.members[d.cause].deleted
	gone := d.cause == 0 || named != nil && !named.After(when)
	here := d.cause != 0 && (named == nil || !named.Before(when))
	if heir == 0 && gone || heir != 0 && heir == d.cause && here {
		return
	}
	at.Column, at.Expected, at.Found = "cause", fmt.Sprint(d.cause), fmt.Sprint(heir)
	a.find(at)
}

// donation is a row of donation; cause 0 is the instance's.
type donation struct {
	id             int64
	source, period string
	member, cause  int64
	amount         int64
	at             time.Time
}

// checkDonations: what no flattr took of a settled month's budgets went to the cause, if the month's policy is so; what
// somebody left goes where was said.
func (a *auditor) checkDonations(ctx context.Context) error {
	given := map[string]bool{}
	all := open(ctx, a, "donation", `
		select id, source, coalesce(period, ''), coalesce(member, 0), coalesce(cause, 0), amount, created_at from donation order by id`,
		func(d *donation) []any {
			return []any{&d.id, &d.source, &d.period, &d.member, &d.cause, &d.amount, &d.at}
		})
	err := all.each(func(d donation) {
		at := Finding{Table: "donation", Key: fmt.Sprint(d.id)}
		if d.source == "unused" {
			given[d.period] = true
			at.Why = "budgets of " + d.period + " without an accepted flattr"
			same(a, at, "amount", a.unusedOf(d.period), d.amount)
			return
		}
		from, left := a.departures[d.member]
		at.Why = fmt.Sprintf("member %d left it", d.member)
		if same(a, at, "member has left", true, left && !d.at.Before(from.at)); left {
			a.checkHeir(at, from, d.cause, d.at)
		}
	})
	for _, m := range a.months {
		if want := a.unusedOf(m.period); want > 0 && !given[m.period] {
			a.find(Finding{Table: "donation", Expected: fmt.Sprint(want), Found: "none", Why: "budgets of " + m.period + " without an accepted flattr"})
		}
	}
	a.verified("donations to causes", all.count)
	return err
}

// unusedOf is what a month's policy gives to the cause.
func (a *auditor) unusedOf(period string) int64 {
	if m := a.monthAt[period]; m != nil && m.state == "settled" && m.unused == "cause" {
		return m.rolls
	}
	return 0
}

// checkHeirs: an allocation to a line is its payee's, or after the payee left the cause's.
func (a *auditor) checkHeirs(ctx context.Context) error {
	type heir struct {
		id, payee, member int64
		at                *time.Time
	}
	all := open(ctx, a, "heir", `
		select x.id, coalesce(l.member, 0), coalesce(x.member, 0), y.answered_at
		from line_allocation x left join claim_line l on l.id = x.line left join payment y on y.id = x.payment
		where l.member is distinct from x.member or l.member in (select member from departure) order by x.id`,
		func(h *heir) []any { return []any{&h.id, &h.payee, &h.member, &h.at} })
	return all.each(func(h heir) {
		at := Finding{Table: "line_allocation", Key: fmt.Sprint(h.id), Why: fmt.Sprintf("its line is member %d's", h.payee)}
		d, left := a.departures[h.payee]
		switch {
		case h.at == nil:
		case h.member == h.payee:
			same(a, at, "member is still here", true, !left || !d.at.Before(*h.at))
		case !left || d.at.After(*h.at):
			same(a, at, "member", h.payee, h.member)
		default:
			a.checkHeir(at, d, h.member, *h.at)
		}
	})
}
