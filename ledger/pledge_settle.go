package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Collection is a part of a pledge month's settlement: 0 is what came in time, the others supplement it.
type Collection struct {
	Period    string
	Part      int32
	Givers    int64 // whose pledges were collected
	Amount    int64 // micro-units, of these
	Open      int64 // micro-units, of those that were promised then and not collected
	CreatedAt time.Time
	SettledAt *time.Time
}

const collectionColumns = `period, part, givers, amount, open, created_at, settled_at`

// supplement settles what was paid of pledge months since their settlement, as far as that is due.
func (l *Ledger) supplement(ctx context.Context) error {
	all, err := rows[Month](l.pool.Query(ctx, `
		select `+monthColumns+` from month m where state = 'settled' and funding = 'pledge' and not exists (
		  select from collection c where c.period = m.period and c.part = $1 and c.settled_at is not null)
		order by period`, pledgeSupplements))
	if err != nil {
		return err
	}
	for _, m := range all {
		for part := int32(1); part <= pledgeSupplements && !l.Now().Before(m.collects(l.inst, part)); part++ {
			for try := 1; ; try++ {
				if err := l.supplementPart(ctx, m, part); err == nil {
					break
				} else if !GaveWay(err) || try == MaxTries {
					return fmt.Errorf("supplement %d of %s: %w", part, m.Period, err)
				}
			}
		}
	}
	return nil
}

func (l *Ledger) supplementPart(ctx context.Context, m Month, part int32) error {
	c, err := l.collection(ctx, m.Period, part)
	if err != nil || c.SettledAt != nil {
		return err
	}
	return l.withSession(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, lockSettlement, m.Period); err != nil { // it ends with the connection
			return err
		}
		if c, err = l.collection(ctx, m.Period, part); err != nil || c.SettledAt != nil {
			return err
		}
		if c.CreatedAt.IsZero() {
			if c, err = l.collectPart(ctx, m.Period, part); err != nil {
				return err
			}
		}
		return l.settlePart(ctx, conn, m, c)
	})
}

// collection reads a part; its time is zero if it is still being collected.
func (l *Ledger) collection(ctx context.Context, period string, part int32) (Collection, error) {
	c, err := row[Collection](l.pool.Query(ctx, `
		select `+collectionColumns+` from collection where period = $1 and part = $2`, period, part))
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return c, err
}

func (l *Ledger) collectPart(ctx context.Context, period string, part int32) (Collection, error) {
	if err := l.collect(ctx, period, part); err != nil {
		return Collection{}, err
	}
	if err := l.tx(ctx, func(tx *Tx) error {
		return tx.closePart(ctx, period, part)
	}); err != nil {
		return Collection{}, err
	}
	if err := l.reserve(ctx); err != nil { // what is void isn't held back any more
		return Collection{}, err
	}
	return l.collection(ctx, period, part)
}

// settlePart builds a supplement as a settlement is built, of the budgets that are in it, and adds it to its month.
func (l *Ledger) settlePart(ctx context.Context, conn *pgx.Conn, m Month, c Collection) error {
	if c.Givers == 0 {
		return l.tx(ctx, func(tx *Tx) error { return tx.partSettled(ctx, c.Period, c.Part) })
	}
	m.FrozenAt = &c.CreatedAt
	return l.settleBudgets(ctx, conn, m, c.Part, (*Tx).publishPart)
}

// publishPart makes a supplement the books. Its month stays as it is but for what is added. A payee of ours who has left
// since the month was settled gets it as everything else that comes later.
func (tx *Tx) publishPart(ctx context.Context, b *building) error {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	payees := payeesOf(b.given)
	earnings, err := tx.bookEarnings(ctx, b.period, b.part, b.given)
	if err != nil {
		return err
	}
	drafts, err := b.drafted()
	if err != nil {
		return err
	}
	claims, release, err := tx.offerClaims(ctx, b.period, b.part, drafts)
	if err != nil {
		return err
	}
	if err := b.built(); err != nil {
		return err
	}
	if err := tx.storeParts(ctx, b); err != nil {
		return err
	}
	if err := booked(b.batch.Book(ctx, tx, slices.Concat(earnings, claims)...)); err != nil {
		return err
	}
	if err := b.batch.Attach(ctx, tx); err != nil {
		return err
	}
	if err := tx.addPart(ctx, b); err != nil {
		return err
	}
	for _, p := range release {
		if _, err := tx.release(ctx, p); err != nil {
			return err
		}
	}
	left, err := rows[departure](tx.Query(ctx, `
		select member, iban, cause from departure where member = any($1) order by member`, payees))
	if err != nil || len(left) == 0 {
		return err
	}
	return tx.settleLeft(ctx, open, left, journal.Earned)
}

func (tx *Tx) addPart(ctx context.Context, b *building) error {
	if _, err := tx.Exec(ctx, `insert into share (period, giver, thing, amount) select $1, giver, thing, amount from `+b.table(),
		b.period); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update settlement set givers = givers + $2, done = done + $2, flattrs = flattrs + $3, amount = amount + $4 where period = $1`,
		b.period, b.totals.givers, b.totals.flattrs, b.totals.shared); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `drop table `+b.table()); err != nil {
		return err
	}
	return tx.partSettled(ctx, b.period, b.part)
}

func payeesOf(all []given) (members []int64) {
	for _, g := range all {
		if g.member != 0 {
			members = append(members, g.member)
		}
	}
	slices.Sort(members)
	return slices.Compact(members)
}
