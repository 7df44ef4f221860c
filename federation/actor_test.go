package federation_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// TestContentNegotiation: a server gets the document, a browser the page, by what they say they take
// (ActivityPub §3.2); caches are told.
func TestContentNegotiation(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	browser := "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	for accept, document := range map[string]bool{
		"application/activity+json": true,
		"application/ld+json":       true,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams"`:                            true,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams", application/activity+json`: true,
		`application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`: true,
		"application/activity+json, */*":                  true,
		"text/html;q=0.5, application/activity+json;q=1":  true,
		"Application/Activity+JSON; charset=utf-8":        true,
		"application/activity+json;q=0.9, text/html;q=.1": true,
		browser:            false,
		"":                 false,
		"*/*":              false,
		"application/json": false,
		"text/html":        false,
	} {
		for address, page := range map[string]string{to.bobIRI: "/@bob", to.thing: "/f/" + to.thing[strings.LastIndexByte(to.thing, '/')+1:],
			to.b.Ledger.Instance().ActorIRI(): "/about"} {
			r := to.get(address, accept)
			if r.Header.Get("Vary") != "Accept" {
				t.Errorf("%s: Vary %q", address, r.Header.Get("Vary"))
			}
			switch {
			case document && (r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/activity+json; charset=utf-8"):
				t.Errorf("%s for %q: %s, %s", address, accept, r.Status, r.Header.Get("Content-Type"))
			case !document && (r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != page):
				t.Errorf("%s for %q: %s to %s", address, accept, r.Status, r.Header.Get("Location"))
			}
		}
	}
}

// TestActorShape: what Mastodon, Lemmy, GoToSocial, Misskey and PeerTube demand of an actor, each
// read from their sources.
func TestActorShape(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	inst := to.b.Ledger.Instance()
	for id, kind := range map[string]string{to.bobIRI: "Person", inst.ActorIRI(): "Application"} {
		a := to.object(id)
		checkContext(t, a)
		for member, want := range map[string]any{"id": id, "type": kind, "inbox": id + "/inbox", "outbox": id + "/outbox",
			"followers": id + "/followers", "following": id + "/following"} {
			if a[member] != want {
				t.Errorf("%s: %s is %v, want %v", id, member, a[member], want)
			}
		}
		if shared := a["endpoints"].(map[string]any)["sharedInbox"]; shared != inst.BaseURL+"/inbox" {
			t.Errorf("%s: sharedInbox %v", id, shared)
		}
		checkKeys(t, a, kind == "Application")
		if raw := body(t, to.get(id, as2)); len(raw) > 64<<10 {
			t.Errorf("%s: %d bytes", id, len(raw))
		}
	}
	bob := to.object(to.bobIRI)
	// Misskey's form of a name; its url must be a page.
	if name := bob["preferredUsername"].(string); !regexp.MustCompile(`^\w([\w-.]*\w)?$`).MatchString(name) || name != "bob" {
		t.Errorf("preferredUsername %q", name)
	}
	if bob["url"] != inst.BaseURL+"/@bob" || bob["featured"] != to.bobIRI+"/featured" || bob["discoverable"] != true {
		t.Errorf("url %v, featured %v, discoverable %v", bob["url"], bob["featured"], bob["discoverable"])
	}
	if bob["manuallyApprovesFollowers"] != false {
		t.Errorf("manuallyApprovesFollowers %v", bob["manuallyApprovesFollowers"])
	}
	if published, err := time.Parse(time.RFC3339, bob["published"].(string)); err != nil || published.After(to.Clock.Now()) {
		t.Errorf("published %v", bob["published"])
	}
	doc, err := vocab.Decode(body(t, to.get(to.bobIRI, as2)))
	to.must(err)
	parsed, err := vocab.ParseActor(doc)
	to.must(err)
	if !parsed.AcceptsFlattrs || !parsed.SpeaksFlattr() || len(parsed.PaymentLinks()) == 0 {
		t.Errorf("not one who takes flattrs: %+v", parsed)
	}
}

// checkContext: the string must be there, alone or in a list; Mastodon drops everything else.
func checkContext(t *testing.T, members map[string]any) {
	t.Helper()
	const want = "https://www.w3.org/ns/activitystreams"
	if members["@context"] == want {
		return
	}
	if list, ok := members["@context"].([]any); !ok || !slices.Contains(list, any(want)) {
		t.Errorf("@context %v", members["@context"])
	}
}

// checkKeys: one publicKey object, SPKI in PEM, its id with a fragment below the actor; Ed25519 keys as
// assertionMethod (FEP-521a), the accounting key only with the instance.
func checkKeys(t *testing.T, a map[string]any, accounting bool) {
	t.Helper()
	id := a["id"].(string)
	key, ok := a["publicKey"].(map[string]any)
	if !ok || key["id"] != id+"#main-key" || key["owner"] != id {
		t.Fatalf("%s: publicKey %v", id, a["publicKey"])
	}
	block, rest := pem.Decode([]byte(key["publicKeyPem"].(string)))
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("%s: publicKeyPem %v", id, key["publicKeyPem"])
	}
	var names []string
	for _, method := range a["assertionMethod"].([]any) {
		m := method.(map[string]any)
		if m["type"] != "Multikey" || m["controller"] != id || !strings.HasPrefix(m["publicKeyMultibase"].(string), "z6Mk") {
			t.Errorf("%s: %v", id, m)
		}
		names = append(names, strings.TrimPrefix(m["id"].(string), id))
	}
	want := []string{"#ed25519-key"}
	if accounting {
		want = append(want, "#accounting-key")
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s: keys %v, want %v", id, names, want)
	}
}

// TestKeysStay: a key is the same whichever process serves it, and after a restart.
func TestKeysStay(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	inst := to.b.Ledger.Instance()
	before := to.object(inst.ActorIRI())
	fingerprint, err := to.b.Server.AccountingFingerprint(context.Background())
	to.must(err)
	again := to.restart(to.b)
	after := to.object(inst.ActorIRI())
	if fmt.Sprint(before["publicKey"], before["assertionMethod"]) != fmt.Sprint(after["publicKey"], after["assertionMethod"]) {
		t.Errorf("the keys changed:\n%v\n%v", before, after)
	}
	if second, err := again.AccountingFingerprint(context.Background()); err != nil || second != fingerprint || len(fingerprint) < 32 {
		t.Errorf("fingerprints %q and %q, %v", fingerprint, second, err)
	}
}

// TestGone: who left and what was removed is 410 with a Tombstone, for servers and for those who ask by
// WebFinger; their collections aren't there.
func TestGone(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	second := to.Button("b", to.bob, "2").ID
	to.must(to.b.RemoveButton(ctx, to.bob.ID, second))
	to.gone(to.b.Ledger.Instance().ButtonIRI(second), "Page")
	to.must(to.b.DeleteMember(ctx, to.bob.ID))
	to.gone(to.bobIRI, "Person")
	to.gone(to.thing, "Page")
	for _, list := range []string{"/followers", "/following", "/featured", "/outbox"} {
		if r := to.get(to.bobIRI+list, as2); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", list, r.Status)
		}
	}
}

func (to *town) gone(address, former string) {
	to.t.Helper()
	r := to.get(address, as2)
	o := decode(to.t, body(to.t, r))
	if r.StatusCode != http.StatusGone || o["type"] != "Tombstone" || o["id"] != address || o["formerType"] != former || o["deleted"] == nil {
		to.t.Errorf("%s: %s %v", address, r.Status, o)
	}
	if got := r.Header.Get("Content-Type"); got != "application/activity+json; charset=utf-8" {
		to.t.Errorf("%s: %s", address, got)
	}
}

// TestUnknown: 404 as a problem document, also for what is malformed.
func TestUnknown(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	base := to.b.Ledger.Instance().BaseURL
	for _, path := range []string{"/users/nobody", "/users/nobody/outbox", "/users/%00", "/users/%ff", "/users/bob%2Fx", "/buttons/%00", "/buttons/none", "/buttons/none/likes",
		"/buttons/" + strings.Repeat("a", 5000)} {
		if r := to.get(base+path, as2); r.StatusCode != http.StatusNotFound {
			t.Errorf("%.60s: %s", path, r.Status)
		} else if got := problem(t, r); got != "404 object-does-not-exist Not found" {
			t.Errorf("%.60s: %s", path, got)
		}
	}
}

// TestCollections: followers as a number only, buttons in the outbox as published, and in featured.
func TestCollections(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	if status := fan.Follow(to.bobIRI); status != "202 Accepted" {
		t.Fatal(status)
	}
	for n := range 25 {
		_, err := to.b.CreateButton(context.Background(), to.bob.ID, ledger.NewButton{URL: fmt.Sprintf("https://blog.example/%d", n), Title: "<post> & more"})
		to.must(err)
	}
	for list, total := range map[string]float64{"followers": 1, "following": 0, "outbox": 26, "featured": 26} {
		c := to.object(to.bobIRI + "/" + list)
		checkContext(t, c)
		if c["totalItems"] != total || c["id"] != to.bobIRI+"/"+list || !strings.HasSuffix(c["type"].(string), "Collection") {
			t.Errorf("%s: %v %v %v", list, c["type"], c["id"], c["totalItems"])
		}
		if items, _ := c["orderedItems"].([]any); len(items) > 20 || (len(items) > 0) != (total > 1) {
			t.Errorf("%s: %d items", list, len(items))
		}
		if strings.Contains(string(body(t, to.get(to.bobIRI+"/"+list, as2))), fan.Host) {
			t.Errorf("%s tells who follows", list)
		}
	}
	create := to.object(to.bobIRI + "/outbox")["orderedItems"].([]any)[0].(map[string]any)
	if create["type"] != "Create" || create["actor"] != to.bobIRI || create["object"].(map[string]any)["type"] != "Page" {
		t.Errorf("%v", create)
	}
	for _, list := range []string{"outbox", "followers", "following"} {
		if c := to.object(to.b.Ledger.Instance().ActorIRI() + "/" + list); c["totalItems"] != 0.0 {
			t.Errorf("the instance's %s: %v", list, c)
		}
	}
}

// TestButtonPage: a button as a Page (protocol §3), with how many likes and never whose.
func TestButtonPage(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.flattr()
	p := to.object(to.thing)
	checkContext(t, p)
	likes := p["likes"].(map[string]any)
	if p["type"] != "Page" || p["id"] != to.thing || p["attributedTo"] != to.bobIRI || p["name"] != "1" || p["url"] != "https://blog.example/bob/1" ||
		likes["totalItems"] != 1.0 || likes["id"] != to.thing+"/likes" {
		t.Errorf("%v", p)
	}
	if c := to.object(to.thing + "/likes"); c["totalItems"] != 1.0 || strings.Contains(fmt.Sprint(c), "alice") {
		t.Errorf("%v", c)
	}
}
