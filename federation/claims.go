package federation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// receiveOffer takes a claim (protocol §8).
func (s *Server) receiveOffer(ctx context.Context, m message) error {
	claim, err := vocab.ParseClaim(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	if err := s.ownRefusal(ctx, claim); err != nil {
		return err
	}
	content, err := m.ContentDigest()
	if err != nil {
		return err
	}
	o, err := s.offerOf(claim, p, content)
	if err != nil {
		return err
	}
	o.Lines, o.Document = ledgerLines(claim.Lines), m.Raw()
	if claim.Paged() {
		if wanted, err := s.ledger.ClaimWanted(ctx, o); err != nil {
			return err
		} else if wanted {
			return s.awaitLines(ctx, o, m.Raw())
		}
	}
	return s.ledger.ReceiveClaim(ctx, o)
}

// ownRefusal: a successor embeds our Reject of the claim that it replaces, with our own proof.
func (s *Server) ownRefusal(ctx context.Context, c vocab.Claim) error {
	if c.Supersedes == "" {
		return nil
	}
	if err := s.ownProof(ctx, c.Refusal.Raw()); err != nil {
		return &refusal{status: http.StatusUnprocessableEntity, code: "claim.refusal", kind: vocab.ProofInvalid,
			detail: "the embedded Reject isn't ours: " + firstLine(err)}
	}
	return nil
}

// claimNumber holds a claim's id to its key: …/claims/{period}/{our host}/{currency}/{n}.
func (s *Server) claimNumber(c vocab.Claim, p ledger.Peer) (int32, error) {
	n, ok := numberOf(c, s.inst.Host)
	if !ok {
		return 0, &ledger.ClaimFault{Code: "malformed", Detail: "id must end in " + claimKey(c, s.inst.Host) + "/n"}
	}
	if c.To != s.inst.ActorIRI() || c.AttributedTo != p.Actor || c.Satisfies != s.proposalIRI()+"#primary" {
		return 0, &ledger.ClaimFault{Code: "malformed", Detail: "to, attributedTo or satisfies"}
	}
	return n, nil
}

// claimKey is what stands in a claim's id before its number; host is the payees' home.
func claimKey(c vocab.Claim, host string) string {
	return fmt.Sprintf("/claims/%s/%s/%s", c.Period, host, c.AssetCode)
}

func numberOf(c vocab.Claim, host string) (int32, bool) {
	cut := strings.LastIndexByte(c.ID, '/')
	n, err := strconv.ParseInt(c.ID[cut+1:], 10, 32)
	return int32(n), err == nil && n >= 1 && strings.HasSuffix(c.ID[:cut], claimKey(c, host))
}

func ledgerLines(lines []vocab.Line) []ledger.Line {
	all := make([]ledger.Line, len(lines))
	for i, l := range lines {
		all[i] = ledger.Line{Payee: l.Payee, Amount: l.Amount}
		for _, t := range l.Things {
			thing := ledger.LineThing{Object: t.Object, Flattrs: t.Flattrs, Amount: -1}
			if t.Amount != nil {
				thing.Amount = *t.Amount
			}
			all[i].Things = append(all[i].Things, thing)
		}
	}
	return all
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

// renderClaim is our offer, without proof.
func (s *Server) renderClaim(ctx context.Context, d ledger.ClaimDocument, p ledger.Peer) ([]byte, error) {
	c := vocab.Claim{ID: d.IRI, Actor: s.inst.ActorIRI(), To: p.Actor, Published: d.CreatedAt,
		Agreement: vocab.Agreement{AttributedTo: s.inst.ActorIRI(),
			Satisfies: s.scheme() + "://" + p.Host + "/proposals/" + lower(d.Currency) + "#primary",
			Amount:    d.Amount, Period: d.Period, AssetCode: d.Currency, Digest: d.Digest},
		LineCount: int64(d.LineCount), Supersedes: d.SupersededIRI}
	room := pageBytes
	if d.SupersededIRI != "" {
		refusal, err := s.document1(ctx, d.SupersededIRI+"#answer")
		if err != nil {
			return nil, fmt.Errorf("the refusal of %s: %w", d.SupersededIRI, err)
		}
		if c.Refusal, err = vocab.Decode(refusal); err != nil {
			return nil, err
		}
		room -= len(refusal)
	}
	if fits(d.Lines, room) == len(d.Lines) {
		c.Lines = wireLines(d.Lines)
	}
	return vocab.RenderClaim(c)
}

// renderClaimAnswer is our answer to a peer's claim, without proof: the final agreement with where to
// pay, or the lines refused.
func (s *Server) renderClaimAnswer(d ledger.ClaimDocument, p ledger.Peer) ([]byte, error) {
	id := s.agreementIRI(d.IRI)
	a := vocab.ClaimAnswer{Content: d.Content, Answer: vocab.Answer{ID: id + "/answer", Actor: s.inst.ActorIRI(), Object: d.IRI,
		Verdict: vocab.Accepted, Published: *d.AnsweredAt, To: []string{p.Actor}}}
	if *d.Answer == "accept" {
		a.Agreement = vocab.Agreement{ID: id, AttributedTo: s.inst.ActorIRI(), Satisfies: s.proposalIRI() + "#primary",
			Amount: d.Amount, Period: d.Period, AssetCode: d.Currency, Digest: d.Digest, Payto: s.inst.Payto}
		return vocab.RenderClaimAnswer(a)
	}
	a.Verdict, a.Digest = vocab.Refused, d.Digest
	for _, r := range d.Refusals {
		a.Rejected = append(a.Rejected, vocab.RejectedLine{Payee: r.Payee, Reason: vocab.Reason(r.Reason)})
	}
	return vocab.RenderClaimAnswer(a)
}

// receiveClaimAnswer takes a peer's answer to a claim of ours. The signed document is kept under the
// claim's id: a successor embeds the refusal.
func (s *Server) receiveClaimAnswer(ctx context.Context, m message) error {
	a, err := vocab.ParseClaimAnswer(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	if err := s.agreed(ctx, a, p); err != nil {
		return err
	}
	return s.ledger.ClaimAnswered(ctx, s.ledgerAnswer(ctx, a, p, m.Raw()))
}

// ledgerAnswer is an answer as the ledger takes it.
func (s *Server) ledgerAnswer(ctx context.Context, a vocab.ClaimAnswer, p ledger.Peer, body []byte) ledger.ClaimAnswer {
	answer := ledger.ClaimAnswer{IRI: a.Object, Host: p.Host, Accepted: a.Verdict == vocab.Accepted,
		Payto: a.Agreement.Payto, Document: body}
	for _, r := range a.Rejected {
		if !r.Reason.ForLines() {
			s.event(ctx, "claim.reason", "claim", a.Object, "reason", string(r.Reason))
		}
		answer.Refusals = append(answer.Refusals, ledger.Refusal{Payee: r.Payee, Reason: string(r.Reason)})
	}
	return answer
}

// agreed holds an Accept's agreement to what was offered: same amount, month, currency and digest.
func (s *Server) agreed(ctx context.Context, a vocab.ClaimAnswer, p ledger.Peer) error {
	c, err := s.ledger.Claim(ctx, a.Object)
	switch {
	case err != nil:
		return err
	case c.Host != p.Host || c.Direction != "out":
		return refuse(http.StatusForbidden, "claim.owner", vocab.ActorNotAuthorized, "not this peer's claim to answer")
	case a.Verdict == vocab.Accepted && (a.Agreement.Amount != c.Amount || a.Agreement.Period != c.Period ||
		a.Agreement.AssetCode != c.Currency || a.Agreement.Digest != c.Digest):
		return &ledger.ClaimFault{Code: "total-mismatch", Detail: "the agreement isn't what was offered"}
	}
	return s.answers(ctx, a.Object, a.Content)
}

// answers holds an answer to the content of what we have signed. What was signed and lost with a database is compared by
// statements.
func (s *Server) answers(ctx context.Context, id, content string) error {
	var signed string
	err := s.pool.QueryRow(ctx, `select content from document where id = $1 and sent`, id).Scan(&signed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err == nil && signed != content:
		return &ledger.ClaimFault{Code: "digest-mismatch", Detail: "the answer is to other content of " + id}
	}
	return err
}

func (s *Server) document1(ctx context.Context, id string) ([]byte, error) {
	var body string
	err := s.pool.QueryRow(ctx, `select body from document where id = $1`, id).Scan(&body)
	return []byte(body), err
}

// proven returns the stored document of this id, or renders it, lays the accounting key's proof over
// it, and stores that: what is sent is the same bytes every time, across restarts and upgrades. A document with the proof
// of a key that is retired by now is proved again, its content stays: nobody takes the old key's word for something new.
func (s *Server) proven(ctx context.Context, id string, at time.Time, render func() ([]byte, error)) ([]byte, error) {
	key, err := s.moneyKey(ctx)
	if err != nil {
		return nil, err
	}
	body, err := s.ownDocument(ctx, id)
	if err == nil && signature.ProofMethod(body) == key.ID {
		return body, nil
	}
	plain, again := []byte(nil), err == nil
	if again {
		plain, err = withoutProof(body)
		at = s.ledger.Now()
	} else {
		plain, err = render()
	}
	if err != nil {
		return nil, err
	}
	if body, err = signature.Prove(plain, key, at); err != nil {
		return nil, err
	}
	if again {
		_, err = s.pool.Exec(ctx, `update document set body = $2 where id = $1`, id, string(body))
	} else {
		var content string
		if content, err = contentOf(body); err == nil {
			_, err = s.pool.Exec(ctx, keepDocument, id, string(body), content, true, s.ledger.Now())
		}
	}
	if err != nil {
		return nil, err
	}
	return s.ownDocument(ctx, id)
}

// ownDocument is a kept document that we have made: a peer may have sent one with an id that is ours to give.
func (s *Server) ownDocument(ctx context.Context, id string) ([]byte, error) {
	var body string
	err := s.pool.QueryRow(ctx, `select body from document where id = $1 and sent`, id).Scan(&body)
	return []byte(body), err
}

// CanonicalLines are a claim's lines as its digest is over them.
func CanonicalLines(lines []ledger.Line) ([]byte, error) { return vocab.RenderLines(wireLines(lines)) }
