package web

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
)

// announce lets a stranger among the peers owe a member n cents for November and announce n payments.
func (p *place) announce(host, member string, n int) {
	t := p.town.t
	t.Helper()
	ctx := context.Background()
	claim := p.claimOf(host, member, 1, n)
	var err error
	for k := 0; k < n && err == nil; k++ {
		reference := fmt.Sprintf("FL%s%d", host[:4], k)
		err = p.ReceivePayment(ctx, ledger.PaymentNotice{IRI: "https://" + host + "/payments/" + reference, Host: host,
			Amount: 10_000, Currency: "EUR", Method: "bank", Reference: reference, PaidAt: p.Now(), Content: "1",
			Allocations: []ledger.NoticedAllocation{{Claim: claim, Amount: 10_000}}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// claimOf lets a peer owe a member so many cents for November, and returns its claim's id.
func (p *place) claimOf(host, member string, n int32, cents int) string {
	p.town.t.Helper()
	lines := []ledger.Line{{Payee: p.Instance.Instance().MemberIRI(member), Amount: int64(cents) * 10_000,
		Things: []ledger.LineThing{{Object: "https://" + host + "/x", Flattrs: 1, Amount: -1}}}}
	digest, err := ledger.LinesDigest(lines)
	claim := fmt.Sprintf("https://%s/claims/2026-11/%s/EUR/%d", host, p.Instance.Instance().Host, n)
	if err == nil {
		err = p.ReceiveClaim(context.Background(), ledger.ClaimOffer{IRI: claim, Host: host, Period: "2026-11", Currency: "EUR", N: n,
			Amount: lines[0].Amount, LineCount: 1, Digest: digest, Lines: lines, Content: "1"})
	}
	if err != nil {
		p.town.t.Fatal(err)
	}
	return claim
}

// TestManyPayments: the page shows every peer's payments, however many one of them announces; all of
// them are counted, and each can be found and confirmed where it stands.
func TestManyPayments(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.a.announce("honest.example", "alice", 1)
	s.a.announce("loud.example", "alice", 201)
	b := s.browser().logIn(s.a, "rita").get("/admin").says(".chores", "202 payments should have arrived")
	b.get("/admin/payments").says("section[aria-labelledby=in]", "FLhone0", "191 more open payments: loud.example")
	if n := b.Doc.Find("form[action$='/received']").Length(); n != openPerPeer+1 {
		t.Errorf("%d payments on the first page", n)
	}
	b.get(b.Doc.Find("a[href*='state=open']").AttrOr("href", "")).wants(200, "/admin/payments/list").says("h1", "Open payments: loud.example")
	seen := b.Doc.Find("form[action$='/received']").Length()
	for next := b.Doc.Find("a[rel=next]"); next.Length() > 0; next = b.Doc.Find("a[rel=next]") {
		seen += b.get(next.AttrOr("href", "")).Doc.Find("form[action$='/received']").Length()
	}
	list := strings.TrimPrefix(b.from, s.a.Base)
	if seen != 201 || !strings.Contains(list, "after=") {
		t.Errorf("%d payments over all pages, the last is %s", seen, list)
	}
	received := b.Doc.Find("form[action$='/received']").Last().AttrOr("action", "")
	b.submit(received, "received", "x").wants(422, received).says(".fault", "whole cents").says("h1", "loud.example")
	b.submit(received, "received", "0.01").wants(200, "/admin/payments/list").says(".notice", "members can use it")
	if got := strings.TrimPrefix(b.from, s.a.Base); got != list {
		t.Errorf("led to %s, the form was on %s", got, list)
	}
	b.post(strings.TrimSuffix(received, "received")+"not-received", "back", "//evil.example").wants(409, strings.TrimSuffix(received, "received")+"not-received")
	b.get("/admin/payments").says("section[aria-labelledby=in]", "Finished payments", "€0.01 arrived")
	b.get("/admin/payments/list?peer=loud.example&after=x").says("main", "€0.01 arrived")
	b.get("/admin/payments/list?direction=out").says(".empty", "No payments here")
	b.get("/admin/claims").says("tbody", "honest.example", "loud.example", "b.localhost")
	b.get(b.Doc.Find("tbody a[href*='honest']").AttrOr("href", "")).says("h1", "honest.example")
	if n := b.Doc.Find("tbody tr").Length(); n != 1 {
		t.Errorf("%d claims of one peer", n)
	}
}

// TestManyClaims: claims go on over the pages.
func TestManyClaims(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for k := range 60 {
		s.a.announce(fmt.Sprintf("peer%d.example", k), "alice", 1)
	}
	b := s.browser().logIn(s.a, "rita").get("/admin/claims")
	first := b.Doc.Find("tbody tr").Length()
	b.get(b.Doc.Find("a[rel=next]").AttrOr("href", "")).wants(200, "/admin/claims").says("tbody", "b.localhost")
	if rest := b.Doc.Find("tbody tr").Length(); first != rowsPerPage || rest != 11 || b.Doc.Find("a[rel=next]").Length() != 0 {
		t.Errorf("%d claims, then %d", first, rest)
	}
}

// TestPayingAPeer: before money goes to a peer the operator reads what speaks against it, and of what is
// owed, why none of it can be paid.
func TestPayingAPeer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ctx := context.Background()
	host := "b.localhost:" + s.port
	b := s.browser().logIn(s.a, "rita").get("/admin/payments")
	b.says("#owed ~ .cards", "€1.1428", "of it waits until the peer accepts our claim", "Nobody has compared this peer’s key")
	if strings.Contains(b.text("main"), "Not due yet") {
		t.Error("what the peer hasn't accepted is called not due")
	}
	s.offer()
	if err := s.a.SetThreshold(ctx, s.a.Op.ID, host, 10_000); err != nil {
		t.Fatal(err)
	}
	b.get("/admin").says(".chores", "1 peer can be paid", "1 peer’s key hasn’t been compared")
	b.get("/admin/payments").submit("/admin/payments")
	b.says("#out ~ .cards", "to be ordered", "Nobody has compared this peer’s key", "DE75 5121")
	b.says("#owed ~ .cards", "€1.14 of it on its way", "€0.00285", "of it is less than a cent")
	if strings.Contains(b.text("main"), "Not due yet") || b.Doc.Find("form[action='/admin/payments']").Length() != 0 {
		t.Error("less than a cent is called not due, or can be prepared: " + b.text("#owed ~ .cards"))
	}
	b.get("/admin").says(".chores", "1 payment waits for your bank order")
	if strings.Contains(b.text(".chores"), "can be paid") {
		t.Error("what is ordered is still to be paid")
	}
	b.get("/admin/peers/" + host).submit("/admin/peers/key").get("/admin/payments")
	if n := b.Doc.Find(".warning").Length(); n != 0 {
		t.Errorf("%d warnings of a peer whose key was compared", n)
	}
	b.submit(b.Doc.Find("form[action$='/cancel']").AttrOr("action", ""))
	if _, err := s.a.Pool.Exec(ctx, `update peer set frozen_at = $1, frozen_reason = 'two different answers'`, s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	b.get("/admin/payments").says(".warning", "This peer is frozen")
	if b.Doc.Find("form[action='/admin/payments']").Length() != 0 {
		t.Error("a payment to a frozen peer is offered")
	}
	b.post("/admin/payments", "host", host).wants(422, "/admin/payments").says(".fault", "nothing is paid before the operators have talked")
	b.get("/admin").says(".chores", "1 peer is frozen").get("/admin/peers")
	if b.Doc.Find("[id='peer-"+host+"'] a[href^='/admin/payments/list']").Length() != 2 {
		t.Error("no way from the peer to its payments")
	}
}

// TestBackFromAnError: an error page leads back to the page that the form was on, and nowhere else.
func TestBackFromAnError(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "rita").get("/admin/withdrawals")
	paid := b.Doc.Find("form[action$='/paid']").AttrOr("action", "")
	b.submit(strings.TrimSuffix(paid, "paid") + "refused")
	for referer, want := range map[string]string{
		s.a.Base + "/admin/withdrawals":     "/admin/withdrawals",
		s.a.Base + "/admin/payments/7/sent": "/admin/payments", // a form that was refused there
		s.a.Base + "/months?x=1#y":          "/months?x=1",
		s.a.Base + "/":                      "", s.a.Base: "", s.a.Base + "//evil.example/": "", "": "", "x": "",
		s.b.Base + "/admin/withdrawals": "", "https://evil.example/admin": "", "javascript:alert(1)": "",
	} {
		b.referer = referer
		b.post(paid).wants(409, paid)
		if got := b.Doc.Find("main a.button").AttrOr("href", ""); got != want {
			t.Errorf("from %q back to %q, want %q", referer, got, want)
		}
	}
	b.referer = s.a.Base + "/months"
	if b.get("/nothing").Doc.Find("main a.button").Length() != 0 {
		t.Error("a link that is broken leads back to itself")
	}
}
