package federation_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// followBy is a signed Follow of bob, and what is answered.
func (to *town) followBy(s *federationtest.Stranger) string {
	to.t.Helper()
	return problem(to.t, s.Post(to.bobIRI+"/inbox", activity(s.NewID(), "Follow", s.Actor, quote(to.bobIRI))))
}

// TestRotation: a key that has changed is fetched again at once; who signs with another key under the
// same name is refused, makes us fetch once, and doesn't lock the owner out.
func TestRotation(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	if got := to.followBy(fan); got != "202" || fan.Asked("/users/fan") != 1 {
		t.Fatalf("%s after %d fetches", got, fan.Asked("/users/fan"))
	}
	mine := fan.Key
	fan.Key = rsaKeyOf(t, fan.Actor) // not published
	for range 5 {
		if got := to.followBy(fan); got != "401 principal-not-authorized sig.bad" {
			t.Errorf("a forged signature: %s", got)
		}
	}
	if n := fan.Asked("/users/fan"); n != 2 {
		t.Errorf("%d fetches", n)
	}
	fan.Key = mine
	if got := to.followBy(fan); got != "202" {
		t.Errorf("the owner: %s", got)
	}
	to.Clock.Set(to.Clock.Now().Add(6 * time.Minute))
	fan.UseKey(rsaKeyOf(t, fan.Actor))
	for range 2 {
		if got := to.followBy(fan); got != "202" {
			t.Errorf("the new key: %s", got)
		}
	}
	if n := fan.Asked("/users/fan"); n != 3 {
		t.Errorf("%d fetches", n)
	}
	fan.Key = mine
	if got := to.followBy(fan); got != "401 principal-not-authorized sig.bad" {
		t.Errorf("the old key: %s", got)
	}
}

// TestKeyOutOfReach: a key that can't be had now is 503, so that the sender tries again, and is had soon
// after; one that isn't there is 401, and isn't asked for again for a while.
func TestKeyOutOfReach(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	for status, c := range map[int]struct {
		want  string
		again time.Duration
	}{
		http.StatusServiceUnavailable: {"503 sig.key-unreachable", 5 * time.Second},
		http.StatusTooManyRequests:    {"503 sig.key-unreachable", 5 * time.Second},
		http.StatusNotFound:           {"401 principal-not-authorized sig.key", 6 * time.Minute},
		http.StatusGone:               {"401 principal-not-authorized sig.key", 6 * time.Minute},
	} {
		fan := to.Stranger(strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "")))
		path := fan.Actor[strings.Index(fan.Actor, "/users"):]
		fan.Say(path, status, "text/plain", "")
		r := fan.Post(to.bobIRI+"/inbox", activity(fan.NewID(), "Follow", fan.Actor, quote(to.bobIRI)))
		if (r.Header.Get("Retry-After") != "") != strings.HasPrefix(c.want, "503") {
			t.Errorf("%d: Retry-After %q", status, r.Header.Get("Retry-After"))
		}
		if got := problem(t, r); got != c.want {
			t.Errorf("%d: %s, want %s", status, got, c.want)
		}
		raw, err := vocab.RenderActor(fan.Document)
		to.must(err)
		fan.Say(path, http.StatusOK, vocab.AS2MediaType, string(raw))
		if got := to.followBy(fan); got != c.want || fan.Asked(path) != 1 {
			t.Errorf("%d at once: %s after %d fetches", status, got, fan.Asked(path))
		}
		to.Clock.Set(to.Clock.Now().Add(c.again))
		if got := to.followBy(fan); got != "202" {
			t.Errorf("%d after %v: %s", status, c.again, got)
		}
	}
}

// TestKeyProofs: key, owner and actor must be one, proven both ways (FEP-fe34).
func TestKeyProofs(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan, other := to.Stranger("fan"), to.Stranger("other")
	own := fan.Document.PublicKeys[0]
	for name, change := range map[string]func(){
		"another owner": func() { fan.Document.PublicKeys[0].Owner = other.Actor },
		"another id":    func() { fan.Document.PublicKeys[0].ID = fan.Actor + "#other-key" },
		"another key alone": func() {
			fan.Document.PublicKeys = []vocab.PublicKey{{ID: fan.Actor + "#second-key", Owner: fan.Actor, PEM: own.PEM}}
		},
		"another actor's doc": func() { fan.Document.ID = "http://" + fan.Host + "/users/another" },
	} {
		fan.Document.ID, fan.Document.PublicKeys = fan.Actor, []vocab.PublicKey{own}
		change()
		to.Clock.Set(to.Clock.Now().Add(6 * time.Minute))
		if got := to.followBy(fan); !strings.HasPrefix(got, "403 principal-actor-mismatch sig.owner") && !strings.HasPrefix(got, "401") {
			t.Errorf("%s: %s", name, got)
		}
	}
	fan.Document.ID, fan.Document.PublicKeys = fan.Actor, []vocab.PublicKey{own}
	to.Clock.Set(to.Clock.Now().Add(6 * time.Minute))
	fan.Key = namedKey(t, fan.Key, other.Actor+"#main-key", other.Actor)
	if got := to.followBy(fan); got != "403 principal-actor-mismatch sig.owner" {
		t.Errorf("a key on another host: %s", got)
	}
	if n := count(t, to.b, `select count(*) from remote_actor`) + count(t, to.b, `select count(*) from follower`); n != 0 {
		t.Errorf("%d rows are stored of those who proved nothing", n)
	}
}

// namedKey is a key under another name.
func namedKey(t testing.TB, key signature.PrivateKey, id, owner string) signature.PrivateKey {
	t.Helper()
	text, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	key, err = signature.ParsePrivatePEM(id, owner, text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestKeyDocument: a key that stands in a document of its own, as GoToSocial and others serve it.
func TestKeyDocument(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	id := fan.Actor + "/main-key"
	fan.UseKey(namedKey(t, fan.Key, id, fan.Actor))
	key := fan.Document.PublicKeys[0]
	fan.Say("/users/fan/main-key", http.StatusOK, vocab.AS2MediaType, `{"@context":"https://w3id.org/security/v1","id":`+quote(id)+
		`,"owner":`+quote(fan.Actor)+`,"publicKeyPem":`+quote(key.PEM)+`}`)
	if got := to.followBy(fan); got != "202" {
		t.Error(got)
	}
}

// TestRFC9421: both ways of signing are taken in, the newer one with an Ed25519 key of assertionMethod too.
func TestRFC9421(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	ed := otherKey(t, fan.Actor+"#ed25519-key", fan.Actor)
	text, err := ed.Public().Multikey()
	to.must(err)
	fan.Document.AssertionMethods = []vocab.Multikey{{ID: ed.ID, Controller: fan.Actor, Multibase: text}}
	for _, key := range []signature.PrivateKey{fan.Key, ed} {
		raw := activity(fan.NewID(), "Follow", fan.Actor, quote(to.bobIRI))
		r, err := http.NewRequest(http.MethodPost, to.bobIRI+"/inbox", bytes.NewReader(raw))
		to.must(err)
		r.Header.Set("Content-Type", vocab.AS2MediaType)
		to.must(signature.SignRFC9421(r, raw, key, to.Clock.Now()))
		if got := problem(t, to.Do(r)); got != "202" {
			t.Errorf("%s: %s", key.ID, got)
		}
	}
}

// TestNewcomersAtOnce: who is new and sends twenty messages at once is fetched once.
func TestNewcomersAtOnce(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := to.followBy(fan); got != "202" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	if n := fan.Asked("/users/fan"); n != 1 {
		t.Errorf("%d fetches", n)
	}
	if n := count(t, to.b, `select count(*) from follower`); n != 1 {
		t.Errorf("%d followers", n)
	}
}
