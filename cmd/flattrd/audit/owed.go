package audit

import (
	"context"
	"fmt"
)

// checkEarnings: what a month's shares give each member here, and nothing else, is an earning.
func (a *auditor) checkEarnings(ctx context.Context, m *month) error {
	type payee struct {
		member int64
		part   int32
	}
	due := map[payee]sum{}
	for part, sums := range a.partSums() {
		for place, s := range sums {
			if t := a.things[place]; t.member != 0 && s.flattrs > 0 {
				d := due[payee{t.member, part}]
				due[payee{t.member, part}] = sum{d.flattrs + s.flattrs, d.amount + s.amount}
			}
		}
	}
	type earning struct {
		id, flattrs, amount int64
		payee
	}
	all := open(ctx, a, "earning", `select id, member, part, flattrs::bigint, amount from earning where period = '`+m.period+`' order by id`,
		func(e *earning) []any { return []any{&e.id, &e.member, &e.part, &e.flattrs, &e.amount} })
	err := all.each(func(e earning) {
		at := Finding{Table: "earning", Key: fmt.Sprint(e.id), Why: fmt.Sprintf("shares of member %d in part %s", e.member, partOf(m.period, e.part))}
		same(a, at, "flattrs", due[e.payee].flattrs, e.flattrs)
		same(a, at, "amount", due[e.payee].amount, e.amount)
		delete(due, e.payee)
	})
	for of, d := range due {
		if d.amount > 0 {
			a.find(Finding{Table: "earning", Expected: fmt.Sprint(d.amount), Found: "none",
				Why: fmt.Sprintf("shares of member %d in part %s", of.member, partOf(m.period, of.part))})
		}
	}
	a.verified(m.period+": earnings of members here", all.count)
	return err
}

const ownLines = `
	select l.id, l.claim, l.payee, l.member, l.amount, l.things, l.refused
	from claim_line l join claim c on c.id = l.claim
	where c.direction = 'out' and c.supersedes is null and not c.adopted and c.period = '%s' order by l.claim, l.payee collate "C"`

// checkOwed: what a month's shares give members elsewhere stands in our first claims of that month, each thing
// once. What was refused and offered again is held to that by the chain. What came back after a restore was settled
// otherwise, and is held to its signed offer alone.
func (a *auditor) checkOwed(ctx context.Context, m *month) error {
	claimed := map[int32][]bool{}
	all := open(ctx, a, "line", fmt.Sprintf(ownLines, m.period), (*line).fields)
	if err := all.each(func(l line) {
		part := a.claims[l.claim].part
		if claimed[part] == nil {
			claimed[part] = make([]bool, len(a.things))
		}
		a.checkOwedLine(&l, a.sumsIn(part), claimed[part])
	}); err != nil {
		return err
	}
	for part, sums := range a.partSums() {
		for place, s := range sums {
			if t := a.things[place]; t.peer != 0 && s.amount > 0 && (claimed[part] == nil || !claimed[part][place]) {
				a.find(Finding{Table: "claim_line", Expected: fmt.Sprintf("%d for %s", s.amount, t.payee), Found: "none",
					Why: fmt.Sprintf("shares of thing %s in part %s", t.iri, partOf(m.period, part))})
			}
		}
	}
	a.verified(m.period+": lines for members elsewhere", all.count)
	return nil
}

func (a *auditor) checkOwedLine(l *line, sums []sum, claimed []bool) {
	at := Finding{Table: "claim_line", Key: fmt.Sprint(l.id), Why: fmt.Sprintf("shares behind a line of claim %d", l.claim)}
	things, err := a.readLineThings(l.things)
	if err != nil {
		return // is told already
	}
	total, hidden, flattrs, before := int64(0), int64(0), int64(0), ""
	for _, t := range things {
		if t.place < 0 || a.things[t.place].peer != a.claims[l.claim].peer || a.things[t.place].payee != l.payee ||
			claimed[t.place] || t.object <= before {
			at.Column, at.Expected, at.Found = "things", "things of "+l.payee+", sorted, each once", t.object
			a.find(at)
			continue
		}
		claimed[t.place], before = true, t.object
		s := sums[t.place]
		same(a, at, "things: flattrs of "+t.object, s.flattrs, t.flattrs)
		total, flattrs = total+s.amount, flattrs+s.flattrs
		if t.amount == untold {
			hidden += s.flattrs
		} else {
			same(a, at, "things: amount of "+t.object, s.amount, t.amount)
		}
	}
	same(a, at, "amount", total, l.amount)
	if (hidden == 1 || hidden == 2) && hidden < flattrs { // one gift could be found by subtraction
		at.Column, at.Expected, at.Found = "things", "none, or at least three flattrs without an amount", fmt.Sprint(hidden)
		a.find(at)
	}
}

// checkSettlements: a settled month has its totals, and no other month is settled.
func (a *auditor) checkSettlements(ctx context.Context) error {
	type settlement struct {
		period, stage                         string
		givers, done, flattrs, amount, rolled int64
		ended                                 bool
	}
	seen := map[string]bool{}
	all := open(ctx, a, "settlement", `
		select period, stage, givers, done, flattrs, amount, rolled, ended_at is not null from settlement order by period`,
		func(s *settlement) []any {
			return []any{&s.period, &s.stage, &s.givers, &s.done, &s.flattrs, &s.amount, &s.rolled, &s.ended}
		})
	err := all.each(func(s settlement) {
		seen[s.period] = true
		m := a.monthAt[s.period]
		if m == nil {
			return // is told already
		}
		at := Finding{Table: "settlement", Key: s.period, Why: "month " + m.state}
		if same(a, at, "stage = settled", m.state == "settled", s.stage == "settled"); m.state != "settled" {
			return
		}
		at.Why = "budgets, flattrs and shares of the month"
		for _, c := range []struct {
			column       string
			want, amount int64
		}{{"givers", m.givers, s.givers}, {"done", m.givers, s.done}, {"flattrs", m.flattrs, s.flattrs},
			{"amount", m.given, s.amount}, {"rolled", m.rolls, s.rolled}} {
			same(a, at, c.column, c.want, c.amount)
		}
	})
	for _, m := range a.months {
		if m.state == "settled" && !seen[m.period] {
			a.find(Finding{Table: "settlement", Key: m.period, Expected: "a row", Found: "none", Why: "the month is settled"})
		}
	}
	a.verified("settlements", all.count)
	return err
}
