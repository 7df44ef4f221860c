package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
)

// Post carries what instances tell each other by direct calls, without HTTP and signatures: for
// tests of the money alone. The wire is tested in package federation.
type Post map[string]*Instance // by host

// Deliver carries messages until nobody has anything to tell.
func (p Post) Deliver(t testing.TB) {
	t.Helper()
	for quiet := false; !quiet; {
		quiet = true
		for _, from := range p {
			for _, m := range from.Outbox.Take(t) {
				quiet = false
				if err := p.Carry(from, m); err != nil {
					t.Errorf("%s tells %s %s: %v", from.Instance().Host, m.Kind, m.Key, err)
				}
			}
		}
	}
}

// Carry carries one message; the error is the receiver's.
func (p Post) Carry(from *Instance, m ledger.Message) error {
	if m.Kind == ledger.LookAgain {
		return nil // who can be paid isn't found out here: tests say so (Payable)
	}
	ctx, sender := context.Background(), from.Instance().Host
	host := m.To
	if rest, ok := strings.CutPrefix(m.To, "https://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	to := p[host]
	if to == nil {
		return fmt.Errorf("no instance %q", host)
	}
	switch m.Kind {
	case ledger.TellLike, ledger.TellUndo:
		return carryLike(ctx, from, to, m)
	case ledger.TellAccept, ledger.TellTentative, ledger.TellReject:
		a, err := from.LikeAnswer(ctx, m.Key)
		return errors.Join(err, to.FlattrAnswered(ctx, ledger.Verdict{Like: a.Like, Host: sender, Actor: a.Payee, Reason: a.Reason,
			Answer: map[string]string{ledger.TellAccept: "accept", ledger.TellTentative: "tentative", ledger.TellReject: "reject"}[m.Kind]}))
	case ledger.TellClaim, ledger.TellClaimAnswer:
		return carryClaim(ctx, from, to, m)
	case ledger.TellPayment, ledger.TellPaymentAnswer:
		return carryPayment(ctx, from, to, m)
	case ledger.TellSplit, ledger.TellSplitAnswer, ledger.TellSplitWithdrawn, ledger.TellPage:
		return carrySplit(ctx, from, to, m)
	}
	return nil
}

func carryLike(ctx context.Context, from, to *Instance, m ledger.Message) error {
	o, err := from.OutgoingLike(ctx, uuid.MustParse(m.Key))
	if err != nil {
		return err
	}
	if m.Kind == ledger.TellUndo {
		return to.ReceiveUndo(ctx, o.ID, o.Giver)
	}
	return to.ReceiveFlattr(ctx, ledger.ReceivedLike{ID: o.ID, Giver: o.Giver, Host: from.Instance().Host,
		Object: o.Object, Period: o.Period, Carries: o.Carries, Split: o.Split})
}

func carryClaim(ctx context.Context, from, to *Instance, m ledger.Message) error {
	d, err := from.ClaimDocument(ctx, m.Key)
	if err != nil {
		return err
	}
	if m.Kind == ledger.TellClaimAnswer {
		return to.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: d.IRI, Host: from.Instance().Host,
			Accepted: *d.Answer == "accept", Refusals: d.Refusals})
	}
	return to.ReceiveClaim(ctx, Offer(from, d))
}

// Offer is the offer that a claim's document makes.
func Offer(from *Instance, d ledger.ClaimDocument) ledger.ClaimOffer {
	return ledger.ClaimOffer{IRI: d.IRI, Host: from.Instance().Host, Period: d.Period, Currency: d.Currency, N: d.N,
		Amount: d.Amount, LineCount: d.LineCount, Digest: d.Digest, Lines: d.Lines, Content: d.Digest + d.IRI,
		Supersedes: d.SupersededIRI}
}

func carryPayment(ctx context.Context, from, to *Instance, m ledger.Message) error {
	d, err := from.PaymentDocument(ctx, m.Key)
	if err != nil {
		return err
	}
	if m.Kind == ledger.TellPaymentAnswer {
		a := ledger.PaymentAnswer{IRI: d.IRI, Host: from.Instance().Host}
		if d.Received != nil {
			a.Received = *d.Received
		}
		return to.PaymentAnswered(ctx, a)
	}
	n := ledger.PaymentNotice{IRI: d.IRI, Host: from.Instance().Host, Amount: d.Amount, Currency: d.Currency,
		Method: d.Method, Reference: d.Reference, PaidAt: *d.PaidAt, Content: d.IRI + d.Reference}
	for _, a := range d.Allocations {
		n.Allocations = append(n.Allocations, ledger.NoticedAllocation{Claim: a.IRI, Amount: a.Amount})
	}
	return to.ReceivePayment(ctx, n)
}
