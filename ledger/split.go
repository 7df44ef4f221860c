package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Split divides budget micro-units over n equal claims by largest remainder: every part is
// budget/n or one micro-unit more, and the parts add up to the budget (protocol §7). rank(i) is
// the i-th item's place in the tie order; the first budget%n places get the extra micro-unit.
// n = 0 gives nil: the budget rolls over.
func Split(budget int64, ties []Tie) []int64 {
	return new(splitter).split(budget, len(ties), func(i int) Tie { return ties[i] })
}

// splitter splits one budget after the other in the same memory: what split returns holds until the next.
type splitter struct {
	parts []int64
	order []place
}

type place struct {
	tie Tie
	i   int
}

func (s *splitter) split(budget int64, n int, tie func(int) Tie) []int64 {
	if n == 0 {
		return nil
	}
	s.parts, s.order = s.parts[:0], s.order[:0]
	for range n {
		s.parts = append(s.parts, budget/int64(n))
	}
	rest := budget % int64(n)
	if rest == 0 {
		return s.parts // no need of an order
	}
	for i := range n {
		s.order = append(s.order, place{tie(i), i})
	}
	slices.SortFunc(s.order, func(a, b place) int { return bytes.Compare(a.tie[:], b.tie[:]) })
	for _, first := range s.order[:rest] {
		s.parts[first.i]++
	}
	return s.parts
}

// Tie orders equal claims to the last micro-units. It is a hash, so no giver, payee or name gains
// from it over the months.
type Tie [sha256.Size]byte

// TieOf is the tie of one flattr: SHA-256 over month, giver and thing (IRIs), each preceded by its
// length.
func TieOf(period, giver, thing string) Tie {
	return tieOf(new([]byte), period, giver, thing)
}

func tieOf(scratch *[]byte, parts ...string) Tie {
	raw := (*scratch)[:0]
	for _, s := range parts {
		raw = binary.BigEndian.AppendUint32(raw, uint32(len(s)))
		raw = append(raw, s...)
	}
	*scratch = raw
	return sha256.Sum256(raw)
}

// SplitByWeight divides amount over weights by largest remainder; the parts add up to amount.
// Ties of remainders go to the earlier weight. It panics when all weights are zero and the
// amount isn't: no caller may lose money.
func SplitByWeight(amount int64, weights []int64) []int64 {
	total := int64(0)
	for _, w := range weights {
		total += w
	}
	if total == 0 && amount != 0 {
		panic("ledger: internal error: amount to divide over no weight")
	}
	parts := make([]int64, len(weights))
	order := make([]int, len(weights))
	rest := make([]uint64, len(weights))
	left := amount
	for i, w := range weights {
		order[i] = i
		parts[i], rest[i] = mulDiv(amount, w, total)
		left -= parts[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmpDesc(rest[a], rest[b]) })
	for _, i := range order[:left] {
		parts[i]++
	}
	return parts
}
