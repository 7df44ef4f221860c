package federation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// meet finds a peer's instance actor (FEP-d556: WebFinger of the host's own address) and pins its
// accounting key on first use.
func (s *Server) meet(ctx context.Context, host string) (ledger.Peer, error) {
	if p, err := s.ledger.Peer(ctx, host); err == nil && p.AccountingKey != "" {
		return p, nil
	}
	a, err := s.instanceOf(ctx, host)
	if err != nil {
		return ledger.Peer{}, fmt.Errorf("meet %s: %w", host, err)
	}
	if k, ok := a.AccountingKey(); ok {
		return s.ledger.PinPeer(ctx, ledger.PeerIdentity{Host: host, Actor: a.ID, Inbox: a.Inbox,
			AccountingKey: k.Multibase, AccountingKeyID: k.ID})
	}
	return ledger.Peer{}, fmt.Errorf("meet %s: %s has no accounting key", host, a.ID)
}

func (s *Server) instanceOf(ctx context.Context, host string) (remote, error) {
	origin := s.scheme() + "://" + host
	j, err := s.finger(ctx, host, origin+"/")
	if err != nil {
		return remote{}, err
	}
	if !s.web.SameHost(j.Self(), origin+"/") {
		return remote{}, errors.New("the instance actor is on another host")
	}
	a, err := s.fetchActor(ctx, j.Self())
	switch {
	case err != nil:
		return a, err
	case !a.SpeaksFlattr():
		return a, errors.New("speaks no flattr")
	case !s.web.SameHost(a.Inbox, a.ID):
		return a, errors.New("the inbox is on another host")
	}
	return a, nil
}

// moneySender proves a message about money: it comes from the peer's instance actor, is fresh, and
// carries a proof by the pinned accounting key over the whole document. The message has its turn in the books then: before
// that, the peer may have to be asked who it is.
func (s *Server) moneySender(ctx context.Context, m message) (ledger.Peer, error) {
	if strings.Contains(m.id, "#") { // a fragment names what is kept with a document: the answer to it
		return ledger.Peer{}, refuse(http.StatusBadRequest, "peer.id", vocab.MalformedDocument, "an id about money has no fragment")
	}
	if err := m.signed.CheckAge(s.ledger.Now(), moneySkew); err != nil {
		return ledger.Peer{}, err
	}
	p, err := s.meet(ctx, m.host)
	if err != nil {
		s.event(ctx, "peer.unmet", "host", m.host, "error", err.Error())
		return p, refuse(http.StatusForbidden, "peer.unmet", vocab.ActorNotAuthorized, "%s isn't known as a peer", m.host)
	}
	if m.actor != p.Actor {
		return p, refuse(http.StatusForbidden, "peer.actor", vocab.ActorNotAuthorized, "actor must be the instance actor %s", p.Actor)
	}
	method := signature.ProofMethod(m.Raw())
	if method != p.AccountingKeyID || p.KeyHeldAt != nil || !proves(p, m.Raw()) {
		if p, err = s.keyNow(ctx, p, method); err != nil {
			return p, err
		}
	}
	if err := s.checkProof(p, m); err != nil {
		return p, err
	}
	return p, m.turn.open(ctx)
}

// proves tells whether a document has a proof by a peer's pinned accounting key.
func proves(p ledger.Peer, doc []byte) bool {
	key, err := signature.ParseMultikey(p.AccountingKeyID, p.Actor, p.AccountingKey)
	if err == nil {
		_, err = signature.VerifyProof(doc, key)
	}
	return err == nil
}

// checkProof holds a message to the pinned accounting key.
func (s *Server) checkProof(p ledger.Peer, m message) error {
	key, err := signature.ParseMultikey(p.AccountingKeyID, p.Actor, p.AccountingKey)
	if err != nil {
		return err
	}
	if _, err := signature.VerifyProof(m.Raw(), key); err != nil {
		return &refusal{status: http.StatusUnauthorized, code: "claim.proof", kind: vocab.ProofInvalid, detail: firstLine(err)}
	}
	return nil
}

// agreementIRI is the id of our final agreement about a peer's claim.
func (s *Server) agreementIRI(claim string) string { return agreementAt(s.inst.BaseURL, claim) }

// peerAgreement is the id of a peer's final agreement about a claim of ours.
func (s *Server) peerAgreement(p ledger.Peer, claim string) string {
	return agreementAt(s.scheme()+"://"+p.Host, claim)
}

// agreementAt spells an agreement's id: the claim's host and key under the payees' side's address.
func agreementAt(base, claim string) string {
	_, rest, _ := strings.Cut(claim, "://")
	host, key, _ := strings.Cut(rest, "/claims/")
	return base + "/agreements/" + host + "/" + key
}
