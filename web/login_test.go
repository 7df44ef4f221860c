package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func single(t *testing.T) (*town, *place) {
	w := newTown(t, "a")
	return w, w.places["a.localhost:"+w.port]
}

func TestJoinByInvitation(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	invite, err := a.CreateInvite(context.Background(), a.Op.ID, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser().get(a.Base+"/join?code=nope").wants(200, "/join").says(".fault", "isn’t known")
	b.get("/join?code=" + invite.Code)
	if b.Doc.Find(".fault").Length() != 0 {
		t.Error("a good invitation is called bad")
	}
	b.submit("/join", "name", "Alice Smith", "password", testPassword).wants(422, "/join").says(".fault", "Small letters")
	if got := b.Doc.Find("#f-code").AttrOr("value", ""); got != invite.Code {
		t.Errorf("the code was forgotten: %q", got)
	}
	if b.Doc.Find("#f-name[aria-invalid=true][aria-describedby='f-name-hint f-name-fault']").Length() != 1 {
		t.Error("the fault isn't tied to its field")
	}
	if b.Doc.Find("#f-password").AttrOr("value", "") != "" {
		t.Error("the password was sent back")
	}
	b.submit("/language", "language", "de").wants(200, "/join").says("h1", "mitmachen")
	if got := b.Doc.Find("#f-code").AttrOr("value", ""); got != invite.Code {
		t.Errorf("the code was lost with the language: %q", got)
	}
	b.submit("/language", "language", "en")
	b.submit("/join", "name", "alice", "password", "short").wants(422, "/join").says(".fault", "At least 10")
	b.submit("/join", "name", " Alice ", "display_name", "Alice S.", "password", testPassword).wants(200, "/home")
	b.says(".notice", "Welcome")
	b.get("/home")
	if b.Doc.Find(".notice").Length() != 0 {
		t.Error("a notice shows once")
	}
	w.browser().get(a.Base+"/join?code="+invite.Code).says(".fault", "used up")
	m, err := a.MemberByName(context.Background(), "alice")
	if err != nil || m.DisplayName != "Alice S." || m.Language != "en" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestLoginAndLogout(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser()
	b.get(a.Base+"/months").submit("/login", "name", "alice", "password", "wrong").submit("/language", "language", "en").wants(200, "/login")
	if got := b.Doc.Find("input[name=next]").AttrOr("value", ""); got != "/months" {
		t.Errorf("the way on was lost with the language: %q", got)
	}
	b.get(a.Base+"/home").wants(200, "/login")
	for _, wrong := range [][2]string{{"alice", "not the password"}, {"nobody", testPassword}, {"", ""}} {
		b.submit("/login", "name", wrong[0], "password", wrong[1]).wants(422, "/login")
		b.says(".fault", "Name or password isn’t right")
	}
	for _, name := range []string{"alice", " @Alice ", "alice@a.localhost:" + w.port} {
		b = w.browser()
		b.get(a.Base+"/months").wants(200, "/login").submit("/login", "name", name, "password", testPassword)
		b.wants(200, "/months")
	}
	old := b.cookie(a)
	b.submit("/logout").wants(200, "/")
	if code := askWith(a, "/home", old); code != http.StatusSeeOther {
		t.Errorf("the old cookie still works after logout: %d", code)
	}
}

// askWith is one GET with a given cookie.
func askWith(p *place, path, cookie string) int {
	b := p.town.browser()
	name, value, _ := strings.Cut(cookie, "=")
	u := &url.URL{Scheme: "https", Host: hostOf(p.Base + "/"), Path: "/"}
	b.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
	b.once(http.MethodGet, p.Base+path, nil)
	return b.Code
}

// TestSessionFixation: a token from before the login is worth nothing after it, and tokens are kept
// as hashes only.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser().logIn(a, "alice")
	before := b.cookie(a)
	b.jar.SetCookies(&url.URL{Scheme: "https", Host: hostOf(a.Base + "/")}, nil)
	b.submit("/logout").get("/login").submit("/login", "name", "alice", "password", testPassword).wants(200, "/home")
	after := b.cookie(a)
	if before == after || len(after) < 40 {
		t.Errorf("token %q then %q", before, after)
	}
	var planted, plain int
	_, token, _ := strings.Cut(after, "=")
	err := a.Pool.QueryRow(context.Background(), `select count(*), count(*) filter (where token = $1) from sessions`,
		token).Scan(&planted, &plain)
	if err != nil || planted != 1 || plain != 0 {
		t.Errorf("%d sessions, %d under their plain token, %v", planted, plain, err)
	}
}

// TestSessionEnds with the member's epoch and with the member (W2).
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	ctx := context.Background()
	cookie := w.browser().logIn(a, "alice").cookie(a)
	if askWith(a, "/home", cookie) != http.StatusOK {
		t.Fatal("not logged in")
	}
	if _, err := a.Pool.Exec(ctx, `update member set epoch = epoch + 1 where id = $1`, alice.ID); err != nil {
		t.Fatal(err)
	}
	if code := askWith(a, "/home", cookie); code != http.StatusSeeOther {
		t.Errorf("after a new epoch: %d", code)
	}
	cookie = w.browser().logIn(a, "alice").cookie(a)
	if err := a.DeleteMember(ctx, alice.ID); err != nil {
		t.Fatal(err)
	}
	if code := askWith(a, "/home", cookie); code != http.StatusSeeOther {
		t.Errorf("after deletion: %d", code)
	}
	w.browser().get(a.Base+"/login").submit("/login", "name", "alice", "password", testPassword).wants(422, "/login")
	w.browser().get(a.Base+"/@alice").wants(404, "/@alice")
}

// TestNoEnumeration: a login for an unknown name costs as much time as a wrong password.
func TestNoEnumeration(t *testing.T) {
	w, a := single(t)
	a.join("alice")
	best := func(name string) time.Duration {
		least := time.Hour
		for range 4 {
			b := w.browser().get(a.Base + "/login")
			begin := time.Now()
			b.submit("/login", "name", name, "password", "not the password")
			least = min(least, time.Since(begin))
		}
		return least
	}
	best("warm")
	known, unknown := best("alice"), best("nobody")
	if unknown < known/3 || unknown > 3*known {
		t.Errorf("known name %v, unknown name %v", known, unknown)
	}
}

func TestLoginLimit(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	a.join("alice")
	b := w.browser().get(a.Base + "/login")
	codes := map[int]int{}
	for range 14 {
		b.post("/login", "name", "alice", "password", "wrong wrong wrong")
		codes[b.Code]++
	}
	if codes[422] != 10 || codes[429] != 4 || b.Head.Get("Retry-After") == "" {
		t.Errorf("%v", codes)
	}
	b.says("h1", "too often")
	b.get("/login").submit("/login", "name", "alice", "password", testPassword)
	if b.Code != http.StatusTooManyRequests {
		t.Errorf("the right password got through: %d", b.Code)
	}
}

func TestPasswords(t *testing.T) {
	for _, short := range []string{"", "123456789", strings.Repeat("x", maxPassword+1)} {
		if _, err := HashPassword(short); err == nil {
			t.Errorf("%d characters are taken", len(short))
		}
	}
	hash, err := HashPassword("ten letters")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s %v", hash, err)
	}
}

// TestLanguage: the browser's, the reader's choice, the member's own, in this order of weight.
func TestLanguage(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice := a.join("alice")
	for header, want := range map[string]string{"": "en", "de-AT,de;q=0.9,en;q=0.5": "de", "fr,de;q=0.4": "de",
		"fr": "en", "x;;q=nonsense": "en", "en-GB": "en"} {
		r, _ := http.NewRequest(http.MethodGet, a.Base+"/", nil)
		r.Header.Set("Accept-Language", header)
		if got := a.Site.preferred(r); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	b := w.browser().get(a.Base+"/about").says("nav", "Log in")
	b.submit("/language", "language", "de").wants(200, "/about").says("nav", "Anmelden")
	if b.Doc.Find("html").AttrOr("lang", "") != "de" || b.Head.Get("Content-Language") != "de" {
		t.Error("the page doesn't say that it is German")
	}
	b.logIn(a, "alice").says("nav", "This month")
	b.submit("/language", "language", "de").says("nav", "Dieser Monat")
	if m, err := a.Member(context.Background(), alice.ID); err != nil || m.Language != "de" {
		t.Errorf("%+v %v", m, err)
	}
	if b.post("/language", "language", "xx"); b.Code != 422 {
		t.Errorf("xx: %d", b.Code)
	}
	b.wants(422, "/language").says("main", "hier nicht bekannt")
}

func TestNextStaysHere(t *testing.T) {
	for next, want := range map[string]string{
		"/home": "/home", "/f/x?a=b&c=%2F%2F": "/f/x?a=b&c=%2F%2F", "/": "/", "/x#f": "/x",
		"//evil.example": "", `/\evil.example`: "", "https:evil.example": "", "https://evil.example": "",
		"/%2f%2fevil.example": "", "javascript:alert(1)": "", "": "", "home": "", "/a\r\nb": "",
		"/a%0d%0ab": "", `/%5Cevil`: "", "/%2Fevil": "",
	} {
		if got := ownPath(next); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

// FuzzOwnPath: whatever is asked for, a redirect stays on this site.
func FuzzOwnPath(f *testing.F) {
	for _, s := range []string{"/home", "//x", `/\x`, "/%2f", "https:x", "/a?b=//c", "/\t/x"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://a.example/login")
	f.Fuzz(func(t *testing.T, next string) {
		got := ownPath(next)
		if got == "" {
			return
		}
		// As browsers read it: backslashes are slashes, tabs and line ends aren't there at all.
		read := strings.NewReplacer(`\`, "/", "\t", "", "\n", "", "\r", "").Replace(got)
		to, err := base.Parse(read)
		if err != nil || to.Host != "a.example" || to.Scheme != "https" {
			t.Errorf("%q became %q, which leads to %v", next, got, to)
		}
	})
}
