package ledger_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// collect returns a query's one column.
func collect[T any](t testing.TB, q reader, sql string, args ...any) []T {
	t.Helper()
	r, err := q.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(r, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	return all
}
