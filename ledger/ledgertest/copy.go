package ledgertest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var copies atomic.Int64

// Copy makes a copy of an instance's database, as a backup is one, and returns its name. Nobody may be connected
// meanwhile: the instance is reopened. The copy goes when the test ends.
func (i *Instance) Copy() string {
	i.t.Helper()
	config := i.Pool.Config()
	name := fmt.Sprintf("%s_copy%d", config.ConnConfig.Database, copies.Add(1))
	i.Pool.Close()
	admin := asSuperuser(i.t, fmt.Sprintf(`create database %s template %s owner %s strategy file_copy`, pgx.Identifier{name}.Sanitize(),
		pgx.Identifier{config.ConnConfig.Database}.Sanitize(), pgx.Identifier{config.ConnConfig.User}.Sanitize()))
	i.after = append(i.after, func() { admin(fmt.Sprintf(`drop database if exists %s with (force)`, pgx.Identifier{name}.Sanitize())) })
	i.Reopen(config.ConnConfig.Database)
	return name
}

// asSuperuser runs a statement on the test server; what comes back runs another.
func asSuperuser(t testing.TB, sql string) func(sql string) {
	t.Helper()
	run := func(sql string) {
		conn, err := pgx.Connect(context.Background(), ServerDSN(t))
		if err == nil {
			_, err = conn.Exec(context.Background(), sql)
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	run(sql)
	return run
}

// Reopen puts an instance on a database of the same server: its ledger is a new one. What the old one was at is gone.
func (i *Instance) Reopen(database string) {
	i.t.Helper()
	config := i.Pool.Config()
	config.ConnConfig.Database = database
	i.Pool.Close()
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		i.t.Fatal(err)
	}
	box := &Outbox{pool: pool, Archive: i.Outbox.Archive}
	l, err := openLedger(pool, i.Clock, box, i.options)
	if err != nil {
		i.t.Fatal(err)
	}
	i.Ledger, i.Pool, i.Outbox = l, pool, box
}

// end is what remains to be done once the books are checked.
func (i *Instance) end() {
	if len(i.after) > 0 {
		i.Pool.Close()
	}
	for _, f := range i.after {
		f()
	}
}
