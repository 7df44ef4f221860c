package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/fedflattr/flattrd/ledger"
)

// TestTable: each route has a guard, a frame and a handler, and exactly the POST routes change state.
func TestTable(t *testing.T) {
	s := &Site{test: &TestMode{}}
	seen := map[string]bool{}
	for _, rt := range s.routes() {
		name := rt.method + " " + rt.pattern
		if rt.guard == 0 || rt.frame == 0 || rt.handle == nil {
			t.Errorf("%s lacks a guard, a frame or a handler", name)
		}
		if rt.changes != (rt.method == http.MethodPost) || rt.method != http.MethodGet && rt.method != http.MethodPost {
			t.Errorf("%s: only POST changes state, and POST does", name)
		}
		if seen[name] {
			t.Errorf("%s stands there twice", name)
		}
		if strings.HasPrefix(rt.pattern, "/admin") != (rt.guard == operator) {
			t.Errorf("%s: /admin is the operator's, and nothing else is", name)
		}
		seen[name] = true
	}
	if len(seen) < 60 {
		t.Errorf("only %d routes", len(seen))
	}
}

var pathVariable = regexp.MustCompile(`\{[^}]*\}`)

// concrete puts a real row into a pattern.
func (s *scene) concrete(pattern string) string {
	pattern = strings.ReplaceAll(pattern, "{format:csv|json}", "csv")
	for _, v := range [][2]string{{"/@", "alice"}, {"/f/", s.own.ID}, {"/months/", "2026-11"}, {"/earned/", "2026-11"},
		{"/totals/", "2026-11"}, {"/buttons/", s.own.ID}, {"/static/", s.a.Site.assets.names["app.css"]},
		{"/admin/months/", "2026-11"}, {"/admin/peers/{", s.aPeer()}, {"/admin/", "1"}} {
		if strings.HasPrefix(pattern, v[0]) {
			return pathVariable.ReplaceAllString(pattern, v[1])
		}
	}
	return pattern
}

// aPeer is a host with which a has to do.
func (s *scene) aPeer() string {
	s.t.Helper()
	all, err := s.a.PeerPositions(context.Background())
	if err != nil || len(all) == 0 {
		s.t.Fatalf("a has no peer: %v", err)
	}
	return url.PathEscape(all[0].Host)
}

// digest is the state of a's books.
func (s *scene) digest() string {
	s.t.Helper()
	h, err := s.a.Hash(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

// TestRoles asks every route as a stranger, another member, the owner and the operator: strangers
// are sent to the login, operators' pages don't exist for members, and no answer is a fault of ours.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.a.join("mallory")
	roles := map[string]*browser{"stranger": s.browser(), "other": s.browser().logIn(s.a, "mallory"),
		"member": s.browser().logIn(s.a, "alice"), "operator": s.browser().logIn(s.a, "rita")}
	for _, rt := range s.a.Site.table {
		for role, b := range roles {
			if rt.changes && (rt.guard == public || role == "operator" || role != "stranger" && rt.guard == member) {
				continue // forms have tests of their own
			}
			b.from = ""
			location := b.once(rt.method, s.a.Base+s.concrete(rt.pattern), url.Values{})
			name := fmt.Sprintf("%s %s as %s: %d %s", rt.method, rt.pattern, role, b.Code, location)
			switch {
			case b.Code >= 500:
				t.Error(name)
			case rt.guard != public && role == "stranger":
				if b.Code != http.StatusSeeOther || !strings.HasPrefix(location, "/login?next=") {
					t.Error(name)
				}
			case rt.guard == operator && role != "operator":
				if b.Code != http.StatusNotFound {
					t.Error(name)
				}
			case rt.guard == operator && b.Code != http.StatusOK:
				t.Error(name)
			}
		}
	}
}

// TestOthersRows: what belongs to someone else is not found, exactly like what doesn't exist.
func TestOthersRows(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.a.join("mallory")
	m, err := s.a.MyMonth(context.Background(), s.alice.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	before := s.digest()
	b := s.browser().logIn(s.a, "mallory")
	missing := b.get("/buttons/aaaaaaaaaaaa/snippet").Body
	if got := b.get("/buttons/" + s.own.ID + "/snippet"); got.Code != http.StatusNotFound ||
		strings.ReplaceAll(got.Body, s.own.ID, "aaaaaaaaaaaa") != missing {
		t.Errorf("another's button: %d", got.Code)
	}
	for path, form := range map[string][]string{
		"/buttons/" + s.own.ID + "/remove": {},
		"/home/undo":                       {"flattr", m.Lines[0].ID.String()},
		"/intents/flattr/undo":             {"flattr", m.Lines[0].ID.String()},
	} {
		if b.post(path, form...); b.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, b.Code)
		}
	}
	if s.digest() != before {
		t.Error("another member changed alice's rows")
	}
}

// TestReadingChangesNothing follows every link of every page, as each role, with GET and HEAD.
func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	before := s.digest()
	for _, name := range []string{"", "alice", "rita"} {
		b := s.browser()
		if name != "" {
			b.logIn(s.a, name)
		}
		queue, seen := []string{s.a.Base + "/"}, map[string]bool{}
		for _, stop := range s.stops() {
			queue = append(queue, s.a.Base+stop.path)
		}
		for len(queue) > 0 {
			at := queue[0]
			queue = queue[1:]
			if seen[at] || !strings.HasPrefix(at, s.a.Base+"/") {
				continue
			}
			seen[at] = true
			b.from = ""
			b.once(http.MethodHead, at, nil)
			b.from = ""
			if b.get(at); b.Code >= 500 {
				t.Errorf("%s as %q: %d", at, name, b.Code)
			}
			queue = append(queue, b.links()...)
		}
		if len(seen) < 40 {
			t.Errorf("as %q only %d pages found", name, len(seen))
		}
	}
	if s.digest() != before {
		t.Error("reading changed the books")
	}
}

// links are a page's links, absolute.
func (b *browser) links() []string {
	var all []string
	base, err := url.Parse(b.from)
	if err != nil {
		return nil
	}
	b.Doc.Find("a[href], link[href], img[src], script[src]").Each(func(_ int, e *goquery.Selection) {
		if to, err := base.Parse(e.AttrOr("href", e.AttrOr("src", ""))); err == nil {
			to.Fragment = ""
			all = append(all, to.String())
		}
	})
	return all
}

// TestForeignForms: every state-changing route refuses what another site sends (W1).
func TestForeignForms(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	cookie := s.browser().logIn(s.a, "rita").cookie(s.a)
	before := s.digest()
	foreign := []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.example"}, {"Origin": "null"}}
	for _, rt := range s.a.Site.table {
		if !rt.changes {
			continue
		}
		for _, headers := range foreign {
			r := httptest.NewRequest(http.MethodPost, s.a.Base+s.concrete(rt.pattern), strings.NewReader("amount=1"))
			r.Header.Set("Content-Type", "text/plain")
			r.Header.Set("Cookie", cookie)
			for k, v := range headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			s.a.Site.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || w.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("%s with %v: %d", rt.pattern, headers, w.Code)
			}
		}
	}
	if s.digest() != before {
		t.Error("a foreign form changed the books")
	}
}

// cookie is what the browser would send to a place.
func (b *browser) cookie(p *place) string {
	u, _ := url.Parse(strings.Replace(p.Base, "http:", "https:", 1))
	var all []string
	for _, c := range b.jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// TestForeignHost: nothing is served under a name that isn't ours (W3).
func TestForeignHost(t *testing.T) {
	t.Parallel()
	w := newTown(t, "a")
	a := w.places["a.localhost:"+w.port]
	for _, host := range []string{"evil.example", "a.localhost", "a.localhost:1", "", "a.localhost:" + w.port + "."} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "a.localhost:"+w.port)
		rec := httptest.NewRecorder()
		a.Site.ServeHTTP(rec, r)
		if rec.Code != http.StatusMisdirectedRequest {
			t.Errorf("host %q: %d", host, rec.Code)
		}
	}
	r := httptest.NewRequest(http.MethodGet, a.Base+"/login", nil)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	rec := httptest.NewRecorder()
	a.Site.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK || strings.Contains(rec.Body.String(), "evil.example") {
		t.Errorf("X-Forwarded-Host: %d", rec.Code)
	}
}

// TestHeaders holds each frame to its set (W6, E1), error pages included.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "rita")
	for _, rt := range s.a.Site.table {
		if rt.changes {
			continue
		}
		b.from = ""
		b.once(http.MethodGet, s.a.Base+s.concrete(rt.pattern), nil)
		s.checkHeaders(rt.pattern, rt.frame, b.Head)
	}
	b.get(s.a.Base + "/nothing")
	s.checkHeaders("404", pageFrame, b.Head)
	stranger := s.browser()
	stranger.get(s.a.Base + "/intents/flattr?object=" + url.QueryEscape(s.a.Instance.Instance().ButtonIRI(s.own.ID)))
	s.checkHeaders("login in the popup", popupFrame, stranger.Head)
	stranger.submit("/login", "name", "alice", "password", "wrong")
	s.checkHeaders("refused login in the popup", popupFrame, stranger.Head)
}

func (s *scene) checkHeaders(name string, f frame, h http.Header) {
	s.t.Helper()
	csp := h.Get("Content-Security-Policy")
	want := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
	switch f {
	case pageFrame:
		want["Cross-Origin-Opener-Policy"], want["Cache-Control"] = "same-origin", "no-store"
		want["Content-Security-Policy"] = policy + "'self'"
	case popupFrame:
		want["Cross-Origin-Opener-Policy"], want["Cache-Control"] = "", "no-store"
		want["Content-Security-Policy"] = policy + "'self' https: http://*.localhost:*"
	case embedFrame:
		want["Access-Control-Allow-Origin"], want["Set-Cookie"], want["Vary"] = "*", "", ""
		want["Cross-Origin-Resource-Policy"], want["Content-Security-Policy"] = "cross-origin", "default-src 'none'; sandbox"
	case assetFrame:
		want["Set-Cookie"], want["Content-Security-Policy"] = "", "default-src 'none'"
	}
	for k, v := range want {
		if got := h.Get(k); got != v {
			s.t.Errorf("%s: %s is %q, want %q", name, k, got, v)
		}
	}
	if strings.Contains(csp, "unsafe") {
		s.t.Errorf("%s: %s", name, csp)
	}
}

// TestProductionHeaders: over https cookies are bound to the host, and popups may end at https only.
func TestProductionHeaders(t *testing.T) {
	t.Parallel()
	w := newTown(t, "a")
	a := w.places["a.localhost:"+w.port]
	r := httptest.NewRequest(http.MethodPost, a.Base+"/language", strings.NewReader("language=de&back=//evil.example"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	a.Site.ServeHTTP(rec, r)
	cookie := rec.Result().Cookies()[0]
	if cookie.Name != "__Host-lang" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
		t.Errorf("cookie: %v", cookie)
	}
	if to := rec.Header().Get("Location"); to != "/" {
		t.Errorf("led to %q", to)
	}
	s := &Site{ledger: a.Ledger}
	if s.formTargets() != "'self' https:" || s.webLink("http://a.localhost/") || !s.webLink("https://b.example/x") {
		t.Error("without the test mode only https may be followed")
	}
}

// TestErrorPages: every sentinel has its page, what is unknown says nothing of itself.
func TestErrorPages(t *testing.T) {
	for err, want := range map[error]int{
		ledger.ErrNotFound: 404, fmt.Errorf("x: %w", ledger.ErrConflict): 409, ledger.ErrClosed: 409, ledger.ErrFunds: 422,
		ledger.ErrRefused: 422, &ledger.FieldError{Field: "thing", Rule: "own-thing"}: 422, errTooMany: 429,
		errForeign: 403, errBadForm: 400, ErrUnreachable: 502, errMethod: 405, fmt.Errorf("pq: secret"): 500,
	} {
		if p := pageOf(err); p.Status != want {
			t.Errorf("%v: %d, want %d", err, p.Status, want)
		}
	}
}
