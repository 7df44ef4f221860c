package ledger

// booksInvariants: accounts, transfers and the rows that they book agree.
var booksInvariants = []invariant{
	// Protocol §10.1: accounts are the sums of their transfers, and all of them sum to zero.
	{"account-totals", `
		select format('account %s (%s of %s)', a.id, a.kind, a.owner) as row
		from account a left join (
		  select account, sum(dp) as dp, sum(cp) as cp, sum(dq) as dq, sum(cq) as cq from (
		    select t.debit_account as account, ` + movement("t.amount", "0") + ` from transfer t ` + ofPending + `
		    union all
		    select t.credit_account, ` + movement("0", "t.amount") + ` from transfer t ` + ofPending + `) m
		  group by account) m on m.account = a.id
		where (a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending) is distinct from
		  (coalesce(m.dp, 0), coalesce(m.cp, 0), coalesce(m.dq, 0), coalesce(m.cq, 0))`},
	{"zero-sum", `
		select format('currency %s: accounts sum to %s', currency, sum(debits_posted - credits_posted)) as row
		from account group by currency having sum(debits_posted - credits_posted) <> 0`},
	{"clearing-empty", `
		select format('account %s (clearing): %s', id, credits_posted - debits_posted) as row
		from account where kind = 'clearing' and credits_posted <> debits_posted`},
	// Every business row has the transfers that its state calls for, and no other transfer exists.
	{"books", `
		with e as (` + expectedTransfers + `),
		t as (
		  select t.id || '/' || t.batch as id, t.kind, t.ref, t.phase, t.debit_account, t.credit_account, d.kind as dk, d.owner as d,
		    c.kind as ck, c.owner as c, t.amount
		  from transfer t left join account d on d.id = t.debit_account left join account c on c.id = t.credit_account)
		select case when t.id is null then format('%s %s has no transfer', b.name, ref)
		    else format('transfer %s (account %s to account %s: %s)', t.id, t.debit_account, t.credit_account, t.amount) end
		  || format(', %s %s: ', kind, phase)
		  || case when e.amount is null then format('%s %s calls for none', b.name, ref)
		    else format('%s %s calls for %s of %s to %s of %s: %s', b.name, ref, e.dk, e.d, e.ck, e.c, e.amount) end as row
		from e full join t using (kind, ref, phase)
		cross join lateral (select case when kind = 'budget' then 'reservation' when kind = 'return' then 'share_return'
		  when kind = 'line' then 'claim_line' when kind in ('allocation', 'repayment', 'reinstatement', 'advance_recovery') then 'line_allocation'
		  when kind = 'advance' then 'line_advance' when kind in ('write_off', 'advance_loss') then 'write_off_line'
		  when kind like 'payment%' or kind like 'receipt%' or kind = 'netting' then 'payment' when kind in ('refund', 'payout') then 'withdrawal'
		  when kind in ('adoption', 'recovery') then 'claim' when kind in ('chargeback', 'loss') then 'reversal' else kind end as name) b
		where (e.dk, e.d, e.ck, e.c, e.amount) is distinct from (t.dk, t.d, t.ck, t.c, t.amount)`},
	{"account-owner", `
		select format('account %s (%s of %s): no such owner', a.id, a.kind, a.owner) as row from account a
		where not case when a.kind in ('means', 'earned', 'announced') then exists (select from member m where m.id = a.owner)
		  when a.kind in ('payable', 'receivable', 'peer_credit', 'recovery', 'advance') then exists (select from peer p where p.id = a.owner)
		  else a.owner = 0 end`},
	{"account-normal", `
		select format('account %s (%s of %s): normal is %s', a.id, a.kind, a.owner, a.normal) as row from account a
		where a.normal <> case when a.kind in ('bank', 'receivable', 'advance', 'loss') then 'D' when a.kind in ('suspense', 'recovery') then 'B' else 'C' end`},
	{"pending-link", `
		select format('transfer %s/%s', t.id, t.batch) as row from transfer t ` + ofPending + `
		where t.phase in ('post', 'void') and (p.id is null
		  or (p.debit_account, p.credit_account) is distinct from (t.debit_account, t.credit_account)
		  or t.amount > p.amount or (t.phase = 'void' and t.amount <> p.amount))`},
	// Each key has its transfer and each running transfer its key; a settlement's need none.
	{"transfer-key", `
		select case when t.id is null or k.kind is not null then format('transfer_key %s/%s/%s (transfer %s/%s)', k.kind, k.ref, k.phase, k.transfer, k.batch)
		    else format('transfer_key %s/%s/%s is missing (transfer %s/%s)', t.kind, t.ref, t.phase, t.id, t.batch) end as row
		from transfer_key k full join (select * from transfer where batch not like '%/settlement%') t on t.id = k.transfer and t.batch = k.batch
		where (k.kind, k.ref, k.phase) is distinct from (t.kind, t.ref, t.phase)
		union all
		select format('transfer %s/%s: another has the same key', id, batch) from (
		  select id, batch, count(*) over (partition by kind, ref, case when phase in ('post', 'void') then 'resolved' else phase end) as n
		  from transfer) t where n > 1`},
	{"currency", `
		select format('%s %s: %s', x.name, x.id, x.currency) as row from instance i, (
		  select 'account' as name, id::text, currency from account union all select 'transfer', id || '/' || batch, currency from transfer
		  union all select 'claim', id::text, currency from claim union all select 'payment', id::text, currency from payment) x
		where x.currency <> i.currency`},
}

// ofPending finds the reservation p that a transfer t posts or voids.
const ofPending = `left join transfer p on t.phase in ('post', 'void') and p.phase = 'pending' and p.kind = t.kind and p.ref = t.ref`

// movement is what one transfer adds to an account's four totals, as columns dp, cp, dq, cq.
// A post or void takes back the whole reservation, also when it posts only a part.
func movement(debit, credit string) string {
	at := func(amount, pending string) string {
		return `case t.phase when 'single' then ` + amount + ` when 'post' then ` + amount + ` else 0 end as ` + pending
	}
	held := func(amount, as string) string {
		if amount == "0" {
			return `0 as ` + as
		}
		return `case t.phase when 'pending' then t.amount when 'single' then 0 else -p.amount end as ` + as
	}
	return at(debit, "dp") + ", " + at(credit, "cp") + ", " + held(debit, "dq") + ", " + held(credit, "cq")
}
