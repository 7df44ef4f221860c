package ledger

import (
	"context"
	"time"
)

// How a month's budgets are funded (protocol §7).
const (
	FundingPrepaid = "prepaid" // from money that is reserved before anybody is told of a flattr
	FundingPledge  = "pledge"  // by a promise, paid after the month: only what came is ever offered
)

// States of a pledge.
const (
	Promised  = "promised"
	Collected = "collected" // the means covered it: a reservation holds it
	Unused    = "unused"    // no flattr took a share: nothing is to be paid
	Void      = "void"      // it wasn't paid in time, or its member left
)

// Pledges of a month are collected for pledgeDays after its close. What is paid later supplements the settlement once a
// month, pledgeSupplements times; what is open then is void.
const (
	pledgeDays        = 14
	pledgeSupplements = 3
)

// Pledge is what a member promises to give in a month: no money, until it is collected.
type Pledge struct {
	Member    int64
	Period    string
	Amount    int64 // micro-units
	State     string
	Part      *int32     // of the settlement, once collected
	DecidedAt *time.Time // when it was collected, unused or void
}

const pledgeColumns = `member, period, amount, state, part, decided_at`

// settles is when a closed month's grace ends, in UTC: the dates that follow from it are. A pledge month's lasts as long
// as the collection.
func (m Month) settles(i Instance) time.Time {
	grace := i.Grace()
	if m.Funding == FundingPledge {
		grace = max(grace, pledgeDays*24*time.Hour)
	}
	return m.ClosedAt.UTC().Add(grace)
}

// collects is when a part of a closed pledge month's settlement is due.
func (m Month) collects(i Instance, part int32) time.Time {
	return m.settles(i).AddDate(0, int(part), 0)
}

// promise raises the members' pledges for an open month to their budgets; a pledge never falls (D5). It returns whose
// pledges are new or have grown.
func (tx *Tx) promise(ctx context.Context, period string, members []int64) ([]int64, error) {
	if _, err := tx.Exec(ctx, `
		select from member where id = any($1) order by id for no key update`, members); err != nil {
		return nil, err
	}
	return ids(tx.Query(ctx, `
		insert into pledge as p (period, member, amount, state, created_at)
		select $2, m.id, m.budget, 'promised', $3 from member m where m.id = any($1) and m.budget > 0 order by m.id
		on conflict (period, member) do update set amount = excluded.amount where excluded.amount > p.amount and p.state = 'promised'
		returning p.member`, members, period, tx.at))
}

// voidLeft ends the pledges of one who leaves: what isn't paid by then never will be.
func (tx *Tx) voidLeft(ctx context.Context, member int64) error {
	_, err := tx.Exec(ctx, `
		update pledge set state = 'void', decided_at = $2 where member = $1 and state = 'promised'`, member, tx.at)
	return err
}

// funded is the SQL that tells whether a member's flattrs of a month count: a budget is reserved or promised for it.
func funded(member, period string) string {
	return `(exists (select from reservation r where r.member = ` + member + ` and r.period = ` + period + ` and r.state <> 'released')
	  or exists (select from pledge q where q.member = ` + member + ` and q.period = ` + period + `))`
}

// owed is the SQL of what a member has promised and not paid yet for months before the open one: what is reserved for
// that one comes after it.
func owed(member string) string {
	return `coalesce((select sum(q.amount) from pledge q where q.member = ` + member + ` and q.state = 'promised'), 0)`
}

// pledges is the SQL that tells whether a member gives in a pledge month: a budget of at least so much is promised for it,
// or is about to be, and the last one before it was paid (protocol §4).
func (i Instance) pledges(member, period string, least string) string {
	return `(exists (select from month o where o.period = ` + period + ` and o.funding = 'pledge')
	  and (exists (select from pledge q where q.member = ` + member + ` and q.period = ` + period + ` and q.amount >= ` + least + `)
	    or exists (select from reserving g join member w on w.id = ` + member + ` and w.id > g.upto and w.budget >= ` + least + `
	      and w.deleted_at is null where g.period = ` + period + `))
	  and coalesce((select r.amount >= ` + least + ` from month z
	    left join reservation r on r.member = ` + member + ` and r.period = z.period and r.state <> 'released'
	    left join pledge q on q.member = ` + member + ` and q.period = z.period and q.state <> 'unused'
	    where z.period < ` + period + ` and z.state = 'settled' and (r.id is not null or q.member is not null)
	    order by z.period desc limit 1), false))`
}
