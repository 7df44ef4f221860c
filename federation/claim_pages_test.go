package federation_test

import (
	"context"
	"flag"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
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
	before, start, peak := heap(), time.Now(), watchHeap(t)
	attempts := 0
	for ; count(t, to.b, `select count(*) from offer_waiting`) > 0; attempts++ {
		if attempts > 2*lines/vocab.MaxInlineLines+10 {
			t.Fatalf("not whole after %d attempts and %d requests", attempts, g.pages)
		}
		_ = to.b.Server.FetchWaiting(context.Background()) // it fails wherever it is cut
	}
	took := time.Since(start)
	t.Logf("%d lines, %d requests, %d attempts: %.1f s, heap of both instances at most %+d KiB", lines, g.pages, attempts,
		took.Seconds(), (int64(peak())-int64(before))>>10)
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

// watchHeap looks at the heap as long as the test runs; it returns the most that was seen.
func watchHeap(t *testing.T) func() uint64 {
	var most atomic.Uint64
	go func() {
		for t.Context().Err() == nil {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapAlloc))
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return most.Load
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

// TestManyRefusals: an answer refuses two hundred lines at most; what else is wrong is refused in the successors,
// until what is left is accepted and all other money is back.
func TestManyRefusals(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.crowd(450)
	_, err := to.b.Pool.Exec(t.Context(), `delete from member where name like 'payee%' and right(name, 1) <> '7'`)
	to.must(err)
	to.december()
	for range 4 {
		to.Quiet()
		to.must(to.b.Server.FetchWaiting(t.Context()))
		to.Network.Sent(to.b)
	}
	to.Quiet()
	for n, want := range []string{"superseded", "superseded", "superseded", "accepted"} {
		lines := []int64{450, 250, 50, 45}[n]
		if count(t, to.a, `select count(*) from claim where n = $1 and state = $2 and line_count = $3`, n+1, want, lines) != 1 {
			t.Errorf("claim %d isn't %s with %d lines", n+1, want, lines)
		}
	}
	if n := count(t, to.a, `select count(*) from share_return`); n != 405 {
		t.Errorf("%d shares are returned", n)
	}
	for _, i := range to.Instances() {
		_, err := i.Pool.Exec(context.Background(), `analyze`)
		to.must(err)
	}
}

// pagedOffer is a peer's claim with its lines on three pages, one line each.
func pagedOffer(t *testing.T, to *town, peer *federationtest.Stranger, n int) (c vocab.Claim, pages [3]string) {
	t.Helper()
	c = offerBy(to, peer, n, 500_000)
	for _, name := range []string{"carol", "dave"} {
		line := c.Lines[0]
		line.Payee = to.b.Ledger.Instance().MemberIRI(to.World.Member("b", name+strconv.Itoa(n)).Name)
		c.Lines = append(c.Lines, line)
	}
	c, err := c.Completed()
	to.must(err)
	for i, line := range c.Lines {
		page, err := vocab.RenderLinesPage(vocab.LinesPage{Claim: c.ID, Start: int64(i), Total: 3, Lines: []vocab.Line{line}})
		to.must(err)
		pages[i] = string(page)
	}
	c.Lines = nil
	return c, pages
}

// post sends a claim with its proof and returns what became of it.
func postClaim(t *testing.T, to *town, peer *federationtest.Stranger, c vocab.Claim) string {
	t.Helper()
	plain, err := vocab.RenderClaim(c)
	to.must(err)
	proven, err := signature.Prove(plain, peer.Accounting, to.Clock.Now())
	to.must(err)
	return problem(t, peer.Post(to.inbox(), proven))
}

// TestFaultyPages: whatever is wrong with a claim's pages, nothing is posted; the peer is told when it offers the
// claim again, and once the pages are right it is taken (security case O6).
func TestFaultyPages(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.december()
	peer := to.Peer("peer")
	n := 0
	for name, c := range map[string]struct {
		change func(c *vocab.Claim, pages *[3]string)
		want   string // of the offer, when it comes again
	}{
		"an amount changed":  {func(_ *vocab.Claim, p *[3]string) { p[1] = strings.Replace(p[1], "500000", "500001", 1) }, "422 total-mismatch claim.total-mismatch"},
		"a flattr more":      {func(_ *vocab.Claim, p *[3]string) { p[1] = strings.Replace(p[1], `"flattrs":1`, `"flattrs":2`, 1) }, "422 digest-mismatch claim.digest-mismatch"},
		"a page doubled":     {func(_ *vocab.Claim, p *[3]string) { p[2] = p[1] }, "400 malformed-document claim.malformed"},
		"pages swapped":      {func(_ *vocab.Claim, p *[3]string) { p[0], p[1] = p[1], p[0] }, "400 malformed-document claim.malformed"},
		"another's page":     {func(_ *vocab.Claim, p *[3]string) { p[1] = strings.ReplaceAll(p[1], "/EUR/", "/USD/") }, "400 malformed-document claim.malformed"},
		"more lines":         {func(c *vocab.Claim, _ *[3]string) { c.LineCount = 4 }, "400 malformed-document claim.malformed"},
		"the last never":     {func(_ *vocab.Claim, p *[3]string) { p[2] = "" }, "400 malformed-document claim.malformed"},
		"no page":            {func(_ *vocab.Claim, p *[3]string) { p[0] = `{"type":"Note","id":"http://peer.localhost/1"}` }, "400 malformed-document claim.malformed"},
		"another total said": {func(c *vocab.Claim, _ *[3]string) { c.Amount++ }, "422 total-mismatch claim.total-mismatch"},
	} {
		n++
		offer, pages := pagedOffer(t, to, peer, n)
		faulty, broken := offer, pages
		c.change(&faulty, &broken)
		say(peer, offer, broken)
		if got := postClaim(t, to, peer, faulty); got != "202" {
			t.Errorf("%s: the offer: %s", name, got)
		}
		_ = to.b.Server.FetchWaiting(t.Context()) // a page may be missing
		to.Clock.Set(to.Clock.Now().Add(8 * 24 * time.Hour))
		to.must(to.b.Server.FetchWaiting(t.Context()))
		if n := count(t, to.b, `select count(*) from claim where iri = $1`, offer.ID); n != 0 {
			t.Errorf("%s: the claim is booked", name)
		}
		if got := postClaim(t, to, peer, faulty); got != c.want {
			t.Errorf("%s: the offer again: %s, want %s", name, got, c.want)
		}
		say(peer, offer, pages)
		if got := postClaim(t, to, peer, offer); got != "202" {
			t.Errorf("%s: the offer mended: %s", name, got)
		}
		to.must(to.b.Server.FetchWaiting(t.Context()))
		if n := count(t, to.b, `select count(*) from claim where iri = $1 and state = 'accepted'`, offer.ID); n != 1 {
			t.Errorf("%s: mended, it isn't booked", name)
		}
		if got := postClaim(t, to, peer, offer); got != "202" {
			t.Errorf("%s: a known offer: %s", name, got)
		}
	}
}

// say lets a peer serve its pages, but for those that are empty.
func say(peer *federationtest.Stranger, c vocab.Claim, pages [3]string) {
	for i, page := range pages {
		status := http.StatusOK
		if page == "" {
			status = http.StatusNotFound
		}
		path := strings.TrimPrefix(vocab.PageID(c.ID, int64(i)), "http://"+peer.Host)
		peer.Say(path, status, vocab.AS2MediaType, page)
	}
}

// TestWorkersFetchLines: in a process that serves, an offer with pages needs nobody's hand.
func TestWorkersFetchLines(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.december()
	peer := to.Peer("peer")
	offer, pages := pagedOffer(t, to, peer, 1)
	say(peer, offer, pages)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- to.b.Server.Work(ctx) }()
	if got := postClaim(t, to, peer, offer); got != "202" {
		t.Fatal(got)
	}
	for count(t, to.b, `select count(*) from claim where state = 'accepted'`) == 0 {
		time.Sleep(20 * time.Millisecond) // the test's own limit ends this
	}
	stop()
	to.must(<-ended)
}
