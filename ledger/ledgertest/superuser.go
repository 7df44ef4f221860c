package ledgertest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Superuser opens the database of a pool as the server's superuser, who alone can go round the
// tables' own rules: for tests that alter the books behind the ledger's back.
func Superuser(t testing.TB, of *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	address, err := server()
	if err != nil {
		t.Fatal(err)
	}
	address.Database = escape(of.Config().ConnConfig.Database)
	pool, err := pgxpool.New(context.Background(), address.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}
