// Package migrations holds the database schema and brings a database to it.
//
// The schema is the numbered SQL files beside this one, embedded in the program, applied in order by goose and
// recorded in goose_db_version. They lead forward only: a mistake is repaired by the next file, because a file that
// has been applied somewhere can't be changed any more. A comment over each table names the package that owns it, the
// only one whose code reads and writes it. The job queue (River) brings a schema and numbers of its own.
//
// Every program runs [Up] when it starts. Several may start at once on one database, and one of them may be
// older than the schema it finds; it refuses that, since it would write rows by rules that no longer hold.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed *.sql
var files embed.FS

// upLock is the key of the advisory lock (one per database) that one process holds while it migrates: "flattrup".
const upLock int64 = 0x666c617474727570

// NewerError says that a database was migrated by a newer program than this one.
type NewerError struct {
	Schema      string // "schema" or "job queue"
	Have, Known int64  // the version in the database, and the newest one that this program has
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database's %s has version %d, this program knows versions up to %d: use the newer program",
		e.Schema, e.Have, e.Known)
}

// Up brings the database to this program's schema and job queue; where it is there already, it changes nothing.
// It waits, until ctx is done, for another process that is migrating the same database. Error: [*NewerError].
func Up(ctx context.Context, pool *pgxpool.Pool) error { return up(ctx, pool, files) }

func up(ctx context.Context, pool *pgxpool.Pool, schema fs.FS) error {
	unlock, err := lock(ctx, pool)
	if err != nil {
		return fmt.Errorf("migrate: wait for other processes: %w", err)
	}
	defer unlock()
	if err := upSchema(ctx, pool, schema); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := upQueue(ctx, pool); err != nil {
		return fmt.Errorf("migrate job queue: %w", err)
	}
	return nil
}

// lock takes the advisory lock on a connection outside the pool, so that a pool of one connection suffices. It asks
// again and again instead of waiting in the server: a waiting query is a snapshot, and CREATE INDEX CONCURRENTLY in
// the holder's migration would wait for it in turn.
func lock(ctx context.Context, pool *pgxpool.Pool) (unlock func(), err error) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	unlock = func() { _ = conn.Close(context.WithoutCancel(ctx)) } // a session's locks end with it
	for {
		var got bool
		err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, upLock).Scan(&got)
		if err == nil && got {
			return unlock, nil
		}
		if err == nil {
			err = sleep(ctx, 50*time.Millisecond)
		}
		if err != nil {
			unlock()
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func upSchema(ctx context.Context, pool *pgxpool.Pool, schema fs.FS) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() // the pool stays open
	provider, err := goose.NewProvider(goose.DialectPostgres, db, schema,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	have, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > known {
		return &NewerError{Schema: "schema", Have: have, Known: known}
	}
	_, err = provider.Up(ctx)
	return err
}

// upQueue runs River's migrations each in a transaction of its own (Migrate, not MigrateTx): one of them uses an enum
// value that another has added, and PostgreSQL refuses that within one transaction (55P04).
func upQueue(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	all := migrator.AllVersions()
	known := int64(all[len(all)-1].Version)
	have, err := queueVersion(ctx, pool)
	if err != nil {
		return err
	}
	if have > known {
		return &NewerError{Schema: "job queue", Have: have, Known: known}
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// queueVersion is the newest of River's migrations that the database has, or 0.
func queueVersion(ctx context.Context, pool *pgxpool.Pool) (version int64, err error) {
	var exists bool
	err = pool.QueryRow(ctx, `SELECT to_regclass('river_migration') IS NOT NULL`).Scan(&exists)
	if err != nil || !exists {
		return 0, err
	}
	err = pool.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM river_migration`).Scan(&version)
	return version, err
}

// Hash changes when any migration does, ours or River's. Databases of the same hash have the same schema.
func Hash() (string, error) {
	return hash(files, riverpgxv5.New(nil).GetMigrationFS(riverdriver.MigrationLineMain))
}

func hash(trees ...fs.FS) (string, error) {
	sum := sha256.New()
	for _, tree := range trees {
		err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(tree, path)
			fmt.Fprintf(sum, "%q %d\n%s", path, len(text), text)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("hash of the migrations: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
