package ledger

import "fmt"

// pledgeInvariants: pledges, what was collected of them, and the months that they are for agree.
var pledgeInvariants = []invariant{
	// A pledge is of a pledge month; collected, it is the budget that is reserved there, and nobody else's is.
	{"pledge", `
		select format('pledge %s/%s is %s (reservation %s)', coalesce(q.period, r.period), coalesce(q.member, r.member), coalesce(q.state, 'missing'),
		  coalesce(r.id, q.reservation, 0)) as row
		from pledge q full join (
		  select r.* from reservation r join month m on m.period = r.period and m.funding = 'pledge' where r.state <> 'released') r
		  on r.period = q.period and r.member = q.member
		where (q.state = 'collected') is distinct from (r.id is not null)
		  or r.id is not null and (q.reservation, q.amount, q.decided_at) is distinct from (r.id, r.amount, r.created_at)
		union all
		select format('pledge %s/%s: the month is %s', q.period, q.member, m.funding) from pledge q join month m on m.period = q.period
		where m.funding <> 'pledge'`},
	// Each was decided when its part was closed, or its member left; unused are those without a share to pay.
	{"pledge-decided", `
		select format('pledge %s/%s is %s (part %s)', q.period, q.member, q.state, coalesce(q.part, -1)) as row
		from pledge q join month m on m.period = q.period left join departure d on d.member = q.member
		left join collection c on c.period = q.period and c.part = case q.state when 'collected' then q.part when 'unused' then 0 else ` + fmt.Sprint(pledgeSupplements) + ` end
		left join collection b on b.period = q.period and b.part = q.part - 1
		where case q.state
		  when 'promised' then c.created_at is not null or d.member is not null
		    or m.frozen_at is not null and not ` + takesShare + `
		  when 'collected' then q.decided_at > c.created_at or q.decided_at < b.created_at or m.state = 'open'
		    or q.part > 0 and b.part is null or c.part is null and exists (
		      select from collection x where x.period = q.period and x.part >= q.part)
		  when 'unused' then q.decided_at is distinct from c.created_at or ` + takesShare + `
		  else q.decided_at is distinct from c.created_at and q.decided_at is distinct from d.created_at end`},
	// In an open month each budget is promised.
	{"pledge-budget", `
		select format('pledge %s/%s: %s of a budget of %s', o.period, m.id, coalesce(q.amount, 0), m.budget) as row
		from month o join member m on m.budget > 0 and m.deleted_at is null
		left join pledge q on q.period = o.period and q.member = m.id and q.state = 'promised'
		where o.state = 'open' and o.funding = 'pledge' and coalesce(q.amount, 0) < m.budget
		  and not exists (select from reserving g where g.period = o.period)`},
	// What a part collected, and what was open then. Who left at that very instant may be on either side.
	{"collection", `
		select format('collection %s/%s: %s of %s givers, open %s', coalesce(c.period, m.period), coalesce(c.part, 0), coalesce(c.amount, 0),
		  coalesce(c.givers, 0), coalesce(c.open, 0)) || coalesce(', collection ' || c.period || '/' || (c.part - 1), '') || coalesce(': ' || x.names, '') as row
		from collection c full join (
		  select *, 0 as part from month where funding = 'pledge' and frozen_at is not null) m on m.period = c.period and m.part = c.part
		left join lateral (
		  select count(*) filter (where q.part = c.part) as givers, coalesce(sum(q.amount) filter (where q.part = c.part), 0) as amount,
		    coalesce(sum(q.amount) filter (where q.state = 'promised' or q.part > c.part or q.state = 'void'
		      and (q.decided_at > c.created_at or q.decided_at = c.created_at and d.member is null)), 0) as open,
		    coalesce(sum(q.amount) filter (where q.state = 'void' and q.decided_at = c.created_at and d.member is not null), 0) as perhaps,
		    array_to_string((array_agg(format('pledge %s/%s', q.period, q.member) order by q.member))[1:20], ', ') as names,
		    ` + promisesDigest + ` as digest
		  from pledge q left join departure d on d.member = q.member and d.created_at = q.decided_at
		  where q.period = c.period) x on true
		where c.part is null or (m.period is null) <> (c.part > 0)
		  or (c.givers, c.amount, c.digest) is distinct from (x.givers, x.amount, x.digest) or c.open not between x.open and x.open + x.perhaps
		  or c.part = 0 and c.created_at is distinct from m.frozen_at
		  or c.part > 0 and not exists (select from collection b where b.period = c.period and b.part = c.part - 1
		    and b.created_at <= c.created_at and b.settled_at <= c.created_at)
		  or (c.part = 0 and (c.settled_at is null) = (m.state = 'settled'))`},
}

// takesShare: a pledge's giver has an accepted flattr in its month.
const takesShare = `exists (select from flattr f where f.period = q.period and f.giver = q.member and f.state = 'accepted')`

// partSettled: the part of the settlement that a pledge is in is published.
const partSettled = `exists (select from collection x where x.period = q.period and x.part = q.part and x.settled_at is not null)`

// settledReservation: it isn't one of a supplement that is still to come.
const settledReservation = `not exists (select from pledge q where q.reservation = r.id and not ` + partSettled + `)`
