package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// announce lets a peer owe alice n cents for a month and announce n payments of a cent each.
func announce(t *testing.T, i *ledgertest.Instance, host string, n int) {
	t.Helper()
	ctx := context.Background()
	lines := []ledger.Line{{Payee: i.Instance().MemberIRI("alice"), Amount: int64(n) * 10_000,
		Things: []ledger.LineThing{{Object: "https://a.example/buttons/x", Flattrs: 1, Amount: -1}}}}
	digest, err := ledger.LinesDigest(lines)
	if err != nil {
		t.Fatal(err)
	}
	claim := "https://" + host + "/claims/2026-11/a.example/EUR/1"
	if err := i.ReceiveClaim(ctx, ledger.ClaimOffer{IRI: claim, Host: host, Period: "2026-11", Currency: "EUR", N: 1,
		Amount: lines[0].Amount, LineCount: 1, Digest: digest, Lines: lines, Content: "1"}); err != nil {
		t.Fatal(err)
	}
	for k := range n {
		reference := fmt.Sprint("FL", k)
		if err := i.ReceivePayment(ctx, ledger.PaymentNotice{IRI: "https://" + host + "/payments/" + reference, Host: host,
			Amount: 10_000, Currency: "EUR", Method: "bank", Reference: reference, PaidAt: i.Now(), Content: "1",
			Allocations: []ledger.NoticedAllocation{{Claim: claim, Amount: 10_000}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoPeerHidesAnother: a peer that announces many payments takes nobody else's place in the lists,
// and each of its own can be reached.
func TestNoPeerHidesAnother(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	i.Join("alice")
	settle(t, i, "2026-11")
	announce(t, i, "quiet.example", 1)
	announce(t, i, "loud.example", 201)
	if open, err := i.OpenPayments(ctx, 50); err != nil || len(open) != 2 || open[0].Host != "loud.example" || open[0].Direction != "in" ||
		open[0].Total != 201 || open[0].Rest() != 151 || open[1].Rest() != 0 || open[1].Payments[0].Host != "quiet.example" {
		t.Errorf("%v, %v", open, err)
	}
	if _, err := i.PinPeer(ctx, ledger.PeerIdentity{Host: "quiet.example", AccountingKey: "z1"}); err != nil {
		t.Fatal(err)
	}
	if err := i.ConfirmPeerKey(ctx, i.Op.ID, "quiet.example", "z1"); err != nil {
		t.Fatal(err)
	}
	open, err := i.OpenPayments(ctx, 50)
	if err != nil || open[0].Host != "quiet.example" {
		t.Errorf("a peer whose key was compared comes first: %v, %v", open, err)
	}
	if todo, err := i.Chores(ctx); err != nil || todo != (ledger.Chores{Announced: 202}) {
		t.Errorf("%+v, %v", todo, err)
	}
	for _, y := range []ledger.Payment{open[0].Payments[0], open[1].Payments[0]} {
		if err := i.ConfirmPayment(ctx, i.Op.ID, y.ID, y.Amount); err != nil {
			t.Fatal(err)
		}
	}
	waiting := pages(t, i, ledger.PaymentFilter{Host: "loud.example", Direction: "in", Open: true})
	if len(waiting) != 200 || !slices.IsSorted(waiting) || waiting[0] == open[1].Payments[0].ID {
		t.Errorf("%d payments of the loud peer: %v", len(waiting), waiting)
	}
	if done := pages(t, i, ledger.PaymentFilter{}); len(done) != 2 || done[0] != open[1].Payments[0].ID {
		t.Errorf("finished: %v", done)
	}
	if none := pages(t, i, ledger.PaymentFilter{Direction: "out"}); len(none) != 0 {
		t.Errorf("outgoing: %v", none)
	}
	if y, err := i.Payment(ctx, waiting[7]); err != nil || y.ID != waiting[7] || kind(second(i.Payment(ctx, 999))) != "not found" {
		t.Errorf("%+v, %v", y, err)
	}
}

// pages follows a list of payments to its end, 60 at a time.
func pages(t *testing.T, i *ledgertest.Instance, f ledger.PaymentFilter) (ids []int64) {
	t.Helper()
	for {
		page, err := i.PaymentPage(context.Background(), f, 60)
		if err != nil || len(page) > 60 {
			t.Fatal(len(page), err)
		}
		if len(page) == 0 {
			return ids
		}
		for _, y := range page {
			ids = append(ids, y.ID)
		}
		f.After = ids[len(ids)-1]
	}
}

// TestClaimsBefore: claims are paged, all of them or one peer's.
func TestClaimsBefore(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	i.Join("alice")
	settle(t, i, "2026-11")
	for _, host := range []string{"b.example", "c.example", "d.example"} {
		announce(t, i, host, 1)
	}
	for _, c := range []struct {
		host   string
		before int64
		want   string
	}{{"", 0, "d.example c.example"}, {"", 2, "b.example"}, {"c.example", 0, "c.example"}, {"x.example", 0, ""}} {
		found, err := i.ClaimsBefore(ctx, c.host, c.before, 2)
		got := ""
		for k, claim := range found {
			got += []string{"", " "}[min(k, 1)] + claim.Host
		}
		if err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// TestFrozenPeerIsntPaid follows what is owed from offered to ordered. A frozen peer is paid nothing.
func TestFrozenPeerIsntPaid(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	i.Fund(alice, 1_000_000)
	flattrStranger(t, i, alice, "p", "1")
	settle(t, i, "2026-11")
	check := func(step string, offered, due int64, ready bool, want ledger.Chores) {
		t.Helper()
		p := positionOf(t, i, "d.example")
		todo, err := i.Chores(ctx)
		if p.Offered() != offered || p.Due() != due || p.Ready() != ready || todo != want || err != nil {
			t.Errorf("%s: offered %d, due %d, ready %t, %+v, %v", step, p.Offered(), p.Due(), p.Ready(), todo, err)
		}
	}
	check("offered", 1_000_000, 0, false, ledger.Chores{})
	answer := ledger.ClaimAnswer{IRI: i.Instance().ClaimIRI("d.example", "2026-11", "EUR", 1), Host: "d.example", Accepted: true}
	if err := i.ClaimAnswered(ctx, answer); err != nil {
		t.Fatal(err)
	}
	check("accepted", 0, 1_000_000, false, ledger.Chores{})
	if err := i.SetThreshold(ctx, i.Op.ID, "d.example", 10_000); err != nil {
		t.Fatal(err)
	}
	check("above the threshold", 0, 1_000_000, true, ledger.Chores{Due: 1})
	answer.Accepted, answer.Refusals = false, []ledger.Refusal{{Payee: "https://d.example/users/p", Reason: "deleted"}}
	if got := kind(i.ClaimAnswered(ctx, answer)); got != "conflict" {
		t.Fatal(got)
	}
	check("frozen", 0, 1_000_000, false, ledger.Chores{Frozen: 1})
	if got := kind(second(i.PreparePayment(ctx, i.Op.ID, "d.example"))); got != "host: frozen" {
		t.Errorf("to pay a frozen peer: %s", got)
	}
	if err := i.UnfreezePeer(ctx, i.Op.ID, "d.example", "we have talked"); err != nil {
		t.Fatal(err)
	}
	if y, err := i.PreparePayment(ctx, i.Op.ID, "d.example"); err != nil || y.Amount != 1_000_000 {
		t.Errorf("%+v, %v", y, err)
	}
	check("ordered", 0, 0, false, ledger.Chores{Ordered: 1})
}
