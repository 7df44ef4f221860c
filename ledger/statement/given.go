package statement

import (
	"context"
	"io"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

// Given is a giver's month: the budget over the flattrs. Its rows are one member's clicks of a month.
// ErrNotFound, also when it is written: no such format, no such month.
func Given(l *ledger.Ledger, m ledger.Member, period, format string) (Document, error) {
	g := given{l, m, period}
	return ofMonth(period, format, "given-"+period+"-"+m.Name, map[string]writer{CSV: g.csv, JSON: g.json})
}

type given struct {
	ledger *ledger.Ledger
	member ledger.Member
	period string
}

// csv has a row per flattr and one for what rolled over or went to the cause: of a settled month the amounts add up to the
// budget. What was promised for it has a row, and a column, of its own.
func (g given) csv(ctx context.Context, to io.Writer) error {
	v, err := g.ledger.MyMonth(ctx, g.member.ID, g.period)
	if err != nil {
		return err
	}
	code, zero := g.ledger.Instance().Currency, decimal(0)
	t := newCSV(to, "month", "month_state", "kind", "thing", "url", "title", "payee", "payee_name", "clicked_at", "state",
		"times_carried", "amount", "returned", "currency", "pledged")
	for i := len(v.Lines) - 1; i >= 0; i-- { // the first click first
		f := v.Lines[i]
		if err := t.add(v.Period, v.State, "flattr", text(f.IRI), text(f.URL), text(f.Title), text(f.Payee), text(f.PayeeName),
			instant(f.MadeAt), f.State, strconv.Itoa(int(f.CarryCount)), maybe(f.Settled), decimal(f.Returned), code, ""); err != nil {
			return err
		}
	}
	if v.Rolled > 0 {
		if err := t.add(v.Period, v.State, "rolled-over", "", "", "", "", "", "", "", "0", decimal(v.Rolled), zero, code, ""); err != nil {
			return err
		}
	}
	if v.Donated > 0 {
		if err := t.add(v.Period, v.State, "donated", "", "", "", "", "", "", "", "0", decimal(v.Donated), zero, code, ""); err != nil {
			return err
		}
	}
	if p := v.Pledge; p != nil {
		if err := t.add(v.Period, v.State, "pledge", "", "", "", "", "", "", p.State, "0", "", zero, code, decimal(p.Amount)); err != nil {
			return err
		}
	}
	return t.end()
}

type givenJSON struct {
	head
	Budget     amount       `json:"budget"` // reserved for the month
	Given      *amount      `json:"given"`  // null until it is settled
	RolledOver *amount      `json:"rolledOver"`
	Donated    *amount      `json:"donated"` // to the instance's cause
	Fee        *amount      `json:"fee"`
	Returned   amount       `json:"returned"`
	Pledge     *pledgeJSON  `json:"pledge"` // null: budgets are paid before
	Flattrs    []flattrJSON `json:"flattrs"`
}

type pledgeJSON struct {
	Amount amount `json:"amount"`
	State  string `json:"state"` // promised | collected | unused | void
}

type flattrJSON struct {
	ID           string  `json:"id"`
	Thing        string  `json:"thing"`
	URL          string  `json:"url"`
	Title        string  `json:"title"`
	Payee        string  `json:"payee"`
	PayeeName    string  `json:"payeeName"`
	ClickedAt    string  `json:"clickedAt"`
	State        string  `json:"state"`
	Reason       *string `json:"reason"`
	TimesCarried int32   `json:"timesCarried"`
	Amount       *amount `json:"amount"` // null: no share, or not settled yet
	Returned     amount  `json:"returned"`
}

func (g given) json(ctx context.Context, to io.Writer) error {
	v, err := g.ledger.MyMonth(ctx, g.member.ID, g.period)
	if err != nil {
		return err
	}
	i := g.ledger.Instance()
	d := givenJSON{head: headOf(i, "Given", g.member.Name, v.Month), Budget: amount(v.Reserved), Returned: amount(v.Returned),
		Flattrs: make([]flattrJSON, 0, len(v.Lines))}
	for k := len(v.Lines) - 1; k >= 0; k-- {
		f := v.Lines[k]
		d.Flattrs = append(d.Flattrs, flattrJSON{i.FlattrIRI(f.ID.String()), f.IRI, f.URL, f.Title, f.Payee, f.PayeeName,
			instant(f.MadeAt), f.State, f.Reason, f.CarryCount, optional(f.Settled), amount(f.Returned)})
	}
	if p := v.Pledge; p != nil {
		d.Pledge = &pledgeJSON{amount(p.Amount), p.State}
	}
	if v.State == "settled" && !v.Waits() {
		shares, rolled, donated, fee := amount(v.Given()), amount(v.Rolled), amount(v.Donated), amount(v.Fee())
		d.Given, d.RolledOver, d.Donated, d.Fee = &shares, &rolled, &donated, &fee
	}
	return writeJSON(to, d)
}
