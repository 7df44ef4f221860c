package migrations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
	"golang.org/x/sync/errgroup"
)

// scratch is a schema of n files: a table each, made slowly enough for others to come in between.
func scratch(n int) fstest.MapFS {
	schema := fstest.MapFS{}
	for i := 1; i <= n; i++ {
		sql := fmt.Sprintf("-- +goose Up\nCREATE TABLE scratch%d (id bigint PRIMARY KEY);\nSELECT pg_sleep(0.1);\n", i)
		schema[fmt.Sprintf("%05d_scratch.sql", i)] = &fstest.MapFile{Data: []byte(sql)}
	}
	return schema
}

func value[T any](t *testing.T, pool *pgxpool.Pool, sql string) T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	must(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	must(t, err)
	return v
}

func TestUp(t *testing.T) {
	t.Parallel()
	pool := open(t, emptyDatabase(t))
	begin := time.Now()
	must(t, Up(t.Context(), pool))
	first := time.Since(begin)
	begin = time.Now()
	must(t, Up(t.Context(), pool))
	t.Logf("from empty %v, nothing to do %v", first, time.Since(begin))

	names, err := fs.Glob(files, "*.sql")
	must(t, err)
	newest, err := goose.NumericComponent(names[len(names)-1])
	must(t, err)
	if version := value[int64](t, pool, `SELECT max(version_id) FROM goose_db_version`); version != newest {
		t.Errorf("schema version %d after file %d", version, newest)
	}
	if files := value[int64](t, pool, `SELECT count(*) FROM goose_db_version WHERE version_id > 0`); files != int64(len(names)) {
		t.Errorf("%d of %d files were applied", files, len(names))
	}
	if jobs := value[int64](t, pool, `SELECT count(*) FROM river_job`); jobs != 0 {
		t.Errorf("%d jobs in a new queue", jobs)
	}
}

// Files are numbered without gaps: goose refuses a file that turns up below one that was applied.
func TestFileNames(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(files, "*.sql")
	must(t, err)
	shape := regexp.MustCompile(`^\d{5}_[a-z0-9_]+\.sql$`)
	for i, name := range names {
		if !shape.MatchString(name) || !strings.HasPrefix(name, fmt.Sprintf("%05d_", i+1)) {
			t.Errorf("file %d is named %s", i+1, name)
		}
		text, err := fs.ReadFile(files, name)
		must(t, err)
		if strings.Contains(string(text), "+goose Down") {
			t.Errorf("%s leads backward", name)
		}
	}
}

func TestUpOfFourAtOnce(t *testing.T) {
	t.Parallel()
	dsn := emptyDatabase(t)
	group, ctx := errgroup.WithContext(t.Context())
	begin := time.Now()
	for range 4 {
		pool := open(t, dsn)
		group.Go(func() error { return up(ctx, pool, scratch(3)) })
	}
	must(t, group.Wait())
	t.Logf("four at once: %v, of which 300 ms are asleep", time.Since(begin))
	pool := open(t, dsn)
	if runs := value[int64](t, pool, `SELECT count(*) FROM goose_db_version WHERE version_id > 0`); runs != 3 {
		t.Errorf("three files were applied %d times", runs)
	}
	if doubled := value[int64](t, pool, `SELECT count(*) - count(DISTINCT version) FROM river_migration`); doubled != 0 {
		t.Errorf("%d migrations of the job queue were applied twice", doubled)
	}
}

func TestUpRefusesANewerDatabase(t *testing.T) {
	t.Parallel()
	pool := open(t, emptyDatabase(t))
	must(t, up(t.Context(), pool, scratch(3)))
	newer := new(NewerError)
	err := up(t.Context(), pool, scratch(2))
	if !errors.As(err, &newer) || newer.Have != 3 || newer.Known != 2 || !strings.Contains(err.Error(), "use the newer program") {
		t.Errorf("a program of schema 2 on schema 3: %v", err)
	}

	_, err = pool.Exec(t.Context(), `INSERT INTO river_migration (line, version) VALUES ('main', 999)`)
	must(t, err)
	err = up(t.Context(), pool, scratch(3))
	if !errors.As(err, &newer) || newer.Schema != "job queue" || newer.Have != 999 {
		t.Errorf("a program with an older job queue: %v", err)
	}
}

func TestAFailedFileLeavesNothing(t *testing.T) {
	t.Parallel()
	pool := open(t, emptyDatabase(t))
	broken := scratch(2)
	broken["00002_scratch.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE half (id bigint);\nSELECT nonsense;\n")}
	if err := up(t.Context(), pool, broken); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Fatalf("broken file: %v", err)
	}
	if value[bool](t, pool, `SELECT to_regclass('half') IS NOT NULL`) {
		t.Error("the failed file's table is there")
	}
	must(t, up(t.Context(), pool, scratch(2)))
}

func TestUpWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	pool := open(t, emptyDatabase(t))
	unlock, err := lock(t.Context(), pool)
	must(t, err)
	brief, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := up(brief, pool, scratch(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Up beside a process that migrates: %v", err)
	}
	unlock()
	must(t, up(t.Context(), pool, scratch(1)))
}

func TestHash(t *testing.T) {
	t.Parallel()
	ours, err := Hash()
	must(t, err)
	again, err := Hash()
	must(t, err)
	if ours != again || len(ours) != 64 {
		t.Errorf("hash %q, then %q", ours, again)
	}
	seen := map[string]string{}
	one := func() fstest.MapFS { return fstest.MapFS{"a.sql": {Data: []byte("b")}} }
	for name, trees := range map[string][]fs.FS{
		"as it is":       {one(), one()},
		"another text":   {fstest.MapFS{"a.sql": {Data: []byte("c")}}, one()},
		"another name":   {fstest.MapFS{"b.sql": {Data: []byte("b")}}, one()},
		"another queue":  {one(), fstest.MapFS{"a.sql": {Data: []byte("c")}}},
		"one file more":  {fstest.MapFS{"a.sql": {Data: []byte("b")}, "b.sql": {}}, one()},
		"files in files": {fstest.MapFS{"a.sql": {Data: []byte("b\"a.sql\" 1\nb")}}},
	} {
		sum, err := hash(trees...)
		must(t, err)
		if other, taken := seen[sum]; taken {
			t.Errorf("%q and %q have the same hash", name, other)
		}
		seen[sum] = name
	}
}
