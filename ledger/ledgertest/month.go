package ledgertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// Months is three instances that have played November and December 2026 with each other and stand
// in January: every table of the schema has rows, and every state of a reservation, claim, line,
// payment and withdrawal occurs somewhere. Two further instances exist only as messages
// written by hand: d.example does what an honest implementation of ours wouldn't, and e.example returns what c.example
// has lost. g.example, whose budgets are pledges, plays alone.
//
// Every split comes out even unless Uneven is set, so that two histories built separately are the
// same but for their random ids: ties between equal shares are broken by those.
type Months struct {
	Post
	A, B, C *Instance
	Clock   *Clock
	hosts   []string                 // within reach of each other
	members map[string]ledger.Member // by handle
	things  map[string]string        // the thing's IRI by handle/slug
	t       testing.TB
}

// MonthOptions change the history that PlayMonths builds.
type MonthOptions struct {
	Uneven  bool          // one more giver, whose budget leaves micro-units over
	Late    time.Duration // everything happens later by this, within the same days
	FirstID int64         // row ids start here; 0: at 1
}

const stranger = "d.example"

// debtor is an instance that exists only as messages, too: it owes b.example's members more than it pays.
const debtor = "f.example"

// PlayMonths builds the history.
func PlayMonths(t testing.TB, o MonthOptions) *Months {
	t.Helper()
	m := &Months{Post: Post{}, Clock: NewClock(Start.Add(o.Late)), t: t,
		members: map[string]ledger.Member{}, things: map[string]string{}}
	m.A, m.B, m.C = m.instance("a.example", Policy(func(i *ledger.Instance) { i.UnclaimedMonths = 1 })), m.instance("b.example"), m.instance("c.example", Reciprocity("required"), Policy(func(i *ledger.Instance) { i.Unused = ledger.UnusedCause }))
	for _, host := range m.hosts {
		m.startAt(m.Post[host], o.FirstID)
	}
	m.people()
	m.must(m.B.SetFeeRate(context.Background(), m.B.Op.ID, "2026-12", 333))
	m.unclaimed()
	m.november(o)
	m.turn(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Add(o.Late))
	m.leave("gone@a.example")
	m.leave("gone@b.example")
	m.leave("clay@c.example")
	m.restart()
	m.turn(time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC).Add(o.Late))
	m.strangersAnswer()
	m.returns()
	m.decemberPayments()
	m.december()
	m.payable()
	m.turn(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Add(o.Late))
	m.must(m.C.Started(context.Background()))
	m.tick(time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC).Add(o.Late))
	m.hosts = []string{"a.example", "b.example"} // c.example is out of reach: what is for it stays offered
	m.deliver()
	m.januaryPayments()
	m.strangersClaims()
	m.lostAgain()
	m.withdrawals()
	m.january()
	m.debtor()
	m.reversals()
	m.payouts()
	m.leaving()
	m.pledges(o)
	return m
}

func (m *Months) instance(host string, options ...Option) *Instance {
	m.hosts = append(m.hosts, host)
	m.Post[host] = New(m.t, append(options, Host(host), WithClock(m.Clock))...)
	return m.Post[host]
}

func (m *Months) people() {
	for _, handle := range []string{"ruth@a.example", "rolf@a.example", "alice@a.example", "anna@a.example", "axel@a.example", "dora@a.example",
		"poor@a.example", "gone@a.example", "odd@a.example", "bob@b.example", "bea@b.example", "gone@b.example",
		"carl@c.example", "cora@c.example", "cleo@c.example", "clay@c.example", "idle@c.example"} {
		name, host, _ := strings.Cut(handle, "@")
		m.members[handle] = m.Post[host].Join(name)
	}
	for _, thing := range []string{"alice@a.example/1", "anna@a.example/1", "anna@a.example/2", "axel@a.example/1",
		"gone@a.example/1", "bob@b.example/1", "bob@b.example/2", "bob@b.example/3", "bea@b.example/1",
		"gone@b.example/1", "carl@c.example/1", "carl@c.example/2", "cora@c.example/1"} {
		handle, slug, _ := strings.Cut(thing, "/")
		_, made := m.at(handle).Button(m.members[handle], slug)
		m.things[thing] = made.IRI
	}
	for _, thing := range []string{"xena@d.example/1", "yuri@d.example/1", "zoe@d.example/1", "zoe@d.example/2", "mute@d.example/1",
		"elsa@e.example/1", "emil@e.example/1", "ella@e.example/1"} {
		handle, slug, _ := strings.Cut(thing, "/")
		name, host, _ := strings.Cut(handle, "@")
		m.things[thing] = "https://" + host + "/buttons/" + name + "/" + slug
	}
}

// november: a budget raised, one without a flattr, a click without a budget, an undo, a double
// click, a flattr that is held in vain, and one that nobody answers.
func (m *Months) november(o MonthOptions) {
	m.fund("carl@c.example", 400, 50)
	m.fund("idle@c.example", 90, 40)
	m.fund("alice@a.example", 600, 50)
	m.budget("alice@a.example", 100)
	m.fund("anna@a.example", 600, 200)
	m.fund("axel@a.example", 300, 300)
	m.fund("dora@a.example", 200, 80)
	m.fund("bob@b.example", 500, 125)
	m.fund("bea@b.example", 300, 100)
	m.flattr("alice@a.example", "bob@b.example/1", "bob@b.example/2", "bob@b.example/3", "bea@b.example/1",
		"gone@b.example/1", "carl@c.example/1", "anna@a.example/1", "anna@a.example/2", "cora@c.example/1")
	m.flattr("anna@a.example", "bob@b.example/1", "gone@b.example/1", "carl@c.example/1", "alice@a.example/1")
	m.flattr("axel@a.example", "mute@d.example/1")
	m.flattr("dora@a.example", "xena@d.example/1", "yuri@d.example/1", "zoe@d.example/1", "zoe@d.example/2")
	m.flattr("poor@a.example", "bob@b.example/1")
	m.flattr("bob@b.example", "alice@a.example/1", "anna@a.example/1", "bea@b.example/1", "carl@c.example/1", "gone@a.example/1")
	m.flattr("bea@b.example", "bob@b.example/1", "anna@a.example/2", "alice@a.example/1", "carl@c.example/2")
	m.undo("bea@b.example", "axel@a.example/1")
	m.flattr("bea@b.example", "bob@b.example/1")
	m.flattr("carl@c.example", "gone@a.example/1", "bob@b.example/1")
	m.fund("cleo@c.example", 300, 90)
	m.flattr("cleo@c.example", "elsa@e.example/1", "emil@e.example/1", "ella@e.example/1")
	if o.Uneven {
		m.fund("odd@a.example", 200, 100)
		m.flattr("odd@a.example", "bob@b.example/1", "anna@a.example/1", "carl@c.example/1")
	}
	m.deliver()
	m.strangersVerdicts()
	m.keepersVerdicts()
}

// december: the budgets run on; bea's rolls over.
func (m *Months) december() {
	m.flattr("alice@a.example", "bob@b.example/1", "bea@b.example/1", "anna@a.example/1", "carl@c.example/1")
	m.flattr("anna@a.example", "bob@b.example/1", "bob@b.example/2", "alice@a.example/1", "bea@b.example/1")
	m.flattr("bob@b.example", "alice@a.example/1", "anna@a.example/1", "axel@a.example/1", "bea@b.example/1", "carl@c.example/1")
	m.flattr("carl@c.example", "bob@b.example/1", "alice@a.example/1")
	m.flattr("cleo@c.example", "elsa@e.example/1", "emil@e.example/1", "ella@e.example/1")
	m.flattr("idle@c.example", "carl@c.example/2")
	m.deliver()
	m.keepersVerdicts()
}

// january stays open: flattrs without a share, a budget that is lowered.
func (m *Months) january() {
	m.flattr("alice@a.example", "bob@b.example/2", "anna@a.example/1")
	m.flattr("bob@b.example", "bea@b.example/1")
	m.budget("bob@b.example", 50)
	m.deliver()
}

// decemberPayments: one cancelled, one that never arrives, one that is more than was announced, one
// on its way and one that is only ordered.
func (m *Months) decemberPayments() {
	for _, from := range m.hosts {
		for _, to := range append([]string{stranger, keeper}, m.hosts...) {
			if p, err := m.Post[from].Peer(context.Background(), to); err == nil {
				m.must(m.Post[from].SetThreshold(context.Background(), m.Post[from].Op.ID, p.Host, cents(1)))
			}
		}
	}
	ctx := context.Background()
	m.must(m.A.PaymentCancelled(ctx, m.A.Op.ID, m.order(m.A, "b.example").ID))
	m.must(m.B.PaymentNotReceived(ctx, m.B.Op.ID, m.pay(m.A, m.B).ID))
	excess := m.pay(m.B, m.A)
	m.must(m.A.ConfirmPayment(ctx, m.A.Op.ID, excess.ID, excess.Amount+cents(100)))
	m.pay(m.A, m.C)
	m.nettings()
	m.deliver()
}

// januaryPayments: one over two claims falls short, the next pays the rest exactly.
func (m *Months) januaryPayments() {
	ctx := context.Background()
	short := m.pay(m.A, m.B)
	m.must(m.B.ConfirmPayment(ctx, m.B.Op.ID, short.ID, short.Amount-cents(30)))
	m.deliver()
	rest := m.pay(m.A, m.B)
	m.must(m.B.ConfirmPayment(ctx, m.B.Op.ID, rest.ID, rest.Amount))
	m.deliver()
	m.pay(m.B, m.A)
}

// withdrawals: one paid, one refused, one open, at two instances.
func (m *Months) withdrawals() {
	ctx := context.Background()
	for _, handle := range []string{"bob@b.example", "anna@a.example"} {
		i, by := m.at(handle), m.members[handle].ID
		for n := range int64(3) {
			w, err := i.RequestWithdrawal(ctx, by, cents(10+n), "DE75512108001245126199")
			m.must(err)
			switch n {
			case 0:
				m.must(i.WithdrawalPaid(ctx, i.Op.ID, w.ID))
			case 1:
				m.must(i.WithdrawalRefused(ctx, i.Op.ID, w.ID))
			}
		}
	}
}

// strangersVerdicts: d.example takes dora's flattrs and is silent on axel's.
func (m *Months) strangersVerdicts() {
	ctx := context.Background()
	v, err := m.A.MyMonth(ctx, m.members["dora@a.example"].ID, "")
	m.must(err)
	for _, line := range v.Lines {
		m.must(m.A.FlattrAnswered(ctx, ledger.Verdict{Like: m.A.Instance().FlattrIRI(line.ID.String()),
			Host: stranger, Actor: "https://" + stranger + "/actor", Answer: "accept"}))
	}
}

// strangersAnswer: d.example refuses two lines of November's claim for two reasons and never
// answers the claim that takes its place.
func (m *Months) strangersAnswer() {
	m.must(m.A.ClaimAnswered(context.Background(), ledger.ClaimAnswer{Host: stranger,
		IRI: m.A.Instance().ClaimIRI(stranger, "2026-11", "EUR", 1), Refusals: []ledger.Refusal{
			{Payee: "https://d.example/users/xena", Reason: "blocked"},
			{Payee: "https://d.example/users/yuri", Reason: "not-accepting"}}}))
}

// strangersClaims: what b.example is owed by d.example. One claim replaces another that never came,
// one is smaller than a cent, one is refused and not replaced, one waits for its payment.
func (m *Months) strangersClaims() {
	const bob, bea, nobody, gone = "https://b.example/users/bob", "https://b.example/users/bea",
		"https://b.example/users/nobody", "https://b.example/users/gone"
	m.offer("2026-11", 2, 1, map[string]int64{bob: cents(30), bea: cents(20)})
	m.offer("2026-11", 3, 0, map[string]int64{bob: 5_000})
	m.offer("2026-12", 1, 0, map[string]int64{bob: cents(10), gone: cents(5), nobody: cents(20)})
	m.offer("2026-12", 2, 0, map[string]int64{bea: cents(7), bob: cents(7)})
}

// debtor: b.example advances what f.example owes, gets some of it back, and gives up the rest, of which some comes
// after all. The first proposal to give up is withdrawn, the last waits.
func (m *Months) debtor() {
	ctx, b, op := context.Background(), m.B, m.B.Op.ID
	const bea, keeper, key = "https://b.example/users/bea", "https://b.example/users/op", "zDebtor"
	_, err := b.PinPeer(ctx, ledger.PeerIdentity{Host: debtor, Actor: "https://f.example/actor", Inbox: "https://f.example/inbox",
		AccountingKey: key, AccountingKeyID: "https://f.example/actor#accounting-key"})
	m.must(err)
	second, err := b.CreateOperator(ctx, ledger.Joining{Name: "op2", PasswordHash: "x", Language: "en"})
	m.must(err)
	m.must(b.ConfirmPeerKey(ctx, op, debtor, key))
	m.must(b.SetAdvanceLimit(ctx, op, debtor, cents(40)))
	m.owe(1, map[string]int64{bea: cents(30), keeper: cents(20)})
	m.arrives(1, 20)
	off, err := b.ProposeWriteOff(ctx, op, debtor, "bankrupt, they say")
	m.must(err)
	m.must(b.WithdrawWriteOff(ctx, second.ID, off.ID))
	off, err = b.ProposeWriteOff(ctx, op, debtor, "bankrupt")
	m.must(err)
	m.must(b.ConfirmWriteOff(ctx, second.ID, off.ID))
	m.arrives(1, 10)
	m.owe(2, map[string]int64{bea: cents(4), keeper: cents(5)})
	_, err = b.ProposeWriteOff(ctx, second.ID, debtor, "still bankrupt")
	m.must(err)
	dispute, err := b.OpenDispute(ctx, op, debtor, "https://f.example/claims/2026-11/b.example/EUR/2", "they say it was paid")
	m.must(err)
	m.must(b.NoteDispute(ctx, second.ID, dispute, "not to our bank"))
}

// owe sends b.example a claim of f.example.
func (m *Months) owe(n int32, lines map[string]int64) {
	m.t.Helper()
	o, err := StrangersOffer(debtor, "b.example", "2026-11", n, lines)
	m.must(err)
	m.must(m.B.ReceiveClaim(context.Background(), o))
}

// arrives lets so many cents of f.example come for its claim n.
func (m *Months) arrives(n, amount int64) {
	m.t.Helper()
	ctx, iri := context.Background(), fmt.Sprint("https://f.example/payments/", amount)
	m.must(m.B.ReceivePayment(ctx, ledger.PaymentNotice{IRI: iri, Host: debtor, Amount: cents(amount), Currency: "EUR", Method: "bank",
		Reference: fmt.Sprint("E", amount), PaidAt: m.Clock.Now(), Content: iri,
		Allocations: []ledger.NoticedAllocation{{Claim: fmt.Sprint("https://f.example/claims/2026-11/b.example/EUR/", n), Amount: cents(amount)}}}))
	d, err := m.B.PaymentDocument(ctx, iri)
	m.must(err)
	m.must(m.B.ConfirmPayment(ctx, m.B.Op.ID, d.ID, cents(amount)))
}
