package web

import (
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestPledges: a giver promises, reads what is to be paid by when and under which reference, and pays late; the author
// and the operator read how much is pledged, and how much came.
func TestPledges(t *testing.T) {
	t.Parallel()
	w := townOf(t, ledgertest.Policy(func(i *ledger.Instance) { i.Funding = ledger.FundingPledge }), "a")
	a := w.places["a.localhost:"+w.port]
	a.operator("rita")
	alice, bob := a.join("alice"), a.join("bob")
	_, thing := a.Button(bob, "1")
	g := w.browser().logIn(a, "alice").get("/about").says("main", "14 days after the month closed")
	g.get("/home").submit("/home/budget", "budget", "3").wants(200, "/home").says(".sheet", "€3.00", "This is a promise", "you owe nothing")
	if _, _, err := a.Flattr(t.Context(), alice.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	g.get("/home").says("main", "€3.00", "Together")
	if err := a.closeMonth(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.get("/home").says("#due-title", "To be paid").says(".callout", "€3.00 for November 2026, to be here before 15 December 2026", "DE02 1203", "FLATTR alice")
	g.get("/months/2026-11").says("main", "You promised €3.00. It isn’t paid yet.", "to be here before", "once it is paid")
	g.get("/months").says("tbody", "€3.00 promised")
	p := w.browser().logIn(a, "bob").get("/earned/2026-11").says(".facts", "1 flattr", "about €3.00, promised here and not paid yet")
	b := w.browser().logIn(a, "rita").get("/admin/months/2026-11").says(".facts", "Promised€3.00", "Of that, paid€0.00", "Not paid yet€3.00 of 1 member", "Collected next15 December 2026")

	tick := func(at time.Time) {
		t.Helper()
		w.clock.Set(at)
		if err := a.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tick(time.Date(2026, 12, 15, 0, 0, 0, 0, time.UTC))
	g.get("/home").says(".callout", "€3.00 for November 2026, to be here before 15 January 2027", "It comes late")
	if _, err := a.RecordDeposit(t.Context(), a.Op.ID, "alice", 3_000_000, "late"); err != nil {
		t.Fatal(err)
	}
	g.get("/home").says(".callout", "€3.00 for November 2026 is here. It reaches the authors on 15 January 2027")
	tick(time.Date(2027, 1, 15, 0, 0, 0, 0, time.UTC))
	g.get("/months/2026-11").says("main", "You promised €3.00 and have paid it.")
	p.get("/earned").says(".stages", "Available€3.00")
	b.get("/admin/months/2026-11").says(".facts", "Of that, paid€3.00 of 1 member", "Not paid yet€0.00")
}
