package simulation

import (
	"slices"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// books are one host's database. Balances are debits less credits, in micro-units.
type books struct {
	sides     []side // by the peer's number
	documents map[string]*document
	outbox    []job
	members   []member
	shares    []share
	months    []settled

	bank, clearing, suspense, recovery, earned int64
	bankPending                                int64 // reserved for payments, to leave the bank
	means                                      []int64

	imported int         // how much of the bank's journal is in these books
	entries  []explained // each entry of it
}

// side is what a host has on record with one peer.
type side struct {
	claims   []pair.Claim
	payments []payment
	standing pair.Standing
	frozen   string
	held     int64 // since when, as the daily statement finds it; 0: it isn't

	payable, receivable, announced, credit int64
	payablePending, receivablePending      int64 // reserved for payments

	changed bool // what is told of it has to be computed anew
	told    [2][]pair.Record
	balance int64
}

type payment struct {
	pair.Payment
	since    int64 // when it was noticed or prepared
	reserved int64
}

// explained is what the books say of an entry of the bank's journal.
type explained struct {
	suspense int64 // what of it stands there
	doubted  int64 // since when it is in no payment
}

type member struct {
	name string
	left bool
}

// share is what a giver's month gives a payee.
type share struct {
	period, payee string
	giver         int
	amount        int64
	returned      bool
}

// settled is a giver's settled month.
type settled struct {
	period         string
	giver          int
	budget, rolled int64
}

func (b *books) clone() *books {
	c := *b
	c.sides = slices.Clone(b.sides)
	for i := range c.sides {
		s := &c.sides[i]
		s.claims, s.payments = slices.Clone(s.claims), slices.Clone(s.payments)
	}
	c.documents = make(map[string]*document, len(b.documents))
	for id, d := range b.documents {
		c.documents[id] = d
	}
	c.outbox, c.members, c.shares = slices.Clone(b.outbox), slices.Clone(b.members), slices.Clone(b.shares)
	c.months, c.means, c.entries = slices.Clone(b.months), slices.Clone(b.means), slices.Clone(b.entries)
	return &c
}

// member is a member's place, -1 for none.
func (b *books) member(name string) int {
	return slices.IndexFunc(b.members, func(m member) bool { return m.name == name })
}

// find is a claim's place, -1 for none.
func (s *side) find(iri string) int {
	return slices.IndexFunc(s.claims, func(c pair.Claim) bool { return c.IRI == iri })
}

// claim reads a claim with what payments cover of it; nil for none.
func (s *side) claim(iri string) *pair.Claim {
	at := s.find(iri)
	if at < 0 || iri == "" {
		return nil
	}
	c := s.claims[at]
	c.Allocated, c.Paid = s.covered(iri)
	return &c
}

// covered sums what payments cover of a claim, and what of that is confirmed.
func (s *side) covered(iri string) (allocated, paid int64) {
	for i := range s.payments {
		y := &s.payments[i]
		for _, a := range y.Allocations {
			switch {
			case a.Claim != iri:
			case y.State == pair.Paid:
				allocated, paid = allocated+a.Confirmed, paid+a.Confirmed
			case y.State == pair.Ordered || y.State == pair.Sent || y.State == pair.Announced:
				allocated += a.Amount
			}
		}
	}
	return allocated, paid
}

// open lists the claims of one direction that can be paid, oldest first.
func (s *side) open(incoming bool) (open []pair.Claim) {
	for _, c := range s.claims {
		if c.Incoming == incoming && c.Binding() {
			if c = *s.claim(c.IRI); c.Open() > 0 {
				open = append(open, c)
			}
		}
	}
	slices.SortStableFunc(open, func(a, b pair.Claim) int { return byKey(a, b) })
	return open
}

// payment reads a payment; nil for none.
func (s *side) payment(iri string) *pair.Payment {
	if row := s.row(iri); row != nil {
		y := row.Payment
		return &y
	}
	return nil
}

func (s *side) row(iri string) *payment {
	for i := range s.payments {
		if s.payments[i].IRI == iri {
			return &s.payments[i]
		}
	}
	return nil
}

// next takes the next unused number of a month.
func (h *host) next(peer int, period string) (int32, string) {
	n := int32(1)
	for _, c := range h.books.sides[peer].claims {
		if !c.Incoming && c.Period == period && c.N >= n {
			n = c.N + 1
		}
	}
	return n, claimIRI(h.no, peer, period, n)
}
