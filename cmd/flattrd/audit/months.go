package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// reservation, click, share and giveBack are rows of one giver in one month.
type reservation struct {
	id, member, amount int64
	state              string
	made               time.Time
}

type click struct {
	id           [16]byte
	giver, thing int64
	state        string
}

type share struct{ giver, thing, amount int64 }

type giveBack struct{ id, giver, thing, claim, amount int64 }

// giver is all that one giver has in one month.
type giver struct {
	id       int64
	pledge   *pledge
	reserved []reservation
	clicks   []click
	shares   []share
	returns  []giveBack
}

// monthRows are a month's rows, each in order of the givers.
type monthRows struct {
	pledges  *cursor[pledge]
	reserved *cursor[reservation]
	clicks   *cursor[click]
	shares   *cursor[share]
	returns  *cursor[giveBack]
}

// checkMonths derives every month again, one after the other.
func (a *auditor) checkMonths(ctx context.Context) error {
	if err := a.checkStray(ctx); err != nil {
		return err
	}
	for i := range a.months {
		m := &a.months[i]
		clear(a.sums)
		a.later = map[int32][]sum{}
		if err := a.checkGivers(ctx, m); err != nil {
			return err
		}
		if m.state != "settled" {
			continue
		}
		if err := a.checkEarnings(ctx, m); err != nil {
			return err
		}
		if err := a.checkOwed(ctx, m); err != nil {
			return err
		}
	}
	if err := a.checkSettlements(ctx); err != nil {
		return err
	}
	return a.checkDonations(ctx)
}

// checkStray finds what is of no month. A foreign key forbids it for most tables, and for shares nothing does.
func (a *auditor) checkStray(ctx context.Context) error {
	for _, t := range [...][2]string{
		{"share", `concat_ws('/', x.giver, x.thing, x.period)`}, {"share_return", `x.id::text`}, {"reservation", `x.id::text`},
		{"flattr", `concat_ws('/', x.id, x.period)`}, {"pledge", `concat_ws('/', x.period, x.member)`}, {"earning", `x.id::text`}, {"settlement", `x.period`},
	} {
		type stray struct{ key, period string }
		all := open(ctx, a, "stray", `select `+t[1]+`, x.period from `+t[0]+` x
			where not exists (select from month m where m.period = x.period) order by 1`,
			func(s *stray) []any { return []any{&s.key, &s.period} })
		if err := all.each(func(s stray) {
			a.find(Finding{Table: t[0], Key: s.key, Column: "period", Expected: "a month", Found: s.period})
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) openMonth(ctx context.Context, m *month) monthRows {
	of := fmt.Sprintf(` where period = '%s' `, m.period)
	return monthRows{
		pledges: open(ctx, a, "pledge", pledgeFields+of+`order by member`, (*pledge).fields),
		reserved: open(ctx, a, "reservation", `select id, member, amount, state, created_at from reservation`+of+`order by member, id`,
			func(r *reservation) []any { return []any{&r.id, &r.member, &r.amount, &r.state, &r.made} }),
		clicks: open(ctx, a, "flattr", `select id, giver, thing, state from flattr`+of+`and state <> 'undone' order by giver, thing`,
			func(c *click) []any { return []any{&c.id, &c.giver, &c.thing, &c.state} }),
		shares: open(ctx, a, "share", `select giver, thing, amount from share`+of+`order by giver, thing`,
			func(s *share) []any { return []any{&s.giver, &s.thing, &s.amount} }),
		returns: open(ctx, a, "return", `select id, giver, thing, claim, amount from share_return`+of+`order by giver, thing, id`,
			func(g *giveBack) []any { return []any{&g.id, &g.giver, &g.thing, &g.claim, &g.amount} }),
	}
}

// checkGivers goes through a month giver by giver.
func (a *auditor) checkGivers(ctx context.Context, m *month) error {
	rows, reserving := a.openMonth(ctx, m), false
	if err := a.tx.QueryRow(ctx, `select exists (select from reserving where period = $1)`, m.period).Scan(&reserving); err != nil {
		return err
	}
	if m.state == "open" && m.funding == "pledge" {
		m.promises.of = map[int64]int64{}
	}
	var g giver
	for rows.next(&g) {
		if a.checkGiver(m, &g); m.state == "settled" {
			a.derive(m, &g)
		} else {
			a.checkWaiting(m, &g, reserving)
		}
	}
	a.checkBudgets(m, reserving)
	a.checkCollections(m)
	if m.funding == "pledge" {
		a.verified(m.period+": pledges", rows.pledges.count)
	}
	a.verified(m.period+": flattrs", rows.clicks.count)
	a.verified(m.period+": shares", rows.shares.count)
	a.verified(m.period+": reservations", rows.reserved.count)
	a.verified(m.period+": returned shares", rows.returns.count)
	return errors.Join(rows.pledges.close(), rows.reserved.close(), rows.clicks.close(), rows.shares.close(), rows.returns.close())
}

// next collects the rows of the next giver; false after the last.
func (r *monthRows) next(g *giver) bool {
	first := int64(0)
	found := false
	least := func(id int64) {
		if !found || id < first {
			first, found = id, true
		}
	}
	if h := r.pledges.head(); h != nil {
		least(h.member)
	}
	if h := r.reserved.head(); h != nil {
		least(h.member)
	}
	if h := r.clicks.head(); h != nil {
		least(h.giver)
	}
	if h := r.shares.head(); h != nil {
		least(h.giver)
	}
	if h := r.returns.head(); h != nil {
		least(h.giver)
	}
	if !found {
		return false
	}
	g.id, g.pledge = first, nil
	for _, p := range take(r.pledges, nil, func(p *pledge) bool { return p.member == first }) {
		g.pledge = &p
	}
	g.reserved = take(r.reserved, g.reserved[:0], func(r *reservation) bool { return r.member == first })
	g.clicks = take(r.clicks, g.clicks[:0], func(c *click) bool { return c.giver == first })
	g.shares = take(r.shares, g.shares[:0], func(s *share) bool { return s.giver == first })
	g.returns = take(r.returns, g.returns[:0], func(g *giveBack) bool { return g.giver == first })
	return true
}

// take appends the rows at a cursor's head as long as they are the wanted ones.
func take[T any](c *cursor[T], into []T, wanted func(*T) bool) []T {
	for h := c.head(); h != nil && wanted(h); h = c.head() {
		into = append(into, *h)
		c.next()
	}
	return into
}
