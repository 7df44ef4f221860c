package simulation

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// tellAll makes the day's statements.
func (w *world) tellAll(h *host) {
	for _, peer := range w.hosts {
		h.books.sides[peer.no].heldAt(w.now)
		if s := &h.books.sides[peer.no]; len(s.claims) > 0 && (!w.quiet() || w.now/day%4 == 0) {
			w.makeStatement(h, peer.no, "")
		}
	}
}

// heldAt notes since when a side is held.
func (s *side) heldAt(now int64) {
	switch {
	case !s.standing.Held:
		s.held = 0
	case s.held == 0:
		s.held = now
	}
}

// makeStatement signs a statement for a peer; a newer one makes an older one in the outbox needless. Its id is
// drawn, because after a restore the same sequence number comes again.
func (w *world) makeStatement(h *host, peer int, inReplyTo string) {
	s := &h.books.sides[peer]
	s.standing.Sent++
	id := h.name + "/statements/" + strconv.FormatInt(w.serial(), 10)
	records := h.records(peer)
	d := &document{kind: statement, author: h.no, to: peer, id: id,
		statement: &pair.Statement{ID: id, InReplyTo: inReplyTo, Sequence: s.standing.Sent, Seen: s.standing.Seen,
			Records: records[1], Balance: s.balance}}
	if inReplyTo == "" && s.standing.Held {
		s.standing.Asked = d.id
	}
	h.books.outbox = slices.DeleteFunc(h.books.outbox, func(j job) bool {
		return j.to == peer && j.kind == statement && (j.document.statement.InReplyTo == "") == (inReplyTo == "")
	})
	w.enqueue(h, job{to: peer, kind: statement, document: d})
}

// records lists what is on record with a peer, as this side sees it and as the other one reads it.
func (h *host) records(peer int) [2][]pair.Record {
	s := &h.books.sides[peer]
	if !s.changed {
		return s.told
	}
	s.changed, s.balance = false, 0
	ours := make([]pair.Record, 0, len(s.claims)+len(s.payments))
	for i := range s.claims {
		if c := &s.claims[i]; c.IRI != "" && c.Content != "" {
			ours = append(ours, pair.Record{ID: c.IRI, Ours: !c.Incoming, Content: c.Content, Answer: answerDigest(*c)})
			if c.Binding() {
				s.balance += owed(c.Incoming, c.Amount)
			}
		}
	}
	for i := range s.payments {
		if y := &s.payments[i]; y.Content != "" {
			ours = append(ours, pair.Record{ID: y.IRI, Ours: !y.Incoming, Content: y.Content, Answer: receipt(y.Payment)})
			if y.State == pair.Paid && y.Method != pair.Netting {
				s.balance -= owed(y.Incoming, min(y.Amount, y.Received))
			}
		}
	}
	theirs := slices.Clone(ours)
	for i := range theirs {
		theirs[i].Ours = !theirs[i].Ours
	}
	s.told = [2][]pair.Record{ours, theirs}
	return s.told
}

func owed(incoming bool, amount int64) int64 {
	if incoming {
		return amount
	}
	return -amount
}

func receipt(y pair.Payment) string {
	switch y.State {
	case pair.Paid:
		return fmt.Sprintf("received %d", y.Received)
	case pair.NotReceived:
		return "received 0"
	}
	return ""
}

// compare holds a peer's statement against the books.
func (w *world) compare(h *host, peer int, d *document) {
	s := &h.books.sides[peer]
	c := pair.Compare(s.standing, h.records(peer)[0], s.balance, *d.statement)
	if w.trace != nil {
		w.say("%s → %s: statement %s in reply to %q: lost %t, restored %t, released %t, agreed %t, %d to return",
			hostName(peer), h.name, d.id, d.statement.InReplyTo, c.Lost, c.Restored, c.Released, c.Agreed, len(c.Return))
	}
	w.note(h, "statement", d.id, int64(len(c.Return)))
	if c.Released && s.frozen == "" {
		w.watchRelease(h, peer, d.statement)
	}
	s.standing = c.Standing
	if c.Fault != nil {
		return
	}
	if c.Freeze != "" && s.frozen == "" {
		s.frozen = c.Freeze
		w.say("%s freezes %s: %s", h.name, hostName(peer), c.Freeze)
	}
	if !c.Agreed {
		w.watchRecords(h, peer, d.statement.Records)
	}
	for _, r := range c.Return {
		w.giveReturn(h, peer, r)
	}
	switch {
	case c.Restored:
		w.makeStatement(h, peer, "")
	case c.Released:
		w.release(h, peer)
	}
	if c.Reply {
		w.makeStatement(h, peer, d.id)
	}
}

// giveReturn sends the peer what it lacks, unless it is on its way already: what it has signed and lost as an
// envelope of all that there is, else the part that has not come.
func (w *world) giveReturn(h *host, peer int, r pair.Return) {
	j := job{to: peer, document: h.books.documents[r.ID]}
	answer := h.books.documents[r.ID+"#answer"]
	switch {
	case r.Lost:
		j.kind, j.answer = returned, answer
	case r.Part == pair.Answered:
		j.document = answer
	}
	if j.document != nil && !r.Lost {
		j.kind = j.document.kind
	}
	if j.document == nil {
		w.violation(pairOf(h.no, peer), "%s is on record without its document", r.ID)
		return
	}
	for _, other := range h.books.outbox {
		if other.to == peer && other.kind == j.kind && other.document == j.document && other.answer == j.answer {
			return
		}
	}
	w.enqueue(h, j)
}

// release ends a hold.
func (w *world) release(h *host, peer int) {
	s := &h.books.sides[peer]
	var drafts, settled, left []pair.Claim
	for _, c := range s.claims {
		switch {
		case c.Incoming:
		case c.State == pair.Draft:
			drafts = append(drafts, c)
		default:
			settled = append(settled, c)
			if c.State == pair.Refused && len(c.Refusals) < len(c.Lines) {
				left = append(left, c)
			}
		}
	}
	taken := map[string]int32{}
	d := pair.Release(drafts, settled, left, func(period string) (int32, string) {
		n, _ := h.next(peer, period)
		n += taken[period]
		taken[period]++
		return n, claimIRI(h.no, peer, period, n)
	})
	w.commit(h, peer, d)
}
