package bench_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/bench"
	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// silent tells nobody anything.
type silent struct{}

func (silent) Enqueue(context.Context, pgx.Tx, ...ledger.Message) error { return nil }

func (silent) Keep(context.Context, pgx.Tx, ...ledger.Document) error { return nil }

func (silent) Contents(context.Context, pgx.Tx, []string) (map[string]string, error) { return nil, nil }

// TestSettle: a made-up month is in order before it is settled and after, and all that was reserved is
// given. It takes several pieces of givers, two workers, and several claims.
func TestSettle(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), ledgertest.DB(t)
	if err := bench.Fill(ctx, pool, bench.Month{Givers: 12_000, Flattrs: 3, Things: 300, Peers: 4}, silent{}); err != nil {
		t.Fatal(err)
	}
	check(t, pool)
	s, err := bench.Settle(ctx, pool, silent{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, pool)
	var shared, reserved, claims, earned int64
	if err := pool.QueryRow(ctx, `
		select (select sum(amount) from share)::bigint, (select sum(amount) from reservation)::bigint,
		  (select sum(amount) from claim)::bigint, (select sum(amount) from earning)::bigint`).
		Scan(&shared, &reserved, &claims, &earned); err != nil {
		t.Fatal(err)
	}
	if shared != reserved || claims+earned != shared || claims == 0 || earned == 0 {
		t.Errorf("reserved %d, shared %d: claims %d, earnings %d", reserved, shared, claims, earned)
	}
	if s.Flattrs < 24_000 || s.Settle <= 0 || s.FloorCopy <= 0 || s.FloorIndex <= 0 || s.Ratio <= 0 || s.PeakMiB <= 0 {
		t.Errorf("%+v", s)
	}
	if m := bench.Median([]bench.Settled{{Ratio: 3}, {Ratio: 1}, {Ratio: 2}}); m.Ratio != 2 {
		t.Errorf("the median of 3, 1 and 2 is %v", m.Ratio)
	}
}

// TestJournal: all paths of money are driven, and the books are right afterwards. Transfers that book no row are
// the benchmark's own, all of them and no others.
func TestJournal(t *testing.T) {
	t.Parallel()
	pool := ledgertest.DB(t)
	got, err := bench.Journal(t.Context(), pool, silent{}, bench.Slots{Seconds: 0.05, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(got.Single, got.Hot, got.Batch, got.Deposit) {
		if v.Ours.Rate <= 0 || v.Against.Rate <= 0 || v.Ours.P99 < v.Ours.P50 || v.Ratio <= 0 {
			t.Errorf("%+v", v)
		}
	}
	if len(got.Single) != 3 || got.RowLock.Rate <= 0 || got.Durable["fsync"] == "" {
		t.Errorf("%+v", got)
	}
	var own int64
	for _, v := range checked(t, pool) {
		if v.Invariant != "books" || !strings.Contains(v.Row, "calls for none") {
			t.Error(v)
		}
		own++
	}
	if own != got.Made || own < 2*journal.MostInBatch {
		t.Errorf("%d transfers book no row, %d were made", own, got.Made)
	}
}

// TestReservedInPieces: the budgets of a new month are reserved in pieces, and what a crash left undone is
// done by the next Tick.
func TestReservedInPieces(t *testing.T) {
	t.Parallel()
	const givers = 2_500
	ctx, pool := t.Context(), ledgertest.DB(t)
	if err := bench.Fill(ctx, pool, bench.Month{Givers: givers, Flattrs: 1, Things: 10, Peers: 1}, silent{}); err != nil {
		t.Fatal(err)
	}
	// Nobody had means for November; now a crash comes after the first of three pieces of December's.
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	l, err := ledger.Open(ctx, ledger.Options{Pool: pool, Now: func() time.Time { return now }, Outbox: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if n := reserved(t, pool, "2026-12"); n != 0 {
		t.Errorf("%d budgets are reserved without means", n)
	}
	if err := bench.PayIn(ctx, pool, "2026-12", 2); err != nil {
		t.Fatal(err)
	}
	check(t, pool)
	if _, err := pool.Exec(ctx, `insert into reserving (period, upto) select '2026-12', id from member where name = 'giver1000'`); err != nil {
		t.Fatal(err)
	}
	if err := l.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if n := reserved(t, pool, "2026-12"); n != givers-1000 {
		t.Errorf("%d budgets are reserved after the cursor, want %d", n, givers-1000)
	}
	now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := l.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if n := reserved(t, pool, "2027-01"); n != givers {
		t.Errorf("%d budgets are reserved in January, want %d", n, givers)
	}
	check(t, pool)
}

func reserved(t *testing.T, pool queryer, period string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select count(*) from reservation where period = $1 and state = 'reserved'`, period).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func check(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	found := checked(t, pool)
	for _, v := range found[:min(len(found), 5)] {
		t.Errorf("%s (%d in all)", v, len(found))
	}
}

func checked(t *testing.T, pool *pgxpool.Pool) []ledger.Violation {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Pool: pool, Outbox: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := l.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}
