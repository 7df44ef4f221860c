package statement

import (
	"context"
	"io"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

// Instance is a month of the whole instance, for its operator. ErrNotFound as of Given.
func Instance(l *ledger.Ledger, period, format string) (Document, error) {
	i := instance{l, period}
	return ofMonth(period, format, "instance-"+period, map[string]writer{CSV: i.csv, JSON: i.json})
}

type instance struct {
	ledger *ledger.Ledger
	period string
}

// csv has a row per sum, claim and payment of a claim. Rows of different kinds count the same money, so
// they aren't to be added up: reserved = shared + rolled-over, shared = earned + claimed.
func (i instance) csv(ctx context.Context, to io.Writer) error {
	v, err := i.ledger.InstanceMonth(ctx, i.period)
	if err != nil {
		return err
	}
	code := i.ledger.Instance().Currency
	t := newCSV(to, "month", "month_state", "kind", "peer", "number", "reference", "state", "count", "amount", "paid", "currency")
	for _, s := range []struct {
		kind, count string
		amount      int64
	}{{"reserved", strconv.FormatInt(v.Givers, 10), v.Reserved}, {"shared", strconv.FormatInt(v.Flattrs, 10), v.Shared},
		{"rolled-over", "", v.Rolled}, {"earned", "", v.Earned}, {"claimed", "", v.Claimed}, {"returned", "", v.Returned}} {
		if err := t.add(v.Period, v.State, s.kind, "", "", "", "", s.count, decimal(s.amount), "", code); err != nil {
			return err
		}
	}
	for _, c := range v.Claims {
		if err := t.add(v.Period, v.State, "claim-"+c.Direction, text(c.Host), strconv.Itoa(int(c.N)), text(c.IRI), c.State,
			strconv.Itoa(int(c.LineCount)), decimal(c.Amount), decimal(c.Paid), code); err != nil {
			return err
		}
	}
	for _, p := range v.Payments {
		if err := t.add(v.Period, v.State, "payment-"+p.Direction, text(p.Host), strconv.Itoa(int(p.N)), text(p.Reference), p.State, "",
			decimal(p.Amount), maybe(p.Confirmed), code); err != nil {
			return err
		}
	}
	return t.end()
}

type instanceJSON struct {
	head
	Givers     int64         `json:"givers"`
	Flattrs    int64         `json:"flattrs"`
	Reserved   amount        `json:"reserved"`
	Shared     amount        `json:"shared"`
	RolledOver amount        `json:"rolledOver"`
	Earned     amount        `json:"earned"`
	Claimed    amount        `json:"claimed"`
	Returned   amount        `json:"returned"`
	Claims     []claimJSON   `json:"claims"`
	Payments   []paymentJSON `json:"payments"`
}

type claimJSON struct {
	ID        string `json:"id"`
	Direction string `json:"direction"` // out | in
	Peer      string `json:"peer"`
	Number    int32  `json:"number"`
	Lines     int32  `json:"lines"`
	Amount    amount `json:"amount"`
	Paid      amount `json:"paid"`
	State     string `json:"state"`
}

type paymentJSON struct {
	Direction string  `json:"direction"` // out | in
	Peer      string  `json:"peer"`
	Number    int32   `json:"number"` // the claim's
	Reference string  `json:"reference"`
	Amount    amount  `json:"amount"`    // of the payment, what pays this claim
	Confirmed *amount `json:"confirmed"` // null: not answered yet
	State     string  `json:"state"`
}

func (i instance) json(ctx context.Context, to io.Writer) error {
	v, err := i.ledger.InstanceMonth(ctx, i.period)
	if err != nil {
		return err
	}
	d := instanceJSON{headOf(i.ledger.Instance(), "InstanceMonth", "", v.Month), v.Givers, v.Flattrs, amount(v.Reserved),
		amount(v.Shared), amount(v.Rolled), amount(v.Earned), amount(v.Claimed), amount(v.Returned), []claimJSON{}, []paymentJSON{}}
	for _, c := range v.Claims {
		d.Claims = append(d.Claims, claimJSON{c.IRI, c.Direction, c.Host, c.N, c.LineCount, amount(c.Amount), amount(c.Paid), c.State})
	}
	for _, p := range v.Payments {
		d.Payments = append(d.Payments, paymentJSON{p.Direction, p.Host, p.N, p.Reference, amount(p.Amount), optional(p.Confirmed), p.State})
	}
	return writeJSON(to, d)
}
