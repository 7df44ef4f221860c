package ledger

// claimInvariants: claims, their lines, shares and answers agree.
var claimInvariants = []invariant{
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
		where n.supersedes is not null and (o.direction, o.peer, o.period, o.currency, case when n.direction = 'out' then coalesce(o.origin, o.id) end, case when n.adopted then 0 else o.part end)
		  is distinct from (n.direction, n.peer, n.period, n.currency, n.origin, n.part)
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
}
