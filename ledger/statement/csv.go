package statement

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fedflattr/flattrd/ledger"
)

// newCSV writes RFC 4180: commas, quotes where needed, CRLF.
func newCSV(to io.Writer, header ...string) *table { return newTable(to, ',', header) }

func newTable(to io.Writer, comma rune, header []string) *table {
	t := &table{csv.NewWriter(to)}
	t.Comma, t.UseCRLF = comma, true
	_ = t.Write(header) // an error stays and is returned by end
	return t
}

type table struct{ *csv.Writer }

// add writes a row; an error shows here or at the end.
func (t *table) add(cells ...string) error { return t.Write(cells) }

func (t *table) end() error {
	t.Flush()
	return t.Error()
}

// formulas begin a cell that a spreadsheet computes instead of showing it (OWASP, CSV injection): =1+1, a
// macro, a request that carries other cells away. The full-width forms are taken for the same.
const formulas = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"

// text is what people have written, as a cell: legible, and never a formula. A leading ' makes
// spreadsheets show it as it is.
func text(written string) string {
	shown := ledger.Visible(written)
	for _, s := range []string{written, shown} {
		if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune(formulas, first) {
			return "'" + shown
		}
	}
	return shown
}

// decimal writes micro-units with all six digits and a point: 333333 is "0.333333".
func decimal(micro int64) string {
	sign := ""
	if micro < 0 {
		sign, micro = "-", -micro
	}
	return fmt.Sprintf("%s%d.%06d", sign, micro/1_000_000, micro%1_000_000)
}

// maybe is an amount that may not be told: an empty cell.
func maybe(micro *int64) string {
	if micro == nil {
		return ""
	}
	return decimal(*micro)
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
