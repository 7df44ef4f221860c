package statement

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
)

// JournalOptions choose what of the books is exported.
type JournalOptions struct {
	From, To time.Time // first instant, and the first one after; zero: no bound
	Assert   bool      // end with a balance assertion for every account
}

// Journal writes the books as a journal of hledger's (https://hledger.org/hledger.html#journal): directives
// for the commodity and every account, the balances before the first transfer if there is a bound, and a
// transaction per transfer. Its date is that of the booking in UTC, its code the transfer's id, its
// description the transfer's key: kind, ref and phase.
//
// What a pending transfer reserves is moved to a sub-account, reserved, from which a post or void takes it:
// so an account without its sub-accounts is what may still be spent.
func Journal(ctx context.Context, l *ledger.Ledger, to io.Writer, o JournalOptions) error {
	j := &journalWriter{to: bufio.NewWriter(to), code: l.Instance().Currency, options: o, names: map[int64]string{}}
	err := l.Export(ctx, o.From, o.To, func(b ledger.Books) error {
		j.accounts, j.last = b.Accounts, o.From
		j.head(l)
		return nil
	}, j.transfer)
	if err != nil {
		return err
	}
	if o.Assert {
		j.assert()
	}
	return j.to.Flush()
}

// Books is the journal as a document.
func Books(l *ledger.Ledger, o JournalOptions) Document {
	return Document{Name: "flattr-" + l.Instance().Host + ".journal", Media: "text/plain; charset=utf-8",
		Write: func(ctx context.Context, to io.Writer) error { return Journal(ctx, l, to, o) }}
}

type journalWriter struct {
	to       *bufio.Writer
	code     string // of the currency
	options  JournalOptions
	accounts []ledger.BookAccount
	names    map[int64]string // of accounts
	last     time.Time        // booking
}

// line writes a line; an error stays with the writer and shows when it is flushed.
func (j *journalWriter) line(form string, args ...any) { fmt.Fprintf(j.to, form+"\n", args...) }

const day = "2006-01-02"

func (j *journalWriter) head(l *ledger.Ledger) {
	j.line("; The books of %s, exported by flattrd. Credit is negative.", l.Instance().Host)
	j.line("decimal-mark .")
	j.line("commodity 1000.000000 %s", j.code)
	j.line("")
	for _, a := range j.accounts {
		name := j.accountName(a)
		j.names[a.ID] = name
		comment := ""
		if a.Name != "" {
			comment = "  ; " + a.Name
		}
		j.line("account %s%s", name, comment)
		j.line("account %s", name+reserved)
	}
	if !j.options.From.IsZero() {
		j.opening()
	}
}

const (
	reserved = ":reserved"
	opening  = "equity:opening balances"
)

// accountName is where an account stands in a chart of accounts. Members are named by number: names are
// theirs to keep. A host's port would begin a sub-account.
func (j *journalWriter) accountName(a ledger.BookAccount) string {
	owner := strconv.FormatInt(a.Owner, 10)
	switch a.Kind {
	case journal.Bank:
		return "assets:bank:" + j.code
	case journal.Receivable, journal.Advance:
		return "assets:peers:" + a.Kind + ":" + strings.ReplaceAll(a.Name, ":", "_")
	case journal.Suspense:
		return "assets:suspense"
	case journal.Fee:
		return "income:fee"
	case journal.Loss:
		return "expenses:loss"
	case journal.Means, journal.Announced, journal.Earned:
		return "liabilities:members:" + a.Kind + ":" + owner
	case journal.Payable, journal.PeerCredit, journal.Recovery:
		return "liabilities:peers:" + a.Kind + ":" + strings.ReplaceAll(a.Name, ":", "_")
	}
	side := "liabilities"
	if a.Normal == "D" {
		side = "assets"
	}
	if a.Owner != 0 {
		return side + ":" + a.Kind + ":" + owner
	}
	return side + ":" + a.Kind
}

// opening is one transaction that brings every account to where it stood.
func (j *journalWriter) opening() {
	j.line("account %s", opening)
	j.line("")
	j.line("%s * opening balances", j.options.From.Format(day))
	sum := int64(0)
	for _, a := range j.accounts {
		j.posting(j.names[a.ID], a.Opening)
		j.posting(j.names[a.ID]+reserved, a.Reserved)
		sum += a.Opening + a.Reserved
	}
	j.line("    %s  %s %s", opening, decimal(-sum), j.code)
}

// posting leaves out what moves nothing.
func (j *journalWriter) posting(account string, amount int64) {
	if amount != 0 {
		j.line("    %s  %s %s", account, decimal(amount), j.code)
	}
}

func (j *journalWriter) transfer(t ledger.BookTransfer) error {
	j.last = t.BookedAt.UTC()
	debit, credit := j.names[t.Debit], j.names[t.Credit]
	mark := "*"
	if t.Phase == journal.Pending {
		mark = "!"
	}
	j.line("")
	j.line("%s %s (%d) %s %d %s", j.last.Format(day), mark, t.ID, t.Kind, t.Ref, t.Phase)
	switch t.Phase {
	case journal.Pending:
		j.posting(debit, t.Amount)
		j.posting(debit+reserved, -t.Amount)
	case journal.Posted:
		j.posting(debit+reserved, t.Pending)
		j.posting(debit, t.Amount-t.Pending)
		j.posting(credit, -t.Amount)
	case journal.Void:
		j.posting(debit+reserved, t.Pending)
		j.posting(debit, -t.Pending)
	default:
		j.posting(debit, t.Amount)
		j.posting(credit, -t.Amount)
	}
	return nil
}

// assert ends the journal with what every account must come to, each in a transaction that moves nothing.
func (j *journalWriter) assert() {
	if !j.options.To.IsZero() {
		j.last = j.options.To.Add(-time.Nanosecond)
	}
	for _, a := range j.accounts {
		j.line("")
		j.line("%s * balance", j.last.UTC().Format(day))
		j.line("    %s  %s %s = %s %s", j.names[a.ID], decimal(0), j.code, decimal(a.Closing), j.code)
		j.line("    %s  %s %s = %s %s", j.names[a.ID]+reserved, decimal(0), j.code, decimal(a.Held), j.code)
	}
}
