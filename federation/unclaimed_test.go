package federation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// waits resolves an address at which nobody can be paid, and keeps alice's click.
func (to *town) waits(address string) (ledger.UnclaimedThing, ledger.UnclaimedFlattr) {
	to.t.Helper()
	ctx := context.Background()
	thing, err := to.a.Server.ResolveThing(ctx, address)
	u := new(ledger.UnclaimedError)
	if !errors.As(err, &u) {
		to.t.Fatalf("%s: %+v, %v", address, thing, err)
	}
	saved, err := to.a.SaveUnclaimed(ctx, u.Thing)
	to.must(err)
	if saved.Site != u.Thing.Site {
		to.t.Errorf("it is at %s, and was said to be at %s", saved.Site, u.Thing.Site)
	}
	f, _, err := to.a.FlattrUnclaimed(ctx, to.alice.ID, saved.ID)
	to.must(err)
	to.Network.Sent(to.a)
	return saved, f
}

// buttonAt serves a peer's button.
func buttonAt(to *town, peer *federationtest.Stranger, path, url string) string {
	id := "http://" + peer.Host + path
	raw, err := vocab.RenderPage(vocab.Page{ID: id, AttributedTo: peer.Actor, Name: "a button", URL: url, Likes: id + "/likes"})
	to.must(err)
	peer.Say(path, http.StatusOK, vocab.AS2MediaType, string(raw))
	return id
}

// html serves a page.
func html(site *federationtest.Stranger, path, head, body string) string {
	site.Say(path, http.StatusOK, "text/html; charset=utf-8", "<!doctype html><title> A \n page </title>"+head+"<body>"+body)
	return "http://" + site.Host + path
}

// TestWaitsForACurrency: a button of an instance that takes none of our currency is told nothing. When it takes it, the
// next look finds that out, and the click is told as a new Like of the month that is open then, which carries the old.
func TestWaitsForACurrency(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	peer.Refuses("EUR")
	button := buttonAt(to, peer, "/buttons/1", "https://blog.example/")
	to.a.Fund(to.alice, 1_000_000)
	u, f := to.waits(button)
	if u.Author != peer.Actor || u.Handle != "peer@"+peer.Host || u.URL != "https://blog.example/" {
		t.Errorf("%+v", u)
	}
	to.Turn(date(time.December, 3, 12))
	to.Tick()
	if got := peer.Got(); len(got) > 0 {
		t.Fatalf("told of %s", got[0].Raw())
	}
	if n := count(t, to.a, `select count(*) from flattr`); n != 0 {
		t.Fatalf("%d flattrs of November", n)
	}
	peer.Takes("EUR")
	to.Turn(date(time.December, 8, 12))
	to.Tick()
	to.Network.Sent(to.a)
	got := peer.Got()
	if len(got) != 1 {
		t.Fatalf("told of %d things", len(got))
	}
	like, err := vocab.ParseLike(got[0])
	if err != nil || like.Object != button || like.Period != "2026-12" || like.Carries != to.a.Ledger.Instance().FlattrIRI(f.ID.String()) ||
		like.ID == like.Carries || like.Actor != to.a.Ledger.Instance().MemberIRI("alice") {
		t.Errorf("%s, %v", got[0].Raw(), err)
	}
	to.Tick()
	to.Network.Sent(to.a)
	if n := len(peer.Got()); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestPageIsProvenBothWays: what waits for a page is paid to whoever has a button for it and is named by the page, and to
// nobody who only has one of the two, however the link came there.
func TestPageIsProvenBothWays(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	site := to.Stranger("blog")
	page := html(site, "/post", "", "") + "?utm_source=x&a=1"
	u, _ := to.waits(page + "#top")
	canonical := "http://" + site.Host + "/post?a=1"
	if u.IRI != canonical || u.Title != "A page" || u.Site != site.Host {
		t.Errorf("%+v", u)
	}
	make1 := func(name string) (ledger.Member, ledger.Button) {
		m := to.Member("a", name)
		b, err := to.a.CreateButton(ctx, m.ID, ledger.NewButton{URL: canonical, Title: name})
		to.must(err)
		to.Network.Sent(to.a)
		return m, b
	}
	owner, b := make1("owner")
	thief, _ := make1("thief")
	base := to.a.Ledger.Instance().BaseURL
	waits := func(why, head, body string) {
		t.Helper()
		html(site, "/post", head, body)
		to.Clock.Set(to.Clock.Now().Add(time.Minute))
		to.must(to.a.LookForButton(ctx, owner.ID, b.ID))
		to.Network.Sent(to.a)
		if n := count(t, to.a, `select count(*) from flattr`); n != 0 {
			t.Fatalf("%s: paid", why)
		}
	}
	other, err := to.a.CreateButton(ctx, thief.ID, ledger.NewButton{URL: "http://" + site.Host + "/other", Title: "other"})
	to.must(err)
	waits("nothing links to it", "", "")
	waits("a link that says nothing", "", `<a href="`+base+`/f/`+b.ID+`">flattr</a>`)
	waits("a visitor's link", "", `<a rel="ugc payment nofollow" href="`+base+`/@thief">me</a>`)
	waits("a button for another page", `<link rel=payment href="`+base+`/f/`+other.ID+`">`, "")
	waits("a member without a button", `<link rel=me href="`+base+`/@alice">`, "")
	waits("nobody", `<meta name="fediverse:creator" content="@nobody@`+to.a.Ledger.Instance().Host+`"><link rel=me href="/about"><link rel=payment href="http://[::1">`, "")
	// A page of somebody else on the same host that says it were this one.
	html(site, "/thief", `<link rel=canonical href="/post?a=1"><link rel=payment href="`+base+`/@thief">`, "")
	if thing, err := to.a.Server.ResolveThing(ctx, "http://"+site.Host+"/thief"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("stolen: %+v, %v", thing, err)
	}
	html(site, "/post", "", `<p>pay <a rel="noopener payment" href="`+base+`/f/`+b.ID+`">me</a>`)
	to.a.Fund(to.alice, 1_000_000)
	to.Clock.Set(to.Clock.Now().Add(time.Minute))
	to.must(to.a.LookForButton(ctx, owner.ID, b.ID))
	to.Network.Sent(to.a)
	if n := count(t, to.a, `select count(*) from flattr f join thing t on t.id = f.thing where t.button = $1 and f.state = 'accepted' and f.carries is not null`, b.ID); n != 1 {
		t.Errorf("%d flattrs for the owner", n)
	}
	if thing, err := to.a.Server.ResolveThing(ctx, page); err != nil || thing.Button == nil || *thing.Button != b.ID {
		t.Errorf("who clicks on the page now: %+v, %v", thing, err)
	}
	for why, head := range map[string]string{
		"the profile":   `<link rel="me" href="` + base + `/@owner">`,
		"the actor":     `<link rel="me" href="` + base + `/users/owner">`,
		"by address":    `<link rel="payment" href="` + base + `/@owner/flattr?url=x">`,
		"the id":        `<link rel="payment" href="` + base + `/buttons/` + b.ID + `">`,
		"as the author": `<meta name="fediverse:creator" content="@Owner@` + to.a.Ledger.Instance().Host + `">`,
	} {
		html(site, "/post", head, "")
		if thing, err := to.a.Server.ResolveThing(ctx, page); err != nil || *thing.Button != b.ID {
			t.Errorf("%s: %+v, %v", why, thing, err)
		}
	}
}

// TestPageOfAnotherInstance: the page names a button of another instance that is for it.
func TestPageOfAnotherInstance(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	site := to.Stranger("blog")
	page := html(site, "/post", "", "")
	_, f := to.waits(page)
	b, err := to.b.CreateButton(ctx, to.bob.ID, ledger.NewButton{URL: page, Title: "post"})
	to.must(err)
	iri := to.b.Ledger.Instance().ButtonIRI(b.ID)
	html(site, "/post", fmt.Sprintf(`<link rel="payment" href="%s">`, iri), "")
	to.a.Fund(to.alice, 1_000_000)
	to.Turn(to.Clock.Now().Add(25 * time.Hour))
	to.Tick()
	to.Network.Sent(to.a)
	if n := count(t, to.b, `select count(*) from received_flattr where button = $1 and answer = 'accept' and carries = $2`,
		b.ID, to.a.Ledger.Instance().FlattrIRI(f.ID.String())); n != 1 {
		t.Errorf("%d came", n)
	}
	if thing, err := to.a.Server.ResolveThing(ctx, page); err != nil || thing.IRI != iri || thing.Payee != to.bobIRI {
		t.Errorf("%+v, %v", thing, err)
	}
}

// TestPostsWait: a post of other software waits under its author's name; one that says another host's author doesn't.
func TestPostsWait(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	plain := to.Stranger("plain")
	post := func(path, author, url string) string {
		id := "http://" + plain.Host + path
		plain.Say(path, http.StatusOK, vocab.AS2MediaType, fmt.Sprintf(`{"@context":"https://www.w3.org/ns/activitystreams","id":%q,
			"type":"Note","attributedTo":%q,"url":%q,"content":"hi"}`, id, author, url))
		return id
	}
	id := post("/posts/1", plain.Actor, "http://"+plain.Host+"/@plain/1")
	u, _ := to.waits(id)
	if u.IRI != id || u.Author != plain.Actor || u.Handle != "plain@"+plain.Host || u.URL != "http://"+plain.Host+"/@plain/1" {
		t.Errorf("%+v", u)
	}
	if u, _ := to.waits(post("/posts/2", plain.Actor, "https://somebody.example/")); u.Site != plain.Host {
		t.Errorf("a post that says it were somebody else's page: %+v", u)
	}
	if thing, err := to.a.Server.ResolveThing(context.Background(), post("/posts/3", to.bobIRI, "")); err == nil || errors.As(err, new(*ledger.UnclaimedError)) {
		t.Errorf("somebody else's post: %+v, %v", thing, err)
	}
	if got := plain.Got(); len(got) > 0 {
		t.Errorf("a stranger was told %s", got[0].Raw())
	}
}
