package federation

import (
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// What a dead process was delivering is taken up at once; what a living one delivers is left to it.
func TestDeadProcessesJobsAreTakenUp(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), ledgertest.DB(t)
	own, other, killed := newPulse(pool), newPulse(pool), newPulse(pool)
	for _, p := range []*pulse{own, other, killed} {
		if err := p.begin(ctx); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.end)
	}
	running(t, pool, map[string]string{"own": own.client, "other": other.client, "killed": killed.client, "old": "long ago"})
	killed.end()
	beatUntil(t, own, pool, map[string]string{"own": "running", "other": "running", "killed": "available", "old": "available"})
	other.end()
	beatUntil(t, own, pool, map[string]string{"own": "running", "other": "available", "killed": "available", "old": "available"})
}

// A session that PostgreSQL has ended is opened again, with the lock.
func TestPulseComesBack(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), ledgertest.DB(t)
	p, other := newPulse(pool), newPulse(pool)
	t.Cleanup(p.end)
	t.Cleanup(other.end)
	beat(t, p)
	running(t, pool, map[string]string{"mine": p.client})
	if _, err := pool.Exec(ctx, `select pg_terminate_backend($1, 5000)`, p.conn.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if err := p.beat(ctx); err == nil {
		t.Fatal("a beat without a session succeeded")
	}
	beat(t, p)
	beatUntil(t, other, pool, map[string]string{"mine": "running"})
}

func beat(t *testing.T, p *pulse) {
	t.Helper()
	if err := p.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// running enqueues a message for each key, as being delivered by a client that has tried after another.
func running(t *testing.T, pool *pgxpool.Pool, clients map[string]string) {
	t.Helper()
	ctx := t.Context()
	outbox, err := NewOutbox(pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for key := range clients {
			if err := outbox.Enqueue(ctx, tx, ledger.Message{Kind: ledger.TellClaim, Key: key, To: "b.example"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, client := range clients {
		if _, err := pool.Exec(ctx, `
			update river_job set state = 'running', attempt = 2, attempted_at = now(),
			  attempted_by = array['an earlier one', $2] where args ->> 'key' = $1`, key, client); err != nil {
			t.Fatal(err)
		}
	}
}

// beatUntil beats until the jobs have these states: PostgreSQL takes a moment to see that a session is
// over.
func beatUntil(t *testing.T, p *pulse, pool *pgxpool.Pool, want map[string]string) {
	t.Helper()
	var got map[string]string
	for range 500 {
		beat(t, p)
		if got = states(t, pool); maps.Equal(got, want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("jobs are %v, want %v", got, want)
}

func states(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	r, err := pool.Query(t.Context(), `select args ->> 'key', state::text from river_job`)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	var key, state string
	if _, err := pgx.ForEachRow(r, []any{&key, &state}, func() error { got[key] = state; return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}
