package federation_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// many are so many things with ids of a length.
func many(n, length int) (things []vocab.LineThing) {
	for i := range n {
		id := fmt.Sprintf("http://b.localhost/buttons/%04d/", i)
		things = append(things, vocab.LineThing{Object: id + strings.Repeat("x", max(0, length-len(id))), Flattrs: 1})
	}
	return things
}

// TestLinesAreBounded: lines, pages and all pages of a claim have limits, whatever stands in them.
func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.december()
	peer := to.Peer("peer")
	for name, c := range map[string]struct {
		things []vocab.LineThing
		want   string
	}{
		"a hundred things":      {many(100, 0), "202"},
		"a thing more":          {many(101, 0), "400 malformed-document member.value"},
		"40 kB":                 {many(20, 1900), "202"},
		"a few long names more": {many(22, 1900), "413 malformed-document json.size"},
	} {
		n := len(c.things)
		offer := strings.Replace(string(rendered(to, offerBy(to, peer, n, 1))), `[{"flattrs":1,"object":"`+to.thing+`"}]`, thingsJSON(c.things), 1)
		if got := problem(t, peer.PostProven(to.inbox(), []byte(redigested(to, offer, c.things)))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	offer, pages := pagedOffer(t, to, peer, 1000)
	pages[1] = strings.Replace(pages[1], `{"@context"`, `{"padding":"`+strings.Repeat("x", vocab.MaxLinesPage)+`","@context"`, 1)
	say(peer, offer, pages)
	if got := postClaim(t, to, peer, offer); got != "202" {
		t.Fatal(got)
	}
	to.must(to.b.Server.FetchWaiting(t.Context()))
	if got := postClaim(t, to, peer, offer); got != "400 malformed-document claim.malformed" {
		t.Errorf("a page of more than 64 kB: %s", got)
	}
	offer, pages = pagedOffer(t, to, peer, 1001)
	say(peer, offer, [3]string{pages[0]})
	if got := postClaim(t, to, peer, offer); got != "202" {
		t.Fatal(got)
	}
	_ = to.b.Server.FetchWaiting(t.Context()) // the second isn't there yet
	if _, err := to.b.Pool.Exec(t.Context(), `update offer_page set bytes = $1`, vocab.MaxLinesBytes(3)); err != nil {
		t.Fatal(err) // as if its line had been that long
	}
	say(peer, offer, pages)
	to.must(to.b.Server.FetchWaiting(t.Context()))
	if got := postClaim(t, to, peer, offer); got != "400 malformed-document claim.malformed" {
		t.Errorf("more bytes than three lines have: %s", got)
	}
}

func rendered(to *town, c vocab.Claim) []byte {
	to.t.Helper()
	raw, err := vocab.RenderClaim(c)
	to.must(err)
	return raw
}

func thingsJSON(things []vocab.LineThing) string {
	parts := make([]string, len(things))
	for i, t := range things {
		parts[i] = fmt.Sprintf(`{"flattrs":%d,"object":%q}`, t.Flattrs, t.Object)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// redigested is an offer with the digest of a line that no library of ours would write.
func redigested(to *town, offer string, things []vocab.LineThing) string {
	to.t.Helper()
	at := strings.Index(offer, `"fl:digest":"sha-256:`)
	lines := fmt.Sprintf(`[{"amount":"1","payee":%q,"things":%s}]`, to.bobIRI, thingsJSON(things))
	return offer[:at] + `"fl:digest":"` + sha256Of(lines) + offer[at+len(`"fl:digest":"sha-256:`)+64:]
}

// TestFiveThousandThings: a payee whose things are that many gets it all, in as many claims as it takes, by one payment.
func TestFiveThousandThings(t *testing.T) {
	t.Parallel()
	to, ctx := newTown(t), context.Background()
	to.a.Fund(to.alice, 1_000_000_000)
	_, err := to.a.Pool.Exec(ctx, `
		with p as (insert into peer (host, created_at) values ($2, $3) returning id),
		t as (insert into thing (iri, url, title, payee, payee_name, peer, created_at)
		  select $1 || '/buttons/thing' || n, 'https://blog.example/' || n, 'Thing', $1 || '/users/bob', 'bob', p.id, $3
		  from p, generate_series(1, 5000) n returning id)
		insert into flattr (id, giver, thing, period, state, made_at, answered_at)
		select gen_random_uuid(), $4, id, '2026-11', 'accepted', $3, $3 from t`,
		to.b.Ledger.Instance().BaseURL, hostOf(to.b), to.Clock.Now(), to.alice.ID)
	to.must(err)
	to.december()
	to.Quiet()
	if n := count(t, to.b, `select count(*) from claim where state = 'accepted' and line_count = 1`); n != 50 {
		t.Errorf("%d claims are accepted", n)
	}
	y, err := to.a.PreparePayment(ctx, to.a.Op.ID, hostOf(to.b))
	to.must(err)
	to.must(to.a.PaymentSent(ctx, to.a.Op.ID, y.ID))
	to.Network.Sent(to.a)
	d, err := to.b.PaymentDocument(ctx, y.IRI)
	to.must(err)
	to.must(to.b.ConfirmPayment(ctx, to.b.Op.ID, d.ID, d.Amount))
	to.Network.Sent(to.b)
	if e, err := to.b.Earned(ctx, to.bob.ID); err != nil || e.Available != 1_000_000_000 {
		t.Errorf("%+v, %v", e, err)
	}
	for _, i := range to.Instances() {
		_, err := i.Pool.Exec(ctx, `analyze`)
		to.must(err)
	}
}

// TestSameLimitsOnBothSides: what the ledger makes is what others take.
func TestSameLimitsOnBothSides(t *testing.T) {
	t.Parallel()
	if ledger.MaxLineThings != vocab.MaxLineThings || ledger.MaxLineBytes != vocab.MaxLineBytes || ledger.MaxClaimLines != vocab.MaxLines {
		t.Error("lines")
	}
	for _, n := range []int{1, 200, vocab.MaxLines} {
		if ledger.MaxLinesBytes(n) != int(vocab.MaxLinesBytes(int64(n))) {
			t.Errorf("%d lines", n)
		}
	}
}

// TestStatementsWithoutEnd: a peer that asks again and again is answered a few times, and then once a minute.
func TestStatementsWithoutEnd(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.december()
	peer := to.Peer("peer")
	sequence := int64(0)
	ask := func() *http.Response {
		sequence++
		plain, err := vocab.RenderStatement(vocab.Statement{ID: peer.NewID(), Actor: peer.Actor, To: to.b.Ledger.Instance().ActorIRI(),
			Published: to.Clock.Now(), AssetCode: "EUR", Sequence: sequence})
		to.must(err)
		return peer.PostProven(to.inbox(), plain)
	}
	taken := 0
	for range 30 {
		r := ask()
		again := r.Header.Get("Retry-After")
		switch got := problem(t, r); {
		case got == "202":
			taken++
		case got != "429 statement.too-soon" || again != "60":
			t.Errorf("%s, Retry-After %q", got, again)
		}
	}
	if taken != 10 {
		t.Errorf("%d statements are taken at once", taken)
	}
	to.Network.Sent(to.b)
	if n := len(peer.Got()); n != taken {
		t.Errorf("%d answers to %d statements", n, taken)
	}
	for minute := range 3 {
		to.Clock.Set(to.Clock.Now().Add(time.Minute))
		if first, second := problem(t, ask()), problem(t, ask()); first != "202" || second != "429 statement.too-soon" {
			t.Errorf("after %d minutes: %s, %s", minute+1, first, second)
		}
	}
}

// TestManyRotations: a chain of many isn't followed, and neither are its first links.
func TestManyRotations(t *testing.T) {
	t.Parallel()
	for _, n := range []int{5, 6, 40} {
		to := newTown(t)
		peer := to.Peer("peer")
		to.december()
		if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
			t.Fatal(got)
		}
		for range n {
			peer.Rotate(peer.Accounting)
		}
		want, keys := "202", n+1
		if n > 5 {
			want, keys = "403 actor-not-authorized peer.key-held", 1
		}
		if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 200))); got != want {
			t.Errorf("%d rotations: %s", n, got)
		}
		if history, err := to.b.PeerKeys(t.Context(), peer.Host); err != nil || len(history) != keys {
			t.Errorf("%d rotations: %d keys in the books, %v", n, len(history), err)
		}
	}
}

// TestSlowPages: hosts that serve their claims' lines as slowly as they can hold up nobody's messages about money.
func TestSlowPages(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.december()
	release := make(chan struct{})
	var slow sync.WaitGroup
	for i := range 8 { // two at a time of each make sixteen
		peer := to.Peer(fmt.Sprint("slow", i))
		for n := range 2 {
			offer, _ := pagedOffer(t, to, peer, 10*i+n+1)
			if got := postClaim(t, to, peer, offer); got != "202" {
				t.Fatal(got)
			}
		}
		to.Serve(peer.Host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/lines") {
				slow.Add(1)
				defer slow.Done()
				<-release
			}
			peer.ServeHTTP(w, r)
		}))
	}
	honest := to.Peer("honest")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- to.b.Server.Work(ctx) }()
	for count(t, to.b, `select count(*) from river_job where kind = 'fetch-lines' and state = 'running'`) < 8 {
		time.Sleep(10 * time.Millisecond)
	}
	_, err := to.b.Pool.Exec(ctx, `insert into peer (host, created_at) values ($1, $2) on conflict do nothing`, honest.Host, to.Clock.Now())
	to.must(err)
	if got := problem(t, honest.Post(to.inbox(), claimBy(t, to, honest, 1, 100))); got != "202" {
		t.Fatal(got)
	}
	to.told(to.b)
	for len(honest.Got()) == 0 { // the test's own limit ends this
		time.Sleep(10 * time.Millisecond)
	}
	if n := count(t, to.b, `select count(*) from river_job where kind = 'fetch-lines' and state in ('available', 'running')`); n < 8 {
		t.Errorf("only %d fetches are under way: nobody was slow", n)
	}
	close(release)
	stop()
	to.must(<-ended)
}

// told moves what an instance tells from the test's outbox into the queue of a process that serves.
func (to *town) told(i *federationtest.Instance) {
	to.t.Helper()
	for _, m := range i.Outbox.Take(to.t) {
		_, err := i.Pool.Exec(to.t.Context(), `
			insert into river_job (kind, args, queue, max_attempts, state, priority, scheduled_at)
			values ('deliver', jsonb_build_object('what', $1::text, 'key', $2::text, 'to', $3::text), 'money', 9, 'available', 1, now())`,
			m.Kind, m.Key, m.To)
		to.must(err)
	}
}

// TestManyHostsAtOnce: however many hosts send messages about money, there are connections for all else.
func TestManyHostsAtOnce(t *testing.T) {
	t.Parallel()
	to, ctx := newTown(t), context.Background()
	to.december()
	most := int(to.b.Pool.Config().MaxConns)
	hung, err := to.b.Pool.Begin(ctx)
	to.must(err)
	var all sync.WaitGroup
	waits := 0
	for i := range most {
		peer := to.Peer(fmt.Sprint("crowd", i))
		_, err := to.b.Ledger.PinPeer(ctx, ledger.PeerIdentity{Host: peer.Host, Actor: peer.Actor, Inbox: peer.Actor + "/inbox",
			AccountingKey: peer.Document.AssertionMethods[0].Multibase, AccountingKeyID: peer.Accounting.ID})
		to.must(err)
		_, err = hung.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "claims of "+peer.Host)
		to.must(err)
		request := peer.Request(to.inbox(), claimBy(t, to, peer, 1, 500_000))
		all.Go(func() {
			if got := problem(t, to.Do(request)); got != "202" {
				t.Errorf("%s: %s", peer.Host, got)
			}
		})
		if waits < most/2 {
			waits++
		}
		for count(t, to.b, `select count(*) from pg_locks l join pg_database d on d.oid = l.database
			where l.locktype = 'advisory' and not l.granted and d.datname = current_database()`) < int64(waits) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	soon, cancel := context.WithTimeout(ctx, 8*time.Second) // they wait for ten
	defer cancel()
	if _, err := to.b.Ledger.Peer(soon, federationtest.HostName("crowd0")); err != nil {
		t.Errorf("no connection is left: %v", err)
	}
	to.must(hung.Rollback(ctx))
	all.Wait()
	if n := count(t, to.b, `select count(*) from claim where state = 'accepted'`); n != int64(most) {
		t.Errorf("%d claims are accepted", n)
	}
}

// TestAnswersNameTheirContent: an Accept is to the offer that was made, and can't be shown with another of the same lines.
func TestAnswersNameTheirContent(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	offer := offerBy(to, peer, 2, 200)
	plain := rendered(to, offer)
	if got := problem(t, peer.PostProven(to.inbox(), plain)); got != "202" {
		t.Fatal(got)
	}
	to.Network.Sent(to.b)
	a, err := vocab.ParseClaimAnswer(peer.Got()[0])
	to.must(err)
	proven, err := signature.Prove(plain, peer.Accounting, to.Clock.Now())
	to.must(err)
	doc, err := vocab.Decode(proven)
	to.must(err)
	if content, err := doc.ContentDigest(); err != nil || a.Content != content {
		t.Errorf("the answer is to %s, offered was %s, %v", a.Content, content, err)
	}
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha-256:" + hex.EncodeToString(sum[:])
}
