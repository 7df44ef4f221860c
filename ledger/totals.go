package ledger

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Totals are an instance's balances by kind of account, each in its normal direction, in micro-units.
type Totals struct {
	Bank, Receivable                                    int64 // what we own
	Means, Announced, Earned, Payable, Credit, Clearing int64 // what we owe
	Suspense                                            int64 // credit-side: what the bank moved and nobody acknowledged is negative
	Fee                                                 int64 // kept of what payees got
	Cause                                               int64 // given to the instance's cause
	Loss                                                int64 // of this instance
	Recovery                                            int64 // credit-side: between what was signed before a restore and what the books say now
	Deposited, Withdrawn                                int64 // all that ever came in by deposits, and went out again: paid out or taken back
}

// MembersMoney is what all members together have here.
func (t Totals) MembersMoney() int64 { return t.Means + t.Announced + t.Earned }

// Accounted is where what came in and didn't go out again stands, over all instances together (protocol §10.6).
func (t Totals) Accounted() int64 { return t.MembersMoney() + t.Fee + t.Cause - t.Loss }

// Totals reads the balances in one snapshot.
func (l *Ledger) Totals(ctx context.Context) (Totals, error) {
	var t Totals
	err := l.snapshot(ctx, func(tx pgx.Tx) (err error) {
		t, err = row[Totals](tx.Query(ctx, `
			with b as (
			  select kind, sum(case normal when 'D' then debits_posted - credits_posted else credits_posted - debits_posted end)::bigint as s
			  from account group by kind)
			select coalesce(sum(s) filter (where kind = 'bank'), 0)::bigint as bank,
			  coalesce(sum(s) filter (where kind = 'receivable'), 0)::bigint as receivable,
			  coalesce(sum(s) filter (where kind = 'means'), 0)::bigint as means,
			  (coalesce(sum(s) filter (where kind = 'announced'), 0) - coalesce(sum(s) filter (where kind = 'advance'), 0))::bigint as announced,
			  coalesce(sum(s) filter (where kind = 'earned'), 0)::bigint as earned,
			  coalesce(sum(s) filter (where kind = 'payable'), 0)::bigint as payable,
			  coalesce(sum(s) filter (where kind = 'peer_credit'), 0)::bigint as credit,
			  coalesce(sum(s) filter (where kind = 'clearing'), 0)::bigint as clearing,
			  coalesce(sum(s) filter (where kind = 'suspense'), 0)::bigint as suspense,
			  coalesce(sum(s) filter (where kind = 'fee'), 0)::bigint as fee,
			  coalesce(sum(s) filter (where kind = 'cause'), 0)::bigint as cause,
			  coalesce(sum(s) filter (where kind = 'loss'), 0)::bigint as loss,
			  coalesce(sum(s) filter (where kind = 'recovery'), 0)::bigint as recovery,
			  coalesce((select sum(amount) from deposit), 0)::bigint as deposited,
			  (coalesce((select sum(amount) from withdrawal where state = 'paid'), 0)
			    + coalesce((select sum(taken + lost) from reversal), 0))::bigint as withdrawn
			from b`))
		return err
	})
	return t, err
}
