package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/fedflattr/flattrd/ledger"
)

// demoCommand plays one month between three instances by itself, over HTTP, and shows what became of
// the money.
type demoCommand struct {
	JSON bool `help:"Print one JSON document with amounts in micro-units instead of the table."`
}

// demo is the play: the world, and everybody's browser.
type demo struct {
	*world
	out      io.Writer // progress
	month    string
	people   map[string]*person // by name
	buttons  map[string]string  // page address by "owner/slug"
	progress int
}

// person is a member with a browser that is logged in.
type person struct {
	*browser
	name, letter string
	base         string // of the home
}

// Run plays the month in a world of its own, which it leaves no trace of. The exit status tells
// whether every invariant held, also those that only all instances together can see.
func (c demoCommand) Run(ctx context.Context, d *Database) error {
	own, clean, err := demoDatabase(d)
	if err != nil {
		return err
	}
	defer clean()
	w, err := newWorld(ctx, own, 0, true)
	if err != nil {
		return err
	}
	defer w.close()
	defer w.dropAll(context.WithoutCancel(ctx))
	if err := w.leaveMonthEnd(ctx); err != nil {
		return err
	}
	play := &demo{world: w, out: os.Stderr, people: map[string]*person{}, buttons: map[string]string{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- w.serve(ctx, func() {}, nil) }()
	s, err := play.run(ctx)
	cancel()
	if err = errors.Join(err, <-served); err != nil {
		return err
	}
	return c.finish(os.Stdout, s)
}

// finish prints what the month came to. Error: ledger.ErrInvariant if the books don't hold.
func (c demoCommand) finish(out io.Writer, s statement) error {
	if err := c.print(out, s); err != nil {
		return err
	}
	if s.Invariants != "ok" {
		return fmt.Errorf("%w: %s", ledger.ErrInvariant, s.Invariants)
	}
	return nil
}

func (c demoCommand) print(out io.Writer, s statement) error {
	if !c.JSON {
		s.table(out)
		return nil
	}
	document := json.NewEncoder(out)
	document.SetEscapeHTML(false)
	return document.Encode(s)
}

// demoDatabase gives the demo a temporary data directory, and a private PostgreSQL in it unless a server
// is given, so that it runs beside a localserve and needs no home.
func demoDatabase(d *Database) (*Database, func(), error) {
	dir, err := os.MkdirTemp("", "flattrd-demo-")
	if err != nil {
		return nil, nil, err
	}
	// PostgreSQL runs as another user than root and must be able to pass through.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, nil, err
	}
	return &Database{DatabaseURL: d.DatabaseURL, Data: dir, passing: true}, func() { _ = os.RemoveAll(dir) }, nil
}

// say shows progress.
func (d *demo) say(format string, args ...any) {
	d.progress++
	fmt.Fprintf(d.out, "%2d  %s\n", d.progress, fmt.Sprintf(format, args...))
}

// run plays the scenes in order.
func (d *demo) run(ctx context.Context) (statement, error) {
	d.month = ledger.PeriodOf(d.clock.Now())
	for _, scene := range []struct {
		name string
		play func(context.Context) error
	}{
		{"operators, invitations, members", d.join},
		{"deposits and budgets", d.fund},
		{"buttons on pages", d.makeButtons},
		{"flattrs, from every home to every home", d.click},
		{"second thoughts: an undo, a double click, a late budget", d.change},
		{"the month closes, answers become final", d.closeMonth1},
		{"a payee leaves before the claim comes", d.leave},
		{"settlement and claims", d.settle},
		{"the instances pay each other", d.pay},
		{"payees withdraw", d.withdraw},
	} {
		d.say("%s", scene.name)
		if err := scene.play(ctx); err != nil {
			return statement{}, fmt.Errorf("%s: %w", scene.name, err)
		}
		if err := d.quiet(ctx); err != nil {
			return statement{}, fmt.Errorf("%s: %w", scene.name, err)
		}
	}
	return d.statement(ctx)
}

// quiet waits until nobody has anything left to tell. The instances are asked one after the other, so it
// takes two looks between which nothing was enqueued: in between there was a moment of quiet everywhere.
func (d *demo) quiet(ctx context.Context) error {
	deadline := time.Now().Add(30 * time.Second)
	var before []int64
	for {
		waiting, newest, err := d.waiting(ctx)
		switch {
		case err != nil:
			return err
		case waiting == 0 && slices.Equal(newest, before):
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d messages are still undelivered", waiting)
		}
		before = newest
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// waiting counts what all instances have left to tell, and names each one's newest message.
func (d *demo) waiting(ctx context.Context) (all int64, newest []int64, err error) {
	for _, i := range d.instances {
		n, last, err := i.fed.Waiting(ctx)
		if err != nil {
			return 0, nil, err
		}
		all, newest = all+n, append(newest, last)
	}
	return all, newest, nil
}

// operator makes the first member of an instance, which the command line does in real life.
func (d *demo) operator(ctx context.Context, k int) error {
	hash, err := argon2id.CreateHash(playPassword, playHash)
	if err != nil {
		return err
	}
	_, err = d.instances[k].ledger.CreateOperator(ctx, ledger.Joining{Name: "op", PasswordHash: hash, Language: "en"})
	return err
}
