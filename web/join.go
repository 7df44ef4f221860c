package web

import (
	"net/http"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// joinPage is the sign-up: by invitation.
type joinPage struct {
	Form   form
	Next   string
	Closed *ledger.FieldError // what is wrong with the invitation in the link
}

func (s *Site) joinForm(w http.ResponseWriter, r *http.Request, v visit) error {
	if v.member != nil {
		http.Redirect(w, r, "/home", http.StatusSeeOther)
		return nil
	}
	p := joinPage{Form: filled("code", r.URL.Query().Get("code")), Next: next(r)}
	if code := r.URL.Query().Get("code"); code != "" {
		if s.limits.try.OnLimit(w, r, s.clientIP(r)) {
			return errTooMany
		}
		if err := s.ledger.InviteGood(r.Context(), code); err != nil {
			f, ok := refusedForm(r, err)
			if !ok {
				return err
			}
			fault := f.Errors["code"]
			p.Closed = &fault
		}
	}
	return s.show(w, r, s.inPopup(w, v, p.Next), "join", p)
}

func (s *Site) join(w http.ResponseWriter, r *http.Request, v visit) error {
	to := next(r)
	v = s.inPopup(w, v, to)
	if s.limits.try.OnLimit(w, r, s.clientIP(r)) {
		return errTooMany
	}
	m, err := s.newMember(r, v.lang)
	if err != nil {
		r = at(r, "code", r.PostForm.Get("code"), "next", to)
		return s.again(w, r, v, err, "join", func(f form) (any, error) { return joinPage{Form: f, Next: to}, nil })
	}
	if err := s.logIn(r.Context(), m); err != nil {
		return err
	}
	return s.done(w, r, to, "notice.joined")
}

// newMember checks the invitation before it hashes, so that hashing can't be had for nothing.
func (s *Site) newMember(r *http.Request, lang string) (ledger.Member, error) {
	f := r.PostForm
	if err := s.ledger.InviteGood(r.Context(), f.Get("code")); err != nil {
		return ledger.Member{}, err
	}
	s.hashing <- struct{}{}
	hash, err := HashPassword(f.Get("password"))
	<-s.hashing
	if err != nil {
		return ledger.Member{}, err
	}
	return s.ledger.Join(r.Context(), ledger.Joining{Code: f.Get("code"),
		Name:        strings.ToLower(strings.TrimSpace(f.Get("name"))),
		DisplayName: f.Get("display_name"), PasswordHash: hash, Language: lang})
}
