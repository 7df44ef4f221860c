package federation_test

import (
	"context"
	"flag"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

var claimLines = flag.Int("claim.lines", 2_000, "how many payees a large claim has")

// crowd gives b many members, each with a thing that alice has flattred in November.
func (to *town) crowd(n int) {
	to.t.Helper()
	to.a.Fund(to.alice, 1_000_000_000)
	ctx, base := context.Background(), to.b.Ledger.Instance().BaseURL
	_, err := to.b.Pool.Exec(ctx, `
		insert into member (name, display_name, password_hash, language, role, created_at)
		select 'payee' || n, 'payee' || n, 'x', 'en', 'member', $2 from generate_series(1, $1::int) n`, n, to.Clock.Now())
	to.must(err)
	_, err = to.a.Pool.Exec(ctx, `
		with p as (insert into peer (host, created_at) values ($3, $4) on conflict (host) do update set host = excluded.host returning id),
		t as (insert into thing (iri, url, title, payee, payee_name, peer, created_at)
		  select $2 || '/buttons/thing' || n, 'https://blog.example/' || n, 'Thing', $2 || '/users/payee' || n, 'payee' || n, p.id, $4
		  from p, generate_series(1, $1::int) n returning id)
		insert into flattr (id, giver, thing, period, state, made_at, answered_at)
		select gen_random_uuid(), $5, id, '2026-11', 'accepted', $4, $4 from t`,
		n, base, to.b.Ledger.Instance().Host, to.Clock.Now(), to.alice.ID)
	to.must(err)
}

// gate lets an instance answer, but for the requests that cut picks.
type gate struct {
	http.Handler
	cut   func(page int) bool
	pages int
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/lines") {
		if g.pages++; g.cut(g.pages) {
			http.Error(w, "cut", http.StatusBadGateway)
			return
		}
	}
	g.Handler.ServeHTTP(w, r)
}

// TestLargeClaim: a claim with more lines than a body takes is fetched page by page. Wherever that is cut it
// goes on where it was; nothing is posted before all is there; and both sides agree to the micro-unit.
func TestLargeClaim(t *testing.T) {
	t.Parallel()
	to, lines := newTown(t), *claimLines
	g := &gate{Handler: to.a.Handler, cut: func(page int) bool { return page%3 == 0 }}
	to.Serve(to.a.Ledger.Instance().Host, g)
	to.crowd(lines)
	to.december()
	to.Quiet()
	if n := count(t, to.b, `select count(*) from claim`); n != 0 {
		t.Fatalf("%d claims are booked before their lines are here", n)
	}
	before, start := heap(), time.Now()
	attempts := 0
	for ; count(t, to.b, `select count(*) from offer_waiting`) > 0; attempts++ {
		if attempts > 2*lines/vocab.MaxInlineLines+10 {
			t.Fatalf("not whole after %d attempts and %d requests", attempts, g.pages)
		}
		_ = to.b.Server.FetchWaiting(context.Background()) // it fails wherever it is cut
	}
	took := time.Since(start)
	t.Logf("%d lines, %d requests, %d attempts: %.1f s, heap %+d KiB", lines, g.pages, attempts, took.Seconds(), (int64(heap())-int64(before))>>10)
	if full := lines / vocab.MaxInlineLines; g.pages > full+attempts+2 || attempts < full/3 {
		t.Errorf("%d requests and %d attempts for %d pages: what was fetched isn't fetched again", g.pages, attempts, full)
	}
	to.Network.Sent(to.b)
	to.Quiet()
	if n := count(t, to.a, `select count(*) from claim where state = 'accepted' and line_count = $1`, lines); n != 1 {
		t.Errorf("%d claims of %d lines are accepted", n, lines)
	}
	owed := count(t, to.a, `select credits_posted - debits_posted from account where kind = 'payable'`)
	due := count(t, to.b, `select debits_posted - credits_posted from account where kind = 'receivable'`)
	if announced := count(t, to.b, `select sum(credits_posted) from account where kind = 'announced'`); owed != due || due != announced || due == 0 {
		t.Errorf("a owes %d, b is owed %d and has announced %d", owed, due, announced)
	}
	if n := count(t, to.b, `select count(*) from offer_page`); n != 0 {
		t.Errorf("%d pages are left behind", n)
	}
	for _, i := range to.Instances() { // as autovacuum would have: no check of many rows is fast on empty statistics
		_, err := i.Pool.Exec(context.Background(), `analyze`)
		to.must(err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLinesForThePeerOnly: who owes whom is nobody else's business.
func TestLinesForThePeerOnly(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.crowd(300)
	to.december()
	a, b := to.a.Ledger.Instance(), to.b.Ledger.Instance()
	lines := vocab.LinesID(a.ClaimIRI(b.Host, "2026-11", "EUR", 1))
	if r := to.get(lines, as2); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("unsigned: %s", r.Status)
	}
	thief := to.Peer("thief")
	if r := to.Do(signedGet(t, to, thief, lines)); r.StatusCode != http.StatusForbidden {
		t.Errorf("signed by another: %s", r.Status)
	}
	if r := to.Do(signedGet(t, to, thief, strings.Replace(lines, b.Host, thief.Host, 1))); r.StatusCode != http.StatusNotFound {
		t.Errorf("no claim of theirs: %s", r.Status)
	}
}

func signedGet(t *testing.T, to *town, by *federationtest.Stranger, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	to.must(err)
	r.Header.Set("Accept", as2)
	to.must(signature.SignCavage(r, nil, by.Key, to.Clock.Now()))
	return r
}

// TestFaultyPages: what is wrong with pages is told when the offer comes again, nothing is posted, and
// what comes then is fetched afresh.
func TestFaultyPages(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.december()
	peer := to.Peer("peer")
	offer := offerBy(to, peer, 1, 500_000)
	page, err := vocab.RenderLinesPage(vocab.LinesPage{Claim: offer.ID, Total: 1, Lines: offer.Lines})
	to.must(err)
	path := vocab.LinesID(strings.TrimPrefix(offer.ID, "http://"+peer.Host))
	paged := offer
	paged.Lines = nil
	plain, err := vocab.RenderClaim(paged)
	to.must(err)
	proven, err := signature.Prove(plain, peer.Accounting, to.Clock.Now())
	to.must(err)

	peer.Say(path, http.StatusOK, vocab.AS2MediaType, strings.Replace(string(page), "500000", "500001", 1))
	if got := problem(t, peer.Post(to.inbox(), proven)); got != "202" {
		t.Errorf("an offer with its lines elsewhere: %s", got)
	}
	to.must(to.b.Server.FetchWaiting(t.Context()))
	if n := count(t, to.b, `select count(*) from claim`); n != 0 {
		t.Errorf("%d claims are booked with a wrong total", n)
	}
	if got := problem(t, peer.Post(to.inbox(), proven)); !strings.Contains(got, "claim.total-mismatch") {
		t.Errorf("the offer again: %s", got)
	}
	peer.Say(path, http.StatusOK, vocab.AS2MediaType, string(page))
	if got := problem(t, peer.Post(to.inbox(), proven)); got != "202" {
		t.Errorf("the offer a third time: %s", got)
	}
	to.must(to.b.Server.FetchWaiting(t.Context()))
	if n := count(t, to.b, `select count(*) from claim where state = 'accepted'`); n != 1 {
		t.Errorf("%d claims are booked", n)
	}
	if got := problem(t, peer.Post(to.inbox(), proven)); got != "202" {
		t.Errorf("a known offer: %s", got)
	}
}
