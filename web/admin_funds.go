package web

import (
	"cmp"
	"crypto/rand"
	"math"
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// fundsPage shows what is the instance's to pay on, orders a payment of it, and publishes the fee.
type fundsPage struct {
	Form form
	ledger.Funds
	Rates []ledger.FeeRate
	Left  []ledger.Left
	Key   string // of the form: sent twice it orders once
}

func (s *Site) fundsPage(r *http.Request, f form) (any, error) {
	all, err := s.ledger.Funds(r.Context())
	if err != nil {
		return nil, err
	}
	rates, err := s.ledger.FeeRates(r.Context())
	if err != nil {
		return nil, err
	}
	left, err := s.ledger.Left(r.Context())
	return fundsPage{f, all, rates, left, rand.Text()}, err
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

func (s *Site) setRate(w http.ResponseWriter, r *http.Request, v visit) error {
	f := r.PostForm
	rate, err := percentOf("rate", f.Get("rate"))
	if err == nil {
		err = s.ledger.SetFeeRate(r.Context(), v.member.ID, f.Get("period"), rate)
	}
	if err != nil {
		return s.again(w, r, v, err, "funds", func(f form) (any, error) { return s.fundsPage(r, f) })
	}
	return s.done(w, r, "/admin/funds", "notice.rate-set")
}

// percentOf reads what a person types, "2.5" or "2,5", into hundredths of a percent.
func percentOf(field, typed string) (int32, error) {
	amount, err := ledger.ParseAmount(field, typed)
	if err != nil {
		return 0, as(err, ledger.ErrRefused, field, "range")
	}
	return int32(min(amount/10_000, math.MaxInt32)), nil
}

// payLeft and giveLeft decide on what a member left whose payment was refused.
func (s *Site) payLeft(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/funds", "notice.payout-ordered", func(id int64) error {
		return s.ledger.PayLeft(r.Context(), v.member.ID, id, r.PostForm.Get("iban"))
	})
}

func (s *Site) giveLeft(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/funds", "notice.left-given", func(id int64) error {
		return s.ledger.GiveLeft(r.Context(), v.member.ID, id)
	})
}
