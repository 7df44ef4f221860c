package audit

import (
	"context"
	"fmt"
	"math/bits"
)

// gain is money that became available to a payee, and the fee of it.
type gain struct {
	what           string // "earning 5"
	member, amount int64
	period         string
	fee, feeMember int64
	feePeriod      string
	gross, taken   int64
	rate           int64 // hundredths of a percent, of the fee's month
}

const allGains = `
	select coalesce(i.what, ''), coalesce(i.member, 0), coalesce(i.amount, 0), coalesce(i.period, ''),
	  coalesce(f.id, 0), coalesce(f.member, 0), coalesce(f.period, ''), coalesce(f.gross, 0), coalesce(f.amount, 0),
	  coalesce((select r.basis_points from fee_rate r where r.period <= coalesce(i.period, f.period) order by r.period desc limit 1), 0)
	from (
	  select 'earning ' || id as what, member, amount, period from earning
	  union all
	  select 'line_allocation ' || x.id, l.member, x.amount - x.repaid, c.period
	  from line_allocation x join claim_line l on l.id = x.line and l.member = x.member join claim c on c.id = l.claim
	  where x.amount > x.repaid
	  union all
	  select 'line_advance ' || x.id, l.member, x.amount, c.period
	  from line_advance x join claim_line l on l.id = x.line join claim c on c.id = l.claim) i
	full join (select *, coalesce('earning ' || earning, 'line_allocation ' || allocation, 'line_advance ' || advance) as what from fee) f on f.what = i.what
	order by coalesce(f.member, i.member), coalesce(f.period, i.period), f.gross nulls last, i.what`

// checkFees: at each gain the fee grows to the rate of all gains of the payee's month, rounded down.
func (a *auditor) checkFees(ctx context.Context) error {
	all := open(ctx, a, "gain", allGains, func(g *gain) []any {
		return []any{&g.what, &g.member, &g.amount, &g.period, &g.fee, &g.feeMember, &g.feePeriod, &g.gross, &g.taken, &g.rate}
	})
	var member, gross int64
	var period string
	err := all.each(func(g gain) {
		if g.fee == 0 {
			if g.rate > 0 {
				a.find(Finding{Table: "fee", Expected: fmt.Sprintf("one for %s", g.what), Found: "none", Why: "a rate is set for " + g.period})
			}
			return
		}
		if g.feeMember != member || g.feePeriod != period {
			member, period, gross = g.feeMember, g.feePeriod, 0
		}
		at := Finding{Table: "fee", Key: fmt.Sprint(g.fee), Why: fmt.Sprintf("of %s: %d for member %d in %s, after %d", g.what, g.amount, g.member, g.period, gross)}
		same(a, at, "rate is set", true, g.rate > 0)
		same(a, at, "member", g.member, g.feeMember)
		same(a, at, "period", g.period, g.feePeriod)
		same(a, at, "gross", gross+g.amount, g.gross)
		same(a, at, "amount", part(g.gross, g.rate)-part(gross, g.rate), g.taken)
		gross = g.gross
	})
	a.verified("fees of what became available to payees", all.count)
	return err
}

// part is so many hundredths of a percent of an amount, rounded down.
func part(amount, rate int64) int64 {
	high, low := bits.Mul64(uint64(amount), uint64(rate))
	if high >= 10_000 {
		return -1
	}
	q, _ := bits.Div64(high, low, 10_000)
	return int64(q)
}
