package ledger

// unclaimedInvariants: what waited either ended without a trace or is one flattr of its giver's.
var unclaimedInvariants = []invariant{
	{"unclaimed", `
		select format('unclaimed_flattr %s is %s by flattr %s of %s, made %s, which carries %s', w.id, w.state, w.flattr, coalesce(f.giver, 0), f.made_at, coalesce(f.carries::text, 'none')) as row
		from unclaimed_flattr w join unclaimed_thing u on u.id = w.thing
		left join flattr f on f.id = w.flattr left join thing t on t.id = f.thing
		where w.state = 'carried' and (f.giver is distinct from w.giver
		  or case when f.carries = w.id then f.made_at <> w.ended_at else f.made_at >= w.ended_at end
		  or t.iri <> u.iri and t.button is not null and t.url <> u.url)
		union all
		select format('unclaimed_flattr %s has no thing, or its giver is nobody', w.id) from unclaimed_flattr w
		where not exists (select from unclaimed_thing u where u.id = w.thing) or not exists (select from member m where m.id = w.giver)
		union all
		select format('unclaimed_flattr %s waits though its giver left', w.id) from unclaimed_flattr w join member m on m.id = w.giver
		where w.state = 'unclaimed' and m.deleted_at is not null
		union all
		select format('unclaimed_flattr %s: %s wait of one giver for unclaimed_thing %s', min(id::text), count(*), thing) from unclaimed_flattr
		where state = 'unclaimed' group by giver, thing having count(*) > 1
		union all
		select format('unclaimed_thing %s: what waits for it is never looked at', u.id) from unclaimed_thing u
		where u.look_at is null and exists (select from unclaimed_flattr w where w.thing = u.id and w.state = 'unclaimed')`},
}
