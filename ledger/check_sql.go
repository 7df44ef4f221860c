package ledger

// expectedTransfers is what the books must hold, derived from the business rows and their states:
// one line per (kind, ref, phase), with both accounts and the amount.
const expectedTransfers = `
	select 'deposit' as kind, id as ref, 'single' as phase, 'bank' as dk, 0::bigint as d, 'means' as ck, member as c, amount from deposit
	union all select 'budget', id, 'pending', 'means', member, 'clearing', 0, amount from reservation
	union all select 'budget', r.id, case when s.giver is null and (r.state = 'released' or m.unused = 'rollover') then 'void' else 'post' end, 'means', r.member, 'clearing', 0, r.amount
	  from reservation r join month m on m.period = r.period
	  left join (select distinct giver, period from share) s on s.giver = r.member and s.period = r.period and r.state <> 'released'
	  where r.state = 'released' or m.state = 'settled'
	union all select 'earning', id, 'single', 'clearing', 0, 'earned', member, amount from earning
	union all select 'claim', id, 'single', 'clearing', 0, 'payable', peer, amount
	  from claim where direction = 'out' and supersedes is null and not adopted
	union all select 'adoption', id, 'single', 'recovery', peer, 'payable', peer, amount
	  from claim where direction = 'out' and supersedes is null and adopted
	union all select 'recovery', id, 'single', 'payable', peer, 'recovery', peer, amount from claim where state = 'replaced'
	union all select 'recovery', c.id, 'single', 'payable', c.peer, 'recovery', c.peer, sum(l.amount)
	  from claim c join claim_line l on l.claim = c.id and l.refused is not null
	  where c.direction = 'out' and c.adopted group by c.id, c.peer
	union all select 'return', b.id, 'single', 'payable', c.peer, 'means', b.giver, b.amount
	  from share_return b join claim c on c.id = b.claim
	union all select 'line', l.id, 'single', 'receivable', c.peer, case when l.member is null then 'recovery' else 'announced' end,
	  coalesce(l.member, c.peer), l.amount
	  from claim_line l join claim c on c.id = l.claim where c.direction = 'in' and c.state in ('accepted', 'confirmed')
	union all select y.kind, id, 'pending', 'payable', peer, y.by, y.owner, case when adopted then least(amount, received) else amount end
	  from ` + paying + ` where direction = 'out' and not (adopted and state = 'not_received')
	union all select y.kind, id, 'post', 'payable', peer, y.by, y.owner, least(amount, received)
	  from ` + paying + ` where direction = 'out' and state = 'confirmed'
	union all select y.kind, id, 'void', 'payable', peer, y.by, y.owner, amount
	  from ` + paying + ` where direction = 'out' and state in ('not_received', 'cancelled') and not adopted
	union all select 'netting', id, 'single', 'payable', peer, 'receivable', peer, amount
	  from payment where direction = 'in' and state = 'confirmed' and method = 'netting'
	union all select 'payment_short', id, 'single', 'suspense', 0, 'bank', 0, amount - received
	  from payment where direction = 'out' and state = 'confirmed' and received < amount
	union all select 'receipt', id, 'single', 'bank', 0, 'receivable', peer, least(amount, received)
	  from payment where direction = 'in' and state = 'confirmed' and method <> 'netting'
	union all select 'receipt_excess', id, 'single', 'bank', 0, 'peer_credit', peer, received - amount
	  from payment where direction = 'in' and state = 'confirmed' and received > amount
	union all select 'allocation', a.id, 'single', 'announced', l.member, case when a.member is null then 'cause' else 'earned' end,
	  coalesce(a.member, 0), a.amount - a.repaid
	  from line_allocation a join claim_line l on l.id = a.line where a.amount > a.repaid and l.member is not null
	union all select 'repayment', a.id, 'single', 'announced', l.member, 'advance', c.peer, a.repaid
	  from line_allocation a join claim_line l on l.id = a.line join claim c on c.id = l.claim where a.repaid > 0
	union all select 'reinstatement', a.id, 'single', 'receivable', c.peer, 'announced', l.member, a.reinstated
	  from line_allocation a join claim_line l on l.id = a.line join claim c on c.id = l.claim where a.reinstated > 0
	union all select 'advance_recovery', a.id, 'single', 'advance', c.peer, 'loss', 0, a.recovered
	  from line_allocation a join claim_line l on l.id = a.line join claim c on c.id = l.claim where a.recovered > 0
	union all select 'advance', a.id, 'single', 'advance', c.peer, 'earned', l.member, a.amount
	  from line_advance a join claim_line l on l.id = a.line join claim c on c.id = l.claim
	union all select 'write_off', a.id, 'single', 'announced', l.member, 'receivable', o.peer, a.amount
	  from write_off_line a join write_off o on o.id = a.write_off join claim_line l on l.id = a.line where o.state = 'confirmed'
	union all select 'advance_loss', a.id, 'single', 'loss', 0, 'advance', o.peer, a.lost
	  from write_off_line a join write_off o on o.id = a.write_off where o.state = 'confirmed' and a.lost > 0
	union all select 'fee', id, 'single', 'earned', member, 'fee', 0, amount from fee where amount > 0
	union all select 'donation', id, 'single', case source when 'unused' then 'clearing' else source end, coalesce(member, 0),
	  case when cause is null then 'cause' else 'earned' end, coalesce(cause, 0), amount from donation
	union all select case source when 'earned' then 'withdrawal' when 'means' then 'refund' else 'payout' end, id, phase, source, coalesce(member, 0), 'bank', 0, amount
	  from withdrawal cross join lateral (values ('pending'), (case state when 'paid' then 'post' when 'refused' then 'void' end)) x (phase)
	  where phase is not null
	union all select case v.cause when 'mistake' then 'reversal' else 'chargeback' end, v.id, 'single', 'means', d.member, 'bank', 0, v.taken
	  from reversal v join deposit d on d.id = v.deposit where v.taken > 0
	union all select 'loss', id, 'single', 'loss', 0, 'bank', 0, lost from reversal where lost > 0`

// paying says what moves by a payment of ours: money in the bank, or by netting what the peer owes.
const paying = `(select y.*, case when method = 'netting' then 'netting' else 'payment' end as kind,
	  case when method = 'netting' then 'receivable' else 'bank' end as by, case when method = 'netting' then peer else 0 end as owner
	  from payment y) y`

// invariants: each query returns the rows that break one.
var invariants = []struct{ code, sql string }{
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
		from transfer_key k full join (select * from transfer where batch not like '%/settlement') t on t.id = k.transfer and t.batch = k.batch
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
	// Protocol §10.3: per giver and settled month Σ shares + rolled over = reserved budget.
	{"shares-sum", `
		select format('reservation %s (member %s, %s): shares %s of %s', r.id, r.member, r.period, s.sum, r.amount) as row
		from reservation r join (
		  select giver, period, sum(amount) as sum from share group by giver, period) s
		  on s.giver = r.member and s.period = r.period
		where r.state <> 'released' and s.sum <> r.amount`},
	{"share-flattr", `
		select format('share %s/%s/%s', s.giver, s.thing, s.period) as row from share s
		where not exists (select from flattr f where f.period = s.period and f.giver = s.giver and f.thing = s.thing and f.state = 'accepted')
		   or not exists (select from month m where m.period = s.period and m.state = 'settled')
		union all
		select format('share %s/%s/%s: its giver has no reservation', s.giver, s.thing, s.period) from share s
		where not exists (select from reservation r where r.member = s.giver and r.period = s.period and r.state <> 'released')
		union all
		select format('share %s/%s/%s is missing: flattr %s is %s in %s', f.giver, f.thing, f.period, f.id, f.state, f.period) from flattr f
		join month m on m.period = f.period left join share s on s.giver = f.giver and s.thing = f.thing and s.period = f.period
		where m.state = 'settled' and f.state in ('accepted', 'sent', 'held') and s.giver is null`},
	{"settlement", `
		select format('settlement %s: %s', coalesce(x.period, m.period), coalesce(x.stage, 'missing')) as row
		from settlement x full join (
		  select m.period, (select count(*) from reservation r where r.period = m.period and r.state <> 'released') as givers,
		    count(s.giver) as flattrs, coalesce(sum(s.amount), 0)::bigint as amount,
		    (select coalesce(sum(r.amount), 0) from reservation r where r.period = m.period and r.state <> 'released')::bigint as reserved
		  from month m left join share s on s.period = m.period where m.state = 'settled' group by m.period) m on m.period = x.period
		where (x.stage = 'settled' or m.period is not null) and
		  (x.stage, x.givers, x.done, x.flattrs, x.amount, x.amount + x.rolled)
		  is distinct from ('settled', m.givers, m.givers, m.flattrs, m.amount, m.reserved)`},
	// Protocol §7, fee: of all that became available to a payee of a month the rate, rounded down, step by step.
	{"fee", `
		with rate as (
		  select f.*, ` + feeRate("f.period") + `::bigint as rate, lag(f.gross, 1, 0::bigint) over (partition by f.member, f.period order by f.gross) as before
		  from fee f)
		select format('fee %s (member %s, %s): %s of %s, for %s', r.id, r.member, r.period, r.amount, r.gross,
		  coalesce('earning ' || r.earning, 'line_allocation ' || r.allocation, 'line_advance ' || r.advance)) as row
		from rate r left join earning e on e.id = r.earning left join line_allocation a on a.id = r.allocation
		left join line_advance v on v.id = r.advance
		left join claim_line l on l.id = coalesce(a.line, v.line) and l.member = coalesce(a.member, l.member) left join claim c on c.id = l.claim
		where (r.member, r.period, r.gross - r.before)
		    is distinct from (coalesce(e.member, l.member), coalesce(e.period, c.period), coalesce(e.amount, a.amount - a.repaid, v.amount))
		  or r.rate = 0 or r.amount <> ` + feeSQL("r.gross", "r.rate") + ` - ` + feeSQL("r.before", "r.rate") + `
		union all
		select format('earning %s has no fee', e.id) from earning e
		where ` + feeRate("e.period") + ` > 0 and not exists (select from fee f where f.earning = e.id)
		union all
		select format('line_allocation %s has no fee', a.id)
		from line_allocation a join claim_line l on l.id = a.line and l.member = a.member join claim c on c.id = l.claim
		where ` + feeRate("c.period") + ` > 0 and a.amount > a.repaid and not exists (select from fee f where f.allocation = a.id)
		union all
		select format('line_advance %s has no fee', v.id)
		from line_advance v join claim_line l on l.id = v.line join claim c on c.id = l.claim
		where ` + feeRate("c.period") + ` > 0 and not exists (select from fee f where f.advance = v.id)`},
	// What no flattr took of a month whose policy is so went to the cause.
	{"donation", `
		select format('donation %s of %s: %s, want %s (settlement %s)', coalesce(d.id, 0), coalesce(d.period, s.period), coalesce(d.amount, 0),
		  coalesce(s.rolled, 0), coalesce(s.period, 'none')) as row
		from (select * from donation where source = 'unused') d full join (
		  select s.period, s.rolled from settlement s join month m on m.period = s.period
		  where m.state = 'settled' and m.unused = 'cause' and s.rolled > 0) s on s.period = d.period
		where d.amount is distinct from s.rolled`},
	// Who left said how, and what is left goes that way. A cause that has left itself is the instance's.
	{"departure", `
		select format('departure %s', coalesce(d.member, m.id)) as row
		from departure d full join (select id, deleted_at from member where deleted_at is not null) m on m.id = d.member
		where d.created_at is distinct from m.deleted_at
		union all
		select format('donation %s of departure %s: cause %s, want %s', x.id, d.member, coalesce(x.cause, 0), coalesce(d.cause, 0))
		from donation x join departure d on d.member = x.member left join member g on g.id = d.cause
		where x.created_at < d.created_at or x.cause <> d.cause or x.cause is not null and d.cause is null
		  or x.cause is null and d.cause is not null and (g.deleted_at is null or g.deleted_at > x.created_at)
		union all
		select format('line_allocation %s to claim_line %s of member %s is member %s''s', a.id, l.id, l.member, coalesce(a.member, 0))
		from line_allocation a join claim_line l on l.id = a.line join payment y on y.id = a.payment
		left join departure d on d.member = l.member left join member g on g.id = d.cause
		where case when l.member is null then a.member is not null when a.member = l.member then d.created_at < y.answered_at
		  else d.member is null or d.created_at > y.answered_at or a.member is distinct from d.cause
		    and (a.member is not null or g.deleted_at is null or g.deleted_at > y.answered_at) end`},
	{"month-reservations", `
		select format('reservation %s is %s, and the one in its place, reservation %s, is of %s (reversal %s)', id, state,
		  coalesce(next, 0), coalesce(amount_then, 0), coalesce(reversal, 0)) as row from (
		  select r.id, r.state, r.amount, v.id as reversal, v.lowered, lead(r.id) over w as next, lead(r.amount) over w as amount_then
		  from reservation r left join reversal v on v.reservation = r.id window w as (partition by r.member, r.period order by r.id)) r
		where case when lowered is null then (state = 'released') <> (next is not null) or amount_then <= amount
		  when lowered = amount then state <> 'released'
		  else state <> 'released' or amount_then is distinct from amount - lowered end
		union all
		select format('reservation %s of %s is booked in %s', r.id, r.period, k.batch) from reservation r
		join transfer_key k on k.kind = 'budget' and k.ref = r.id and k.phase = 'pending' where k.batch <> r.period`},
	// A reversal takes back a whole deposit, and lowers no reservation but its giver's.
	{"reversal", `
		select format('reversal %s of deposit %s: %s and %s of %s, reservation %s', v.id, v.deposit, v.taken, v.lost, d.amount, coalesce(r.id, 0)) as row
		from reversal v left join deposit d on d.id = v.deposit left join reservation r on r.id = v.reservation
		where v.taken + v.lost is distinct from d.amount or r.member <> d.member or v.lowered > r.amount`},
	{"earning-shares", `
		select format('earning %s (member %s, %s)', e.id, coalesce(e.member, s.member), coalesce(e.period, s.period)) as row
		from earning e full join (
		  select s.period, t.member, count(*) as flattrs, sum(s.amount) as amount
		  from share s join thing t on t.id = s.thing where t.member is not null group by s.period, t.member having sum(s.amount) > 0) s
		  on s.period = e.period and s.member = e.member
		where (e.flattrs, e.amount) is distinct from (s.flattrs, s.amount)`},
	{"return-share", `
		with x as (` + lineShares + ` where l.refused is not null)
		select format('share_return %s of claim %s', b.id, b.claim) as row from share_return b
		left join x on x.claim = b.claim and x.giver = b.giver and x.thing = b.thing and x.period = b.period
		where x.amount is distinct from b.amount
		union all
		select format('share %s/%s/%s of the refused claim_line %s isn''t returned', x.giver, x.thing, x.period, x.line) from x
		where x.amount > 0 and not exists (
		  select from share_return b where b.giver = x.giver and b.thing = x.thing and b.period = x.period)`},
	{"claim-lines", `
		select format('claim %s: its lines (' || coalesce(l.names, 'no claim_line') || ') add up to %s (%s lines)', c.id, coalesce(l.sum, 0), coalesce(l.n, 0)) as row
		from claim c left join (select claim, sum(amount) as sum, count(*) as n,
		    string_agg('claim_line ' || id, ', ' order by id) as names from claim_line group by claim) l on l.claim = c.id
		where (c.amount, c.line_count) is distinct from (coalesce(l.sum, 0), coalesce(l.n, 0))
		union all
		select format('claim %s, which came back: its refused lines (of ' || l.names || ') add up to %s, recovered is %s', c.id, l.sum, coalesce(t.amount, 0))
		from claim c join (select claim, sum(amount) filter (where refused is not null) as sum,
		    string_agg('claim_line ' || id, ', ' order by id) as names from claim_line group by claim) l on l.claim = c.id
		left join transfer t on t.kind = 'recovery' and t.ref = c.id
		where c.direction = 'out' and c.adopted and t.amount is distinct from l.sum
		union all
		select format('claim_line %s has no claim', l.id) from claim_line l where not exists (select from claim c where c.id = l.claim)`},
	{"claim-shares", `
		with x as (` + lineShares + ` where c.supersedes is null)
		select format('claim_line %s of claim %s, payee %s: ', l.id, l.claim, l.payee) || coalesce(x.names, 'no share') as row
		from claim_line l join claim c on c.id = l.claim and c.direction = 'out' and c.supersedes is null and not c.adopted
		left join (select line, sum(amount) as amount, string_agg(format('share %s/%s/%s', giver, thing, period), ', ' order by giver, thing) as names
		  from x group by line) x on x.line = l.id
		where l.amount is distinct from x.amount
		union all
		select format('share %s/%s/%s of another instance''s payee is in no claim, or in two', s.giver, s.thing, s.period)
		from share s join thing t on t.id = s.thing
		left join (select giver, thing, period, count(*) as n from x group by giver, thing, period) x
		  on x.giver = s.giver and x.thing = s.thing and x.period = s.period
		where t.peer is not null and s.amount > 0 and x.n is distinct from 1`},
	{"claim-successor", `
		select format('claim %s is %s', c.id, c.state) as row from claim c
		where (c.state = 'superseded') <> exists (select from claim n where n.supersedes = c.id)
		union all
		select format('claim %s supersedes claim %s, which has another key or none', n.id, n.supersedes)
		from claim n left join claim o on o.id = n.supersedes
		where n.supersedes is not null and (o.direction, o.peer, o.period, o.currency, case when n.direction = 'out' then coalesce(o.origin, o.id) end)
		  is distinct from (n.direction, n.peer, n.period, n.currency, n.origin)
		union all
		select format('claim_line %s and its successor, claim_line %s of claim %s', coalesce(o.id::text, 'missing'),
		  coalesce(n.id::text, 'missing'), coalesce(o.next, n.claim))
		from (select l.id, l.payee, l.amount, l.things, n.id as next from claim_line l join claim n on n.supersedes = l.claim
		        where l.refused is null and n.direction = 'out') o
		full join (select l.id, l.payee, l.amount, l.things, l.claim from claim_line l join claim c on c.id = l.claim
		        where c.supersedes is not null and c.direction = 'out') n
		  on n.claim = o.next and n.payee = o.payee
		where (o.amount, o.things) is distinct from (n.amount, n.things)`},
	{"claim-key", `
		select format('claim %s (%s): not the id of %s/%s/%s/%s', c.id, c.iri, p.host, c.period, c.currency, c.n) as row
		from claim c join peer p on p.id = c.peer cross join instance i
		where (c.direction = 'out') <> (c.iri = format('%s/claims/%s/%s/%s/%s', i.base_url, c.period, p.host, c.currency, c.n))
		  or (c.direction = 'in' and c.answer is not null) <> (c.content <> '')`},
	// A claim that came in superseded was never seen: it has no lines and no answer.
	{"claim-answer", `
		select format('claim %s is %s with the answer %s', c.id, c.state, coalesce(c.answer, 'none')) as row from claim c
		where c.answer is distinct from case when c.state in ('accepted', 'confirmed') then 'accept'
		  when c.state = 'refused' or c.state = 'superseded' and c.line_count > 0 then 'reject' end
		union all
		select format('claim %s is %s with refused lines: %s of %s (%s)', c.id, c.state, l.refused, l.lines, l.names)
		from claim c join (select claim, count(*) as lines, count(refused) as refused,
		  string_agg('claim_line ' || id, ', ' order by id) as names from claim_line group by claim) l on l.claim = c.id
		where case when c.answer = 'reject' then l.refused = 0 else l.refused > 0 end
		  or (c.state = 'refused' and c.direction = 'out' and l.refused <> l.lines
		    and not exists (select from standing s where s.peer = c.peer and s.held_at is not null))
		union all
		select format('claim %s is %s, but adopted', c.id, c.state) from claim c where c.adopted and c.state in ('draft', 'replaced')
		union all
		select format('claim %s is replaced, but by none', c.id) from claim c where c.state = 'replaced' and not exists (
		  select from claim a where a.adopted and (a.direction, a.peer, a.period) = (c.direction, c.peer, c.period))
		union all
		select format('claim %s is a draft, but nothing is held', c.id) from claim c where c.state = 'draft'
		  and not exists (select from standing s where s.peer = c.peer and s.held_at is not null)`},
	// We refuse the lines of nobody and of those who left, and no others. A member's line that came
	// within the minute of leaving may have been judged either way.
	{"line-payee", `
		select format('claim_line %s (%s, member %s): %s', l.id, l.payee, coalesce(l.member::text, 'none'), coalesce(l.refused, 'not refused')) as row
		from claim_line l join claim c on c.id = l.claim left join member m on m.id = l.member cross join instance i
		where l.payee <> i.base_url || '/users/' || m.name
		  or c.direction = 'out' and l.member is not null
		  or c.direction = 'in' and case when l.refused = 'unknown-payee' then l.member is not null
		    when l.refused = 'deleted' then not c.adopted and m.deleted_at is null
		    when l.refused is not null then true
		    else not c.adopted and (l.member is null or m.deleted_at < c.answered_at - interval '1 minute')
		      and (select count(*) from claim_line r where r.claim = c.id and r.refused is not null) < 200 end
		  -- of what our own answer took before a restore, only those may be nobody's who aren't here
		  or c.direction = 'in' and c.adopted and l.member is null and l.refused is distinct from 'unknown-payee' and exists (
		    select from member k where i.base_url || '/users/' || k.name = l.payee and k.created_at < c.created_at - interval '1 minute')`},
	{"claim-confirmed", `
		select format('claim %s is %s with %s of %s paid', c.id, c.state, c.paid, c.amount) as row from (` + claimQuery + `) c
		where c.allocated > c.amount or c.paid > c.amount
		  or (c.state in ('accepted', 'confirmed') and (c.state = 'confirmed') <> (c.amount - c.paid < 10000))
		  or (c.state not in ('accepted', 'confirmed') and c.allocated + c.paid > 0)`},
	{"payment-allocations", `
		select format('payment_allocation %s/%s', a.payment, a.claim) as row
		from (select a.*, sum(a.amount) over w - a.amount as before, y.state, least(y.received, y.amount) as credited
		      from payment_allocation a join payment y on y.id = a.payment join claim c on c.id = a.claim
		      window w as (partition by a.payment, c.direction order by c.period, c.n)) a
		where a.confirmed is distinct from case when a.state = 'confirmed'
		  then greatest(0, least(a.amount, a.credited - a.before)) end
		union all
		select format('payment %s: its allocations (%s) add up to %s of %s', coalesce(y.id, a.payment),
		  coalesce(a.names, 'no payment_allocation'), coalesce(a.sum, 0), y.amount)
		from (select y.*, d.direction as side from payment y join (values ('out'), ('in')) d (direction)
		    on y.method = 'netting' or d.direction = y.direction) y
		full join (select a.payment, c.direction, sum(a.amount) as sum,
		    string_agg(format('payment_allocation %s/%s', payment, claim), ', ' order by claim) as names
		    from payment_allocation a left join claim c on c.id = a.claim group by a.payment, c.direction) a
		  on a.payment = y.id and a.direction = y.side
		where y.amount is distinct from a.sum
		union all
		select format('payment_allocation %s/%s of payment %s: claim of another peer or direction', a.payment, a.claim, a.payment)
		from payment_allocation a left join payment y on y.id = a.payment left join claim c on c.id = a.claim
		where y.peer is distinct from c.peer or y.method is distinct from 'netting' and y.direction is distinct from c.direction`},
	{"payment-key", `
		select format('payment %s (%s %s)', y.id, y.direction, y.iri) as row from payment y cross join instance i
		where (y.direction = 'out') <> (y.iri = i.base_url || '/payments/' || y.reference)
		  or (y.direction = 'out') <> (y.content = '')`},
	{"line-allocations", `
		select format('payment %s pays %s of claim %s, its lines (%s) get %s (%s)', coalesce(a.payment, x.payment), coalesce(a.confirmed, 0),
		  coalesce(a.claim, x.claim), (select string_agg('claim_line ' || id, ', ' order by id) from claim_line where claim = coalesce(a.claim, x.claim)),
		  coalesce(x.sum, 0), coalesce(x.names, 'no line_allocation')) as row
		from (select a.payment, a.claim, a.confirmed from payment_allocation a join payment y on y.id = a.payment
		        join claim c on c.id = a.claim where c.direction = 'in' and a.confirmed > 0) a
		full join (select payment, claim, sum(amount) as sum, string_agg('line_allocation ' || id, ', ' order by id) as names
		  from line_allocation group by payment, claim) x
		  on x.payment = a.payment and x.claim = a.claim
		where a.confirmed is distinct from x.sum
		union all
		select format('line_allocation %s: line %s has %s of %s', min(x.id), l.id, sum(x.amount), l.amount)
		from claim_line l join line_allocation x on x.line = l.id group by l.id having sum(x.amount) > l.amount
		union all
		select format('line_allocation %s: line of another claim', x.id) from line_allocation x
		left join claim_line l on l.id = x.line where l.claim is distinct from x.claim`},
	// Protocol §10.4, our side: what we owe a peer is what its open claims say, and the reverse.
	{"peer-balance", `
		select format('account of peer %s: payable %s, claims %s', p.host, coalesce(a.credits_posted - a.debits_posted, 0), coalesce(c.sum, 0)) as row
		from peer p left join account a on a.kind = 'payable' and a.owner = p.id
		left join (select peer, sum(amount - paid) as sum from (` + claimQuery + `) c
		  where direction = 'out' and state in ('draft', 'offered', 'accepted', 'confirmed') group by peer) c on c.peer = p.id
		left join (select c.peer, sum(l.amount) as sum from claim c join claim_line l on l.claim = c.id and l.refused is null
		  where c.direction = 'out' and c.state = 'refused' group by c.peer) w on w.peer = p.id -- waits for its successor
		where coalesce(a.credits_posted - a.debits_posted, 0) <> coalesce(c.sum, 0) + coalesce(w.sum, 0)
		union all
		select format('account of peer %s: receivable %s, claims %s, written off %s', p.host, coalesce(a.debits_posted - a.credits_posted, 0),
		  coalesce(c.sum, 0), coalesce(w.sum, 0))
		from peer p left join account a on a.kind = 'receivable' and a.owner = p.id
		left join (select peer, sum(amount - paid) as sum from (` + claimQuery + `) c
		  where direction = 'in' and state in ('accepted', 'confirmed') group by peer) c on c.peer = p.id
		left join (select peer, sum(written) as sum from (` + standings + `) s group by peer) w on w.peer = p.id
		where coalesce(a.debits_posted - a.credits_posted, 0) <> coalesce(c.sum, 0) - coalesce(w.sum, 0)
		union all
		select format('account of peer %s: advance %s, lines %s', p.host, coalesce(a.debits_posted - a.credits_posted, 0), coalesce(s.sum, 0))
		from peer p left join account a on a.kind = 'advance' and a.owner = p.id
		left join (select peer, sum(advanced - lost) as sum from (` + standings + `) s group by peer) s on s.peer = p.id
		where coalesce(a.debits_posted - a.credits_posted, 0) <> coalesce(s.sum, 0)`},
	// What is advanced and written off of a line is within what isn't paid of it; a line is written off whole.
	{"line-standing", `
		select format('claim_line %s (%s): open %s, advanced %s, written off %s, lost %s', s.id, coalesce(n.names, 'no rows'), s.open,
		  s.advanced, s.written, s.lost) as row
		from (` + standings + `) s left join lateral (select string_agg(name, ', ') as names from (
		  select 'line_allocation ' || id as name from line_allocation where line = s.id
		  union all select 'line_advance ' || id from line_advance where line = s.id
		  union all select 'write_off_line ' || id from write_off_line where line = s.id) x) n on true
		where s.advanced < 0 or s.advanced > s.open or s.written not in (0, s.open) or s.lost <> least(s.advanced, s.written)
		union all
		select format('line_advance %s (advance %s): a line of another claim, or of one that isn''t accepted', a.id, a.advance)
		from line_advance a left join advance v on v.id = a.advance left join claim_line l on l.id = a.line left join claim c on c.id = l.claim
		where (c.id, c.direction, c.answer) is distinct from (v.claim, 'in', 'accept')
		union all
		select format('write_off_line %s (write_off %s): a line of another peer, or of a claim that isn''t accepted', a.id, a.write_off)
		from write_off_line a left join write_off o on o.id = a.write_off left join claim_line l on l.id = a.line left join claim c on c.id = l.claim
		where (c.peer, c.direction, c.answer) is distinct from (o.peer, 'in', 'accept')`},
	{"advance-lines", `
		select format('advance %s: %s of %s on its lines (%s)', v.id, coalesce(a.sum, 0), v.amount, coalesce(a.names, 'no line_advance')) as row
		from advance v left join (select advance, sum(amount) as sum, string_agg('line_advance ' || id, ', ' order by id) as names
		  from line_advance group by advance) a on a.advance = v.id where v.amount is distinct from a.sum`},
	{"write-off-lines", `
		select format('write_off %s: %s and %s lost of %s and %s on its lines (%s)', o.id, coalesce(a.sum, 0), coalesce(a.lost, 0), o.amount, o.lost,
		  coalesce(a.names, 'no write_off_line')) as row
		from write_off o left join (select write_off, sum(amount) as sum, sum(lost) as lost, string_agg('write_off_line ' || id, ', ' order by id) as names
		  from write_off_line group by write_off) a on a.write_off = o.id where (o.amount, o.lost) is distinct from (a.sum, a.lost)
		union all
		select format('write_off %s (%s): who proposed or decided it isn''t in the peer''s history', o.id, o.state) from write_off o
		where (select count(*) from peer_event e where e.write_off = o.id and e.peer = o.peer
		    and (e.kind, e.operator) in (('write-off-proposed', o.proposed_by), ('write-off-' || o.state, coalesce(o.decided_by, o.proposed_by))))
		  <> case o.state when 'proposed' then 1 else 2 end
		union all
		select format('write_off %s is missing, but in the history of peer %s', e.write_off, e.peer) from peer_event e
		where e.write_off is not null and not exists (select from write_off o where o.id = e.write_off)`},
	// Protocol §2: the pinned key is the last that the peer had.
	{"peer-key", `
		select format('peer %s: its accounting key isn''t the last of its keys', p.id) as row from peer p
		left join lateral (select key, key_id from peer_key where peer = p.id order by id desc limit 1) k on true
		where (p.accounting_key, p.accounting_key_id) is distinct from (coalesce(k.key, ''), coalesce(k.key_id, ''))`},
	{"flattr-funded", `
		select format('flattr %s is %s without a budget', f.id, f.state) as row from flattr f
		where f.state in ('sent', 'held', 'accepted') and not exists (
		  select from reservation r where r.member = f.giver and r.period = f.period and r.state <> 'released')
		union all
		select format('flattr %s is %s but its budget runs', f.id, f.state) from flattr f
		join reservation r on r.member = f.giver and r.period = f.period and r.state <> 'released'
		where f.state = 'unfunded' and not exists (select from reserving g where g.period = f.period)`},
	{"flattr-carries", `
		select format('flattr %s carries %s', n.id, n.carries) as row from flattr n
		left join flattr o on o.id = n.carries and o.giver = n.giver and o.thing = n.thing and o.period < n.period and o.state = 'carried'
		where n.carries is not null and o.id is null
		union all
		select format('flattr %s is carried by %s others', carries, count(*)) from flattr where carries is not null group by carries having count(*) > 1`},
	{"one-open-month", `
		select format('month rows: %s open', count(*)) as row from month where state = 'open' having count(*) <> 1`},
}

// standings is what every accepted line of the peers' claims has come to, as lineStanding says of a claim.
const standings = `
	select l.id, c.peer, l.amount - coalesce(x.paid, 0) as open, coalesce(v.amount, 0) - coalesce(x.repaid, 0) as advanced,
	  coalesce(w.amount, 0) - coalesce(x.reinstated, 0) as written, coalesce(w.lost, 0) - coalesce(x.recovered, 0) as lost
	from claim_line l join claim c on c.id = l.claim and c.direction = 'in' and c.state in ('accepted', 'confirmed')
	left join (select line, sum(amount) as paid, sum(repaid) as repaid, sum(reinstated) as reinstated, sum(recovered) as recovered
	  from line_allocation group by line) x on x.line = l.id
	left join (select line, sum(amount) as amount from line_advance group by line) v on v.line = l.id
	left join (select y.line, sum(y.amount) as amount, sum(y.lost) as lost from write_off_line y
	  join write_off o on o.id = y.write_off and o.state = 'confirmed' group by y.line) w on w.line = l.id`

// feeSQL is feeOf; it stays within what a bigint holds.
func feeSQL(gross, rate string) string {
	return `(` + gross + ` / 10000 * ` + rate + ` + ` + gross + ` % 10000 * ` + rate + ` / 10000)`
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
