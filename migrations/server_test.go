package migrations

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// server is what the tests of this package run on, each in a database of its own.
var server *privatepg.Server

func TestMain(m *testing.M) { os.Exit(runOnServer(m)) }

func runOnServer(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "migrations")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o711) // for the user that the server runs as
	}
	if err == nil {
		server, err = privatepg.Start(ctx, privatepg.Config{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.Stop(ctx)
	return m.Run()
}

// emptyDatabase makes a database for one test and returns its connection string.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "_", "Test", "").Replace(t.Name()))
	must(t, CreateDatabase(t.Context(), server.DSN("postgres"), name))
	return server.DSN(name)
}

// open opens a pool of the least size that Up has to work with.
func open(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	must(t, err)
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
