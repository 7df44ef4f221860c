package ledger

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// InstanceMonth is what a month came to on this instance, for its operator; amounts are micro-units.
type InstanceMonth struct {
	Month
	Givers   int64 // whose budgets were reserved
	Flattrs  int64 // that got a share
	Reserved int64 // of all givers; Shared, Rolled and Donated are the parts of it
	Shared   int64
	Rolled   int64 // no flattr took it, and it stayed its givers'
	Donated  int64 // … or went to the instance's cause
	Earned   int64 // of Shared, to members here
	Claimed  int64 // of Shared, to other instances' members, as it was first claimed
	Fee      int64 // kept here of what was given to members in this month, by anybody's givers
	Returned int64 // of Claimed, what came back to its givers
	Pledges  Pledges
}

// ClaimPayment is the part of a payment that pays one of the month's claims.
type ClaimPayment struct {
	Direction string // out | in: the claim's
	Method    string // "netting": no bank moved anything
	Host      string
	Reference string
	N         int32 // the claim's number among its peer's of that month
	State     string
	Amount    int64
	Confirmed *int64 // of Amount, once the payee's side has answered
}

// InstanceMonth reads a month: it calls head with the sums, then claim with each of its claims and payment
// with what pays them; at most so many of either, 0 for all. Peers make as many as they like, so they may be
// very many. ErrNotFound: there was no such month.
func (l *Ledger) InstanceMonth(ctx context.Context, period string, most int, head func(InstanceMonth) error,
	claim func(Claim) error, payment func(ClaimPayment) error) error {
	return l.snapshot(ctx, func(tx pgx.Tx) error {
		month, err := row[Month](tx.Query(ctx, `select `+monthColumns+` from month where period = $1`, period))
		if err != nil {
			return err
		}
		v := InstanceMonth{Month: month}
		if err := tx.QueryRow(ctx, instanceSums, period).Scan(&v.Givers, &v.Reserved, &v.Flattrs, &v.Shared, &v.Rolled,
			&v.Earned, &v.Claimed, &v.Fee, &v.Returned); err != nil {
			return err
		}
		if v.Pledges, err = l.pledgesIn(ctx, tx, month); err != nil {
			return err
		}
		if v.Unused == UnusedCause {
			v.Rolled, v.Donated = 0, v.Rolled
		}
		if err := head(v); err != nil {
			return err
		}
		claims, err := tx.Query(ctx, claimQuery+`
			where c.period = $1 order by c.direction desc, p.host, c.n limit nullif($2, 0)`, period, most)
		if err := each(claims, err, claim); err != nil {
			return err
		}
		payments, err := tx.Query(ctx, `
			select c.direction, y.method, p.host, y.reference, c.n, y.state, a.amount, a.confirmed
			from claim c join payment_allocation a on a.claim = c.id join payment y on y.id = a.payment join peer p on p.id = y.peer
			where c.period = $1 order by c.direction desc, p.host, y.id, c.n limit nullif($2, 0)`, period, most)
		return each(payments, err, payment)
	})
}

const instanceSums = `
	select (select count(*) from reservation where period = $1 and state <> 'released'),
	  (select coalesce(sum(amount), 0) from reservation where period = $1 and state <> 'released')::bigint,
	  coalesce(s.flattrs, 0), coalesce(s.amount, 0), coalesce(s.rolled, 0),
	  (select coalesce(sum(amount), 0) from earning where period = $1)::bigint,
	  (select coalesce(sum(amount), 0) from claim where period = $1 and direction = 'out' and supersedes is null and not adopted)::bigint,
	  (select coalesce(sum(amount), 0) from fee where period = $1)::bigint,
	  (select coalesce(sum(amount), 0) from share_return where period = $1)::bigint
	from month m left join settlement s on s.period = m.period and s.stage = 'settled' where m.period = $1`

// Around are the months before and after one, "" where there is none; of settled ones only, if that is
// asked for.
func (l *Ledger) Around(ctx context.Context, period string, settled bool) (before, after string, err error) {
	err = l.pool.QueryRow(ctx, `
		select coalesce(max(period) filter (where period < $1), ''), coalesce(min(period) filter (where period > $1), '')
		from month m where `+forGood+` or not $2`, period, settled).Scan(&before, &after)
	return before, after, err
}
