package web

import (
	"cmp"
	"crypto/rand"
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// fundsPage shows what is the instance's to pay on, and orders a payment of it.
type fundsPage struct {
	Form form
	ledger.Funds
	Key string // of the form: sent twice it orders once
}

func (s *Site) fundsPage(r *http.Request, f form) (any, error) {
	all, err := s.ledger.Funds(r.Context())
	return fundsPage{f, all, rand.Text()}, err
}

func (s *Site) funds(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.fundsPage(r, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "funds", p)
}

func (s *Site) payout(w http.ResponseWriter, r *http.Request, v visit) error {
	f := r.PostForm
	amount, err := ledger.ParseAmount("amount", f.Get("amount"))
	if err == nil {
		_, err = s.ledger.RequestPayoutOnce(r.Context(), v.member.ID, f.Get("source"), amount, f.Get("iban"), cmp.Or(f.Get("key"), rand.Text()))
	}
	if err != nil {
		err = as(as(err, ledger.ErrFunds, "amount", "too-much"), ledger.ErrConflict, "amount", "sent-before")
		return s.again(w, r, v, err, "funds", func(f form) (any, error) { return s.fundsPage(r, f) })
	}
	return s.done(w, r, "/admin/withdrawals", "notice.payout-ordered")
}
