package ledger

import (
	"context"
	"slices"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// SetBudget sets what a member gives each month, in micro-units of whole cents; 0 ends it.
// More counts at once, as far as the member's means reach; less counts from the next month,
// because this month's flattrs were made on what is reserved. FieldError "budget": amount.
func (l *Ledger) SetBudget(ctx context.Context, by, amount int64) error {
	if amount < 0 || amount > maxAmount || amount%microPerCent != 0 {
		return refused("budget", "amount")
	}
	_, err := l.budgets.Commit(ctx, chosenBudget{by, amount})
	return err
}

// chosenBudget is what a member wants to give each month.
type chosenBudget struct{ by, amount int64 }

// setBudgets sets what was chosen while the clearing account was being changed for others. No member is in it
// twice.
func (tx *Tx) setBudgets(ctx context.Context, all []chosenBudget) ([]journal.Verdict[struct{}], error) {
	period, err := tx.openMonth(ctx)
	if err != nil {
		return nil, err
	}
	var members, amounts []int64
	for _, c := range all {
		members, amounts = append(members, c.by), append(amounts, c.amount)
	}
	active, err := tx.lockActive(ctx, members)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `
		update member m set budget = c.amount from unnest($1::bigint[], $2::bigint[]) as c (id, amount)
		where m.id = c.id and m.id = any($3)`, members, amounts, active); err != nil {
		return nil, err
	}
	verdicts := make([]journal.Verdict[struct{}], len(all))
	for i, c := range all {
		if _, ok := slices.BinarySearch(active, c.by); !ok {
			verdicts[i].Err = ErrNotFound
		}
	}
	return verdicts, tx.topUp(ctx, period, active...)
}

// Reservation is what a budget holds back for one month.
type Reservation struct {
	ID     int64
	Member int64
	Period string
	Amount int64
	State  string // reserved | released
}

// topUp reserves min(means, budget) of each member for the open month, where that is more than is
// reserved now, and sends the flattrs that waited for it. The month is share-locked.
func (tx *Tx) topUp(ctx context.Context, period string, members ...int64) error {
	if tx.funding == FundingPledge {
		raised, err := tx.promise(ctx, period, members)
		if err != nil || len(raised) == 0 {
			return err
		}
		return tx.send(ctx, period, raised...)
	}
	entries, err := tx.raise(ctx, period, members)
	if err != nil || len(entries) == 0 {
		return err
	}
	if err := booked(journal.Post(ctx, tx.book(period), entries...)); err != nil {
		return err
	}
	return tx.send(ctx, period, members...)
}

// raise replaces reservations by larger ones, and returns what is to be booked for that.
func (tx *Tx) raise(ctx context.Context, period string, members []int64) ([]journal.Entry, error) {
	// Locked before it is read: what another use case changed meanwhile must be seen.
	if _, err := tx.Exec(ctx, `
		select from member where id = any($1) order by id for no key update`, members); err != nil {
		return nil, err
	}
	all, err := rows[budget](tx.Query(ctx, `
		select m.id as member, coalesce(r.id, 0) as reservation, coalesce(r.amount, 0) as reserved,
		  least(m.budget, coalesce(r.amount, 0) + greatest(coalesce(a.credits_posted - a.debits_posted - a.debits_pending, 0) - `+owed("m.id")+`, 0)) as target
		from member m
		left join reservation r on r.member = m.id and r.period = $2 and r.state <> 'released'
		left join account a on a.kind = 'means' and a.owner = m.id and a.currency = $3
		where m.id = any($1) order by m.id`, members, period, tx.l.inst.Currency))
	if err != nil {
		return nil, err
	}
	released, raised, targets := short(all)
	if len(raised) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, `update reservation set state = 'released' where id = any($1)`, released); err != nil {
		return nil, err
	}
	made, err := rows[Reservation](tx.Query(ctx, `
		insert into reservation (member, period, amount, state, created_at)
		select member, $1, amount, 'reserved', $4 from unnest($2::bigint[], $3::bigint[]) as r (member, amount) order by member
		returning id, member, period, amount, state`, period, raised, targets, tx.at))
	return budgetEntries(released, made), err
}

// budget is what is reserved of one, and what could be.
type budget struct{ Member, Reservation, Reserved, Target int64 }

// short finds the budgets of which more can be reserved, and the reservations that are released for that.
func short(all []budget) (released, members, targets []int64) {
	for _, b := range all {
		if b.Target <= b.Reserved {
			continue
		}
		if b.Reservation != 0 {
			released = append(released, b.Reservation)
		}
		members, targets = append(members, b.Member), append(targets, b.Target)
	}
	return released, members, targets
}

func budgetEntries(released []int64, made []Reservation) (entries []journal.Entry) {
	for _, id := range released {
		entries = append(entries, journal.Entry{Kind: kindBudget, Ref: id, Phase: journal.Void})
	}
	for _, r := range made {
		entries = append(entries, journal.Entry{Kind: kindBudget, Ref: r.ID, Phase: journal.Pending, Amount: r.Amount,
			Debit: of(journal.Means, r.Member), Credit: of(journal.Clearing, 0)})
	}
	return entries
}
