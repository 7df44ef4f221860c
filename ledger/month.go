package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Month is one month of the instance.
type Month struct {
	Period    string
	State     string // open | closed | settled
	OpenedAt  time.Time
	ClosedAt  *time.Time
	FrozenAt  *time.Time // when its settlement began
	SettledAt *time.Time
	Unused    string // UnusedRollover | UnusedCause
	Funding   string // FundingPrepaid | FundingPledge
}

const monthColumns = `period, state, opened_at, closed_at, frozen_at, settled_at, unused, funding`

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
	tx.funding = m.Funding
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
	if err := l.reserve(ctx); err != nil { // what a crash left undone
		return err
	}
	if err := l.repeat(ctx); err != nil {
		return err
	}
	if err := l.unclaimedDue(ctx); err != nil {
		return err
	}
	if err := l.remindClaims(ctx); err != nil {
		return err
	}
	if err := l.net(ctx); err != nil {
		return err
	}
	if err := l.stateDaily(ctx); err != nil {
		return err
	}
	if err := l.supplement(ctx); err != nil {
		return err
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
	switch now := l.Now(); {
	case !now.Before(m.settles(l.inst)):
		return l.SettleMonth(ctx, m.Period)
	case now.Sub(*m.ClosedAt) >= l.inst.Grace()/2:
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
// answer, and the next month opens. Then min(means, budget) is reserved for it, member by member; who
// comes before it is their turn is served first. A month that is already closed stays so; one that
// isn't over is ErrClosed.
func (l *Ledger) CloseMonth(ctx context.Context, period string) error {
	if err := l.closeMonth(ctx, period); err != nil {
		return err
	}
	failpoint("close.committed")
	if err := l.reserve(ctx); err != nil {
		return err
	}
	return l.repeat(ctx)
}

func (l *Ledger) closeMonth(ctx context.Context, period string) error {
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
		tx.at = l.Now() // whoever was let in before has an earlier time than the close
		failpoint("close.locked")
		next := NextPeriod(period)
		if err := tx.turnMonth(ctx, period, next); err != nil {
			return err
		}
		if err := tx.finishHeld(ctx, period); err != nil {
			return err
		}
		failpoint("close.answered")
		if err := tx.reserveAgain(ctx, next); err != nil {
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
	return openPeriod(ctx, tx.Tx, next, tx.at)
}

// openPeriod opens a month and the partitions that it fills. Likes of the next one may come an hour early.
func openPeriod(ctx context.Context, tx pgx.Tx, period string, at time.Time) error {
	if err := journal.OpenPeriod(ctx, tx, period); err != nil {
		return err
	}
	for _, of := range [][2]string{{"flattr", period}, {"received_flattr", period}, {"received_flattr", NextPeriod(period)}} {
		if err := partition(ctx, tx, of[0], of[1]); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `
		insert into month (period, state, opened_at, unused, funding) select $1, 'open', $2, unused, funding from instance`, period, at)
	return err
}

// partition makes a month's partition, aside, and attaches it, so that nobody who reads or writes the others
// has to wait.
func partition(ctx context.Context, tx pgx.Tx, table, period string) error {
	name := table + "_" + strings.ReplaceAll(period, "-", "_")
	var there bool
	if err := tx.QueryRow(ctx, `select to_regclass($1) is not null`, name).Scan(&there); err != nil || there {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(`
		create table %s (like %s including defaults including constraints including indexes)`, name, table)); err != nil {
		return err
	}
	if table == "received_flattr" { // what came too early was filed with the months that aren't ours
		if _, err := tx.Exec(ctx, `
			with early as (delete from received_flattr_other where period = $1 returning *)
			insert into `+name+` select * from early`, period); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`alter table %s attach partition %s for values in ('%s')`, table, name, period))
	return err
}

// finishHeld gives every held flattr of the month, ours and received, its one final answer.
func (tx *Tx) finishHeld(ctx context.Context, period string) error {
	gives := tx.l.inst.gives("x.member", "x.period")
	if _, err := tx.Exec(ctx, `
		with x as (
		  select f.id, t.member, f.period from flattr f join thing t on t.id = f.thing
		  where f.period = $1 and f.state = 'held' and t.member is not null
		    and not exists (select from flattr_part a where a.flattr = f.id))
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
		where x.period = $1 and x.answer = 'tentative' and x.member is not null
		returning `+receivedColumns, period, tx.at))
	if err != nil {
		return err
	}
	for _, f := range final {
		tx.tellAnswer(f)
	}
	if err := tx.finishHeldParts(ctx, period); err != nil {
		return err
	}
	return tx.finishReceivedParts(ctx, period)
}

// moveUnfunded takes the clicks that never had a budget along into the new month; they count once one
// runs there.
func (tx *Tx) moveUnfunded(ctx context.Context, period, next string) error {
	_, err := tx.Exec(ctx, `update flattr set period = $2 where period = $1 and state = 'unfunded'`, period, next)
	return err
}

// remind tells unanswered Likes of a month once more (protocol §4: at close and in grace).
func (tx *Tx) remind(ctx context.Context, period string) error {
	type open struct{ ID, Payee string }
	all, err := rows[open](tx.Query(ctx, `
		select f.id::text as id, coalesce(a.payee, t.payee) as payee from flattr f join thing t on t.id = f.thing
		left join lateral (select min(p.payee) as payee from flattr_part x join thing_split_part p on p.id = x.part
		  where x.flattr = f.id and x.state = 'sent' group by p.peer) a on true
		where f.period = $1 and f.state = 'sent' order by f.made_at, f.id`, period))
	if err != nil {
		return err
	}
	for _, f := range all {
		tx.tell(Message{Kind: TellLike, Key: f.ID, To: f.Payee})
	}
	return nil
}
