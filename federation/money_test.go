package federation_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// offerBy is a claim of a peer on b for November: amount for bob.
func offerBy(to *town, peer *federationtest.Stranger, n int, amount int64) vocab.Claim {
	to.t.Helper()
	inst := to.b.Ledger.Instance()
	c, err := vocab.Claim{ID: fmt.Sprintf("http://%s/claims/2026-11/%s/EUR/%d", peer.Host, inst.Host, n), Actor: peer.Actor,
		To: inst.ActorIRI(), Published: to.Clock.Now(),
		Agreement: vocab.Agreement{AttributedTo: peer.Actor, Satisfies: inst.BaseURL + "/proposals/eur#primary", Period: "2026-11", AssetCode: "EUR"},
		Lines:     []vocab.Line{{Payee: to.bobIRI, Amount: amount, Things: []vocab.LineThing{{Object: to.thing, Flattrs: 1}}}}}.Completed()
	to.must(err)
	return c
}

// claimBy is the same, rendered and proven.
func claimBy(t testing.TB, to *town, peer *federationtest.Stranger, n int, amount int64) []byte {
	t.Helper()
	plain, err := vocab.RenderClaim(offerBy(to, peer, n, amount))
	to.must(err)
	proven, err := signature.Prove(plain, peer.Accounting, to.Clock.Now())
	to.must(err)
	return proven
}

// december turns the clock past November's close and settlement.
func (to *town) december() {
	to.t.Helper()
	for day := range 2 {
		to.Turn(date(time.December, 1+day, 1))
		to.Tick()
	}
}

func (to *town) inbox() string { return to.b.Ledger.Instance().ActorIRI() + "/inbox" }

// TestClaimFaults: a fault of the claim itself is no answer. Each has its status and problem type,
// nothing is stored, and the same id may be sent corrected (protocol §8).
func TestClaimFaults(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	early := peer.Post(to.inbox(), claimBy(t, to, peer, 1, 500_000))
	if got := problem(t, early); got != "422 period-not-settled claim.period-not-closed" {
		t.Errorf("a month that isn't over: %s", got)
	}
	to.december()
	good := offerBy(to, peer, 1, 500_000)
	for name, c := range map[string]struct {
		change func(c *vocab.Claim)
		want   string
	}{
		"another currency": {func(c *vocab.Claim) {
			c.AssetCode = "USD"
			c.ID = strings.Replace(c.ID, "/EUR/", "/USD/", 1)
		}, "422 unknown-currency claim.unknown-currency"},
		"a month that isn't over": {func(c *vocab.Claim) {
			c.Period = "2026-12"
			c.ID = strings.Replace(c.ID, "2026-11", "2026-12", 1)
		}, "422 period-not-settled claim.period-not-closed"},
		"another key's id":   {func(c *vocab.Claim) { c.ID = strings.Replace(c.ID, "2026-11", "2026-10", 1) }, "400 malformed-document claim.malformed"},
		"no number":          {func(c *vocab.Claim) { c.ID = strings.TrimSuffix(c.ID, "1") + "x" }, "400 malformed-document claim.malformed"},
		"number 0":           {func(c *vocab.Claim) { c.ID = strings.TrimSuffix(c.ID, "1") + "0" }, "400 malformed-document claim.malformed"},
		"for another":        {func(c *vocab.Claim) { c.To = "http://elsewhere.localhost/actor" }, "400 malformed-document claim.malformed"},
		"of another":         {func(c *vocab.Claim) { c.AttributedTo = "http://elsewhere.localhost/actor" }, "400 malformed-document claim.malformed"},
		"another proposal":   {func(c *vocab.Claim) { c.Satisfies += "2" }, "400 malformed-document claim.malformed"},
		"of another's claim": {func(c *vocab.Claim) { c.ID = "http://elsewhere.localhost" + c.ID[len("http://"+peer.Host):] }, "403 principal-actor-mismatch inbox.id-host"},
	} {
		changed := good
		c.change(&changed)
		plain, err := vocab.RenderClaim(changed)
		to.must(err)
		if got := problem(t, peer.PostProven(to.inbox(), plain)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"another total":  {`"500000"`, `"500001"`, "422 total-mismatch claim.total"},
		"another digest": {good.Digest, "sha-256:" + strings.Repeat("0", 64), "422 digest-mismatch claim.digest"},
	} {
		plain, err := vocab.RenderClaim(good)
		to.must(err)
		if got := problem(t, peer.PostProven(to.inbox(), []byte(strings.Replace(string(plain), c.old, c.new, 1)))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if n := count(t, to.b, `select count(*) from claim`); n != 0 {
		t.Errorf("%d claims are stored", n)
	}
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 500_000))); got != "202" {
		t.Errorf("corrected: %s", got)
	}
	if n := count(t, to.b, `select sum(amount)::bigint from claim where state = 'accepted'`); n != 500_000 {
		t.Errorf("accepted %d", n)
	}
}

// TestClaimIsAnswered: accepted with the agreement and where to pay, by the accounting key, the same
// bytes each time it is told; other content under the same id freezes the peer.
func TestClaimIsAnswered(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	claim := claimBy(t, to, peer, 1, 500_000)
	for range 2 {
		if got := problem(t, peer.Post(to.inbox(), claim)); got != "202" {
			t.Fatal(got)
		}
		to.Network.Sent(to.b)
	}
	got := peer.Got()
	if len(got) != 2 || string(got[0].Raw()) != string(got[1].Raw()) {
		t.Fatalf("%d answers, or not the same", len(got))
	}
	a, err := vocab.ParseClaimAnswer(got[0])
	to.must(err)
	inst := to.b.Ledger.Instance()
	if a.Verdict != vocab.Accepted || a.Actor != inst.ActorIRI() || a.Agreement.Amount != 500_000 || a.Agreement.Payto != inst.Payto ||
		!strings.HasPrefix(a.Agreement.ID, inst.BaseURL+"/agreements/"+peer.Host+"/2026-11/") {
		t.Errorf("%+v", a)
	}
	to.proven(got[0])
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 500_001))); got != "409 content-conflict inbox.conflict" {
		t.Errorf("other content: %s", got)
	}
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 1))); got != "403 actor-not-authorized claim.frozen" {
		t.Errorf("the next claim of a frozen peer: %s", got)
	}
}

// proven checks the proof of a document of b's against the key that b's actor publishes.
func (to *town) proven(d vocab.Document) {
	to.t.Helper()
	for _, method := range to.object(to.b.Ledger.Instance().ActorIRI())["assertionMethod"].([]any) {
		m := method.(map[string]any)
		if !strings.HasSuffix(m["id"].(string), "#accounting-key") {
			continue
		}
		key, err := signature.ParseMultikey(m["id"].(string), m["controller"].(string), m["publicKeyMultibase"].(string))
		to.must(err)
		if _, err := signature.VerifyProof(d.Raw(), key); err != nil {
			to.t.Errorf("the proof of %s: %v", d.Raw(), err)
		}
		return
	}
	to.t.Error("no accounting key")
}

// TestRefusedLines: a line for one who isn't here is refused by reason, with nothing posted; the
// successor must embed our refusal, proven by us.
func TestRefusedLines(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	c := offerBy(to, peer, 1, 500_000)
	c.Lines = append(c.Lines, vocab.Line{Payee: to.b.Ledger.Instance().MemberIRI("nobody"), Amount: 7, Things: []vocab.LineThing{{Object: to.thing, Flattrs: 1}}})
	c, err := c.Completed()
	to.must(err)
	plain, err := vocab.RenderClaim(c)
	to.must(err)
	if got := problem(t, peer.PostProven(to.inbox(), plain)); got != "202" {
		t.Fatal(got)
	}
	to.Network.Sent(to.b)
	refusal := peer.Got()[0]
	a, err := vocab.ParseClaimAnswer(refusal)
	to.must(err)
	if a.Verdict != vocab.Refused || len(a.Rejected) != 1 || a.Rejected[0].Reason != vocab.UnknownPayee {
		t.Errorf("%+v", a)
	}
	if n := count(t, to.b, `select count(*) from transfer`); n != 0 {
		t.Errorf("%d transfers", n)
	}
	next := offerBy(to, peer, 2, 500_000)
	next.Supersedes = c.ID
	forged, err := vocab.RenderClaimAnswer(a)
	to.must(err)
	forged, err = signature.Prove(forged, peer.Accounting, to.Clock.Now())
	to.must(err)
	for _, step := range []struct{ embedded, want string }{
		{string(forged), "422 proof-invalid claim.refusal"},
		{string(refusal.Raw()), "202"},
	} {
		next.Refusal, err = vocab.Decode([]byte(step.embedded))
		to.must(err)
		plain, err := vocab.RenderClaim(next)
		to.must(err)
		if got := problem(t, peer.PostProven(to.inbox(), plain)); got != step.want {
			t.Errorf("the successor: %s, want %s", got, step.want)
		}
	}
	if n := count(t, to.b, `select sum(l.amount)::bigint from claim_line l join claim c on c.id = l.claim where c.state = 'accepted'`); n != 500_000 {
		t.Errorf("accepted %d", n)
	}
}

// TestMoneyNeedsItsKey: only the instance actor with a proof by the pinned accounting key moves money;
// a member's signature, a proof by another key, no proof, and one laid over another document don't.
func TestMoneyNeedsItsKey(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer, member := to.Peer("peer"), to.Stranger("member")
	to.december()
	plain, err := vocab.RenderClaim(offerBy(to, peer, 1, 500_000))
	to.must(err)
	if got := problem(t, peer.Post(to.inbox(), plain)); got != "401 proof-invalid claim.proof" {
		t.Errorf("no proof: %s", got)
	}
	stolen := strings.Replace(string(claimBy(t, to, peer, 1, 1)), `"1"`, `"2"`, 1)
	if got := problem(t, peer.Post(to.inbox(), []byte(stolen))); got == "202" {
		t.Errorf("another's proof: %s", got)
	}
	byMain, err := signature.Prove(plain, otherKey(t, peer.Actor+"#ed25519-key", peer.Actor), to.Clock.Now())
	to.must(err)
	if got := problem(t, peer.Post(to.inbox(), byMain)); got != "401 proof-invalid claim.proof" {
		t.Errorf("a proof by another key of the actor: %s", got)
	}
	byName, err := signature.Prove(plain, otherKey(t, peer.Accounting.ID, peer.Actor), to.Clock.Now())
	to.must(err)
	if got := problem(t, peer.Post(to.inbox(), byName)); got != "401 proof-invalid claim.proof" {
		t.Errorf("a proof by a new key under the old name: %s", got)
	}
	offer := offerBy(to, member, 1, 500_000)
	member.Accounting = otherKey(t, member.Actor+"#accounting-key", member.Actor)
	plain, err = vocab.RenderClaim(offer)
	to.must(err)
	if got := problem(t, member.PostProven(to.inbox(), plain)); got != "403 actor-not-authorized peer.unmet" {
		t.Errorf("one whose host speaks no flattr: %s", got)
	}
	if n := count(t, to.b, `select count(*) from claim`); n != 0 {
		t.Errorf("%d claims", n)
	}
}

func otherKey(t testing.TB, id, owner string) signature.PrivateKey {
	t.Helper()
	key, err := signature.GenerateEd25519(id, owner)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPinned: a peer's accounting key is pinned when it is first met. A new one that the document
// publishes later counts for nothing, and holds what the old one signs until an operator has decided.
func TestPinned(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
		t.Fatal(got)
	}
	pinned, err := to.b.Peer(context.Background(), peer.Host)
	to.must(err)
	if got, want := federation.Fingerprint(pinned.AccountingKey), peer.Accounting.Public().Fingerprint(); got != want {
		t.Errorf("the operator compares %q with %q", got, want)
	}
	if got := federation.Fingerprint("z6MkNoKey"); got != "" {
		t.Errorf("the fingerprint of no key: %q", got)
	}
	if pinned.Actor != peer.Actor || pinned.AccountingKeyID != peer.Accounting.ID || pinned.KeyConfirmedAt != nil {
		t.Errorf("%+v", pinned)
	}
	old := peer.Accounting
	peer.Accounting = otherKey(t, old.ID, peer.Actor)
	text, err := peer.Accounting.Public().Multikey()
	to.must(err)
	peer.Document.AssertionMethods = []vocab.Multikey{{ID: old.ID, Controller: peer.Actor, Multibase: text}}
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "403 actor-not-authorized peer.key-held" {
		t.Errorf("the new key: %s", got)
	}
	peer.Accounting = old
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "403 actor-not-authorized peer.key-held" {
		t.Errorf("the pinned key, while another is held: %s", got)
	}
	to.must(to.b.KeepPeerKey(context.Background(), to.b.Op.ID, peer.Host, text, "they say it was a mistake"))
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "202" {
		t.Errorf("the pinned key: %s", got)
	}
}

// TestUnmet: who can't be met as an instance gets no money in, whatever it signs.
func TestUnmet(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(to *town, peer *federationtest.Stranger){
		"no WebFinger": func(_ *town, peer *federationtest.Stranger) {
			peer.Say("/.well-known/webfinger", http.StatusNotFound, "text/plain", "")
		},
		"an actor elsewhere": func(to *town, peer *federationtest.Stranger) {
			peer.Say("/.well-known/webfinger", http.StatusOK, vocab.JRDMediaType, fmt.Sprintf(
				`{"subject":"x","links":[{"rel":"self","type":"application/activity+json","href":%q}]}`, to.a.Ledger.Instance().ActorIRI()))
		},
		"no accounting key": func(_ *town, peer *federationtest.Stranger) { peer.Document.AssertionMethods = nil },
		"another's accounting key": func(to *town, peer *federationtest.Stranger) {
			peer.Document.AssertionMethods[0].Controller = to.a.Ledger.Instance().ActorIRI()
		},
		"no flattr":          func(_ *town, peer *federationtest.Stranger) { peer.Document.Implements = nil },
		"an inbox elsewhere": func(to *town, peer *federationtest.Stranger) { peer.Document.Inbox = to.bobIRI + "/inbox" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newTown(t)
			peer := to.Peer("peer")
			change(to, peer)
			to.december()
			if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "403 actor-not-authorized peer.unmet" {
				t.Error(got)
			}
		})
	}
}

// TestMasquerade: claims between our own instances, sent in by a third: its own actor can't answer for
// another's claim, nor offer on another's behalf, nor pay it (A5 of the threats: one host for another).
func TestMasquerade(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.flattr()
	to.Network.Cut(to.b)
	to.december()
	claims, err := to.a.Claims(context.Background())
	to.must(err)
	if len(claims) != 1 || claims[0].State != ledger.Offered {
		t.Fatalf("%+v", claims)
	}
	thief := to.Peer("thief")
	inst := to.a.Ledger.Instance()
	answer, err := vocab.RenderClaimAnswer(vocab.ClaimAnswer{Content: "sha-256:" + strings.Repeat("0", 64),
		Answer: vocab.Answer{ID: thief.NewID(), Actor: thief.Actor, Object: claims[0].IRI, Verdict: vocab.Accepted, Published: to.Clock.Now(), To: []string{inst.ActorIRI()}},
		Agreement: vocab.Agreement{ID: thief.NewID(), AttributedTo: thief.Actor, Satisfies: "http://" + thief.Host + "/proposals/eur#primary",
			Amount: claims[0].Amount, Period: "2026-11", AssetCode: "EUR", Digest: claims[0].Digest, Payto: "payto://iban/DE00"}})
	to.must(err)
	if got := problem(t, thief.PostProven(inst.ActorIRI()+"/inbox", answer)); got != "403 actor-not-authorized claim.owner" {
		t.Errorf("an answer to another's claim: %s", got)
	}
	unknown := strings.Replace(string(answer), claims[0].IRI, inst.BaseURL+"/claims/2026-11/x/EUR/9", 1)
	if got := problem(t, thief.PostProven(inst.ActorIRI()+"/inbox", []byte(unknown))); got != "404 object-does-not-exist inbox.not-found" {
		t.Errorf("an answer to no claim: %s", got)
	}
	paid, err := vocab.RenderPaymentAnswer(vocab.PaymentAnswer{Content: "sha-256:" + strings.Repeat("0", 64), Answer: vocab.Answer{ID: thief.NewID(), Actor: thief.Actor, Verdict: vocab.Accepted,
		Object: inst.BaseURL + "/payments/x", Published: to.Clock.Now(), To: []string{inst.ActorIRI()}}, Received: 10_000, AssetCode: "EUR"})
	to.must(err)
	if got := problem(t, thief.PostProven(inst.ActorIRI()+"/inbox", paid)); got != "404 object-does-not-exist inbox.not-found" {
		t.Errorf("an answer to no payment: %s", got)
	}
	like := activity(thief.NewID(), "Accept", thief.Actor, quote(to.likeOf(to.a)))
	if got := problem(t, thief.Post(inst.ActorIRI()+"/inbox", like)); got != "403 actor-not-authorized ap.owner" {
		t.Errorf("an answer to another's Like: %s", got)
	}
	claims, err = to.a.Claims(context.Background())
	to.must(err)
	if claims[0].State != ledger.Offered {
		t.Errorf("the claim is %s", claims[0].State)
	}
}

// likeOf is the id of the one flattr of an instance's members.
func (to *town) likeOf(i *federationtest.Instance) string {
	to.t.Helper()
	var id string
	to.must(i.Pool.QueryRow(context.Background(), `select id::text from flattr`).Scan(&id))
	return i.Ledger.Instance().FlattrIRI(id)
}

// TestAgreementMustFit: an Accept of a claim of ours that agrees to something else is no answer.
func TestAgreementMustFit(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	c := to.owe(peer)
	inst := to.a.Ledger.Instance()
	good := vocab.ClaimAnswer{Content: contentOf(to, peer, c.IRI), Answer: vocab.Answer{ID: peer.NewID(), Actor: peer.Actor, Object: c.IRI, Verdict: vocab.Accepted,
		Published: to.Clock.Now(), To: []string{inst.ActorIRI()}},
		Agreement: vocab.Agreement{ID: peer.NewID(), AttributedTo: peer.Actor, Satisfies: "http://" + peer.Host + "/proposals/eur#primary",
			Amount: c.Amount, Period: c.Period, AssetCode: "EUR", Digest: c.Digest, Payto: "payto://iban/DE75512108001245126199"}}
	post := func(a vocab.ClaimAnswer) string {
		body, err := vocab.RenderClaimAnswer(a)
		to.must(err)
		return problem(t, peer.PostProven(inst.ActorIRI()+"/inbox", body))
	}
	for name, change := range map[string]func(a *vocab.Agreement){
		"another amount":   func(a *vocab.Agreement) { a.Amount++ },
		"another month":    func(a *vocab.Agreement) { a.Period = "2026-10" },
		"another currency": func(a *vocab.Agreement) { a.AssetCode = "USD" },
		"another digest":   func(a *vocab.Agreement) { a.Digest = "sha-256:" + strings.Repeat("0", 64) },
	} {
		other := good
		change(&other.Agreement)
		if got := post(other); got != "422 total-mismatch claim.total-mismatch" {
			t.Errorf("%s: %s", name, got)
		}
	}
	other := good // of the same lines, but of an offer that superseded another, perhaps
	other.Content = "sha-256:" + strings.Repeat("0", 64)
	if got := post(other); got != "422 digest-mismatch claim.digest-mismatch" {
		t.Errorf("other content: %s", got)
	}
	for range 2 { // again is fine
		if got := post(good); got != "202" {
			t.Errorf("as offered: %s", got)
		}
	}
	late := good
	late.Verdict, late.Agreement = vocab.Refused, vocab.Agreement{}
	late.Rejected = []vocab.RejectedLine{{Payee: peer.Actor, Reason: vocab.Blocked}}
	if got := post(late); got != "409 content-conflict inbox.conflict" {
		t.Errorf("another answer: %s", got)
	}
	if p, err := to.a.Peer(context.Background(), peer.Host); err != nil || p.FrozenAt == nil || p.Payto != good.Agreement.Payto {
		t.Errorf("%+v, %v", p, err)
	}
}

// contentOf is the digest of a document that a peer has got.
func contentOf(to *town, peer *federationtest.Stranger, id string) (content string) {
	to.t.Helper()
	for _, d := range peer.Got() {
		if got, err := d.ID(); err == nil && got == id {
			content, err = d.ContentDigest()
			to.must(err)
		}
	}
	return content
}

// owe lets alice give a euro to a peer's thing, whose answers are written by hand, and claims for it.
func (to *town) owe(peer *federationtest.Stranger) ledger.Claim {
	to.t.Helper()
	ctx := context.Background()
	to.a.Fund(to.alice, 1_000_000)
	page, err := vocab.RenderPage(vocab.Page{ID: "http://" + peer.Host + "/page", URL: "https://blog.example/", Name: "page",
		AttributedTo: peer.Actor, Likes: "http://" + peer.Host + "/likes"})
	to.must(err)
	peer.Say("/page", http.StatusOK, vocab.AS2MediaType, string(page))
	thing, err := to.a.Server.ResolveThing(ctx, "http://"+peer.Host+"/page")
	to.must(err)
	_, _, err = to.a.Flattr(ctx, to.alice.ID, thing.ID)
	to.must(err)
	to.Network.Sent(to.a)
	accept := activity(peer.NewID(), "Accept", peer.Actor, quote(to.likeOf(to.a)))
	if got := problem(to.t, peer.Post(to.a.Ledger.Instance().ActorIRI()+"/inbox", accept)); got != "202" {
		to.t.Fatal(got)
	}
	to.december()
	to.Network.Sent(to.a)
	claims, err := to.a.Claims(ctx)
	to.must(err)
	if i := slices.IndexFunc(claims, func(c ledger.Claim) bool { return c.Host == peer.Host }); i >= 0 {
		return claims[i]
	}
	to.t.Fatal("no claim")
	return ledger.Claim{}
}

// TestPaymentFaults: a notice must be for us, name accepted claims of its sender within what is open, add
// up, and be in our currency.
func TestPaymentFaults(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	claim := offerBy(to, peer, 1, 500_000)
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 500_000))); got != "202" {
		t.Fatal(got)
	}
	good := vocab.Payment{ID: "http://" + peer.Host + "/payments/1", Object: "http://" + peer.Host + "/payments/1#payment", Actor: peer.Actor,
		To: to.b.Ledger.Instance().ActorIRI(), Published: to.Clock.Now(), Agreements: []string{to.b.Ledger.Instance().BaseURL + "/agreements/1"},
		Amount: 500_000, AssetCode: "EUR", Method: "bank", Reference: "FLREF", PaidAt: to.Clock.Now(),
		Allocations: []vocab.Allocation{{Claim: claim.ID, Amount: 500_000}}}
	post := func(y vocab.Payment) string {
		body, err := vocab.RenderPayment(y)
		to.must(err)
		return problem(t, peer.PostProven(to.inbox(), body))
	}
	for name, c := range map[string]struct {
		change func(y *vocab.Payment)
		want   string
	}{
		"for another":      {func(y *vocab.Payment) { y.To = to.a.Ledger.Instance().ActorIRI() }, "403 actor-not-authorized payment.to"},
		"another currency": {func(y *vocab.Payment) { y.AssetCode = "USD" }, "422 unknown-currency claim.unknown-currency"},
		"half a cent": {func(y *vocab.Payment) {
			y.Amount, y.Allocations = 5_000, []vocab.Allocation{{Claim: claim.ID, Amount: 5_000}}
		}, "400 malformed-document claim.malformed"},
		"not allocated": {func(y *vocab.Payment) { y.Allocations = []vocab.Allocation{{Claim: claim.ID, Amount: 490_000}} }, "422 total-mismatch claim.total-mismatch"},
		"no such claim": {func(y *vocab.Payment) { y.Allocations = []vocab.Allocation{{Claim: claim.ID + "0", Amount: 500_000}} }, "422 object-does-not-exist claim.unknown-claim"},
		"too much": {func(y *vocab.Payment) {
			y.Amount, y.Allocations = 510_000, []vocab.Allocation{{Claim: claim.ID, Amount: 510_000}}
		}, "422 total-mismatch claim.total-mismatch"},
	} {
		changed := good
		c.change(&changed)
		if got := post(changed); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for range 2 {
		if got := post(good); got != "202" {
			t.Errorf("good: %s", got)
		}
	}
	other := good
	other.Reference = "ANOTHER"
	if got := post(other); got != "409 content-conflict inbox.conflict" {
		t.Errorf("other content: %s", got)
	}
	all, err := to.b.Payments(context.Background())
	to.must(err)
	if len(all) != 1 || all[0].State != "announced" {
		t.Fatalf("%+v", all)
	}
	to.must(to.b.ConfirmPayment(context.Background(), to.b.Op.ID, all[0].ID, 400_000))
	to.Network.Sent(to.b)
	got := peer.Got()
	a, err := vocab.ParsePaymentAnswer(got[len(got)-1])
	to.must(err)
	if a.Verdict != vocab.Accepted || a.Received != 400_000 || a.AssetCode != "EUR" || a.Object != good.ID {
		t.Errorf("%+v", a)
	}
	to.proven(got[len(got)-1])
}
