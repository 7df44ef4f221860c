package journal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// openAccounts creates the accounts that don't exist yet. The order is sorted, so that two transactions
// creating the same accounts wait instead of deadlocking.
const openAccounts = `
	insert into account (kind, owner, currency, normal)
	select kind, owner, $3, case when kind in ('bank','receivable') then 'D'
	                             when kind = 'suspense' then 'B' else 'C' end
	from unnest($1::text[], $2::bigint[]) as k (kind, owner)
	order by kind, owner
	on conflict do nothing`

// accounts are those that entries name, each once and sorted, as columns.
func accounts(entries []Entry) (kinds []string, owners []int64) {
	named := map[Account]bool{}
	for _, e := range entries {
		if e.Phase == Single || e.Phase == Pending {
			named[e.Debit], named[e.Credit] = true, true
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(named), compare) {
		kinds, owners = append(kinds, a.Kind), append(owners, a.Owner)
	}
	return kinds, owners
}

func compare(a, b Account) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Owner, b.Owner))
}

const namedAccounts = `
	select a.id, a.kind, a.owner from account a
	join unnest($1::text[], $2::bigint[]) as k (kind, owner) using (kind, owner)
	where a.currency = $3`

func readIDs(named pgx.Rows) (map[Account]int64, error) {
	ids := map[Account]int64{}
	var id int64
	var a Account
	_, err := pgx.ForEachRow(named, []any{&id, &a.Kind, &a.Owner}, func() error { ids[a] = id; return nil })
	return ids, err
}

// openReservations finds what Posted and Void entries resolve. That they are open is known: the key that
// resolves them was free.
const openReservations = `
	select p.kind, p.ref, p.debit_account, p.credit_account, p.amount
	from unnest($1::text[], $2::bigint[]) as k (kind, ref)
	join transfer_key h on h.kind = k.kind and h.ref = k.ref and h.phase = 'pending'
	join transfer p on p.id = h.transfer and p.batch = h.batch`

// resolving are the keys of the reservations that entries resolve.
func resolving(entries []Entry) (kinds []string, refs []int64) {
	for _, e := range entries {
		if e.Phase == Posted || e.Phase == Void {
			kinds, refs = append(kinds, e.Kind), append(refs, e.Ref)
		}
	}
	return kinds, refs
}

func readReservations(reserved pgx.Rows) (map[key]row, error) {
	held := map[key]row{}
	k := key{phase: Pending}
	var r row
	_, err := pgx.ForEachRow(reserved, []any{&k.kind, &k.ref, &r.debit, &r.credit, &r.reserved}, func() error {
		held[k] = r
		return nil
	})
	return held, err
}

// resolve turns entries into rows: account ids, and for Posted and Void their reservation, which each
// may be resolved once.
func resolve(entries []Entry, ids map[Account]int64, held map[key]row) ([]row, error) {
	rows := make([]row, 0, len(entries))
	for _, e := range entries {
		r := row{debit: ids[e.Debit], credit: ids[e.Credit]}
		if e.Phase == Posted || e.Phase == Void {
			var ok bool
			if r, ok = held[key{e.Kind, e.Ref, Pending}]; !ok {
				return nil, fmt.Errorf("%w: %s %d", ErrPending, e.Kind, e.Ref)
			}
		}
		r.Entry = e
		if e.Phase == Void {
			r.Amount = r.reserved
		}
		if r.reserved > 0 && r.Amount > r.reserved {
			return nil, fmt.Errorf("%w: %s %d posts more than it reserved", ErrOverdraft, e.Kind, e.Ref)
		}
		if r.Amount <= 0 {
			return nil, fmt.Errorf("journal: internal error: amount %d of %s %d", r.Amount, e.Kind, e.Ref)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// changes are what a batch changes, netted per account, as columns in the order of ids.
type changes struct{ ids, debits, credits, debitsPending, creditsPending []int64 }

// net nets the rows per account.
func net(rows []row) changes {
	var c changes
	for _, r := range rows {
		c.ids = append(c.ids, r.debit, r.credit)
	}
	slices.Sort(c.ids)
	c.ids = slices.Compact(c.ids)
	for _, column := range []*[]int64{&c.debits, &c.credits, &c.debitsPending, &c.creditsPending} {
		*column = make([]int64, len(c.ids))
	}
	for _, r := range rows {
		d, _ := slices.BinarySearch(c.ids, r.debit)
		k, _ := slices.BinarySearch(c.ids, r.credit)
		switch r.Phase {
		case Pending:
			c.debitsPending[d] += r.Amount
			c.creditsPending[k] += r.Amount
		case Posted, Void:
			c.debitsPending[d] -= r.reserved
			c.creditsPending[k] -= r.reserved
		}
		if r.Phase == Single || r.Phase == Posted {
			c.debits[d] += r.Amount
			c.credits[k] += r.Amount
		}
	}
	return c
}

const lockAccounts = `
	select kind, owner, normal, debits_posted, credits_posted, debits_pending, credits_pending
	from account where id = any($1) order by id for no key update`

// checkLimits is the table's CHECK said once more in Go, so that the refusal names the account. locked
// are the accounts in the order of ids.
func (c changes) checkLimits(locked pgx.Rows) error {
	var owner, dp, cp, dq, cq int64
	var kind, normal string
	var refusal error
	i := 0
	_, err := pgx.ForEachRow(locked, []any{&kind, &owner, &normal, &dp, &cp, &dq, &cq}, func() error {
		dp, cp, dq, cq := dp+c.debits[i], cp+c.credits[i], dq+c.debitsPending[i], cq+c.creditsPending[i]
		if normal == "C" && cp < dp+dq || normal == "D" && dp < cp+cq {
			refusal = fmt.Errorf("%w: %s of %d", ErrOverdraft, kind, owner)
		}
		i++
		return nil
	})
	if err != nil {
		return err
	}
	return refusal
}

const changeAccounts = `
	update account a set
	  debits_posted = a.debits_posted + u.d, credits_posted = a.credits_posted + u.c,
	  debits_pending = a.debits_pending + u.dp, credits_pending = a.credits_pending + u.cp
	from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
	  as u (id, d, c, dp, cp)
	where a.id = u.id`

var transferColumns = []string{"id", "batch", "kind", "ref", "phase", "debit_account", "credit_account",
	"currency", "amount", "booked_at"}

// transfers are rows in the order of transferColumns.
func (b Book) transfers(rows []row) pgx.CopyFromSource {
	return pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		r := rows[i]
		return []any{r.id, b.Period, r.Kind, r.Ref, r.Phase, r.debit, r.credit, b.Currency, r.Amount, b.At}, nil
	})
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
