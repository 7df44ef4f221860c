package ledger

import (
	"context"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// collect reserves what a month's pledgers have paid for one part of its settlement, a thousand at a time. A pledge is
// collected whole: less stays its giver's means. Doing it again takes those who have paid meanwhile.
func (l *Ledger) collect(ctx context.Context, period string, part int32) error {
	for after := int64(0); ; {
		more := false
		if err := l.tx(ctx, func(tx *Tx) error {
			last, n, err := tx.collectNext(ctx, period, part, after)
			more = n == reserveChunk
			if more {
				after = last
			}
			return err
		}); err != nil || !more {
			return err
		}
	}
}

// collectible are pledges $1 that are covered by what their members have free, and whose flattrs take a share.
const collectible = `
	from pledge p join account a on a.kind = 'means' and a.owner = p.member and a.currency = $2
	where p.period = $1 and p.state = 'promised' and a.credits_posted - a.debits_posted - a.debits_pending >= p.amount
	  and exists (select from flattr f where f.period = p.period and f.giver = p.member and f.state = 'accepted')`

func (tx *Tx) collectNext(ctx context.Context, period string, part int32, after int64) (last int64, n int, err error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return 0, 0, err
	}
	givers, err := ids(tx.Query(ctx, `select p.member `+collectible+` and p.member > $3 order by p.member limit $4`,
		period, tx.l.inst.Currency, after, reserveChunk))
	if err != nil || len(givers) == 0 {
		return 0, 0, err
	}
	if _, err := tx.Exec(ctx, `select from member where id = any($1) order by id for no key update`, givers); err != nil {
		return 0, 0, err
	}
	made, err := rows[Reservation](tx.Query(ctx, `
		insert into reservation (member, period, amount, state, created_at)
		select p.member, p.period, p.amount, 'reserved', $4 `+collectible+` and p.member = any($3) order by p.member
		returning id, member, period, amount, state`, period, tx.l.inst.Currency, givers, tx.at))
	if err != nil {
		return 0, 0, err
	}
	if _, err := tx.Exec(ctx, `
		update pledge p set state = 'collected', part = $3, reservation = r.id, decided_at = $4 from reservation r
		where p.period = $1 and p.member = any($2) and r.member = p.member and r.period = p.period and r.state <> 'released'
		  and p.state = 'promised'`, period, givers, part, tx.at); err != nil {
		return 0, 0, err
	}
	return givers[len(givers)-1], len(givers), booked(journal.Post(ctx, tx.book(open), budgetEntries(nil, made)...))
}

// closePart ends the collection for a part: nothing that comes later is in it. It notes what came and what didn't, which
// after the last part is void. Who leaves meanwhile waits, or is waited for.
func (tx *Tx) closePart(ctx context.Context, period string, part int32) error {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	tx.at = tx.l.Now()                // whoever has left had an earlier time
	if tx.funding == FundingPrepaid { // its budgets come after what was promised
		if err := tx.reserveAgain(ctx, open); err != nil {
			return err
		}
	}
	if part == 0 { // nothing is asked of those whose flattrs take no share
		if _, err := tx.Exec(ctx, `
			update pledge p set state = 'unused', decided_at = $2 where p.period = $1 and p.state = 'promised' and not exists (
			  select from flattr f where f.period = p.period and f.giver = p.member and f.state = 'accepted')`, period, tx.at); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `
		insert into collection (period, part, givers, amount, open, digest, created_at)
		select $1, $2, count(*) filter (where part = $2), coalesce(sum(amount) filter (where part = $2), 0),
		  coalesce(sum(amount) filter (where state = 'promised'), 0), `+promisesDigest+`, $3
		from pledge q where period = $1`, period, part, tx.at); err != nil || part < pledgeSupplements {
		return err
	}
	_, err = tx.Exec(ctx, `
		update pledge set state = 'void', decided_at = $2 where period = $1 and state = 'promised'`, period, tx.at)
	return err
}

func (tx *Tx) partSettled(ctx context.Context, period string, part int32) error {
	_, err := tx.Exec(ctx, `update collection set settled_at = $3 where period = $1 and part = $2`, period, part, tx.at)
	return err
}

// collectDue collects for the settlement of a pledge month, if that is due.
func (l *Ledger) collectDue(ctx context.Context, period string) error {
	m, err := row[Month](l.pool.Query(ctx, `select `+monthColumns+` from month where period = $1`, period))
	if err != nil || m.Funding != FundingPledge || m.State != "closed" || m.FrozenAt != nil || l.Now().Before(m.settles(l.inst)) {
		return err
	}
	return l.collect(ctx, period, 0)
}

// promisesDigest is the SQL of a SHA-256 over who promised how much: what isn't collected has no transfer that would
// show its amount.
const promisesDigest = `encode(sha256(convert_to(coalesce(string_agg(q.member || ' ' || q.amount, E'\n' order by q.member), ''), 'UTF8')), 'hex')`
