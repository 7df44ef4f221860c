package migrations

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

func TestCreateAndDropDatabase(t *testing.T) {
	t.Parallel()
	admin := server.DSN("postgres")
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 { // a server's processes that start together
		group.Go(func() error { return CreateDatabase(ctx, admin, "created") })
	}
	must(t, group.Wait())
	conn, err := pgx.Connect(t.Context(), server.DSN("created"))
	must(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `CREATE TABLE kept (id bigint)`)
	must(t, err)
	must(t, CreateDatabase(t.Context(), admin, "created"))
	_, err = conn.Exec(t.Context(), `SELECT id FROM kept`)
	must(t, err)

	must(t, DropDatabase(t.Context(), admin, "created")) // though somebody is connected
	must(t, DropDatabase(t.Context(), admin, "created"))
	if _, err := pgx.Connect(t.Context(), server.DSN("created")); err == nil {
		t.Error("the dropped database is there")
	}
}

func TestDatabaseNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "A", "1a", "a-b", `a"b`, "a b", "a;b", "ä", strings.Repeat("a", 64)} {
		if err := CreateDatabase(t.Context(), server.DSN("postgres"), name); err == nil {
			t.Errorf("database %q was created", name)
		}
		if err := DropDatabase(t.Context(), server.DSN("postgres"), name); err == nil {
			t.Errorf("database %q was dropped", name)
		}
	}
}

func TestDatabaseDSN(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://me:p%40ss@db.example:5433/old?sslmode=require": "postgres://me:p%40ss@db.example:5433/new?sslmode=require",
		"postgresql:///?host=/run/pg&dbname=old":                   "postgresql:///new?host=/run/pg",
		"postgres://db.example":                                    "postgres://db.example/new",
		"host=db.example user=me dbname=old":                       "host=db.example user=me dbname=old dbname=new",
	} {
		got, err := DatabaseDSN(dsn, "new")
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", dsn, got, err, want)
		}
		config, err := pgx.ParseConfig(got)
		if err != nil || config.Database != "new" {
			t.Errorf("%s leads to %v, %v", got, config, err)
		}
	}
	if _, err := DatabaseDSN("postgres://me:secret@bad port/", "new"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an address that isn't one: %v", err)
	}
}
