package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// BookAccount is an account of the books as an accountant knows it: what isn't reserved, and what of it is
// reserved, are two. Balances are debit-positive, in micro-units, and all of them sum to zero.
type BookAccount struct {
	ID       int64
	Kind     string
	Owner    int64
	Name     string // the member's name or the peer's host; "" for the instance's own accounts
	Normal   string // D, C, or B: a suspense account
	Opening  int64  // before the first transfer of the export
	Reserved int64  // the same of what was reserved
	Closing  int64  // after the last, as the account itself says if the export is up to date
	Held     int64  // the same of what is reserved
}

// BookTransfer is one transfer of the books.
type BookTransfer struct {
	ID       int64
	Kind     string
	Ref      int64
	Phase    string
	Debit    int64 // accounts
	Credit   int64
	Amount   int64
	Pending  int64 // of a post or void: the whole reservation that it ends
	BookedAt time.Time
}

// Books are the transfers from one instant to another, and the accounts before and after them.
type Books struct {
	From, To time.Time // To is exclusive; the zero time: no bound
	Accounts []BookAccount
}

// Export reads the books in one snapshot: head is called with the accounts, then f with each transfer in
// the order of booking. Bounds as in Books; a closing balance with a bound is the sum of the transfers,
// without one it is what the account says.
func (l *Ledger) Export(ctx context.Context, from, to time.Time, head func(Books) error, f func(BookTransfer) error) error {
	return l.snapshot(ctx, func(tx pgx.Tx) error {
		b := Books{From: from, To: to}
		var err error
		if b.Accounts, err = rows[BookAccount](tx.Query(ctx, bookAccounts, bound(from), bound(to))); err != nil {
			return err
		}
		if err := head(b); err != nil {
			return err
		}
		found, err := tx.Query(ctx, `
			select t.id, t.kind, t.ref, t.phase, t.debit_account as debit, t.credit_account as credit, t.amount,
			  coalesce(p.amount, 0) as pending, t.booked_at
			from transfer t `+ofPending+`
			where ($1::timestamptz is null or t.booked_at >= $1) and ($2::timestamptz is null or t.booked_at < $2)
			order by t.booked_at, t.id`, bound(from), bound(to))
		return each(found, err, f)
	})
}

func bound(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// bookAccounts reads the accounts with their balances before $1 and $2.
const bookAccounts = `
	with moved as (
	  select t.booked_at, m.account, m.free, m.held from transfer t ` + ofPending + `
	  cross join lateral (values
	    (t.debit_account, case t.phase when 'post' then t.amount - p.amount when 'void' then -p.amount else t.amount end,
	      case t.phase when 'pending' then -t.amount when 'single' then 0 else p.amount end),
	    (t.credit_account, case when t.phase in ('single', 'post') then -t.amount else 0 end, 0)) m (account, free, held)
	  where $1::timestamptz is not null or $2::timestamptz is not null),
	stood as (
	  select account, coalesce(sum(free) filter (where booked_at < $1), 0)::bigint as opening,
	    coalesce(sum(held) filter (where booked_at < $1), 0)::bigint as reserved,
	    coalesce(sum(free) filter (where booked_at < $2), 0)::bigint as closing,
	    coalesce(sum(held) filter (where booked_at < $2), 0)::bigint as held
	  from moved group by account)
	select a.id, a.kind, a.owner, coalesce(m.name, p.host, '') as name, a.normal,
	  coalesce(s.opening, 0) as opening, coalesce(s.reserved, 0) as reserved,
	  case when $2::timestamptz is null then a.debits_posted - a.credits_posted + a.debits_pending else coalesce(s.closing, 0) end as closing,
	  case when $2::timestamptz is null then -a.debits_pending else coalesce(s.held, 0) end as held
	from account a left join stood s on s.account = a.id
	left join member m on a.kind in ('means', 'announced', 'earned') and m.id = a.owner
	left join peer p on a.kind in ('payable', 'receivable', 'peer_credit', 'advance', 'recovery') and p.id = a.owner
	order by a.kind, a.owner`
