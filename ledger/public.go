package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// PublicTotals are a settled month's sums over the whole instance, in micro-units, as anybody may read
// them. No sum is over fewer than three members (fewest), nor shows such a sum by subtraction, from another
// sum or from an earlier reading: what would is nil. The settlement's never change; those of claims follow
// their states, and UpdatedAt says when that was last.
type PublicTotals struct {
	Period    string
	SettledAt time.Time
	UpdatedAt time.Time
	Givers    int64  // whose budgets were reserved: a count, always told
	Reserved  *int64 // = Shared + Rolled
	Shared    *int64 // = Here + Elsewhere
	Rolled    *int64
	Flattrs   *int64 // that got a share; told with Shared
	Here      *int64 // to members of this instance
	Elsewhere *int64 // to other instances' members, = Offered + Accepted + Confirmed + Returned
	Offered   *int64 // claims on us that wait for the other side's answer
	Accepted  *int64 // … that are owed
	Confirmed *int64 // … that are paid
	Returned  *int64 // what was refused there and came back to its givers
	Owed      *int64 // claims of other instances' givers for our members, that we accepted
	Received  *int64 // … and that are paid
}

// fewest is the number of members that a published sum is over at least.
const fewest = 3

// forGood tells whether a month's sums change no more. Those of a pledge month grow with what is paid late; who reads them
// before and after would see a single gift.
const forGood = `m.state = 'settled' and (m.funding = 'prepaid' or exists (
	select from collection c where c.period = m.period and c.settled_at is not null and c.part = 3))`

// PublicTotals reads them. ErrNotFound: there is no such month, or it isn't settled for good.
func (l *Ledger) PublicTotals(ctx context.Context, period string) (PublicTotals, error) {
	var p PublicTotals
	err := l.snapshot(ctx, func(tx pgx.Tx) error {
		s, err := l.publicSettlement(ctx, tx, period)
		if err != nil {
			return err
		}
		p = s.tell()
		return p.addClaims(ctx, tx)
	})
	return p, err
}

// PublicMonths lists settled months for the public, newest first, at most so many before one ("": from
// the latest on). Sums of claims are left out.
func (l *Ledger) PublicMonths(ctx context.Context, before string, most int) ([]PublicTotals, error) {
	var all []PublicTotals
	err := l.snapshot(ctx, func(tx pgx.Tx) error {
		months, err := rows[Month](tx.Query(ctx, `select `+monthColumns+` from month m
			where `+forGood+` and ($1 = '' or period < $1) order by period desc limit $2`, before, most))
		for _, m := range months {
			s, err := l.publicSettlement(ctx, tx, m.Period)
			if err != nil {
				return err
			}
			all = append(all, s.tell())
		}
		return err
	})
	return all, err
}

// settledSums is what of a month never changes. The counts of members stop at fewest.
type settledSums struct {
	Period                      string
	SettledAt                   time.Time
	Givers, Flattrs             int64
	Reserved, Shared, Rolled    int64
	Here, Elsewhere             int64
	SharedGivers, SharedPayees  int64
	RolledGivers                int64
	HereGivers, HerePayees      int64
	ElseGivers, ElsewherePayees int64
}

// publicSettlement reads them once: to count members behind a sum can take a look at every share, and
// anybody may ask.
func (l *Ledger) publicSettlement(ctx context.Context, tx pgx.Tx, period string) (settledSums, error) {
	if known, ok := l.settled.Load(period); ok {
		return known.(settledSums), nil
	}
	s, err := row[settledSums](tx.Query(ctx, settledQuery, period, fewest))
	if err == nil {
		l.settled.Store(period, s)
	}
	return s, err
}

const settledQuery = `
	select m.period, m.settled_at, s.givers, s.flattrs, s.amount + s.rolled as reserved, s.amount as shared, s.rolled,
	  coalesce(e.amount, 0)::bigint as here, (s.amount - coalesce(e.amount, 0))::bigint as elsewhere,
	  (select count(*) from (select distinct giver from share where period = $1 limit $2) x) as shared_givers,
	  (select count(*) from (select member::text from earning where period = $1 union ` + claimedPayees + ` limit $2) x) as shared_payees,
	  case when s.rolled = 0 then 0 else (select count(*) from (
	    select from reservation r where r.period = $1 and r.state <> 'released'
	      and not exists (select from share x where x.giver = r.member and x.period = $1) limit $2) x) end as rolled_givers,
	  (select count(*) from (select distinct s.giver from share s join thing t on t.id = s.thing
	    where s.period = $1 and t.member is not null limit $2) x) as here_givers,
	  (select count(*) from earning where period = $1) as here_payees,
	  (select count(*) from (select distinct s.giver from share s join thing t on t.id = s.thing
	    where s.period = $1 and t.peer is not null limit $2) x) as else_givers,
	  (select count(*) from (` + claimedPayees + ` limit $2) x) as elsewhere_payees
	from month m join settlement s on s.period = m.period
	left join (select period, sum(amount) as amount from earning group by period) e on e.period = m.period
	where m.period = $1 and ` + forGood

// claimedPayees are the others' members that a month's first claims are for.
const claimedPayees = `
	select distinct l.payee from claim c join claim_line l on l.claim = c.id
	where c.period = $1 and c.direction = 'out' and c.supersedes is null and not c.adopted`

// crowd tells whether a part can be told: nobody is behind it, or enough are.
func crowd(amount int64, members ...int64) bool {
	for _, n := range members {
		if amount > 0 && n < fewest {
			return false
		}
	}
	return true
}

// tell leaves out what shows too few. A sum is told with its parts or without any of them, since one that
// is missing shows by subtraction.
func (s settledSums) tell() PublicTotals {
	p := PublicTotals{Period: s.Period, SettledAt: s.SettledAt, UpdatedAt: s.SettledAt, Givers: s.Givers}
	if !crowd(s.Reserved, s.Givers) {
		return p
	}
	p.Reserved = &s.Reserved
	if !crowd(s.Rolled, s.RolledGivers) || !crowd(s.Shared, s.SharedGivers, s.SharedPayees) {
		return p
	}
	p.Shared, p.Rolled, p.Flattrs = &s.Shared, &s.Rolled, &s.Flattrs
	if crowd(s.Here, s.HereGivers, s.HerePayees) && crowd(s.Elsewhere, s.ElseGivers, s.ElsewherePayees) {
		p.Here, p.Elsewhere = &s.Here, &s.Elsewhere
	}
	return p
}

// claimSums are a month's claims in one direction by state.
type claimSums struct {
	Offered, Accepted, Confirmed, Returned int64
	Crowded                                bool // every claim by itself is over enough members
	ChangedAt                              *time.Time
}

func (p *PublicTotals) addClaims(ctx context.Context, tx pgx.Tx) error {
	out, err := row[claimSums](tx.Query(ctx, publicClaims, p.Period, fewest, "out"))
	if err != nil {
		return err
	}
	in, err := row[claimSums](tx.Query(ctx, publicClaims, p.Period, fewest, "in"))
	if p.Elsewhere != nil && out.Crowded {
		p.Offered, p.Accepted, p.Confirmed, p.Returned = &out.Offered, &out.Accepted, &out.Confirmed, &out.Returned
	}
	if in.Crowded {
		owed := in.Accepted + in.Confirmed
		p.Owed, p.Received = &owed, &in.Confirmed
	}
	for _, at := range []*time.Time{out.ChangedAt, in.ChangedAt} {
		if at != nil && at.After(p.UpdatedAt) {
			p.UpdatedAt = *at
		}
	}
	return err
}

// publicClaims adds up the claims of month $1 and direction $3. States change claim by claim, and who reads
// before and after sees the difference: so each claim, and what came back of each, must be over $2 payees and
// givers. A thing with so many flattrs has so many givers; that is all that a claim tells of them. After a restore, what
// came back of our claims needn't be what our givers gave, and then the states aren't told.
const publicClaims = `
	with c as (
	  select c.state, c.amount, greatest(c.created_at, c.answered_at, c.confirmed_at) as at,
	    c.state in ('refused', 'superseded') or
	      (select count(*) from (select from claim_line l where l.claim = c.id limit $2) x) >= $2
	      and exists (select from claim_line l cross join lateral jsonb_array_elements(l.things) x
	        where l.claim = c.id and (x->>'flattrs')::bigint >= $2) as crowded,
	    c.direction = 'out' and (c.adopted or c.state = 'replaced' or c.state = 'refused' and exists (
	      select from claim_line l where l.claim = c.id and l.refused is null)) as apart
	  from claim c where c.period = $1 and c.direction = $3),
	b as (
	  select sum(r.amount) as amount, count(distinct r.giver) >= $2 and count(distinct t.payee) >= $2 as crowded
	  from share_return r join thing t on t.id = r.thing where r.period = $1 and $3 = 'out' group by r.claim)
	select coalesce(sum(amount) filter (where state in ('draft', 'offered')), 0)::bigint as offered,
	  coalesce(sum(amount) filter (where state = 'accepted'), 0)::bigint as accepted,
	  coalesce(sum(amount) filter (where state = 'confirmed'), 0)::bigint as confirmed,
	  (select coalesce(sum(amount), 0) from b)::bigint as returned,
	  coalesce(bool_and(crowded and not apart), true) and (select coalesce(bool_and(crowded), true) from b) as crowded,
	  max(at) as changed_at
	from c`
