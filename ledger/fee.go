package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// FeeRate is what this instance keeps of what its payees get, for a month's gifts and all later ones' until another
// rate is set. It is published before its first month begins.
type FeeRate struct {
	Period      string
	BasisPoints int32 // hundredths of a percent
	SetBy       string
	CreatedAt   time.Time
}

// mostBasisPoints is the highest rate: half.
const mostBasisPoints = 5000

// SetFeeRate publishes the rate for a month that hasn't begun; until it has, it may be set anew. FieldError: period
// (form, begun), rate (range). ErrRefused: not an operator.
func (l *Ledger) SetFeeRate(ctx context.Context, operator int64, period string, basisPoints int32) error {
	switch {
	case !ValidPeriod(period):
		return refused("period", "form")
	case basisPoints < 0 || basisPoints > mostBasisPoints:
		return refused("rate", "range")
	}
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		if period <= open {
			return refused("period", "begun")
		}
		_, err = tx.Exec(ctx, `
			insert into fee_rate (period, basis_points, set_by, created_at) values ($1, $2, $3, $4)
			on conflict (period) do update set basis_points = excluded.basis_points, set_by = excluded.set_by, created_at = excluded.created_at`,
			period, basisPoints, operator, tx.at)
		return err
	})
}

// FeeRates lists what was published, the latest month first.
func (l *Ledger) FeeRates(ctx context.Context) ([]FeeRate, error) {
	return rows[FeeRate](l.pool.Query(ctx, `
		select r.period, r.basis_points, m.name as set_by, r.created_at
		from fee_rate r join member m on m.id = r.set_by order by r.period desc`))
}

// FeeRateOf is the rate for a month's gifts in hundredths of a percent; period "" is the open month.
func (l *Ledger) FeeRateOf(ctx context.Context, period string) (rate int32, err error) {
	err = l.pool.QueryRow(ctx, `select `+feeRate(`coalesce(nullif($1, ''), (select period from month where state = 'open'))`), period).Scan(&rate)
	return rate, err
}

// feeRate is the SQL of the rate for a month.
func feeRate(period string) string {
	return `coalesce((select x.basis_points from fee_rate x where x.period <= ` + period + ` order by x.period desc limit 1), 0)`
}

// feeOf is a rate's part of an amount, rounded down.
func feeOf(gross int64, basisPoints int32) int64 {
	part, _ := mulDiv(gross, int64(basisPoints), 10_000)
	return part
}

// available is money of a month that becomes a payee's now: by an earning, or of a claim's line, paid or advanced.
type available struct {
	earning, allocation, advance int64 // one of them
	member                       int64
	period                       string
	amount                       int64
}

// takeFees stores what the fees of payees grow by, and returns what is to be booked for that. Fees are of (payee, month):
// the rate of all that became available, rounded down, less what was taken before. The payees are locked, so that no two
// begin with the same sum.
func (tx *Tx) takeFees(ctx context.Context, all []available) ([]journal.Entry, error) {
	if len(all) == 0 {
		return nil, nil
	}
	rates, err := tx.feeRates(ctx, all)
	if err != nil || len(rates) == 0 {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a available) bool { return rates[a.period] == 0 })
	sums, err := tx.feeSums(ctx, all)
	if err != nil {
		return nil, err
	}
	fees := make([]charged, len(all))
	for i, a := range all {
		key := payeeMonth{a.member, a.period}
		before := sums[key]
		sums[key] += a.amount
		fees[i] = charged{available: a, gross: sums[key], fee: feeOf(sums[key], rates[a.period]) - feeOf(before, rates[a.period])}
	}
	return tx.storeFees(ctx, fees)
}

// charged is what a payee's fee of a month grows by, and what the month's fees are reckoned on from then.
type charged struct {
	available
	gross, fee int64
}

// storeFees stores fees in order and returns what is to be booked for them.
func (tx *Tx) storeFees(ctx context.Context, fees []charged) (entries []journal.Entry, err error) {
	var members, gross, amounts, earnings, allocations, advances []int64
	var periods []string
	for _, f := range fees {
		members, periods, gross, amounts = append(members, f.member), append(periods, f.period), append(gross, f.gross), append(amounts, f.fee)
		earnings, allocations, advances = append(earnings, f.earning), append(allocations, f.allocation), append(advances, f.advance)
	}
	type stored struct{ ID, Member, Amount int64 }
	made, err := rows[stored](tx.Query(ctx, `
		insert into fee (member, period, gross, amount, earning, allocation, advance)
		select member, period, gross, amount, nullif(earning, 0), nullif(allocation, 0), nullif(advance, 0)
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) with ordinality
		  as f (member, period, gross, amount, earning, allocation, advance, n) order by n
		returning id, member, amount`, members, periods, gross, amounts, earnings, allocations, advances))
	for _, f := range made {
		if f.Amount > 0 {
			entries = append(entries, journal.Entry{Kind: kindFee, Ref: f.ID, Phase: journal.Single, Amount: f.Amount,
				Debit: of(journal.Earned, f.Member), Credit: of(journal.Fee, 0)})
		}
	}
	return entries, err
}

// payeeMonth is what a fee is rounded over.
type payeeMonth struct {
	member int64
	period string
}

// feeRates are the rates above nothing of the months of what becomes available.
func (tx *Tx) feeRates(ctx context.Context, all []available) (map[string]int32, error) {
	months := map[string]bool{}
	for _, a := range all {
		months[a.period] = true
	}
	type rate struct {
		Period string
		Rate   int32
	}
	found, err := rows[rate](tx.Query(ctx, `
		select * from (select m.period, `+feeRate("m.period")+` as rate from unnest($1::text[]) as m (period)) r where rate > 0`,
		slices.Sorted(maps.Keys(months))))
	rates := map[string]int32{}
	for _, r := range found {
		rates[r.Period] = r.Rate
	}
	return rates, err
}

// feeSums locks the payees and reads what of their months fees were reckoned on so far.
func (tx *Tx) feeSums(ctx context.Context, all []available) (map[payeeMonth]int64, error) {
	var members []int64
	var periods []string
	for _, a := range all {
		members, periods = append(members, a.member), append(periods, a.period)
	}
	if _, err := tx.Exec(ctx, `
		select from member where id = any($1) order by id for no key update`, members); err != nil {
		return nil, fmt.Errorf("payees: %w", err)
	}
	type sum struct {
		Member int64
		Period string
		Gross  int64
	}
	found, err := rows[sum](tx.Query(ctx, `
		select f.member, f.period, max(f.gross) as gross from fee f
		where f.member = any($1) and f.period = any($2) group by f.member, f.period`, members, periods))
	sums := map[payeeMonth]int64{}
	for _, s := range found {
		sums[payeeMonth{s.Member, s.Period}] = s.Gross
	}
	return sums, err
}
