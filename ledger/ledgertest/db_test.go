package ledgertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/peterldowns/pgtestdb"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func value[T any](t *testing.T, pool *pgxpool.Pool, sql string) T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	must(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	must(t, err)
	return v
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			pool := DB(t)
			t.Logf("a database in %v", time.Since(begin))
			// The same table in each: a shared database would refuse the second.
			_, err := pool.Exec(t.Context(), `CREATE TABLE mine (id bigint)`)
			must(t, err)
			if jobs := value[int64](t, pool, `SELECT count(*) FROM river_job`); jobs != 0 {
				t.Errorf("%d jobs in a new database", jobs)
			}
			if value[string](t, pool, `SHOW is_superuser`) != "off" {
				t.Error("tests run as superuser")
			}
			if most := pool.Config().MaxConns; most != connections {
				t.Errorf("the pool opens up to %d connections", most)
			}
		})
	}
}

// exists asks whether the database of a connection string is there.
func exists(dsn string) bool {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err == nil {
		err = conn.Close(context.Background())
	}
	return err == nil
}

func TestTheDatabaseGoesWithTheTest(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("user", func(t *testing.T) {
		pool := DB(t)
		dsn = pool.Config().ConnString()
		must(t, pool.Ping(t.Context()))
		_, err := pgx.Connect(context.Background(), dsn) // and is never closed, as by a program that was killed
		must(t, err)
		if !exists(dsn) {
			t.Error("the connection string leads nowhere")
		}
	})
	if exists(dsn) {
		t.Error("the database has outlived its test")
	}
}

// failed is a test that has failed. Its cleanups run when it is told to end.
type failed struct {
	testing.TB
	cleanups *[]func()
}

func (f failed) Failed() bool      { return true }
func (f failed) Cleanup(do func()) { *f.cleanups = append(*f.cleanups, do) }

func (f failed) end() {
	for i := len(*f.cleanups) - 1; i >= 0; i-- {
		(*f.cleanups)[i]()
	}
}

func TestAFailedTestsDatabaseIsKeptOnRequest(t *testing.T) {
	t.Parallel()
	server, err := server()
	must(t, err)
	var told string
	keep := func(dsn string) { told = dsn }
	for _, c := range []struct {
		name string
		test testing.TB
		kept func(string)
		want bool
	}{
		{"failed, nothing requested", failed{t, new([]func())}, nil, false},
		{"failed, keeping requested", failed{t, new([]func())}, keep, true},
		{"passed, keeping requested", passed{failed{t, new([]func())}}, keep, false},
	} {
		told = ""
		dsn := newDatabase(c.test, server, c.kept)
		c.test.(interface{ end() }).end()
		if exists(dsn) != c.want || (told == dsn) != c.want {
			t.Errorf("%s: the database exists: %v; told of %q", c.name, exists(dsn), told)
		}
		drop(t, server, dsn)
	}
}

// passed is a test that has passed, with the cleanups of failed.
type passed struct{ failed }

func (passed) Failed() bool { return false }

func drop(t *testing.T, server pgtestdb.Config, dsn string) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	must(t, err)
	conn, err := pgx.Connect(t.Context(), server.URL())
	must(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `DROP DATABASE IF EXISTS `+pgx.Identifier{config.Database}.Sanitize())
	must(t, err)
}

func TestSuperuserAddress(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://me:p%40s%20%2F+s@db.example:5433/old?sslmode=require": "postgres://me:p%40s%20%2F%2Bs@db.example:5433/old?sslmode=require",
		"postgres://postgres@/postgres?host=%2Frun%2Fpg":                  "postgres://postgres:@:5432/postgres?host=%2Frun%2Fpg",
		"postgresql:///db?host=/run&user=me&port=5499":                    "postgres://me:@:5499/db?host=%2Frun",
	} {
		config, err := superuser(dsn)
		if err != nil || config.URL() != want {
			t.Errorf("%s: %s, %v; want %s", dsn, config.URL(), err, want)
		}
	}
	for _, dsn := range []string{"host=/run user=postgres", "postgres://bad port/"} {
		if _, err := superuser(dsn); err == nil {
			t.Errorf("%s was taken", dsn)
		}
	}
}
