package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
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

// gifts are what a month's givers gave the things of one peer's payees.
func gifts(t *rapid.T) []given {
	payees, things := rapid.IntRange(1, 12).Draw(t, "payees"), rapid.SampledFrom([]int{1, 3, 40, 250}).Draw(t, "things")
	length := rapid.SampledFrom([]int{20, 100, 1900}).Draw(t, "length")
	var all []given
	for payee := range payees {
		for thing := range rapid.IntRange(1, things).Draw(t, "things") {
			all = append(all, given{peer: 7, payee: fmt.Sprintf("https://b.example/users/p%02d", payee),
				object:  fmt.Sprintf("https://b.example/buttons/%s-%d-%03d", strings.Repeat("x", length), payee, thing),
				flattrs: rapid.Int64Range(1, 5).Draw(t, "flattrs"),
				amount:  rapid.SampledFrom([]int64{0, 1, 333_333, 1_000_000}).Draw(t, "amount")})
		}
	}
	return all
}

// TestPackedClaims: lines keep all money and every thing, a payee stands once in a claim, and no
// claim outgrows what instances take (protocol §11).
func TestPackedClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := gifts(t)
		want, things := map[string]int64{}, map[string]given{}
		for _, g := range all {
			want[g.payee] += g.amount
			things[g.object] = g
		}
		maps.DeleteFunc(want, func(_ string, amount int64) bool { return amount == 0 })
		got := map[string]int64{}
		drafts, err := draftClaims(slices.Clone(all))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range drafts {
			claim := drafted(t, d)
			judgeClaim(t, claim, things)
			for _, line := range claim {
				got[line.Payee] += line.Amount
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("claims of %v, gifts of %v", got, want)
		}
		for _, left := range things {
			if left.amount > 0 {
				t.Fatalf("%+v is in no line", left)
			}
		}
	})
}

// drafted are a draft's lines as they are read again, by which it is held to its own amount and digest.
func drafted(t *rapid.T, d draft) []Line {
	lines, amount := make([]Line, len(d.lines)), int64(0)
	for i, stored := range d.lines {
		line, err := stored.line()
		if err != nil {
			t.Fatal(err)
		}
		lines[i], amount = line, amount+line.Amount
	}
	if digest, err := LinesDigest(lines); err != nil || digest != d.digest || amount != d.amount || d.peer != 7 {
		t.Fatalf("peer %d, %d, %s: the lines say %d, %s, %v", d.peer, d.amount, d.digest, amount, digest, err)
	}
	return lines
}

// judgeClaim takes the things that a claim has out of those that are left.
func judgeClaim(t *rapid.T, claim []Line, left map[string]given) {
	plain := claim
	for _, line := range claim {
		amount := int64(0)
		for _, thing := range line.Things {
			g, ok := left[thing.Object]
			if !ok || g.payee != line.Payee || g.flattrs != thing.Flattrs || thing.Amount != untold && thing.Amount != g.amount {
				t.Fatalf("%+v in the line of %s, given was %+v", thing, line.Payee, g)
			}
			delete(left, thing.Object)
			amount += g.amount
		}
		if amount != line.Amount || amount == 0 {
			t.Fatalf("a line says %d of %d", line.Amount, amount)
		}
		if !slices.IsSortedFunc(line.Things, func(a, b LineThing) int { return strings.Compare(a.Object, b.Object) }) {
			t.Fatal("things aren't sorted")
		}
	}
	if !slices.IsSortedFunc(plain, func(a, b Line) int { return strings.Compare(a.Payee, b.Payee) }) ||
		len(slices.CompactFunc(slices.Clone(plain), func(a, b Line) bool { return a.Payee == b.Payee })) != len(plain) {
		t.Fatal("a claim's lines aren't sorted, or name a payee twice")
	}
	for _, line := range plain {
		body, err := json.Marshal(wire([]Line{line}))
		if err != nil || len(body) > 60_000 {
			t.Fatalf("a line of %d bytes, %v", len(body), err)
		}
	}
}

// wire are lines as encoding/json writes them.
func wire(lines []Line) []map[string]any {
	all := make([]map[string]any, len(lines))
	for i, l := range lines {
		things := make([]map[string]any, len(l.Things))
		for k, t := range l.Things {
			things[k] = map[string]any{"object": t.Object, "flattrs": t.Flattrs}
			if t.Amount != untold {
				things[k]["amount"] = fmt.Sprint(t.Amount)
			}
		}
		all[i] = map[string]any{"payee": l.Payee, "amount": fmt.Sprint(l.Amount), "things": things}
	}
	return all
}

// TestThingsAreStoredAsTold: what is stored of a line's things is read back as it was.
func TestThingsAreStoredAsTold(t *testing.T) {
	t.Parallel()
	line := Line{Payee: "p", Amount: 7, Things: []LineThing{{"a", 1, untold}, {"b", 3, 0}, {"c", 9_007_199_254_740_993, maxAmount}}}
	again, err := readThings(line.thingsJSON())
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

// TestLinesDigestIsCanonical: whatever stands in the lines, the digest is of what the JCS library makes of
// them; most lines needn't go through it.
func TestLinesDigestIsCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`https://[a-z.]{1,9}/[a-z0-9/~-]{0,9}`), rapid.String(), rapid.SampledFrom([]string{`\"`, "<&>", "\u2028", "\x7f", "ä", "𝄞"}))
		lines := make([]Line, rapid.IntRange(0, 3).Draw(t, "lines"))
		for i := range lines {
			lines[i] = Line{Payee: text.Draw(t, "payee"), Amount: rapid.Int64Range(1, maxAmount).Draw(t, "amount")}
			for range rapid.IntRange(0, 3).Draw(t, "things") {
				lines[i].Things = append(lines[i].Things, LineThing{text.Draw(t, "object"), rapid.Int64Range(1, 9).Draw(t, "flattrs"),
					rapid.SampledFrom([]int64{untold, 0, 7}).Draw(t, "amount")})
			}
		}
		plain, err := json.Marshal(wire(lines))
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := jcs.Transform(plain)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(canonical)
		if got, err := LinesDigest(lines); err != nil || got != "sha-256:"+hex.EncodeToString(sum[:]) {
			t.Fatalf("%s, %v: not of %s", got, err, canonical)
		}
	})
}
