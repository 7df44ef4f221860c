package audit_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// notary gives instances that told each other everything by direct calls the signed documents that they would have
// exchanged: each host has one accounting key, and signs what the rows say.
type notary struct {
	t    testing.TB
	keys map[string]signature.PrivateKey
	i    *ledgertest.Instance
	pool *pgxpool.Pool // the superuser's: the SHA-256 of what peers offered is known only now
}

// notarise signs for all instances of a history.
func notarise(t testing.TB, post ledgertest.Post) map[string]signature.PrivateKey {
	t.Helper()
	n := &notary{t: t, keys: map[string]signature.PrivateKey{}}
	for _, i := range post {
		n.i, n.pool = i, ledgertest.Superuser(t, i.Pool)
		n.register()
		n.claims()
		n.payments()
	}
	return n.keys
}

func (n *notary) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *notary) exec(sql string, args ...any) {
	n.t.Helper()
	_, err := n.pool.Exec(context.Background(), sql, args...)
	n.must(err)
}

func actorOf(host string) string { return "https://" + host + "/actor" }

func (n *notary) key(host string) signature.PrivateKey {
	if _, ok := n.keys[host]; !ok {
		key, err := signature.GenerateEd25519(actorOf(host)+"#accounting-key", actorOf(host))
		n.must(err)
		n.keys[host] = key
	}
	return n.keys[host]
}

func (n *notary) multikey(host string) string {
	text, err := n.key(host).Public().Multikey()
	n.must(err)
	return text
}

// register stores an instance's own key and pins its peers'.
func (n *notary) register() {
	host := n.i.Instance().Host
	text, err := n.key(host).PEM()
	n.must(err)
	n.exec(`insert into actor_key (actor, purpose, kind, private_pem, created_at) values ($1, 'accounting', 'ed25519', $2, $3)`,
		actorOf(host), text, ledgertest.Start)
	peers, err := n.i.PeerPositions(context.Background())
	n.must(err)
	for _, p := range peers {
		n.exec(`update peer set accounting_key = $2 where host = $1 and accounting_key <> ''`, p.Host, n.multikey(p.Host))
		n.exec(`update peer_key set key = $2 where peer = $1`, p.ID, n.multikey(p.Host))
		_, err := n.i.PinPeer(context.Background(), ledger.PeerIdentity{Host: p.Host, Actor: actorOf(p.Host),
			Inbox: "https://" + p.Host + "/inbox", AccountingKey: n.multikey(p.Host), AccountingKeyID: actorOf(p.Host) + "#accounting-key"})
		n.must(err)
	}
}

// keep signs a document and stores it, once. It returns the SHA-256 of its content.
func (n *notary) keep(id, host string, plain []byte, err error) string {
	n.t.Helper()
	n.must(err)
	body, err := signature.Prove(plain, n.key(host), ledgertest.Start)
	n.must(err)
	d, err := vocab.Decode(body)
	n.must(err)
	content, err := d.ContentDigest()
	n.must(err)
	n.exec(`insert into document (id, body, content, sent, created_at) values ($1, $2, $3, $4, $5) on conflict (id) do nothing`,
		id, string(body), content, host == n.i.Instance().Host, ledgertest.Start)
	return content
}

// sides are who made a claim or payment, and whom it is for.
func (n *notary) sides(direction, peer string) (from, to string) {
	if direction == "out" {
		return n.i.Instance().Host, peer
	}
	return peer, n.i.Instance().Host
}

func (n *notary) claims() {
	all, err := n.i.Claims(context.Background())
	n.must(err)
	for _, c := range all {
		if c.IRI == "" {
			continue // nobody was told
		}
		d, err := n.i.ClaimDocument(context.Background(), c.IRI)
		n.must(err)
		if d.Answer == nil && d.Direction == "in" {
			continue // never came
		}
		from, to := n.sides(d.Direction, d.Host)
		offer := vocab.Claim{ID: d.IRI, Actor: actorOf(from), To: actorOf(to), Published: d.CreatedAt,
			Agreement: agreementOf(d, from, to), Lines: wireLines(d.Lines), Supersedes: d.SupersededIRI}
		if d.SupersededIRI != "" {
			offer.Refusal = n.refusal(d, to)
		}
		plain, err := vocab.RenderClaim(offer)
		content := n.keep(d.IRI, from, plain, err)
		if d.Direction == "in" {
			n.exec(`update claim set content = $2 where id = $1`, d.ID, content)
		}
		n.claimAnswer(d)
	}
}

func agreementOf(d ledger.ClaimDocument, by, to string) vocab.Agreement {
	return vocab.Agreement{AttributedTo: actorOf(by), Satisfies: "https://" + to + "/proposals/eur#primary", Amount: d.Amount,
		Period: d.Period, AssetCode: d.Currency, Digest: d.Digest}
}

// claimAnswer signs the answer to a claim, if it has one.
func (n *notary) claimAnswer(d ledger.ClaimDocument) {
	if d.Answer == nil {
		return
	}
	from, to := n.sides(d.Direction, d.Host)
	a := vocab.ClaimAnswer{Content: n.contentOf(d.IRI), Answer: vocab.Answer{ID: strings.Replace(d.IRI, from, to, 1) + "/answer", Actor: actorOf(to), Object: d.IRI,
		Verdict: vocab.Accepted, Published: *d.AnsweredAt, To: []string{actorOf(from)}}}
	if *d.Answer == "accept" {
		a.Agreement = agreementOf(d, to, to)
		a.Agreement.ID = "https://" + to + "/agreements/1"
	} else {
		a.Verdict, a.Digest = vocab.Refused, d.Digest
		for _, r := range d.Refusals {
			a.Rejected = append(a.Rejected, vocab.RejectedLine{Payee: r.Payee, Reason: vocab.Reason(r.Reason)})
		}
	}
	plain, err := vocab.RenderClaimAnswer(a)
	n.keep(d.IRI+"#answer", to, plain, err)
}

// contentOf is the digest of a kept document.
func (n *notary) contentOf(id string) (content string) {
	n.t.Helper()
	n.must(n.pool.QueryRow(context.Background(), `select content from document where id = $1`, id).Scan(&content))
	return content
}

// refusal is the signed Reject that a successor embeds; one of a claim that never came is made up.
func (n *notary) refusal(d ledger.ClaimDocument, by string) vocab.Document {
	old, err := n.i.ClaimDocument(context.Background(), d.SupersededIRI)
	n.must(err)
	var body string
	if old.Answer != nil {
		n.must(n.pool.QueryRow(context.Background(), `select body from document where id = $1`, d.SupersededIRI+"#answer").Scan(&body))
	} else {
		plain, err := vocab.RenderClaimAnswer(vocab.ClaimAnswer{Content: "sha-256:" + strings.Repeat("0", 64), Answer: vocab.Answer{ID: d.SupersededIRI + "/answer", Actor: actorOf(by),
			Object: d.SupersededIRI, Verdict: vocab.Refused, Published: d.CreatedAt},
			Rejected: []vocab.RejectedLine{{Payee: "https://" + by + "/users/nobody", Reason: vocab.UnknownPayee}}})
		n.must(err)
		signed, err := signature.Prove(plain, n.key(by), ledgertest.Start)
		n.must(err)
		body = string(signed)
	}
	refusal, err := vocab.Decode([]byte(body))
	n.must(err)
	return refusal
}

func wireLines(lines []ledger.Line) []vocab.Line {
	all := make([]vocab.Line, len(lines))
	for i, l := range lines {
		all[i] = vocab.Line{Payee: l.Payee, Amount: l.Amount}
		for _, t := range l.Things {
			thing := vocab.LineThing{Object: t.Object, Flattrs: t.Flattrs}
			if t.Amount >= 0 {
				thing.Amount = &t.Amount
			}
			all[i].Things = append(all[i].Things, thing)
		}
	}
	return all
}

func (n *notary) payments() {
	all, err := n.i.Payments(context.Background())
	n.must(err)
	for _, y := range all {
		if y.State == "ordered" || y.State == "cancelled" {
			continue // nobody was told
		}
		d, err := n.i.PaymentDocument(context.Background(), y.IRI)
		n.must(err)
		from, to := n.sides(d.Direction, d.Host)
		notice := vocab.Payment{ID: d.IRI, Object: d.IRI + "#payment", Actor: actorOf(from), To: actorOf(to), Published: *d.PaidAt,
			Amount: d.Amount, AssetCode: d.Currency, Method: d.Method, Reference: d.Reference, PaidAt: *d.PaidAt}
		for _, a := range d.Allocations {
			notice.Allocations = append(notice.Allocations, vocab.Allocation{Claim: a.IRI, Amount: a.Amount})
		}
		plain, err := vocab.RenderPayment(notice)
		content := n.keep(d.IRI, from, plain, err)
		if d.Direction == "in" {
			n.exec(`update payment set content = $2 where id = $1`, d.ID, content)
		}
		n.paymentAnswer(d, from, to)
	}
}

func (n *notary) paymentAnswer(d ledger.PaymentDocument, from, to string) {
	if d.AnsweredAt == nil {
		return
	}
	a := vocab.PaymentAnswer{Content: n.contentOf(d.IRI), Answer: vocab.Answer{ID: "https://" + to + "/receipts/" + d.Reference, Actor: actorOf(to), Object: d.IRI,
		Published: *d.AnsweredAt, To: []string{actorOf(from)}}}
	if d.Received == nil {
		if a.Verdict, a.Reason = vocab.Refused, vocab.NotReceived; d.Method == vocab.Netting {
			a.Reason = vocab.InFlight
		}
	} else {
		a.Verdict, a.Received, a.AssetCode = vocab.Accepted, *d.Received, d.Currency
	}
	plain, err := vocab.RenderPaymentAnswer(a)
	n.keep(d.IRI+"#answer", to, plain, err)
}
