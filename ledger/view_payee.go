package ledger

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Earnings is what a payee was given. Amounts become known when the givers' instances settle.
type Earnings struct {
	Pledged   int64 // flattrs of months that aren't settled or claimed yet: a count, no amount
	Announced int64 // other instances owe it, not paid yet
	Available int64 // may be withdrawn
	Lost      int64 // other instances owed it, and it was written off
	Requested int64 // withdrawal asked for, not paid yet
	Withdrawn int64
	Left      int64  // what members who left gave as their cause; part of what was available
	Ageing    Ageing // of Announced
	Sources   []EarnedFrom
}

// Fee is what this instance kept of all that became available.
func (e Earnings) Fee() (sum int64) {
	for _, s := range e.Sources {
		sum += s.Fee
	}
	return sum
}

// EarnedFrom is what one instance's givers gave in one month.
type EarnedFrom struct {
	Period    string
	Host      string
	Flattrs   int64
	Amount    int64
	Available int64  // of Amount: paid, or advanced by this instance
	Fee       int64  // of Available, what this instance kept
	Lost      int64  // of Amount: written off
	State     string // "available", or the claim's state
}

// Net is what of Available the payee got.
func (e EarnedFrom) Net() int64 { return e.Available - e.Fee }

// Announced is what of Amount is still to come.
func (e EarnedFrom) Announced() int64 { return e.Amount - e.Available - e.Lost }

// Earned reads what a member was given.
func (l *Ledger) Earned(ctx context.Context, by int64) (Earnings, error) {
	var e Earnings
	err := pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead},
		func(tx pgx.Tx) error {
			earned, err := journal.BalanceOf(ctx, tx, of(journal.Earned, by), l.inst.Currency)
			if err != nil {
				return err
			}
			e = Earnings{Available: earned.Free(), Requested: earned.Reserved}
			if err := tx.QueryRow(ctx, earnedCounts, by).Scan(&e.Withdrawn, &e.Pledged, &e.Left); err != nil {
				return err
			}
			e.Sources, err = rows[EarnedFrom](tx.Query(ctx, earnedSources, by, l.inst.Host, ""))
			for _, s := range e.Sources {
				e.Announced, e.Lost = e.Announced+s.Announced(), e.Lost+s.Lost
				e.Ageing.add(s.Period, l.Now(), s.Announced())
			}
			return err
		})
	return e, err
}

const earnedCounts = `
	select coalesce((select sum(amount) from withdrawal where member = $1 and source = 'earned' and state = 'paid'), 0)::bigint,
	  (select count(*) from flattr f join thing t on t.id = f.thing join month m on m.period = f.period
	    where t.member = $1 and f.state in ('accepted', 'held') and (m.state <> 'settled' or f.state = 'accepted' and exists (
	      select from pledge q where q.member = f.giver and q.period = f.period and q.state = 'promised'))) +
	  (select count(distinct (r.giver, r.object, r.period)) from received_flattr r
	    where r.member = $1 and r.undone_at is null and r.answer in ('accept', 'tentative')
	      and not exists (select from claim c where c.direction = 'in' and c.peer = r.peer and c.period = r.period)),
	  (coalesce((select sum(amount) from donation where cause = $1), 0) + coalesce((
	    select sum(a.amount - a.repaid) from line_allocation a join claim_line l on l.id = a.line where a.member = $1 and l.member <> $1), 0))::bigint`

// earnedSources are a month's; $3 ”: all months'.
const earnedSources = `
	select e.period, $2 as host, e.flattrs::bigint, e.amount, e.amount as available,
	  coalesce((select f.amount from fee f where f.earning = e.id), 0) as fee, 0::bigint as lost, 'available' as state
	from earning e where e.member = $1 and ($3 = '' or e.period = $3)
	union all
	select c.period, p.host,
	  (select coalesce(sum((t->>'flattrs')::bigint), 0) from jsonb_array_elements(l.things) t)::bigint,
	  l.amount, (coalesce(x.paid, 0) + coalesce(v.amount, 0) - coalesce(x.repaid, 0))::bigint,
	  (coalesce((select sum(f.amount) from fee f join line_allocation a on a.id = f.allocation where a.line = l.id), 0)
	    + coalesce((select sum(f.amount) from fee f join line_advance a on a.id = f.advance where a.line = l.id), 0))::bigint,
	  (coalesce(w.amount, 0) - coalesce(x.reinstated, 0) - coalesce(w.lost, 0) + coalesce(x.recovered, 0))::bigint, c.state
	from claim_line l join claim c on c.id = l.claim join peer p on p.id = c.peer` + lineParts + `
	where l.member = $1 and c.direction = 'in' and c.state in ('accepted', 'confirmed') and ($3 = '' or c.period = $3)
	order by 1 desc, 2`

// Holdings is all the money of a member that is here, as the account's deletion asks for it.
type Holdings struct {
	Means      int64 // paid in and not given yet, reservations included
	Reserved   int64 // of that, held back for budgets
	Announced  int64
	Earned     int64 // available or being withdrawn
	Unanswered int64 // given in claims that the other side hasn't answered: it may come back
}

// Closable tells whether the account can be closed: nothing is left that a bank could move or that may
// come back.
func (h Holdings) Closable() bool {
	return h.Means < microPerCent && h.Earned < microPerCent && h.Unanswered == 0
}

// Holdings reads all of a member's money.
func (l *Ledger) Holdings(ctx context.Context, by int64) (Holdings, error) {
	var h Holdings
	err := l.tx(ctx, func(tx *Tx) (err error) {
		h, err = tx.holdings(ctx, by)
		return err
	})
	return h, err
}

func (tx *Tx) holdings(ctx context.Context, by int64) (Holdings, error) {
	balances := map[string]journal.Balance{}
	for _, kind := range []string{journal.Means, journal.Announced, journal.Earned} {
		b, err := journal.BalanceOf(ctx, tx, of(kind, by), tx.l.inst.Currency)
		if err != nil {
			return Holdings{}, err
		}
		balances[kind] = b
	}
	var advanced int64
	if err := tx.QueryRow(ctx, `
		select coalesce(sum(coalesce(v.amount, 0) - coalesce(x.repaid, 0) - coalesce(w.lost, 0) + coalesce(x.recovered, 0)), 0)::bigint
		from claim_line l`+lineParts+` where l.member = $1`, by).Scan(&advanced); err != nil {
		return Holdings{}, err
	}
	h := Holdings{Means: balances[journal.Means].Posted, Reserved: balances[journal.Means].Reserved,
		Announced: balances[journal.Announced].Posted - advanced, Earned: balances[journal.Earned].Posted}
	err := tx.QueryRow(ctx, `
		select coalesce(sum(s.amount), 0)::bigint from share s join thing t on t.id = s.thing
		where s.giver = $1 and exists (
		  select from claim c join claim_line l on l.claim = c.id
		  where c.direction = 'out' and c.peer = t.peer and c.period = s.period and not c.adopted
		    and (c.state in ('draft', 'offered') or c.state = 'refused' and l.refused is null)
		    and l.payee = t.payee and l.things @> jsonb_build_array(jsonb_build_object('object', t.iri)))`, by).Scan(&h.Unanswered)
	return h, err
}
