package journal

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is a pool whose transactions send BEGIN together with their first statement (pgx.Batch.BeginTx), so that
// each takes a round trip less, and a connection only from then on. All else is pgxpool's.
type Pool struct{ *pgxpool.Pool }

// Begin returns a transaction of READ COMMITTED.
func (p Pool) Begin(context.Context) (pgx.Tx, error) { return &tx{pool: p.Pool}, nil }

// tx is a transaction that begins with its first statement.
type tx struct {
	pgx.Tx // nil before that
	pool   *pgxpool.Pool
}

// SendBatch sends several statements in one round trip.
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.Tx != nil {
		return t.Tx.SendBatch(ctx, b)
	}
	with := &pgx.Batch{}
	with.BeginTx(pgx.TxOptions{})
	with.QueuedQueries = append(with.QueuedQueries, b.QueuedQueries...)
	results := t.pool.SendBatch(ctx, with)
	t.Tx = results.Tx()
	_, _ = results.Exec() // an error of BEGIN is told again by the statement after it
	return results
}

// first sends one statement with BEGIN.
func (t *tx) first(ctx context.Context, sql string, args []any) pgx.BatchResults {
	b := &pgx.Batch{}
	b.Queue(sql, args...)
	return t.SendBatch(ctx, b)
}

func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.Tx != nil {
		return t.Tx.Exec(ctx, sql, args...)
	}
	results := t.first(ctx, sql, args)
	done, err := results.Exec()
	if closed := results.Close(); err == nil {
		err = closed
	}
	return done, err
}

func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.Tx != nil {
		return t.Tx.Query(ctx, sql, args...)
	}
	results := t.first(ctx, sql, args)
	found, err := results.Query()
	rows := &firstRows{Rows: found, results: results}
	if err != nil {
		rows.Close()
	}
	return rows, err
}

func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.Tx != nil {
		return t.Tx.QueryRow(ctx, sql, args...)
	}
	found, _ := t.Query(ctx, sql, args...) // an error is found again in the rows
	return firstRow{found}
}

// start begins alone, before what can't be sent with BEGIN.
func (t *tx) start(ctx context.Context) (err error) {
	if t.Tx == nil {
		t.Tx, err = t.pool.Begin(ctx)
	}
	return err
}

func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if err := t.start(ctx); err != nil {
		return 0, err
	}
	return t.Tx.CopyFrom(ctx, table, columns, source)
}

func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t.Tx.Prepare(ctx, name, sql)
}

// Begin sets a savepoint.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t.Tx.Begin(ctx)
}

// Commit ends the transaction. One without a statement has nothing to end.
func (t *tx) Commit(ctx context.Context) error {
	if t.Tx == nil {
		return nil
	}
	return t.Tx.Commit(ctx)
}

// Rollback ends it with nothing done.
func (t *tx) Rollback(ctx context.Context) error {
	if t.Tx == nil {
		return nil
	}
	return t.Tx.Rollback(ctx)
}

// firstRows are what a transaction's first statement found. With them, what was sent has been read.
type firstRows struct {
	pgx.Rows
	results pgx.BatchResults
	closed  error
}

func (r *firstRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *firstRows) Close() {
	r.Rows.Close()
	r.closed = r.results.Close()
}

func (r *firstRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.closed
}

// firstRow is the row that a transaction's first statement found.
type firstRow struct{ pgx.Rows }

func (r firstRow) Scan(dest ...any) error {
	defer r.Close()
	switch {
	case r.Next():
		if err := r.Rows.Scan(dest...); err != nil {
			return err
		}
		r.Close()
	case r.Err() == nil:
		return pgx.ErrNoRows
	}
	return r.Err()
}
