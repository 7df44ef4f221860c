package ledger

// peerInvariants: what peers owe and are owed agrees with the claims.
var peerInvariants = []invariant{
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
	// Protocol §2: the pinned key is the last that the peer had.
	{"peer-key", `
		select format('peer %s: its accounting key isn''t the last of its keys', p.id) as row from peer p
		left join lateral (select key, key_id from peer_key where peer = p.id order by id desc limit 1) k on true
		where (p.accounting_key, p.accounting_key_id) is distinct from (coalesce(k.key, ''), coalesce(k.key_id, ''))`},
}
