package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Report is what an audit came to.
type Report struct {
	Host     string    `json:"host"`
	Currency string    `json:"currency"`
	Began    time.Time `json:"began"`
	Took     float64   `json:"seconds"`
	Findings []Finding `json:"findings"`
	More     int64     `json:"more"` // findings that aren't listed
	Verified []Count   `json:"verified"`
	Keys     []Key     `json:"keys"`
	Balances []Balance `json:"balances"`
}

// Finding is one thing that isn't as the first facts make it.
type Finding struct {
	Table    string `json:"table"`
	Key      string `json:"key"`              // the primary key, its columns joined by "/"; "" if the row isn't there
	Column   string `json:"column,omitempty"` // "": the row itself
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Why      string `json:"why"` // what it was derived from
}

func (f Finding) String() string {
	row := f.Table
	if f.Key != "" {
		row += " " + f.Key
	}
	if f.Column != "" {
		row += ": " + f.Column
	}
	text := fmt.Sprintf("%s: found %s, expected %s", row, f.Found, f.Expected)
	if f.Why != "" {
		text += " (" + f.Why + ")"
	}
	return text
}

// Count is how many rows of a kind were verified.
type Count struct {
	What string `json:"what"`
	Rows int64  `json:"rows"`
}

// Key is an accounting key that documents were verified by.
type Key struct {
	Host        string `json:"host"`
	Multikey    string `json:"multikey"`
	Fingerprint string `json:"fingerprint"` // what the operators compare
	Given       bool   `json:"given"`       // by Options.Keys, and not by the database
	Documents   int64  `json:"documents"`   // whose proof it was to be
}

// Balance is what all accounts of a kind hold together, in micro-units: in their normal direction, or, of suspense,
// on the credit side.
type Balance struct {
	Kind     string `json:"kind"`
	Accounts int64  `json:"accounts"`
	Posted   int64  `json:"posted"`
	Pending  int64  `json:"pending"` // of that, reserved to leave
}

// Count is how many findings there are in all.
func (r *Report) Count() int64 { return int64(len(r.Findings)) + r.More }

// WriteJSON writes the report for machines; amounts are in micro-units.
func (r *Report) WriteJSON(w io.Writer) error {
	if r.Findings == nil {
		r.Findings = []Finding{} // a list, also when it is empty
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	text := &lines{w: w}
	for _, f := range r.Findings {
		text.add("%s", f)
	}
	if r.More > 0 {
		text.add("… and %d more", r.More)
	}
	if r.Count() > 0 {
		text.add("")
	}
	text.add("%s, %s: audited in %.1f s", r.Host, r.Currency, r.Took)
	for _, c := range r.Verified {
		if c.Rows > 0 {
			text.add("%12d %s", c.Rows, c.What)
		}
	}
	for _, b := range r.Balances {
		text.add("%19s %s, of that reserved %s, on %d account(s)", money(b.Posted), b.Kind, money(b.Pending), b.Accounts)
	}
	for _, k := range r.Keys {
		from := "as the database has it"
		if k.Given {
			from = "as given"
		}
		text.add("key of %s, %s: %s; %d document(s)", k.Host, from, k.Fingerprint, k.Documents)
	}
	if r.Count() == 0 {
		text.add("no findings")
	}
	return text.err
}

// lines writes until the first error.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) add(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}

// money writes micro-units as a decimal.
func money(micro int64) string {
	sign := ""
	if micro < 0 {
		sign, micro = "-", -micro
	}
	return fmt.Sprintf("%s%d.%06d", sign, micro/1_000_000, micro%1_000_000)
}
