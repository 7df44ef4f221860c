package ledger

import (
	"context"
	"time"
)

// Ageing is what is owed by how long its month is over, in micro-units: at most 30 days, 60, 90, or longer.
type Ageing struct{ To30, To60, To90, Over90 int64 }

// Sum is all of it.
func (a Ageing) Sum() int64 { return a.To30 + a.To60 + a.To90 + a.Over90 }

// Late is what is owed for longer than 30 days.
func (a Ageing) Late() int64 { return a.Sum() - a.To30 }

// add puts what is owed for a month where it belongs at a time.
func (a *Ageing) add(period string, at time.Time, amount int64) {
	switch days := int(at.Sub(PeriodEnd(period)) / (24 * time.Hour)); {
	case days <= 30:
		a.To30 += amount
	case days <= 60:
		a.To60 += amount
	case days <= 90:
		a.To90 += amount
	default:
		a.Over90 += amount
	}
}

// Ageings tells of each peer that owes something, by host, since when: what isn't paid and not written off.
func (l *Ledger) Ageings(ctx context.Context) (map[string]Ageing, error) {
	type owed struct {
		Host, Period string
		Open         int64
	}
	all, err := rows[owed](l.pool.Query(ctx, `
		select p.host, c.period, sum(c.amount - coalesce(x.paid, 0) + coalesce(x.reinstated, 0) - coalesce(w.amount, 0))::bigint as open
		from claim c join peer p on p.id = c.peer
		left join (select claim, sum(amount) as paid, sum(reinstated) as reinstated from line_allocation group by claim) x on x.claim = c.id
		left join (select l.claim, sum(y.amount) as amount from write_off_line y join claim_line l on l.id = y.line group by l.claim) w on w.claim = c.id
		where c.direction = 'in' and c.state in ('accepted', 'confirmed') group by p.host, c.period`))
	ageings := map[string]Ageing{}
	for _, o := range all {
		a := ageings[o.Host]
		a.add(o.Period, l.Now(), o.Open)
		ageings[o.Host] = a
	}
	return ageings, err
}
