package journal

import (
	"context"

	"github.com/jackc/pgx/v5"
)

func readIDs(named pgx.Rows) (map[Account]int64, error) {
	ids := map[Account]int64{}
	var id int64
	var a Account
	_, err := pgx.ForEachRow(named, []any{&id, &a.Kind, &a.Owner}, func() error { ids[a] = id; return nil })
	return ids, err
}

// write writes judged rows and what they change, netted per account.
func (s *standing) write(b Book, rows []row) *pgx.Batch {
	var batch pgx.Batch
	ids, d, c, dp, cp := changes(changed(rows))
	batch.Queue(changeAccounts, ids, d, c, dp, cp)
	kinds, refs, phases, debits, credits, amounts := columns(rows)
	batch.Queue(insertTransfers, kinds, refs, phases, debits, credits, amounts, b.Period, b.Currency, b.At)
	return &batch
}

// changes are what accounts change by, as columns.
func changes(all []*account) (ids, d, c, dp, cp []int64) {
	for _, a := range all {
		ids, d, c = append(ids, a.id), append(d, a.change.debits), append(c, a.change.credits)
		dp, cp = append(dp, a.change.debitsPending), append(cp, a.change.creditsPending)
	}
	return ids, d, c, dp, cp
}

// columns are rows as columns.
func columns(rows []row) (kinds []string, refs []int64, phases []string, debits, credits, amounts []int64) {
	for _, r := range rows {
		kinds, refs, phases = append(kinds, r.Kind), append(refs, r.Ref), append(phases, r.Phase)
		debits, credits, amounts = append(debits, r.debit.id), append(credits, r.credit.id), append(amounts, r.Amount)
	}
	return kinds, refs, phases, debits, credits, amounts
}

const changeAccounts = `
	update account a set
	  debits_posted = a.debits_posted + u.d, credits_posted = a.credits_posted + u.c,
	  debits_pending = a.debits_pending + u.dp, credits_pending = a.credits_pending + u.cp
	from unnest((select $1::bigint[]), (select $2::bigint[]), (select $3::bigint[]), (select $4::bigint[]), (select $5::bigint[]))
	  as u (id, d, c, dp, cp)
	where a.id = u.id and a.id = any ((select $1::bigint[])::bigint[])`

// insertTransfers adds transfers with their keys. That the keys are free is known; if somebody took one with
// other accounts, which no lock keeps apart, this fails, and another try sees it (see GaveWay). In order, so
// that two such wait instead of deadlocking.
const insertTransfers = `
	with t as (
	  insert into transfer (id, batch, kind, ref, phase, debit_account, credit_account, currency, amount, booked_at)
	  select nextval('transfer_id'), $7, kind, ref, phase, debit, credit, $8, amount, $9
	  from unnest((select $1::text[]), (select $2::bigint[]), (select $3::text[]), (select $4::bigint[]), (select $5::bigint[]), (select $6::bigint[]))
	    as e (kind, ref, phase, debit, credit, amount)
	  returning kind, ref, phase, id, batch)
	insert into transfer_key (kind, ref, phase, transfer, batch)
	select kind, ref, phase, id, batch from t order by ref, kind, phase`

// Balance is an account's standing in micro-units: posted in its normal direction, and what of it
// is reserved to leave.
type Balance struct{ Posted, Reserved int64 }

// Free is what may still be taken.
func (b Balance) Free() int64 { return b.Posted - b.Reserved }

// BalanceOf reads one account; an account that was never opened has a zero balance.
func BalanceOf(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, a Account, currency string) (Balance, error) {
	var v Balance
	err := q.QueryRow(ctx, `
		select case normal when 'D' then debits_posted - credits_posted else credits_posted - debits_posted end,
		       case normal when 'D' then credits_pending else debits_pending end
		from account where kind = $1 and owner = $2 and currency = $3`,
		a.Kind, a.Owner, currency).Scan(&v.Posted, &v.Reserved)
	if err == pgx.ErrNoRows {
		return Balance{}, nil
	}
	return v, err
}
