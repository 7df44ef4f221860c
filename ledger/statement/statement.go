// Package statement writes what the ledger knows for people who keep books elsewhere: a giver's month, a
// payee's revenue and an instance's month as CSV and JSON, and all transfers as a journal that hledger
// reads. STATEMENTS.md describes every column and name; they are stable.
//
// Nothing here computes money: the ledger's views say what stands there, and each statement writes it in
// one form after the other. What may be large is written row by row as the database finds it.
package statement

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/fedflattr/flattrd/ledger"
)

// Formats of a statement. Classic is the revenue file of the first Flattr.
const (
	CSV     = "csv"
	JSON    = "json"
	Classic = "classic"
)

// Document is a statement that can be written, and what its file is called.
type Document struct {
	Name  string // of a file
	Media string // media type
	Write func(ctx context.Context, to io.Writer) error
}

// writer writes a statement in one format.
type writer = func(ctx context.Context, to io.Writer) error

// in chooses a format. ErrNotFound: the statement has none of that name.
func in(format, name string, formats map[string]writer) (Document, error) {
	write, ok := formats[format]
	if !ok {
		return Document{}, fmt.Errorf("%w: no format %q", ledger.ErrNotFound, format)
	}
	if format == JSON {
		return Document{Name: "flattr-" + name + ".json", Media: "application/json", Write: write}, nil
	}
	if format == Classic {
		name += "-classic"
	}
	return Document{Name: "flattr-" + name + ".csv", Media: "text/csv; charset=utf-8; header=present", Write: write}, nil
}

// ofMonth is in, for a statement of one month.
func ofMonth(period, format, name string, formats map[string]writer) (Document, error) {
	if !ledger.ValidPeriod(period) {
		return Document{}, fmt.Errorf("%w: no month %q", ledger.ErrNotFound, period)
	}
	return in(format, name, formats)
}

// amount is micro-units as JSON has them everywhere (protocol §8): a string, because other languages'
// decoders lose the digits of numbers. The scale stands at the head of each statement.
type amount int64

// MarshalJSON writes the amount in quotes.
func (a amount) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%d"`, int64(a)), nil }

// optional is an amount that may not be told: null.
func optional(micro *int64) *amount { return (*amount)(micro) }

// head begins every JSON statement.
type head struct {
	Type       string `json:"type"`
	Instance   string `json:"instance"`         // host
	Member     string `json:"member,omitempty"` // actor's id
	Month      string `json:"month,omitempty"`
	MonthState string `json:"monthState,omitempty"` // open | closed | settled
	AssetCode  string `json:"assetCode"`
	AssetScale int    `json:"assetScale"`
}

// scale is the number of digits below the currency's unit: amounts are micro-units.
const scale = 6

func headOf(i ledger.Instance, kind, member string, m ledger.Month) head {
	h := head{Type: kind, Instance: i.Host, Month: m.Period, MonthState: m.State, AssetCode: i.Currency, AssetScale: scale}
	if member != "" {
		h.Member = i.MemberIRI(member)
	}
	return h
}

// writeJSON writes one document and a line end.
func writeJSON(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// lists writes a JSON document whose last members are lists that are never held in memory.
type lists struct {
	to    io.Writer
	begun bool // the list has an entry
}

// begin writes the document up to its lists; v is an object with at least one member.
func (l *lists) begin(v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = l.to.Write(raw[:len(raw)-len("\n}")])
	}
	return err
}

// open begins a list.
func (l *lists) open(name string) error {
	l.begun = false
	_, err := fmt.Fprintf(l.to, ",\n  %q: [", name)
	return err
}

func (l *lists) add(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	comma := ","
	if !l.begun {
		l.begun, comma = true, ""
	}
	_, err = fmt.Fprintf(l.to, "%s\n    %s", comma, raw)
	return err
}

// close ends a list.
func (l *lists) close() error {
	_, err := io.WriteString(l.to, "\n  ]")
	return err
}

func (l *lists) end() error {
	_, err := io.WriteString(l.to, "\n}\n")
	return err
}
