package web

import (
	"cmp"
	"net/http"
	"net/url"

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

// Free is what of the means no month holds back.
func (p deletePage) Free() int64 { return p.Means - p.Reserved }

// Any tells whether there is money of any kind.
func (p deletePage) Any() bool {
	return p.Means != 0 || p.Earned != 0 || p.Announced != 0 || p.Unanswered != 0
}

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
		err = s.ledger.Leave(r.Context(), v.member.ID, leavingOf(r.PostForm, s.ledger.Instance().Host))
	}
	if err != nil {
		if r.PostForm.Get("rest") == "" {
			err = as(err, ledger.ErrFunds, "rest", "required")
		}
		return s.again(w, r, v, err, "delete", func(f form) (any, error) { return s.deletePage(r, v, f) })
	}
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// leavingOf reads what a member who leaves has chosen for the rest of the money.
func leavingOf(f url.Values, host string) ledger.Leaving {
	o := ledger.Leaving{Cause: loginName(f.Get("cause"), host)}
	switch f.Get("rest") {
	case "paid":
		o.IBAN = cmp.Or(f.Get("iban"), "-") // an account that is missing is as bad as a wrong one
	case "given":
		o.Give = true
	}
	return o
}
