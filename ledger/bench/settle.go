// Package bench measures the ledger against limits that are taken in the same run, on the same database:
// what is told are ratios, because seconds say more about the machine.
package bench

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
)

//go:embed month.sql
var monthSQL string

// Month is the size of a month that is settled.
type Month struct {
	Givers  int64
	Flattrs int64 // of each giver, less those that fall on one thing twice
	Things  int64
	Peers   int64
}

const (
	period = "2026-10"
	base   = "https://bench.example"
)

var (
	within = time.Date(2026, 10, 15, 12, 0, 0, 0, time.UTC)
	after  = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) // its grace is over
)

// Fill makes an instance in an empty database and lets a month of that size pass, up to the moment at
// which it is due to be settled.
func Fill(ctx context.Context, pool *pgxpool.Pool, m Month, outbox ledger.Outbox) error {
	if err := ledger.Create(ctx, pool, ledger.Instance{Host: "bench.example", BaseURL: base, Name: "bench", Currency: "EUR",
		Reciprocity: ledger.ReciprocityOff, GraceSeconds: 86400}, within); err != nil {
		return err
	}
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return fill(ctx, tx, m) }); err != nil {
		return err
	}
	l, err := ledger.Open(ctx, ledger.Options{Pool: pool, Now: func() time.Time { return ledger.PeriodEnd(period) }, Outbox: outbox})
	if err != nil {
		return err
	}
	if err := l.CloseMonth(ctx, period); err != nil {
		return err
	}
	for _, sql := range []string{"vacuum (freeze, analyze)", "checkpoint"} {
		if _, err := pool.Exec(ctx, sql); err != nil && sql != "checkpoint" { // which a superuser alone may ask for
			return err
		}
	}
	return nil
}

func fill(ctx context.Context, tx pgx.Tx, m Month) error {
	for n, sql := range strings.Split(monthSQL, ";\n") {
		var args []any
		if n == 0 {
			args = []any{m.Givers, m.Flattrs, m.Things, m.Peers, base, period, within}
		}
		if n == 0 { // a parameter can't stand in CREATE TABLE AS
			for i, a := range args {
				sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i+1), literal(a))
			}
		}
		if strings.TrimSpace(sql) == "" {
			continue
		}
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("statement %d: %w", n, err)
		}
	}
	return nil
}

func literal(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + v + "'"
	case time.Time:
		return "'" + v.Format(time.RFC3339) + "'"
	}
	return fmt.Sprint(v)
}

// Settled is one run: seconds, and what the settlement took in times of the floor.
type Settled struct {
	Flattrs    int64   `json:"flattrs"`
	Settle     float64 `json:"settleSeconds"`
	FloorCopy  float64 `json:"floorCopySeconds"`
	FloorIndex float64 `json:"floorIndexSeconds"`
	Ratio      float64 `json:"ratio"`
	PeakMiB    float64 `json:"peakMiB"` // of this process, while it settled
}

// Settle settles the month in a filled database and then takes the floor: COPY of the month's lines into
// an empty table, and the building of that table's index.
func Settle(ctx context.Context, pool *pgxpool.Pool, outbox ledger.Outbox) (s Settled, err error) {
	l, err := ledger.Open(ctx, ledger.Options{Pool: pool, Now: func() time.Time { return after }, Outbox: outbox})
	if err != nil {
		return s, err
	}
	memory := watchMemory()
	start := time.Now()
	if err := l.SettleMonth(ctx, period); err != nil {
		return s, err
	}
	s.Settle = time.Since(start).Seconds()
	s.PeakMiB = memory()
	if err := pool.QueryRow(ctx, `select flattrs from settlement where period = $1`, period).Scan(&s.Flattrs); err != nil {
		return s, err
	}
	s.FloorCopy, s.FloorIndex, err = floor(ctx, pool)
	s.Ratio = s.Settle / (s.FloorCopy + s.FloorIndex)
	return s, err
}

// Median is the run in the middle, by its ratio.
func Median(runs []Settled) Settled {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b Settled) int {
		if a.Ratio < b.Ratio {
			return -1
		}
		return 1
	})
	return sorted[len(sorted)/2]
}

// PayIn lets every giver pay in so many budgets in an open month.
func PayIn(ctx context.Context, pool *pgxpool.Pool, period string, times int64) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `
			insert into deposit (member, amount, reference, recorded_by, created_at)
			select m.id, m.budget * $2, format('bank %s %s', $1::text, m.id), (select min(id) from member), $3 from member m where m.budget > 0
			returning id, member, amount`, period, times, within)
		if err != nil {
			return err
		}
		var entries []journal.Entry
		e := journal.Entry{Kind: "deposit", Phase: journal.Single, Debit: journal.Account{Kind: journal.Bank}, Credit: journal.Account{Kind: journal.Means}}
		if _, err := pgx.ForEachRow(found, []any{&e.Ref, &e.Credit.Owner, &e.Amount}, func() error {
			entries = append(entries, e)
			return nil
		}); err != nil {
			return err
		}
		return journal.Post(ctx, journal.Book{Tx: tx, At: within, Period: period, Currency: "EUR"}, entries...)
	})
}
