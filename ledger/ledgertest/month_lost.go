package ledgertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// keeper is an instance that, like d.example, exists only as messages. It kept what c.example has signed and lost.
const keeper = "e.example"

// keepersVerdicts: e.example takes cleo's flattrs of the month.
func (m *Months) keepersVerdicts() {
	ctx := context.Background()
	v, err := m.C.MyMonth(ctx, m.members["cleo@c.example"].ID, "")
	m.must(err)
	for _, line := range v.Lines {
		m.must(m.C.FlattrAnswered(ctx, ledger.Verdict{Like: m.C.Instance().FlattrIRI(line.ID.String()),
			Host: keeper, Actor: "https://" + keeper + "/actor", Answer: "accept"}))
	}
}

// restart: c.example starts anew. It has talked with e.example before, so what it signs for it waits.
func (m *Months) restart() {
	m.agree(1, "")
	m.must(m.C.Started(context.Background()))
}

// agree lets e.example send a statement that finds all as it is here, and with it the answer to ours if that is one.
func (m *Months) agree(sequence int64, inReplyTo string) {
	m.t.Helper()
	ctx := context.Background()
	theirs := pair.Statement{ID: fmt.Sprintf("https://%s/statements/%d", keeper, sequence), Sequence: sequence, InReplyTo: inReplyTo}
	if inReplyTo != "" {
		m.must(m.C.State(ctx, keeper, inReplyTo, "", func(s ledger.Statement) error {
			theirs.Seen, theirs.Balance = s.Sequence, -s.Balance()
			return nil
		}))
	}
	_, err := m.C.ReceiveStatement(ctx, keeper, theirs, nil)
	m.must(err)
}

// returns: what c.example had signed for November before it lost it comes back. In place of what it has settled again
// stand an offer of another amount, which is accepted, and one that is refused in part; of its own answers one that
// takes what is for members whom it doesn't know, or who left, and one that refuses a line. Of a payment only a part
// had arrived, of another nothing.
func (m *Months) returns() {
	const carl, clay, lost = "https://c.example/users/carl", "https://c.example/users/clay", "https://c.example/users/lost"
	elsa, emil, ella := payeeOf("elsa"), payeeOf("emil"), payeeOf("ella")
	m.returned("2026-11", 1, map[string]int64{elsa: cents(50), emil: cents(20)})
	m.returned("2026-11", 2, map[string]int64{emil: cents(40), ella: cents(10)}, ledger.Refusal{Payee: ella, Reason: "blocked"})
	m.returnedTheirs("2026-11", 1, map[string]int64{carl: cents(30), clay: cents(10), lost: cents(10)})
	m.returnedTheirs("2026-11", 2, map[string]int64{lost: cents(5)}, ledger.Refusal{Payee: lost, Reason: "unknown-payee"})
	m.returnedPayment(cents(10), cents(5))
	m.returnedPayment(cents(10), 0)
	m.agree(2, m.C.Instance().BaseURL+"/statements/1")
}

func payeeOf(name string) string { return "https://" + keeper + "/users/" + name }

// returned: an offer of c.example's comes back, with the answer.
func (m *Months) returned(period string, n int32, lines map[string]int64, refused ...ledger.Refusal) {
	m.t.Helper()
	o, err := StrangersOffer("c.example", keeper, period, n, lines)
	m.must(err)
	o.Host = keeper
	m.must(m.C.AdoptClaim(context.Background(), ledger.ReturnedClaim{Ours: true, Offer: o,
		Answer: &ledger.ClaimAnswer{IRI: o.IRI, Host: keeper, Accepted: len(refused) == 0, Refusals: refused}}))
}

// returnedTheirs: an offer of e.example's comes back, with the answer that c.example gave.
func (m *Months) returnedTheirs(period string, n int32, lines map[string]int64, refused ...ledger.Refusal) {
	m.t.Helper()
	o, err := StrangersOffer(keeper, "c.example", period, n, lines)
	m.must(err)
	m.must(m.C.AdoptClaim(context.Background(), ledger.ReturnedClaim{Offer: o,
		Answer: &ledger.ClaimAnswer{IRI: o.IRI, Host: keeper, Accepted: len(refused) == 0, Refusals: refused}}))
}

func (m *Months) returnedPayment(amount, received int64) {
	m.t.Helper()
	n := m.keepersNotice(amount, "bank")
	n.IRI = m.C.Instance().BaseURL + "/payments/" + n.Reference
	m.must(m.C.AdoptPayment(context.Background(), ledger.ReturnedPayment{Ours: true, Notice: n, Received: &received}))
}

// keepersNotice names the claim that c.example owes.
func (m *Months) keepersNotice(amount int64, method string) ledger.PaymentNotice {
	reference := "R" + strings.ReplaceAll(uuid.NewString(), "-", "")
	iri := "https://" + keeper + "/payments/" + reference
	return ledger.PaymentNotice{IRI: iri, Host: keeper, Amount: amount, Currency: "EUR", Method: method, Reference: reference,
		PaidAt: m.Clock.Now().Truncate(time.Second), Content: iri, Allocations: []ledger.NoticedAllocation{
			{Claim: m.C.Instance().ClaimIRI(keeper, "2026-11", "EUR", 1), Amount: amount}}}
}

// nettings: b.example and c.example owe each other, and so do c.example and e.example: one netting is confirmed,
// another is refused, and one of b.example's touches what is netted already. What was left of the refused offer is
// accepted after that.
func (m *Months) nettings() {
	ctx := context.Background()
	m.later()
	m.must(m.B.Tick(ctx))
	m.deliver()
	m.net(func(y ledger.Payment) int64 { return y.Amount })
	o, err := StrangersOffer(keeper, "c.example", "2026-11", 3, map[string]int64{"https://c.example/users/cora": cents(10)})
	m.must(err)
	m.must(m.C.ReceiveClaim(ctx, o))
	m.later()
	m.net(func(ledger.Payment) int64 { return 0 })
	m.must(m.C.BankCompared(ctx, m.C.Op.ID))
	m.order(m.C, keeper)
	m.netAgain("b.example")
	m.must(m.C.ClaimAnswered(ctx, ledger.ClaimAnswer{Host: keeper, IRI: m.C.Instance().ClaimIRI(keeper, "2026-11", "EUR", 3), Accepted: true}))
}

// netAgain: a host that sorts lower, and has lost what it knew, proposes to c.example what both have netted already.
func (m *Months) netAgain(host string) {
	m.t.Helper()
	ctx := context.Background()
	m.deliver()
	n := m.keepersNotice(cents(10), pair.Netting)
	n.Host, n.IRI, n.Allocations = host, "https://"+host+"/payments/"+n.Reference, nil
	claims, err := m.C.Claims(ctx)
	m.must(err)
	for _, way := range []string{"in", "out"} {
		i := slices.IndexFunc(claims, func(c ledger.Claim) bool {
			return c.Host == host && c.Direction == way && (c.State == ledger.ClaimTaken || c.State == ledger.Confirmed)
		})
		n.Allocations = append(n.Allocations, ledger.NoticedAllocation{Claim: claims[i].IRI, Amount: n.Amount})
	}
	m.must(m.C.ReceivePayment(ctx, n))
	m.C.Outbox.Take(m.t) // the answer: nobody there knows what it is to
}

// later is when what was accepted is netted.
func (m *Months) later() { m.Clock.Set(m.Clock.Now().Add(2 * time.Hour)) }

// net lets c.example propose and e.example answer what it received.
func (m *Months) net(received func(ledger.Payment) int64) {
	m.t.Helper()
	ctx := context.Background()
	m.must(m.C.Tick(ctx))
	all, err := m.C.Payments(ctx)
	m.must(err)
	y := all[0]
	m.must(m.C.PaymentAnswered(ctx, ledger.PaymentAnswer{IRI: y.IRI, Host: keeper, Received: received(y)}))
}

// lostAgain: c.example starts anew once more and nobody answers: December's offer is a draft, and what is left of a
// refused one waits.
func (m *Months) lostAgain() {
	emil, ella := payeeOf("emil"), payeeOf("ella")
	m.returned("2026-12", 1, map[string]int64{emil: cents(40), ella: cents(10)}, ledger.Refusal{Payee: ella, Reason: "blocked"})
}
