package web

import (
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// depositsPage records what came in by bank.
type depositsPage struct {
	Form     form
	Again    *ledger.Deposit // was recorded before; nothing was booked now
	Deposits []ledger.Deposit
	Reversed []ledger.Reversal
}

func (s *Site) depositsPage(r *http.Request, f form) (depositsPage, error) {
	all, err := s.ledger.Deposits(r.Context())
	if err != nil {
		return depositsPage{}, err
	}
	reversed, err := s.ledger.Reversals(r.Context())
	return depositsPage{Form: f, Deposits: all, Reversed: reversed}, err
}

func (s *Site) deposits(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.depositsPage(r, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "deposits", p)
}

func (s *Site) recordDeposit(w http.ResponseWriter, r *http.Request, v visit) error {
	f := r.PostForm
	var d ledger.Deposit
	amount, err := ledger.ParseAmount("amount", f.Get("amount"))
	if err == nil {
		name := loginName(f.Get("name"), s.ledger.Instance().Host)
		d, err = s.ledger.RecordDeposit(r.Context(), v.member.ID, name, amount, f.Get("reference"))
	}
	switch {
	case err != nil:
		err = as(err, ledger.ErrConflict, "reference", "used")
		return s.again(w, r, v, err, "deposits", func(f form) (any, error) { return s.depositsPage(r, f) })
	case d.Again:
		return s.depositAgain(w, r, v, d)
	}
	return s.done(w, r, "/admin/deposits", "notice.deposit-recorded")
}

// depositAgain says that nothing was booked: the form was sent twice, or another transfer was given a
// reference that isn't its own. What was typed stays, so that the reference can be put right.
func (s *Site) depositAgain(w http.ResponseWriter, r *http.Request, v visit, d ledger.Deposit) error {
	p, err := s.depositsPage(r, form{Values: r.PostForm})
	if err != nil {
		return err
	}
	p.Again = &d
	return s.show(w, r, v, "deposits", p)
}

// reversePage asks why a deposit is taken back, and tells what of it can be.
type reversePage struct {
	Form    form
	Deposit ledger.Deposit
	Taken   int64 // from what the giver hasn't given
	Lost    int64 // the instance's
}

func (s *Site) reversePage(r *http.Request, f form) (any, error) {
	n, err := id(r)
	if err != nil {
		return nil, err
	}
	d, err := s.ledger.Deposit(r.Context(), n)
	if err != nil {
		return nil, err
	}
	u, err := s.ledger.Unspent(r.Context(), d.Member)
	return reversePage{f, d, u.Taken(d.Amount), d.Amount - u.Taken(d.Amount)}, err
}

func (s *Site) reverseForm(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.reversePage(r, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "reverse", p)
}

func (s *Site) reverse(w http.ResponseWriter, r *http.Request, v visit) error {
	n, err := id(r)
	if err != nil {
		return err
	}
	if _, err := s.ledger.ReverseDeposit(r.Context(), v.member.ID, n, r.PostForm.Get("cause"), r.PostForm.Get("reason")); err != nil {
		err = as(err, ledger.ErrFunds, "reason", "bank-short")
		return s.again(w, r, v, err, "reverse", func(f form) (any, error) { return s.reversePage(r, f) })
	}
	return s.done(w, r, "/admin/deposits", "notice.deposit-reversed")
}

// withdrawalsPage is what members want to be paid.
type withdrawalsPage struct {
	All       []ledger.Withdrawal
	BankFirst bool // nothing is paid before the books are compared with the bank
}

func (s *Site) withdrawals(w http.ResponseWriter, r *http.Request, v visit) error {
	all, err := s.ledger.Withdrawals(r.Context())
	if err != nil {
		return err
	}
	p := withdrawalsPage{All: all}
	if p.BankFirst, err = s.ledger.BankFirst(r.Context()); err != nil {
		return err
	}
	return s.show(w, r, v, "withdrawals", p)
}

func (s *Site) withdrawalPaid(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/withdrawals", "notice.withdrawal-paid", func(id int64) error {
		return s.ledger.WithdrawalPaid(r.Context(), v.member.ID, id)
	})
}

func (s *Site) withdrawalRefused(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/withdrawals", "notice.withdrawal-refused", func(id int64) error {
		return s.ledger.WithdrawalRefused(r.Context(), v.member.ID, id)
	})
}
