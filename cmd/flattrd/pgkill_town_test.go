//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// pgTown is a month that was played on a PostgreSQL of the test's own, which keeps a's and b's books, and a copy of that
// cluster, in which c's are, for c to run by itself.
type pgTown struct {
	*crashRig
	shared   *privatepg.Server
	runs     int
	first    string // month
	got      []string
	gotLines [3][]string
}

func newPGTown(t *testing.T, binary string) *pgTown {
	dir, err := os.MkdirTemp("/tmp", "flattrd-kills-") // short, for the sockets stand in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user than root
		t.Fatal(err)
	}
	// By default pages are copied through the log, and then a sequence goes back when the server crashes before the next
	// checkpoint: it takes its numbers for logged, which they are, but in the log of what it was copied from.
	p := &pgTown{crashRig: &crashRig{strategy: " strategy file_copy", binary: binary, dir: dir, port: uint16(quietPort(t)), seed: 1, snapshots: map[string]snapshot{}}}
	t.Cleanup(func() { p.stop() })
	if err := p.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// prepare plays the month, and copies the cluster while it stands still.
func (p *pgTown) prepare(ctx context.Context) error {
	if err := p.start(ctx); err != nil {
		return err
	}
	if err := p.playMonth(ctx); err != nil {
		if err = p.playMonth(ctx); err != nil { // on a busy machine it may need a second try
			return err
		}
	}
	p.stop()
	if err := clone(p.cluster("ab"), p.cluster("c0")); err != nil {
		return err
	}
	if err := p.makeOwn(ctx); err != nil {
		return err
	}
	return p.start(ctx)
}

func (p *pgTown) cluster(name string) string { return filepath.Join(p.dir, name, "postgres") }

// start runs the given server, as durable as PostgreSQL is by itself.
func (p *pgTown) start(ctx context.Context) (err error) {
	if p.shared, err = privatepg.Start(ctx, privatepg.Config{Dir: p.cluster("ab")}); err != nil {
		return err
	}
	p.admin = p.shared.DSN("postgres")
	if p.server == nil {
		p.server, err = pgxpool.New(ctx, p.admin)
	}
	return err
}

func (p *pgTown) stop() {
	if p.shared != nil {
		_ = p.shared.Stop(context.Background()) // after a kill there is nothing left to stop in order
	}
}

// clone copies a cluster that nobody runs.
func clone(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// makeOwn renames c's books in the copy to what serve looks for in a cluster of its own.
func (p *pgTown) makeOwn(ctx context.Context) error {
	own, err := privatepg.Start(ctx, privatepg.Config{Dir: p.cluster("c0")})
	if err != nil {
		return err
	}
	defer func() { _ = own.Stop(ctx) }()
	conn, err := pgx.Connect(ctx, own.DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `alter database `+p.database("world", "c")+` rename to flattrd`)
	return err
}

// begin starts the three on copies of the month.
func (p *pgTown) begin(ctx context.Context, l *lane) error {
	l.ctx, l.stop = context.WithCancelCause(ctx)
	l.busy = &load{seed: p.seed, clicks: 2}
	l.leastClaims = 6
	p.first = cmp.Or(p.first, p.month)
	p.month = p.first // a run leaves it at its last
	if err := l.turn(p.snapshots["close"].clock); err != nil {
		return err
	}
	p.runs++
	own := fmt.Sprint("c", p.runs)
	if err := clone(p.cluster("c0"), p.cluster(own)); err != nil {
		return err
	}
	var err error
	if l.wire, err = l.listenIn(); err != nil {
		return err
	}
	for k, name := range l.databases()[:2] {
		if err := l.copy(ctx, p.snapshots["close"].databases[k], name); err != nil {
			return err
		}
		if err := l.open(ctx, name); err != nil {
			return err
		}
		l.run(k, "FLATTRD_DATABASE_URL="+l.books[k].pool.Config().ConnString(), "FLATTRD_DATA="+p.dir)
	}
	c := l.run(2, "FLATTRD_DATA="+filepath.Join(p.dir, own))
	if err := c.answer(ctx); err != nil {
		return err
	}
	return l.openAt(ctx, privatepg.Address(filepath.Join(p.cluster(own), "s")).DSN("flattrd"))
}

// run starts instance k. Nothing is netted: that happens an hour after everything was answered, by the clock.
func (l *lane) run(k int, env ...string) *node {
	n := l.node(k)
	n.env = append(append(n.env, "FLATTRD_NO_NETTING=true"), env...)
	n.mayEnd = k == 2
	l.nodes = append(l.nodes, n)
	n.begin(l.binary, "")
	return n
}

// nextMonth turns the clock to the end of the month that is open.
func (l *lane) nextMonth() error {
	l.month = ledger.NextPeriod(l.month)
	return l.turn(ledger.PeriodEnd(l.month).Sub(time.Now()) + time.Second)
}
