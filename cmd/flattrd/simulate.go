package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/fedflattr/flattrd/ledger/pair"
	"github.com/fedflattr/flattrd/ledger/simulation"
)

// simulateCommand runs the protocol between instances in worlds that fail and lie, a seed each.
type simulateCommand struct {
	Seeds    int     `default:"2000" help:"How many worlds."`
	From     uint64  `default:"0" help:"The first seed."`
	Seed     *uint64 `help:"Run this one only."`
	Trace    bool    `help:"With --seed: print all that happens."`
	Hosts    int     `default:"0" help:"Instances in each world, 2 to 5. Default: by seed."`
	Plant    string  `placeholder:"NAME" help:"Plant a bug, or all in turn, in a build with -tags planted: a seed must find it."`
	Postgres bool    `help:"Whole instances on a real database, in a build with -tags simulation."`
	JSON     bool    `name:"json" help:"Print one JSON document."`
}

// Run prints what became of the worlds; the exit status tells whether a rule was broken or, with a planted bug,
// whether no seed found it.
func (c simulateCommand) Run(ctx context.Context) error {
	if c.Hosts != 0 && (c.Hosts < 2 || c.Hosts > 5) || c.Seeds < 1 {
		return fmt.Errorf("hosts are 2 to 5, seeds at least 1")
	}
	if c.Postgres {
		return c.postgres(ctx)
	}
	switch {
	case c.Plant == "all":
		return c.plantAll(ctx)
	case c.Plant != "" && !slices.Contains(pair.Bugs, c.Plant):
		return fmt.Errorf("no bug %q to plant; this build has %d, see ledger/pair/plant_on.go", c.Plant, len(pair.Bugs))
	}
	debug.SetGCPercent(400) // a world is small and soon gone
	pair.Plant(c.Plant)
	if c.Seed != nil {
		return c.one(*c.Seed)
	}
	return c.many(ctx)
}

func (c simulateCommand) one(seed uint64) error {
	var trace io.Writer
	if c.Trace {
		trace = os.Stdout
	}
	r := simulation.Run(seed, c.Hosts, trace)
	if c.JSON {
		if err := printJSON(r); err != nil {
			return err
		}
	} else {
		fmt.Printf("seed %d: %d events, %d claims, %d payments, %d restores, %d lies, trace %016x\n",
			r.Seed, r.Events, r.Claims, r.Payments, r.Restores, r.Lies, r.Hash)
		printViolations(r)
	}
	return c.verdict(len(r.Violations))
}

func printViolations(r simulation.Result) {
	for _, v := range r.Violations {
		fmt.Printf("seed %d  %s\n", r.Seed, v)
	}
}

func (c simulateCommand) many(ctx context.Context) error {
	start := time.Now()
	sum := simulation.Many(ctx, c.From, c.Seeds, c.Hosts, c.Plant != "")
	if err := ctx.Err(); err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	if c.JSON {
		if err := printJSON(sum); err != nil {
			return err
		}
		return c.verdict(len(sum.Failed))
	}
	for _, r := range sum.Failed[:min(len(sum.Failed), 10)] {
		printViolations(r)
		fmt.Printf("  again: flattrd simulate --seed %d --hosts %d --trace\n", r.Seed, c.Hosts)
	}
	fmt.Printf("%d seeds, %.0f a second: %d events, %d claims, %d payments, %d lies, %d restores of which %d froze a pair of honest hosts\n",
		sum.Seeds, float64(sum.Seeds)/seconds, sum.Events, sum.Claims, sum.Payments, sum.Lies, sum.Restores, sum.Frozen)
	return c.verdict(len(sum.Failed))
}

func (c simulateCommand) verdict(failed int) error {
	switch {
	case c.Plant != "" && failed == 0:
		return fmt.Errorf("no seed found the planted bug %q", c.Plant)
	case c.Plant == "" && failed > 0:
		return fmt.Errorf("rules were broken: %d", failed)
	}
	return nil
}

// plantAll plants each bug in turn and tells by which seed it was found.
func (c simulateCommand) plantAll(ctx context.Context) error {
	missed := 0
	for _, name := range pair.Bugs {
		pair.Plant(name)
		sum := simulation.Many(ctx, c.From, c.Seeds, c.Hosts, true)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(sum.Failed) == 0 {
			missed++
			fmt.Printf("%-24s not found by %d seeds\n", name, sum.Seeds)
			continue
		}
		r := sum.Failed[0]
		fmt.Printf("%-24s seed %d: %s\n", name, r.Seed, r.Violations[0])
	}
	if missed > 0 || len(pair.Bugs) == 0 {
		return fmt.Errorf("%d of %d planted bugs weren't found", missed, len(pair.Bugs))
	}
	return nil
}
