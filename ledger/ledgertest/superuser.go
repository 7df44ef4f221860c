package ledgertest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Superuser opens the database of a pool as the server's superuser, with triggers and foreign keys
// off: for tests that alter the books behind the ledger's back.
func Superuser(t testing.TB, of *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	address, err := server()
	if err != nil {
		t.Fatal(err)
	}
	address.Database = escape(of.Config().ConnConfig.Database)
	config, err := pgxpool.ParseConfig(address.URL())
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["session_replication_role"] = "replica" // no triggers, no foreign keys
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}
