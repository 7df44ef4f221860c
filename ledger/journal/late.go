package journal

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// late are postings of a transaction that are sent with its next statement, or with COMMIT: what is posted last
// takes no round trip of its own. A late posting can't say what is wrong with it: it divides by zero if it didn't
// write all, which ends the transaction (COMMIT behind it isn't done then), and all is done again without delay.
type late struct {
	allowed  bool
	postings []*pgx.QueuedQuery
	unfit    bool // one of them didn't write all
}

// Do runs f in a transaction and commits it. What f posts may be judged after Post has returned; where it can't be
// booked in the short way, f is run a second time, and then each Post says what came of it. So f must leave
// nothing outside of the transaction. It may commit by itself.
func (p Pool) Do(ctx context.Context, f func(pgx.Tx) error) error {
	t := &tx{pool: p.Pool, late: late{allowed: true}}
	err := p.once(ctx, t, f)
	if t.late.unfit {
		err = p.once(ctx, &tx{pool: p.Pool}, f)
	}
	return err
}

func (p Pool) once(ctx context.Context, t *tx, f func(pgx.Tx) error) error {
	defer t.Rollback(context.WithoutCancel(ctx)) // a no-op after commit
	if err := f(t); err != nil || t.ended {
		return err
	}
	return t.Commit(ctx)
}

// AtOnce has what is posted from here on judged at once: for use cases whose first run mustn't be in vain, because it takes
// numbers that people read.
func AtOnce(in pgx.Tx) {
	if t, ok := in.(*tx); ok {
		t.late.allowed = false
	}
}

// later has a posting sent with what comes next, if its transaction does that.
func later(in pgx.Tx, sql string, args []any) bool {
	t, ok := in.(*tx)
	if !ok || !t.late.allowed {
		return false
	}
	b := &pgx.Batch{}
	t.late.postings = append(t.late.postings, b.Queue(sql, args...))
	return true
}

// take puts what is late into a batch and says how much it is.
func (l *late) take(into *pgx.Batch) int {
	n := len(l.postings)
	into.QueuedQueries = append(into.QueuedQueries, l.postings...)
	l.postings = nil
	return n
}

// read reads what came of the first n statements of a batch.
func (l *late) read(results pgx.BatchResults, n int) (err error) {
	for range n {
		if _, err = results.Exec(); err != nil {
			var pg *pgconn.PgError
			l.unfit = l.unfit || errors.As(err, &pg) && pg.Code == "22012"
			return err
		}
	}
	return nil
}

// Commit ends the transaction. One without a statement has nothing to end; one of late postings alone is the
// transaction that PostgreSQL makes of what is sent together.
func (t *tx) Commit(ctx context.Context) error {
	if len(t.late.postings) == 0 {
		return t.end(func() error { return t.Tx.Commit(ctx) })
	}
	if err := t.acquire(ctx); err != nil {
		return err
	}
	b := &pgx.Batch{}
	n := t.late.take(b)
	if t.Tx != nil {
		b.Queue("commit")
		n++
	}
	results := t.conn.SendBatch(ctx, b)
	err := t.late.read(results, n)
	if closed := results.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err // and Rollback ends it
	}
	return t.end(func() error { return nil })
}

// noResults is what comes of a batch that wasn't sent.
type noResults struct{ err error }

func (r noResults) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, r.err }
func (r noResults) Query() (pgx.Rows, error)         { return noRows{err: r.err}, r.err }
func (r noResults) QueryRow() pgx.Row                { return firstRow{noRows{err: r.err}} }
func (r noResults) Close() error                     { return r.err }
func (r noResults) Tx() pgx.Tx                       { return nil }

// noRows are the rows of a query that wasn't sent.
type noRows struct {
	pgx.Rows // of what it doesn't have
	err      error
}

func (r noRows) Next() bool { return false }
func (r noRows) Close()     {}
func (r noRows) Err() error { return r.err }
