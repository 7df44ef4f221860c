package web

import (
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

func (s *Site) earned(w http.ResponseWriter, r *http.Request, v visit) error {
	e, err := s.ledger.Earned(r.Context(), v.member.ID)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "earned", e)
}

// withdrawPage asks for an amount and an account, and lists what was asked before.
type withdrawPage struct {
	Form      form
	Available int64
	Whole     int64 // of it, what a bank can move
	Asked     []ledger.Withdrawal
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
	return withdrawPage{f, e.Available, ledger.WholeCents(e.Available), asked}, err
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
	if err == nil {
		_, err = s.ledger.RequestWithdrawal(r.Context(), v.member.ID, amount, r.PostForm.Get("iban"))
	}
	if err != nil {
		err = as(err, ledger.ErrFunds, "amount", "too-much")
		return s.again(w, r, v, err, "withdraw", func(f form) (any, error) { return s.withdrawPage(r, v, f) })
	}
	return s.done(w, r, "/withdraw", "notice.withdrawal-asked")
}
