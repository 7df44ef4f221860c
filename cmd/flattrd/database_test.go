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
