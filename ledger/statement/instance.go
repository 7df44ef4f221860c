package statement

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/pair"
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
// they aren't to be added up: reserved = shared + rolled-over + donated, shared = earned + claimed.
func (i instance) csv(ctx context.Context, to io.Writer) error {
	code := i.ledger.Instance().Currency
	var t *table
	var v ledger.InstanceMonth
	begin := func(month ledger.InstanceMonth) error {
		v = month
		t = newCSV(to, "month", "month_state", "kind", "peer", "number", "reference", "state", "count", "amount", "paid", "currency")
		return sums(t, v, code)
	}
	err := i.ledger.InstanceMonth(ctx, i.period, 0, begin, func(c ledger.Claim) error {
		return t.add(v.Period, v.State, "claim-"+c.Direction, text(c.Host), number(c.N), text(c.IRI), c.State,
			strconv.Itoa(int(c.LineCount)), decimal(c.Amount), decimal(c.Paid), code)
	}, func(p ledger.ClaimPayment) error {
		return t.add(v.Period, v.State, byWhat(p)+"-"+p.Direction, text(p.Host), strconv.Itoa(int(p.N)), text(p.Reference), p.State, "",
			decimal(p.Amount), maybe(p.Confirmed), code)
	})
	if err != nil {
		return err
	}
	return t.end()
}

// number is a claim's; a draft has none.
func number(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

// byWhat tells what a bank moved from what paid itself.
func byWhat(p ledger.ClaimPayment) string {
	if p.Method == pair.Netting {
		return "netting"
	}
	return "payment"
}

// sums writes a row per sum of the whole month.
func sums(t *table, v ledger.InstanceMonth, code string) error {
	for _, s := range []struct {
		kind, count string
		amount      int64
	}{{"reserved", strconv.FormatInt(v.Givers, 10), v.Reserved}, {"shared", strconv.FormatInt(v.Flattrs, 10), v.Shared},
		{"rolled-over", "", v.Rolled}, {"donated", "", v.Donated}, {"earned", "", v.Earned}, {"claimed", "", v.Claimed}, {"fee", "", v.Fee}, {"returned", "", v.Returned}} {
		if err := t.add(v.Period, v.State, s.kind, "", "", "", "", s.count, decimal(s.amount), "", code); err != nil {
			return err
		}
	}
	if v.Funding != ledger.FundingPledge {
		return nil
	}
	p := v.Pledges
	for _, s := range []struct {
		state         string
		count, amount int64
	}{{"", p.Givers, p.Promised}, {ledger.Collected, p.Paid, p.Collected}, {ledger.Promised, p.Waiting, p.Open},
		{ledger.Unused, p.Unneeded, p.Unused}, {ledger.Void, p.Unpaid, p.Void}} {
		if err := t.add(v.Period, v.State, "pledge", "", "", "", s.state, strconv.FormatInt(s.count, 10), decimal(s.amount), "", code); err != nil {
			return err
		}
	}
	return nil
}

type instanceJSON struct {
	head
	Givers     int64        `json:"givers"`
	Flattrs    int64        `json:"flattrs"`
	Reserved   amount       `json:"reserved"`
	Shared     amount       `json:"shared"`
	RolledOver amount       `json:"rolledOver"`
	Donated    amount       `json:"donated"`
	Earned     amount       `json:"earned"`
	Claimed    amount       `json:"claimed"`
	Fee        amount       `json:"fee"`
	Returned   amount       `json:"returned"`
	Pledges    *pledgesJSON `json:"pledges"` // null: budgets are paid before
}

type pledgesJSON struct {
	Givers    int64  `json:"givers"`
	Promised  amount `json:"promised"`
	Collected amount `json:"collected"` // of that, and so are the others
	Open      amount `json:"open"`
	Unused    amount `json:"unused"`
	Void      amount `json:"void"`
}

// pledgesOf are a pledge month's.
func pledgesOf(v ledger.InstanceMonth) *pledgesJSON {
	if v.Funding != ledger.FundingPledge {
		return nil
	}
	p := v.Pledges
	return &pledgesJSON{p.Givers, amount(p.Promised), amount(p.Collected), amount(p.Open), amount(p.Unused), amount(p.Void)}
}

type claimJSON struct {
	ID        string `json:"id"`
	Direction string `json:"direction"` // out | in
	Peer      string `json:"peer"`
	Number    int32  `json:"number"` // 0: a draft
	Lines     int32  `json:"lines"`
	Amount    amount `json:"amount"`
	Paid      amount `json:"paid"`
	State     string `json:"state"`
}

type paymentJSON struct {
	Kind      string  `json:"kind"`      // payment | netting
	Direction string  `json:"direction"` // out | in
	Peer      string  `json:"peer"`
	Number    int32   `json:"number"` // the claim's
	Reference string  `json:"reference"`
	Amount    amount  `json:"amount"`    // of the payment, what pays this claim
	Confirmed *amount `json:"confirmed"` // null: not answered yet
	State     string  `json:"state"`
}

func (i instance) json(ctx context.Context, to io.Writer) error {
	l, paying := lists{to: to}, false
	err := i.ledger.InstanceMonth(ctx, i.period, 0, func(v ledger.InstanceMonth) error {
		return errors.Join(l.begin(instanceJSON{headOf(i.ledger.Instance(), "InstanceMonth", "", v.Month), v.Givers, v.Flattrs, amount(v.Reserved),
			amount(v.Shared), amount(v.Rolled), amount(v.Donated), amount(v.Earned), amount(v.Claimed), amount(v.Fee), amount(v.Returned), pledgesOf(v)}), l.open("claims"))
	}, func(c ledger.Claim) error {
		return l.add(claimJSON{c.IRI, c.Direction, c.Host, c.N, c.LineCount, amount(c.Amount), amount(c.Paid), c.State})
	}, func(p ledger.ClaimPayment) error {
		if !paying {
			paying = true
			if err := errors.Join(l.close(), l.open("payments")); err != nil {
				return err
			}
		}
		return l.add(paymentJSON{byWhat(p), p.Direction, p.Host, p.N, p.Reference, amount(p.Amount), optional(p.Confirmed), p.State})
	})
	if err == nil && !paying {
		err = errors.Join(l.close(), l.open("payments"))
	}
	if err != nil {
		return err
	}
	return errors.Join(l.close(), l.end())
}
