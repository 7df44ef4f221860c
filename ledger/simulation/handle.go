package simulation

import (
	"github.com/fedflattr/flattrd/ledger/pair"
)

// take is what a host does with a message: it decides, and commits the decision. The machine may die before and
// after that. Not ok: nobody answers any more. Not acknowledged: it is to come again.
func (w *world) take(h *host, m *message) (acknowledged, ok bool) {
	if m.document.to != h.no && m.kind != returned || w.crashes(h) {
		return false, false
	}
	if m.kind == statement {
		w.compare(h, m.from, m.document)
		return true, !w.crashes(h)
	}
	d := w.decide(h, m)
	if w.trace != nil {
		w.say("%s → %s: %s %s%s", hostName(m.from), h.name, m.kind, m.document.id, verdict(d))
	}
	if d.Fault != nil {
		w.note(h, d.Fault.Code, m.document.id, 0)
		return false, true
	}
	w.commit(h, m.from, d)
	w.watchContent(h, m)
	if d.Conflict == "" {
		h.keep(m.document)
		if m.answer != nil {
			h.keep(m.answer)
		}
	}
	return d.Conflict == "", !w.crashes(h)
}

func verdict(d pair.Decision) string {
	switch {
	case d.Fault != nil:
		return ": " + d.Fault.Error()
	case d.Conflict != "":
		return ": conflict: " + d.Conflict
	}
	return ""
}

// decide asks package pair.
func (w *world) decide(h *host, m *message) pair.Decision {
	p, s, d := w.peer(h, m.from), &h.books.sides[m.from], m.document
	switch {
	case m.kind == returned && (m.answer != nil || d.author == h.no):
		return w.adopt(h, m)
	case d.author != m.from:
		return pair.Decision{Conflict: "somebody else's"}
	case d.kind == claimDocument:
		return w.takeOffer(h, p, s, d)
	case d.kind == paymentNotice:
		n := d.readBy(h.no)
		return pair.TakeNotice(p, h.name, s.payment(d.id), s.claim, n)
	case d.kind == claimAnswer:
		c := s.claim(d.id)
		if c == nil {
			return pair.Decision{Fault: &pair.Fault{Code: "unknown-claim", Detail: d.id}}
		}
		return pair.TakeAnswer(p, *c, func() (int32, string) { return h.next(m.from, c.Period) }, d.answer)
	default:
		y := s.payment(d.id)
		if y == nil || y.Incoming {
			return pair.Decision{Fault: &pair.Fault{Code: "unknown-payment", Detail: d.id}}
		}
		return pair.TakeReceipt(*y, s.claim, d.received)
	}
}

func (w *world) takeOffer(h *host, p pair.Peer, s *side, d *document) pair.Decision {
	judge := func(lines []pair.Line) []pair.Refusal { return h.judgeLines(lines) }
	t := pair.Terms{Open: periodOf(w.now), Since: periods[0], Room: 1_000_000_000_000}
	k := pair.Known{Claim: s.claim(d.id), Superseded: s.claim(d.offer.Supersedes)}
	decision := pair.TakeOffer(p, t, k, *d.offer, judge)
	for _, post := range decision.Post {
		if post.Kind == pair.Announce && k.Claim == nil && len(judge(d.offer.Lines)) > 0 {
			w.violation(pairOf(h.no, d.author), "%s is accepted for payees who aren't here", d.id)
		}
	}
	return decision
}

// judgeLines refuses lines for whom this host doesn't know or who has left.
func (h *host) judgeLines(lines []pair.Line) (refusals []pair.Refusal) {
	for _, l := range lines {
		at := h.books.member(l.Payee)
		switch {
		case at < 0:
			refusals = append(refusals, pair.Refusal{Payee: l.Payee, Reason: "unknown-payee"})
		case h.books.members[at].left:
			refusals = append(refusals, pair.Refusal{Payee: l.Payee, Reason: "deleted"})
		}
	}
	return refusals
}

// adopt takes back what this host has signed before a restore. Who signed it is proven by the documents, so the
// peer can make nothing up.
func (w *world) adopt(h *host, m *message) pair.Decision {
	p, s, d, a := w.peer(h, m.from), &h.books.sides[m.from], m.document, m.answer
	ours := d.author == h.no && d.to == m.from
	switch {
	case !ours && (d.author != m.from || d.to != h.no || a == nil || a.author != h.no || a.of != d.content()),
		ours && a != nil && a.author != m.from, a != nil && a.id != d.id:
		return pair.Decision{Conflict: "not both of these are ours"}
	case d.kind == claimDocument && ours:
		k := pair.Known{Claim: s.claim(d.id), Superseded: s.claim(d.offer.Supersedes)}
		var answer *pair.Answer
		if a != nil {
			answer = &a.answer
		}
		return pair.AdoptOffer(p, k, *d.offer, answer, func() (int32, string) { return h.next(m.from, d.offer.Period) })
	case d.kind == claimDocument:
		return pair.AdoptAnswer(pair.Known{Claim: s.claim(d.id), Superseded: s.claim(d.offer.Supersedes)}, *d.offer, a.answer)
	case ours && a == nil:
		return pair.AdoptPayment(p, s.payment(d.id), s.claim, d.readBy(h.no), nil)
	case ours:
		return pair.AdoptPayment(p, s.payment(d.id), s.claim, d.readBy(h.no), &a.received)
	}
	return pair.AdoptReceipt(p, s.payment(d.id), s.claim, d.readBy(h.no), a.received)
}
