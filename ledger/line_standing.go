package ledger

import "context"

// lineParts joins what has happened to a line l.
const lineParts = `
	left join lateral (select sum(amount) as paid, sum(repaid) as repaid, sum(reinstated) as reinstated, sum(recovered) as recovered
	  from line_allocation where line = l.id) x on true
	left join lateral (select sum(amount) as amount from line_advance where line = l.id) v on true
	left join lateral (select sum(y.amount) as amount, sum(y.lost) as lost from write_off_line y
	  join write_off o on o.id = y.write_off where y.line = l.id and o.state = 'confirmed') w on true`

// lineStanding reads what the lines of a peer's accepted claim, $1, have come to.
const lineStanding = `
	select l.id, l.member, l.amount - coalesce(x.paid, 0)::bigint as open,
	  (coalesce(v.amount, 0) - coalesce(x.repaid, 0))::bigint as advanced,
	  (coalesce(w.amount, 0) - coalesce(x.reinstated, 0))::bigint as written,
	  (coalesce(w.lost, 0) - coalesce(x.recovered, 0))::bigint as lost
	from claim_line l` + lineParts + `
	where l.claim = $1 order by l.payee collate "C"`

// standingLine is a line of a peer's claim in what is to happen to it, in micro-units. Lost is within Advanced and
// within Written, both of them within Open.
type standingLine struct {
	ID, Member int64
	Open       int64 // not paid
	Advanced   int64 // of Open, available to the payee already
	Written    int64 // of Open, written off
	Lost       int64 // of Advanced, booked as a loss of this instance
}

// advanceable is what may still be advanced: neither paid, nor advanced, nor written off.
func (l standingLine) advanceable() int64 { return l.Open - l.Written - (l.Advanced - l.Lost) }

// paidBy tells where a part of a payment for this line goes: it pays back what was advanced first, and of what was
// written off it brings back as much as it pays.
func (l standingLine) paidBy(part int64) (repaid, reinstated, recovered int64) {
	repaid, reinstated = min(part, l.Advanced), min(part, l.Written)
	return repaid, reinstated, min(repaid, l.Lost)
}

// lockPeer lets one use case at a time change what is advanced to a peer's payees or written off of it. It comes
// before a line's standing is read, and before accounts.
func (tx *Tx) lockPeer(ctx context.Context, peer int64) (Peer, error) {
	return row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where id = $1 for no key update`, peer))
}
