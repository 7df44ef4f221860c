package ledger

// paymentInvariants: payments, allocations, advances and write-offs agree.
var paymentInvariants = []invariant{
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
		select format('write_off %s: its lines aren''t those that were proposed (%s)', o.id, a.names) from write_off o
		join (select write_off, encode(sha256(convert_to(string_agg(format(E'%s %s %s\n', line, amount, lost), '' order by line), 'UTF8')), 'hex') as digest,
		    string_agg('write_off_line ' || id, ', ' order by id) as names
		  from write_off_line group by write_off) a on a.write_off = o.id where a.digest <> o.proposed_lines
		union all
		select format('write_off %s (%s): who proposed or decided it isn''t in the peer''s history', o.id, o.state) from write_off o
		where (select count(*) from peer_event e where e.write_off = o.id and e.peer = o.peer
		    and (e.kind, e.operator) in (('write-off-proposed', o.proposed_by), ('write-off-' || o.state, coalesce(o.decided_by, o.proposed_by))))
		  <> case o.state when 'proposed' then 1 else 2 end
		union all
		select format('write_off %s is missing, but in the history of peer %s', e.write_off, e.peer) from peer_event e
		where e.write_off is not null and not exists (select from write_off o where o.id = e.write_off)`},
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
