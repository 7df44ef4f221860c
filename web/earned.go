package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"slices"

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

// withdrawPage asks for an amount and an account, and lists what was asked before of the same money.
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
	return s.askPage(r, v, f, ledger.OfEarnings, e.Available)
}

func (s *Site) askPage(r *http.Request, v visit, f form, source string, available int64) (any, error) {
	asked, err := s.ledger.WithdrawalsOf(r.Context(), v.member.ID)
	asked = slices.DeleteFunc(asked, func(w ledger.Withdrawal) bool { return w.Source != source })
	if f.Values == nil && available > 0 {
		f = filled("amount", s.words[v.lang].plain(ledger.WholeCents(available)))
	}
	return withdrawPage{f, available, ledger.WholeCents(available), asked, rand.Text()}, err
}

func (s *Site) withdrawForm(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.withdrawPage(r, v, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "withdraw", p)
}

func (s *Site) withdraw(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.ask(w, r, v, "withdraw", s.ledger.RequestWithdrawalOnce, s.withdrawPage)
}

// ask asks for a withdrawal, of whichever money do asks, on the page of that name.
func (s *Site) ask(w http.ResponseWriter, r *http.Request, v visit, name string,
	do func(ctx context.Context, by, amount int64, account, key string) (ledger.Withdrawal, error),
	page func(*http.Request, visit, form) (any, error)) error {
	amount, err := ledger.ParseAmount("amount", r.PostForm.Get("amount"))
	var asked ledger.Withdrawal
	if err == nil {
		asked, err = do(r.Context(), v.member.ID, amount, r.PostForm.Get("iban"), cmp.Or(r.PostForm.Get("key"), rand.Text()))
	}
	if err != nil {
		err = as(as(err, ledger.ErrFunds, "amount", "too-much"), ledger.ErrConflict, "amount", "sent-before")
		return s.again(w, r, v, err, name, func(f form) (any, error) { return page(r, v, f) })
	}
	if asked.Again {
		return s.done(w, r, "/"+name, "notice.withdrawal-once")
	}
	return s.done(w, r, "/"+name, "notice.withdrawal-asked")
}

// refundPage is withdrawPage for a giver's means that no month holds back.
func (s *Site) refundPage(r *http.Request, v visit, f form) (any, error) {
	u, err := s.ledger.Unspent(r.Context(), v.member.ID)
	if err != nil {
		return nil, err
	}
	return s.askPage(r, v, f, ledger.OfMeans, u.Free)
}

func (s *Site) refundForm(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.refundPage(r, v, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "refund", p)
}

func (s *Site) refund(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.ask(w, r, v, "refund", s.ledger.RequestRefundOnce, s.refundPage)
}
