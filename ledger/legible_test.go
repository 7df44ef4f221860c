package ledger_test

import (
	"context"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

func TestLegible(t *testing.T) {
	for line, want := range map[string]string{
		"Alice Ä.":                          "Alice Ä.",
		"الأستاذ علي":                       "الأستاذ علي",
		"می\u200cخواهم":                     "می\u200cخواهم", // Persian, with its joiner
		"👩\u200d💻 ❤️":                       "👩\u200d💻 ❤️",
		"\u202eecilA":                       "ecilA", // turned around
		"Al\u2066ic\u2069e":                 "Alice", // isolates
		"Al\u200bice":                       "Alice", // of no width
		"Al\u200dice":                       "Alice", // a joiner that joins nothing
		"ي\u200d\u202eي":                    "يي",    // a joiner beside what is hidden
		"\u200dي\u200d":                     "ي",     // at the ends
		"Ali\u00adce\ufeff":                 "Alice",
		"Alice\nBob\r\u0000\u0085\u2028\t!": "AliceBob!",
		"\u3164":                            "", // a letter that is blank
		"":                                  "",
	} {
		if got := ledger.Visible(line); got != want || ledger.Legible(line) != (line == want) || !ledger.Legible(want) {
			t.Errorf("%+q is seen as %+q, want %+q", line, got, want)
		}
	}
}

// TestHiddenNames: nobody takes a name that doesn't show what it holds.
func TestHiddenNames(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	invite, err := i.CreateInvite(ctx, i.Op.ID, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	const evil = "Bob\u202e"
	joined := second(i.Ledger.Join(ctx, ledger.Joining{Code: invite.Code, Name: "bob", DisplayName: evil, PasswordHash: "x", Language: "en"}))
	if a, b := kind(joined), kind(i.SetDisplayName(ctx, alice.ID, evil)); a != "display_name: form" || b != a {
		t.Errorf("joined %s, renamed %s", a, b)
	}
	if err := i.SetDisplayName(ctx, alice.ID, " علي "); err != nil || named(t, i, "alice").DisplayName != "علي" {
		t.Errorf("%+v, %v", named(t, i, "alice"), err)
	}
}
