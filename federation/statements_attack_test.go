package federation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// TestNobodysTextIsSignedAsOurs: a statement under the id of an answer that we are still to give isn't kept in its
// place, and the answer that is given is ours.
func TestNobodysTextIsSignedAsOurs(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	offer := claimBy(t, to, peer, 2, 200)
	x := offerBy(to, peer, 2, 200).ID
	me := to.b.Ledger.Instance().ActorIRI()
	plain, err := vocab.RenderStatement(vocab.Statement{ID: x + "#answer", Actor: peer.Actor, To: me, Published: to.Clock.Now(),
		AssetCode: "EUR", Sequence: 1, Seen: 50, Payable: 999_999_000_000})
	to.must(err)
	if got := problem(t, peer.PostProven(to.inbox(), plain)); !strings.HasPrefix(got, "400") {
		t.Errorf("a statement with a fragment: %s", got)
	}
	if got := problem(t, peer.Post(to.inbox(), offer)); got != "202" {
		t.Fatal(got)
	}
	to.Network.Sent(to.b)
	accepted := false
	for _, d := range peer.Got() {
		if kind, _ := d.Type(); kind == "Accept" {
			_, err := vocab.ParseClaimAnswer(d)
			accepted = err == nil
		}
	}
	if !accepted {
		t.Error("the offer got no answer")
	}
}

// TestStatementsOfBusyPairs: two instances with a thousand documents between them can still tell each other.
func TestStatementsOfBusyPairs(t *testing.T) {
	t.Parallel()
	s := vocab.Statement{ID: "https://a.example/statements/b.example/1", Actor: "https://a.example/actor", To: "https://b.example/actor", AssetCode: "EUR",
		Sequence: 1}
	for i := range 2_000 {
		s.Records = append(s.Records, vocab.Record{ID: fmt.Sprintf("https://flattr.a.example/claims/2026-11/flattr.b.example/EUR/%d", i+1),
			Content: "sha-256:" + strings.Repeat("a", 64), Answer: "sha-256:" + strings.Repeat("b", 64)})
	}
	raw, err := vocab.RenderStatement(s)
	if err != nil {
		t.Fatal(err)
	}
	d, err := vocab.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := vocab.ParseStatement(d); err != nil || len(again.Records) != len(s.Records) {
		t.Errorf("%d records of %d bytes: %v", len(again.Records), len(raw), err)
	}
}

// TestNothingIsFetchedForWhatIsOnRecord: a claim that is here comes back with an address for its lines.
func TestNothingIsFetchedForWhatIsOnRecord(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
		t.Fatal(got)
	}
	to.Network.Sent(to.b)
	var answer vocab.Document
	for _, d := range peer.Got() {
		if kind, _ := d.Type(); kind == "Accept" {
			answer = d
		}
	}
	c := offerBy(to, peer, 1, 100)
	c.Lines, c.LineCount = nil, 1_000
	plain, err := vocab.RenderClaim(c)
	to.must(err)
	proven, err := signature.Prove(plain, peer.Accounting, to.Clock.Now())
	to.must(err)
	doc, err := vocab.Decode(proven)
	to.must(err)
	page := strings.TrimPrefix(vocab.PageID(c.ID, 0), "http://"+peer.Host)
	path, _, _ := strings.Cut(page, "?")
	peer.Say(page, http.StatusOK, vocab.AS2MediaType, "{}")
	raw, err := vocab.RenderReturn(vocab.Return{ID: peer.NewID(), Actor: peer.Actor, To: to.b.Ledger.Instance().ActorIRI(),
		Published: to.Clock.Now(), Object: c.ID, Returned: doc, Answer: answer})
	to.must(err)
	got := problem(t, peer.PostProven(to.inbox(), raw))
	if n := peer.Asked(path); n != 0 || !strings.HasPrefix(got, "409") {
		t.Errorf("%s, %d pages fetched", got, n)
	}
	if p, err := to.b.Peer(context.Background(), peer.Host); err != nil || p.FrozenAt == nil {
		t.Errorf("other content under a known id: %+v, %v", p, err)
	}
}
