package web

import (
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

func (s *Site) settings(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.show(w, r, v, "settings", filled("display_name", v.member.DisplayName, "language", v.member.Language))
}

func (s *Site) saveSettings(w http.ResponseWriter, r *http.Request, v visit) error {
	chosen := r.PostForm.Get("language")
	err := checkLanguage(chosen) // before anything is saved: all of the form is, or nothing
	if err == nil {
		err = s.ledger.SetDisplayName(r.Context(), v.member.ID, r.PostForm.Get("display_name"))
	}
	if err == nil {
		err = s.ledger.SetLanguage(r.Context(), v.member.ID, chosen)
	}
	if err != nil {
		return s.again(w, r, v, err, "settings", func(f form) (any, error) { return f, nil })
	}
	return s.done(w, r, "/settings", "notice.saved")
}

// deletePage says what happens to the money before an account is closed.
type deletePage struct {
	Form form
	ledger.Holdings
}

// Left tells whether something stays with the instance when the account is closed as it is now.
func (p deletePage) Left() bool { return p.Announced != 0 || p.Rests() != 0 }

// Rests are what lies in the account below one cent, which no bank can move.
func (p deletePage) Rests() int64 {
	var sum int64
	for _, amount := range []int64{p.Means, p.Earned} {
		if ledger.WholeCents(amount) == 0 {
			sum += amount
		}
	}
	return sum
}

// Blocks tells whether an amount keeps the account open: a bank can pay it out.
func (p deletePage) Blocks(amount int64) bool { return ledger.WholeCents(amount) > 0 }

func (s *Site) deletePage(r *http.Request, v visit, f form) (any, error) {
	h, err := s.ledger.Holdings(r.Context(), v.member.ID)
	return deletePage{f, h}, err
}

func (s *Site) deleteForm(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.deletePage(r, v, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "delete", p)
}

// deleteAccount asks for the password once more: an unattended browser must not be enough.
func (s *Site) deleteAccount(w http.ResponseWriter, r *http.Request, v visit) error {
	if s.limits.login.OnLimit(w, r, s.clientIP(r)+" "+v.member.Name) {
		return errTooMany
	}
	_, err := s.authenticate(r.Context(), v.member.Name, r.PostForm.Get("password"))
	if err == nil {
		err = s.ledger.DeleteMember(r.Context(), v.member.ID)
	}
	if err != nil {
		err = as(err, ledger.ErrFunds, "password", "money-left")
		return s.again(w, r, v, err, "delete", func(f form) (any, error) { return s.deletePage(r, v, f) })
	}
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
