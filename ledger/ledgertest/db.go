package ledgertest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/peterldowns/pgtestdb"

	"github.com/fedflattr/flattrd/migrations"
)

// connections is the most that a test's pool opens: the server has 300 for all tests that run at once.
const connections = 8

// DB opens a migrated database that belongs to this test alone, a copy of a template, so that tests run in parallel and
// see nothing of each other. It is closed and removed when the test ends. Its connection string is
// DB(t).Config().ConnString().
//
// Nothing has to be set up: all test processes of a user share one PostgreSQL, which the first of them starts from
// the machine's binaries and which ends 20 seconds after the last one; its data lies in memory where there is room.
// Two variables change that:
//
//	FLATTRD_TEST_DATABASE_URL  URL of a server to use instead, as superuser (pgtestdb marks templates in the catalog)
//	FLATTRD_TEST_KEEP=1        a failed test's database is kept for half an hour; the test logs its address
//
// Without PostgreSQL the test fails and isn't skipped: a suite that has checked nothing must not be green.
func DB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

// DSN makes a migrated database like DB's and returns its connection string, for a test that starts the program.
// Who logs in owns the database and is no superuser, as in production.
func DSN(t testing.TB) string {
	t.Helper()
	server, err := server()
	if err != nil {
		t.Fatalf("these tests need a PostgreSQL: %v", err)
	}
	if os.Getenv("FLATTRD_TEST_KEEP") != "1" {
		return newDatabase(t, server, nil)
	}
	return newDatabase(t, server, func(dsn string) {
		t.Logf("the database is kept for %v: %s", keptFor, dsn)
		noteKept()
	})
}

// ServerDSN is the address of the server to test on, for a test that creates databases by itself, as localserve does,
// and drops them.
func ServerDSN(t testing.TB) string {
	t.Helper()
	server, err := server()
	if err != nil {
		t.Fatalf("these tests need a PostgreSQL: %v", err)
	}
	return server.URL()
}

// server is the superuser's address of the server to test on.
var server = sync.OnceValues(func() (pgtestdb.Config, error) {
	if dsn := os.Getenv("FLATTRD_TEST_DATABASE_URL"); dsn != "" {
		return superuser(dsn)
	}
	shared := sharedServer{dir: sharedDir(), idle: 20 * time.Second}
	dsn, err := shared.join()
	if err != nil {
		return pgtestdb.Config{}, err
	}
	return superuser(dsn)
})

// superuser takes a URL apart for pgtestdb, which puts it together again with other users and databases.
func superuser(dsn string) (pgtestdb.Config, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return pgtestdb.Config{}, err
	}
	address, err := url.Parse(dsn)
	if err != nil || address.Scheme != "postgres" && address.Scheme != "postgresql" {
		return pgtestdb.Config{}, fmt.Errorf("FLATTRD_TEST_DATABASE_URL isn't of the form postgres://user@host/database")
	}
	options := address.Query()
	for _, own := range []string{"user", "password", "dbname", "database", "port"} {
		options.Del(own)
	}
	return pgtestdb.Config{
		DriverName: "pgx", Host: address.Hostname(), Port: strconv.Itoa(int(config.Port)), Database: config.Database,
		User: escape(config.User), Password: escape(config.Password), Options: strings.ReplaceAll(options.Encode(), "+", "%20"),
		ForceTerminateConnections: true, // a program that a test has killed may have left some
	}, nil
}

// escape makes a name or password fit for a URL, where a plus sign isn't a space.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// newDatabase makes a database that lives as long as the test. With kept, a failed test's database stays, and kept is
// called with its connection string.
func newDatabase(t testing.TB, server pgtestdb.Config, kept func(dsn string)) string {
	t.Helper()
	dsn := pgtestdb.Custom(outcome{t, kept != nil}, server, template{}).URL()
	t.Cleanup(func() {
		if kept != nil && t.Failed() {
			kept(dsn)
		}
	})
	return dsn
}

// outcome tells pgtestdb, which keeps the database of every failed test, of failure only where that is wanted; and
// silences its line for each database.
type outcome struct {
	testing.TB
	keep bool
}

func (o outcome) Failed() bool        { return o.keep && o.TB.Failed() }
func (o outcome) Logf(string, ...any) {}

// template is the database that is copied: one for each state of the migrations.
type template struct{}

func (template) Hash() (string, error) { return migrations.Hash() }

func (template) Migrate(ctx context.Context, _ *sql.DB, config pgtestdb.Config) error {
	pool, err := pgxpool.New(ctx, config.URL())
	if err != nil {
		return err
	}
	defer pool.Close()
	return migrations.Up(ctx, pool)
}

// closePool fails a test that hasn't given its connections back; the pool alone would wait for them forever.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("the test has ended with %d connections still in use", pool.Stat().AcquiredConns())
	}
}
