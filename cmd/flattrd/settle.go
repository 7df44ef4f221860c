package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// settleCommand does what the timer does, now.
type settleCommand struct{}

// Run closes and settles what is due, tells how far it is, and lists the months.
func (settleCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, "", nil)
	if err != nil {
		return err
	}
	defer b.stop()
	finished := make(chan error, 1)
	go func() { finished <- b.Tick(ctx) }()
	if err := watch(ctx, b.Ledger, finished, os.Stderr, time.Second); err != nil {
		return err
	}
	months, err := b.Months(ctx)
	for _, m := range months {
		fmt.Println(m.Period, m.State)
	}
	return err
}

// watch writes how far the running settlement is, a line each time that has changed, until the work has
// finished, and returns its error.
func watch(ctx context.Context, l *ledger.Ledger, finished <-chan error, out io.Writer, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		select {
		case err := <-finished:
			return err
		case <-tick.C:
		}
		all, err := l.Settlements(ctx)
		if err != nil {
			continue // the work itself will tell
		}
		for _, s := range all {
			if line := progress(s); s.EndedAt == nil && line != said {
				said = line
				fmt.Fprintln(out, line)
			}
		}
	}
}

func progress(s ledger.Settlement) string {
	if s.Stage == "splitting" {
		return fmt.Sprintf("%s: splitting, %d of %d givers", s.Period, s.Done, s.Givers)
	}
	return fmt.Sprintf("%s: %s", s.Period, s.Stage)
}
