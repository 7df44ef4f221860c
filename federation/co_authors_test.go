package federation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/ledger"
)

// band is three instances: alice@a gives, bob@b has a song, of which carol@c is to get a third.
type band struct {
	*town
	c     *federationtest.Instance
	carol ledger.Member
	song  ledger.Thing
}

func newBand(t *testing.T) *band {
	t.Helper()
	w := federationtest.New(t, federationtest.Weather{}, federationtest.Host{Name: "a"}, federationtest.Host{Name: "b"}, federationtest.Host{Name: "c"})
	to := &town{World: w, t: t, a: w.At("a"), b: w.At("b"), alice: w.Member("a", "alice"), bob: w.Member("b", "bob")}
	b := &band{town: to, c: w.At("c"), carol: w.Member("c", "carol")}
	to.bobIRI = to.b.Ledger.Instance().MemberIRI("bob")
	to.thing = to.b.Ledger.Instance().ButtonIRI(w.Button("b", to.bob, "song").ID)
	to.a.Fund(to.alice, 900_000)
	var err error
	b.song, err = to.b.Ledger.ThingByIRI(context.Background(), to.thing)
	to.must(err)
	return b
}

// Quiet takes over what was told, and delivers all of it.
func (b *band) Quiet() {
	b.t.Helper()
	for _, i := range b.Instances() {
		b.Network.Sent(i)
	}
	b.World.Quiet()
}

func (b *band) carolIRI() string { return b.c.Ledger.Instance().MemberIRI("carol") }

// propose proposes 2 : 1, and delivers it.
func (b *band) propose() ledger.SplitVersion {
	b.t.Helper()
	v, err := b.b.Ledger.ProposeSplit(context.Background(), b.bob.ID, *b.song.Button, []ledger.Author{
		{Payee: b.bobIRI, Weight: 2}, {Payee: b.carolIRI(), Name: "Carol", Weight: 1}})
	b.must(err)
	b.Quiet()
	return v
}

// asked is the version that carol is asked about, at her home.
func (b *band) asked() ledger.AskedSplit {
	b.t.Helper()
	all, err := b.c.Ledger.AskedSplits(context.Background(), b.carol.ID)
	b.must(err)
	if len(all) == 0 {
		b.t.Fatal("carol isn't asked")
	}
	return all[0]
}

func (b *band) version(n int32) ledger.SplitVersion {
	b.t.Helper()
	all, err := b.b.Ledger.Splits(context.Background(), b.song.ID)
	b.must(err)
	return all[slices.IndexFunc(all, func(v ledger.SplitVersion) bool { return v.Version == n })]
}

// TestCoAuthors: a version goes to the author's home, is consented to there with a proof, is in force from the next month
// on, and divides what a third instance's member gives: two Likes, two answers, two claims.
func TestCoAuthors(t *testing.T) {
	t.Parallel()
	b, ctx := newBand(t), context.Background()
	v := b.propose()
	asked := b.asked()
	if asked.IRI != v.IRI || asked.Of.IRI != b.thing || asked.Mine.Weight != 1 || asked.Mine.State != ledger.PartAsked {
		t.Fatalf("carol is asked %+v", asked)
	}
	b.must(b.c.Ledger.AnswerSplit(ctx, b.carol.ID, asked.ID, true))
	b.Quiet()
	if v := b.version(1); v.State != ledger.SplitConsented || *v.Period != "2026-12" {
		t.Fatalf("version 1 is %s", v.State)
	}
	if mine := b.asked(); mine.State != ledger.SplitConsented || *mine.Period != "2026-12" {
		t.Errorf("carol's home wasn't told that it is in force: %s", mine.State)
	}
	for _, i := range []*federationtest.Instance{b.b, b.c} {
		kept, err := federation.EvidenceOfSplit(ctx, i.Pool, v.IRI)
		b.must(err)
		if len(kept) < 2 {
			t.Errorf("%s keeps %v", i.Ledger.Instance().Host, kept)
		}
	}

	page := b.object(b.thing)
	told, _ := json.Marshal(page["fl:split"])
	for _, says := range []string{`"period":"2026-12"`, `"version":1`, `"weight":2`, b.carolIRI()} {
		if !bytes.Contains(told, []byte(says)) {
			t.Errorf("the Page doesn't say %s: %s", says, told)
		}
	}

	b.december()
	song, err := b.a.Server.ResolveThing(ctx, b.thing)
	b.must(err)
	f, _, err := b.a.Ledger.Flattr(ctx, b.alice.ID, song.ID)
	b.must(err)
	b.Quiet()
	if f, err = b.a.Ledger.MyFlattr(ctx, b.alice.ID, f.ID); err != nil || f.State != ledger.Accepted {
		t.Fatalf("the flattr is %s, %v", f.State, err)
	}
	if n := count(t, b.c, `select count(*) from received_part where answer = 'accept'`); n != 1 {
		t.Errorf("carol's home has %d answers", n)
	}
	b.january()
	for _, x := range []struct {
		at   *federationtest.Instance
		by   ledger.Member
		gets int64
	}{{b.b, b.bob, 600_000}, {b.c, b.carol, 300_000}} {
		e, err := x.at.Ledger.Earned(ctx, x.by.ID)
		b.must(err)
		if e.Announced != x.gets {
			t.Errorf("%s gets %d, want %d", x.by.Name, e.Announced, x.gets)
		}
	}
	if n := count(t, b.c, `select count(*) from claim_line where split = 1`); n != 1 {
		t.Errorf("%d lines with the version", n)
	}
	b.Calm()
}

// january turns the clock past December's close and settlement.
func (to *town) january() {
	to.t.Helper()
	for day := range 2 {
		to.Turn(time.Date(2027, 1, 1+day, 1, 0, 0, 0, time.UTC))
		to.Tick()
	}
	to.Quiet()
}

// TestCoAuthorRefuses: a refusal ends the version, and a version that is taken back can't be answered any more.
func TestCoAuthorRefuses(t *testing.T) {
	t.Parallel()
	b, ctx := newBand(t), context.Background()
	b.propose()
	b.must(b.c.Ledger.AnswerSplit(ctx, b.carol.ID, b.asked().ID, false))
	b.Quiet()
	if v := b.version(1); v.State != ledger.SplitRefused {
		t.Errorf("version 1 is %s", v.State)
	}
	b.propose()
	b.must(b.b.Ledger.WithdrawSplit(ctx, b.bob.ID, *b.song.Button, 2))
	b.Quiet()
	if asked := b.asked(); asked.Version != 2 || asked.State != ledger.SplitWithdrawn {
		t.Errorf("carol's home has version %d as %s", asked.Version, asked.State)
	}
	b.Calm()
}

func (b *band) prove(by *federationtest.Stranger, plain []byte) []byte {
	b.t.Helper()
	proven, err := signature.Prove(plain, by.Accounting, b.Clock.Now())
	b.must(err)
	return proven
}

// TestSplitForged: an offer without the accounting key's proof, or for a thing of another host, is refused, and so is an
// answer that isn't the answerer's to give.
func TestSplitForged(t *testing.T) {
	t.Parallel()
	b := newBand(t)
	v := b.propose()
	peer := b.Peer("peer")
	to := `,"to":` + quote(b.c.Ledger.Instance().ActorIRI()) + `,"published":"2026-11-24T00:00:00Z"`
	offer := func(page, owner string) []byte {
		return activity("http://"+peer.Host+"/splits/1", "Offer", peer.Actor, `{"type":"fl:Split","object":`+quote(page)+`,"attributedTo":`+quote(owner)+
			`,"url":"https://blog.example/x","name":"x","summary":"x","fl:version":1,"fl:authors":[{"payee":`+quote(b.carolIRI())+`,"weight":1}]}`, to)
	}
	inbox := b.c.Ledger.Instance().ActorIRI() + "/inbox"
	mine := "http://" + peer.Host
	if got := problem(t, peer.Post(inbox, offer(mine+"/x", mine+"/users/x"))); !strings.HasPrefix(got, "401") {
		t.Errorf("without a proof: %s", got)
	}
	if got := problem(t, peer.Post(inbox, b.prove(peer, offer(b.thing, b.bobIRI)))); !strings.HasPrefix(got, "403") {
		t.Errorf("for another's thing: %s", got)
	}
	answer := activity("http://"+peer.Host+"/answers/1", "Accept", peer.Actor, quote(v.IRI), `,"fl:payee":`+quote(b.carolIRI()))
	if got := problem(t, peer.Post(b.inbox(), b.prove(peer, answer))); !strings.HasPrefix(got, "403") {
		t.Errorf("for another's member: %s", got)
	}
	if v := b.version(1); v.State != ledger.SplitProposed {
		t.Errorf("version 1 is %s", v.State)
	}
}
