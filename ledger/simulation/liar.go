package simulation

import (
	"math"
	"slices"
	"strconv"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// lie lets a liar do one of the things that it may try. Beside that it does what everybody does. It can sign
// anything in its own name, and repeat whatever it has seen, but can't sign for others.
func (w *world) lie(h *host) {
	victim := w.hosts[w.rng.IntN(len(w.hosts))].no
	if victim == h.no || !h.up {
		return
	}
	lies := []func(*host, int) []*document{w.otherAmounts, w.wrongSums, w.wrongDigest, w.strangers, w.supersedeAccepted,
		w.otherAnswer, w.overpay, w.crossNettings, w.falseStatement, w.otherReceipt, w.replay, w.wildSequence,
		w.successorFirst, w.otherReturn}
	for _, d := range lies[w.rng.IntN(len(lies))](h, victim) {
		w.result.Lies++
		w.say("%s lies to %s: %s %s", h.name, hostName(victim), d.kind, d.id)
		w.send(message{from: h.no, to: victim, kind: d.kind, document: d})
	}
}

// pick draws one of the claims that fit; nil if none does.
func (w *world) pick(s *side, fits func(pair.Claim) bool) *pair.Claim {
	var found []string
	for _, c := range s.claims {
		if c.IRI != "" && c.Content != "" && fits(c) {
			found = append(found, c.IRI)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return s.claim(found[w.rng.IntN(len(found))])
}

func outgoing(c pair.Claim) bool { return !c.Incoming }

// otherAmounts signs a claim a second time with other amounts.
func (w *world) otherAmounts(h *host, victim int) []*document {
	c := w.pick(&h.books.sides[victim], outgoing)
	if c == nil {
		return nil
	}
	c.Lines = slices.Clone(c.Lines)
	c.Lines[0].Amount += 1 + w.rng.Int64N(1_000_000)
	c.Amount = sumOf(c.Lines)
	return []*document{newOffer(h.no, victim, *c)}
}

// invented is a claim out of nothing, for payees of the victim.
func (w *world) invented(h *host, victim int) pair.Claim {
	period := periods[w.rng.IntN(int(w.now/month))]
	n := int32(50 + w.serial()%1000)
	c := pair.Claim{IRI: claimIRI(h.no, victim, period, n), Period: period, N: n}
	for _, payee := range w.directory {
		if authorOf(payee) == victim && len(c.Lines) < 3 {
			c.Lines = addLine(c.Lines, payee, 1+w.rng.Int64N(2_000_000))
		}
	}
	c.Amount = sumOf(c.Lines)
	return c
}

func (w *world) wrongSums(h *host, victim int) []*document {
	c := w.invented(h, victim)
	c.Amount += 1 + w.rng.Int64N(1000)
	return []*document{newOffer(h.no, victim, c)}
}

func (w *world) wrongDigest(h *host, victim int) []*document {
	d := newOffer(h.no, victim, w.invented(h, victim))
	d.offer.Digest = "other"
	return []*document{sealOffer(h.no, victim, *d.offer)}
}

// strangers claims for payees that nobody knows.
func (w *world) strangers(h *host, victim int) []*document {
	c := w.invented(h, victim)
	c.Lines = addLine(c.Lines, hostName(victim)+"/users/nobody", 1_000_000)
	c.Amount = sumOf(c.Lines)
	return []*document{newOffer(h.no, victim, c)}
}

// supersedeAccepted replaces a claim that stands.
func (w *world) supersedeAccepted(h *host, victim int) []*document {
	c := w.pick(&h.books.sides[victim], func(c pair.Claim) bool { return !c.Incoming && c.Binding() })
	if c == nil {
		return nil
	}
	c.Supersedes, c.N = c.IRI, int32(50+w.serial()%1000)
	c.IRI = claimIRI(h.no, victim, c.Period, c.N)
	return []*document{newOffer(h.no, victim, *c)}
}

// successorFirst replaces a claim that the victim hasn't seen, and then sends it.
func (w *world) successorFirst(h *host, victim int) []*document {
	first := w.invented(h, victim)
	second := first
	second.Supersedes, second.N = first.IRI, first.N+1
	second.IRI = claimIRI(h.no, victim, second.Period, second.N)
	return []*document{newOffer(h.no, victim, second), newOffer(h.no, victim, first)}
}

// otherReturn returns an offer of its own with other amounts, and the victim's answer to the first ones.
func (w *world) otherReturn(h *host, victim int) []*document {
	for _, d := range w.otherAmounts(h, victim) {
		if a := h.books.documents[d.id+"#answer"]; a != nil {
			w.result.Lies++
			w.say("%s lies to %s: returns %s", h.name, hostName(victim), d.id)
			w.send(message{from: h.no, to: victim, kind: returned, document: d, answer: a})
		}
	}
	return nil
}

// otherAnswer answers a claim a second time.
func (w *world) otherAnswer(h *host, victim int) []*document {
	c := w.pick(&h.books.sides[victim], func(c pair.Claim) bool { return c.Incoming && c.Answer != "" })
	if c == nil {
		return nil
	}
	a := pair.Answer{Claim: c.IRI, Accepted: c.Answer != pair.Accept}
	if !a.Accepted {
		a.Refusals = []pair.Refusal{{Payee: c.Lines[0].Payee, Reason: "deleted"}}
	}
	return []*document{{kind: claimAnswer, author: h.no, to: victim, id: c.IRI, answer: a}}
}

// bill is a payment out of nothing.
func (w *world) bill(h *host, victim int, method string, a ...pair.Allocation) *document {
	n := strconv.FormatInt(w.serial(), 10)
	y := pair.Payment{IRI: h.name + "/payments/L" + n, Method: method, Reference: "L" + n, Allocations: a}
	for _, part := range a {
		if part.Incoming == a[0].Incoming {
			y.Amount += part.Amount
		}
	}
	return sealPayment(h.no, victim, y, w.now)
}

// overpay allocates more than is open of a claim.
func (w *world) overpay(h *host, victim int) []*document {
	c := w.pick(&h.books.sides[victim], func(c pair.Claim) bool { return !c.Incoming && c.Binding() })
	if c == nil {
		return nil
	}
	d := w.bill(h, victim, "bank", pair.Allocation{Claim: c.IRI, Amount: c.Amount - c.Amount%10_000 + 10_000})
	w.order(h.no, victim, d.payment.Reference, d.payment.Amount)
	return []*document{d}
}

// crossNettings proposes two nettings of the same claims.
func (w *world) crossNettings(h *host, victim int) []*document {
	s := &h.books.sides[victim]
	ours := w.pick(s, func(c pair.Claim) bool { return !c.Incoming && c.Binding() })
	theirs := w.pick(s, func(c pair.Claim) bool { return c.Incoming && c.Binding() })
	if ours == nil || theirs == nil {
		return nil
	}
	amount := min(ours.Amount, theirs.Amount)
	a := []pair.Allocation{{Claim: ours.IRI, Amount: amount}, {Claim: theirs.IRI, Incoming: true, Amount: amount}}
	return []*document{w.bill(h, victim, pair.Netting, a...), w.bill(h, victim, pair.Netting, a...)}
}

// falseStatement tells of other contents, or of what doesn't exist.
func (w *world) falseStatement(h *host, victim int) []*document {
	records := slices.Clone(h.records(victim)[1])
	switch w.rng.IntN(4) {
	case 0:
		records = append(records, pair.Record{ID: hostName(victim) + "/claims/invented/1", Ours: true, Content: "x", Answer: "accept"})
	case 1:
		records = append(records, pair.Record{ID: h.name + "/claims/invented/2", Content: "x", Answer: "accept"})
	case 2:
		records = records[:len(records)/2]
	default:
		if len(records) > 0 {
			records[w.rng.IntN(len(records))].Content = "other"
		}
	}
	return []*document{w.anyStatement(h, victim, h.books.sides[victim].standing.Seen, records)}
}

// wildSequence has seen what nobody has sent.
func (w *world) wildSequence(h *host, victim int) []*document {
	seen := []int64{math.MaxInt64, 1 << 40, -1}[w.rng.IntN(3)]
	return []*document{w.anyStatement(h, victim, seen, h.records(victim)[1])}
}

func (w *world) anyStatement(h *host, victim int, seen int64, records []pair.Record) *document {
	id := h.name + "/statements/L" + strconv.FormatInt(w.serial(), 10)
	return &document{kind: statement, author: h.no, to: victim, id: id, statement: &pair.Statement{ID: id,
		Sequence: seen, Seen: seen, Records: records, Balance: w.rng.Int64N(1000)}}
}

// otherReceipt answers a payment a second time, or falsely.
func (w *world) otherReceipt(h *host, victim int) []*document {
	for _, y := range h.books.sides[victim].payments {
		if y.Incoming && w.chance(500) {
			received := 10_000 * w.rng.Int64N(1+2*y.Amount/10_000)
			return []*document{{kind: paymentAnswer, author: h.no, to: victim, id: y.IRI, received: received}}
		}
	}
	return nil
}

// replay repeats a document that it once sent or got.
func (w *world) replay(h *host, victim int) []*document {
	var old []string
	for key, d := range h.books.documents {
		if d.to == victim || d.author == victim {
			old = append(old, key)
		}
	}
	if len(old) == 0 {
		return nil
	}
	slices.Sort(old)
	return []*document{h.books.documents[old[w.rng.IntN(len(old))]]}
}
