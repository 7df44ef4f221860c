package simulation

import (
	"strconv"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// operate is an operator's day: first the account statement is imported, then what it shows is confirmed, then
// orders go to the bank. Each step is a transaction, and the machine may die between two.
func (w *world) operate(h *host) {
	w.importJournal(h)
	for peer := range h.books.sides {
		if peer == h.no {
			continue
		}
		steps := []func(*host, int){w.confirmIncoming, w.placeOrders, w.pay, w.net}
		for _, step := range steps {
			if step(h, peer); !h.up || w.crashes(h) {
				return
			}
		}
	}
}

// importJournal books deposits that are new, and puts into suspense what the bank did and no payment explains.
func (w *world) importJournal(h *host) {
	b, journal := h.books, w.bank.journals[h.no]
	for ; b.imported < len(journal); b.imported++ {
		b.entries = append(b.entries, explained{})
		if e := journal[b.imported]; e.peer < 0 {
			move(&b.bank, &b.means[e.giver], e.amount)
		}
	}
	for i, e := range journal {
		if e.peer >= 0 {
			w.explain(h, i, e)
		}
	}
}

// explain keeps in suspense what of an entry is in no answered payment.
func (w *world) explain(h *host, i int, e entry) {
	b, x := h.books, &h.books.entries[i]
	want := e.amount
	switch y := b.sides[e.peer].byReference(e.reference, e.incoming); {
	case y == nil && x.doubted == 0:
		x.doubted = w.now
	case y == nil:
	case y.State == pair.Paid && e.incoming:
		want -= y.Received
	case y.State == pair.Paid:
		want -= y.Amount
	case y.State == pair.Ordered || y.State == pair.Sent || y.State == pair.Announced:
		want = 0
	}
	if e.incoming {
		want = -want
	}
	if want != x.suspense {
		w.say("%s's operator: of %q, %d micro-units stand in suspense", h.name, e.reference, want)
	}
	move(&b.suspense, &b.bank, want-x.suspense)
	x.suspense = want
}

// inDoubt tells whether the bank has paid a peer what the books don't know: for some days, somebody may still return
// the notice.
func (w *world) inDoubt(h *host, peer int) bool {
	for i, e := range w.bank.journals[h.no][:h.books.imported] {
		if !e.incoming && e.peer == peer && w.now-h.books.entries[i].doubted < patience &&
			h.books.sides[peer].byReference(e.reference, false) == nil {
			return true
		}
	}
	return false
}

func (s *side) byReference(reference string, incoming bool) *pair.Payment {
	for i := range s.payments {
		if y := &s.payments[i]; y.Incoming == incoming && y.Reference == reference && y.Method != pair.Netting {
			return &y.Payment
		}
	}
	return nil
}

// confirmIncoming tells the peer what of its payments has arrived.
func (w *world) confirmIncoming(h *host, peer int) {
	s := &h.books.sides[peer]
	for i := range s.payments {
		y := s.payments[i]
		if !y.Incoming || y.State != pair.Announced {
			continue
		}
		arrived := int64(0)
		for _, e := range w.bank.journals[h.no][:h.books.imported] {
			if e.incoming && e.peer == peer && e.reference == y.Reference {
				arrived += e.amount
			}
		}
		switch {
		case arrived > 0:
			w.act(h, peer, "receive", pair.Receive(w.peer(h, peer), y.Payment, s.claim, arrived))
		case w.now-y.since > patience:
			w.act(h, peer, "miss", pair.Miss(w.peer(h, peer), y.Payment))
		}
	}
}

// act commits what an operator does.
func (w *world) act(h *host, peer int, what string, d pair.Decision) {
	if d.Fault == nil && (len(d.Payments) > 0 || d.Freeze != "") {
		w.say("%s's operator: %s%s", h.name, what, verdict(d))
		w.commit(h, peer, d)
	}
}

// placeOrders gives prepared payments to the bank, and then tells the peer. What the bank knows isn't ordered again,
// and what it has is never cancelled.
func (w *world) placeOrders(h *host, peer int) {
	s := &h.books.sides[peer]
	for i := range s.payments {
		y := s.payments[i].Payment
		if y.Incoming || y.State != pair.Ordered {
			continue
		}
		known := w.bank.ordered(h.no, y.Reference)
		if !known && (w.chance(250) || w.quiet()) {
			w.act(h, peer, "cancel", pair.Cancel(y))
			continue
		}
		if s.standing.Held || !known && w.inDoubt(h, peer) {
			continue
		}
		w.order(h.no, peer, y.Reference, y.Amount)
		if w.crashes(h) {
			return
		}
		w.act(h, peer, "send", pair.Send(w.peer(h, peer), y))
	}
}

// pay prepares a payment of what is owed.
func (w *world) pay(h *host, peer int) {
	s := &h.books.sides[peer]
	if w.quiet() || !w.chance(400) {
		return
	}
	claims := s.open(false)
	if _, amount := pair.Allocate(claims); amount < 1_000_000 || w.inDoubt(h, peer) {
		return
	}
	reference := "R" + strconv.FormatInt(w.serial(), 10)
	w.act(h, peer, "order", pair.Order(w.peer(h, peer), claims, pair.Payment{IRI: h.name + "/payments/" + reference,
		Method: "bank", Reference: reference}))
}

// net proposes that both sides' claims pay each other.
func (w *world) net(h *host, peer int) {
	s := &h.books.sides[peer]
	if w.quiet() || !w.chance(200) {
		return
	}
	iri := h.name + "/nettings/" + strconv.FormatInt(w.serial(), 10)
	w.act(h, peer, "net", pair.Net(w.peer(h, peer), h.name, s.open(false), s.open(true), pair.Payment{IRI: iri}))
}
