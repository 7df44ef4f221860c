package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// reserveChunk is how many members' budgets are reserved in one transaction.
const reserveChunk = 1000

// reserveAgain has every running budget reserved for a month, from the first member on: the month has
// just opened, or a settlement gave money back.
func (tx *Tx) reserveAgain(ctx context.Context, period string) error {
	_, err := tx.Exec(ctx, `
		insert into reserving (period, upto) values ($1, 0) on conflict (period) do update set upto = 0`, period)
	return err
}

// reserve reserves budgets for the open month until all are, in pieces, so that clicks and deposits
// don't wait for a million of them. A crash leaves the piece where it was.
func (l *Ledger) reserve(ctx context.Context) error {
	for {
		more := false
		if err := l.tx(ctx, func(tx *Tx) (err error) {
			more, err = tx.reserveNext(ctx)
			return err
		}); err != nil || !more {
			return err
		}
		failpoint("reserve.committed")
	}
}

func (tx *Tx) reserveNext(ctx context.Context) (more bool, err error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return false, err
	}
	// A month that closed before all of its budgets were reserved takes none any more.
	if _, err := tx.Exec(ctx, `delete from reserving where period <> $1`, open); err != nil {
		return false, err
	}
	type cursor struct{ Upto int64 }
	at, err := row[cursor](tx.Query(ctx, `select upto from reserving where period = $1 for update`, open))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next, err := ids(tx.Query(ctx, `
		select id from member where id > $1 and budget > 0 and deleted_at is null order by id limit $2`, at.Upto, reserveChunk))
	if err != nil {
		return false, err
	}
	if len(next) == 0 {
		return tx.sendReserved(ctx, open)
	}
	if _, err := tx.Exec(ctx, `update reserving set upto = $2 where period = $1`, open, next[len(next)-1]); err != nil {
		return false, err
	}
	if tx.funding == FundingPledge {
		_, err := tx.promise(ctx, open, next)
		return true, err
	}
	entries, err := tx.raise(ctx, open, next)
	if err != nil {
		return false, err
	}
	return true, booked(journal.Post(ctx, tx.book(open), entries...))
}

// sendReserved lets those flattrs count that waited for a budget, when all budgets are reserved: only then
// is it known who of the payees gives. What rolled over for those who left goes where they said.
func (tx *Tx) sendReserved(ctx context.Context, open string) (more bool, err error) {
	givers, err := ids(tx.Query(ctx, `
		select distinct f.giver from flattr f where f.period = $1 and f.state = 'unfunded' and `+funded("f.giver", "f.period")+`
		order by f.giver limit $2`, open, reserveChunk))
	if err != nil {
		return false, err
	}
	if len(givers) == 0 {
		if more, err := tx.sweepLeft(ctx, open); err != nil || more {
			return more, err
		}
		_, err := tx.Exec(ctx, `delete from reserving where period = $1`, open)
		return false, err
	}
	return true, tx.send(ctx, open, givers...)
}

// gives is the SQL that tells whether a member gives as much in a month as the policy asks of those who receive: a budget
// is reserved for it, or is about to be, because its turn hasn't come. Where nothing is asked, everybody does.
func (i Instance) gives(member, period string) string {
	least := int64(1)
	switch i.Reciprocity {
	case ReciprocityOff:
		return `(` + period + `::text is not null)`
	case ReciprocityMinimum:
		least = i.Minimum
	}
	return fmt.Sprintf(`(exists (
	    select from reservation s where s.member = %[1]s and s.period = %[2]s and s.state <> 'released' and s.amount >= %[3]d)
	  or exists (
	    select from reserving g join member w on w.id = %[1]s and w.id > g.upto and w.budget > 0 and w.deleted_at is null
	    join month o on o.period = g.period and o.funding = 'prepaid' join account a on a.kind = 'means' and a.owner = w.id
	    left join reservation s on s.member = w.id and s.period = g.period and s.state <> 'released'
	    where g.period = %[2]s
	      and least(w.budget, coalesce(s.amount, 0) + greatest(a.credits_posted - a.debits_posted - a.debits_pending - %[4]s, 0)) >= %[3]d)
	  or %[5]s)`, member, period, least, owed("w.id"), i.pledges(member, period, fmt.Sprint(least)))
}

// reserveFirst serves a member before it is their turn, while budgets are being reserved.
func (tx *Tx) reserveFirst(ctx context.Context, open string, member int64) error {
	var waits bool
	if err := tx.QueryRow(ctx, `select exists (select from reserving where period = $1 and upto < $2)`,
		open, member).Scan(&waits); err != nil || !waits {
		return err
	}
	return tx.topUp(ctx, open, member)
}
