package federation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// TestFindHome: what a person may type for the home that pays, and what comes of it (protocol §6).
func TestFindHome(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	b := to.b.Ledger.Instance()
	to.Stranger("mastodon").Say("/.well-known/webfinger", http.StatusOK, vocab.JRDMediaType,
		`{"subject":"acct:m@mastodon","links":[{"rel":"self","type":"application/activity+json","href":"http://mastodon.localhost:28480/users/m"}]}`)
	to.Stranger("broken").Say("/.well-known/webfinger", http.StatusInternalServerError, "text/plain", "")
	to.Stranger("html").Say("/.well-known/webfinger", http.StatusOK, "text/html", "<html>")
	to.Stranger("thief").Say("/.well-known/webfinger", http.StatusOK, vocab.JRDMediaType, fmt.Sprintf(
		`{"subject":"x","links":[{"rel":%q,"template":"http://%s/pay?object={object}"}]}`, vocab.RelFlattr, b.Host))
	to.Stranger("tricky").Say("/.well-known/webfinger", http.StatusOK, vocab.JRDMediaType, fmt.Sprintf(
		`{"subject":"x","links":[{"rel":%q,"template":"http://{object}.%s/"}]}`, vocab.RelFlattr, federationtest.HostName("tricky")))
	to.Network.Cut(to.a)
	for typed, want := range map[string]error{
		"@bob@" + b.Host:                   nil,
		"bob@" + b.Host:                    nil,
		"  bob@" + b.Host + " ":            nil,
		"BOB@" + strings.ToUpper(b.Host):   nil,
		b.Host:                             nil,
		"http://" + b.Host + "/@bob":       nil,
		"http://" + b.Host + "/users/bob":  nil,
		"http://" + b.Host:                 nil,
		"@nobody@" + b.Host:                federation.ErrUnknownHandle,
		"http://" + b.Host + "/@nobody":    federation.ErrUnknownHandle,
		"":                                 federation.ErrUnknownHandle,
		"@":                                federation.ErrUnknownHandle,
		"@bob":                             federation.ErrUnknownHandle,
		"@@" + b.Host:                      federation.ErrUnknownHandle,
		"bob@bob@" + b.Host:                federation.ErrUnknownHandle,
		"bob smith":                        federation.ErrUnknownHandle,
		"bob@127.0.0.1":                    federation.ErrUnknownHandle,
		"bob@[::1]":                        federation.ErrUnknownHandle,
		"http://user:pass@" + b.Host + "/": federation.ErrUnknownHandle,
		"ftp://" + b.Host:                  federation.ErrUnknownHandle,
		"javascript:alert(1)":              federation.ErrUnknownHandle,
		"http://mastodon.example/@m":       federation.ErrUnknownHandle, // plain http is for this machine
		"m@" + federationtest.HostName("mastodon"): federation.ErrNoFlattr,
		"m@" + federationtest.HostName("html"):     federation.ErrNoFlattr,
		"m@" + federationtest.HostName("thief"):    federation.ErrNoFlattr,
		"m@" + federationtest.HostName("tricky"):   federation.ErrNoFlattr,
		"m@" + federationtest.HostName("broken"):   federation.ErrUnreachable,
		"alice@" + to.a.Ledger.Instance().Host:     federation.ErrUnreachable,
	} {
		template, home, err := to.b.Server.FindHome(context.Background(), typed)
		switch {
		case want == nil && (err != nil || home != b.Host || !strings.HasPrefix(template, b.BaseURL+"/intents/flattr?object={object}")):
			t.Errorf("%q: %q at %q, %v", typed, template, home, err)
		case want != nil && (!errors.Is(err, want) || template != "" || home != ""):
			t.Errorf("%q: %q at %q, %v; want %v", typed, template, home, err, want)
		}
	}
}

// TestResolveThing: a button must stand where its id says, name an owner on the same host, and the owner
// must take flattrs. What was known stays so while its host is down.
func TestResolveThing(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	peer, plain := to.Peer("peer"), to.Stranger("plain")
	page := func(s *federationtest.Stranger, path string, p vocab.Page) string {
		p.ID, p.Likes = "http://"+s.Host+path, "http://"+s.Host+"/likes"
		raw, err := vocab.RenderPage(p)
		to.must(err)
		s.Say(path, http.StatusOK, vocab.AS2MediaType, string(raw))
		return p.ID
	}
	thing, err := to.a.Server.ResolveThing(ctx, to.thing)
	if err != nil || thing.IRI != to.thing || thing.Payee != to.bobIRI || thing.Title != "1" || thing.URL != "https://blog.example/bob/1" ||
		thing.PayeeName != "bob" || thing.Peer == nil {
		t.Errorf("%+v, %v", thing, err)
	}
	own, err := to.b.Server.ResolveThing(ctx, to.thing)
	if err != nil || own.Button == nil || own.Peer != nil {
		t.Errorf("our own: %+v, %v", own, err)
	}
	bare := page(peer, "/bare", vocab.Page{AttributedTo: peer.Actor, Name: "bare", URL: "https://blog.example/"})
	if thing, err := to.a.Server.ResolveThing(ctx, bare); err != nil || thing.Title != "bare" || thing.PayeeName != "peer" {
		t.Errorf("a peer's: %+v, %v", thing, err)
	}
	moved := page(peer, "/moved", vocab.Page{AttributedTo: peer.Actor, Name: "moved", URL: "https://blog.example/"})
	peer.Say("/other", http.StatusOK, vocab.AS2MediaType, string(mustRender(t, moved, peer.Actor)))
	peer.Say("/text", http.StatusOK, "text/html", "<html>")
	peer.Say("/person", http.StatusOK, vocab.AS2MediaType, `{"@context":"https://www.w3.org/ns/activitystreams","id":"http://`+peer.Host+`/person","type":"Person","inbox":"http://`+peer.Host+`/inbox"}`)
	for name, iri := range map[string]string{
		"nothing":                   "http://" + peer.Host + "/nothing",
		"no document":               "http://" + peer.Host + "/text",
		"no page":                   "http://" + peer.Host + "/person",
		"one that stands elsewhere": "http://" + peer.Host + "/other",
		"of another host":           page(peer, "/stolen", vocab.Page{AttributedTo: to.bobIRI, Name: "stolen", URL: "https://blog.example/"}),
		"of one without flattr":     page(plain, "/plain", vocab.Page{AttributedTo: plain.Actor, Name: "plain", URL: "https://blog.example/"}),
		"of nobody":                 page(peer, "/nobody", vocab.Page{AttributedTo: "http://" + peer.Host + "/users/nobody", Name: "nobody", URL: "https://blog.example/"}),
		"an address":                "http://127.0.0.1/buttons/1",
		"no address":                "buttons/1",
		"ours, unknown":             to.a.Ledger.Instance().ButtonIRI("nothing1"),
	} {
		if thing, err := to.a.Server.ResolveThing(ctx, iri); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: %+v, %v", name, thing, err)
		}
	}
	peer.Document.AcceptsFlattrs = false
	if _, err := to.a.Server.ResolveThing(ctx, bare); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("one who takes no flattrs: %v", err)
	}
	to.Network.Cut(to.b)
	if thing, err := to.a.Server.ResolveThing(ctx, to.thing); err != nil || thing.Payee != to.bobIRI {
		t.Errorf("known, but out of reach: %+v, %v", thing, err)
	}
	if _, err := to.a.Server.ResolveThing(ctx, to.Button2("2")); !errors.Is(err, federation.ErrUnreachable) {
		t.Errorf("out of reach: %v", err)
	}
}

func mustRender(t testing.TB, id, owner string) []byte {
	t.Helper()
	raw, err := vocab.RenderPage(vocab.Page{ID: id + "x", AttributedTo: owner, Name: "x", URL: "https://blog.example/", Likes: id + "/likes"})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestPayeeStays: a thing that names another payee than the one it was known for isn't taken.
func TestPayeeStays(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	peer := to.Peer("peer")
	say := func(owner string) {
		raw, err := vocab.RenderPage(vocab.Page{ID: "http://" + peer.Host + "/page", AttributedTo: owner, Name: "page", URL: "https://blog.example/",
			Likes: "http://" + peer.Host + "/likes"})
		to.must(err)
		peer.Say("/page", http.StatusOK, vocab.AS2MediaType, string(raw))
	}
	say(peer.Actor)
	if _, err := to.a.Server.ResolveThing(ctx, "http://"+peer.Host+"/page"); err != nil {
		t.Fatal(err)
	}
	second := peer.Document
	second.ID = "http://" + peer.Host + "/users/second"
	second.Inbox = second.ID + "/inbox"
	raw, err := vocab.RenderActor(second)
	to.must(err)
	peer.Say("/users/second", http.StatusOK, vocab.AS2MediaType, string(raw))
	say(second.ID)
	if thing, err := to.a.Server.ResolveThing(ctx, "http://"+peer.Host+"/page"); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("%+v, %v", thing, err)
	}
}
