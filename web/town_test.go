package web

import (
	"context"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// town is several instances with real ledgers and real pages, and a blog, on one port. What would
// go from one to another by ActivityPub is carried by the town's postman: the same ledger calls.
type town struct {
	t      *testing.T
	port   string
	clock  *ledgertest.Clock
	places map[string]*place // by host
	blog   http.Handler
	post   sync.Mutex
	strike bool // the postman doesn't come
}

// place is one instance of a town.
type place struct {
	*ledgertest.Instance
	Site *Site
	Base string
	town *town
}

const testPassword = "a long enough sentence"

var testHash = sync.OnceValues(func() (string, error) { return HashPassword(testPassword) })

// newTown founds instances a, b, … below .localhost.
func newTown(t *testing.T, names ...string) *town { return townOf(t, nil, names...) }

// townOf is newTown with policies.
func townOf(t *testing.T, set ledgertest.Option, names ...string) *town {
	t.Helper()
	w := &town{t: t, places: map[string]*place{}, clock: ledgertest.NewClock(ledgertest.Start)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.port = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	for _, name := range names {
		w.found(name, set)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: w}}
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(func() { // the postman's last round is over before the ledgers close
		w.post.Lock()
		defer w.post.Unlock()
		w.strike = true
	})
	return w
}

func (w *town) found(name string, set ledgertest.Option) {
	w.t.Helper()
	host := name + ".localhost:" + w.port
	p := &place{Base: "http://" + host, town: w}
	options := []ledgertest.Option{ledgertest.WithClock(w.clock), func(i *ledger.Instance, _ **ledgertest.Clock) {
		i.Host, i.BaseURL, i.Name = host, p.Base, strings.ToUpper(name[:1])+name[1:]
	}}
	if set != nil {
		options = append(options, set)
	}
	p.Instance = ledgertest.New(w.t, options...)
	site, err := New(Config{Ledger: p.Ledger, Resolver: neighbour{w, p}, Pool: p.Pool,
		Log:         slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		Fingerprint: func(multikey string) string { return "print of " + multikey },
		Evidence: func(_ context.Context, ids []string) ([]Evidence, error) {
			all := make([]Evidence, len(ids))
			for i, id := range ids {
				all[i] = Evidence{ID: id, Kept: w.clock.Now()}
			}
			return all, nil
		},
		OwnFingerprint: func(context.Context) (string, error) { return "print of " + name + ".localhost", nil },
		PayIn:          "Flattr Club e. V.\nDE02 1203 0000 0000 2020 51",
		Test: &TestMode{CloseMonth: p.closeMonth, Turn: func(_ context.Context, by time.Duration) error {
			w.clock.Set(w.clock.Now().Add(by))
			return nil
		}}})
	if err != nil {
		w.t.Fatal(err)
	}
	p.Site = site
	w.places[host] = p
}

func (p *place) closeMonth(ctx context.Context) error {
	m, err := p.MyMonth(ctx, p.Op.ID, "")
	if err != nil {
		return err
	}
	p.town.clock.Set(m.ClosesAt)
	return p.CloseMonth(ctx, m.Period)
}

// ServeHTTP hands a request to the instance of its host, and delivers what it told.
func (w *town) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	p, ok := w.places[r.Host]
	switch {
	case ok:
		go w.deliverSoon()
		p.Site.ServeHTTP(rw, r)
	case w.blog != nil && strings.HasPrefix(r.Host, "blog.localhost"):
		w.blog.ServeHTTP(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

func (w *town) deliverSoon() {
	for range 10 {
		time.Sleep(30 * time.Millisecond)
		w.deliver()
	}
}

// deliver carries every Like, Undo and answer to where it belongs.
func (w *town) deliver() {
	w.post.Lock()
	defer w.post.Unlock()
	if w.strike {
		return
	}
	for _, p := range w.places {
		for _, m := range p.Outbox.Take(w.t) {
			w.carry(p, m)
		}
	}
}

func (w *town) carry(from *place, m ledger.Message) {
	ctx := context.Background()
	to := w.places[hostOf(m.To)]
	if to == nil || m.Kind != ledger.TellLike && m.Kind != ledger.TellUndo {
		return
	}
	like := from.Instance.Instance().FlattrIRI(m.Key)
	giver, object, period, verdict := from.likeOf(m.Key)
	var err error
	if m.Kind == ledger.TellUndo {
		err = to.ReceiveUndo(ctx, like, giver)
	} else if err = to.ReceiveFlattr(ctx, ledger.ReceivedLike{ID: like, Giver: giver, Object: object,
		Host: hostOf(from.Base + "/"), Period: period}); err == nil {
		verdict.Like, verdict.Host, verdict.Actor = like, hostOf(to.Base+"/"), to.Instance.Instance().ActorIRI()
		err = from.FlattrAnswered(ctx, verdict)
	}
	if err != nil {
		w.t.Errorf("carry %s to %s: %v", m.Kind, m.To, err)
	}
}

// likeOf reads what a Like says; the town's instances accept everything.
func (p *place) likeOf(key string) (giver, object, period string, v ledger.Verdict) {
	err := p.Pool.QueryRow(context.Background(), `
		select m.name, t.iri, f.period from flattr f join member m on m.id = f.giver join thing t on t.id = f.thing
		where f.id = $1`, key).Scan(&giver, &object, &period)
	if err != nil {
		p.town.t.Error(err)
	}
	return p.Instance.Instance().MemberIRI(giver), object, period, ledger.Verdict{Answer: "accept"}
}

// neighbour answers what a site asks of other instances, from their ledgers.
type neighbour struct {
	town *town
	home *place
}

func (n neighbour) ResolveThing(ctx context.Context, iri string) (ledger.Thing, error) {
	other, ok := n.town.places[hostOf(iri)]
	if strings.HasPrefix(hostOf(iri), "page.") {
		return ledger.Thing{}, n.unclaimedAt(ctx, iri)
	}
	if !ok {
		return ledger.Thing{}, ErrUnreachable
	}
	t, err := other.ThingByIRI(ctx, iri)
	if err != nil {
		return t, err
	}
	return n.home.SaveThing(ctx, ledger.RemoteThing{IRI: t.IRI, URL: t.URL, Title: t.Title, Payee: t.Payee,
		PayeeName: t.PayeeName, Host: hostOf(iri)})
}

func (n neighbour) FindHome(ctx context.Context, address string) (string, string, error) {
	name, host, isHandle := strings.Cut(address, "@")
	if !isHandle {
		name, host = "", address
	}
	other, ok := n.town.places[host]
	switch {
	case strings.HasPrefix(host, "website."): // its WebFinger is a page that isn't there
		return "", "", ErrUnknownHandle
	case strings.HasPrefix(host, "mastodon."):
		return "", "", ErrNoFlattr
	case !ok:
		return "", "", ErrUnreachable
	case name != "":
		if _, err := other.MemberByName(ctx, name); err != nil {
			return "", "", ErrUnknownHandle
		}
	}
	return other.Base + "/intents/flattr?object={object}&on-success={on-success}&on-cancel={on-cancel}&x={unknown}",
		host, nil
}

// join makes a member who can log in.
func (p *place) join(name string) ledger.Member {
	p.town.t.Helper()
	hash, err := testHash()
	if err != nil {
		p.town.t.Fatal(err)
	}
	ctx := context.Background()
	invite, err := p.CreateInvite(ctx, p.Op.ID, name, 1)
	if err != nil {
		p.town.t.Fatal(err)
	}
	m, err := p.Ledger.Join(ctx, ledger.Joining{Code: invite.Code, Name: name, PasswordHash: hash, Language: "en",
		DisplayName: strings.ToUpper(name[:1]) + name[1:]})
	if err != nil {
		p.town.t.Fatal(err)
	}
	return m
}

// operator makes an operator who can log in.
func (p *place) operator(name string) ledger.Member {
	p.town.t.Helper()
	hash, err := testHash()
	if err != nil {
		p.town.t.Fatal(err)
	}
	m, err := p.CreateOperator(context.Background(), ledger.Joining{Name: name, PasswordHash: hash, Language: "en"})
	if err != nil {
		p.town.t.Fatal(err)
	}
	return m
}

// browser is a person's browser without JavaScript: cookies, redirects across hosts, forms.
type browser struct {
	town    *town
	jar     *cookiejar.Jar
	from    string // this page's URL
	referer string // that the browser says it comes from; "" for none
	Doc     *goquery.Document
	Code    int
	Head    http.Header
	Body    string
}

func (w *town) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{town: w, jar: jar}
}

// get opens a page.
func (b *browser) get(target string) *browser {
	b.town.t.Helper()
	return b.send(http.MethodGet, target, nil)
}

// post sends a form, as a page of the same origin would.
func (b *browser) post(target string, form ...string) *browser {
	b.town.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	return b.send(http.MethodPost, target, values)
}

func (b *browser) send(method, target string, form url.Values) *browser {
	t := b.town.t
	t.Helper()
	for range 10 {
		location := b.once(method, target, form)
		if location == "" {
			return b
		}
		method, target, form = http.MethodGet, location, nil
	}
	t.Fatalf("redirected for ever: %s", target)
	return b
}

// once is one request; it returns where a redirect leads.
func (b *browser) once(method, target string, form url.Values) string {
	t := b.town.t
	t.Helper()
	at, err := url.Parse(target)
	if err == nil && b.from != "" {
		var base *url.URL
		if base, err = url.Parse(b.from); err == nil {
			at = base.ResolveReference(at)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, at.String(), strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if b.referer != "" {
		r.Header.Set("Referer", b.referer)
	}
	secure := *at
	secure.Scheme = "https" // browsers send secure cookies to *.localhost; the jar doesn't know that
	for _, c := range b.jar.Cookies(&secure) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.town.ServeHTTP(w, r)
	b.jar.SetCookies(&secure, w.Result().Cookies())
	b.from, b.Code, b.Head, b.Body = at.String(), w.Code, w.Header(), w.Body.String()
	if location := w.Header().Get("Location"); location != "" {
		return location
	}
	if b.Doc, err = goquery.NewDocumentFromReader(strings.NewReader(b.Body)); err != nil {
		t.Fatal(err)
	}
	return ""
}

// submit sends the page's form with that action, its hidden fields and defaults included.
func (b *browser) submit(action string, form ...string) *browser {
	t := b.town.t
	t.Helper()
	f := b.Doc.Find("form").FilterFunction(func(_ int, s *goquery.Selection) bool {
		return strings.HasPrefix(s.AttrOr("action", ""), action)
	}).First()
	if f.Length() == 0 {
		t.Fatalf("%s: no form %s", b.from, action)
	}
	values := url.Values{}
	f.Find("input, textarea").Each(func(_ int, s *goquery.Selection) {
		kind := s.AttrOr("type", "")
		if _, checked := s.Attr("checked"); (kind == "checkbox" || kind == "radio") && !checked {
			return
		}
		values.Set(s.AttrOr("name", ""), s.AttrOr("value", s.Text()))
	})
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	return b.send(http.MethodPost, f.AttrOr("action", ""), values)
}

// logIn logs a member in.
func (b *browser) logIn(p *place, name string) *browser {
	b.town.t.Helper()
	b.get(p.Base+"/login").submit("/login", "name", name, "password", testPassword)
	b.wants(http.StatusOK, "/home")
	return b
}

// wants demands a status and the page's path.
func (b *browser) wants(code int, path string) *browser {
	b.town.t.Helper()
	u, _ := url.Parse(b.from)
	if b.Code != code || u.Path != path {
		b.town.t.Fatalf("got %d at %s, want %d at %s\n%s", b.Code, b.from, code, path, b.text("main"))
	}
	return b
}

// text is what a selector's elements say, in one line.
func (b *browser) text(selector string) string {
	return strings.Join(strings.Fields(b.Doc.Find(selector).Text()), " ")
}

// says demands words within a selector.
func (b *browser) says(selector string, words ...string) *browser {
	b.town.t.Helper()
	text := b.text(selector)
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.town.t.Errorf("%s: %s says %q, want %q", b.from, selector, text, w)
		}
	}
	return b
}

// blogOf is a page with a real button for each thing.
func (w *town) blogOf(buttons ...string) {
	var links strings.Builder
	for i, href := range buttons {
		fmt.Fprintf(&links, `<p><flattr-button id="b%d"><a rel="payment" href="%s">Flattr</a></flattr-button></p>`,
			i, template.HTMLEscapeString(href))
	}
	script := strings.SplitAfter(buttons[0], ":"+w.port)[0] + "/embed/v1.js"
	w.blog = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Header().Set("Content-Security-Policy", "default-src 'none'; script-src http://*.localhost:*; "+
			"connect-src http://*.localhost:*; require-trusted-types-for 'script'")
		fmt.Fprintf(rw, `<!doctype html><html lang="en"><title>Blog</title><h1>A post</h1>%s
			<script async src="%s"></script></html>`, links.String(), script)
	})
}

// button makes a button of a member for a page of the blog.
func (p *place) button(owner ledger.Member, slug string) ledger.Button {
	p.town.t.Helper()
	b, err := p.CreateButton(context.Background(), owner.ID,
		ledger.NewButton{URL: "http://blog.localhost:" + p.town.port + "/" + slug, Title: slug})
	if err != nil {
		p.town.t.Fatal(err)
	}
	return b
}
