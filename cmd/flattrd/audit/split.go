package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
)

// tie orders equal claims to a budget's last micro-units: SHA-256 over month, giver and thing, each with its length
// in four bytes, big-endian, before it.
type tie [sha256.Size]byte

func tieOf(scratch []byte, month, giver, thing string) (tie, []byte) {
	scratch = scratch[:0]
	for _, text := range [...]string{month, giver, thing} {
		scratch = binary.BigEndian.AppendUint32(scratch, uint32(len(text)))
		scratch = append(scratch, text...)
	}
	return sha256.Sum256(scratch), scratch
}

// lucky are the items that get one micro-unit more than the others: of the first rest ties in order. order is
// memory to use.
func lucky(ties []tie, rest int64, order []int32) []int32 {
	order = order[:0]
	for i := range ties {
		order = append(order, int32(i))
	}
	slices.SortFunc(order, func(i, j int32) int { return bytes.Compare(ties[i][:], ties[j][:]) })
	return order[:rest]
}

// byWeight divides an amount over weights by largest remainder, equal remainders to the earlier weight; false if
// there is no weight to divide it over.
func byWeight(amount int64, weights []int64) ([]int64, bool) {
	total := uint64(0)
	for _, w := range weights {
		if w < 0 {
			return nil, false
		}
		total += uint64(w)
	}
	if total == 0 || amount < 0 || uint64(amount) > total {
		return make([]int64, len(weights)), amount == 0
	}
	parts, rests, order := make([]int64, len(weights)), make([]uint64, len(weights)), make([]int, len(weights))
	left := amount
	for i, w := range weights {
		high, low := bits.Mul64(uint64(amount), uint64(w))
		if high >= total {
			return nil, false // the weights' sum has overflowed
		}
		part, rest := bits.Div64(high, low, total)
		parts[i], rests[i], order[i] = int64(part), rest, i
		left -= int64(part)
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case rests[i] > rests[j]:
			return -1
		case rests[i] < rests[j]:
			return 1
		}
		return 0
	})
	for _, i := range order[:left] {
		parts[i]++
	}
	return parts, true
}
