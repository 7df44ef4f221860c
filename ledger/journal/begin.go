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
	conn   *pgxpool.Conn // the transaction's, from its first statement to its end
	ended  bool          // or there was no connection for it

	late late
}

// SendBatch sends several statements in one round trip, after BEGIN and what is late, if there is.
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.direct() {
		return t.Tx.SendBatch(ctx, b)
	}
	if err := t.acquire(ctx); err != nil {
		return noResults{err}
	}
	with := &pgx.Batch{}
	begins := t.Tx == nil
	if begins {
		with.BeginTx(pgx.TxOptions{})
	}
	late := t.late.take(with)
	with.QueuedQueries = append(with.QueuedQueries, b.QueuedQueries...)
	results := t.conn.SendBatch(ctx, with)
	if begins {
		t.Tx = results.Tx()
		_, _ = results.Exec() // an error of BEGIN is told again by the statement after it
	}
	t.late.read(results, late) // and so is an error of what was late
	return results
}

// acquire takes a connection, once: a transaction that got none stays without.
func (t *tx) acquire(ctx context.Context) (err error) {
	if t.ended {
		return pgx.ErrTxClosed
	}
	if t.conn == nil {
		t.conn, err = t.pool.Acquire(ctx)
		t.ended = err != nil
	}
	return err
}

// through sends one statement in a batch.
func (t *tx) through(ctx context.Context, sql string, args []any) pgx.BatchResults {
	b := &pgx.Batch{}
	b.Queue(sql, args...)
	return t.SendBatch(ctx, b)
}

// direct: a statement needs nothing sent before it.
func (t *tx) direct() bool { return t.Tx != nil && len(t.late.postings) == 0 }

func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if len(t.late.postings) > 0 && len(args) == 0 { // it may be several, which can't be prepared
		if err := t.start(ctx); err != nil {
			return pgconn.CommandTag{}, err
		}
	}
	if t.direct() {
		return t.Tx.Exec(ctx, sql, args...)
	}
	results := t.through(ctx, sql, args)
	done, err := results.Exec()
	if closed := results.Close(); err == nil {
		err = closed
	}
	return done, err
}

func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.direct() {
		return t.Tx.Query(ctx, sql, args...)
	}
	results := t.through(ctx, sql, args)
	found, err := results.Query()
	rows := &firstRows{Rows: found, results: results}
	if err != nil {
		rows.Close()
	}
	return rows, err
}

func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.direct() {
		return t.Tx.QueryRow(ctx, sql, args...)
	}
	found, _ := t.Query(ctx, sql, args...) // an error is found again in the rows
	return firstRow{found}
}

// start sends BEGIN and what is late, before what can't be sent with them.
func (t *tx) start(ctx context.Context) (err error) {
	if len(t.late.postings) > 0 {
		return t.SendBatch(ctx, &pgx.Batch{}).Close()
	}
	if t.Tx == nil {
		if err = t.acquire(ctx); err == nil {
			t.Tx, err = t.conn.Begin(ctx)
		}
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

// Conn is the transaction's connection. If what was late has failed, PostgreSQL refuses what is sent there.
func (t *tx) Conn() *pgx.Conn {
	if err := t.start(context.Background()); err != nil && t.Tx == nil {
		return nil
	}
	return t.Tx.Conn()
}

// Rollback ends it with nothing done.
func (t *tx) Rollback(ctx context.Context) error {
	t.late.postings = nil
	return t.end(func() error { return t.Tx.Rollback(ctx) })
}

// end ends the transaction, if it has begun, and gives its connection back.
func (t *tx) end(by func() error) (err error) {
	if t.ended {
		return pgx.ErrTxClosed
	}
	if t.Tx != nil {
		err = by()
	}
	if t.conn != nil {
		t.conn.Release()
	}
	t.Tx, t.conn, t.ended = nil, nil, true
	return err
}
