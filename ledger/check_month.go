package ledger

// monthInvariants: budgets, flattrs, shares and what became of them agree.
var monthInvariants = []invariant{
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
		where m.state = 'settled' and f.state in ('accepted', 'sent', 'held') and s.giver is null
		  and not (m.funding = 'pledge' and f.state = 'accepted' and exists (
		    select from pledge q where q.period = f.period and q.member = f.giver and not ` + partSettled + `))`},
	{"settlement", `
		select format('settlement %s: %s', coalesce(x.period, m.period), coalesce(x.stage, 'missing')) as row
		from settlement x full join (
		  select m.period, (select count(*) from reservation r where r.period = m.period and r.state <> 'released' and ` + settledReservation + `) as givers,
		    count(s.giver) as flattrs, coalesce(sum(s.amount), 0)::bigint as amount,
		    (select coalesce(sum(r.amount), 0) from reservation r where r.period = m.period and r.state <> 'released' and ` + settledReservation + `)::bigint as reserved
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
		join transfer_key k on k.kind = 'budget' and k.ref = r.id and k.phase = 'pending'
		join month m on m.period = r.period where case m.funding when 'pledge' then k.batch <= r.period else k.batch <> r.period end`},
	// A reversal takes back a whole deposit, and lowers no reservation but its giver's.
	{"reversal", `
		select format('reversal %s of deposit %s: %s and %s of %s, reservation %s', v.id, v.deposit, v.taken, v.lost, d.amount, coalesce(r.id, 0)) as row
		from reversal v left join deposit d on d.id = v.deposit left join reservation r on r.id = v.reservation
		where v.taken + v.lost is distinct from d.amount or r.member <> d.member or v.lowered > r.amount`},
	{"earning-shares", `
		select format('earning %s (member %s, %s)', e.id, coalesce(e.member, s.member), coalesce(e.period, s.period)) as row
		from earning e full join (
		  select s.period, coalesce(q.part, 0) as part, s.member, count(*) as flattrs, sum(s.amount) as amount
		  from (select s.period, s.giver, t.member, s.amount from share s join thing t on t.id = s.thing where t.member is not null
		      and not exists (select from share_part k where k.giver = s.giver and k.thing = s.thing and k.period = s.period)
		    union all
		    select k.period, k.giver, p.member, k.amount from share_part k join thing_split_part p on p.id = k.part where p.member is not null) s
		  left join pledge q on q.period = s.period and q.member = s.giver
		  group by s.period, coalesce(q.part, 0), s.member having sum(s.amount) > 0) s
		  on s.period = e.period and s.part = e.part and s.member = e.member
		where (e.flattrs, e.amount) is distinct from (s.flattrs, s.amount)`},
	{"flattr-funded", `
		select format('flattr %s is %s without a budget', f.id, f.state) as row from flattr f
		where f.state in ('sent', 'held', 'accepted') and not ` + funded("f.giver", "f.period") + `
		union all
		select format('flattr %s is %s but its budget runs', f.id, f.state) from flattr f
		where f.state = 'unfunded' and ` + funded("f.giver", "f.period") + ` and not exists (select from reserving g where g.period = f.period)`},
	{"flattr-carries", `
		select format('flattr %s carries %s', n.id, n.carries) as row from flattr n
		left join flattr o on o.id = n.carries and o.giver = n.giver and o.thing = n.thing and o.period < n.period and o.state = 'carried'
		left join unclaimed_flattr w on w.id = n.carries and w.giver = n.giver and w.flattr = n.id and w.state = 'carried'
		where n.carries is not null and o.id is null and w.id is null
		union all
		select format('flattr %s is carried by %s others', carries, count(*)) from flattr where carries is not null group by carries having count(*) > 1`},
	{"one-open-month", `
		select format('month rows: %s open', count(*)) as row from month where state = 'open' having count(*) <> 1`},
}

// feeSQL is feeOf; it stays within what a bigint holds.
func feeSQL(gross, rate string) string {
	return `(` + gross + ` / 10000 * ` + rate + ` + ` + gross + ` % 10000 * ` + rate + ` / 10000)`
}
