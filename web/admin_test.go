package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

func TestInvites(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.operator("rita")
	b := w.browser().logIn(a, "rita").get("/admin").says("main", "Nothing waits for you").get("/admin/invites")
	for _, uses := range []string{"0", "1001", "x", ""} {
		b.submit("/admin/invites", "uses", uses, "note", "the choir").wants(422, "/admin/invites").says(".fault", "Between 1 and 1000")
	}
	b.submit("/admin/invites", "uses", "3", "note", "the choir").wants(200, "/admin/invites").says("tbody", "the choir", "3", "10 December 2026")
	link := b.text("tbody code")
	w.browser().get(link).submit("/join", "name", "anna", "password", testPassword).wants(200, "/home")
	b.get("/admin/invites").says("tbody", "2")
}

func TestDeposits(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.operator("rita")
	a.join("alice")
	b := w.browser().logIn(a, "rita").get("/admin/deposits").says("main", "No deposits yet")
	for _, c := range [][4]string{{"nobody", "5", "B1", "No member has this name"}, {"alice", "0", "B1", "whole cents"},
		{"alice", "5.001", "B1", "whole cents"}, {"alice", "5", " ", "This is needed"}} {
		b.submit("/admin/deposits", "name", c[0], "amount", c[1], "reference", c[2]).wants(422, "/admin/deposits").says(".fault", c[3])
	}
	b.submit("/admin/deposits", "name", "@Alice", "amount", "5,00", "reference", "B1").wants(200, "/admin/deposits")
	b.says(".notice", "recorded").says("tbody", "alice", "€5.00", "B1")
	b.submit("/admin/deposits", "name", "alice", "amount", "5", "reference", "B1").wants(200, "/admin/deposits")
	b.says(".warning", "recorded already, on 10 November 2026: €5.00 for alice. Nothing was booked now")
	if b.Doc.Find(".notice").Length() != 0 || b.Doc.Find("#f-reference").AttrOr("value", "") != "B1" {
		t.Error("what wasn't booked is called recorded, or what was typed is gone")
	}
	if n := b.Doc.Find("tbody tr").Length(); n != 1 {
		t.Errorf("%d deposits of one booking", n)
	}
	b.submit("/admin/deposits", "name", "alice", "amount", "6", "reference", "B1").wants(422, "/admin/deposits").says(".fault", "recorded already")
	b.submit("/admin/deposits", "name", "alice", "amount", "5", "reference", "Flattr alice 2").wants(422, "/admin/deposits")
	b.says(".fault", "what the giver writes on every transfer").says("#f-reference-hint", "not the text that the giver wrote")
}

// TestTakeBack: a deposit is taken back once, with a reason; a giver gets back what is free.
func TestTakeBack(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.operator("rita")
	a.Fund(a.join("alice"), 5_000_000)
	b := w.browser().logIn(a, "rita").get("/admin/deposits")
	form := b.Doc.Find("tbody a[href$='/reverse']").AttrOr("href", "")
	b.get(form).says("main", "€5.00 for alice", "Taken from the giver’s means€5.00", "the instance’s loss€0.00")
	b.submit(form, "cause", "", "reason", "x").wants(422, form).says(".fault", "This is needed")
	b.submit(form, "cause", "mistake", "reason", " ").wants(422, form).says(".fault", "This is needed")
	b.submit(form, "cause", "mistake", "reason", "twice in the list").wants(200, "/admin/deposits").says(".notice", "Taken back")
	b.says("tbody", "taken back").says("main", "twice in the list", "recorded by mistake")
	b.post(form, "cause", "chargeback", "reason", "x").wants(409, form)
	b.get(form).says(".warning", "taken back")
	b.get("/admin/deposits/999/reverse").wants(404, "/admin/deposits/999/reverse")
	if _, err := a.RecordDeposit(t.Context(), a.Op.ID, "alice", 7_000_000, "B2"); err != nil {
		t.Fatal(err)
	}
	g := w.browser().logIn(a, "alice").get("/refund").says(".figure", "€2.00")
	g.submit("/refund", "amount", "2.01", "iban", "DE02 1203 0000 0000 2020 51").wants(422, "/refund").says(".fault", "more than is available")
	g.submit("/refund", "amount", "2", "iban", "DE02 1203 0000 0000 2020 51").wants(200, "/refund").says("tbody", "€2.00", "asked for")
	g.says("main", "Nothing is free")
	b.get("/admin/withdrawals").says(".cards", "€2.00", "unused means").submit(b.Doc.Find("form[action$='/paid']").AttrOr("action", ""))
	b.wants(200, "/admin/withdrawals").says(".cards", "paid")
}

// TestCause: what no flattr took goes to the cause where that is the policy; givers are told, and the operator pays it.
func TestCause(t *testing.T) {
	t.Parallel()
	w := townOf(t, ledgertest.Policy(func(i *ledger.Instance) { i.Unused, i.Cause = ledger.UnusedCause, "The library" }), "a")
	a := w.places["a.localhost:"+w.port]
	a.operator("rita")
	a.Fund(a.join("alice"), 3_000_000)
	g := w.browser().logIn(a, "alice").get("/home").says("main", "goes to the instance’s cause")
	g.get("/about").says("main", "goes to the instance’s cause", "The library")
	if err := a.closeMonth(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.Set(w.clock.Now().Add(24 * time.Hour))
	if err := a.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.get("/months/2026-11").says("main", "went to the instance’s cause", "Given to the cause€3.00", "Rolled over€0.00")
	b := w.browser().logIn(a, "rita").get("/admin/months").says("tbody", "€3.00 Given to the cause")
	b.get("/admin/months/2026-11").says(".facts", "Given to the cause€3.00")
	b.get("/admin/funds").says(".facts", "The library€3.00").submit("/admin/funds/payout", "source", "cause", "amount", "4", "iban", "DE02 1203 0000 0000 2020 51")
	b.wants(422, "/admin/funds/payout").says(".fault", "more than is available")
	b.submit("/admin/funds/payout", "source", "cause", "amount", "2", "iban", "DE02 1203 0000 0000 2020 51").wants(200, "/admin/withdrawals")
	b.says(".cards", "€2.00", "to the instance’s cause").submit(b.Doc.Find("form[action$='/paid']").AttrOr("action", ""))
	b.wants(200, "/admin/withdrawals").says(".cards", "paid").get("/admin/funds").says(".facts", "€1.00")
}

// TestFee: an operator publishes a rate for months to come; everybody can read it, and payees see gross, fee and net.
func TestFee(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.operator("rita")
	b := w.browser().logIn(a, "rita").get("/about").says(".facts", "Feenone").get("/admin/funds").says("main", "No fee.")
	for _, c := range [][3]string{{"2026-11", "2", "has begun"}, {"2027", "2", "Write it like"}, {"2026-12", "51", "Between 0 and 50"}, {"2026-12", "-1", "Between 0 and 50"}} {
		b.submit("/admin/funds/rate", "period", c[0], "rate", c[1]).wants(422, "/admin/funds/rate").says(".fault", c[2])
	}
	b.submit("/admin/funds/rate", "period", "2026-12", "rate", "2,5").wants(200, "/admin/funds").says("main", "From December 2026 on2.5 %", "rita")
	b.get("/about").says(".facts", "2.5 % from December 2026 on").says("main", "Givers pay none")
	alice, bob := a.join("alice"), a.join("bob")
	turn := func() {
		t.Helper()
		if err := a.closeMonth(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock.Set(w.clock.Now().Add(24 * time.Hour))
		if err := a.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	a.Fund(alice, 4_000_000)
	_, thing := a.Button(bob, "1")
	if _, _, err := a.Flattr(t.Context(), alice.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	turn()
	p := w.browser().logIn(a, "bob").get("/earned/2026-12").says(".facts", "Amount€4.00", "Fee€0.10", "Yours€3.90")
	p.get("/earned").says("tbody", "€4.00€4.00€0.10€3.90").says(".stages", "Available€3.90")
	w.browser().get(a.Base+"/totals/2026-12").says(".facts", "2.5 %")
	b.get("/about").says(".facts", "Fee2.5 %").get("/admin/months/2026-12").says(".facts", "Kept as a fee€0.10")
	b.get("/admin/funds").says(".facts", "Kept as a fee€0.10").submit("/admin/funds/payout", "source", "fee", "amount", "0.10", "iban", "DE02120300000000202051")
	b.wants(200, "/admin/withdrawals").says(".cards", "€0.10", "kept as a fee")
}

// TestLeft: a payment to a member who has left and that comes back is an operator's chore.
func TestLeft(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.operator("rita")
	gone := a.join("gone")
	if _, err := a.RecordDeposit(t.Context(), a.Op.ID, "gone", 3_000_000, "B1"); err != nil {
		t.Fatal(err)
	}
	if err := a.Leave(t.Context(), gone.ID, ledger.Leaving{IBAN: "DE02120300000000202051"}); err != nil {
		t.Fatal(err)
	}
	b := w.browser().logIn(a, "rita").get("/admin/withdrawals").says(".cards", "€3.00", "gone", "unused means")
	b.submit(b.Doc.Find("form[action$='/refused']").AttrOr("action", "")).get("/admin").says(".chores", "1 member left money").get("/admin/funds")
	pay := b.Doc.Find("form[action$='/pay']").AttrOr("action", "")
	b.submit(pay, "iban", "DE99").wants(422, pay)
	b.get("/admin/funds").submit(pay, "iban", "DE75512108001245126199").wants(200, "/admin/funds").says(".notice", "Ordered")
	b.get("/admin/withdrawals").says(".cards", "DE75512108001245126199").submit(b.Doc.Find("form[action$='/refused']").AttrOr("action", ""))
	give := strings.TrimSuffix(pay, "pay") + "give"
	b.get("/admin/funds").submit(give).wants(200, "/admin/funds").says(".facts", "For the cause€3.00")
	b.post(give).wants(422, give)
}

func TestWithdrawals(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "rita").get("/admin").says(".chores", "1 member wants to be paid").get("/admin/withdrawals")
	b.says(".cards", "€2.00", "asked for", "DE02120300000000202051", "alice")
	form := b.Doc.Find("form[action$='/paid']").AttrOr("action", "")
	b.submit(strings.TrimSuffix(form, "paid")+"refused").wants(200, "/admin/withdrawals").says(".cards", "refused, back with you")
	b.post(form).wants(409, form).says("h1", "decided already")
	s.browser().logIn(s.a, "alice").get("/earned").says(".stages", "Available€7.00").get("/withdraw").
		submit("/withdraw", "amount", "7", "iban", "DE02 1203 0000 0000 2020 51").wants(200, "/withdraw")
	b.get("/admin/withdrawals").submit(b.Doc.Find("form[action$='/paid']").AttrOr("action", "")).wants(200, "/admin/withdrawals")
	b.says(".notice", "Marked as paid")
	s.browser().logIn(s.a, "alice").get("/earned").says(".stages", "Available€0.00", "Withdrawn€7.00")
	b.post("/admin/withdrawals/999/paid").wants(404, "/admin/withdrawals/999/paid")
	b.post("/admin/withdrawals/x/paid").wants(404, "/admin/withdrawals/x/paid")
}

// offer carries a's claims to b and b's answer back, as federation does.
func (s *scene) offer() {
	s.t.Helper()
	ctx := context.Background()
	all, err := s.a.Claims(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all {
		d, err := s.a.ClaimDocument(ctx, c.IRI)
		if err == nil {
			err = s.b.ReceiveClaim(ctx, ledger.ClaimOffer{IRI: d.IRI, Host: hostOf(s.a.Base + "/"), Period: d.Period,
				Currency: d.Currency, N: d.N, Amount: d.Amount, LineCount: d.LineCount, Digest: d.Digest, Lines: d.Lines, Content: "1"})
		}
		if err == nil {
			err = s.a.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: d.IRI, Host: hostOf(s.b.Base + "/"), Accepted: true,
				Payto: "payto://iban/DE75512108001245126199?receiver-name=Instance+B"})
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// notify carries a's payments to b.
func (s *scene) notify() {
	s.t.Helper()
	ctx := context.Background()
	all, err := s.a.Payments(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, y := range all {
		if y.State != "sent" {
			continue
		}
		d, err := s.a.PaymentDocument(ctx, y.IRI)
		n := ledger.PaymentNotice{IRI: d.IRI, Host: hostOf(s.a.Base + "/"), Amount: d.Amount, Currency: d.Currency,
			Method: d.Method, Reference: d.Reference, PaidAt: *y.PaidAt, Content: "1"}
		for _, part := range d.Allocations {
			n.Allocations = append(n.Allocations, ledger.NoticedAllocation{Claim: part.IRI, Amount: part.Amount})
		}
		if err == nil {
			err = s.b.ReceivePayment(ctx, n)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestBankFirst: on books that were put back nobody is asked to pay before they are compared with the bank, and an old
// page's button does nothing.
func TestBankFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "rita").get("/admin/withdrawals")
	paid := b.Doc.Find("form[action$='/paid']").AttrOr("action", "")
	if err := s.a.Restored(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.submit(paid).wants(422, paid)
	b.get("/admin/payments").says(".warning", "Nothing is paid until")
	b.get("/admin/withdrawals").says(".warning", "Nothing is paid until").says(".cards", "asked for")
	if b.Doc.Find("form[action$='/paid']").Length() != 0 {
		t.Error("paying is offered")
	}
	b.get("/admin").submit("/admin/bank").get("/admin/withdrawals").submit(paid)
	b.wants(200, "/admin/withdrawals").says(".cards", "paid")
}

// TestMoneyBetweenInstances walks a claim through both operators' pages: offered, accepted, prepared,
// sent, confirmed, available.
func TestMoneyBetweenInstances(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.b.operator("rolf")
	a, b := s.browser().logIn(s.a, "rita"), s.browser().logIn(s.b, "rolf")
	a.get("/admin/claims").says("tbody", "November 2026", "we owe", "b.localhost", "€1.1428", "offered")
	s.offer()
	a.get("/admin/claims").says("tbody", "accepted", "€0.00")
	b.get("/admin/claims").says("tbody", "they owe", "a.localhost", "€1.1428", "accepted")
	bob := s.browser().logIn(s.b, "bob").get("/earned").says(".stages", "Announced€1.1428", "Available€0.00")
	bob.says("tbody", "November 2026", "a.localhost", "4", "announced")

	a.get("/admin/payments").says("main", "€1.1428", "Not due yet: the smallest payment is €10.00; change it under Peers")
	if a.Doc.Find("form[action='/admin/payments']").Length() != 0 {
		t.Error("a payment below the threshold is offered")
	}
	a.post("/admin/payments", "host", "b.localhost:"+s.port).wants(422, "/admin/payments").says(".fault", "less than the smallest payment")
	a.get("/admin/peers").submit("/admin/peers/threshold", "threshold", "0").wants(422, "/admin/peers/threshold").says(".fault", "whole cents")
	a.submit("/admin/peers/threshold", "threshold", "0.01").wants(200, "/admin/peers").says(".notice", "smallest payment")
	a.get("/admin/payments").submit("/admin/payments").wants(200, "/admin/payments").says(".notice", "now order the transfer")
	a.says("main", "Transfer €1.14 to b.localhost", "Instance B", "DE75 5121 0800 1245 1261 99", "to be ordered")
	a.get("/admin").says(".chores", "1 payment waits for your bank order").get("/admin/payments")
	a.submit(a.Doc.Find("form[action$='/cancel']").AttrOr("action", "")).says("main", "cancelled")
	a.submit("/admin/payments").submit(a.Doc.Find("form[action$='/sent']").AttrOr("action", "")).says("main", "sent", "€1.14 of it on its way")
	s.notify()

	b.get("/admin").says(".chores", "1 payment should have arrived").get("/admin/payments").says("main", "announced", "€1.14")
	received := b.Doc.Find("form[action$='/received']").AttrOr("action", "")
	b.submit(received, "received", "x").wants(422, received).says(".fault", "whole cents")
	b.submit(received, "received", "1.14").wants(200, "/admin/payments").says(".notice", "members can use it").says("main", "€1.14 arrived")
	bob.get("/earned").says(".stages", "Announced€0.0028", "Available€1.14")
	bob.get("/settings/delete").says("#money", "€1.14 that you earned", "€0.00285", "that other instances owe you")
	b.post(strings.TrimSuffix(received, "received")+"not-received").wants(409, strings.TrimSuffix(received, "received")+"not-received")
}

func TestPeers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ctx := context.Background()
	b := s.browser().logIn(s.a, "rita").get("/admin").says(".chores", "1 peer’s key hasn’t been compared").get("/admin/peers")
	b.says(".cards", "b.localhost", "€1.1428", "not compared", "print of z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
	b.says("main", "read yours to the other operator, compare theirs: print of a.localhost")
	b.post("/admin/peers/key", "host", "b.localhost:"+s.port, "key", "another").wants(404, "/admin/peers/key")
	page := "/admin/peers/b.localhost:" + s.port
	b.get(page).submit("/admin/peers/key").wants(200, page).says("main", "compared 2 December 2026", "The key is confirmed")
	if _, err := s.a.Pool.Exec(ctx, `update peer set frozen_at = $1, frozen_reason = 'two different answers'`, s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	b.get("/admin/peers").says(".cards", "frozen", "two different answers")
	b.get(page).submit("/admin/peers/unfreeze", "note", " ").wants(422, "/admin/peers/unfreeze").says("#f-note-unfreeze-fault", "This is needed")
	b.submit("/admin/peers/unfreeze", "note", "their restore is undone").wants(200, page).says(".notice", "Claims go on")
	b.says("section[aria-labelledby=history]", "Unfrozen", "their restore is undone", "rita")
	b.get("/admin/months").says("tbody", "December 2026", "open", "November 2026", "settled")
	if _, err := s.a.Pool.Exec(ctx, `insert into settlement (period, stage, givers, done, began_at) values ('2026-12', 'splitting', 70000, 5000, $1)`, s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	b.get("/admin/months").says(".running", "December 2026 is being settled", "5000 of 70000 givers")
}

func TestPayto(t *testing.T) {
	for payto, want := range map[string]string{
		"payto://iban/DE75512108001245126199?receiver-name=Club": "Club|DE75 5121 0800 1245 1261 99",
		"payto://iban/SOGEDEFFXXX/DE75512108001245126199":        "DE75 5121 0800 1245 1261 99",
		"payto://upi/a@b": "payto://upi/a@b", "": "",
	} {
		if got := strings.Join(paytoLines(payto), "|"); got != want {
			t.Errorf("%s: %s", payto, got)
		}
	}
}
