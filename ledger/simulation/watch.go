package simulation

import "github.com/fedflattr/flattrd/ledger/pair"

// What must show at once, because it would be gone when all is quiet.

// watchContent: who has got a second content under an id that it knows has frozen whoever sent it.
func (w *world) watchContent(h *host, m *message) {
	s := &h.books.sides[m.from]
	if m.kind != claimDocument && m.kind != paymentNotice || s.frozen != "" {
		return
	}
	known := ""
	if c := s.claim(m.document.id); c != nil {
		known = c.Content
	} else if y := s.payment(m.document.id); y != nil {
		known = y.Content
	}
	if known != "" && known != m.document.content() {
		w.violation(pairOf(h.no, m.from), "%s has two contents, and nobody says so", m.document.id)
	}
}

// watchRecords: records that contradict each other have frozen the pair.
func (w *world) watchRecords(h *host, peer int, theirs []pair.Record) {
	s := &h.books.sides[peer]
	if s.frozen != "" {
		return
	}
	for _, t := range theirs {
		for _, r := range h.records(peer)[0] {
			if r.ID == t.ID && (r.Content != t.Content || r.Answer != t.Answer && r.Answer != "" && t.Answer != "") {
				w.violation(pairOf(h.no, peer), "the sides contradict each other about %s, and nobody says so", r.ID)
			}
		}
	}
}

// watchRelease: a hold ends by the answer to the question that was asked last, when that shows nothing of ours that
// we lack.
func (w *world) watchRelease(h *host, peer int, t *pair.Statement) {
	who, kept := pairOf(h.no, peer), h.books.documents
	if asked := h.books.sides[peer].standing.Asked; asked == "" || t.InReplyTo != asked {
		w.violation(who, "%s goes on without an answer to %q", h.name, asked)
	}
	for _, r := range t.Records {
		lacks := r.Ours && kept[r.ID] == nil || !r.Ours && r.Answer != "" && kept[r.ID+"#answer"] == nil
		if lacks {
			w.violation(who, "%s goes on and lacks what it has signed of %s", h.name, r.ID)
		}
	}
}
