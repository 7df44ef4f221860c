package federation_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// post is b with the real queue, as in production.
type post struct {
	*town
	outbox *federation.Outbox
	books  *ledger.Ledger
	server *federation.Server
	pit    *pit
}

func newPost(t testing.TB) *post {
	t.Helper()
	p := &post{town: newTown(t), pit: &pit{now: map[string]int{}, most: map[string]int{}, letGo: make(chan struct{})}}
	log := slog.New(slog.DiscardHandler)
	var err error
	p.outbox, err = federation.NewOutbox(p.b.Pool, log)
	p.must(err)
	p.books, err = ledger.Open(context.Background(), ledger.Options{Pool: p.b.Pool, Now: p.Clock.Now, Outbox: p.outbox})
	p.must(err)
	p.server = federation.New(federation.Config{Ledger: p.books, Pool: p.b.Pool, Client: p.Client(), Web: vocab.Web{AllowHTTP: true}, Log: log})
	return p
}

// work delivers until the test ends.
func (p *post) work(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.server.Work(ctx) }()
	t.Cleanup(func() {
		close(p.pit.letGo)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (p *post) enqueue(messages ...ledger.Message) {
	p.t.Helper()
	p.must(pgx.BeginFunc(context.Background(), p.b.Pool, func(tx pgx.Tx) error {
		return p.outbox.Enqueue(context.Background(), tx, messages...)
	}))
}

// eventually waits until something holds, and returns for how long.
func eventually(t testing.TB, what string, limit time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !holds() {
		if time.Since(begun) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begun)
}

// pit is hosts whose inboxes take a message and never answer, until they are let go.
type pit struct {
	mu        sync.Mutex
	now, most map[string]int // deliveries under way, by host
	letGo     chan struct{}
}

func (d *pit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		id := "http://" + r.Host + r.URL.Path
		w.Header().Set("Content-Type", vocab.AS2MediaType)
		fmt.Fprintf(w, `{"@context":"https://www.w3.org/ns/activitystreams","id":%q,"type":"Person","inbox":%q}`, id, id+"/inbox")
		return
	}
	d.mu.Lock()
	d.now[r.Host]++
	d.most[r.Host] = max(d.most[r.Host], d.now[r.Host])
	d.mu.Unlock()
	<-d.letGo
	d.mu.Lock()
	d.now[r.Host]--
	d.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (d *pit) held() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.now {
		n += m
	}
	return n
}

// TestHangingInbox: a hundred messages for an inbox that hangs hold two workers; the others are told at
// once, and none of the hundred uses up an attempt by waiting.
func TestHangingInbox(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	d, fan := p.pit, p.Stranger("fan")
	p.Serve("pit.localhost:28480", d)
	p.work(t)
	for n := range 100 {
		p.must(p.books.Follow(context.Background(), "bob", "http://pit.localhost:28480/users/x", fmt.Sprint("http://pit.localhost:28480/follows/", n)))
	}
	eventually(t, "two hang", 20*time.Second, func() bool { return d.held() == 2 })
	p.must(p.books.Follow(context.Background(), "bob", fan.Actor, fan.NewID()))
	took := eventually(t, "the honest one is told", 10*time.Second, func() bool { return len(fan.Got()) == 1 })
	t.Logf("told after %v", took)
	if most := d.most["pit.localhost:28480"]; most != 2 {
		t.Errorf("%d at a time", most)
	}
	if n := count(t, p.b, `select max(attempt) from river_job where args ->> 'to' like '%pit%'`); n > 1 {
		t.Errorf("%d attempts", n)
	}
	eventually(t, "the others wait", 10*time.Second, func() bool {
		n, _, err := p.server.Waiting(context.Background())
		return err == nil && n == 100
	})
}

// TestMoneyHasItsOwnWorkers: hosts enough to hold all the others don't keep money waiting.
func TestMoneyHasItsOwnWorkers(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	d, peer := p.pit, p.Peer("peer")
	for n := range 20 {
		host := fmt.Sprintf("pit%d.localhost:28480", n)
		p.Serve(host, d)
		for k := range 2 {
			p.enqueue(ledger.Message{Kind: ledger.TellAcceptFollow, Key: fmt.Sprintf("bob http://%s/follows/%d", host, k), To: "http://" + host + "/users/x"})
		}
	}
	p.work(t)
	eventually(t, "all workers hang", 30*time.Second, func() bool { return d.held() == 32 })
	p.enqueue(ledger.Message{Kind: ledger.TellClaim, Key: "unknown", To: peer.Host})
	took := eventually(t, "money is taken up", 10*time.Second, func() bool { return peer.Asked("/.well-known/webfinger") > 0 })
	t.Logf("taken up after %v", took)
	for _, kind := range []string{ledger.TellClaim, ledger.TellClaimAnswer, ledger.TellPayment, ledger.TellPaymentAnswer} {
		p.enqueue(ledger.Message{Kind: kind, Key: "another", To: peer.Host})
		if n := count(t, p.b, `select count(*) from river_job where queue = 'money' and args ->> 'what' = $1 and args ->> 'key' = 'another'`, kind); n != 1 {
			t.Errorf("%s isn't with the money", kind)
		}
	}
}

// TestAnswersWaitOnce: an answer that waits isn't enqueued again, however often it is asked for; one that
// is on its way or was told is (protocol §4). What nobody asks for, and money, is always enqueued.
func TestAnswersWaitOnce(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	fan := p.Stranger("fan")
	id := fan.NewID()
	follow := func(want int64, when string) {
		t.Helper()
		for range 3 {
			p.must(p.books.Follow(context.Background(), "bob", fan.Actor, id))
		}
		if n := count(t, p.b, `select count(*) from river_job`); n != want {
			t.Errorf("%s: %d jobs, want %d", when, n, want)
		}
	}
	set := func(state string) {
		t.Helper()
		_, err := p.b.Pool.Exec(context.Background(), `
			update river_job set state = $1::river_job_state, finalized_at = case when $1 in ('completed', 'cancelled') then now() end`, state)
		p.must(err)
	}
	follow(1, "new")
	for n, state := range []string{"scheduled", "retryable", "pending", "running", "completed", "cancelled"} {
		set(state)
		follow(1+int64(max(0, n-2)), state)
	}
	other := ledger.Message{Kind: ledger.TellAcceptFollow, Key: "bob " + fan.NewID(), To: fan.Actor}
	like := ledger.Message{Kind: ledger.TellLike, Key: "x", To: fan.Actor}
	money := ledger.Message{Kind: ledger.TellClaimAnswer, Key: "x", To: fan.Host}
	before := count(t, p.b, `select count(*) from river_job`)
	p.enqueue(other, like, like, money)
	p.enqueue(other, like, money)
	if n := count(t, p.b, `select count(*) from river_job`) - before; n != 6 {
		t.Errorf("%d jobs", n)
	}
}

// TestAnswersAreToldAgain: through the real queue, each time that it is asked for after it was told.
func TestAnswersAreToldAgain(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	fan := p.Stranger("fan")
	p.work(t)
	id := fan.NewID()
	for n := range 3 {
		p.must(p.books.Follow(context.Background(), "bob", fan.Actor, id))
		eventually(t, "the answer", 20*time.Second, func() bool { return len(fan.Got()) == n+1 })
	}
}
