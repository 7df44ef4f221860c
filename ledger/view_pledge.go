package ledger

import (
	"context"
	"errors"
	"time"
)

// pledgeOf reads a member's pledge of a month; nil: there is none.
func (tx *Tx) pledgeOf(ctx context.Context, member int64, period string) (*Pledge, error) {
	p, err := row[Pledge](tx.Query(ctx, `select `+pledgeColumns+` from pledge where member = $1 and period = $2`, member, period))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return &p, err
}

// Runs is the budget that the month's flattrs divide: reserved, or promised and not yet paid.
func (v MonthView) Runs() int64 {
	if v.Reserved == 0 && v.Waits() {
		return v.Pledge.Amount
	}
	return v.Reserved
}

// Waits tells whether the month's budget is promised and not paid yet.
func (v MonthView) Waits() bool { return v.Pledge != nil && v.Pledge.State == Promised }

// DuePledge is a pledge of a closed month that isn't paid yet.
type DuePledge struct {
	Period string
	Amount int64     // promised
	Short  int64     // of Amount, what is to be paid in: the rest is paid in already
	By     time.Time // when it is collected next; what is there then is settled
	Late   bool      // the month is settled, and this supplements it
	Last   bool      // it is void if it isn't paid by then
}

// DuePledges are what a member has to pay, oldest first: what is paid in goes to the oldest.
func (l *Ledger) DuePledges(ctx context.Context, by int64) ([]DuePledge, error) {
	type due struct {
		Month
		Amount int64
		Parts  int32
		Free   int64
	}
	all, err := rows[due](l.pool.Query(ctx, `
		select m.period, m.state, m.opened_at, m.closed_at, m.frozen_at, m.settled_at, m.unused, m.funding, q.amount,
		  (select count(*) from collection c where c.period = q.period)::int as parts,
		  coalesce((select a.credits_posted - a.debits_posted - a.debits_pending from account a
		    where a.kind = 'means' and a.owner = q.member), 0) as free
		from pledge q join month m on m.period = q.period
		where q.member = $1 and q.state = 'promised' and m.state <> 'open' and exists (
		  select from flattr f where f.period = q.period and f.giver = q.member and f.state in ('accepted', 'sent', 'held'))
		order by m.period`, by))
	var pledges []DuePledge
	paid := int64(0) // what is free goes to the oldest first
	for _, d := range all {
		p := DuePledge{Period: d.Period, Amount: d.Amount, By: d.collects(l.inst, d.Parts), Late: d.Parts > 0, Last: d.Parts == pledgeSupplements}
		p.Short = max(p.Amount-max(d.Free-paid, 0), 0)
		paid += p.Amount
		pledges = append(pledges, p)
	}
	return pledges, err
}

// Pledges are what a month's givers promised, in micro-units, and how many they are.
type Pledges struct {
	Givers, Promised int64 // of all
	Paid, Collected  int64
	Waiting, Open    int64 // not paid yet
	Unneeded, Unused int64 // no flattr took a share
	Unpaid, Void     int64
	Collections      []Collection `db:"-"` // that have ended
	Next             *time.Time   `db:"-"` // when what came is collected next; nil: not again, or the month is open
}

func (l *Ledger) pledgesIn(ctx context.Context, q queryer, m Month) (p Pledges, err error) {
	p, err = row[Pledges](q.Query(ctx, `
		select count(*) as givers, coalesce(sum(amount), 0)::bigint as promised,
		  count(*) filter (where state = 'collected') as paid, coalesce(sum(amount) filter (where state = 'collected'), 0)::bigint as collected,
		  count(*) filter (where state = 'promised') as waiting, coalesce(sum(amount) filter (where state = 'promised'), 0)::bigint as open,
		  count(*) filter (where state = 'unused') as unneeded, coalesce(sum(amount) filter (where state = 'unused'), 0)::bigint as unused,
		  count(*) filter (where state = 'void') as unpaid, coalesce(sum(amount) filter (where state = 'void'), 0)::bigint as void
		from pledge where period = $1`, m.Period))
	if err != nil {
		return p, err
	}
	p.Collections, err = rows[Collection](q.Query(ctx, `
		select `+collectionColumns+` from collection where period = $1 order by part`, m.Period))
	if parts := int32(len(p.Collections)); m.Funding == FundingPledge && m.State != "open" && parts <= pledgeSupplements && (parts == 0 || p.Waiting > 0) {
		next := m.collects(l.inst, parts)
		p.Next = &next
	}
	return p, err
}

// pledgedTo is what members here have promised payee $1 for month $2 and not paid yet, each flattr's part rounded down.
const pledgedTo = `
	select coalesce(sum(q.amount / n.flattrs), 0)::bigint
	from thing t join flattr f on f.thing = t.id and f.period = $2 and f.state = 'accepted'
	join pledge q on q.member = f.giver and q.period = $2 and q.state = 'promised'
	cross join lateral (select count(*) as flattrs from flattr x where x.period = $2 and x.giver = f.giver and x.state = 'accepted') n
	where t.member = $1`
