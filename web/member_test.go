package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/fedflattr/flattrd/ledger"
)

// TestMonthPage: one euro and ten clicks give each thing ten cents.
func TestMonthPage(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice, bob := a.join("alice"), a.join("bob")
	b := w.browser().logIn(a, "alice").says("main", "no budget yet", "FLATTR alice", "DE02 1203")
	b.submit("/home/budget", "budget", "1,5 x").wants(422, "/home/budget").says(".fault", "whole cents")
	if got := b.Doc.Find("#f-budget").AttrOr("value", ""); got != "1,5 x" {
		t.Errorf("what was typed is gone: %q", got)
	}
	for i := range 10 {
		clickAt(t, a, alice, a.button(bob, "thing-"+string(rune('a'+i))))
	}
	b.get("/home").says(".lines", "kept", "counts as soon as your budget runs")
	b.submit("/home/budget", "budget", "1").wants(200, "/home").says(".notice", "budget is set")
	b.says("main", "Your budget of €1.00 waits for money")
	a.Fund(alice, 1_000_000)
	b.get("/home").says(".figure", "€0.10", "10 flattrs", "€1.00")
	b.says(".hint", "number 11 would make it €0.090909 each")
	b.says(".total", "€1.00")
	if n := b.Doc.Find(".bar li").Length(); n != 10 {
		t.Errorf("%d segments", n)
	}
	if n := b.Doc.Find(".lines li .amount:contains('€0.10')").Length(); n != 10 {
		t.Errorf("%d lines of ten cents", n)
	}
	b.submit("/home/undo").wants(200, "/home").says(".notice", "Taken back").says(".figure", "€0.111111", "9 flattrs")
	if got := strings.TrimSpace(b.Doc.Find(".figure small").Text()); got != "1111" {
		t.Errorf("the digits below a cent: %q", got)
	}
	if b.post("/home/undo", "flattr", "nonsense"); b.Code != 404 {
		t.Errorf("undo of nonsense: %d", b.Code)
	}
}

// TestMonthly: a flattr of this month repeats until it is stopped.
func TestMonthly(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice, bob := a.join("alice"), a.join("bob")
	a.Fund(alice, 1_000_000)
	b := w.browser().logIn(a, "alice")
	if b.get("/home").Doc.Find("#monthly-title").Length() != 0 {
		t.Error("nothing can repeat yet")
	}
	for _, slug := range []string{"one", "two"} {
		clickAt(t, a, alice, a.button(bob, slug))
	}
	thing := b.get("/home").Doc.Find("#monthly-thing option").First().AttrOr("value", "")
	b.submit("/home/monthly", "thing", thing, "months", "6").wants(200, "/home").says(".notice", "every month from now on")
	b.says("#monthly-title ~ .lines", "1 of 6 months", "bob")
	if n := b.Doc.Find("#monthly-thing option").Length(); n != 1 {
		t.Errorf("%d things are left to repeat", n)
	}
	for _, c := range []struct{ do, notice, state string }{
		{"pause", "It rests", "rests 1 of 6"}, {"resume", "goes on with the next month", "1 of 6"}} {
		path := b.Doc.Find("form[action^='/home/monthly/']").AttrOr("action", "")
		b.post(path, "do", c.do).wants(200, "/home").says(".notice", c.notice).says("#monthly-title ~ .lines", c.state)
	}
	path := b.Doc.Find("form[action^='/home/monthly/']").AttrOr("action", "")
	if stranger := w.browser().logIn(a, "bob"); stranger.post(path, "do", "stop").Code != 404 {
		t.Error("somebody else's subscription is stopped")
	}
	if b.post(path, "do", "nonsense").Code != 404 || b.post("/home/monthly", "thing", thing, "months", "x").Code != 404 {
		t.Error("nonsense is taken")
	}
	other := b.get("/home").Doc.Find("#monthly-thing option").AttrOr("value", "")
	b.post("/home/monthly", "thing", other, "months", "0").wants(200, "/home").says("#monthly-title ~ .lines", "1 month so far")
	b.post("/home/monthly", "thing", thing, "months", "7").wants(422, "/home/monthly")
	b.post(path, "do", "stop").wants(200, "/home").says(".notice", "Stopped")
	if b.Doc.Find("form[action='"+path+"']").Length() != 0 {
		t.Error("it goes on")
	}
}

func clickAt(t *testing.T, p *place, giver ledger.Member, b ledger.Button) {
	t.Helper()
	ctx := context.Background()
	thing, err := p.ThingByIRI(ctx, p.Instance.Instance().ButtonIRI(b.ID))
	if err == nil {
		_, _, err = p.Flattr(ctx, giver.ID, thing.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestStates: each state of a flattr is explained in words.
func TestStates(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice, bob := a.join("alice"), a.join("bob")
	a.Fund(alice, 1_000_000)
	ctx := context.Background()
	for state, sql := range map[string]string{
		"held": "state = 'held'", "sent": "state = 'sent', answered_at = null",
		"rejected": "state = 'rejected', reason = 'not-accepting'", "carried": "state = 'carried', carry_count = 2",
		"expired": "state = 'expired', carry_count = 3",
	} {
		button := a.button(bob, state)
		clickAt(t, a, alice, button)
		if _, err := a.Pool.Exec(ctx, `update flattr set `+sql+` where thing = (select id from thing where button = $1)`,
			button.ID); err != nil {
			t.Fatal(err)
		}
	}
	b := w.browser().logIn(a, "alice")
	b.says(".lines", "held", "if not, your other flattrs share it", "on its way", "hasn’t answered yet",
		"The author doesn’t take flattrs now.", "goes on in the next month", "Carried over 2 times.", "It took no share.")
	b.says(".figure", "€0.50", "2 flattrs")
	b.get("/home").submit("/language", "language", "de").says(".lines", "zurückgehalten", "unterwegs", "verfallen", "2-mal mitgenommen")
	b.says(".figure", "0,50 €")
	// The rows were bent by hand: put them right before the books are checked.
	if _, err := a.Pool.Exec(ctx, `update flattr set state = 'accepted', reason = null, carry_count = 0,
		answered_at = made_at`); err != nil {
		t.Fatal(err)
	}
}

func TestPastMonths(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "alice").get("/months")
	b.says("tbody", "December 2026", "open", "November 2026", "settled", "7", "€2.00")
	b.get("/months/2026-11").says(".figure", "€0.285714", "7 flattrs", "€2.00").says(".total", "€2.00")
	if b.Doc.Find("form[action='/home/undo']").Length() != 0 {
		t.Error("a settled month offers undo")
	}
	for _, none := range []string{"2020-01", "x", "2026-13"} {
		b.get("/months/"+none).wants(404, "/months/"+none)
	}
}

func TestButtons(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser().logIn(a, "alice").get("/buttons").says("main", "No buttons yet")
	b.submit("/buttons", "url", "ftp://x", "title", "T").wants(422, "/buttons").says(".fault", "beginning with https://")
	b.submit("/buttons", "url", "HTTPS://Blog.Example:443/a?utm_source=x&p=1#top", "title", "").says(".fault", "This is needed")
	b.submit("/buttons", "url", "HTTPS://Blog.Example:443/a?utm_source=x&p=1#top", "title", "A <walk>", "summary", "by day").
		wants(200, strings.TrimPrefix(b.from, a.Base))
	all, err := a.Buttons(context.Background(), 2)
	if err != nil || len(all) != 1 || all[0].URL != "https://blog.example/a?p=1" {
		t.Fatalf("%+v %v", all, err)
	}
	href := a.Base + "/f/" + all[0].ID
	b.says("h1", "Paste").says(".snippet", `<flattr-button><a rel="payment" href="`+href+`">Flattr</a></flattr-button>`,
		`src="`+a.Base+`/embed/v1.js"`, "[![Flattr]("+href+".svg)]("+href+")", `<link rel="payment"`)
	b.get("/buttons").says(".lines", "A <walk>", "blog.example", "0 flattrs")
	b.get("/@alice").says("main", "Alice", "@alice@a.localhost", "A <walk>", "by day")
	b.get("/@alice/flattr?url=https://BLOG.example/a%3Fp=1%23x%26utm_medium=y")
	w.browser().get(a.Base+"/@alice/flattr?url=https%3A%2F%2Fblog.example%2Fa%3Fp%3D1%23c").wants(200, "/f/"+all[0].ID)
	b.get("/buttons").submit("/buttons/"+all[0].ID+"/remove").wants(200, "/buttons").says("main", "No buttons yet")
	w.browser().get(href).wants(410, "/f/"+all[0].ID).says(".fault", "doesn’t take flattrs any more")
	w.browser().get(a.Base+"/@alice/flattr?url=https://blog.example/a?p=1").wants(404, "/@alice/flattr").
		says("main", "hasn’t made one")
	b.get("/@alice/flattr?url=https://new.example/&title=New").says("main", "Make it now")
	b.get(b.Doc.Find("main a.button").AttrOr("href", ""))
	if b.Doc.Find("#f-url").AttrOr("value", "") != "https://new.example/" || b.Doc.Find("#f-title").AttrOr("value", "") != "New" {
		t.Error("the form isn't filled in")
	}
}

func TestEarnedAndWithdraw(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "alice").get("/earned")
	b.says(".stages", "Announced€0.00", "Available€5.00", "€2.00 more is being paid out").says("tbody", "November 2026", "€7.00")
	b.get("/withdraw").says(".figure", "€5.00").submit("/withdraw", "amount", "5.01", "iban", "DE02 1203 0000 0000 2020 51")
	b.wants(422, "/withdraw").says(".fault", "more than is available")
	b.submit("/withdraw", "amount", "5", "iban", "DE99").wants(422, "/withdraw").says(".fault", "IBAN isn’t valid")
	b.submit("/withdraw", "amount", "4,50", "iban", "DE02 1203 0000 0000 2020 51").wants(200, "/withdraw")
	b.says(".notice", "Asked for").says("tbody", "€4.50", "asked for").says(".figure", "€0.50")
	b.submit("/withdraw", "amount", "0,10", "iban", "DE02 1203 0000 0000 2020 51", "key", "k").says(".notice", "Asked for.")
	b.submit("/withdraw", "amount", "0,10", "iban", "DE02120300000000202051", "key", "k").wants(200, "/withdraw")
	b.says(".notice", "the form came twice").says(".figure", "€0.40")
	b.submit("/withdraw", "amount", "0,20", "iban", "DE02120300000000202051", "key", "k").wants(422, "/withdraw")
	b.says(".fault", "was sent before").says(".figure", "€0.40")
	b.submit("/withdraw", "amount", "0,20", "iban", "DE02120300000000202051").says(".notice", "Asked for.").says(".figure", "€0.20")
	other := s.browser().logIn(s.b, "bob").get("/earned")
	other.says(".stages", "Pledged7", "Announced€0.00")
}

func TestSettingsAndDelete(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	b := w.browser().logIn(a, "alice").get("/settings").says("main", "@alice@a.localhost")
	b.submit("/settings", "display_name", strings.Repeat("x", 101)).wants(422, "/settings").says(".fault", "too long")
	b.submit("/settings", "display_name", "Älice", "language", "de").wants(200, "/settings").says(".notice", "Gespeichert")
	b.submit("/language", "language", "en")
	a.Fund(alice, 1_000_000)
	b.get("/settings/delete").says("#money", "€1.00 that this month’s budget holds")
	b.submit("/settings/delete", "password", testPassword).wants(422, "/settings/delete").says(".fault", "This is needed")
	b.submit("/settings/delete", "password", testPassword, "rest", "paid").wants(422, "/settings/delete").says(".fault", "IBAN isn’t valid")
	b.submit("/settings/delete", "password", testPassword, "rest", "given", "cause", "alice").wants(422, "/settings/delete").says(".fault", "No other member")
	b.submit("/settings/delete", "password", testPassword, "rest", "paid", "iban", "DE02120300000000202051", "cause", "").wants(200, "/")
	c := a.join("carol")
	b = w.browser().logIn(a, "carol").get("/settings/delete").says("main", "There is no money in it")
	b.submit("/settings/delete", "password", "wrong wrong").wants(422, "/settings/delete").says(".fault", "isn’t right")
	b.submit("/settings/delete", "password", testPassword).wants(200, "/")
	if m, err := a.Member(context.Background(), c.ID); err != nil || m.DeletedAt == nil {
		t.Errorf("%+v %v", m, err)
	}
	b.get("/home").wants(200, "/login")
}

// TestTestMode: the banner closes the month and turns the clock; without the mode there is neither.
func TestTestMode(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	a.Fund(alice, 1_000_000)
	b := w.browser().logIn(a, "alice").says(".test", "play money", "10 November 2026")
	b.submit("/test/turn").wants(200, "/home").says(".test", "11 November 2026").says(".notice", "a day on")
	b.get("/months").submit("/test/close-month").wants(200, "/months").says("tbody", "November 2026", "closed, waiting").says(".test", "1 December 2026")
	a.Site.test = nil
	plain, err := New(Config{Ledger: a.Ledger, Resolver: neighbour{w, a}, Pool: a.Pool})
	if err != nil {
		t.Fatal(err)
	}
	a.Site = plain
	w.browser().post(a.Base+"/test/turn").wants(404, "/test/turn")
	if got := w.browser().get(a.Base + "/").Doc.Find(".test").Length(); got != 0 {
		t.Error("a banner without the test mode")
	}
	w.clock.Set(w.clock.Now().Add(25 * time.Hour))
	if err := a.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestLandingSplit: the form shares by settlement's own rule, without JavaScript.
func TestLandingSplit(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	b := w.browser().get(a.Base+"/").says("h1", "One fixed amount a month.", "shared equally").says("#each", "€0.10")
	b.get("/?budget=1&clicks=3").says("#each", "€0.333333").says("#rest", "exactly what you gave")
	if n := b.Doc.Find("#bar li").Length(); n != 3 {
		t.Errorf("%d parts", n)
	}
	b.get("/?budget=7,00&clicks=7").says("#each", "€1.00")
	if _, hidden := b.Doc.Find("#rest").Attr("hidden"); !hidden {
		t.Error("nothing is left over, but it is said so")
	}
	for _, bad := range []string{"budget=0&clicks=3", "budget=1e3&clicks=3", "budget=5000&clicks=3", "budget=1&clicks=0", "budget=1&clicks=31"} {
		if b.get("/?" + bad); b.Code != 422 || b.Doc.Find(".fault").Length() != 1 {
			t.Errorf("%s: %d, %s", bad, b.Code, b.text(".fault"))
		}
	}
	for _, n := range []int{1, 3, 7, 13, 30} {
		sum := int64(0)
		for _, part := range splitOf(7_000_000, n).Parts {
			sum += part
		}
		if sum != 7_000_000 {
			t.Errorf("%d parts add up to %d", n, sum)
		}
	}
}

// TestHostileNames: what members type is shown as text, everywhere (W4).
func TestHostileNames(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	ctx := context.Background()
	evil := []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `'-alert(1)-'`,
		`</title><svg onload=alert(1)>`, `{{.}}`, `&lt;b&gt;`, `<flattr-button>`, `]]><x/>`}
	for i, name := range evil {
		if err := a.SetDisplayName(ctx, alice.ID, name); err != nil {
			t.Fatal(err)
		}
		b, err := a.CreateButton(ctx, alice.ID, ledger.NewButton{URL: "https://blog.example/" + string(rune('a'+i)) + "?x=<script>", Title: name, Summary: name})
		if err != nil {
			t.Fatal(err)
		}
		reader := w.browser()
		for _, path := range []string{"/@alice", "/f/" + b.ID, "/f/" + b.ID + "/done", "/f/" + b.ID + "?ask"} {
			reader.get(a.Base + path)
			harmless(t, reader)
		}
		own := w.browser().logIn(a, "alice")
		for _, path := range []string{"/home", "/buttons", "/buttons/" + b.ID + "/snippet", "/settings"} {
			own.get(path)
			harmless(t, own)
		}
		badge := reader.get(a.Base + "/f/" + b.ID + ".svg").Body
		if strings.Contains(badge, "alert") {
			t.Errorf("the badge repeats %q", name)
		}
	}
}

// TestHiddenCharacters: nobody types a name or title that doesn't show what it holds, and what other
// instances send is shown without.
func TestHiddenCharacters(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	ctx := context.Background()
	b := s.browser().logIn(s.a, "alice").get("/settings")
	b.submit("/settings", "display_name", "Bob\u202e", "language", "en").wants(422, "/settings").says(".fault", "invisible characters")
	b.get("/buttons").submit("/buttons", "url", "https://blog.example/", "title", "es\u200bsay").wants(422, "/buttons").
		says(".fault", "invisible characters")
	iri := s.b.Instance.Instance().ButtonIRI(s.button.ID)
	if _, err := s.b.Pool.Exec(ctx, `update thing set title = $1, payee_name = $2`, "\u202eyassE", "\u2066\u00ad"); err != nil {
		t.Fatal(err)
	}
	b.get(s.intent()).says("h1", "yassE").says(".who", "– @bob@b.localhost")
	thing, err := s.a.ThingByIRI(ctx, iri)
	if err != nil || thing.Title != "\u202eyassE" {
		t.Fatalf("%+v, %v", thing, err)
	}
	b.submit("/intents/flattr").get(s.a.Base+"/home").says(".lines", "yassE", "– @bob@b.localhost")
	if strings.ContainsAny(b.Body, "\u202e\u2066\u00ad") {
		t.Error("the page turns around")
	}
}

// harmless demands that a page has no script, handler or link but ours.
func harmless(t *testing.T, b *browser) {
	t.Helper()
	if b.Code >= 500 {
		t.Errorf("%s: %d", b.from, b.Code)
	}
	b.Doc.Find("*").Each(func(_ int, e *goquery.Selection) {
		node := e.Nodes[0]
		if node.Data == "script" && !strings.HasPrefix(e.AttrOr("src", ""), "/") || node.Data == "style" || node.Data == "iframe" {
			t.Errorf("%s: a <%s> of someone else's", b.from, node.Data)
		}
		for _, a := range node.Attr {
			link := strings.ToLower(strings.TrimSpace(a.Val))
			if strings.HasPrefix(a.Key, "on") && a.Key != "on" || a.Key == "style" || (a.Key == "href" || a.Key == "src" || a.Key == "action") &&
				(strings.HasPrefix(link, "javascript:") || strings.HasPrefix(link, "data:") || strings.HasPrefix(link, "//")) {
				t.Errorf("%s: %s=%q", b.from, a.Key, a.Val)
			}
		}
	})
}
