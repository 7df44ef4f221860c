package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Month is one month of the instance.
type Month struct {
	Period    string
	State     string // open | closed | settled
	OpenedAt  time.Time
	ClosedAt  *time.Time
	SettledAt *time.Time
}

const monthColumns = `period, state, opened_at, closed_at, settled_at`

// Months lists all months, newest first.
func (l *Ledger) Months(ctx context.Context) ([]Month, error) {
	return rows[Month](l.pool.Query(ctx, `select `+monthColumns+` from month order by period desc`))
}

// openMonth takes a shared lock on the open month's row and returns its period. What it returns,
// not a clock, decides which month a click belongs to (protocol §7).
func (tx *Tx) openMonth(ctx context.Context) (string, error) {
	m, err := row[Month](tx.Query(ctx, openMonthQuery))
	for try := 1; errors.Is(err, ErrNotFound) && try < MaxTries; try++ {
		// It was closed while we waited for its row. The next month was opened by the same commit, which
		// only a new statement sees; after a long standstill that one may be closed at once, too.
		m, err = row[Month](tx.Query(ctx, openMonthQuery))
	}
	return m.Period, err
}

const openMonthQuery = `select ` + monthColumns + ` from month where state = 'open' for share`

// Tick does what the clock says is due, each month in its own transaction: close an open month that
// is over, settle a closed one whose grace is over. Calling it often, or from several processes, is
// fine.
func (l *Ledger) Tick(ctx context.Context) error {
	for {
		m, err := row[Month](l.pool.Query(ctx, `select `+monthColumns+` from month where state = 'open'`))
		if err != nil {
			return err
		}
		if l.Now().Before(PeriodEnd(m.Period)) {
			break
		}
		if err := l.CloseMonth(ctx, m.Period); err != nil {
			return err
		}
	}
	due, err := rows[Month](l.pool.Query(ctx, `
		select `+monthColumns+` from month where state = 'closed' order by period`))
	if err != nil {
		return err
	}
	for _, m := range due {
		if err := l.closedDue(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// closedDue does what is due for a closed month: in the middle of grace its unanswered Likes are told
// once more, at the end of grace it is settled.
func (l *Ledger) closedDue(ctx context.Context, m Month) error {
	switch since := l.Now().Sub(*m.ClosedAt); {
	case since >= l.inst.Grace():
		return l.SettleMonth(ctx, m.Period)
	case since >= l.inst.Grace()/2:
		return l.remindInGrace(ctx, m.Period)
	}
	return nil
}

func (l *Ledger) remindInGrace(ctx context.Context, period string) error {
	return l.tx(ctx, func(tx *Tx) error {
		tag, err := tx.Exec(ctx, `
			update month set reminded_at = $2 where period = $1 and state = 'closed' and reminded_at is null`,
			period, tx.at)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return tx.remind(ctx, period)
	})
}

// CloseMonth ends a month: its budgets freeze, eligibility freezes, held flattrs get their final
// answer, and the next month opens with min(means, budget) reserved at once. A month that is already
// closed stays so; one that isn't over is ErrClosed.
func (l *Ledger) CloseMonth(ctx context.Context, period string) error {
	defer failpoint("close.committed")
	return l.tx(ctx, func(tx *Tx) error {
		m, err := row[Month](tx.Query(ctx, `select `+monthColumns+` from month where period = $1 for update`, period))
		switch {
		case err != nil:
			return err
		case m.State != "open":
			return nil
		case tx.at.Before(PeriodEnd(period)):
			return fmt.Errorf("%w: %s isn't over", ErrClosed, period)
		}
		failpoint("close.locked")
		next := NextPeriod(period)
		if err := tx.turnMonth(ctx, period, next); err != nil {
			return err
		}
		if err := tx.finishHeld(ctx, period); err != nil {
			return err
		}
		failpoint("close.answered")
		if err := tx.reserveAll(ctx, next); err != nil {
			return err
		}
		if err := tx.moveUnfunded(ctx, period, next); err != nil {
			return err
		}
		failpoint("close.before-commit")
		return tx.remind(ctx, period)
	})
}

func (tx *Tx) turnMonth(ctx context.Context, period, next string) error {
	if _, err := tx.Exec(ctx, `
		update month set state = 'closed', closed_at = $2 where period = $1`, period, tx.at); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `insert into month (period, state, opened_at) values ($1, 'open', $2)`, next, tx.at)
	return err
}

// finishHeld gives every held flattr of the month, ours and received, its one final answer.
func (tx *Tx) finishHeld(ctx context.Context, period string) error {
	const gives = `exists (select from reservation s
		where s.member = x.member and s.period = x.period and s.state <> 'released')`
	if _, err := tx.Exec(ctx, `
		with x as (
		  select f.id, t.member, f.period from flattr f join thing t on t.id = f.thing
		  where f.period = $1 and f.state = 'held' and t.member is not null)
		update flattr f set answered_at = $2,
		  state = case when `+gives+` then 'accepted' else 'rejected' end,
		  reason = case when `+gives+` then null else 'not-accepting' end
		from x where f.id = x.id`, period, tx.at); err != nil {
		return err
	}
	final, err := rows[receivedFlattr](tx.Query(ctx, `
		update received_flattr x set answered_at = $2,
		  answer = case when `+gives+` then 'accept' else 'reject' end,
		  reason = case when `+gives+` then null else 'not-accepting' end
		where x.period = $1 and x.answer = 'tentative'
		returning `+receivedColumns, period, tx.at))
	if err != nil {
		return err
	}
	for _, f := range final {
		tx.tellAnswer(f)
	}
	return nil
}

// reserveAll reserves every running budget for a month that has just opened.
func (tx *Tx) reserveAll(ctx context.Context, period string) error {
	made, err := rows[Reservation](tx.Query(ctx, `
		insert into reservation (member, period, amount, state, created_at)
		select m.id, $1, least(m.budget, a.credits_posted - a.debits_posted - a.debits_pending), 'reserved', $2
		from member m join account a on a.kind = 'means' and a.owner = m.id and a.currency = $3
		where m.budget > 0 and m.deleted_at is null
		  and a.credits_posted > a.debits_posted + a.debits_pending
		order by m.id
		returning id, member, period, amount, state`, period, tx.at, tx.l.inst.Currency))
	if err != nil {
		return err
	}
	entries := make([]journal.Entry, len(made))
	for i, r := range made {
		entries[i] = budgetEntry(r.ID, r.Member, r.Amount)
	}
	return booked(journal.Post(ctx, tx.book(period), entries...))
}

// moveUnfunded takes the clicks that never had a budget along into the new month, and lets those
// count whose budget runs there.
func (tx *Tx) moveUnfunded(ctx context.Context, period, next string) error {
	moved, err := rows[struct{ Giver int64 }](tx.Query(ctx, `
		update flattr set period = $2 where period = $1 and state = 'unfunded' returning giver`, period, next))
	if err != nil {
		return err
	}
	givers := make([]int64, len(moved))
	for i, f := range moved {
		givers[i] = f.Giver
	}
	return tx.send(ctx, next, givers...)
}

// remind tells unanswered Likes of a month once more (protocol §4: at close and in grace).
func (tx *Tx) remind(ctx context.Context, period string) error {
	type open struct{ ID, Payee string }
	all, err := rows[open](tx.Query(ctx, `
		select f.id::text as id, t.payee from flattr f join thing t on t.id = f.thing
		where f.period = $1 and f.state = 'sent' order by f.made_at, f.id`, period))
	if err != nil {
		return err
	}
	for _, f := range all {
		tx.tell(Message{Kind: TellLike, Key: f.ID, To: f.Payee})
	}
	return nil
}
