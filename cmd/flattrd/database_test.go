package main

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
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
