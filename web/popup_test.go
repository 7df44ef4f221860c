package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/fedflattr/flattrd/ledger"
)

// street is two instances: bob's button on b, alice's home on a.
type street struct {
	*town
	a, b       *place
	alice, bob ledger.Member
	button     ledger.Button
}

func newStreet(t *testing.T) *street {
	w := newTown(t, "a", "b")
	s := &street{town: w, a: w.places["a.localhost:"+w.port], b: w.places["b.localhost:"+w.port]}
	s.alice, s.bob = s.a.join("alice"), s.b.join("bob")
	s.button = s.b.button(s.bob, "essay")
	return s
}

func (s *street) popup() string { return s.b.Base + "/f/" + s.button.ID }

func (s *street) intent(pairs ...string) string {
	q := url.Values{"object": {s.b.Instance.Instance().ButtonIRI(s.button.ID)}, "on-success": {s.popup() + "/done"},
		"on-cancel": {s.popup() + "/cancelled"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return s.a.Base + "/intents/flattr?" + q.Encode()
}

// clicks counts a's flattr rows.
func (s *street) clicks() (n int) {
	s.t.Helper()
	err := s.a.Pool.QueryRow(context.Background(), `select count(*) from flattr where state <> 'undone'`).Scan(&n)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestPopup is the whole way without JavaScript: home asked once, remembered, confirmed, counted.
func TestPopup(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	v := s.browser().get(s.popup()).wants(200, "/f/"+s.button.ID).says("h1", "essay").says("main", "@bob@b.localhost", "0 flattrs")
	v.submit("/f/", homeField, "@alice@a.localhost:"+s.port).wants(200, "/login").says("main", "go on with your flattr")
	v.submit("/login", "name", "alice", "password", testPassword).wants(200, "/intents/flattr")
	v.says("h1", "essay").says(".fact", "number 1", "€1.00").says(".who", "Bob", "@bob@b.localhost")
	if s.clicks() != 0 {
		t.Fatal("looking at the intent flattred")
	}
	v.submit("/intents/flattr").wants(200, "/f/"+s.button.ID+"/done").says("h1", "Thank you").says("main", "1 flattr")
	if v.Doc.Find("#done[data-state=flattred][data-count='1']").AttrOr("data-origin", "") != "http://blog.localhost:"+s.port {
		t.Error("the opener's origin isn't named: " + v.Body)
	}
	v.get(s.popup()).wants(200, "/intents/flattr").says(".fact", "Already flattred", "accepted")
	home := v.Doc.Find("main a.button").AttrOr("href", "")
	if home != s.popup()+"/done" {
		t.Errorf("the way back: %q", home)
	}
	v.submit("/intents/flattr/undo").wants(200, "/intents/flattr").says(".notice", "Taken back").says(".fact", "number 1")
	if s.clicks() != 0 {
		t.Error("undo did nothing")
	}
	v.get(v.Doc.Find(".aside a").AttrOr("href", "")).wants(200, "/f/"+s.button.ID+"/cancelled").says("h1", "Nothing was given")
	v.get(s.popup()+"?ask").wants(200, "/f/"+s.button.ID)
	if got := v.Doc.Find("#f-flattr-address").AttrOr("value", ""); got != "a.localhost:"+s.port {
		t.Errorf("the remembered home: %q", got)
	}
}

// TestHomeCookie: first-party, for 400 days, unreadable to scripts; not set when not wanted.
func TestHomeCookie(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	v := s.browser().get(s.popup())
	v.once(http.MethodPost, s.popup(), url.Values{homeField: {"a.localhost:" + s.port}, "remember": {"yes"}})
	set := v.Head.Get("Set-Cookie")
	for _, part := range []string{"__Host-fl_home=a.localhost:" + s.port, "Path=/", "Max-Age=34560000", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(set, part) {
			t.Errorf("%q lacks %s", set, part)
		}
	}
	to, _ := url.Parse(v.Head.Get("Location"))
	q := to.Query()
	if v.Code != 303 || q.Get("object") != s.b.Instance.Instance().ButtonIRI(s.button.ID) || q.Get("on-success") != s.popup()+"/done" ||
		q.Get("on-cancel") != s.popup()+"/cancelled" || q.Get("x") != "" {
		t.Errorf("%d to %s", v.Code, to)
	}
	v = s.browser().get(s.popup())
	v.once(http.MethodPost, s.popup(), url.Values{homeField: {"a.localhost:" + s.port}})
	if v.Head.Get("Set-Cookie") != "" {
		t.Error("remembered against the visitor's wish: " + v.Head.Get("Set-Cookie"))
	}
}

// TestHomeFaults: each way in which a home can't be used keeps what was typed and says why.
func TestHomeFaults(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	v := s.browser().get(s.popup())
	for typed, words := range map[string]string{
		"":                                 "This is needed",
		"@nobody@a.localhost:" + s.port:    "doesn’t know this address",
		"@me@mastodon.localhost:" + s.port: "doesn’t seem to speak Flattr",
		"website.localhost:" + s.port:      "doesn’t seem to speak Flattr",
		"@me@website.localhost:" + s.port:  "doesn’t know this address",
		"gone.localhost:" + s.port:         "doesn’t answer",
		"a@b@c.example":                    "Write it like",
		"good.example/../":                 "Write it like",
		"javascript:alert(1)":              "Write it like",
		"home.example:8080":                "Write it like",
		"127.0.0.1:5432":                   "Write it like",
		"me@" + strings.Repeat("x", 300):   "Write it like",
		"https://user:pw@home.example/@a":  "Write it like",
		"https://home.example/@a?x=1":      "Write it like",
		"https://home.example/some/page":   "Write it like",
		"home .example":                    "Write it like",
		"ho\u200bme":                       "Write it like",
	} {
		v.submit("/f/", homeField, typed)
		if v.Code != 422 {
			t.Errorf("%q: %d", typed, v.Code)
			continue
		}
		v.says(".fault", words)
		field := v.Doc.Find("#f-flattr-address[aria-invalid=true]")
		if got := field.AttrOr("value", ""); got != typed || !strings.Contains(field.AttrOr("aria-describedby", ""), "fault") {
			t.Errorf("%q: the field holds %q", typed, got)
		}
	}
	v.submit("/f/", homeField, "mastodon.localhost:"+s.port).says(".help", "mastodon.localhost", "Join B by invitation")
	v.submit("/f/", homeField, "gone.localhost:"+s.port).says(".help", s.popup())
}

// TestHomesRead: handles, hosts and profile links are all understood.
func TestHomesRead(t *testing.T) {
	w, a := single(t)
	for typed, want := range map[string]string{
		"@alice@home.example": "alice@home.example", "alice@Home.Example": "alice@home.example", " home.example ": "home.example",
		"https://home.example/@alice": "alice@home.example", "https://home.example/": "home.example",
		"@me@bücher.example": "me@xn--bcher-kva.example", "a.localhost:" + w.port: "a.localhost:" + w.port,
	} {
		if got, _, err := a.Site.parseHome(typed); err != nil || got != want {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}

// trap is a home whose intent leads astray.
type trap struct {
	neighbour
	template string
}

func (r trap) FindHome(context.Context, string) (string, string, error) {
	return r.template, "home.example", nil
}

// TestTemplateStaysAtHome: a home sends its visitors to itself only (E2).
func TestTemplateStaysAtHome(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	for template, want := range map[string]int{
		"https://home.example/intents?o={object}":     303,
		"https://flattr.home.example/i?o={object}":    303,
		"https://evil.example/i?o={object}":           422,
		"http://home.example/i?o={object}":            422,
		"javascript:alert({object})":                  422,
		"//evil.example/{object}":                     422,
		"https://home.example@evil.example/?{object}": 422,
		"https://home.example.evil.example/?{object}": 422,
		"{object}": 422,
	} {
		s.b.Site.resolver = trap{neighbour{s.town, s.b}, template}
		v := s.browser().get(s.popup())
		v.once(http.MethodPost, s.popup(), url.Values{homeField: {"home.example"}})
		if v.Code != want {
			t.Errorf("%s: %d to %q", template, v.Code, v.Head.Get("Location"))
		}
	}
	s.b.Site.resolver = trap{neighbour{s.town, s.b}, "https://home.example/i?o={object}"}
	v := s.browser().get(s.popup())
	if v.once(http.MethodPost, s.popup(), url.Values{homeField: {"other.example"}}); v.Code != 422 {
		t.Errorf("one domain's handle led to another's home: %d", v.Code)
	}
}

// TestOwnMembersSkipTheQuestion: who is logged in where the thing lives, confirms at once.
func TestOwnMembersSkipTheQuestion(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	carol := s.b.join("carol")
	s.b.Fund(carol, 1_000_000)
	v := s.browser().logIn(s.b, "carol").get(s.popup()).wants(200, "/intents/flattr")
	v.submit("/intents/flattr").wants(200, "/f/"+s.button.ID+"/done").says("main", "1 flattr")
	v = s.browser().get(s.popup()).submit("/f/", homeField, "@carol@b.localhost:"+s.port).wants(200, "/login")
	v.submit("/login", "name", "carol", "password", testPassword).wants(200, "/intents/flattr").says(".fact", "Already")
	v = s.browser().logIn(s.b, "bob").get(s.popup()).says(".fault", "That’s yours")
	if v.Doc.Find("form[action^='/intents/flattr']").Length() != 0 {
		t.Error("one's own thing can be flattred")
	}
	v.post("/intents/flattr?object="+url.QueryEscape(s.b.Instance.Instance().ButtonIRI(s.button.ID))).
		wants(422, "/intents/flattr").says(".fault", "That’s yours").says("main", "Nothing was given")
}

// TestUnfunded: without a budget the click is kept, and the popup says so at home and on the way back.
func TestUnfunded(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	v := s.browser().logIn(s.a, "alice").get(s.intent()).says(".fact", "no running budget")
	v.submit("/intents/flattr").wants(200, "/intents/flattr").says("h1", "Your click is kept").says("main", "Set a budget")
	v.get(v.Doc.Find(".aside a").AttrOr("href", "")).wants(200, "/f/"+s.button.ID+"/done").says("h1", "Kept at your home").
		says(".eyebrow", "0 flattrs")
	s.a.Fund(s.alice, 2_000_000)
	s.deliver()
	v.get(s.a.Base+"/home").says(".figure", "€2.00", "one flattr")
	s.browser().get(s.popup()).says(".eyebrow", "1 flattr")
}

// TestLateAnswer: when the payee's home doesn't answer in time, the popup says that it's on its way.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	v := s.browser().logIn(s.a, "alice").get(s.intent())
	s.post.Lock() // the postman is held up
	begin := time.Now()
	v.submit("/intents/flattr").wants(200, "/f/"+s.button.ID+"/done").says("h1", "On its way")
	s.post.Unlock()
	if took := time.Since(begin); took < answerWait || took > answerWait+8*time.Second {
		t.Errorf("waited %v", took)
	}
	s.deliver()
	v.get(s.a.Base+"/home").says(".lines", "accepted")
}

// TestRefusedByPayee: a reject is explained, and nothing is given.
func TestRefusedByPayee(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	v := s.browser().logIn(s.a, "alice").get(s.intent())
	s.post.Lock()
	go func() {
		time.Sleep(200 * time.Millisecond)
		ctx := context.Background()
		var id string
		err := s.a.Pool.QueryRow(ctx, `select id from flattr`).Scan(&id)
		if err == nil {
			err = s.a.FlattrAnswered(ctx, ledger.Verdict{Like: s.a.Instance.Instance().FlattrIRI(id),
				Host: "b.localhost:" + s.port, Actor: s.b.Instance.Instance().ActorIRI(), Answer: "reject", Reason: ledger.ReasonNotAccepting})
		}
		if err != nil {
			t.Error(err)
		}
		s.a.Outbox.Take(t)
		s.post.Unlock()
	}()
	v.submit("/intents/flattr").wants(200, "/intents/flattr").says("h1", "wasn’t taken").
		says("main", "The author doesn’t take flattrs now.")
}

// TestGoneThing: a button that is removed while the popup is open takes nothing.
func TestGoneThing(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	carol := s.b.join("carol")
	s.b.Fund(carol, 1_000_000)
	v := s.browser().logIn(s.b, "carol").get(s.popup())
	if err := s.b.RemoveButton(context.Background(), s.bob.ID, s.button.ID); err != nil {
		t.Fatal(err)
	}
	v.submit("/intents/flattr").wants(422, "/intents/flattr").says(".fault", "doesn’t take flattrs")
	if v.get(s.popup()); v.Code != http.StatusGone {
		t.Errorf("%d", v.Code)
	}
}

// TestNoOpenRedirect: a way back on another origin than the thing's is shown, never followed.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	v := s.browser().logIn(s.a, "alice")
	for _, back := range []string{"https://evil.example/", "//evil.example", "javascript:alert(1)", s.a.Base + "/logout",
		"http://b.localhost:1/x", "https://b.localhost:" + s.port + "/x", "http://b.localhost:" + s.port + "@evil.example/",
		"http://evil@b.localhost:" + s.port + "/", "data:text/html,x", ""} {
		v.get(s.intent("on-success", back, "on-cancel", back))
		v.Doc.Find("main a[href]").Each(func(_ int, e *goquery.Selection) {
			if to := e.AttrOr("href", ""); back != "" && to == back {
				t.Errorf("a link to %q", to)
			}
		})
		v.post(v.from).wants(200, "/intents/flattr").says("h1", "Flattred. Thank you!")
	}
	v.post(s.intent("on-success", "https://evil.example/")).says(".aside", "another site", "https://evil.example/")
	if s.clicks() != 1 {
		t.Errorf("%d rows for one click a month", s.clicks())
	}
}

// TestBadObjects: links that name nothing are refused in words, and nothing is fetched for strangers.
func TestBadObjects(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	v := s.browser().logIn(s.a, "alice")
	for object, want := range map[string]int{"": 422, "javascript:alert(1)": 422, "x": 422, "http://b.example/buttons/1": 422,
		s.b.Base + "/buttons/aaaaaaaaaaaa": 404, s.a.Base + "/buttons/aaaaaaaaaaaa": 404, s.a.Base + "/actor": 404,
		"https://unknown.example/buttons/x": 502} {
		if v.get(s.intent("object", object)); v.Code != want {
			t.Errorf("%q: %d, want %d", object, v.Code, want)
		}
	}
	own := s.a.button(s.alice, "mine")
	if v.get(s.intent("object", s.a.Base+"/f/"+own.ID)).says(".fault", "That’s yours"); v.Code != 200 {
		t.Errorf("a page's address instead of the id: %d", v.Code)
	}
}

// TestThingRemembered: a thing that was seen before can be flattred while its home is down.
func TestThingRemembered(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	v := s.browser().logIn(s.a, "alice").get(s.intent()).wants(200, "/intents/flattr")
	b := s.b
	s.post.Lock()
	delete(s.places, "b.localhost:"+s.port)
	s.post.Unlock()
	v.get(s.intent()).wants(200, "/intents/flattr").says("h1", "essay")
	s.post.Lock()
	s.places["b.localhost:"+s.port] = b
	s.post.Unlock()
}

// TestCounts: what other sites read is small, cacheable, and says nothing of the reader.
func TestCounts(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	v := s.browser().logIn(s.b, "bob")
	v.once(http.MethodGet, s.popup()+".json", nil)
	if v.Body != `{"n":0,"s":"active"}` || v.Head.Get("ETag") != `"0a"` || v.Head.Get("Cache-Control") != countAge ||
		v.Head.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", v.Body, v.Head)
	}
	s.browser().logIn(s.a, "alice").get(s.intent()).submit("/intents/flattr")
	byURL := s.b.Base + "/@bob/flattr.json?url=" + url.QueryEscape(s.button.URL+"#top")
	if v.once(http.MethodGet, byURL, nil); v.Body != `{"n":1,"s":"active"}` {
		t.Error(v.Body)
	}
	if got := s.conditional(s.popup()+".json", `"1a"`); got != http.StatusNotModified {
		t.Errorf("the same again: %d", got)
	}
	v.once(http.MethodGet, s.popup()+".svg", nil)
	if !strings.Contains(v.Body, "<title>Flattr: 1</title>") || v.Head.Get("Content-Type") != "image/svg+xml" {
		t.Error(v.Body)
	}
	if err := s.b.RemoveButton(context.Background(), s.bob.ID, s.button.ID); err != nil {
		t.Fatal(err)
	}
	if v.once(http.MethodGet, s.popup()+".json", nil); v.Body != `{"n":1,"s":"inactive"}` {
		t.Error(v.Body)
	}
	if v.once(http.MethodGet, s.b.Base+"/f/aaaaaaaaaaaa.svg", nil); v.Code != 200 || strings.Contains(v.Body, "Flattr:") {
		t.Errorf("a badge without a button: %d %s", v.Code, v.Body)
	}
	if v.once(http.MethodGet, s.b.Base+"/f/aaaaaaaaaaaa.json", nil); v.Code != 404 {
		t.Error(strconv.Itoa(v.Code))
	}
}

// conditional is a GET by someone who has the page already.
func (w *town) conditional(target, tag string) int {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("If-None-Match", tag)
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec.Code
}
