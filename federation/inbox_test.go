package federation_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// TestInboxRefusals: each fault of a message has its status, its problem type and its code, in the order
// in which the inbox looks: size, signature, form, sender, meaning (protocol §11). 401 makes Mastodon
// knock again in another way of signing, 421 says which host it isn't.
func TestInboxRefusals(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan, other := to.Stranger("fan"), to.Stranger("other")
	bob, ours := to.bobIRI, to.b.Ledger.Instance().BaseURL
	follow := func(id, actor string) []byte { return activity(id, "Follow", actor, quote(bob)) }
	plain := follow(fan.NewID(), fan.Actor)
	for name, c := range map[string]struct {
		body   []byte
		change func(r *http.Request)
		want   string
	}{
		"a follow": {plain, nil, "202"},
		"as ld+json": {plain, func(r *http.Request) {
			r.Header.Set("Content-Type", `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`)
		}, "202"},
		"as JSON":      {plain, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, "415 unsupported-type inbox.media-type"},
		"as nothing":   {plain, func(r *http.Request) { r.Header.Del("Content-Type") }, "415 unsupported-type inbox.media-type"},
		"too large":    {bytes.Repeat([]byte(" "), vocab.MaxBytes+1), nil, "413 malformed-document inbox.size"},
		"unsigned":     {plain, func(r *http.Request) { r.Header.Del("Signature") }, "401 principal-not-authorized sig.missing"},
		"another body": {plain, func(r *http.Request) { r.Body = http.NoBody }, "401 principal-not-authorized sig.digest"},
		"another digest": {plain, func(r *http.Request) {
			sum := sha256.Sum256([]byte("another"))
			r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
		}, "401 principal-not-authorized sig.digest"},
		"another date": {plain, func(r *http.Request) {
			r.Header.Set("Date", to.Clock.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		}, "401 principal-not-authorized sig.bad"},
		"another path":     {plain, func(r *http.Request) { r.URL.Path = "/inbox" }, "401 principal-not-authorized sig.bad"},
		"not JSON":         {[]byte("{"), nil, "400 malformed-document json.syntax"},
		"twice a name":     {[]byte(`{"id":"https://a.example/1","id":"https://a.example/2"}`), nil, "400 malformed-document json.duplicate"},
		"no activity":      {[]byte(`{"@context":"https://www.w3.org/ns/activitystreams","id":"http://fan.localhost:28480/1","type":"Note","actor":"` + fan.Actor + `"}`), nil, "400 unsupported-type inbox.type"},
		"no id":            {[]byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Follow","actor":"` + fan.Actor + `","object":"` + bob + `"}`), nil, "400 malformed-document member.missing"},
		"no actor":         {[]byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Follow","id":"` + fan.NewID() + `","object":"` + bob + `"}`), nil, "400 malformed-document member.missing"},
		"two actors":       {[]byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Follow","id":"` + fan.NewID() + `","actor":["` + fan.Actor + `","` + other.Actor + `"],"object":"` + bob + `"}`), nil, "400 malformed-document member.kind"},
		"an address":       {follow("http://127.0.0.1/1", "http://127.0.0.1/users/x"), nil, "400 malformed-document iri.address"},
		"our actor":        {follow(bob+"#1", bob), nil, "403 principal-actor-mismatch inbox.masquerade"},
		"our instance":     {follow(ours+"/1", ours+"/actor"), nil, "403 principal-actor-mismatch inbox.masquerade"},
		"another's id":     {follow(other.NewID(), fan.Actor), nil, "403 principal-actor-mismatch inbox.id-host"},
		"our id":           {follow(ours+"/follows/1", fan.Actor), nil, "403 principal-actor-mismatch inbox.id-host"},
		"another actor":    {follow(other.NewID(), other.Actor), nil, "403 principal-actor-mismatch sig.owner"},
		"nobody here":      {activity(fan.NewID(), "Follow", fan.Actor, quote(ours+"/users/nobody")), nil, "404 object-does-not-exist inbox.not-found"},
		"not here":         {activity(fan.NewID(), "Follow", fan.Actor, quote("https://elsewhere.example/users/bob")), nil, "404 object-does-not-exist inbox.follow-object"},
		"another's undo":   {activity(fan.NewID(), "Undo", fan.Actor, quote(other.NewID())), nil, "403 actor-not-authorized ap.owner"},
		"no object":        {[]byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Like","id":"` + fan.NewID() + `","actor":"` + fan.Actor + `"}`), nil, "400 malformed-document member.missing"},
		"an unknown kind":  {activity(fan.NewID(), "Announce", fan.Actor, quote(to.thing)), nil, "202"},
		"another's answer": {activity(fan.NewID(), "Accept", fan.Actor, quote(other.NewID())), nil, "202"},
	} {
		r := fan.Request(bob+"/inbox", c.body)
		if c.change != nil {
			c.change(r)
		}
		if got := problem(t, to.Do(r)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestInboxHost: a message that is signed for another host isn't taken, and is told so.
func TestInboxHost(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	r := fan.Request("http://elsewhere.localhost/users/bob/inbox", activity(fan.NewID(), "Follow", fan.Actor, quote(to.bobIRI)))
	to.Serve("elsewhere.localhost", to.b.Handler)
	if got := problem(t, to.Do(r)); got != "421 principal-not-authorized sig.target" {
		t.Error(got)
	}
}

// TestInboxClock: whose clock is wrong is told the time; money must be fresher than the rest.
func TestInboxClock(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan, peer := to.Stranger("fan"), to.Peer("peer")
	for offset, want := range map[time.Duration]string{-59 * time.Minute: "202", 59 * time.Minute: "202",
		-48 * time.Hour: "401 principal-not-authorized sig.age", 48 * time.Hour: "401 principal-not-authorized sig.age"} {
		r := fan.Request(to.bobIRI+"/inbox", activity(fan.NewID(), "Follow", fan.Actor, quote(to.bobIRI)))
		to.Clock.Set(to.Clock.Now().Add(-offset))
		answer := to.Do(r)
		if got := problem(t, answer); got != want {
			t.Errorf("signed %v from now: %s, want %s", offset, got, want)
		}
		if told := answer.Header.Get("Date"); strings.HasPrefix(want, "401") && told != to.Clock.Now().UTC().Format(http.TimeFormat) {
			t.Errorf("signed %v from now: told %q", offset, told)
		}
		to.Clock.Set(to.Clock.Now().Add(offset))
	}
	r := peer.Request(to.b.Ledger.Instance().ActorIRI()+"/inbox", claimBy(t, to, peer, 1, 500_000))
	to.Clock.Set(to.Clock.Now().Add(11 * time.Minute))
	if got := problem(t, to.Do(r)); got != "401 principal-not-authorized sig.age" {
		t.Errorf("money 11 minutes late: %s", got)
	}
}

// TestLargeMessages: a large message is taken, also several at a time, and one that is longer than it
// says, or than anybody needs, isn't.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			large := activity(fan.NewID(), "Follow", fan.Actor, quote(to.bobIRI), `,"summary":"`+strings.Repeat("x", 300_000)+`"`)
			if got := problem(t, fan.Post(to.bobIRI+"/inbox", large)); got != "202" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	r := fan.Request(to.bobIRI+"/inbox", bytes.Repeat([]byte(" "), vocab.MaxBytes+1))
	r.ContentLength = -1 // as in chunks
	if got := problem(t, to.Do(r)); got != "413 malformed-document inbox.size" {
		t.Error(got)
	}
	r = fan.Request(to.bobIRI+"/inbox", []byte("{}"))
	r.Body = io.NopCloser(iotest.ErrReader(errors.New("the line is dead")))
	if got := problem(t, to.Do(r)); got != "400 malformed-document inbox.body" {
		t.Error(got)
	}
}

// TestOwnFault: when the database is gone, the sender learns that it isn't its fault, and nothing else.
func TestOwnFault(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	pool, err := pgxpool.NewWithConfig(t.Context(), to.b.Pool.Config())
	to.must(err)
	l, err := ledger.Open(t.Context(), ledger.Options{Pool: pool, Now: to.Clock.Now, Outbox: to.b.Outbox})
	to.must(err)
	s := federation.New(federation.Config{Ledger: l, Pool: pool, Client: to.Client(), Web: vocab.Web{AllowHTTP: true}, Log: to.Log()})
	to.Serve(to.b.Ledger.Instance().Host, s.Handler(http.NotFoundHandler()))
	pool.Close()
	for name, r := range map[string]*http.Response{
		"an actor":   to.get(to.bobIRI, as2),
		"a button":   to.get(to.thing, as2),
		"a handle":   to.get(to.b.Ledger.Instance().BaseURL+"/.well-known/webfinger?resource=acct:bob@"+to.b.Ledger.Instance().Host, ""),
		"statistics": to.get(to.b.Ledger.Instance().BaseURL+"/nodeinfo/2.0", ""),
		"a message":  fan.Post(to.bobIRI+"/inbox", activity(fan.NewID(), "Follow", fan.Actor, quote(to.bobIRI))),
	} {
		raw := string(body(t, r))
		if r.StatusCode != http.StatusInternalServerError || strings.Contains(raw, "pool") || strings.Contains(raw, "closed") {
			t.Errorf("%s: %s %s", name, r.Status, raw)
		}
	}
	if _, _, err := s.Waiting(t.Context()); err == nil {
		t.Error("the queue can be read")
	}
}
