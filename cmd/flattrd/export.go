package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	statements "github.com/fedflattr/flattrd/ledger/statement"
)

// statementCommand writes what the pages offer as files, to standard output.
type statementCommand struct {
	Given    givenCommand    `cmd:"" help:"What a member gave in a month."`
	Earned   earnedCommand   `cmd:"" help:"What a member earned in a month, or in all of them."`
	Instance instanceCommand `cmd:"" help:"What a month came to on the instance."`
}

// ofInstance chooses the books that a command reads.
type ofInstance struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
}

// print opens the books and writes the document that make finds in them.
func (o ofInstance) print(ctx context.Context, d *Database, find func(*ledger.Ledger) (statements.Document, error)) error {
	b, err := openBooks(ctx, d, o.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	doc, err := find(b.Ledger)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	if err := doc.Write(ctx, out); err != nil {
		return err
	}
	return out.Flush()
}

// printOf is print for a document of one member.
func (o ofInstance) printOf(ctx context.Context, d *Database, name string, find func(*ledger.Ledger, ledger.Member) (statements.Document, error)) error {
	return o.print(ctx, d, func(l *ledger.Ledger) (statements.Document, error) {
		m, err := l.MemberByName(ctx, name)
		if err != nil {
			return statements.Document{}, fmt.Errorf("%q: %w", name, err)
		}
		return find(l, m)
	})
}

type givenCommand struct {
	ofInstance
	Member string `arg:"" help:"Name of the member."`
	Month  string `arg:"" help:"YYYY-MM."`
	Format string `default:"csv" enum:"csv,json" help:"csv or json."`
}

// Run prints a giver's month.
func (c givenCommand) Run(ctx context.Context, d *Database) error {
	return c.printOf(ctx, d, c.Member, func(l *ledger.Ledger, m ledger.Member) (statements.Document, error) {
		return statements.Given(l, m, c.Month, c.Format)
	})
}

type earnedCommand struct {
	ofInstance
	Member string `arg:"" help:"Name of the member."`
	Month  string `arg:"" optional:"" help:"YYYY-MM, by thing. Without: all months, by instance."`
	Format string `default:"csv" enum:"csv,json,classic" help:"csv, json, or, of a month, classic: the first Flattr's columns."`
}

// Run prints a payee's month, or all of them.
func (c earnedCommand) Run(ctx context.Context, d *Database) error {
	return c.printOf(ctx, d, c.Member, func(l *ledger.Ledger, m ledger.Member) (statements.Document, error) {
		if c.Month == "" {
			return statements.Earned(l, m, c.Format)
		}
		return statements.Revenue(l, m, c.Month, c.Format)
	})
}

type instanceCommand struct {
	ofInstance
	Month  string `arg:"" help:"YYYY-MM."`
	Format string `default:"csv" enum:"csv,json" help:"csv or json."`
}

// Run prints the instance's month.
func (c instanceCommand) Run(ctx context.Context, d *Database) error {
	return c.print(ctx, d, func(l *ledger.Ledger) (statements.Document, error) {
		return statements.Instance(l, c.Month, c.Format)
	})
}

// exportCommand groups what writes the books for other programs.
type exportCommand struct {
	Journal journalCommand `cmd:"" help:"Write all transfers as a journal that hledger reads."`
}

type journalCommand struct {
	ofInstance
	From   string `placeholder:"DATE" help:"First day (YYYY-MM-DD) or month (YYYY-MM), in UTC; what was before is the opening balance."`
	To     string `placeholder:"DATE" help:"Last day or month."`
	Assert bool   `help:"End with a balance assertion for every account."`
}

// Run writes the journal to standard output.
func (c journalCommand) Run(ctx context.Context, d *Database) error {
	o := statements.JournalOptions{Assert: c.Assert}
	var err error
	if o.From, _, err = span("--from", c.From); err == nil {
		_, o.To, err = span("--to", c.To)
	}
	if err != nil {
		return err
	}
	if !o.From.IsZero() && !o.To.IsZero() && !o.From.Before(o.To) {
		return fmt.Errorf("--to %s is before --from %s", c.To, c.From)
	}
	return c.print(ctx, d, func(l *ledger.Ledger) (statements.Document, error) { return statements.Books(l, o), nil })
}

// span is a day or month from its first instant to the one after it; "" has neither.
func span(flag, text string) (from, to time.Time, err error) {
	if text == "" {
		return from, to, nil
	}
	if ledger.ValidPeriod(text) {
		return ledger.PeriodStart(text), ledger.PeriodEnd(text), nil
	}
	from, err = time.Parse(time.DateOnly, text)
	if err != nil {
		return from, to, fmt.Errorf("%s: %q is neither a day (YYYY-MM-DD) nor a month (YYYY-MM)", flag, text)
	}
	return from, from.AddDate(0, 0, 1), nil
}
