package federation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/guard"
)

// TestDatabaseIsNoThing: while the database is away, a thing isn't told to be nowhere.
func TestDatabaseIsNoThing(t *testing.T) {
	t.Parallel()
	_, away := pgconn.Connect(context.Background(), "host="+t.TempDir()+" user=nobody dbname=nothing")
	if away == nil {
		t.Fatal("there is a database")
	}
	for err, want := range map[error]bool{
		fmt.Errorf("save the thing: %w", away):                    true,
		&pgconn.PgError{Code: "57P03"}:                            true,
		&guard.Error{Code: guard.CodeUnreachable, Err: away}:      false,
		&guard.Error{Code: guard.CodeStatus, Status: 404}:         false,
		errors.New("unsupported-type: not a document of a thing"): false,
	} {
		if federation.OfDatabase(err) != want {
			t.Errorf("%v is our database's: %v", err, !want)
		}
	}
}
