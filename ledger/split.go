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
	n := int64(len(ties))
	if n == 0 {
		return nil
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(ties[a][:], ties[b][:]) })
	parts := make([]int64, n)
	for place, i := range order {
		parts[i] = budget / n
		if int64(place) < budget%n {
			parts[i]++
		}
	}
	return parts
}

// Tie orders equal claims to the last micro-units. It is a hash, so no giver, payee or name gains
// from it over the months.
type Tie [sha256.Size]byte

// TieOf is the tie of one flattr: SHA-256 over month, giver and thing (IRIs), each preceded by its
// length.
func TieOf(period, giver, thing string) Tie {
	h := sha256.New()
	for _, s := range []string{period, giver, thing} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return Tie(h.Sum(nil))
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
