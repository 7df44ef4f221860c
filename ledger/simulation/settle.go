package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// join lets a member come, and sometimes another leave.
func (w *world) join(h *host) {
	if w.quiet() {
		return
	}
	if len(h.books.members) < 6 {
		name := fmt.Sprintf("%s/users/%03d", h.name, w.serial())
		h.books.members = append(h.books.members, member{name: name})
		w.directory = append(w.directory, name)
	}
	if w.weather.leaving && len(h.books.members) > 2 && w.chance(400) {
		h.books.members[w.rng.IntN(len(h.books.members))].left = true
	}
}

// settleMonth divides the budgets of all givers of the months that are over and offers what others' payees get.
func (w *world) settleMonth(h *host) {
	for m := int64(0); m < (w.now-day)/month; m++ {
		period := periods[m]
		if !slices.ContainsFunc(h.books.months, func(s settled) bool { return s.period == period }) {
			w.settle(h, period)
			if w.crashes(h) {
				return
			}
		}
	}
}

func (w *world) settle(h *host, period string) {
	b, lines := h.books, make([][]pair.Line, len(w.hosts))
	rng := w.clicks(h, period)
	for g := range b.means {
		budget := min(-b.means[g], 1+rng.Int64N(20_000_000))
		s := settled{period: period, giver: g, budget: budget}
		move(&b.means[g], &b.clearing, budget)
		liked := w.likes(rng)
		if len(liked) == 0 || budget < int64(len(liked)) {
			s.rolled, liked = budget, nil
			move(&b.clearing, &b.means[g], budget)
		}
		for i, payee := range liked {
			amount := budget / int64(len(liked))
			if int64(i) < budget%int64(len(liked)) {
				amount++
			}
			b.shares = append(b.shares, share{period: period, payee: payee, giver: g, amount: amount})
			home := authorOf(payee)
			lines[home] = addLine(lines[home], payee, amount)
		}
		b.months = append(b.months, s)
	}
	w.say("%s settles %s", h.name, period)
	for home, l := range lines {
		if home == h.no {
			move(&b.clearing, &b.earned, sumOf(l))
		} else if len(l) > 0 {
			w.claim(h, home, period, l)
		}
	}
}

// clicks is what a month's givers clicked: after a restore, clicks can be lost, so that settlement comes out
// otherwise, or not.
func (w *world) clicks(h *host, period string) *rand.Rand {
	lost := uint64(0)
	if h.losses > 0 && w.chance(500) {
		lost = w.rng.Uint64()
	}
	return rand.New(rand.NewPCG(w.seed, hashNumber(hash(lost, period), int64(h.no))))
}

// likes draws whom a giver flattred.
func (w *world) likes(rng *rand.Rand) (liked []string) {
	for range rng.IntN(5) {
		if payee := w.directory[rng.IntN(len(w.directory))]; !slices.Contains(liked, payee) {
			liked = append(liked, payee)
		}
	}
	return liked
}

// addLine keeps lines sorted by payee.
func addLine(lines []pair.Line, payee string, amount int64) []pair.Line {
	at, found := slices.BinarySearchFunc(lines, payee, func(l pair.Line, payee string) int {
		switch {
		case l.Payee < payee:
			return -1
		case l.Payee > payee:
			return 1
		}
		return 0
	})
	if found {
		lines[at].Amount += amount
		return lines
	}
	return slices.Insert(lines, at, pair.Line{Payee: payee, Amount: amount})
}

// claim drafts what a month owes a peer's payees. What waits for nothing is offered at once, by the same rule as what
// has waited: an own offer for this month may have come back before the month was settled again.
func (w *world) claim(h *host, peer int, period string, lines []pair.Line) {
	s := &h.books.sides[peer]
	c := pair.Claim{Period: period, Amount: sumOf(lines), State: pair.Draft, Lines: lines}
	move(&h.books.clearing, &s.payable, c.Amount)
	w.commit(h, peer, pair.Decision{Claims: []pair.Claim{c}})
	switch {
	case s.standing.Held:
	case pair.Planted("offered-at-once"):
		c = s.claims[len(s.claims)-1]
		w.commit(h, peer, pair.Release([]pair.Claim{c}, nil, nil, func(period string) (int32, string) { return h.next(peer, period) }))
	default:
		w.release(h, peer)
	}
}
