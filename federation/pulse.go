package federation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// attemptTimeout bounds an attempt: a slow peer holds a worker no longer.
	attemptTimeout = 45 * time.Second
	// rescueAfter is when River itself takes up a job that is still running: the last resort, for a
	// process whose machine has gone without PostgreSQL noticing. It exceeds attemptTimeout, so that
	// no living attempt is doubled.
	rescueAfter = time.Minute
	// pollEvery bounds how long a message waits that River didn't notify of: of several enqueued within
	// a tenth of a second only the first is.
	pollEvery = 250 * time.Millisecond
	// beatEvery is how soon the living take up what another process left behind.
	beatEvery = 5 * time.Second
)

// pulse is how processes that deliver from one database know of each other's death. Each holds a
// session of its own and in it an advisory lock under its River client's name. The session ends with
// the process, by SIGKILL too, and PostgreSQL frees its lock: a running job whose client's lock can be
// taken has no process any more, and is taken up at once instead of after River's hour. No clock is
// compared, and the jobs of the living are never touched, however many processes there are.
//
// A process that lives but has lost its session may see its message told twice. That is harmless:
// whoever receives takes each once (protocol §10.5).
type pulse struct {
	client string // River's name of this process
	config *pgx.ConnConfig
	conn   *pgx.Conn // holds the lock; nil before the first beat and after a failed one
}

func newPulse(pool *pgxpool.Pool) *pulse {
	return &pulse{client: "deliver-" + uuid.NewString(), config: pool.Config().ConnConfig}
}

// beat shows that this process lives and takes up what the dead have left.
func (p *pulse) beat(ctx context.Context) error {
	err := p.begin(ctx)
	if err == nil {
		_, err = p.conn.Exec(ctx, takeUp, p.client, time.Now())
	}
	if err != nil {
		p.end()
		return fmt.Errorf("take up what dead processes left: %w", err)
	}
	return nil
}

// begin opens the session and takes the lock, unless that is done.
func (p *pulse) begin(ctx context.Context) (err error) {
	if p.conn != nil {
		return nil
	}
	if p.conn, err = pgx.ConnectConfig(ctx, p.config); err != nil {
		return err
	}
	var locked bool
	err = p.conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended($1, 0))`, p.client).Scan(&locked)
	if err == nil && !locked {
		err = errors.New("a session that we lost isn't over yet")
	}
	return err
}

// takeUp frees the running jobs of clients that hold no lock. The last attempt counts, as it may have
// reached the other side. Our own session could take its own lock again, hence the name.
const takeUp = `
	with dead as materialized (
	  select client from (
	    select distinct attempted_by[cardinality(attempted_by)] as client from river_job where state = 'running') r
	  where client <> $1 and pg_try_advisory_xact_lock(hashtextextended(client, 0)))
	update river_job j set state = 'available', scheduled_at = $2,
	  errors = array_append(j.errors, jsonb_build_object('at', $2::timestamptz, 'attempt', j.attempt,
	    'error', 'the process that delivered this has ended', 'trace', ''))
	from dead where j.state = 'running' and j.attempted_by[cardinality(j.attempted_by)] = dead.client`

// end gives the lock and the session back.
func (p *pulse) end() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.conn.Close(ctx)
	p.conn = nil
}

// keepBeating returns when ctx ends. A beat that fails is tried again with the next one.
func (s *Server) keepBeating(ctx context.Context, p *pulse) {
	ticks := time.NewTicker(beatEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if err := p.beat(ctx); err != nil && !errors.Is(err, context.Canceled) {
				s.event(ctx, "deliver.pulse", "error", err.Error())
			}
		}
	}
}
