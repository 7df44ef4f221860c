package federation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// writeStatement makes a statement of this moment: one that is told again later says what is so then.
func (s *Server) writeStatement(ctx context.Context, m ledger.Message) (l letter, err error) {
	p, err := s.meet(ctx, m.To)
	if err != nil {
		return l, err
	}
	key, err := s.moneyKey(ctx) // before the transaction that makes the statement: it takes a connection
	if err != nil {
		return l, err
	}
	_, inReplyTo, _ := strings.Cut(m.Key, " ")
	id := s.inst.BaseURL + "/statements/" + p.Host + "/" + uuid.NewString()
	err = s.ledger.State(ctx, p.Host, id, inReplyTo, func(st ledger.Statement) error {
		v := vocab.Statement{ID: id, Actor: s.inst.ActorIRI(), To: p.Actor, Published: st.At, InReplyTo: inReplyTo,
			Sequence: st.Sequence, Seen: st.Seen, Receivable: st.Receivable, Payable: st.Payable, AssetCode: s.inst.Currency}
		for _, r := range st.Records {
			v.Records = append(v.Records, vocab.Record{ID: r.ID, Content: r.Content, Answer: r.Answer})
		}
		plain, err := vocab.RenderStatement(v)
		if err == nil {
			l, err = s.sealed(p, key, plain)
		}
		return err
	})
	return l, err
}

// sealed makes the letter of a document that isn't kept, with a proof of this moment.
func (s *Server) sealed(p ledger.Peer, key signature.PrivateKey, plain []byte) (letter, error) {
	if p.KeyHeldAt != nil {
		return letter{}, fmt.Errorf("%s: %w", p.Host, errKeyHeld)
	}
	body, err := signature.Prove(plain, key, s.ledger.Now())
	return letter{body: body, inbox: p.Inbox, as: rsaKey(s.inst.ActorIRI())}, err
}

// receiveStatement takes a peer's word on what it has on record (protocol §9).
func (s *Server) receiveStatement(ctx context.Context, m message) error {
	v, err := vocab.ParseStatement(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	switch {
	case v.To != s.inst.ActorIRI():
		return refuse(http.StatusForbidden, "statement.to", vocab.ActorNotAuthorized, "to must be this instance's actor")
	case v.AssetCode != s.inst.Currency:
		return &ledger.ClaimFault{Code: "unknown-currency", Detail: v.AssetCode}
	}
	theirs := pair.Statement{ID: v.ID, InReplyTo: v.InReplyTo, Sequence: v.Sequence, Seen: v.Seen, Balance: v.Receivable - v.Payable}
	for _, r := range v.Records {
		theirs.Records = append(theirs.Records, pair.Record{ID: r.ID, Content: r.Content, Answer: r.Answer,
			Ours: strings.HasPrefix(r.ID, s.inst.BaseURL+"/")})
	}
	heard, err := s.ledger.ReceiveStatement(ctx, p.Host, theirs, m.Raw())
	if err != nil {
		return err
	}
	s.tellOperator(ctx, p, heard)
	return nil
}

// tellOperator logs what a statement has brought to light.
func (s *Server) tellOperator(ctx context.Context, p ledger.Peer, h ledger.Heard) {
	if h.Freeze != "" {
		s.event(ctx, "statement.contradiction", "peer", p.Host, "reason", h.Freeze)
	}
	if h.Restored || h.Lost && h.Standing.Held {
		s.event(ctx, "statement.behind", "peer", p.Host, "sent", h.Standing.Sent)
	}
	if h.Comparison.Released {
		s.log.InfoContext(ctx, "statement.released", "code", "statement.released", "instance", s.inst.Host, "peer", p.Host, "offered", h.Released)
	}
}

// writeReturn gives a peer back what it lacks: a document as it was signed, with the answer to it.
func (s *Server) writeReturn(ctx context.Context, m ledger.Message) (letter, error) {
	p, err := s.meet(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	v := vocab.Return{ID: s.inst.BaseURL + "/returns/" + p.Host + "/" + uuid.NewString(), Actor: s.inst.ActorIRI(), To: p.Actor,
		Published: s.ledger.Now(), Object: m.Key}
	if v.Returned, err = s.returnable(ctx, m.Key); errors.Is(err, pgx.ErrNoRows) {
		return letter{}, errPointless
	}
	if err != nil {
		return letter{}, err
	}
	if v.Answer, err = s.returnable(ctx, m.Key+"#answer"); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return letter{}, err
	}
	key, err := s.moneyKey(ctx)
	if err != nil {
		return letter{}, err
	}
	plain, err := vocab.RenderReturn(v)
	if err != nil {
		return letter{}, err
	}
	return s.sealed(p, key, plain)
}

// returnable is a kept document, and if we have made it, with a proof by our present key: an old one's is taken of what
// its recipient made itself only (protocol §2).
func (s *Server) returnable(ctx context.Context, id string) (vocab.Document, error) {
	body, err := s.document1(ctx, id)
	if err != nil {
		return vocab.Document{}, err
	}
	if d, err := vocab.Decode(body); err != nil || !s.made(d) {
		return d, err
	}
	if body, err = s.proven(ctx, id, s.ledger.Now(), func() ([]byte, error) { return nil, pgx.ErrNoRows }); err != nil {
		return vocab.Document{}, err
	}
	return vocab.Decode(body)
}

// made tells whether a document is ours.
func (s *Server) made(d vocab.Document) bool {
	actor, err := d.Ref("actor")
	return err == nil && actor == s.inst.ActorIRI()
}

// receiveReturn takes back what a peer says that we lack. What we have made ourselves is proven by our own
// accounting key, what the peer has made by its.
func (s *Server) receiveReturn(ctx context.Context, m message) error {
	v, err := vocab.ParseReturn(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	r := returned{Return: v, peer: p, turn: m.turn}
	if r.ours, err = s.provenBy(ctx, p, v.Returned); err != nil {
		return err
	}
	if v.Answered() {
		if answerOurs, err := s.provenBy(ctx, p, v.Answer); err != nil || answerOurs == r.ours {
			return errors.Join(err, refuse(http.StatusUnprocessableEntity, "return.answer", vocab.ProofInvalid, "the answer is the other side's"))
		}
	}
	if v.Returned.Is(vocab.OfferType) {
		return s.takeBackClaim(ctx, r)
	}
	return s.takeBackPayment(ctx, r)
}

// returned is what a peer gives back, its proofs checked.
type returned struct {
	vocab.Return
	peer ledger.Peer
	ours bool // we have made it
	turn *turn
}

// provenBy tells whether a returned document is ours or the peer's, by its actor and its proof.
func (s *Server) provenBy(ctx context.Context, p ledger.Peer, d vocab.Document) (ours bool, err error) {
	actor, err := d.Ref("actor")
	if err != nil {
		return false, err
	}
	switch actor {
	case s.inst.ActorIRI():
		return true, asProofFault(s.ownProof(ctx, d.Raw()))
	case p.Actor:
		key, err := signature.ParseMultikey(p.AccountingKeyID, p.Actor, p.AccountingKey)
		if err != nil {
			return false, err
		}
		_, err = signature.VerifyProof(d.Raw(), key)
		return false, asProofFault(err)
	}
	return false, refuse(http.StatusForbidden, "return.actor", vocab.ActorNotAuthorized, "neither yours nor ours")
}

func asProofFault(err error) error {
	if err == nil {
		return nil
	}
	return &refusal{status: http.StatusUnprocessableEntity, code: "return.proof", kind: vocab.ProofInvalid, detail: firstLine(err)}
}

func (s *Server) takeBackClaim(ctx context.Context, r returned) error {
	claim, err := vocab.ParseClaim(r.Returned)
	if err != nil {
		return err
	}
	content, err := r.Returned.ContentDigest()
	if err != nil {
		return err
	}
	back := ledger.ReturnedClaim{Ours: r.ours}
	if r.ours {
		back.Offer, err = s.ownOffer(claim, r.peer, content)
	} else {
		back.Offer, err = s.offerOf(claim, r.peer, content)
	}
	if err != nil {
		return err
	}
	back.Offer.Document = r.Returned.Raw()
	if r.Answered() {
		a, err := vocab.ParseClaimAnswer(r.Answer)
		if err != nil {
			return err
		}
		if fits, err := s.fits(ctx, claim.ID, content, a.Answer, a.Content); err != nil {
			return err
		} else if !fits || a.Verdict == vocab.Accepted && a.Agreement.Digest != claim.Digest {
			return refuse(http.StatusUnprocessableEntity, "return.answer", vocab.ProofInvalid, "the answer is to another claim")
		}
		answer := s.ledgerAnswer(ctx, a, r.peer, r.Answer.Raw())
		back.Answer = &answer
	}
	if back.Answer == nil && !r.ours {
		return &ledger.ClaimFault{Code: "malformed", Detail: "an offer of yours comes back with our answer"}
	}
	if known, err := s.ledger.Claim(ctx, claim.ID); err == nil && known.LineCount > 0 {
		back.Offer.Lines = nil // it is on record with its lines
	} else if claim.Paged() {
		r.turn.shut() // the peer takes as long as it likes
		if back.Offer.Lines, err = s.linesBack(ctx, r.peer, claim, r.ours); err != nil {
			return err
		}
		if err := r.turn.open(ctx); err != nil {
			return err
		}
	} else {
		back.Offer.Lines = ledgerLines(claim.Lines)
	}
	return s.ledger.AdoptClaim(ctx, back)
}

// fits tells whether an answer is to a returned document of this content. If another content of it is on record, the
// ledger finds that out, whatever the answer is to: its maker has signed two.
func (s *Server) fits(ctx context.Context, id, content string, a vocab.Answer, answered string) (bool, error) {
	if a.Object != id || answered == content {
		return a.Object == id, nil
	}
	var known string
	err := s.pool.QueryRow(ctx, `select content from document where id = $1`, id).Scan(&known)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return known != content, err
}

// ownOffer is an offer of ours as the ledger takes it back.
func (s *Server) ownOffer(c vocab.Claim, p ledger.Peer, content string) (ledger.ClaimOffer, error) {
	n, ok := numberOf(c, p.Host)
	if !ok || c.To != p.Actor || c.AttributedTo != s.inst.ActorIRI() {
		return ledger.ClaimOffer{}, &ledger.ClaimFault{Code: "malformed", Detail: "no offer of ours to you"}
	}
	return ledger.ClaimOffer{IRI: c.ID, Host: p.Host, Period: c.Period, Currency: c.AssetCode, N: n, Amount: c.Amount,
		LineCount: int32(c.LineCount), Digest: c.Digest, Content: content, Supersedes: c.Supersedes}, nil
}

func (s *Server) takeBackPayment(ctx context.Context, r returned) error {
	y, err := vocab.ParsePayment(r.Returned)
	if err != nil {
		return err
	}
	content, err := r.Returned.ContentDigest()
	if err != nil {
		return err
	}
	to := map[bool]string{true: r.peer.Actor, false: s.inst.ActorIRI()}[r.ours]
	if y.To != to {
		return refuse(http.StatusForbidden, "payment.to", vocab.ActorNotAuthorized, "to must be the other side's actor")
	}
	back := ledger.ReturnedPayment{Ours: r.ours, Notice: noticeOf(y, r.peer, content, r.Returned.Raw())}
	if !r.Answered() && !r.ours {
		return &ledger.ClaimFault{Code: "malformed", Detail: "a payment of yours comes back with our answer"}
	}
	if !r.Answered() {
		return s.ledger.AdoptPayment(ctx, back)
	}
	a, err := vocab.ParsePaymentAnswer(r.Answer)
	if err != nil {
		return err
	}
	if fits, err := s.fits(ctx, y.ID, content, a.Answer, a.Content); err != nil {
		return err
	} else if !fits || a.Verdict == vocab.Accepted && a.AssetCode != s.inst.Currency {
		return refuse(http.StatusUnprocessableEntity, "return.answer", vocab.ProofInvalid, "the answer is to another payment")
	}
	back.Received, back.Answer = &a.Received, r.Answer.Raw()
	return s.ledger.AdoptPayment(ctx, back)
}
