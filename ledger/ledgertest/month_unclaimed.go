package ledgertest

import (
	"context"

	"github.com/fedflattr/flattrd/ledger"
)

// unclaimed are the pages that a.example's members flattr before anybody can be paid for them: one of anna's, who makes a
// button for it later, and one of nobody's.
func (m *Months) unclaimed() {
	m.t.Helper()
	for _, page := range []string{"https://blog.example/anna/1", "https://blog.example/nobody"} {
		u, err := m.A.SaveUnclaimed(context.Background(), ledger.UnclaimedThing{IRI: page, URL: page, Title: page})
		m.must(err)
		for _, giver := range []string{"alice@a.example", "poor@a.example", "anna@a.example", "ruth@a.example"} {
			m.wait(giver, u)
		}
	}
}

func (m *Months) wait(giver string, u ledger.UnclaimedThing) {
	m.t.Helper()
	ctx, by := context.Background(), m.members[giver].ID
	f, _, err := m.A.FlattrUnclaimed(ctx, by, u.ID)
	m.must(err)
	if giver == "ruth@a.example" {
		m.must(m.A.UndoFlattr(ctx, by, f.ID))
	}
}

// payable: anna's page turns out to be anna's. alice's click is absorbed, poor's enters the month, anna's own is
// taken back; what waits for nobody's page expires.
func (m *Months) payable() {
	m.t.Helper()
	ctx := context.Background()
	u, err := m.A.UnclaimedByIRI(ctx, "https://blog.example/anna/1")
	m.must(err)
	thing, err := m.A.ThingByIRI(ctx, m.things["anna@a.example/1"])
	m.must(err)
	m.must(m.A.Payable(ctx, u.ID, thing.ID))
	_, _, err = m.A.FlattrUnclaimed(ctx, m.members["axel@a.example"].ID, u.ID)
	m.must(err)
}
