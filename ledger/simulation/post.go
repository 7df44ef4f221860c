package simulation

import (
	"slices"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// move debits one account and credits another.
func move(debit, credit *int64, amount int64) { *debit += amount; *credit -= amount }

// post books one movement as package ledger does, and holds the accounts that it touches to their sign rules.
func (w *world) post(h *host, peer int, p pair.Posting) {
	b, s := h.books, &h.books.sides[peer]
	w.note(h, string(p.Kind), p.Key, p.Amount)
	if w.trace != nil {
		w.say("%s posts %s of %d micro-units for %s", h.name, p.Kind, p.Amount, p.Key)
	}
	switch p.Kind {
	case pair.Announce:
		move(&s.receivable, &s.announced, p.Amount)
	case pair.Available:
		move(&s.announced, &b.earned, p.Amount)
	case pair.Recover:
		move(&s.payable, &b.recovery, p.Amount)
	case pair.Adopt:
		move(&b.recovery, &s.payable, p.Amount)
	case pair.GiveBack:
		w.giveBack(h, peer, p)
	default:
		postPayment(b, s, s.row(p.Key), p)
	}
	w.signs(h, peer)
}

func postPayment(b *books, s *side, y *payment, p pair.Posting) {
	pending := &b.bankPending
	if y.Method == pair.Netting {
		pending = &s.receivablePending
	}
	switch p.Kind {
	case pair.Reserve, pair.NetHold:
		y.reserved += p.Amount
		s.payablePending += p.Amount
		*pending += p.Amount
	case pair.Void, pair.Settle:
		s.payablePending -= y.reserved
		*pending -= y.reserved
		y.reserved = 0
		if p.Kind == pair.Void {
			return
		}
		if y.Method == pair.Netting {
			move(&s.payable, &s.receivable, p.Amount)
			return
		}
		move(&s.payable, &b.bank, p.Amount)
		move(&b.suspense, &b.bank, y.Amount-p.Amount) // what is short
	case pair.Arrive:
		owed := min(p.Amount, y.Amount)
		move(&b.bank, &s.receivable, owed)
		move(&b.bank, &s.credit, p.Amount-owed)
	case pair.NetOut:
		move(&s.payable, &s.receivable, p.Amount)
	}
}

// giveBack returns the shares behind a claim's refused lines to their givers, each once.
func (w *world) giveBack(h *host, peer int, p pair.Posting) {
	b, s := h.books, &h.books.sides[peer]
	c, left := s.claim(p.Key), p.Amount
	for i := range b.shares {
		sh := &b.shares[i]
		if sh.period != c.Period || sh.returned || !refuses(*c, sh.payee) {
			continue
		}
		sh.returned = true
		left -= sh.amount
		move(&s.payable, &b.means[sh.giver], sh.amount)
	}
	if left != 0 {
		w.violation(pairOf(h.no, peer), "of what %s returns, %d micro-units are no share's", c.IRI, left)
	}
}

func refuses(c pair.Claim, payee string) bool {
	return slices.ContainsFunc(c.Refusals, func(r pair.Refusal) bool { return r.Payee == payee })
}

// signs holds accounts to their sign rules, reservations counted. The bank may be overdrawn: what it does by itself
// stands in suspense.
func (w *world) signs(h *host, peer int) {
	s := &h.books.sides[peer]
	switch {
	case h.liar:
	case s.payable+s.payablePending > 0:
		w.violation(pairOf(h.no, peer), "payable is overdrawn by %d, reserved %d", s.payable, s.payablePending)
	case s.receivable-s.receivablePending < 0:
		w.violation(pairOf(h.no, peer), "receivable is overdrawn by %d, reserved %d", s.receivable, s.receivablePending)
	case s.announced > 0 || s.credit > 0 || h.books.earned > 0:
		w.violation(pairOf(h.no, peer), "announced %d, credit %d, earned %d", s.announced, s.credit, h.books.earned)
	case s.payablePending < 0 || s.receivablePending < 0 || h.books.bankPending < 0:
		w.violation(pairOf(h.no, peer), "more is released than was reserved")
	}
}
