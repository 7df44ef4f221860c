package migrations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// OlderError says that a database wasn't brought to this program's schema yet.
type OlderError struct {
	Have, Known int64 // the version in the database, and the newest one that this program has
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("the database's schema has version %d, this program's is %d: use the program that wrote it, or migrate", e.Have, e.Known)
}

// Current tells whether a database has this program's schema, and changes nothing: for programs that only read.
// Errors: [*NewerError], [*OlderError].
func Current(ctx context.Context, conn *pgx.Conn) error {
	known, err := newest()
	if err != nil {
		return err
	}
	var have int64
	err = conn.QueryRow(ctx, `select coalesce(max(version_id), 0) from goose_db_version where is_applied`).Scan(&have)
	if missing := new(pgconn.PgError); errors.As(err, &missing) && missing.Code == "42P01" {
		return &OlderError{Have: 0, Known: known} // nothing was ever migrated here
	}
	switch {
	case err != nil:
		return err
	case have > known:
		return &NewerError{Schema: "schema", Have: have, Known: known}
	case have < known:
		return &OlderError{Have: have, Known: known}
	}
	return nil
}

// newest is the version of the last migration.
func newest() (version int64, err error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("no migrations: %w", err)
	}
	number, _, _ := strings.Cut(names[len(names)-1], "_")
	return strconv.ParseInt(number, 10, 64)
}
