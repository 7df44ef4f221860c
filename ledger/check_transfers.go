package ledger

import "slices"

// invariant is a query that returns the rows that break it, by a stable code.
type invariant struct{ code, sql string }

// invariants are all that one instance can see of its own books (protocol §10).
var invariants = slices.Concat(booksInvariants, monthInvariants, pledgeInvariants, claimInvariants, paymentInvariants, peerInvariants,
	unclaimedInvariants, coAuthorInvariants)

// expectedTransfers is what the books must hold, derived from the business rows and their states:
// one line per (kind, ref, phase), with both accounts and the amount.
const expectedTransfers = `
	select 'deposit' as kind, id as ref, 'single' as phase, 'bank' as dk, 0::bigint as d, 'means' as ck, member as c, amount from deposit
	union all select 'budget', id, 'pending', 'means', member, 'clearing', 0, amount from reservation
	union all select 'budget', r.id, case when s.giver is null and (r.state = 'released' or m.unused = 'rollover') then 'void' else 'post' end, 'means', r.member, 'clearing', 0, r.amount
	  from reservation r join month m on m.period = r.period
	  left join (select distinct giver, period from share) s on s.giver = r.member and s.period = r.period and r.state <> 'released'
	  where r.state = 'released' or m.state = 'settled' and ` + settledReservation + `
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
