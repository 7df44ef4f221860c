package federation_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// wire keeps the requests that come to a host, before they are answered.
type wire struct {
	mu     sync.Mutex
	next   http.Handler
	posts  []*http.Request
	bodies []string
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		w.mu.Lock()
		w.posts, w.bodies = append(w.posts, r.Clone(context.Background())), append(w.bodies, string(body))
		w.mu.Unlock()
	}
	w.next.ServeHTTP(rw, r)
}

// tap listens to what comes to an instance.
func (to *town) tap(i *federationtest.Instance) *wire {
	w := &wire{next: i.Handler}
	to.Serve(i.Ledger.Instance().Host, w)
	return w
}

// TestLikeOnTheWire: a flattr as protocol §4 has it and as every server takes it: one type, plain ids, no
// amount and no content, signed over request, host, date and digest, by the giver.
func TestLikeOnTheWire(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	w := to.tap(to.b)
	f := to.flattr()
	like := decode(t, []byte(w.bodies[0]))
	checkContext(t, like)
	id := to.a.Ledger.Instance().FlattrIRI(f.ID.String())
	giver := to.a.Ledger.Instance().MemberIRI("alice")
	for member, want := range map[string]any{"id": id, "type": "Like", "actor": giver, "object": to.thing, "period": "2026-11",
		"published": to.Clock.Now().Format(time.RFC3339)} {
		if like[member] != want {
			t.Errorf("%s is %v, want %v", member, like[member], want)
		}
	}
	if fmt.Sprint(like["to"]) != "["+to.bobIRI+"]" || len(like) != 8 {
		t.Errorf("%v", like)
	}
	r := w.posts[0]
	if r.URL.Path != "/users/bob/inbox" || r.Header.Get("Content-Type") != "application/activity+json" || r.Header.Get("User-Agent") == "" {
		t.Errorf("%s %v", r.URL.Path, r.Header)
	}
	sig := r.Header.Get("Signature")
	if !strings.Contains(sig, `keyId="`+giver+`#main-key"`) || !strings.Contains(sig, `headers="(request-target) host date digest"`) {
		t.Errorf("signed %s", sig)
	}
	signed, err := signature.Parse(r, []byte(w.bodies[0]), signature.Expect{Scheme: "http", Host: to.b.Ledger.Instance().Host, Now: to.Clock.Now()})
	if err != nil || signed.KeyID != giver+"#main-key" {
		t.Errorf("%+v, %v", signed, err)
	}
	to.undone(f, w)
}

// undone: an Undo embeds the full Like, because Mastodon, PeerTube and GoToSocial don't look an id up.
func (to *town) undone(f ledger.Flattr, w *wire) {
	to.t.Helper()
	to.must(to.a.UndoFlattr(context.Background(), to.alice.ID, f.ID))
	to.Network.Sent(to.a)
	last := w.bodies[len(w.bodies)-1]
	undo, like := decode(to.t, []byte(last)), decode(to.t, []byte(w.bodies[0]))
	inner, ok := undo["object"].(map[string]any)
	if undo["type"] != "Undo" || !ok || undo["id"] == inner["id"] {
		to.t.Fatalf("%s", last)
	}
	for _, member := range []string{"id", "type", "actor", "object", "period"} {
		if inner[member] != like[member] {
			to.t.Errorf("%s is %v, was %v", member, inner[member], like[member])
		}
	}
}

// TestRetriesSayTheSame: each attempt sends the same bytes, under a fresh signature, whatever has changed
// meanwhile, across restarts.
func TestRetriesSayTheSame(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	w := to.tap(to.b)
	f := to.flattr()
	to.december()
	claims, err := to.a.Claims(context.Background())
	to.must(err)
	first := w.bodies
	for _, m := range []ledger.Message{{Kind: ledger.TellLike, Key: f.ID.String(), To: to.bobIRI},
		{Kind: ledger.TellClaim, Key: claims[0].IRI, To: claims[0].Host}} {
		for _, s := range []*federation.Server{to.a.Server, to.restart(to.a)} {
			to.Clock.Set(to.Clock.Now().Add(time.Minute))
			if out, err := s.Deliver(context.Background(), m); err != nil || out != federation.Done {
				t.Errorf("%s: %v, %v", m.Kind, out, err)
			}
		}
	}
	for i, want := range []int{0, 0, len(first) - 1, len(first) - 1} {
		again := len(first) + i
		if w.bodies[again] != w.bodies[want] {
			t.Errorf("retry %d says\n%s\nand said\n%s", i, w.bodies[again], w.bodies[want])
		}
		if w.posts[again].Header.Get("Signature") == w.posts[want].Header.Get("Signature") {
			t.Errorf("retry %d has the same signature", i)
		}
		if len(w.bodies[again]) >= 64<<10 {
			t.Errorf("%d bytes", len(w.bodies[again]))
		}
	}
}

// TestDeliverOutcomes: by the status, by what can't be looked up, and by what isn't so any more.
func TestDeliverOutcomes(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	fan := to.Stranger("fan")
	follow := ledger.Message{Kind: ledger.TellAcceptFollow, Key: "bob " + fan.NewID(), To: fan.Actor}
	for status, want := range map[int]federation.Outcome{202: federation.Done, 200: federation.Done, 401: federation.Stopped, 410: federation.Stopped,
		429: federation.Retry, 503: federation.Retry} {
		fan.Say("/users/fan/inbox", status, "text/plain", "")
		if out, err := to.b.Server.Deliver(ctx, follow); out != want || (err == nil) != (want == federation.Done) {
			t.Errorf("%d: %v, %v", status, out, err)
		}
	}
	elsewhere := to.Stranger("elsewhere")
	elsewhere.Document.Inbox = to.bobIRI + "/inbox"
	to.Network.Cut(to.a)
	for name, c := range map[string]struct {
		m    ledger.Message
		want federation.Outcome
	}{
		"nobody there":        {ledger.Message{Kind: ledger.TellAcceptFollow, Key: follow.Key, To: "http://" + fan.Host + "/users/nobody"}, federation.Stopped},
		"a host out of reach": {ledger.Message{Kind: ledger.TellAcceptFollow, Key: follow.Key, To: to.a.Ledger.Instance().MemberIRI("alice")}, federation.Retry},
		"an inbox elsewhere":  {ledger.Message{Kind: ledger.TellAcceptFollow, Key: follow.Key, To: elsewhere.Actor}, federation.Retry},
		"no such flattr":      {ledger.Message{Kind: ledger.TellLike, Key: uuid.NewString(), To: fan.Actor}, federation.Retry},
		"no flattr's key":     {ledger.Message{Kind: ledger.TellLike, Key: "x", To: fan.Actor}, federation.Retry},
		"no such Like":        {ledger.Message{Kind: ledger.TellAccept, Key: "x", To: fan.Actor}, federation.Retry},
		"no such claim":       {ledger.Message{Kind: ledger.TellClaim, Key: "x", To: fan.Host}, federation.Retry},
		"a peer out of reach": {ledger.Message{Kind: ledger.TellPayment, Key: "x", To: to.a.Ledger.Instance().Host}, federation.Retry},
		"no such kind":        {ledger.Message{Kind: "letter", Key: "x", To: fan.Actor}, federation.Retry},
	} {
		if out, err := to.b.Server.Deliver(ctx, c.m); out != c.want || err == nil {
			t.Errorf("%s: %v, %v; want %v", name, out, err, c.want)
		}
	}
}

// TestPointless: an Undo of what isn't undone says nothing and is done.
func TestPointless(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	f := to.flattr()
	w := to.tap(to.b)
	out, err := to.a.Server.Deliver(context.Background(), ledger.Message{Kind: ledger.TellUndo, Key: f.ID.String(), To: to.bobIRI})
	if out != federation.Done || err != nil || len(w.posts) != 0 {
		t.Errorf("%v, %v, %d posts", out, err, len(w.posts))
	}
}

// TestQueue: the real queue, from the ledger's transaction to the other side: what is refused for good
// ends and doesn't wait, what finds nobody is tried again, the rest arrives.
func TestQueue(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan, deaf, proud := to.Stranger("fan"), to.Stranger("deaf"), to.Stranger("proud")
	deaf.Say("/users/deaf/inbox", http.StatusServiceUnavailable, "text/plain", "")
	proud.Say("/users/proud/inbox", http.StatusForbidden, "text/plain", "")
	log := slog.New(slog.DiscardHandler)
	outbox, err := federation.NewOutbox(to.b.Pool, log)
	to.must(err)
	l, err := ledger.Open(context.Background(), ledger.Options{Pool: to.b.Pool, Now: to.Clock.Now, Outbox: outbox})
	to.must(err)
	s := federation.New(federation.Config{Ledger: l, Pool: to.b.Pool, Client: to.Client(), Web: vocab.Web{AllowHTTP: true}, Log: log})
	for _, who := range []*federationtest.Stranger{fan, deaf, proud} {
		to.must(l.Follow(context.Background(), "bob", who.Actor, who.NewID()))
	}
	if n, _, err := s.Waiting(context.Background()); err != nil || n != 3 {
		t.Errorf("%d wait, %v", n, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Work(ctx) }()
	states := map[string]int64{}
	for range 200 {
		for _, state := range []string{"completed", "cancelled", "retryable"} {
			states[state] = count(t, to.b, `select count(*) from river_job where kind = 'deliver' and state = $1::river_job_state`, state)
		}
		if states["completed"] == 1 && states["cancelled"] == 1 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if states["completed"] != 1 || states["cancelled"] != 1 || len(fan.Got()) != 1 {
		t.Errorf("%v, %d arrived", states, len(fan.Got()))
	}
	if n, _, err := s.Waiting(context.Background()); err != nil || n != 1 {
		t.Errorf("%d wait, %v", n, err)
	}
}
