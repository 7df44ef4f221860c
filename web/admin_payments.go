package web

import (
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// paymentsPage is the money between instances: what can be paid, is on its way, should arrive.
type paymentsPage struct {
	Form     form
	Payment  int64 // the payment whose form was refused
	Owed     []ledger.PeerPosition
	Outgoing []ledger.Payment
	Incoming []ledger.Payment
	Accounts map[string][]string // each peer's bank account, by host
}

// due is what of a position can be ordered: whole cents that aren't on their way.
func due(p ledger.PeerPosition) int64 { return ledger.WholeCents(p.Payable - p.InFlight) }

func (s *Site) paymentsPage(r *http.Request, f form, payment int64) (any, error) {
	p := paymentsPage{Form: f, Payment: payment, Accounts: map[string][]string{}}
	peers, err := s.ledger.PeerPositions(r.Context())
	if err != nil {
		return nil, err
	}
	for _, peer := range peers {
		p.Accounts[peer.Host] = paytoLines(peer.Payto)
		if peer.Payable > 0 {
			p.Owed = append(p.Owed, peer)
		}
	}
	all, err := s.ledger.Payments(r.Context())
	for _, y := range all {
		if y.Direction == "out" {
			p.Outgoing = append(p.Outgoing, y)
		} else {
			p.Incoming = append(p.Incoming, y)
		}
	}
	return p, err
}

func (s *Site) payments(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.paymentsPage(r, form{}, 0)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "payments", p)
}

// preparePayment commits the bank reference before any order is placed, so that no crash in between
// pays twice.
func (s *Site) preparePayment(w http.ResponseWriter, r *http.Request, v visit) error {
	if _, err := s.ledger.PreparePayment(r.Context(), v.member.ID, r.PostForm.Get("host")); err != nil {
		return s.again(w, r, v, err, "payments", func(f form) (any, error) { return s.paymentsPage(r, f, 0) })
	}
	return s.done(w, r, "/admin/payments", "notice.payment-prepared")
}

func (s *Site) paymentSent(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/payments", "notice.payment-sent", func(id int64) error {
		return s.ledger.PaymentSent(r.Context(), v.member.ID, id)
	})
}

func (s *Site) cancelPayment(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/payments", "notice.payment-cancelled", func(id int64) error {
		return s.ledger.PaymentCancelled(r.Context(), v.member.ID, id)
	})
}

func (s *Site) paymentReceived(w http.ResponseWriter, r *http.Request, v visit) error {
	n, err := id(r)
	if err != nil {
		return err
	}
	amount, err := ledger.ParseAmount("received", r.PostForm.Get("received"))
	if err == nil {
		err = s.ledger.ConfirmPayment(r.Context(), v.member.ID, n, amount)
	}
	if err != nil {
		return s.again(w, r, v, err, "payments", func(f form) (any, error) { return s.paymentsPage(r, f, n) })
	}
	return s.done(w, r, "/admin/payments", "notice.payment-received")
}

func (s *Site) paymentNotReceived(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/payments", "notice.payment-missing", func(id int64) error {
		return s.ledger.PaymentNotReceived(r.Context(), v.member.ID, id)
	})
}
