package federation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// city is a host with as many actors as are asked for, who all have one key.
type city struct {
	to        *town
	host, pem string
	key       signature.PrivateKey
	padding   string // in each document

	mu          sync.Mutex
	asked       int
	now, atMost int // fetches under way
	missing     bool
}

func (to *town) city(name string) *city {
	to.t.Helper()
	c := &city{to: to, host: federationtest.HostName(name)}
	c.key = rsaKeyOf(to.t, c.actor(0))
	var err error
	c.pem, err = c.key.Public().PEM()
	to.must(err)
	to.Serve(c.host, c)
	return c
}

func (c *city) actor(n int) string { return fmt.Sprintf("http://%s/users/%d", c.host, n) }

func (c *city) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	c.mu.Lock()
	c.asked++
	c.now++
	c.atMost = max(c.atMost, c.now)
	missing := c.missing
	c.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
	if missing {
		http.NotFound(w, r)
		return
	}
	id := "http://" + c.host + r.URL.Path
	w.Header().Set("Content-Type", vocab.AS2MediaType)
	fmt.Fprintf(w, `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1"],"id":%q,"type":"Person",
		"inbox":%q,"padding":%q,"publicKey":{"id":%q,"owner":%q,"publicKeyPem":%q}}`, id, id+"/inbox", c.padding, id+"#main-key", id, c.pem)
}

// post sends an activity by an actor of the city, signed with a key under that actor's name.
func (c *city) post(n int, key signature.PrivateKey, kind, object string) *http.Response {
	c.to.t.Helper()
	body := activity(fmt.Sprintf("%s/activities/%s", c.actor(n), kind), kind, c.actor(n), object)
	s := &federationtest.Stranger{Actor: c.actor(n), Key: namedKey(c.to.t, key, c.actor(n)+"#main-key", c.actor(n))}
	r, err := http.NewRequest(http.MethodPost, c.to.bobIRI+"/inbox", strings.NewReader(string(body)))
	c.to.must(err)
	r.Header.Set("Content-Type", vocab.AS2MediaType)
	c.to.must(signature.SignCavage(r, body, s.Key, c.to.Clock.Now()))
	return c.to.Do(r)
}

// TestNonsenseIsNotPassedOn: whoever posts under ever new names of somebody else's host, there or not, makes
// us ask that host thirty times and then one more every two seconds, and is told to come later.
func TestNonsenseIsNotPassedOn(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]bool{"actors that aren't there": true, "actors with another key": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newTown(t)
			victim, other := to.city("victim"), to.city("other")
			victim.missing = missing
			forged := rsaKeyOf(t, victim.actor(0))
			for n := range 100 {
				r := victim.post(n, forged, "Follow", quote(to.bobIRI))
				later := r.Header.Get("Retry-After")
				got := problem(t, r)
				if over := n >= 30; over != (got == "503 sig.key-unreachable") || over != (later != "") || !over && !strings.HasPrefix(got, "401") {
					t.Errorf("post %d: %s, Retry-After %q", n, got, later)
				}
			}
			if victim.asked != 30 {
				t.Errorf("asked %d times", victim.asked)
			}
			if got := problem(t, other.post(1, other.key, "Follow", quote(to.bobIRI))); got != "202" {
				t.Errorf("another host: %s", got)
			}
			victim.missing = false
			to.Clock.Set(to.Clock.Now().Add(5 * time.Second)) // time for two
			for n, want := range []string{"202", "202", "202"} {
				if got := problem(t, victim.post(50+n, victim.key, "Follow", quote(to.bobIRI))); got != want {
					t.Errorf("an honest one later: %s", got)
				}
			}
			to.Clock.Set(to.Clock.Now().Add(time.Hour))
			for n := range 40 {
				victim.post(200+n, forged, "Follow", quote(to.bobIRI))
			}
			if victim.asked != 30+3+30 {
				t.Errorf("asked %d times", victim.asked)
			}
		})
	}
}

// TestNewcomersOfALargeHost: twenty new actors at once, and twice as many as may fail, are all taken; they
// are fetched four at a time.
func TestNewcomersOfALargeHost(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	large := to.city("large")
	for wave := range 4 {
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				if got := problem(t, large.post(wave*20+n, large.key, "Follow", quote(to.bobIRI))); got != "202" {
					t.Error(got)
				}
			})
		}
		all.Wait()
	}
	if large.asked != 80 || large.atMost > 4 {
		t.Errorf("asked %d times, %d at once", large.asked, large.atMost)
	}
	if n := count(t, to.b, `select count(*) from follower`); n != 80 {
		t.Errorf("%d followers", n)
	}
}

// TestOnlyWhatIsNeededIsStored: of an actor whose message isn't for us nothing, whatever its document's size;
// of one whose message we take what the next message needs.
func TestOnlyWhatIsNeededIsStored(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	large := to.city("large")
	large.padding = strings.Repeat("x", 650_000)
	for _, kind := range []string{"Listen", "Announce"} {
		if got := problem(t, large.post(1, large.key, kind, quote(to.thing))); got != "202" {
			t.Errorf("%s: %s", kind, got)
		}
	}
	if n := count(t, to.b, `select (select count(*) from remote_actor) + (select count(*) from remote_key)`); n != 0 || large.asked != 1 {
		t.Errorf("%d rows are stored, asked %d times", n, large.asked)
	}
	if got := problem(t, large.post(1, large.key, "Follow", quote(to.bobIRI))); got != "202" {
		t.Error(got)
	}
	if n := count(t, to.b, `select sum(length(document)) from remote_actor`); n == 0 || n > 2000 {
		t.Errorf("%d bytes are stored", n)
	}
	to.Network.Sent(to.b)
	if to.Network.Waiting() != 0 {
		t.Error("the Follow isn't answered")
	}
	to.Clock.Set(to.Clock.Now().Add(time.Hour))
	if got := problem(t, large.post(1, large.key, "Undo", `{"id":"`+large.actor(1)+`/f","type":"Follow","actor":`+quote(large.actor(1))+`,"object":`+quote(to.bobIRI)+`}`)); got != "202" {
		t.Error(got)
	}
	if large.asked != 1 {
		t.Errorf("asked %d times", large.asked)
	}
}

// TestManyKeysAreCapped: an actor with many keys is stored with a few, and may sign with any.
func TestManyKeysAreCapped(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	pem, err := fan.Key.Public().PEM()
	to.must(err)
	var keys []string
	for n := range 16 {
		keys = append(keys, fmt.Sprintf(`{"id":"%s#key-%d","owner":%q,"publicKeyPem":%q}`, fan.Actor, n, fan.Actor, pem))
	}
	fan.Say("/users/fan", http.StatusOK, vocab.AS2MediaType, `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1"],
		"id":`+quote(fan.Actor)+`,"type":"Person","inbox":`+quote(fan.Actor+"/inbox")+`,"publicKey":[`+strings.Join(keys, ",")+`]}`)
	for _, n := range []int{15, 0, 15, 1} {
		fan.Key = namedKey(t, fan.Key, fmt.Sprintf("%s#key-%d", fan.Actor, n), fan.Actor)
		if got := to.followBy(fan); got != "202" {
			t.Errorf("key %d: %s", n, got)
		}
	}
	if n := count(t, to.b, `select count(*) from remote_key`); n != 4 {
		t.Errorf("%d keys are stored", n)
	}
}

// TestWhoAnswersAFlattr: the payee and the instance actor of the payee's host (protocol §4), not another
// member there.
func TestWhoAnswersAFlattr(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx, peer := context.Background(), to.Peer("peer")
	to.a.Fund(to.alice, 1_000_000)
	member := func(name string) *federationtest.Stranger {
		s := to.Stranger("at-" + name)
		id := "http://" + peer.Host + "/users/" + name
		s.Actor = id
		s.UseKey(namedKey(t, s.Key, id+"#main-key", id))
		doc := peer.Document
		doc.ID, doc.Type, doc.PreferredUsername, doc.Inbox, doc.Outbox = id, "Person", name, id+"/inbox", id+"/outbox"
		doc.PublicKeys, doc.AssertionMethods = []vocab.PublicKey{{ID: s.Key.ID, Owner: id, PEM: s.Document.PublicKeys[0].PEM}}, nil
		raw, err := vocab.RenderActor(doc)
		to.must(err)
		peer.Say("/users/"+name, http.StatusOK, vocab.AS2MediaType, string(raw))
		return s
	}
	xena, mallory := member("xena"), member("mallory")
	for by, want := range map[*federationtest.Stranger]string{xena: "202", peer: "202", mallory: "403 actor-not-authorized ap.owner"} {
		path := "/pages" + by.Actor[strings.LastIndexByte(by.Actor, '/'):]
		raw, err := vocab.RenderPage(vocab.Page{ID: "http://" + peer.Host + path, URL: "https://blog.example" + path, Name: "page", AttributedTo: xena.Actor, Likes: "http://" + peer.Host + "/likes"})
		to.must(err)
		peer.Say(path, http.StatusOK, vocab.AS2MediaType, string(raw))
		thing, err := to.a.Server.ResolveThing(ctx, "http://"+peer.Host+path)
		to.must(err)
		f, _, err := to.a.Flattr(ctx, to.alice.ID, thing.ID)
		to.must(err)
		answer := activity("http://"+peer.Host+"/answers/"+f.ID.String(), "Reject", by.Actor, quote(to.a.Ledger.Instance().FlattrIRI(f.ID.String())), `,"fl:reason":"blocked"`)
		if got := problem(t, by.Post(to.a.Ledger.Instance().BaseURL+"/inbox", answer)); got != want {
			t.Errorf("%s: %s, want %s", by.Actor, got, want)
		}
		f, err = to.a.MyFlattr(ctx, to.alice.ID, f.ID)
		if err != nil || (f.State == ledger.Rejected) != (want == "202") {
			t.Errorf("%s: %s, %v", by.Actor, f.State, err)
		}
	}
}
