package simulation

import (
	"github.com/fedflattr/flattrd/ledger/pair"
)

// commit does all that a decision says, at once.
func (w *world) commit(h *host, peer int, d pair.Decision) {
	s := &h.books.sides[peer]
	s.changed = true
	if d.Freeze != "" && s.frozen == "" {
		s.frozen = d.Freeze
		w.say("%s freezes %s: %s", h.name, hostName(peer), d.Freeze)
	}
	for _, c := range d.Claims {
		w.storeClaim(h, peer, c)
	}
	for _, y := range d.Payments {
		w.storePayment(h, peer, y)
	}
	for _, p := range d.Post {
		w.post(h, peer, p)
	}
	for _, m := range d.Tell {
		w.tell(h, peer, m)
	}
	if d.Restored {
		w.say("%s knows now that it lost what it had signed for %s", h.name, hostName(peer))
		w.restored(h, peer)
	}
}

func (w *world) storeClaim(h *host, peer int, c pair.Claim) {
	s := &h.books.sides[peer]
	switch {
	case c.Row == 0 && c.IRI != "" && s.find(c.IRI) >= 0:
		w.violation(pairOf(h.no, peer), "%s would stand in the books twice", c.IRI)
		return
	case c.Row == 0:
		c.Row = int64(len(s.claims)) + 1
		s.claims = append(s.claims, c)
	default:
		s.claims[c.Row-1] = c
	}
	if w.trace != nil {
		w.say("%s: claim %s %s is %s, %d micro-units", h.name, c.IRI, c.Period, c.State, c.Amount)
	}
	w.note(h, string(c.State), c.IRI, c.Amount)
	if c.Incoming && c.Content != "" && (sumOf(c.Lines) != c.Amount || digest(c.Lines) != c.Digest) {
		w.violation(pairOf(h.no, peer), "%s is taken with lines that don't fit", c.IRI)
	}
}

func (w *world) storePayment(h *host, peer int, y pair.Payment) {
	s := &h.books.sides[peer]
	if y.Row == 0 {
		y.Row = int64(len(s.payments)) + 1
		s.payments = append(s.payments, payment{Payment: y, since: w.now})
	}
	s.payments[y.Row-1].Payment = y
	if w.trace != nil {
		w.say("%s: payment %s by %s is %s, %d of %d micro-units", h.name, y.IRI, y.Method, y.State, y.Received, y.Amount)
	}
	w.note(h, y.State, y.IRI, y.Received)
}

// tell signs what isn't signed yet and puts it into the outbox.
func (w *world) tell(h *host, peer int, m pair.Message) {
	s := &h.books.sides[peer]
	var d *document
	switch c, y := s.claim(m.Key), s.payment(m.Key); m.What {
	case pair.TellClaim:
		d = newOffer(h.no, peer, *c)
		c.Content, c.Digest, c.Allocated, c.Paid = d.offer.Content, d.offer.Digest, 0, 0
		s.claims[c.Row-1] = *c
	case pair.TellClaimAnswer:
		d = &document{kind: claimAnswer, author: h.no, to: peer, id: c.IRI, of: c.Content, answer: pair.Answer{Claim: c.IRI,
			Accepted: c.Answer == pair.Accept, Refusals: c.Refusals}}
	case pair.TellPayment:
		d = sealPayment(h.no, peer, *y, w.now/day)
		y.Content = d.payment.Content
		s.payments[y.Row-1].Payment = *y
	case pair.TellPaymentAnswer:
		d = &document{kind: paymentAnswer, author: h.no, to: peer, id: y.IRI, of: y.Content, received: y.Received}
	}
	w.enqueue(h, job{to: peer, kind: d.kind, document: h.keep(d)})
}

// keep files a document; the first stands.
func (h *host) keep(d *document) *document {
	if first, ok := h.books.documents[d.key()]; ok {
		return first
	}
	h.books.documents[d.key()] = d
	return d
}

func sumOf(lines []pair.Line) (amount int64) {
	for _, l := range lines {
		amount += l.Amount
	}
	return amount
}

func pairOf(a, b int) string { return hostName(a) + "–" + hostName(b) }
