package journal

// postOne is postFresh for one entry, in half the time.
const (
	postOne = takeOne + moveOne
	lateOne = takeOne + `, moved as (` + moveOne + ` returning id)
	select 1 / count(*) from moved`
)

const takeOne = `
	with sides as (
	  select id, kind = $1 and owner = $2 as debit, normal, debits_posted, credits_posted, debits_pending, credits_pending
	  from account where (kind = $1 and owner = $2 or kind = $3 and owner = $4) and currency = $5
	  order by id for no key update),
	fit as (
	  select max(id) filter (where debit) as debit, max(id) filter (where not debit) as credit from sides
	  having count(*) = 2 and bool_and(case
	    when normal = 'C' and debit then credits_posted - debits_posted - debits_pending >= $6
	    when normal = 'D' and not debit then debits_posted - credits_posted - credits_pending >= $6
	    else greatest(debits_posted, credits_posted, debits_pending, credits_pending) <= 9223372036854775807 - $6 end)),
	taken as (
	  insert into transfer_key (kind, ref, phase, transfer, batch)
	  select $7, $8, $9, nextval('transfer_id'), $10 from fit
	  on conflict do nothing
	  returning transfer),
	changed as (
	  update account a set
	    debits_posted = a.debits_posted + case when $9 = 'single' and s.debit then $6 else 0 end,
	    credits_posted = a.credits_posted + case when $9 = 'single' and not s.debit then $6 else 0 end,
	    debits_pending = a.debits_pending + case when $9 = 'pending' and s.debit then $6 else 0 end,
	    credits_pending = a.credits_pending + case when $9 = 'pending' and not s.debit then $6 else 0 end
	  from sides s, taken where a.id = s.id)`

const moveOne = `
	insert into transfer (id, batch, kind, ref, phase, debit_account, credit_account, currency, amount, booked_at)
	select transfer, $10, $7, $8, $9, debit, credit, $5, $6, $11 from taken, fit`

// short is the statement that writes entries if they are new, and its parameters; no parameters if it can't. What
// is sent late is left to the transaction, and then there is nothing to do now.
func (b Book) short(entries []Entry) (sql string, args []any, sent bool) {
	now, behind := postFresh, lateFresh
	if len(entries) == 1 {
		now, behind, args = postOne, lateOne, b.one(entries[0])
	} else {
		args = b.fresh(entries)
	}
	return now, args, args != nil && later(b.Tx, behind, args)
}

// one is an entry as postOne's parameters, if it is new and says all of itself.
func (b Book) one(e Entry) (args []any) {
	if e.resolves() || e.malformed() != nil {
		return nil
	}
	return []any{e.Debit.Kind, e.Debit.Owner, e.Credit.Kind, e.Credit.Owner, b.Currency, e.Amount,
		e.Kind, e.Ref, e.Phase, b.Period, b.At}
}
