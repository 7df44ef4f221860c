package simulation

import (
	"github.com/fedflattr/flattrd/ledger/pair"
)

// judge holds a world that is quiet to the invariants (protocol §10).
func (w *world) judge() {
	for _, h := range w.hosts {
		if h.liar {
			continue
		}
		w.judgeBooks(h)
		for _, peer := range w.hosts {
			if peer == h {
				continue
			}
			w.judgeSide(h, peer.no)
			w.judgeChains(h, peer.no)
			if !peer.liar {
				w.judgeFreeze(h, peer)
				w.judgeAlive(h, peer)
			}
			if !peer.liar && h.no < peer.no {
				w.judgePair(h, peer)
			}
		}
	}
}

// judgeBooks: all accounts sum to zero, the bank's word is that of the books, and no budget is more or less than its
// shares.
func (w *world) judgeBooks(h *host) {
	b := h.books
	sum := b.bank + b.clearing + b.suspense + b.recovery + b.earned
	for _, m := range b.means {
		if sum += m; m > 0 {
			w.violation(h.name, "a giver's means are overdrawn by %d", m)
		}
	}
	for i := range b.sides {
		s := &b.sides[i]
		sum += s.payable + s.receivable + s.announced + s.credit
	}
	if sum != 0 || b.clearing != 0 {
		w.violation(h.name, "the accounts sum to %d, clearing %d", sum, b.clearing)
	}
	w.judgeBank(h)
	for _, m := range b.months {
		left := m.budget - m.rolled
		for _, s := range b.shares {
			if s.period == m.period && s.giver == m.giver {
				left -= s.amount
			}
		}
		if left != 0 {
			w.violation(h.name, "%s of giver %d: %d micro-units of the budget are nowhere", m.period, m.giver, left)
		}
	}
}

// judgeBank: what the bank says is what the books say, but for suspense and for payments that nobody has answered.
func (w *world) judgeBank(h *host) {
	w.importJournal(h)
	b, open := h.books, int64(0)
	for _, e := range w.bank.journals[h.no] {
		if e.peer < 0 {
			continue
		}
		y := b.sides[e.peer].byReference(e.reference, e.incoming)
		switch {
		case y == nil || y.Answered() || y.State == pair.Cancelled:
		case e.incoming:
			open -= e.amount
		default:
			open += e.amount
		}
	}
	if real := w.bank.balance(h.no); b.bank != real+open {
		w.violation(h.name, "the bank has %d, the books %d, suspense %d, %d unanswered", real, b.bank, b.suspense, open)
	}
}

// judgeChains: of a claim and its successor at most one is owed, and an honest host owes a peer one claim for a month.
func (w *world) judgeChains(h *host, peer int) {
	s := &h.books.sides[peer]
	who, months := h.name+" towards "+hostName(peer), map[string]string{}
	for _, c := range s.claims {
		if old := s.claim(c.Supersedes); old != nil && old.Binding() {
			w.violation(who, "%s is owed although %s replaces it", old.IRI, c.IRI)
		}
		if c.Incoming || c.IRI == "" || c.State == pair.Superseded || c.State == pair.Replaced {
			continue
		}
		if other := months[c.Period]; other != "" {
			w.violation(who, "%s is offered twice: %s, %s", c.Period, other, c.IRI)
		}
		months[c.Period] = c.IRI
	}
}

// judgeSide holds one side's accounts to its own records.
func (w *world) judgeSide(h *host, peer int) {
	s := &h.books.sides[peer]
	who := h.name + " towards " + hostName(peer)
	payable, receivable, pending := int64(0), int64(0), int64(0)
	for i := range s.claims {
		c := s.claims[i]
		paid := int64(0)
		if c.IRI != "" {
			var allocated int64
			if allocated, paid = s.covered(c.IRI); allocated > c.Amount {
				w.violation(who, "%s: payments cover %d of %d", c.IRI, allocated, c.Amount)
			}
		}
		if c.Incoming && c.Binding() {
			receivable += c.Amount - paid
		} else if !c.Incoming {
			payable += owes(c) - paid
		}
	}
	for _, y := range s.payments {
		if !y.Incoming && (y.State == pair.Ordered || y.State == pair.Sent) {
			pending += y.Amount
		}
	}
	if -s.payable != payable || s.payablePending != pending {
		w.violation(who, "payable is %d and %d reserved, its claims say %d and %d", -s.payable, s.payablePending, payable, pending)
	}
	if s.receivable != receivable || -s.announced != receivable {
		w.violation(who, "receivable is %d, announced %d, its claims say %d", s.receivable, -s.announced, receivable)
	}
}

// owes is what a claim of ours stands for in payable, before payments.
func owes(c pair.Claim) (amount int64) {
	switch c.State {
	case pair.Superseded, pair.Replaced:
		return 0
	case pair.Refused:
		for _, l := range c.Lines {
			if !refuses(c, l.Payee) {
				amount += l.Amount
			}
		}
		return amount
	}
	return c.Amount
}

// judgeFreeze: honest hosts that were never put back don't freeze each other.
func (w *world) judgeFreeze(h, peer *host) {
	frozen := h.books.sides[peer.no].frozen
	if frozen != "" && h.losses+peer.losses == 0 {
		w.violation(pairOf(h.no, peer.no), "%s froze an honest peer: %s", h.name, frozen)
	}
	if other := peer.books.sides[h.no].frozen; h.no < peer.no && (frozen != "" || other != "") {
		w.result.Frozen++
	}
}

func frozenPair(a, b *host) bool {
	return a.books.sides[b.no].frozen != "" || b.books.sides[a.no].frozen != ""
}

// judgeAlive: nothing between honest hosts that trust each other waits for ever.
func (w *world) judgeAlive(h, peer *host) {
	s := &h.books.sides[peer.no]
	who := h.name + " towards " + peer.name
	for _, c := range s.claims {
		if !c.Incoming && c.State != pair.Draft {
			w.result.Claims++
		}
		switch {
		case frozenPair(h, peer) || c.Incoming:
		case c.State == pair.Offered || c.State == pair.Draft,
			c.State == pair.Refused && len(c.Refusals) < len(c.Lines):
			w.violation(who, "claim %q of %s is still %s", c.IRI, c.Period, c.State)
		}
	}
	for _, y := range s.payments {
		if !y.Incoming {
			w.result.Payments++
		}
		if !frozenPair(h, peer) && !y.Answered() && y.State != pair.Cancelled {
			w.violation(who, "payment %s is still %s", y.IRI, y.State)
		}
	}
	if frozenPair(h, peer) {
		return
	}
	if s.standing.Held {
		w.violation(who, "is held for ever")
	}
	for _, j := range h.books.outbox {
		if j.to == peer.no && j.kind != statement {
			w.violation(who, "%s of %s can't be delivered", j.kind, j.document.id)
		}
	}
}

// judgePair: both sides tell the same of every document and of what is owed.
func (w *world) judgePair(a, b *host) {
	if frozenPair(a, b) {
		return
	}
	who := pairOf(a.no, b.no)
	there := map[string]pair.Record{}
	for _, r := range b.records(a.no)[1] {
		there[r.ID] = r
	}
	for _, r := range a.records(b.no)[0] {
		if there[r.ID] != r {
			w.violation(who, "%+v here, %+v there", r, there[r.ID])
		}
		delete(there, r.ID)
	}
	for id := range there {
		w.violation(who, "only %s has %s", b.name, id)
	}
	for _, side := range [2][2]*host{{a, b}, {b, a}} {
		owed, due := side[0].books.sides[side[1].no].payable, side[1].books.sides[side[0].no].receivable
		if owed+due != 0 {
			w.violation(who, "%s owes %d, %s is owed %d", side[0].name, -owed, side[1].name, due)
		}
	}
}
