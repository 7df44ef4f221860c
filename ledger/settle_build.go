package ledger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Givers are settled in pieces of settleChunk ids, by up to settleWorkers at a time, each of which has a
// connection of its own. A worker holds one piece in memory.
const (
	settleChunk   = 5000
	settleWorkers = 2
)

// building is a settlement that is being built aside.
type building struct {
	l        *Ledger
	period   string
	batch    journal.Settlement
	clearing int64
	donates  bool         // budgets without a flattr go to the cause
	pledged  bool         // only what was collected is split
	part     int32        // of a pledge month
	done     atomic.Int64 // givers

	run    givers
	things catalogue
	filled chan struct{} // closed when things are

	mu      sync.Mutex
	workers [][]sum // what the things got of each worker
	given   []given // what each thing got, sorted by payee and object
	totals  totals

	booked, built func() error // wait until the transfers, and until all, is indexed and checked
	drafted       func() ([]draft, error)
}

// draft makes the claims while the publication books its own payees' earnings.
func (b *building) draft() {
	b.drafted = sync.OnceValues(func() ([]draft, error) { return draftClaims(b.given) })
	go func() { _, _ = b.drafted() }()
}

// totals are what a settlement comes to.
type totals struct {
	givers, flattrs          int64 // flattrs: that got a share
	posts                    int64 // givers with a flattr
	reserved, shared, rolled int64 // micro-units: reserved = shared + rolled; rolled over, or given to the cause
}

// table is the month's partition of shares.
func (b *building) table() string {
	table := "share_" + strings.ReplaceAll(b.period, "-", "_")
	if b.part > 0 {
		table += fmt.Sprintf("_%d", b.part)
	}
	return table
}

// reservations are those that are split.
func (b *building) reservations() string {
	if b.part == 0 {
		return `reservation`
	}
	return fmt.Sprintf(`(select r.* from pledge q join reservation r on r.id = q.reservation where q.part = %d) reservation`, b.part)
}

// accepted are the flattrs that must get a share.
func (b *building) accepted() string {
	accepted := `select count(*) from flattr f where f.period = $1 and f.state = 'accepted'`
	if b.pledged {
		accepted += fmt.Sprintf(` and exists (select from pledge q where q.period = f.period and q.member = f.giver and q.part = %d)`, b.part)
	}
	return accepted
}

// build makes the month's shares and transfers, in tables that nobody reads yet. What a crash left of an
// earlier attempt goes away first. conn holds the settlement's lock.
func (l *Ledger) build(ctx context.Context, conn *pgx.Conn, m Month, part int32) (*building, error) {
	b := &building{l: l, period: m.Period, donates: m.Unused == UnusedCause, pledged: m.Funding == FundingPledge, part: part,
		things: newCatalogue(), filled: make(chan struct{}),
		batch: journal.Settlement{Period: m.Period, Part: part, Currency: l.inst.Currency, At: *m.FrozenAt}}
	if err := b.prepare(ctx, conn); err != nil {
		return nil, err
	}
	if err := b.split(ctx, conn); err != nil {
		return nil, err
	}
	failpoint("settle.split")
	return b, nil
}

// finish indexes and checks what was split. Meanwhile the publication does its own part of the work; it
// waits where it needs what is made here.
func (b *building) finish(ctx context.Context, conn *pgx.Conn) {
	transfers, all := make(chan error, 1), make(chan error, 1)
	b.booked, b.built = sync.OnceValue(func() error { return <-transfers }), sync.OnceValue(func() error { return <-all })
	go func() {
		err := b.stage(ctx, conn, "indexing")
		if err == nil {
			err = b.batch.Index(ctx, conn)
		}
		transfers <- err
		if err == nil {
			err = b.indexAndCheck(ctx, conn)
		}
		all <- err
	}()
}

// indexBeside is up to how many shares are indexed and checked in the time that the publication takes for its own
// part. Parallel workers would only take that part's processor.
const indexBeside = 3_000_000

func (b *building) indexAndCheck(ctx context.Context, conn *pgx.Conn) error {
	if b.totals.flattrs < indexBeside {
		if _, err := conn.Exec(ctx, `set max_parallel_maintenance_workers = 0; set max_parallel_workers_per_gather = 0`); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf(`
		alter table %[1]s add primary key (giver, thing, period);
		create trigger kept before truncate on %[1]s for each statement execute function refuse_change()`, b.table())); err != nil {
		return err
	}
	if err := b.stage(ctx, conn, "checking"); err != nil {
		return err
	}
	if err := b.check(ctx, conn); err != nil {
		return err
	}
	failpoint("settle.built")
	return b.stage(ctx, conn, "publishing")
}

// givers are a run of ids of members, both ends included.
type givers struct{ first, last int64 }

// prepare makes the empty tables and finds whose budgets are to be settled.
func (b *building) prepare(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, fmt.Sprintf(`
		drop table if exists %[1]s;
		create table %[1]s (like share including constraints, check (period = '%[2]s'));
		alter table %[1]s alter period set default '%[2]s'`, b.table(), b.period)); err != nil {
		return err
	}
	if err := b.batch.Prepare(ctx, conn); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, `
		select count(*), coalesce(sum(amount), 0)::bigint, coalesce(min(member), 0), coalesce(max(member), -1)
		from `+b.reservations()+` where period = $1 and state <> 'released'`, b.period).
		Scan(&b.totals.givers, &b.totals.reserved, &b.run.first, &b.run.last); err != nil {
		return err
	}
	if b.part > 0 {
		return b.findClearing(ctx, conn)
	}
	if _, err := conn.Exec(ctx, `
		insert into settlement (period, stage, givers, began_at) values ($1, 'splitting', $2, $3)
		on conflict (period) do update set stage = 'splitting', givers = excluded.givers, done = 0, began_at = excluded.began_at`,
		b.period, b.totals.givers, b.l.Now()); err != nil {
		return err
	}
	return b.findClearing(ctx, conn)
}

func (b *building) findClearing(ctx context.Context, conn *pgx.Conn) error {
	return conn.QueryRow(ctx, `
		select coalesce(max(id), 0) from account where kind = 'clearing' and owner = 0 and currency = $1`, b.l.inst.Currency).
		Scan(&b.clearing)
}

// stage tells whoever looks how far it is; of a settled month that is no matter.
func (b *building) stage(ctx context.Context, conn *pgx.Conn, stage string) error {
	if b.part > 0 {
		return nil
	}
	_, err := conn.Exec(ctx, `update settlement set stage = $2, done = $3 where period = $1`, b.period, stage, b.done.Load())
	return err
}

// small tells whether all givers are one piece: then the one connection that is there does everything.
func (g givers) small() bool { return g.last-g.first < settleChunk }

// split has the givers split, and tells once a second how many are done.
func (b *building) split(ctx context.Context, conn *pgx.Conn) error {
	var next atomic.Int64
	next.Store(b.run.first - 1)
	if b.run.small() {
		if err := b.things.fill(ctx, conn); err != nil {
			return err
		}
		close(b.filled)
		return b.work(ctx, conn, &next)
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { defer close(b.filled); return b.things.fill(ctx, conn) })
	for range settleWorkers {
		work.Go(func() error {
			return b.l.withSession(ctx, func(conn *pgx.Conn) error { return b.work(ctx, conn, &next) })
		})
	}
	finished := make(chan error, 1)
	go func() { finished <- work.Wait() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-finished:
			return err
		case <-tick.C:
			<-b.filled // conn is free
			if err := b.stage(ctx, conn, "splitting"); err != nil && ctx.Err() == nil {
				b.l.log.WarnContext(ctx, "the settlement's progress can't be told", "code", "settle.progress", "err", err)
			}
		}
	}
}

// work splits one piece after the other, until the last giver.
func (b *building) work(ctx context.Context, conn *pgx.Conn, next *atomic.Int64) error {
	p := &piece{b: b, conn: conn}
	defer b.add(p)
	for {
		upto := next.Add(settleChunk)
		if upto-settleChunk >= b.run.last {
			return nil
		}
		if err := p.settle(ctx, upto-settleChunk, upto); err != nil {
			return err
		}
	}
}

// check adds up what was built, in the database, and compares it with what was computed here and with what
// it was computed from (protocol §10.3).
func (b *building) check(ctx context.Context, conn *pgx.Conn) error {
	var shares, shared, accepted int64
	if err := conn.QueryRow(ctx, b.accepted(), b.period).Scan(&accepted); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, `select count(*), coalesce(sum(amount), 0)::bigint from `+b.table()).Scan(&shares, &shared); err != nil {
		return err
	}
	sums, err := b.batch.Sums(ctx, conn)
	if err != nil {
		return err
	}
	given := int64(0)
	for _, sums := range b.workers {
		for _, s := range sums {
			given += s.amount
		}
	}
	t := b.totals
	posts, voided := t.posts, t.rolled
	if b.donates {
		posts, voided = t.givers, 0
	}
	for _, c := range []struct {
		what       string
		have, want int64
	}{
		{"flattrs that were split", t.flattrs, accepted}, {"shares", shares, accepted}, {"sum of the shares", shared, t.shared},
		{"sum of what the things got", given, t.shared}, {"sum of the budgets", t.shared + t.rolled, t.reserved},
		{"budgets posted", sums.Posts, posts}, {"budgets rolled over", sums.Voids, t.givers - posts},
		{"sum of the budgets posted", sums.Posted, t.reserved - voided}, {"sum of the budgets rolled over", sums.Voided, voided},
	} {
		if c.have != c.want {
			return fmt.Errorf("%w: settlement of %s: %s: %d, want %d", ErrInvariant, b.period, c.what, c.have, c.want)
		}
	}
	return nil
}
