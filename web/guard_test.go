package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
)

// TestOnlyText: what no database text can hold is the sender's fault, wherever it stands.
func TestOnlyText(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser().logIn(a, "alice")
	for _, path := range []string{"/@a%00b", "/@a%ffb", "/f/abc%00", "/months/2026-11%00", "/?budget=%00", "/?x%ff=1",
		"/@alice/flattr?url=https://x.example/%00", "/@alice/flattr.json?url=%fe", "/join?code=%00"} {
		if b.get(a.Base + path); b.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, b.Code)
		}
	}
	b.says("main", "couldn’t be read")
	for _, bad := range []string{"a\x00b", "a\xffb"} {
		if b.post("/settings", "display_name", bad, "language", "en"); b.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, b.Code)
		}
		if b.post("/login", "name", bad, "password", bad); b.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, b.Code)
		}
	}
	b.get("/@alice").wants(200, "/@alice")
}

// TestBackToAPage: the language and the banner lead from a refused form to a page that can be read.
func TestBackToAPage(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser().logIn(a, "alice").get("/home")
	for back, want := range map[string]string{"/home/budget": "/home", "/buttons/5/remove": "/buttons", "/test/turn": "/",
		"/language": "/", "/months?x=1": "/months?x=1", "//evil.example": "/", "/admin/payments/7/received": "/admin/payments",
		"/intents/flattr/undo?object=x": "/intents/flattr?object=x", "/%2e%2f/x": "/", "/months/2026-11": "/months/2026-11"} {
		if got := b.once(http.MethodPost, a.Base+"/language", map[string][]string{"language": {"en"}, "back": {back}}); got != want {
			t.Errorf("%s led to %q, want %q", back, got, want)
		}
	}
	b.get("/home").submit("/home/budget", "budget", "x").wants(422, "/home/budget")
	b.submit("/language", "language", "de").wants(200, "/home").says("nav", "Dieser Monat")
}

// TestSettingsAreSavedWhole: a refused field keeps the others from being saved, and says so beside itself.
func TestSettingsAreSavedWhole(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	b := w.browser().logIn(a, "alice").get("/settings")
	b.post("/settings", "display_name", "Mallory", "language", "xx").wants(422, "/settings").says("fieldset .fault", "isn’t known")
	b.get("/settings").post("/settings", "display_name", strings.Repeat("x", 101), "language", "de").wants(422, "/settings").says(".field .fault", "too long")
	m, err := a.Member(t.Context(), alice.ID)
	if err != nil || m.DisplayName != alice.DisplayName || m.Language != alice.Language {
		t.Errorf("saved %q, %q: %v", m.DisplayName, m.Language, err)
	}
}

// TestReasonsOfPeers: a reason that this version doesn't know is shown as it came, not as a key.
func TestReasonsOfPeers(t *testing.T) {
	words, err := loadSpeech()
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]string{"en": "refused (foo)", "de": "abgelehnt (foo)"} {
		if got := words[lang].reason("foo"); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
		if got := words[lang].reason(ledger.ReasonBlocked); strings.Contains(got, "(") || strings.HasPrefix(got, "reason.") {
			t.Errorf("%s: %q", lang, got)
		}
	}
}

// TestLeftBehind: the page tells apart what asks for a choice and what doesn't.
func TestLeftBehind(t *testing.T) {
	for _, c := range []struct {
		ledger.Holdings
		any, closable bool
	}{
		{ledger.Holdings{}, false, true},
		{ledger.Holdings{Announced: 5_000_000}, true, true},
		{ledger.Holdings{Means: 9_999, Earned: 1}, true, true},
		{ledger.Holdings{Means: 10_000, Reserved: 10_000}, true, false},
		{ledger.Holdings{Unanswered: 1}, true, false},
	} {
		p := deletePage{Holdings: c.Holdings}
		if p.Any() != c.any || p.Closable() != c.closable || p.Free() != c.Means-c.Reserved {
			t.Errorf("%+v: %v, %v, %d", c.Holdings, p.Any(), p.Closable(), p.Free())
		}
	}
}

// TestLandingOfMembers: whoever is logged in isn't asked to join.
func TestLandingOfMembers(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser().get(a.Base+"/").says(".ways", "Join by invitation", "Log in")
	b.logIn(a, "alice").get("/").says(".ways", "This month")
	if got := b.Doc.Find(".ways a[href='/join'], .ways a[href='/login']").Length(); got != 0 {
		t.Error("a member is asked to join")
	}
}
