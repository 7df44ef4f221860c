package federation

import (
	"context"
	"net/http"
	"net/url"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// receivePayment takes a peer's word that it sent money (protocol §9).
func (s *Server) receivePayment(ctx context.Context, m message) error {
	y, err := vocab.ParsePayment(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	if y.To != s.inst.ActorIRI() {
		return refuse(http.StatusForbidden, "payment.to", vocab.ActorNotAuthorized, "to must be this instance's actor")
	}
	content, err := m.ContentDigest()
	if err != nil {
		return err
	}
	return s.ledger.ReceivePayment(ctx, noticeOf(y, p, content, m.Raw()))
}

// noticeOf is a payment as the ledger takes it.
func noticeOf(y vocab.Payment, p ledger.Peer, content string, body []byte) ledger.PaymentNotice {
	n := ledger.PaymentNotice{IRI: y.ID, Host: p.Host, Amount: y.Amount, Currency: y.AssetCode,
		Method: y.Method, Reference: y.Reference, PaidAt: y.PaidAt, Content: content, Document: body}
	for _, a := range y.Allocations {
		n.Allocations = append(n.Allocations, ledger.NoticedAllocation{Claim: a.Claim, Amount: a.Amount})
	}
	return n
}

// receivePaymentAnswer takes what the payees' side found on its account.
func (s *Server) receivePaymentAnswer(ctx context.Context, m message) error {
	a, err := vocab.ParsePaymentAnswer(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	if a.Verdict == vocab.Accepted && a.AssetCode != s.inst.Currency {
		return &ledger.ClaimFault{Code: "unknown-currency", Detail: a.AssetCode}
	}
	if err := s.answers(ctx, a.Object, a.Content); err != nil {
		return err
	}
	return s.ledger.PaymentAnswered(ctx, ledger.PaymentAnswer{IRI: a.Object, Host: p.Host, Received: a.Received, Document: m.Raw()})
}

// renderPayment is our notice of a payment, without proof.
func (s *Server) renderPayment(d ledger.PaymentDocument, p ledger.Peer) ([]byte, error) {
	y := vocab.Payment{ID: d.IRI, Object: d.IRI + "#payment", Actor: s.inst.ActorIRI(), To: p.Actor,
		Published: *d.PaidAt, Amount: d.Amount, AssetCode: d.Currency, Method: d.Method, Reference: d.Reference,
		PaidAt: *d.PaidAt}
	for _, a := range d.Allocations {
		agreement := s.peerAgreement(p, a.IRI)
		if a.Direction == "in" {
			agreement = s.agreementIRI(a.IRI)
		}
		y.Agreements = append(y.Agreements, agreement)
		y.Allocations = append(y.Allocations, vocab.Allocation{Claim: a.IRI, Amount: a.Amount})
	}
	return vocab.RenderPayment(y)
}

// renderPaymentAnswer is our answer to a peer's payment, without proof.
func (s *Server) renderPaymentAnswer(d ledger.PaymentDocument, p ledger.Peer) ([]byte, error) {
	a := vocab.PaymentAnswer{Content: d.Content, Answer: vocab.Answer{ID: s.inst.BaseURL + "/receipts/" + p.Host + "/" + url.PathEscape(d.Reference),
		Actor: s.inst.ActorIRI(), Object: d.IRI, Published: *d.AnsweredAt, To: []string{p.Actor}}}
	if d.Received == nil {
		if a.Verdict, a.Reason = vocab.Refused, vocab.NotReceived; d.Method == vocab.Netting {
			a.Reason = vocab.InFlight
		}
		return vocab.RenderPaymentAnswer(a)
	}
	a.Verdict, a.Received, a.AssetCode = vocab.Accepted, *d.Received, d.Currency
	return vocab.RenderPaymentAnswer(a)
}
