package ledger

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Revenue is a payee's month: what was given in it, by the instances of the givers.
type Revenue struct {
	Month
	Pledged int64 // flattrs of the month that aren't settled or claimed yet: a count, no amount
	// PledgedAmount is about what givers here have promised for the month and not paid yet, in micro-units. It is no
	// money, and in no books.
	PledgedAmount int64
	Withdrawn     int64 // paid out within the month, whatever month it was given in
	Sources       []EarnedFrom
}

// Flattrs is how many of the month have an amount.
func (r Revenue) Flattrs() int64 { return r.sum(func(e EarnedFrom) int64 { return e.Flattrs }) }

// Amount is all that was given; Announced, Available and Lost are the parts of it.
func (r Revenue) Amount() int64    { return r.sum(func(e EarnedFrom) int64 { return e.Amount }) }
func (r Revenue) Announced() int64 { return r.sum(EarnedFrom.Announced) }
func (r Revenue) Available() int64 { return r.sum(func(e EarnedFrom) int64 { return e.Available }) }

// Fee is what this instance kept of what is available, Net the rest.
func (r Revenue) Fee() int64 { return r.sum(func(e EarnedFrom) int64 { return e.Fee }) }
func (r Revenue) Net() int64 { return r.sum(EarnedFrom.Net) }

// Lost is what of Amount was written off.
func (r Revenue) Lost() int64 { return r.sum(func(e EarnedFrom) int64 { return e.Lost }) }

func (r Revenue) sum(of func(EarnedFrom) int64) (total int64) {
	for _, s := range r.Sources {
		total += of(s)
	}
	return total
}

// RevenueThing is what the givers of one instance gave a thing of a payee in a month. Amount is nil where
// it isn't told, so that no single gift shows (protocol §8); the amounts that aren't told of one claim, or
// of this instance's givers, follow together, as a Rest.
type RevenueThing struct {
	Host    string
	State   string // "pledged": not settled or claimed yet; else as in EarnedFrom
	Object  string // the thing's id; "" for a Rest
	Button  string // of ours; "" for what isn't known here
	URL     string
	Title   string
	Flattrs int64 // a Rest's are counted with their things
	Amount  *int64
	Total   int64 // flattrs of the thing in all months; only of RevenueClassic
	Rest    bool
}

// Revenue reads a payee's month, calls head with its sums and then f with its things, those that got most first and rests last; at most so many
// of them, 0 for all, which may be very many. ErrNotFound: there was no such month.
func (l *Ledger) Revenue(ctx context.Context, by int64, period string, most int, head func(Revenue) error, f func(RevenueThing) error) error {
	return l.revenue(ctx, by, period, head, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, revenueThings+`
			select * from (
			  select host, state, object, coalesce(t.button, '') as button, coalesce(t.url, '') as url, coalesce(t.title, '') as title,
			    flattrs, amount, 0::bigint as total, rest
			  from told left join thing t on t.iri = told.object) x
			order by rest, amount desc nulls last, flattrs desc, host, object limit nullif($4, 0)`, by, period, l.inst.Host, most)
		return each(found, err, f)
	})
}

// RevenueClassic reads a payee's month as the first Flattr told it: one line per thing over all givers,
// with the flattrs that it ever got. Pledged flattrs are left out.
func (l *Ledger) RevenueClassic(ctx context.Context, by int64, period string, f func(RevenueThing) error) error {
	return l.revenue(ctx, by, period, func(Revenue) error { return nil }, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, revenueThings+`
			select x.host, x.state, x.object, coalesce(b.id, '') as button, coalesce(t.url, '') as url, coalesce(t.title, '') as title,
			  x.flattrs, x.amount, coalesce(b.flattrs, 0)::bigint as total, x.rest
			from (select '' as host, '' as state, object, sum(flattrs)::bigint as flattrs, sum(amount)::bigint as amount, rest
			  from told where state <> 'pledged' group by object, rest) x
			left join thing t on t.iri = x.object left join lateral (`+buttonQuery+` where b.id = t.button) b on true
			order by x.rest, x.amount desc nulls last, x.flattrs desc, x.object`, by, period, l.inst.Host)
		return each(found, err, f)
	})
}

func (l *Ledger) revenue(ctx context.Context, by int64, period string, head func(Revenue) error, things func(tx pgx.Tx) error) error {
	return l.snapshot(ctx, func(tx pgx.Tx) error {
		month, err := row[Month](tx.Query(ctx, `select `+monthColumns+` from month where period = $1`, period))
		if err != nil {
			return err
		}
		r := Revenue{Month: month}
		start, end := PeriodStart(period), PeriodEnd(period)
		if err := tx.QueryRow(ctx, `
			select coalesce(sum(amount), 0)::bigint from withdrawal
			where member = $1 and source = 'earned' and state = 'paid' and decided_at >= $2 and decided_at < $3`, by, start, end).Scan(&r.Withdrawn); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, revenueThings+` select coalesce(sum(flattrs), 0)::bigint from told where state = 'pledged'`,
			by, period, l.inst.Host).Scan(&r.Pledged); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, pledgedTo, by, period).Scan(&r.PledgedAmount); err != nil {
			return err
		}
		if r.Sources, err = rows[EarnedFrom](tx.Query(ctx, earnedSources, by, l.inst.Host, period)); err != nil {
			return err
		}
		if err := head(r); err != nil {
			return err
		}
		return things(tx)
	})
}

// revenueThings are the lines of payee $1 and month $2, of which $3 is this instance's host. What this
// instance's own givers gave is told as a claim tells it (hideSmall): no amount of a thing with fewer than
// three flattrs, and if those are fewer than three in all, none of the next thing either.
const revenueThings = `
	with given as (
	  select t.iri, coalesce(q.part, 0) as part, count(*) as flattrs, sum(s.amount)::bigint as amount
	  from thing t join flattr f on f.thing = t.id and f.period = $2 and f.state = 'accepted'
	  join share s on s.giver = f.giver and s.thing = f.thing and s.period = $2
	  left join pledge q on q.member = s.giver and q.period = $2
	  where t.member = $1 group by t.iri, coalesce(q.part, 0)),
	ranked as (
	  select *, row_number() over (partition by part order by flattrs, iri collate "C") as place,
	    count(*) filter (where flattrs < 3) over (partition by part) as few,
	    coalesce(sum(flattrs) filter (where flattrs < 3) over (partition by part), 0) as hidden
	  from given),
	source as (
	  select 'part ' || part as claim, $3::text as host, 'available' as state, iri as object, flattrs,
	    case when flattrs < 3 or hidden between 1 and 2 and place = few + 1 then null else amount end as amount,
	    sum(amount) over (partition by part)::bigint as total
	  from ranked
	  union all
	  select l.id::text, p.host, c.state, x->>'object', (x->>'flattrs')::bigint, (x->>'amount')::bigint, l.amount
	  from claim_line l join claim c on c.id = l.claim join peer p on p.id = c.peer
	  cross join lateral jsonb_array_elements(l.things) x
	  where l.member = $1 and c.direction = 'in' and c.period = $2 and c.state in ('accepted', 'confirmed')),
	told as (
	  select host, state, object, flattrs, amount, false as rest from source
	  union all
	  select host, state, '', 0, min(total) - coalesce(sum(amount), 0)::bigint, true from source
	  group by claim, host, state having min(total) > coalesce(sum(amount), 0)
	  union all
	  select $3::text, 'pledged', t.iri, count(*), null, false
	  from thing t join flattr f on f.thing = t.id and f.period = $2 and f.state in ('accepted', 'held')
	  join month m on m.period = f.period and (m.state <> 'settled' or f.state = 'accepted' and exists (
	    select from pledge q where q.member = f.giver and q.period = f.period and q.state = 'promised'))
	  where t.member = $1 group by t.iri
	  union all
	  select p.host, 'pledged', r.object, count(distinct r.giver), null, false
	  from button b join received_flattr r on r.button = b.id and r.period = $2 join peer p on p.id = r.peer
	  where b.owner = $1 and r.undone_at is null and r.answer in ('accept', 'tentative')
	    and not exists (select from claim c where c.direction = 'in' and c.peer = r.peer and c.period = r.period)
	  group by p.host, r.object)`
