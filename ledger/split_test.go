package ledger_test

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger"
)

const most = 999_999_999_999_999_999 // protocol §8: 18 digits

// amounts are all sizes of money, the edges often.
func amounts(from int64) *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(from, 30), rapid.Int64Range(from, 10_000_000), rapid.Int64Range(from, most),
		rapid.Int64Range(most-30, most))
}

func ties() *rapid.Generator[[]ledger.Tie] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.Tie {
		return ledger.TieOf("2026-11", "https://a.example/users/alice", rapid.StringN(1, 20, -1).Draw(t, "thing"))
	}), 1, 60)
}

func sum(parts []int64) int64 {
	total := int64(0)
	for _, p := range parts {
		total += p
	}
	return total
}

// Kept for ever: 1 EUR and 10 clicks give each thing 10 cents.
func TestOneEuroTenClicks(t *testing.T) {
	t.Parallel()
	all := make([]ledger.Tie, 10)
	for i := range all {
		all[i] = ledger.TieOf("2026-11", "https://a.example/users/alice", string(rune('a'+i)))
	}
	for i, part := range ledger.Split(1_000_000, all) {
		if part != 100_000 {
			t.Errorf("thing %d gets %d", i, part)
		}
	}
}

// TestSplit: the parts add up to the budget, each is within one micro-unit of budget/n, and a thing
// gets the same wherever it stands in the list (protocol §7).
func TestSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		budget, all := amounts(0).Draw(t, "budget"), ties().Draw(t, "ties")
		n := int64(len(all))
		parts := ledger.Split(budget, all)
		if len(parts) != len(all) || sum(parts) != budget {
			t.Fatalf("%v don't add up to %d", parts, budget)
		}
		for i, p := range parts {
			if p != budget/n && p != budget/n+1 {
				t.Fatalf("part %d of %d is %d", i, budget, p)
			}
		}
		// Who gets more stands before who gets less, in the order of the ties.
		for i := range parts {
			for k := range parts {
				if parts[i] > parts[k] && slices.Compare(all[i][:], all[k][:]) > 0 {
					t.Fatalf("%d gets more than %d against the order of their ties", i, k)
				}
			}
		}
		order := rapid.Permutation(indexes(len(all))).Draw(t, "order")
		moved := make([]ledger.Tie, len(all))
		for i, from := range order {
			moved[i] = all[from]
		}
		byTie := map[ledger.Tie]int64{} // of equal ties the sum is the same, whoever of them gets more
		for i, p := range ledger.Split(budget, moved) {
			byTie[moved[i]] += p
		}
		for i, p := range parts {
			byTie[all[i]] -= p
		}
		for tie, difference := range byTie {
			if difference != 0 {
				t.Fatalf("in another order %x gets %d more", tie[:4], difference)
			}
		}
	})
}

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestSplitEdges(t *testing.T) {
	t.Parallel()
	tie := func(n int) (all []ledger.Tie) {
		for i := range n {
			all = append(all, ledger.Tie{byte(n - i)}) // the last one comes first
		}
		return all
	}
	for _, c := range []struct {
		budget int64
		n      int
		want   []int64
	}{
		{5, 0, nil},
		{0, 3, []int64{0, 0, 0}},
		{5, 1, []int64{5}},
		{2, 3, []int64{0, 1, 1}}, // fewer micro-units than things
		{7, 3, []int64{2, 2, 3}},
		{most, 1, []int64{most}},
		{most, 2, []int64{most / 2, most/2 + 1}},
	} {
		if got := ledger.Split(c.budget, tie(c.n)); !slices.Equal(got, c.want) {
			t.Errorf("%d over %d is %v, want %v", c.budget, c.n, got, c.want)
		}
	}
}

// TestTies: each of month, giver and thing counts, and where one ends and the next begins.
func TestTies(t *testing.T) {
	t.Parallel()
	seen := map[ledger.Tie]bool{}
	for _, of := range [][3]string{{"2026-11", "a", "b"}, {"2026-12", "a", "b"}, {"2026-11", "b", "a"}, {"2026-11", "ab", ""}, {"2026-11", "", "ab"}, {"2026-11a", "", "b"}} {
		seen[ledger.TieOf(of[0], of[1], of[2])] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d ties of 6", len(seen))
	}
}

// TestSplitByWeight: the parts add up to the amount, each is the exact quotient or one more, the
// larger remainder comes first, and no part is above its weight while the amount isn't above all.
func TestSplitByWeight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 9), rapid.Int64Range(0, most/100)), 1, 60).Draw(t, "weights")
		total := sum(weights)
		if total == 0 {
			weights[0], total = 1, 1
		}
		amount := rapid.OneOf(rapid.Int64Range(0, total), rapid.Int64Range(0, most)).Draw(t, "amount")
		parts := ledger.SplitByWeight(amount, weights)
		if len(parts) != len(weights) || sum(parts) != amount {
			t.Fatalf("%v don't add up to %d", parts, amount)
		}
		for i, p := range parts {
			exact, rest := new(big.Int).QuoRem(new(big.Int).Mul(big.NewInt(amount), big.NewInt(weights[i])), big.NewInt(total), new(big.Int))
			if more := p - exact.Int64(); more != 0 && (more != 1 || rest.Sign() == 0) {
				t.Fatalf("part %d is %d, exactly %v and %v/%d", i, p, exact, rest, total)
			}
			if amount <= total && p > weights[i] {
				t.Fatalf("part %d is %d of %d", i, p, weights[i])
			}
		}
	})
}

func TestSplitByWeightEdges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount        int64
		weights, want []int64
	}{
		{0, nil, []int64{}},
		{0, []int64{0, 0}, []int64{0, 0}},
		{1, []int64{1, 1, 1}, []int64{1, 0, 0}}, // of equal remainders the earlier
		{2, []int64{1, 2, 3}, []int64{0, 1, 1}},
		{10, []int64{0, 1}, []int64{0, 10}},
		{most, []int64{most / 2, most - most/2}, []int64{most / 2, most - most/2}},
	} {
		if got := ledger.SplitByWeight(c.amount, c.weights); !slices.Equal(got, c.want) {
			t.Errorf("%d by %v is %v, want %v", c.amount, c.weights, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("money was divided over no weight, and is lost")
		}
	}()
	ledger.SplitByWeight(1, []int64{0, 0})
}
