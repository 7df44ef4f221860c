package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestWatchSettlement: whoever settles sees how far it is, each step once.
func TestWatchSettlement(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	finished := make(chan error)
	seen := make(chan string)
	go func() {
		var out bytes.Buffer
		if err := watch(t.Context(), i.Ledger, finished, &out, time.Millisecond); err != pgx.ErrNoRows {
			t.Errorf("the work's own error isn't returned: %v", err)
		}
		seen <- out.String()
	}()
	for _, sql := range []string{
		`insert into settlement (period, stage, givers, done, began_at) values ('2026-11', 'splitting', 70000, 5000, '2026-12-02')`,
		`update settlement set done = 10000`,
		`update settlement set stage = 'publishing', done = 70000`,
		`update settlement set stage = 'settled', ended_at = '2026-12-02'`,
	} {
		if _, err := i.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	finished <- pgx.ErrNoRows
	want := "2026-11: splitting, 5000 of 70000 givers\n2026-11: splitting, 10000 of 70000 givers\n2026-11: publishing\n"
	if got := <-seen; !strings.HasPrefix(want, got) || got == "" {
		t.Errorf("%q", got)
	}
	if _, err := i.Pool.Exec(t.Context(), `delete from settlement`); err != nil {
		t.Fatal(err)
	}
}
