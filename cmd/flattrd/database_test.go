package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/migrations"
)

// TestNobodyWaitsForEver: transactions of the pool wait and idle for a while, and no longer; sessions of their own, which
// settlements and migrations have, are as the server has them.
func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := &cluster{admin: ledgertest.ServerDSN(t)}
	pool, err := c.pool(ctx, ledgertest.DB(t).Config().ConnConfig.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	own, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close(ctx)
	for setting, want := range map[string]string{"lock_timeout": "50s", "idle_in_transaction_session_timeout": "10min"} {
		var pooled, alone string
		if err := pool.QueryRow(ctx, `select current_setting($1)`, setting).Scan(&pooled); err != nil || pooled != want {
			t.Errorf("%s in the pool: %s, want %s, %v", setting, pooled, want, err)
		}
		if err := own.QueryRow(ctx, `select current_setting($1)`, setting).Scan(&alone); err != nil || alone != "0" {
			t.Errorf("%s in a session: %s, %v", setting, alone, err)
		}
	}
}

// TestCommitsAreDurable: a database that is set to acknowledge before it has written doesn't do so for us.
func TestCommitsAreDurable(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), &cluster{admin: ledgertest.ServerDSN(t)}
	name := fmt.Sprintf("flattrd_durable_%d", rand.Uint32())
	t.Cleanup(func() { _ = migrations.DropDatabase(context.Background(), c.admin, name) })
	if err := migrations.CreateDatabase(ctx, c.admin, name); err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(ctx, c.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(ctx)
	for set, want := range map[string]string{"off": "on", "local": "local"} {
		if _, err := admin.Exec(ctx, `alter database `+name+` set synchronous_commit = `+set); err != nil {
			t.Fatal(err)
		}
		pool, err := c.pool(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := pool.QueryRow(ctx, `show synchronous_commit`).Scan(&got); err != nil || got != want {
			t.Errorf("set to %s: commits with %q, %v", set, got, err)
		}
		pool.Close()
	}
}
