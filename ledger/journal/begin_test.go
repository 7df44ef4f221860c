package journal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// firsts are the ways in which a transaction may begin; each writes one row.
var firsts = map[string]func(ctx context.Context, tx pgx.Tx, sql string) error{
	"exec": func(ctx context.Context, tx pgx.Tx, sql string) error {
		_, err := tx.Exec(ctx, sql, 1)
		return err
	},
	"query": func(ctx context.Context, tx pgx.Tx, sql string) error {
		found, err := tx.Query(ctx, sql+` returning n`, 1)
		if err != nil {
			return err
		}
		_, err = pgx.CollectExactlyOneRow(found, pgx.RowTo[int])
		return err
	},
	"row": func(ctx context.Context, tx pgx.Tx, sql string) error {
		var n int
		return tx.QueryRow(ctx, sql+` returning n`, 1).Scan(&n)
	},
	"batch": func(ctx context.Context, tx pgx.Tx, sql string) error {
		var b pgx.Batch
		b.Queue(sql, 1)
		return tx.SendBatch(ctx, &b).Close()
	},
	"prepare": func(ctx context.Context, tx pgx.Tx, sql string) error {
		_, err := tx.Prepare(ctx, "", sql)
		if err == nil {
			_, err = tx.Exec(ctx, sql, 1)
		}
		return err
	},
	"savepoint": func(ctx context.Context, tx pgx.Tx, sql string) error {
		return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql, 1)
			return err
		})
	},
}

// TestBeginWithTheFirstStatement: whatever comes first is in the transaction, and so is all after it.
func TestBeginWithTheFirstStatement(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), journal.Pool{Pool: ledgertest.DB(t)}
	if _, err := pool.Exec(ctx, `create table written (n int check (n < 9))`); err != nil {
		t.Fatal(err)
	}
	count := func(want int, what string) {
		t.Helper()
		var n int
		if err := pool.QueryRow(ctx, `select count(*) from written`).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d rows, %v; want %d", what, n, err, want)
		}
		if held := pool.Stat().AcquiredConns(); held != 0 {
			t.Errorf("%s: %d connections are held", what, held)
		}
	}
	const good, breaks, unknown = `insert into written values ($1)`, `insert into written values ($1 + 8)`, `insert into nowhere values ($1)`
	after := func(tx pgx.Tx) error { _, err := tx.Exec(ctx, good, 2); return err }
	for name, first := range firsts {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return errors.Join(first(ctx, tx, good), after(tx)) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		count(2, name)
		undone := errors.New("undone")
		if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			return errors.Join(first(ctx, tx, good), after(tx), undone)
		}); !errors.Is(err, undone) {
			t.Errorf("%s: %v", name, err)
		}
		count(2, name+" undone")
		for _, bad := range []string{breaks, unknown} {
			tx, _ := pool.Begin(ctx)
			var refused *pgconn.PgError
			if err := first(ctx, tx, bad); !errors.As(err, &refused) {
				t.Errorf("%s, %s: %v", name, bad, err)
			}
			if name != "savepoint" && (after(tx) == nil || tx.Commit(ctx) == nil) { // which is undone alone
				t.Errorf("%s: what followed %s was done", name, bad)
			}
			if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("%s: %v", name, err)
			}
			count(2, name+" "+bad)
		}
		if _, err := pool.Exec(ctx, `truncate written`); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBeginWithNothing: a transaction without a statement holds no connection and ends either way.
func TestBeginWithNothing(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), journal.Pool{Pool: ledgertest.DB(t)}
	for _, end := range []func(pgx.Tx) error{func(tx pgx.Tx) error { return tx.Commit(ctx) }, func(tx pgx.Tx) error { return tx.Rollback(ctx) }} {
		tx, err := pool.Begin(ctx)
		if err == nil {
			err = end(tx)
		}
		if held := pool.Stat().AcquiredConns(); err != nil || held != 0 {
			t.Errorf("%v, and %d connections are held", err, held)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	tx, _ := pool.Begin(gone)
	if _, err := tx.Exec(gone, `select 1`); !errors.Is(err, context.Canceled) {
		t.Errorf("no connection: %v", err)
	}
	if _, err := tx.Exec(ctx, `select 1`); !errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("after no connection: %v", err)
	}
}
