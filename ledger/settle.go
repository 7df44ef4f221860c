package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// SettleMonth divides a closed month's budgets over its finally accepted flattrs, credits our own
// payees, offers claims to the other instances, carries what has no final answer, and rolls over
// budgets without a flattr. The month is frozen; its shares and transfers are built aside, where nobody
// sees them, and every sum is checked; then one transaction publishes all of it. A crash at any point
// leaves nothing visible and the next run begins again; a run after the publication does nothing.
// ErrClosed: the month isn't closed or still in grace.
func (l *Ledger) SettleMonth(ctx context.Context, period string) error {
	if err := l.collectDue(ctx, period); err != nil {
		return err
	}
	m, err := l.freeze(ctx, period)
	if err != nil || m.State == "settled" {
		return err
	}
	failpoint("settle.frozen")
	for try := 1; ; try++ {
		if err = l.settle(ctx, period); err == nil {
			break
		}
		if !GaveWay(err) || try == MaxTries {
			return fmt.Errorf("settle %s: %w", period, err)
		}
	}
	failpoint("settle.committed")
	return l.reserve(ctx) // what rolled over fills budgets that had been short
}

// freeze ends a month's grace: what it is split from doesn't change any more.
func (l *Ledger) freeze(ctx context.Context, period string) (m Month, err error) {
	err = l.tx(ctx, func(tx *Tx) error {
		m, err = row[Month](tx.Query(ctx, `select `+monthColumns+` from month where period = $1 for update`, period))
		switch {
		case err != nil:
			return err
		case m.State == "settled" || m.FrozenAt != nil:
			return nil
		case m.State == "open" || tx.at.Before(m.settles(tx.l.inst)):
			return fmt.Errorf("%w: %s is open or in grace", ErrClosed, period)
		}
		if err := tx.expireParts(ctx, period); err != nil { // before the collection ends: it is for who gives
			return err
		}
		if m.Funding == FundingPledge {
			if err := tx.closePart(ctx, period, 0); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `update month set frozen_at = $2 where period = $1`, period, tx.at)
		return err
	})
	return m, err
}

// settle builds and publishes, unless another process has meanwhile.
func (l *Ledger) settle(ctx context.Context, period string) error {
	return l.withSession(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, lockSettlement, period); err != nil { // it ends with the connection
			return err
		}
		m, err := row[Month](conn.Query(ctx, `select `+monthColumns+` from month where period = $1`, period))
		if err != nil || m.State == "settled" {
			return err
		}
		failpoint("settle.locked")
		return l.settleBudgets(ctx, conn, m, 0, (*Tx).publish)
	})
}

// settleBudgets builds the part of a month's settlement that a month or a supplement is, and publishes it.
func (l *Ledger) settleBudgets(ctx context.Context, conn *pgx.Conn, m Month, part int32, publish func(*Tx, context.Context, *building) error) error {
	b, err := l.build(ctx, conn, m, part)
	if err != nil {
		return err
	}
	parts, err := b.givenParts(ctx, conn)
	if err != nil {
		return err
	}
	b.finish(ctx, conn)
	b.given = b.things.gather(b.workers, b.divided, parts)
	b.draft()
	err = l.publish(ctx, func(tx *Tx) error { return publish(tx, ctx, b) })
	if unfinished := b.built(); err == nil { // the connection is closed after this
		err = unfinished
	}
	return err
}

const lockSettlement = `select pg_advisory_lock(hashtextextended('settlement ' || $1, 0))`

// withSession opens a connection for as long as f runs: settlement would take too many of the pool's. What
// is built aside needn't outlive a crash of the server: the publishing commit waits for all of it.
func (l *Ledger) withSession(ctx context.Context, f func(conn *pgx.Conn) error) error {
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `set synchronous_commit = off; set maintenance_work_mem = '256MB'`); err != nil {
		return err
	}
	return f(conn)
}

// publish is a transaction that isn't run twice: what was built is used up by it. If it gives way, all is built anew.
func (l *Ledger) publish(ctx context.Context, f func(tx *Tx) error) error {
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	// It waits for what is built in other sessions, and for all who hold accounts: no bound of the pool's is for that.
	if _, err := tx.Exec(ctx, `
		select set_config('lock_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.commit(ctx)
}

// publish makes a settlement the books, as soon as it is built and its sums are found right.
func (tx *Tx) publish(ctx context.Context, b *building) error {
	m, err := row[Month](tx.Query(ctx, `select `+monthColumns+` from month where period = $1 for update`, b.period))
	if err != nil || m.State == "settled" {
		return err
	}
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	earnings, err := tx.bookEarnings(ctx, b.period, 0, b.given)
	if err != nil {
		return err
	}
	donation, err := tx.donateUnused(ctx, b)
	if err != nil {
		return err
	}
	drafts, err := b.drafted()
	if err != nil {
		return err
	}
	b.given = nil // its memory is needed
	claims, release, err := tx.offerClaims(ctx, b.period, 0, drafts)
	if err != nil {
		return err
	}
	if err := b.booked(); err != nil { // the batch is indexed, and complete but for these
		return err
	}
	if err := booked(b.batch.Book(ctx, tx, slices.Concat(earnings, donation, claims)...)); err != nil {
		return err
	}
	for _, p := range release {
		if _, err := tx.release(ctx, p); err != nil {
			return err
		}
	}
	failpoint("settle.booked")
	if err := b.built(); err != nil {
		return err
	}
	if err := tx.storeParts(ctx, b); err != nil {
		return err
	}
	if err := b.batch.Attach(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(`
		alter table %[1]s alter period drop default;
		alter table share attach partition %[1]s for values in ('%[2]s')`, b.table(), b.period)); err != nil {
		return err
	}
	if err := tx.carry(ctx, b.period, open); err != nil {
		return err
	}
	if b.totals.rolled > 0 && !b.donates {
		if err := tx.reserveAgain(ctx, open); err != nil {
			return err
		}
	}
	return tx.settled(ctx, b)
}

func (tx *Tx) settled(ctx context.Context, b *building) error {
	if _, err := tx.Exec(ctx, `
		update month set state = 'settled', settled_at = $2 where period = $1`, b.period, tx.at); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update settlement set stage = 'settled', done = givers, flattrs = $2, amount = $3, rolled = $4, ended_at = $5
		where period = $1`, b.period, b.totals.flattrs, b.totals.shared, b.totals.rolled, tx.at); err != nil {
		return err
	}
	if b.pledged {
		if err := tx.partSettled(ctx, b.period, 0); err != nil {
			return err
		}
	}
	failpoint("settle.before-commit")
	return nil
}

// bookEarnings stores what our givers gave to members of this instance, which is available at once, and
// returns what is to be booked.
func (tx *Tx) bookEarnings(ctx context.Context, period string, part int32, all []given) ([]journal.Entry, error) {
	var members, flattrs, amounts []int64
	for _, mine := range chunkBy(all, func(g given) string { return g.payee }) {
		clicks, amount := int64(0), int64(0)
		for _, g := range mine {
			clicks, amount = clicks+g.flattrs, amount+g.amount
		}
		if mine[0].member != 0 && amount > 0 {
			members, flattrs, amounts = append(members, mine[0].member), append(flattrs, clicks), append(amounts, amount)
		}
	}
	type earning struct{ ID, Member, Amount int64 }
	made, err := rows[earning](tx.Query(ctx, `
		insert into earning (period, part, member, flattrs, amount)
		select $1, $5, member, flattrs, amount from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as e (member, flattrs, amount)
		order by member returning id, member, amount`, period, members, flattrs, amounts, part))
	entries, got := make([]journal.Entry, len(made)), make([]available, len(made))
	for i, e := range made {
		entries[i] = journal.Entry{Kind: kindEarning, Ref: e.ID, Phase: journal.Single,
			Debit: of(journal.Clearing, 0), Credit: of(journal.Earned, e.Member), Amount: e.Amount}
		got[i] = available{earning: e.ID, member: e.Member, period: period, amount: e.Amount}
	}
	if err != nil {
		return nil, err
	}
	fees, err := tx.takeFees(ctx, got)
	return append(entries, fees...), err
}

// chunkBy cuts a slice that is sorted by key into runs of the same key.
func chunkBy[T any, K comparable](all []T, key func(T) K) [][]T {
	var runs [][]T
	for start := 0; start < len(all); {
		end := start + 1
		for end < len(all) && key(all[end]) == key(all[start]) {
			end++
		}
		runs = append(runs, all[start:end])
		start = end
	}
	return runs
}
