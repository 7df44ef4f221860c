package ledger

import (
	"context"
	"fmt"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// lineParts joins what has happened to a line l.
const lineParts = `
	left join lateral (select sum(amount) as paid, sum(repaid) as repaid, sum(reinstated) as reinstated, sum(recovered) as recovered
	  from line_allocation where line = l.id) x on true
	left join lateral (select sum(amount) as amount from line_advance where line = l.id) v on true
	left join lateral (select sum(y.amount) as amount, sum(y.lost) as lost from write_off_line y
	  join write_off o on o.id = y.write_off where y.line = l.id and o.state = 'confirmed') w on true`

// lineStanding reads what the lines of a peer's accepted claim, $1, have come to.
const lineStanding = `
	select l.id, l.member, c.period, d.member is not null as gone, g.id as cause, l.amount - coalesce(x.paid, 0)::bigint as open,
	  (coalesce(v.amount, 0) - coalesce(x.repaid, 0))::bigint as advanced,
	  (coalesce(w.amount, 0) - coalesce(x.reinstated, 0))::bigint as written,
	  (coalesce(w.lost, 0) - coalesce(x.recovered, 0))::bigint as lost
	from claim_line l join claim c on c.id = l.claim
	left join departure d on d.member = l.member left join member g on g.id = d.cause and g.deleted_at is null` + lineParts + `
	where l.claim = $1 order by l.payee collate "C"`

// standingLine is a line of a peer's claim in what is to happen to it, in micro-units. Lost is within Advanced and
// within Written, both of them within Open.
type standingLine struct {
	ID       int64
	Member   *int64 // nil: lost with a database, its money stands in recovery
	Period   string
	Gone     bool   // the payee has left
	Cause    *int64 // then: whose the money is; nil: the instance's cause
	Open     int64  // not paid
	Advanced int64  // of Open, available to the payee already
	Written  int64  // of Open, written off
	Lost     int64  // of Advanced, booked as a loss of this instance
}

// heir is whose a payment for the line is; nil with a member is the instance's cause.
func (l standingLine) heir() *int64 {
	if l.Gone {
		return l.Cause
	}
	return l.Member
}

// advanceable is what may still be advanced: neither paid, nor advanced, nor written off. Nobody is lent for one who left.
func (l standingLine) advanceable() int64 {
	if l.Member == nil || l.Gone {
		return 0
	}
	return l.Open - l.Written - (l.Advanced - l.Lost)
}

// paidBy tells where a part of a payment for this line goes: it pays back what was advanced first, and of what was
// written off it brings back as much as it pays.
func (l standingLine) paidBy(part int64) (repaid, reinstated, recovered int64) {
	repaid, reinstated = min(part, l.Advanced), min(part, l.Written)
	return repaid, reinstated, min(repaid, l.Lost)
}

// advancesOf names the lock under which one use case at a time changes what is advanced to a peer's payees or written off
// of it. It comes before a line's standing is read, behind claims and payments, before accounts.
func advancesOf(peer int64) string { return fmt.Sprintf("advances of %d", peer) }

// allocateLines divides what a payment pays of a claim over its lines, by largest remainder over
// what each line is still owed, and makes that available to the payees, or pays back what they had of it before. If one
// has left, the cause gets it. freed is how much less is advanced then, and what the payees get is in w.got.
func (w *decided) allocateLines(ctx context.Context, peer, payment, claim, amount int64) (entries []journal.Entry, freed int64, err error) {
	lines, err := rows[standingLine](w.Query(ctx, lineStanding, claim))
	if err != nil {
		return nil, 0, err
	}
	weights := make([]int64, len(lines))
	for i, line := range lines {
		weights[i] = line.Open
	}
	for i, part := range SplitByWeight(amount, weights) {
		if part == 0 {
			continue
		}
		line := lines[i]
		repaid, reinstated, recovered := line.paidBy(part)
		var id int64
		if err := w.QueryRow(ctx, `
			insert into line_allocation (payment, claim, line, amount, repaid, reinstated, recovered, member)
			values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`,
			payment, claim, line.ID, part, repaid, reinstated, recovered, line.heir()).Scan(&id); err != nil {
			return nil, 0, err
		}
		if line.Member != nil {
			entries = append(entries, arrived(peer, *line.Member, causeAccount(line.heir()), id, part, repaid, reinstated, recovered)...)
		}
		if line.Member != nil && !line.Gone && part > repaid {
			w.got = append(w.got, available{allocation: id, member: *line.Member, period: line.Period, amount: part - repaid})
		}
		freed += repaid - recovered
	}
	return entries, freed, nil
}

// arrived are the transfers of a part of a payment for one line; earned is where what isn't paid back goes.
func arrived(peer, member int64, earned journal.Account, id, part, repaid, reinstated, recovered int64) (entries []journal.Entry) {
	announced, advance := of(journal.Announced, member), of(journal.Advance, peer)
	for _, e := range []journal.Entry{
		{Kind: kindReinstatement, Amount: reinstated, Debit: of(journal.Receivable, peer), Credit: announced},
		{Kind: kindAdvanceBack, Amount: recovered, Debit: advance, Credit: of(journal.Loss, 0)},
		{Kind: kindRepayment, Amount: repaid, Debit: announced, Credit: advance},
		{Kind: kindAllocation, Amount: part - repaid, Debit: announced, Credit: earned},
	} {
		if e.Ref, e.Phase = id, journal.Single; e.Amount > 0 {
			entries = append(entries, e)
		}
	}
	return entries
}
