package federation_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// confirm compares a peer's key.
func (to *town) confirm(i *federationtest.Instance, host string) ledger.Peer {
	to.t.Helper()
	p, err := i.Peer(context.Background(), host)
	to.must(err)
	to.must(i.ConfirmPeerKey(context.Background(), i.Op.ID, host, p.AccountingKey))
	return p
}

func hostOf(i *federationtest.Instance) string { return i.Ledger.Instance().Host }

// TestAccountingKeyRotation: a home's new accounting key is taken on the old one's word, the operators' comparison and the advance
// limit carry over, what was under way arrives proved again, and all that either key has signed stays evidence.
func TestAccountingKeyRotation(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	to.flattr()
	to.december()
	to.Quiet()
	before := to.confirm(to.b, hostOf(to.a))
	to.must(to.b.SetAdvanceLimit(ctx, to.b.Op.ID, hostOf(to.a), 600_000))
	to.must(to.a.SetThreshold(ctx, to.a.Op.ID, hostOf(to.b), 10_000))
	y, err := to.a.PreparePayment(ctx, to.a.Op.ID, hostOf(to.b))
	to.must(err)
	to.Network.Cut(to.b)
	to.must(to.a.PaymentSent(ctx, to.a.Op.ID, y.ID))
	to.Tick()
	if _, err := to.a.Server.Deliver(ctx, ledger.Message{Kind: ledger.TellPayment, Key: y.IRI, To: hostOf(to.b)}); err == nil {
		to.t.Fatal("it was to get lost")
	}
	old, err := federation.KeptDocument(ctx, to.a.Pool, y.IRI)
	to.must(err)
	for range 2 { // b misses one
		to.must(federation.RotateAccountingKey(ctx, to.a.Pool, to.a.Ledger))
	}
	to.Network.Heal(to.b)
	to.Tick()
	to.Quiet()
	after, err := to.b.Peer(ctx, hostOf(to.a))
	to.must(err)
	if after.AccountingKey == before.AccountingKey || !strings.HasSuffix(after.AccountingKeyID, "#accounting-key-3") || after.KeyConfirmedAt == nil || after.AdvanceLimit != 600_000 {
		t.Errorf("pinned now: %+v", after)
	}
	d, err := to.b.PaymentDocument(ctx, y.IRI)
	to.must(err)
	to.must(to.b.ConfirmPayment(ctx, to.b.Op.ID, d.ID, d.Amount))
	to.Network.Sent(to.b)
	if paid, err := to.a.PaymentDocument(ctx, y.IRI); err != nil || paid.State != "confirmed" {
		t.Errorf("%+v, %v", paid, err)
	}
	again, key := keptOf(to, to.b, y.IRI)
	if signature.ProofMethod(old) == signature.ProofMethod(again) || key != after.AccountingKey {
		t.Errorf("proved by %s, and then by %s", signature.ProofMethod(old), signature.ProofMethod(again))
	}
	for _, i := range to.Instances() {
		all, err := federation.Evidence(ctx, i.Pool, "")
		to.must(err)
		methods := map[string]bool{}
		for _, k := range all {
			doc, key := keptOf(to, i, k.ID)
			if _, err := federation.VerifyEvidence(doc, key, nil); err != nil {
				t.Errorf("%s keeps %s: %v", i.Name, k.ID, err)
			}
			methods[signature.ProofMethod(doc)] = true
		}
		if len(methods) != 3 {
			t.Errorf("%s keeps documents of the keys %v", i.Name, methods)
		}
	}
	keys, err := federation.OwnAccountingKeys(ctx, to.a.Pool, to.a.Ledger)
	if err != nil || len(keys) != 3 || keys[0].Retired != nil || keys[2].Retired == nil || keys[0].Multikey != after.AccountingKey || keys[2].Multikey != before.AccountingKey {
		t.Errorf("%+v, %v", keys, err)
	}
	if history, err := to.b.PeerKeys(ctx, hostOf(to.a)); err != nil || len(history) != 3 || history[0].How != "pinned" || history[2].How != "rotated" {
		t.Errorf("%+v, %v", history, err)
	}
}

// TestRetiredKey: after the change the old key's proof is no new offer, whenever it was made; proved by the new one it
// is. What the other side itself signed with its old key still counts inside.
func TestRetiredKey(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
		t.Fatal(got)
	}
	late := claimBy(t, to, peer, 2, 200)
	peer.Rotate(peer.Accounting)
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 3, 300))); got != "202" {
		t.Errorf("by the new key: %s", got)
	}
	if got := problem(t, peer.Post(to.inbox(), late)); got != "401 proof-invalid claim.retired-key" {
		t.Errorf("by the old key, first seen now: %s", got)
	}
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 200))); got != "202" {
		t.Errorf("proved again: %s", got)
	}
	nobody := offerBy(to, peer, 4, 400)
	nobody.Lines[0].Payee = to.b.Ledger.Instance().MemberIRI("nobody")
	nobody, err := nobody.Completed()
	to.must(err)
	plain, err := vocab.RenderClaim(nobody)
	to.must(err)
	if got := problem(t, peer.PostProven(to.inbox(), plain)); got != "202" {
		t.Fatal(got)
	}
	to.Network.Sent(to.b)
	got := peer.Got()
	reject := got[len(got)-1]
	to.must(federation.RotateAccountingKey(context.Background(), to.b.Pool, to.b.Ledger))
	next := offerBy(to, peer, 5, 400)
	next.Supersedes, next.Refusal = nobody.ID, reject
	plain, err = vocab.RenderClaim(next)
	to.must(err)
	if got := problem(t, peer.PostProven(to.inbox(), plain)); got != "202" {
		t.Errorf("a successor with our Reject by our old key: %s", got)
	}
	to.Network.Sent(to.b)
	got = peer.Got()
	if id := signature.ProofMethod(got[len(got)-1].Raw()); !strings.HasSuffix(id, "/actor#accounting-key-2") {
		t.Errorf("answered by %s", id)
	}
	if n := count(t, to.b, `select sum(amount)::bigint from claim where answer = 'accept'`); n != 1000 {
		t.Errorf("accepted %d", n)
	}
}

// TestLostKey: another key without the old one's word holds all money of the peer, in and out, and no flattr. When
// the operators have compared it, it is pinned; what the lost one signs from then on is nothing.
func TestLostKey(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	peer := to.Peer("peer")
	to.december()
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
		t.Fatal(got)
	}
	to.Network.Sent(to.b)
	lost := peer.Rotate(otherKey(t, peer.Accounting.ID, peer.Actor)) // its old name, another's signature
	text, err := peer.Accounting.Public().Multikey()
	to.must(err)
	const held = "403 actor-not-authorized peer.key-held"
	for range 2 {
		if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != held {
			t.Errorf("the new key: %s", got)
		}
	}
	byLost, err := signature.Prove(withoutKey(to, peer, 2), lost, to.Clock.Now())
	to.must(err)
	if got := problem(t, peer.Post(to.inbox(), byLost)); got != held {
		t.Errorf("the old key: %s", got)
	}
	p, err := to.b.Peer(ctx, peer.Host)
	to.must(err)
	if p.KeyHeldAt == nil || p.HeldKey != text || p.HeldKeyID != peer.Accounting.ID || p.FrozenAt != nil {
		t.Errorf("%+v", p)
	}
	out, err := to.b.Server.Deliver(ctx, ledger.Message{Kind: ledger.TellClaimAnswer, To: peer.Host, Key: offerBy(to, peer, 1, 100).ID})
	if out != federation.Retry || err == nil || !strings.Contains(err.Error(), "held") {
		t.Errorf("an answer to it: %v, %v", out, err)
	}
	if status := peer.Follow(to.bobIRI); status != "202 Accepted" {
		t.Errorf("a follow: %s", status)
	}
	if err := to.b.AdoptPeerKey(ctx, to.b.Op.ID, peer.Host, p.AccountingKey); err == nil {
		t.Error("another key than the held one is adopted")
	}
	to.must(to.b.AdoptPeerKey(ctx, to.b.Op.ID, peer.Host, text))
	if got := problem(t, peer.Post(to.inbox(), byLost)); got != "401 proof-invalid claim.retired-key" {
		t.Errorf("the lost key: %s", got)
	}
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "202" {
		t.Errorf("the new key, compared: %s", got)
	}
	keys, err := to.b.PeerKeys(ctx, peer.Host)
	if err != nil || len(keys) != 2 || keys[1].How != "confirmed" || *keys[1].Operator != "op" {
		t.Errorf("%+v, %v", keys, err)
	}
	events, err := to.b.PeerEvents(ctx, peer.Host, 10)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	if err != nil || !slices.Equal(kinds, []string{"key-adopted", "key-held", "key-pinned"}) {
		t.Errorf("%v, %v", kinds, err)
	}
}

// withoutKey is a claim without proof.
func withoutKey(to *town, peer *federationtest.Stranger, n int) []byte {
	to.t.Helper()
	plain, err := vocab.RenderClaim(offerBy(to, peer, n, 100))
	to.must(err)
	return plain
}

// TestForgedRotations: statements that lead nowhere, are of another actor, or name a key twice pin nothing.
func TestForgedRotations(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(to *town, peer, other *federationtest.Stranger){
		"of another actor": func(_ *town, peer, other *federationtest.Stranger) {
			other.Rotate(other.Accounting)
			peer.Rotate(peer.Accounting)
			peer.Document.Rotations = other.Document.Rotations
		},
		"with a link left out": func(_ *town, peer, _ *federationtest.Stranger) {
			peer.Rotate(peer.Accounting)
			peer.Rotate(peer.Accounting)
			peer.Document.Rotations = peer.Document.Rotations[1:]
		},
		"that leads elsewhere": func(to *town, peer, _ *federationtest.Stranger) {
			peer.Rotate(peer.Accounting)
			peer.Accounting = otherKey(to.t, peer.Accounting.ID, peer.Actor)
			text, err := peer.Accounting.Public().Multikey()
			to.must(err)
			peer.Document.AssertionMethods[0].Multibase = text
		},
		"changed after it was signed": func(to *town, peer, _ *federationtest.Stranger) {
			peer.Rotate(peer.Accounting)
			changed, err := vocab.Decode([]byte(strings.Replace(string(peer.Document.Rotations[0].Raw()), "2026-", "2025-", 1)))
			to.must(err)
			peer.Document.Rotations[0] = changed
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newTown(t)
			peer, other := to.Peer("peer"), to.Peer("other")
			to.december()
			if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
				t.Fatal(got)
			}
			forge(to, peer, other)
			if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "403 actor-not-authorized peer.key-held" {
				t.Error(got)
			}
		})
	}
}

// TestLateStatement: a key that was held is pinned once its actor shows the old one's signature after all.
func TestLateStatement(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.december()
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 100))); got != "202" {
		t.Fatal(got)
	}
	peer.Rotate(peer.Accounting)
	shown := peer.Document.Rotations
	peer.Document.Rotations = nil
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "403 actor-not-authorized peer.key-held" {
		t.Fatal(got)
	}
	peer.Document.Rotations = shown
	to.Turn(to.Clock.Now().Add(federation.RefetchAfter))
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 100))); got != "202" {
		t.Errorf("with the statement: %s", got)
	}
	if p, err := to.b.Peer(context.Background(), peer.Host); err != nil || p.KeyHeldAt != nil || p.AccountingKeyID != peer.Accounting.ID {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestRotatedActor: whoever meets an instance after a rotation reads its key, and the statement for those who
// knew the old one.
func TestRotatedActor(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	to.must(federation.RotateAccountingKey(ctx, to.a.Pool, to.a.Ledger))
	r := to.get(to.a.Ledger.Instance().ActorIRI(), as2)
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	doc, err := vocab.Decode(body(t, r))
	to.must(err)
	actor, err := vocab.ParseActor(doc)
	to.must(err)
	key, ok := actor.AccountingKey()
	if !ok || !strings.HasSuffix(key.ID, "#accounting-key-2") || len(actor.Rotations) != 1 {
		t.Errorf("%+v, %d statements", key, len(actor.Rotations))
	}
	to.flattr()
	to.december()
	to.Quiet()
	if p, err := to.b.Peer(ctx, hostOf(to.a)); err != nil || p.AccountingKey != key.Multibase {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestAuditOfRotations: the audit believes a later key only for the earlier one's signature, and a given key for what
// it signed itself and signed for.
func TestAuditOfRotations(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	ctx := context.Background()
	peer := to.Peer("peer")
	to.december()
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 1, 20_000))); got != "202" {
		t.Fatal(got)
	}
	old := peer.Rotate(peer.Accounting)
	if got := problem(t, peer.Post(to.inbox(), claimBy(t, to, peer, 2, 20_000))); got != "202" {
		t.Fatal(got)
	}
	given, err := old.Public().Multikey()
	to.must(err)
	stranger, err := otherKey(t, peer.Actor+"#accounting-key", peer.Actor).Public().Multikey()
	to.must(err)
	for name, c := range map[string]struct {
		sql, given string
		finds      []string
	}{
		"as it is":                 {``, "", nil},
		"the first key given":      {``, given, nil},
		"another key given":        {``, stranger, []string{"document", "document"}},
		"the statement altered":    {`update peer_key set statement = replace(statement, '2026-', '2025-') where how = 'rotated'`, "", []string{"peer_key", "document"}},
		"another's key slipped in": {`update peer_key set key = '` + stranger + `' where how = 'rotated'; update peer set accounting_key = '` + stranger + `'`, "", []string{"peer_key", "document"}},
		"called compared":          {`update peer_key set how = 'confirmed', statement = '', decided_by = 1, key = '` + stranger + `' where how = 'rotated'; update peer set accounting_key = '` + stranger + `'`, "", []string{"document"}},
		"forgotten":                {`delete from peer_key where how = 'rotated'`, "", []string{"peer", "peer", "document"}},
	} {
		tx, err := ledgertest.Superuser(t, to.b.Pool).Begin(ctx)
		to.must(err)
		if _, err := tx.Exec(ctx, c.sql); err != nil {
			t.Fatal(err)
		}
		o := audit.Options{}
		if c.given != "" {
			o.Keys = map[string]string{peer.Host: c.given}
		}
		report, err := audit.Run(ctx, tx, o)
		to.must(err)
		var finds []string
		for _, f := range report.Findings {
			finds = append(finds, f.Table)
		}
		if slices.Sort(finds); !slices.Equal(finds, slices.Sorted(slices.Values(c.finds))) {
			t.Errorf("%s: %v", name, report.Findings)
		}
		to.must(tx.Rollback(ctx))
	}
}
