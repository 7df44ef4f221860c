package web

import (
	"cmp"
	"crypto/rand"
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// earnedPage is what a payee was given, and where the newest month is.
type earnedPage struct {
	ledger.Earnings
	Newest string
}

func (s *Site) earned(w http.ResponseWriter, r *http.Request, v visit) error {
	e, err := s.ledger.Earned(r.Context(), v.member.ID)
	if err != nil {
		return err
	}
	months, err := s.around(r, "/earned", "9999-12")
	if err != nil {
		return err
	}
	return s.show(w, r, v, "earned", earnedPage{e, months.Before})
}

// withdrawPage asks for an amount and an account, and lists what was asked before.
type withdrawPage struct {
	Form      form
	Available int64
	Whole     int64 // of it, what a bank can move
	Asked     []ledger.Withdrawal
	Key       string // of this form: sent twice it asks once
}

func (s *Site) withdrawPage(r *http.Request, v visit, f form) (any, error) {
	e, err := s.ledger.Earned(r.Context(), v.member.ID)
	if err != nil {
		return nil, err
	}
	asked, err := s.ledger.WithdrawalsOf(r.Context(), v.member.ID)
	if f.Values == nil && e.Available > 0 {
		f = filled("amount", s.words[v.lang].plain(ledger.WholeCents(e.Available)))
	}
	return withdrawPage{f, e.Available, ledger.WholeCents(e.Available), asked, rand.Text()}, err
}

func (s *Site) withdrawForm(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.withdrawPage(r, v, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "withdraw", p)
}

func (s *Site) withdraw(w http.ResponseWriter, r *http.Request, v visit) error {
	amount, err := ledger.ParseAmount("amount", r.PostForm.Get("amount"))
	var asked ledger.Withdrawal
	if err == nil {
		asked, err = s.ledger.RequestWithdrawalOnce(r.Context(), v.member.ID, amount, r.PostForm.Get("iban"),
			cmp.Or(r.PostForm.Get("key"), rand.Text()))
	}
	if err != nil {
		err = as(as(err, ledger.ErrFunds, "amount", "too-much"), ledger.ErrConflict, "amount", "sent-before")
		return s.again(w, r, v, err, "withdraw", func(f form) (any, error) { return s.withdrawPage(r, v, f) })
	}
	if asked.Again {
		return s.done(w, r, "/withdraw", "notice.withdrawal-once")
	}
	return s.done(w, r, "/withdraw", "notice.withdrawal-asked")
}
