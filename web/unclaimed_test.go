package web

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
)

// nobodys is a page that nobody can be paid for, as the town's resolver finds it.
func nobodys(w *town) string { return "http://page.localhost:" + w.port + "/essay" }

// unclaimedAt is what the town's resolver makes of a page: its author is jo@social.example.
func (n neighbour) unclaimedAt(ctx context.Context, iri string) error {
	return &ledger.UnclaimedError{Thing: ledger.UnclaimedThing{IRI: iri, URL: iri, Title: "An essay", Site: hostOf(iri), Handle: "jo@social.example"}}
}

// keeps lets a page of nobody's be flattred.
func (p *place) keeps(by ledger.Member, iri string) {
	p.town.t.Helper()
	ctx := context.Background()
	u, _ := unclaimed(neighbour{p.town, p}.unclaimedAt(ctx, iri))
	u, err := p.SaveUnclaimed(ctx, u)
	if err == nil {
		_, _, err = p.FlattrUnclaimed(ctx, by.ID, u.ID)
	}
	if err != nil {
		p.town.t.Fatal(err)
	}
}

// TestKeepAFlattr: a page that nobody can be paid for is flattred by its address, waits in the giver's list, and is taken
// back there or in the popup. Nothing says an amount, and looking at the question keeps nothing.
func TestKeepAFlattr(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	a.Fund(alice, 1_000_000)
	b := w.browser().logIn(a, "alice").get("/home")
	if b.Doc.Find("form[action='/intents/flattr'] input[name=object]").Length() != 1 {
		t.Fatal("nowhere to type an address")
	}
	ask := "/intents/flattr?object=" + url.QueryEscape(nobodys(w))
	b.get(ask).says("main", "Nobody to pay yet", "An essay", "@jo@social.example", "No money is put aside", "within 12 months")
	if all, err := a.MyUnclaimed(context.Background(), alice.ID); err != nil || len(all) != 0 {
		t.Errorf("the question kept %d, %v", len(all), err)
	}
	b.submit("/intents/flattr?").says("main", "Your flattr is kept", "No money is put aside", "Waits until", "10 November 2027")
	b.get(ask).says("main", "waits here since")
	b.submit("/intents/flattr/undo?").says(".notice", "Taken back").says("main", "Nobody to pay yet")
	b.submit("/intents/flattr?")
	b.get("/home").says("#waiting-title ~ .lines", "An essay", "waits").says(".figure", "€1.00")
	if text := b.text("#waiting-title ~ .lines"); strings.Contains(text, "€") {
		t.Errorf("an amount: %s", text)
	}
	b.submit("/language", "language", "de").says("main", "Wartet auf jemanden", "wartet")
	if stranger := w.browser().logIn(a, "alice"); stranger.Code != 200 {
		t.Fatal(stranger.Code)
	}
	form := b.Doc.Find("#waiting-title ~ .lines input[name=flattr]").AttrOr("value", "")
	a.join("mallory")
	if thief := w.browser().logIn(a, "mallory"); thief.post("/home/undo", "flattr", form).Code != 404 {
		t.Error("somebody else's is taken back")
	}
	b.post("/home/undo", "flattr", form).wants(200, "/home")
	if b.Doc.Find("#waiting-title").Length() != 0 {
		t.Error("it waits on")
	}
}

// TestWhatWaits: anybody finds what waits for a handle, a page or a site, and how to get it.
func TestWhatWaits(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice, anna := a.join("alice"), a.join("anna")
	a.keeps(alice, nobodys(w))
	a.keeps(alice, nobodys(w)+"/two")
	a.keeps(anna, nobodys(w))
	b := w.browser().get(a.Base+"/waiting").says("main", "Clicks, not money", "No money is held for anybody", "can invite you")
	if b.Doc.Find("#found").Length() != 0 {
		t.Error("it has found something unasked")
	}
	site := "page.localhost:" + w.port
	for q, want := range map[string]string{
		"@jo@social.example": "3 flattrs wait", "JO@Social.Example": "3 flattrs wait", "https://social.example/@jo": "3 flattrs wait",
		site: "3 flattrs wait", "http://" + site + "/": "3 flattrs wait",
		nobodys(w): "2 flattrs wait", nobodys(w) + "?utm_source=x#top": "2 flattrs wait", nobodys(w) + "/two": "1 flattr waits",
		"@jo@other.example": "Nothing waits here for that", "other.example": "Nothing waits here", nobodys(w) + "/three": "Nothing waits here",
	} {
		if b.get(a.Base+"/waiting?q="+url.QueryEscape(q)).says("#found", want); strings.Contains(b.text("main"), "€") {
			t.Errorf("%q: an amount", q)
		}
	}
	b.get(a.Base+"/waiting?q="+url.QueryEscape(site)).says("main", "All from members of one instance", "An essay")
	for _, name := range []string{"alice", "anna"} {
		if strings.Contains(b.text("main"), name) {
			t.Errorf("it says who: %s", name)
		}
	}
	for _, q := range []string{"", "nonsense", "ftp://x.example/", "@@", "a b@c.example", "http://"} {
		b.get(a.Base+"/waiting?q="+url.QueryEscape(q)).wants(422, "/waiting")
		if b.Doc.Find(".fault").Length() != 1 {
			t.Errorf("%q: nothing at the field", q)
		}
	}
	b.get(a.Base+"/waiting?q="+url.QueryEscape(site)).submit("/language", "language", "de").says("main", "Was auf dich wartet", "3 Flattrs warten", "Klicks, kein Geld")
}

// TestLookNow: whoever has made a button for a page that is waited for is told so, and has the page looked at.
func TestLookNow(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	bob := a.join("bob")
	b := w.browser().logIn(a, "bob")
	button := a.button(bob, "1")
	if b.get("/buttons/"+button.ID+"/snippet").Doc.Find("#waits").Length() != 0 {
		t.Error("nothing waits")
	}
	a.keeps(alice, button.URL)
	b.get("/buttons/"+button.ID+"/snippet").says("#waits", "1 flattr waits for this page")
	b.submit("/buttons/"+button.ID+"/look").says(".notice", "is being looked at")
	if other := w.browser().logIn(a, "alice"); other.post("/buttons/"+button.ID+"/look").Code != 404 {
		t.Error("somebody else's button")
	}
}
