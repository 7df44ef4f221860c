package ledgertest

import (
	"context"
	"crypto/rand"

	"github.com/fedflattr/flattrd/ledger"
)

// reversals: a giver gets means back, or doesn't; one deposit is a mistake and lowers the open month's budget, one is
// charged back after it was paid back in part, and ends the budget.
func (m *Months) reversals() {
	ctx, a := context.Background(), m.A
	m.fund("rolf@a.example", 50, 0)
	m.refunds("ruth@a.example", m.reversible("ruth@a.example", 20))
	m.reversible("rolf@a.example", 100)
	all, err := a.Deposits(ctx)
	m.must(err)
	for _, d := range all {
		switch d.Reference {
		case "again to ruth@a.example":
			_, err = a.ReverseDeposit(ctx, a.Op.ID, d.ID, ledger.Chargeback, "the bank took it back")
		case "again to rolf@a.example":
			_, err = a.ReverseDeposit(ctx, a.Op.ID, d.ID, ledger.Mistake, "somebody else's")
		}
		m.must(err)
	}
}

// reversible records a deposit that will be reversed, of which the month holds a budget back and a flattr waits for it.
func (m *Months) reversible(handle string, budget int64) int64 {
	_, err := m.A.RecordDeposit(context.Background(), m.A.Op.ID, m.members[handle].Name, cents(70), "again to "+handle)
	m.must(err)
	m.budget(handle, budget)
	m.flattr(handle, "anna@a.example/1")
	return m.members[handle].ID
}

// refunds: one paid, one refused, one open.
func (m *Months) refunds(handle string, by int64) {
	ctx, i := context.Background(), m.at(handle)
	for n, amount := range []int64{20, 30, 10} {
		w, err := i.RequestRefundOnce(ctx, by, cents(amount), "DE75512108001245126199", rand.Text())
		m.must(err)
		switch n {
		case 0:
			m.must(i.WithdrawalPaid(ctx, i.Op.ID, w.ID))
		case 1:
			m.must(i.WithdrawalRefused(ctx, i.Op.ID, w.ID))
		}
	}
}

// payouts of what idle's budgets gave to the cause of c.example: one paid, one refused, one open.
func (m *Months) payouts() {
	ctx, c := context.Background(), m.C
	m.must(c.BankCompared(ctx, c.Op.ID))
	for n, amount := range []int64{20, 15, 10} {
		w, err := c.RequestPayoutOnce(ctx, c.Op.ID, ledger.OfCause, cents(amount), "DE75512108001245126199", rand.Text())
		m.must(err)
		switch n {
		case 0:
			m.must(c.WithdrawalPaid(ctx, c.Op.ID, w.ID))
		case 1:
			m.must(c.WithdrawalRefused(ctx, c.Op.ID, w.ID))
		}
	}
	_, err := m.B.RequestPayoutOnce(ctx, m.B.Op.ID, ledger.OfFees, cents(1), "DE75512108001245126199", rand.Text())
	m.must(err)
}

// leaving: a payee gives what is left to another member, whose budget goes on, and a giver has means paid back. Of both
// something is still to come.
func (m *Months) leaving() {
	ctx := context.Background()
	m.must(m.C.Leave(ctx, m.members["carl@c.example"].ID, ledger.Leaving{Give: true, Cause: "idle"}))
	m.must(m.A.Leave(ctx, m.members["odd@a.example"].ID, ledger.Leaving{Give: true}))
	m.must(m.A.Leave(ctx, m.members["rolf@a.example"].ID, ledger.Leaving{IBAN: "DE75512108001245126199"}))
}
