package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// resolve turns entries into rows: account ids, and for Posted and Void their reservation.
func resolve(ctx context.Context, b Book, entries []Entry) ([]row, error) {
	ids, err := open(ctx, b, entries)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(entries))
	resolved := map[int64]bool{}
	for _, e := range entries {
		r := row{Entry: e, debit: ids[e.Debit], credit: ids[e.Credit]}
		if e.Phase == Posted || e.Phase == Void {
			if r, err = reservation(ctx, b, e); err != nil {
				return nil, err
			}
			if resolved[*r.pending] {
				return nil, fmt.Errorf("%w: %s %d is resolved twice", ErrPending, e.Kind, e.Ref)
			}
			resolved[*r.pending] = true
		}
		if r.Amount <= 0 {
			return nil, fmt.Errorf("journal: internal error: amount %d of %s %d", r.Amount, e.Kind, e.Ref)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// open creates the accounts that don't exist yet and returns the ids of all. The order of creation
// is sorted, so that two transactions creating the same accounts wait instead of deadlocking.
func open(ctx context.Context, b Book, entries []Entry) (map[Account]int64, error) {
	named := map[Account]bool{}
	for _, e := range entries {
		if e.Phase == Single || e.Phase == Pending {
			named[e.Debit], named[e.Credit] = true, true
		}
	}
	accounts := slices.SortedFunc(maps.Keys(named), compare)
	kinds, owners := make([]string, len(accounts)), make([]int64, len(accounts))
	for i, a := range accounts {
		kinds[i], owners[i] = a.Kind, a.Owner
	}
	if _, err := b.Tx.Exec(ctx, `
		insert into account (kind, owner, currency, normal)
		select kind, owner, $3, case when kind in ('bank','receivable') then 'D'
		                             when kind = 'suspense' then 'B' else 'C' end
		from unnest($1::text[], $2::bigint[]) as k (kind, owner)
		order by kind, owner
		on conflict do nothing`, kinds, owners, b.Currency); err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	r, err := b.Tx.Query(ctx, `
		select a.id, a.kind, a.owner from account a
		join unnest($1::text[], $2::bigint[]) as k (kind, owner) using (kind, owner)
		where a.currency = $3`, kinds, owners, b.Currency)
	if err != nil {
		return nil, err
	}
	ids := make(map[Account]int64, len(accounts))
	var id int64
	var a Account
	_, err = pgx.ForEachRow(r, []any{&id, &a.Kind, &a.Owner}, func() error { ids[a] = id; return nil })
	return ids, err
}

func compare(a, b Account) int {
	if a.Kind != b.Kind {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	}
	return int(min(max(a.Owner-b.Owner, -1), 1))
}

// reservation finds the open reservation that a Posted or Void entry resolves. The unique
// pending_id makes two resolutions impossible even if both saw it open.
func reservation(ctx context.Context, b Book, e Entry) (row, error) {
	r := row{Entry: e}
	var id int64
	err := b.Tx.QueryRow(ctx, `
		select p.id, p.debit_account, p.credit_account, p.amount from transfer p
		where p.kind = $1 and p.ref = $2 and p.phase = 'pending'
		  and not exists (select from transfer f where f.pending_id = p.id)`,
		e.Kind, e.Ref).Scan(&id, &r.debit, &r.credit, &r.reserved)
	if err == pgx.ErrNoRows {
		return r, fmt.Errorf("%w: %s %d", ErrPending, e.Kind, e.Ref)
	}
	r.pending = &id
	if e.Phase == Void {
		r.Amount = r.reserved
	}
	if r.Amount > r.reserved {
		return r, fmt.Errorf("%w: %s %d posts more than it reserved", ErrOverdraft, e.Kind, e.Ref)
	}
	return r, err
}

// delta is what a batch changes on one account.
type delta struct{ debits, credits, debitsPending, creditsPending int64 }

// deltas nets the rows per account.
func deltas(rows []row) map[int64]*delta {
	all := map[int64]*delta{}
	at := func(id int64) *delta {
		if all[id] == nil {
			all[id] = &delta{}
		}
		return all[id]
	}
	for _, r := range rows {
		d, c := at(r.debit), at(r.credit)
		switch r.Phase {
		case Pending:
			d.debitsPending += r.Amount
			c.creditsPending += r.Amount
		case Posted, Void:
			d.debitsPending -= r.reserved
			c.creditsPending -= r.reserved
		}
		if r.Phase == Single || r.Phase == Posted {
			d.debits += r.Amount
			c.credits += r.Amount
		}
	}
	return all
}

// apply locks the accounts in id order, checks every sign rule, and updates them.
func apply(ctx context.Context, b Book, rows []row) error {
	all := deltas(rows)
	ids := slices.Sorted(maps.Keys(all))
	if err := checkLimits(ctx, b, ids, all); err != nil {
		return err
	}
	cols := make([][]int64, 4)
	for _, id := range ids {
		d := all[id]
		for i, v := range []int64{d.debits, d.credits, d.debitsPending, d.creditsPending} {
			cols[i] = append(cols[i], v)
		}
	}
	_, err := b.Tx.Exec(ctx, `
		update account a set
		  debits_posted = a.debits_posted + u.d, credits_posted = a.credits_posted + u.c,
		  debits_pending = a.debits_pending + u.dp, credits_pending = a.credits_pending + u.cp
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
		  as u (id, d, c, dp, cp)
		where a.id = u.id`, ids, cols[0], cols[1], cols[2], cols[3])
	return err
}

// checkLimits is the table's CHECK said once more in Go, so that the refusal names the account.
func checkLimits(ctx context.Context, b Book, ids []int64, all map[int64]*delta) error {
	r, err := b.Tx.Query(ctx, `
		select id, kind, owner, normal, debits_posted, credits_posted, debits_pending, credits_pending
		from account where id = any($1) order by id for no key update`, ids)
	if err != nil {
		return err
	}
	var id, owner, dp, cp, dq, cq int64
	var kind, normal string
	var refusal error
	_, err = pgx.ForEachRow(r, []any{&id, &kind, &owner, &normal, &dp, &cp, &dq, &cq}, func() error {
		d := all[id]
		dp, cp, dq, cq := dp+d.debits, cp+d.credits, dq+d.debitsPending, cq+d.creditsPending
		if normal == "C" && cp < dp+dq || normal == "D" && dp < cp+cq {
			refusal = fmt.Errorf("%w: %s of %d", ErrOverdraft, kind, owner)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return refusal
}

// insert writes the transfers.
func insert(ctx context.Context, b Book, rows []row) error {
	_, err := b.Tx.CopyFrom(ctx, pgx.Identifier{"transfer"},
		[]string{"kind", "ref", "phase", "pending_id", "debit_account", "credit_account",
			"currency", "amount", "period", "booked_at"},
		pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
			r := rows[i]
			return []any{r.Kind, r.Ref, r.Phase, r.pending, r.debit, r.credit,
				b.Currency, r.Amount, b.Period, b.At}, nil
		}))
	return err
}

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
