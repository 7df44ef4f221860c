package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestHideSmall: amounts appear only if the things without one have no flattr or at least three
// (protocol §8), and of those with fewer than three never.
func TestHideSmall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		flattrs := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(1, 4), rapid.Int64Range(1, 100)), 1, 12).Draw(t, "flattrs")
		things := make([]LineThing, len(flattrs))
		for i, n := range flattrs {
			things[i] = LineThing{Object: fmt.Sprint(i), Flattrs: n, Amount: int64(i)}
		}
		hideSmall(things)
		hidden, shown, small := int64(0), 0, false
		for i, thing := range things {
			small = small || flattrs[i] < 3
			switch {
			case thing.Object != fmt.Sprint(i) || thing.Flattrs != flattrs[i]:
				t.Fatalf("thing %d became %+v", i, thing)
			case thing.Amount == untold:
				hidden += thing.Flattrs
			case thing.Amount != int64(i) || thing.Flattrs < 3:
				t.Fatalf("%+v is told", thing)
			default:
				shown++
			}
		}
		if shown > 0 && hidden > 0 && hidden < 3 {
			t.Fatalf("%d flattrs show by subtraction", hidden)
		}
		if !small && hidden > 0 {
			t.Fatalf("nothing had to be hidden: %+v", things)
		}
	})
}

// shares are settled shares of one peer's payees.
func shares(t *rapid.T) []*settledShare {
	payees, things := rapid.IntRange(1, 12).Draw(t, "payees"), rapid.SampledFrom([]int{1, 3, 40, 250}).Draw(t, "things")
	length := rapid.SampledFrom([]int{20, 100, 1900}).Draw(t, "length")
	all := make([]*settledShare, rapid.IntRange(1, 700).Draw(t, "shares"))
	for i := range all {
		payee := rapid.IntRange(0, payees-1).Draw(t, "payee")
		thing := rapid.IntRange(0, things-1).Draw(t, "thing")
		all[i] = &settledShare{payee: fmt.Sprintf("https://b.example/users/p%d", payee),
			object: fmt.Sprintf("https://b.example/buttons/%s-%d-%d", strings.Repeat("x", length), payee, thing),
			amount: rapid.SampledFrom([]int64{0, 1, 333_333, 1_000_000}).Draw(t, "amount")}
	}
	return all
}

// TestPackedClaims: lines keep all money and every share, a payee stands once in a claim, and no
// claim outgrows what instances take (protocol §11).
func TestPackedClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := shares(t)
		want := map[string]int64{}
		for _, s := range all {
			want[s.payee] += s.amount
		}
		maps.DeleteFunc(want, func(_ string, amount int64) bool { return amount == 0 })
		got, seen := map[string]int64{}, map[*settledShare]bool{}
		for _, claim := range packLines(payeeLines(slices.Clone(all))) {
			judgeClaim(t, claim, seen)
			for _, line := range claim {
				got[line.Payee] += line.Amount
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("claims of %v, shares of %v", got, want)
		}
		for _, s := range all {
			if s.amount > 0 && !seen[s] {
				t.Fatalf("a share of %d is in no line", s.amount)
			}
		}
	})
}

func judgeClaim(t *rapid.T, claim []payeeLine, seen map[*settledShare]bool) {
	var plain []Line
	for _, line := range claim {
		plain = append(plain, line.Line)
		amount, flattrs := int64(0), int64(0)
		for _, s := range line.shares {
			if seen[s] || s.payee != line.Payee {
				t.Fatalf("a share of %s is twice in the claims, or in the line of %s", s.payee, line.Payee)
			}
			seen[s] = true
			amount += s.amount
			flattrs++
		}
		for _, thing := range line.Things {
			flattrs -= thing.Flattrs
		}
		if amount != line.Amount || amount == 0 || flattrs != 0 {
			t.Fatalf("a line says %d of %d, %d flattrs too few", line.Amount, amount, flattrs)
		}
		if !slices.IsSortedFunc(line.Things, func(a, b LineThing) int { return strings.Compare(a.Object, b.Object) }) {
			t.Fatal("things aren't sorted")
		}
	}
	if !slices.IsSortedFunc(plain, func(a, b Line) int { return strings.Compare(a.Payee, b.Payee) }) ||
		len(slices.CompactFunc(slices.Clone(plain), func(a, b Line) bool { return a.Payee == b.Payee })) != len(plain) {
		t.Fatal("a claim's lines aren't sorted, or name a payee twice")
	}
	wire := make([]lineJSON, len(plain))
	for i, line := range plain {
		wire[i] = line.wire()
	}
	body, err := json.Marshal(wire)
	if err != nil || len(plain) > maxLines || len(body) > 60_000 {
		t.Fatalf("%d lines of %d bytes, %v", len(plain), len(body), err)
	}
}

// TestThingsAreStoredAsTold: what is stored of a line's things is read back as it was.
func TestThingsAreStoredAsTold(t *testing.T) {
	t.Parallel()
	line := Line{Payee: "p", Amount: 7, Things: []LineThing{{"a", 1, untold}, {"b", 3, 0}, {"c", 9_007_199_254_740_993, maxAmount}}}
	stored, err := line.thingsJSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := readThings(stored)
	if err != nil || !slices.Equal(again, line.Things) {
		t.Errorf("%+v, %v", again, err)
	}
	for _, bad := range []string{`{}`, `[{"amount":5}]`, `[{"amount":"five"}]`, `[{"amount":"99999999999999999999"}]`, `[`} {
		if things, err := readThings([]byte(bad)); err == nil {
			t.Errorf("%s is read as %+v", bad, things)
		}
	}
}

// TestLinesDigest is of the JCS (RFC 8785) of the array of all lines: computed by hand here.
func TestLinesDigest(t *testing.T) {
	t.Parallel()
	lines := []Line{{Payee: "https://b.example/users/bob", Amount: 123, Things: []LineThing{
		{"https://b.example/buttons/1", 3, 100}, {"https://b.example/buttons/é", 2, untold}}}}
	// printf '[{"amount":"123","payee":"https://b.example/users/bob","things":[{"amount":"100","flattrs":3,"object":
	// "https://b.example/buttons/1"},{"flattrs":2,"object":"https://b.example/buttons/é"}]}]' | sha256sum
	const want = "sha-256:2e734aab10fa0d47d9e01afc04189df35e40f1b6ecd45ebe6b95327ef410157e"
	if got, err := LinesDigest(lines); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	const none = "sha-256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" // of []
	if got, err := LinesDigest(nil); err != nil || got != none {
		t.Errorf("%s, %v", got, err)
	}
}
