package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/ledger/bench"
)

// benchCommand measures: ratios against limits that are taken in the same run, as JSON.
type benchCommand struct {
	Settle  benchSettleCommand  `cmd:"" help:"Settle a month, against the time that its lines alone take."`
	Journal benchJournalCommand `cmd:"" help:"Move money, against the least that a durable transaction takes."`
}

// benchJournalCommand moves money in a database of its own, which is dropped afterwards.
type benchJournalCommand struct {
	Seconds float64 `default:"1" help:"How long each path is driven in a round."`
	Rounds  int     `default:"5" help:"How often; medians are told."`
}

// Run drives all paths in turn.
func (c benchJournalCommand) Run(ctx context.Context, d *Database) error {
	if c.Seconds <= 0 || c.Rounds < 1 {
		return fmt.Errorf("seconds are above 0, rounds at least 1")
	}
	cluster, err := d.join(ctx)
	if err != nil {
		return err
	}
	defer cluster.stop()
	defer cluster.drop(context.WithoutCancel(ctx), benchBase)
	if err := cluster.drop(ctx, benchBase); err != nil {
		return err
	}
	return cluster.with(ctx, benchBase, func(pool *pgxpool.Pool, outbox *federation.Outbox) error {
		t, err := bench.Journal(ctx, pool, outbox, bench.Slots{Seconds: c.Seconds, Rounds: c.Rounds})
		if err != nil {
			return err
		}
		return printJSON(t)
	})
}

func printJSON(v any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// benchSettleCommand settles made-up months in databases of their own, which are dropped afterwards unless one is to
// be kept.
type benchSettleCommand struct {
	Givers  int64 `default:"100000" help:"Givers, each with a budget."`
	Flattrs int64 `default:"10" help:"Flattrs of each."`
	Things  int64 `default:"100000" help:"Things that are flattred, a third as many payees."`
	Peers   int64 `default:"200" help:"Other instances, at which two thirds of the payees live."`
	Runs    int   `default:"5" help:"How often; the median is told."`
	Keep    bool  `help:"Keep the last settled database, to audit or check it."`
}

const benchBase = "flattrd_bench"

// Run fills a database once and settles copies of it.
func (c benchSettleCommand) Run(ctx context.Context, d *Database) error {
	if c.Givers < 1 || c.Flattrs < 1 || c.Things < 1 || c.Peers < 1 || c.Runs < 1 {
		return fmt.Errorf("givers, flattrs, things, peers and runs are at least 1")
	}
	cluster, err := d.join(ctx)
	if err != nil {
		return err
	}
	defer cluster.stop()
	defer cluster.drop(context.WithoutCancel(ctx), benchBase)
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	if err := cluster.drop(ctx, benchBase); err != nil {
		return err
	}
	start := time.Now()
	size := bench.Month{Givers: c.Givers, Flattrs: c.Flattrs, Things: c.Things, Peers: c.Peers}
	if err := cluster.with(ctx, benchBase, func(pool *pgxpool.Pool, outbox *federation.Outbox) error {
		return bench.Fill(ctx, pool, size, outbox)
	}); err != nil {
		return err
	}
	say("%d givers with up to %d flattrs each: made in %.0f s", c.Givers, c.Flattrs, time.Since(start).Seconds())
	var runs []bench.Settled
	for n := range c.Runs {
		s, err := cluster.settleCopy(ctx, bench.Name(n), c.Keep && n == c.Runs-1)
		if err != nil {
			return err
		}
		say("%d of %d: %d flattrs in %.2f s, floor %.2f s + %.2f s: %.2f times", n+1, c.Runs, s.Flattrs, s.Settle, s.FloorCopy, s.FloorIndex, s.Ratio)
		runs = append(runs, s)
	}
	return printJSON(map[string]any{"givers": c.Givers, "runs": runs, "median": bench.Median(runs)})
}

// settleCopy settles a copy of the filled database. One that is kept has to be dropped by hand.
func (c *cluster) settleCopy(ctx context.Context, name string, keep bool) (s bench.Settled, err error) {
	if err := c.drop(ctx, name); err != nil {
		return s, err
	}
	if keep {
		fmt.Fprintf(os.Stderr, "kept: flattrd audit --database %s\n", name)
	} else {
		defer c.drop(context.WithoutCancel(ctx), name)
	}
	if err := c.exec(ctx, fmt.Sprintf(`create database %s template %s strategy file_copy`, name, benchBase)); err != nil {
		return s, err
	}
	err = c.with(ctx, name, func(pool *pgxpool.Pool, outbox *federation.Outbox) (err error) {
		s, err = bench.Settle(ctx, pool, outbox)
		return err
	})
	return s, err
}

// with opens a database for as long as f runs.
func (c *cluster) with(ctx context.Context, name string, f func(*pgxpool.Pool, *federation.Outbox) error) error {
	pool, err := c.pool(ctx, name)
	if err != nil {
		return err
	}
	defer pool.Close()
	outbox, err := federation.NewOutbox(pool, slog.Default())
	if err != nil {
		return err
	}
	return f(pool, outbox)
}

func (c *cluster) drop(ctx context.Context, name string) error {
	return c.exec(ctx, `drop database if exists `+name+` with (force)`)
}

// exec runs one statement on the server's own database.
func (c *cluster) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}
