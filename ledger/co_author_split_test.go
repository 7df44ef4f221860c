package ledger_test

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger"
)

// TestSplitByTie: an author's parts add up to the share, each is within one micro-unit of share·weight/weights, and
// they are the same in whatever order the authors stand (protocol §7).
func TestSplitByTie(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "authors")
		share := amounts(0).Draw(t, "share")
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(1, 3), rapid.Int64Range(1, 1_000_000)), n, n).Draw(t, "weights")
		ties := make([]ledger.Tie, n)
		for i := range ties {
			ties[i] = ledger.PartTie("2026-11", "https://a.example/users/alice", "https://b.example/buttons/song", string(rune('a'+i)))
		}
		parts, total := ledger.SplitByTie(share, weights, ties), sum(weights)
		if sum(parts) != share {
			t.Fatalf("%v don't add up to %d", parts, share)
		}
		for i, p := range parts {
			exact := new(big.Int).Mul(big.NewInt(share), big.NewInt(weights[i]))
			off := exact.Sub(exact, new(big.Int).Mul(big.NewInt(p), big.NewInt(total)))
			if off.CmpAbs(big.NewInt(total)) >= 0 {
				t.Fatalf("author %d of weight %d gets %d of %d", i, weights[i], p, share)
			}
		}
		order := rapid.Permutation(slices.Collect(rangeOf(n))).Draw(t, "order")
		w, k := make([]int64, n), make([]ledger.Tie, n)
		for to, from := range order {
			w[to], k[to] = weights[from], ties[from]
		}
		for to, p := range ledger.SplitByTie(share, w, k) {
			if p != parts[order[to]] {
				t.Fatalf("author %d gets %d in another order, and %d before", order[to], p, parts[order[to]])
			}
		}
	})
}

func rangeOf(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
