package migrations

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestCurrent(t *testing.T) {
	t.Parallel()
	dsn := emptyDatabase(t)
	pool := open(t, dsn)
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer conn.Close(t.Context())
	older, newer := new(OlderError), new(NewerError)
	if err := Current(t.Context(), conn); !errors.As(err, &older) || older.Have != 0 {
		t.Errorf("empty: %v", err)
	}
	must(t, Up(t.Context(), pool))
	must(t, Current(t.Context(), conn))
	step := func(sql string) {
		t.Helper()
		_, err := pool.Exec(t.Context(), sql)
		must(t, err)
	}
	step(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (90000, true)`)
	if err := Current(t.Context(), conn); !errors.As(err, &newer) || newer.Have != 90000 {
		t.Errorf("newer: %v", err)
	}
	step(`DELETE FROM goose_db_version WHERE version_id > 1`)
	if err := Current(t.Context(), conn); !errors.As(err, &older) || older.Have != 1 {
		t.Errorf("older: %v", err)
	}
}
