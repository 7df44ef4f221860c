package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestClaimFaults: a fault of a claim itself stores nothing and answers nothing (protocol §8).
func TestClaimFaults(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, b := context.Background(), m.B
	const bob, bea = "https://b.example/users/bob", "https://b.example/users/bea"
	offer := func(period string, n int32, change func(o *ledger.ClaimOffer)) error {
		o, err := ledgertest.StrangersOffer("d.example", "b.example", period, n, map[string]int64{bob: 10, bea: 20})
		if err != nil {
			t.Fatal(err)
		}
		change(&o)
		return b.ReceiveClaim(ctx, o)
	}
	signed := func(o *ledger.ClaimOffer) { // what the peer's digest says is what it sent
		o.Digest, _ = ledger.LinesDigest(o.Lines)
	}
	fault := func(change func(o *ledger.ClaimOffer)) error { return offer("2026-12", 5, change) }
	refuse(t, m, func() []refusal {
		return []refusal{
			{"an amount of nothing", fault(func(o *ledger.ClaimOffer) { o.Lines[0].Amount = 0 }), "fault total-mismatch"},
			{"an amount below nothing", fault(func(o *ledger.ClaimOffer) { o.Lines[0].Amount = -1 }), "fault total-mismatch"},
			{"19 digits", fault(func(o *ledger.ClaimOffer) { o.Lines[0].Amount = most + 1 }), "fault total-mismatch"},
			{"19 digits in all", fault(func(o *ledger.ClaimOffer) { o.Lines[0].Amount = most }), "fault total-mismatch"},
			{"a line that was altered", fault(func(o *ledger.ClaimOffer) { o.Lines[0].Amount++ }), "fault total-mismatch"},
			{"a total that was altered", fault(func(o *ledger.ClaimOffer) { o.Amount++ }), "fault total-mismatch"},
			{"amounts that were swapped", fault(func(o *ledger.ClaimOffer) {
				o.Lines[0].Amount, o.Lines[1].Amount = o.Lines[1].Amount, o.Lines[0].Amount
			}), "fault digest-mismatch"},
			{"flattrs that were altered", fault(func(o *ledger.ClaimOffer) { o.Lines[0].Things[0].Flattrs++ }), "fault digest-mismatch"},
			{"another digest", fault(func(o *ledger.ClaimOffer) { o.Digest = "" }), "fault digest-mismatch"},
			{"one payee twice", fault(func(o *ledger.ClaimOffer) { o.Lines[1].Payee = o.Lines[0].Payee; signed(o) }), "fault malformed"},
			{"lines in another order", fault(func(o *ledger.ClaimOffer) {
				o.Lines[0], o.Lines[1] = o.Lines[1], o.Lines[0]
				signed(o)
			}), "fault malformed"},
			{"no lines", fault(func(o *ledger.ClaimOffer) { o.Lines, o.LineCount, o.Amount = nil, 0, 0; signed(o) }), "fault malformed"},
			{"another number of lines", fault(func(o *ledger.ClaimOffer) { o.LineCount = 3 }), "fault malformed"},
			{"no number", offer("2026-12", 0, func(*ledger.ClaimOffer) {}), "fault malformed"},
			{"no month", offer("2026-13", 5, func(*ledger.ClaimOffer) {}), "fault malformed"},
			{"a month that runs", offer("2027-01", 1, func(*ledger.ClaimOffer) {}), "fault period-not-closed"},
			{"a month to come", offer("2027-02", 1, func(*ledger.ClaimOffer) {}), "fault period-not-closed"},
			{"francs", fault(func(o *ledger.ClaimOffer) { o.Currency = "CHF" }), "fault unknown-currency"},
			{"no currency", fault(func(o *ledger.ClaimOffer) { o.Currency = "eur" }), "fault unknown-currency"},
			{"a number that is taken", offer("2026-12", 2, func(o *ledger.ClaimOffer) { o.IRI += "x" }), "fault malformed"},
			{"one that replaces a later one", fault(func(o *ledger.ClaimOffer) { o.Supersedes = o.IRI[:len(o.IRI)-1] + "6" }), "fault malformed"},
			{"one that replaces itself", fault(func(o *ledger.ClaimOffer) { o.Supersedes = o.IRI }), "fault malformed"},
			{"one that replaces no number", fault(func(o *ledger.ClaimOffer) { o.Supersedes = o.IRI + "x" }), "fault malformed"},
			{"one that buries another's", fault(func(o *ledger.ClaimOffer) {
				o.Supersedes = "https://a.example/claims/2026-12/b.example/EUR/3"
			}), "fault malformed"},
			{"one that buries another month's", fault(func(o *ledger.ClaimOffer) {
				o.Supersedes = "https://d.example/claims/2026-10/b.example/EUR/4"
			}), "fault malformed"},
			{"one that replaces another's", fault(func(o *ledger.ClaimOffer) {
				o.Supersedes = "https://a.example/claims/2026-11/b.example/EUR/1"
			}), "fault malformed"},
			{"one that replaces another month's", fault(func(o *ledger.ClaimOffer) {
				o.Supersedes = "https://d.example/claims/2026-11/b.example/EUR/2"
			}), "fault malformed"},
			{"one that replaces a replaced one", offer("2026-11", 5, func(o *ledger.ClaimOffer) {
				o.Supersedes = "https://d.example/claims/2026-11/b.example/EUR/1"
			}), "fault malformed"},
			{"one from ourselves", fault(func(o *ledger.ClaimOffer) { o.Host = "b.example" }), "refused"},
			{"another's id", fault(func(o *ledger.ClaimOffer) { o.IRI = "https://a.example/claims/2026-12/b.example/EUR/1" }), "refused"},
			{"our own id", fault(func(o *ledger.ClaimOffer) { o.IRI = b.Instance().ClaimIRI("a.example", "2026-12", "EUR", 1) }), "refused"},
			{"no claim", second(b.Claim(ctx, "https://x.example/")), "not found"},
			{"no claim to tell", second(b.ClaimDocument(ctx, "https://x.example/")), "not found"},
		}
	})
}

// TestClaimConflicts: what was said first stands, and who says otherwise is frozen until the
// operators have talked.
func TestClaimConflicts(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, b := context.Background(), m.B
	const bob, bea, iri = "https://b.example/users/bob", "https://b.example/users/bea", "https://d.example/claims/2026-12/b.example/EUR/2"
	offer := func(n int32, lines map[string]int64) ledger.ClaimOffer {
		o, err := ledgertest.StrangersOffer("d.example", "b.example", "2026-12", n, lines)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	b.Outbox.Take(t)
	step := func(what string, err error, want, frozen string, told int) {
		t.Helper()
		p, e := b.Peer(ctx, "d.example")
		if got := kind(err); e != nil || got != want || p.FrozenReason != frozen {
			t.Errorf("%s: %s, frozen %q, %v; want %s, %q", what, got, p.FrozenReason, e, want, frozen)
		}
		if got := b.Outbox.Take(t); len(got) != told {
			t.Errorf("%s: told %v", what, got)
		}
	}
	first, other := offer(2, map[string]int64{bob: 70_000, bea: 70_000}), offer(2, map[string]int64{bob: 70_000, bea: 80_000})
	step("the same again", b.ReceiveClaim(ctx, first), "done", "", 1)
	late := offer(5, map[string]int64{bob: 1})
	late.Supersedes = iri
	step("an accepted one replaced", b.ReceiveClaim(ctx, late), "conflict", "", 1)
	step("another content", b.ReceiveClaim(ctx, other), "conflict", "same id, other content: "+iri, 0)
	step("the first again", b.ReceiveClaim(ctx, first), "done", "same id, other content: "+iri, 1)
	step("a new one", b.ReceiveClaim(ctx, offer(6, map[string]int64{bob: 1})), "fault frozen", "same id, other content: "+iri, 0)
	notice := ledger.PaymentNotice{IRI: "https://d.example/payments/1", Host: "d.example", Amount: 10_000, Currency: "EUR", Method: "bank",
		Reference: "R1", PaidAt: ledgertest.Start, Content: "first", Allocations: []ledger.NoticedAllocation{{Claim: iri, Amount: 10_000}}}
	step("a payment", b.ReceivePayment(ctx, notice), "fault frozen", "same id, other content: "+iri, 0)
	step("a member thaws", b.UnfreezePeer(ctx, named(t, b, "bob").ID, "d.example", "settled"), "refused", "same id, other content: "+iri, 0)
	step("the operator thaws", b.UnfreezePeer(ctx, b.Op.ID, "d.example", "settled"), "done", "", 0)
	step("nobody is thawed", b.UnfreezePeer(ctx, b.Op.ID, "x.example", "settled"), "not found", "", 0)
	step("a new one then", b.ReceiveClaim(ctx, offer(6, map[string]int64{bob: 1})), "done", "", 1)
	step("the payment then", b.ReceivePayment(ctx, notice), "done", "", 0)
	step("the payment again", b.ReceivePayment(ctx, notice), "done", "", 0)
	notice.Content = "other"
	step("the payment otherwise", b.ReceivePayment(ctx, notice), "conflict", "same id, other content: "+notice.IRI, 0)
}

// TestTombstones: a claim that was replaced before it came is acknowledged without effect, whatever
// it says.
func TestTombstones(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	late, err := ledgertest.StrangersOffer("d.example", "b.example", "2026-11", 1, map[string]int64{"https://b.example/users/bob": 990_000})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, m, func() []refusal {
		return []refusal{{"too late", m.B.ReceiveClaim(context.Background(), late), "done"}}
	})
}

// TestClaimAnswersRefusals: answers to claims of ours.
func TestClaimAnswersRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a := context.Background(), m.A
	open := a.Instance().ClaimIRI("c.example", "2026-12", "EUR", 1)
	replaced := a.Instance().ClaimIRI("d.example", "2026-11", "EUR", 1)
	const carl, xena, yuri = "https://c.example/users/carl", "https://d.example/users/xena", "https://d.example/users/yuri"
	reject := func(iri, host string, refusals ...ledger.Refusal) error {
		return a.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: iri, Host: host, Refusals: refusals})
	}
	refuse(t, m, func() []refusal {
		return []refusal{
			{"no claim", reject("https://a.example/claims/1", "c.example"), "not found"},
			{"another's answer", reject(open, "d.example", ledger.Refusal{Payee: carl, Reason: "blocked"}), "refused"},
			{"nothing refused", reject(open, "c.example"), "fault malformed"},
			{"nobody of the claim refused", reject(open, "c.example", ledger.Refusal{Payee: xena, Reason: "blocked"}), "fault malformed"},
			{"one too many refused", reject(open, "c.example", ledger.Refusal{Payee: carl, Reason: "blocked"},
				ledger.Refusal{Payee: xena, Reason: "blocked"}), "fault malformed"},
			{"one refused twice", reject(open, "c.example", ledger.Refusal{Payee: carl, Reason: "blocked"},
				ledger.Refusal{Payee: carl, Reason: "blocked"}), "fault malformed"},
			{"no reason", reject(open, "c.example", ledger.Refusal{Payee: carl}), "fault malformed"},
			{"the same again, in another order", reject(replaced, "d.example", ledger.Refusal{Payee: yuri, Reason: "not-accepting"},
				ledger.Refusal{Payee: xena, Reason: "blocked"}), "done"},
			{"less refused than before", reject(replaced, "d.example", ledger.Refusal{Payee: xena, Reason: "blocked"}), "conflict"},
			{"accepted after it was refused", a.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: replaced, Host: "d.example", Accepted: true}), "conflict"},
		}
	})
	if p, err := a.Peer(ctx, "d.example"); err != nil || p.FrozenReason != "two different answers to "+replaced {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestPaymentsRefusals: payments of both directions.
func TestPaymentsRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a, op := context.Background(), m.A, m.A.Op.ID
	alice := named(t, a, "alice").ID
	pay := func(direction, state string) ledger.Payment {
		all, err := a.Payments(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range all {
			if y.Direction == direction && y.State == state {
				return y
			}
		}
		t.Fatalf("no payment %s %s", direction, state)
		return ledger.Payment{}
	}
	cancelled, sent, lost, paid := pay("out", "cancelled"), pay("out", "sent"), pay("out", "not_received"), pay("out", "confirmed")
	announced, confirmed := pay("in", "announced"), pay("in", "confirmed")
	answer := func(y ledger.Payment, host string, received int64) error {
		return a.PaymentAnswered(ctx, ledger.PaymentAnswer{IRI: y.IRI, Host: host, Received: received})
	}
	refuse(t, m, func() []refusal {
		return []refusal{
			{"to pay nobody", second(a.PreparePayment(ctx, op, "x.example")), "not found"},
			{"to pay what isn't owed", second(a.PreparePayment(ctx, op, "b.example")), "amount: below-threshold"},
			{"to pay as a member", second(a.PreparePayment(ctx, alice, "b.example")), "refused"},
			{"to send as a member", a.PaymentSent(ctx, alice, sent.ID), "refused"},
			{"to send nothing", a.PaymentSent(ctx, op, 999), "not found"},
			{"to send what is to come", a.PaymentSent(ctx, op, announced.ID), "not found"},
			{"to send what is cancelled", a.PaymentSent(ctx, op, cancelled.ID), "conflict"},
			{"to send again", a.PaymentSent(ctx, op, sent.ID), "done"},
			{"to send what is paid", a.PaymentSent(ctx, op, paid.ID), "done"},
			{"to send what is lost", a.PaymentSent(ctx, op, lost.ID), "done"},
			{"to cancel what is sent", a.PaymentCancelled(ctx, op, sent.ID), "conflict"},
			{"to cancel again", a.PaymentCancelled(ctx, op, cancelled.ID), "done"},
			{"to cancel nothing", a.PaymentCancelled(ctx, op, 999), "not found"},
			{"to confirm nothing", a.ConfirmPayment(ctx, op, announced.ID, 0), "received: amount"},
			{"to confirm half a cent", a.ConfirmPayment(ctx, op, announced.ID, 5_000), "received: amount"},
			{"to confirm 19 digits", a.ConfirmPayment(ctx, op, announced.ID, most+1), "received: amount"},
			{"to confirm as a member", a.ConfirmPayment(ctx, alice, announced.ID, 10_000), "refused"},
			{"to confirm one of ours", a.ConfirmPayment(ctx, op, sent.ID, 10_000), "not found"},
			{"to confirm again", a.ConfirmPayment(ctx, op, confirmed.ID, *confirmed.Received), "done"},
			{"to confirm another amount", a.ConfirmPayment(ctx, op, confirmed.ID, *confirmed.Received+10_000), "conflict"},
			{"to miss what is confirmed", a.PaymentNotReceived(ctx, op, confirmed.ID), "conflict"},
			{"to miss one of ours", a.PaymentNotReceived(ctx, op, sent.ID), "not found"},
			{"answered with half a cent", answer(sent, "c.example", 5_000), "amount: amount"},
			{"answered with less than nothing", answer(sent, "c.example", -10_000), "amount: amount"},
			{"answered with 19 digits", answer(sent, "c.example", most+1), "amount: amount"},
			{"answered by another", answer(sent, "b.example", 10_000), "refused"},
			{"answered what isn't", answer(ledger.Payment{IRI: "https://a.example/payments/x"}, "b.example", 10_000), "not found"},
			{"answered what is to come", answer(announced, "b.example", 10_000), "not found"},
			{"answered again", answer(paid, "b.example", *paid.Received), "done"},
			{"lost again", answer(lost, "b.example", 0), "done"},
			{"no payment to tell", second(a.PaymentDocument(ctx, "https://a.example/payments/x")), "not found"},
			{"lost after it came", answer(paid, "b.example", 0), "conflict"},
		}
	})
	if p, err := a.Peer(ctx, "b.example"); err != nil || p.FrozenReason != "two different answers to "+paid.IRI {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestNoticesRefusals: what a peer says it paid must fit what it owes.
func TestNoticesRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, b := context.Background(), m.B
	claim := func(period string, n int) string {
		return fmt.Sprintf("https://d.example/claims/%s/b.example/EUR/%d", period, n)
	}
	notice := func(change func(n *ledger.PaymentNotice)) error {
		n := ledger.PaymentNotice{IRI: "https://d.example/payments/1", Host: "d.example", Amount: 510_000, Currency: "EUR", Method: "bank",
			Reference: "R1", PaidAt: ledgertest.Start, Content: "c", Allocations: []ledger.NoticedAllocation{
				{Claim: claim("2026-11", 2), Amount: 500_000}, {Claim: claim("2026-12", 2), Amount: 10_000}}}
		change(&n)
		return b.ReceivePayment(ctx, n)
	}
	theirs := ledgertest.Collect[string](t, b.Pool, `select iri from payment where direction = 'in' order by id limit 1`)[0]
	refuse(t, m, func() []refusal {
		return []refusal{
			{"half a cent", notice(func(n *ledger.PaymentNotice) { n.Amount, n.Allocations[1].Amount = 505_000, 5_000 }), "fault malformed"},
			{"nothing", notice(func(n *ledger.PaymentNotice) { n.Amount, n.Allocations = 0, nil }), "fault malformed"},
			{"for nothing", notice(func(n *ledger.PaymentNotice) { n.Allocations = nil }), "fault total-mismatch"},
			{"more than its parts", notice(func(n *ledger.PaymentNotice) { n.Amount += 10_000 }), "fault total-mismatch"},
			{"less than its parts", notice(func(n *ledger.PaymentNotice) { n.Amount -= 10_000 }), "fault total-mismatch"},
			{"a part below nothing", notice(func(n *ledger.PaymentNotice) { n.Allocations[0].Amount, n.Allocations[1].Amount = -10_000, 520_000 }), "fault total-mismatch"},
			{"an empty part", notice(func(n *ledger.PaymentNotice) { n.Allocations[0].Amount, n.Allocations[1].Amount = 0, 510_000 }), "fault total-mismatch"},
			{"more than is owed", notice(func(n *ledger.PaymentNotice) {
				n.Allocations[0].Amount, n.Allocations[1].Amount = 510_000-140_001, 140_001
			}), "fault total-mismatch"},
			{"a claim twice", notice(func(n *ledger.PaymentNotice) { n.Allocations[1].Claim = n.Allocations[0].Claim }), "fault unknown-claim"},
			{"an unknown claim", notice(func(n *ledger.PaymentNotice) { n.Allocations[1].Claim = claim("2026-12", 9) }), "fault unknown-claim"},
			{"a refused claim", notice(func(n *ledger.PaymentNotice) { n.Allocations[1].Claim = claim("2026-12", 1) }), "fault unknown-claim"},
			{"another's claim", notice(func(n *ledger.PaymentNotice) {
				n.Allocations[1].Claim = "https://c.example/claims/2026-11/b.example/EUR/1"
			}), "fault unknown-claim"},
			{"a claim of ours", notice(func(n *ledger.PaymentNotice) {
				n.Allocations[1].Claim = b.Instance().ClaimIRI("a.example", "2026-12", "EUR", 1)
			}), "fault unknown-claim"},
			{"francs", notice(func(n *ledger.PaymentNotice) { n.Currency = "CHF" }), "fault unknown-currency"},
			{"no reference", notice(func(n *ledger.PaymentNotice) { n.Reference = "" }), "fault malformed"},
			{"a long reference", notice(func(n *ledger.PaymentNotice) { n.Reference = strings.Repeat("r", 36) }), "fault malformed"},
			{"no method", notice(func(n *ledger.PaymentNotice) { n.Method = "" }), "fault malformed"},
			{"no time", notice(func(n *ledger.PaymentNotice) { n.PaidAt = time.Time{} }), "fault malformed"},
			{"another's payment", notice(func(n *ledger.PaymentNotice) { n.IRI = theirs }), "refused"},
			{"from ourselves", notice(func(n *ledger.PaymentNotice) { n.Host = "b.example" }), "refused"},
		}
	})
}

// TestPayeesAndPeersRefusals: withdrawals and what the operator sets for a peer.
func TestPayeesAndPeersRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a, op := context.Background(), m.A, m.A.Op.ID
	anna, gone := named(t, a, "anna").ID, named(t, a, "gone").ID
	const account = "DE75512108001245126199"
	all, err := a.WithdrawalsOf(ctx, anna)
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	paid, turned, asked := all[2].ID, all[1].ID, all[0].ID
	withdraw := func(by, amount int64, iban string) error { return second(a.RequestWithdrawal(ctx, by, amount, iban)) }
	if _, err := a.PinPeer(ctx, ledger.PeerIdentity{Host: "c.example", Actor: "https://c.example/actor", AccountingKey: "z1"}); err != nil {
		t.Fatal(err)
	}
	refuse(t, m, func() []refusal {
		return []refusal{
			{"to withdraw nothing", withdraw(anna, 0, account), "amount: amount"},
			{"to withdraw less than nothing", withdraw(anna, -10_000, account), "amount: amount"},
			{"to withdraw half a cent", withdraw(anna, 5_000, account), "amount: amount"},
			{"to withdraw 19 digits", withdraw(anna, most+1, account), "amount: amount"},
			{"to no account", withdraw(anna, 10_000, ""), "iban: form"},
			{"to an account with another check digit", withdraw(anna, 10_000, "DE76512108001245126199"), "iban: form"},
			{"to withdraw more than there is", withdraw(anna, 100_000_000, account), "not enough money"},
			{"nobody withdraws", withdraw(999, 10_000, account), "not found"},
			{"one who left withdraws", withdraw(gone, 10_000, account), "not found"},
			{"paid by a member", a.WithdrawalPaid(ctx, anna, asked), "refused"},
			{"paid nothing", a.WithdrawalPaid(ctx, op, 999), "not found"},
			{"paid what was refused", a.WithdrawalPaid(ctx, op, turned), "conflict"},
			{"refused what was paid", a.WithdrawalRefused(ctx, op, paid), "conflict"},
			{"refused by a member", a.WithdrawalRefused(ctx, anna, asked), "refused"},
			{"paid again", a.WithdrawalPaid(ctx, op, paid), "done"},
			{"refused again", a.WithdrawalRefused(ctx, op, turned), "done"},
			{"a threshold of nothing", a.SetThreshold(ctx, op, "b.example", 0), "threshold: amount"},
			{"a threshold of half a cent", a.SetThreshold(ctx, op, "b.example", 15_000), "threshold: amount"},
			{"a threshold of 19 digits", a.SetThreshold(ctx, op, "b.example", most+1), "threshold: amount"},
			{"a member's threshold", a.SetThreshold(ctx, anna, "b.example", 10_000), "refused"},
			{"nobody's threshold", a.SetThreshold(ctx, op, "x.example", 10_000), "not found"},
			{"another key pinned", second(a.PinPeer(ctx, ledger.PeerIdentity{Host: "c.example", AccountingKey: "z2"})), "conflict"},
			{"no key pinned", second(a.PinPeer(ctx, ledger.PeerIdentity{Host: "c.example"})), "conflict"},
			{"ourselves pinned", second(a.PinPeer(ctx, ledger.PeerIdentity{Host: "a.example", AccountingKey: "z1"})), "refused"},
			{"nowhere pinned", second(a.PinPeer(ctx, ledger.PeerIdentity{AccountingKey: "z1"})), "refused"},
			{"another key confirmed", a.ConfirmPeerKey(ctx, op, "c.example", "z2"), "not found"},
			{"a key confirmed by a member", a.ConfirmPeerKey(ctx, anna, "c.example", "z1"), "refused"},
			{"a key confirmed that isn't known", a.ConfirmPeerKey(ctx, op, "b.example", ""), "not found"},
			{"no peer", second(a.Peer(ctx, "x.example")), "not found"},
		}
	})
}
