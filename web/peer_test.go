package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

const debtor = "debtor.example"

// trusted is a scene whose instance a has met debtor.example, and two operators of it.
func trusted(t *testing.T) (s *scene, rita, ruth *browser, page string) {
	s = newScene(t)
	s.a.operator("ruth")
	if _, err := s.a.PinPeer(context.Background(), ledger.PeerIdentity{Host: debtor, Actor: "https://debtor.example/actor",
		AccountingKey: "z1", AccountingKeyID: "https://debtor.example/actor#accounting-key"}); err != nil {
		t.Fatal(err)
	}
	page = "/admin/peers/" + debtor
	return s, s.browser().logIn(s.a, "rita").get(page), s.browser().logIn(s.a, "ruth"), page
}

// TestAdvanceOnPages: an operator compares the key and sets a limit; the payee can use the money, and sees how old what is
// still announced is.
func TestAdvanceOnPages(t *testing.T) {
	t.Parallel()
	s, rita, _, page := trusted(t)
	rita.submit("/admin/peers/limit", "limit", "5").wants(422, "/admin/peers/limit").says("#f-limit-fault", "Compare their key first")
	rita.submit("/admin/peers/limit", "limit", "x").wants(422, "/admin/peers/limit").says("#f-limit-fault", "whole cents")
	rita.get(page).submit("/admin/peers/key").wants(200, page).submit("/admin/peers/limit", "limit", "5").wants(200, page).says(".notice", "advance limit is set")
	s.a.claimOf(debtor, "alice", 1, 450)
	rita.get(page).says(".warning", "€4.50 is advanced, of a limit of €5.00").says("section[aria-labelledby=owed]", "Advanced to our members€4.50 of at most €5.00")
	rita.get("/admin").says(".chores", "1 peer has nearly used its advance limit").get("/admin/peers").says("[id='peer-debtor.example']", "advance limit nearly used", "€4.50")
	alice := s.browser().logIn(s.a, "alice").get("/earned").says("tbody", "debtor.example", "€4.50")
	if strings.Contains(alice.text(".stages"), "31–60") {
		t.Error("what is available is old: " + alice.text(".stages"))
	}
	s.a.claimOf(debtor, "alice", 2, 350)
	s.clock.Set(s.clock.Now().Add(60 * 24 * time.Hour))
	alice = s.browser().logIn(s.a, "alice").get("/earned").says(".stages", "Announced€3.00", "61–90 days €3.00")
	ruth := s.browser().logIn(s.a, "ruth").get("/admin/peers").says("[id='peer-debtor.example']", "€8.00 of it for longer than 30 days")
	ruth.get(page).says("section[aria-labelledby=owed]", "61 to 90 days€8.00", "up to 30 days€0.00")
	ruth.submit("/admin/peers/threshold", "threshold", "2").wants(200, page).says("section[aria-labelledby=history]", "Smallest payment set", "2.00", "ruth", "Advance limit set", "rita")
}

// TestWriteOffOnPages: one operator proposes, and finds no button to confirm; the other does. What payees lose is shown.
func TestWriteOffOnPages(t *testing.T) {
	t.Parallel()
	s, rita, ruth, page := trusted(t)
	s.a.claimOf(debtor, "alice", 1, 450)
	rita.get(page).submit("/admin/peers/writeoff", "reason", "").wants(422, "/admin/peers/writeoff").says("#f-reason-fault", "This is needed")
	rita.submit("/admin/peers/writeoff", "reason", "insolvent").wants(200, page).says(".notice", "Another operator has to confirm it")
	rita.says("section[aria-labelledby=writeoffs]", "€4.50", "proposed", "insolvent", "proposed by rita", "Another operator has to confirm it")
	if rita.Doc.Find("form[action$='/confirm']").Length() != 0 {
		t.Error("who proposed can confirm")
	}
	rita.post("/admin/peers/writeoff/confirm", "host", debtor, "id", rita.Doc.Find("form[action$='/withdraw'] input[name=id]").AttrOr("value", "")).
		wants(422, "/admin/peers/writeoff/confirm").says("[role=alert]", "Another operator has to confirm it")
	ruth.get("/admin").says(".chores", "1 write-off waits for a second operator").get(page)
	s.a.claimOf(debtor, "alice", 2, 50)
	ruth.submit("/admin/peers/writeoff/confirm").wants(422, "/admin/peers/writeoff/confirm").says("[role=alert]", "no longer what was proposed")
	ruth.submit("/admin/peers/writeoff/withdraw").wants(200, page).says("section[aria-labelledby=writeoffs]", "withdrawn")
	ruth.submit("/admin/peers/writeoff", "reason", "insolvent, file 7").wants(200, page)
	rita.get(page).submit("/admin/peers/writeoff/confirm").wants(200, page).says(".notice", "It is written off")
	rita.says("section[aria-labelledby=writeoffs]", "€5.00", "written off", "ruth", "rita").says("section[aria-labelledby=owed]", "They owe our members€0.00", "Written off€5.00")
	rita.says("section[aria-labelledby=history]", "Write-off confirmed", "Write-off withdrawn", "Write-off proposed")
	rita.post("/admin/peers/writeoff/withdraw", "host", debtor, "id", "2").wants(409, "/admin/peers/writeoff/withdraw")
	rita.post("/admin/peers/writeoff/confirm", "host", debtor, "id", "x").wants(404, "/admin/peers/writeoff/confirm")
	s.browser().logIn(s.a, "alice").get("/earned").says(".stages", "Announced€0.00", "€5.00 is lost").wants(200, "/earned")
	s.browser().logIn(s.a, "alice").post("/admin/peers/writeoff", "host", debtor, "reason", "x").wants(404, "/admin/peers/writeoff")
}

// TestDisputesOnPages: opened about a claim, told on by another operator, closed; refusals stand at their form.
func TestDisputesOnPages(t *testing.T) {
	t.Parallel()
	s, rita, ruth, page := trusted(t)
	claim := s.a.claimOf(debtor, "alice", 1, 450)
	rita.get(page).submit("/admin/peers/dispute", "about", "https://debtor.example/claims/x", "note", "x").wants(422, "/admin/peers/dispute").
		says("section[aria-labelledby=disputes]", "no such claim or payment")
	rita.submit("/admin/peers/dispute", "about", claim, "note", "").wants(422, "/admin/peers/dispute").says("#f-note-dispute-fault", "This is needed")
	rita.submit("/admin/peers/dispute", "about", claim, "note", "not ours <b>at all</b>").wants(200, page).says(".notice", "The dispute is open")
	ruth.get(page).says("section[aria-labelledby=disputes]", claim, "open", "not ours <b>at all</b>", "rita")
	ruth.submit("/admin/peers/dispute/note", "note", "").wants(422, "/admin/peers/dispute/note").says("#f-note-dispute1-fault", "This is needed")
	ruth.submit("/admin/peers/dispute/note", "note", "they agree", "outcome", "").wants(200, page)
	ruth.submit("/admin/peers/dispute/note", "note", "so be it", "outcome", "won").wants(422, "/admin/peers/dispute/note")
	ruth.get(page).submit("/admin/peers/dispute/note", "note", "so be it", "outcome", "ours").wants(200, page).says("section[aria-labelledby=disputes]", "we were right", "so be it", "ruth")
	ruth.post("/admin/peers/dispute/note", "host", debtor, "id", "1", "note", "one more").wants(409, "/admin/peers/dispute/note")
}

// TestKeyOnPages: a key that has changed without proof is decided on the peer's page; everything between the two stands
// there.
func TestKeyOnPages(t *testing.T) {
	t.Parallel()
	s, rita, _, page := trusted(t)
	ctx := context.Background()
	s.a.announce(debtor, "alice", 2)
	hold := func(key string) {
		if _, err := s.a.HoldPeerKey(ctx, debtor, key, "https://debtor.example/actor#accounting-key"); err != nil {
			t.Fatal(err)
		}
	}
	hold("z2")
	rita.get("/admin").says(".chores", "1 peer’s key has changed").get("/admin/peers").says("[id='peer-debtor.example']", "key changed").get(page)
	rita.says(".warning", "has changed without the old one’s signature").says("section[aria-labelledby=key]", "print of z1", "print of z2")
	rita.submit("/admin/peers/keep", "note", "").wants(422, "/admin/peers/keep").says("#f-note-keep-fault", "This is needed")
	rita.submit("/admin/peers/keep", "note", "a wrong backup").wants(200, page).says(".notice", "The old key stays")
	hold("z3")
	rita.get(page).submit("/admin/peers/adopt", "key", "z2").wants(404, "/admin/peers/adopt")
	rita.get(page).submit("/admin/peers/adopt").wants(200, page).says(".notice", "The new key is pinned").says("section[aria-labelledby=key]", "print of z3", "compared by", "rita", "pinned when first met")
	hold("z1")
	rita.get(page).submit("/admin/peers/adopt").wants(422, "/admin/peers/adopt").says("[role=alert]", "used this key before")
	rita.get(page).submit("/admin/peers/freeze", "note", "until Monday").wants(200, page).says(".warning", "until Monday")
	rita.says("section[aria-labelledby=payments]", "FLdebt0", "FLdebt1", "announced", "to us").says("section[aria-labelledby=claims]", "they owe", "€0.02")
	rita.says("section[aria-labelledby=documents]", "https://debtor.example/claims/2026-11/", "https://debtor.example/payments/FLdebt1", "theirs")
	rita.get("/admin/peers/nobody.example").wants(404, "/admin/peers/nobody.example")
}
