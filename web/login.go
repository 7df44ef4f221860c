package web

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/fedflattr/flattrd/ledger"
)

// passwordCost is OWASP's argon2id recommendation: 19 MiB, two passes, one lane.
var passwordCost = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashesAtOnce bounds the memory of password hashing to some 19 MiB each.
var hashesAtOnce = 2 * runtime.NumCPU()

const (
	minPassword = 10
	maxPassword = 200
)

// nobodysHash is compared for unknown names, so that the time of an answer doesn't tell who is here.
var nobodysHash = sync.OnceValues(func() (string, error) {
	return argon2id.CreateHash("nobody has this password", passwordCost)
})

// HashPassword makes the argon2id string of a new password. FieldError "password": too-short,
// too-long.
func HashPassword(password string) (string, error) {
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return "", &ledger.FieldError{Field: "password", Rule: "too-short"}
	case n > maxPassword:
		return "", &ledger.FieldError{Field: "password", Rule: "too-long"}
	}
	return argon2id.CreateHash(password, passwordCost)
}

// loginPage carries where to go on to.
type loginPage struct {
	Form form
	Next string
}

// next is a login's destination: a path of ours, else the member's own page.
func next(r *http.Request) string {
	if path := ownPath(r.FormValue("next")); path != "" {
		return path
	}
	return "/home"
}

// inPopup makes a login on the way to a flattr part of the popup.
func (s *Site) inPopup(w http.ResponseWriter, v visit, next string) visit {
	if strings.HasPrefix(next, "/intents/") || strings.HasPrefix(next, "/f/") {
		s.joinPopup(w.Header())
		v.frame = popupFrame
	}
	return v
}

func (s *Site) loginForm(w http.ResponseWriter, r *http.Request, v visit) error {
	to := next(r)
	if v.member != nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	v = s.inPopup(w, v, to)
	return s.show(w, r, v, "login", loginPage{Next: to})
}

func (s *Site) login(w http.ResponseWriter, r *http.Request, v visit) error {
	to := next(r)
	v = s.inPopup(w, v, to)
	name := loginName(r.PostForm.Get("name"), s.ledger.Instance().Host)
	if s.limits.try.OnLimit(w, r, s.clientIP(r)) || s.limits.login.OnLimit(w, r, s.clientIP(r)+" "+name) {
		return errTooMany
	}
	m, err := s.authenticate(r.Context(), name, r.PostForm.Get("password"))
	if err != nil {
		r = at(r, "next", to)
		return s.again(w, r, v, err, "login", func(f form) (any, error) { return loginPage{f, to}, nil })
	}
	if err := s.logIn(r.Context(), m); err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// loginName takes a name as people write it: "alice", "@alice", "alice@this.host".
func loginName(typed, host string) string {
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(typed)), "@")
	return strings.TrimSuffix(name, "@"+strings.ToLower(host))
}

// authenticate takes the same time whether the name exists or not, and says the same.
func (s *Site) authenticate(ctx context.Context, name, password string) (ledger.Member, error) {
	wrong := &ledger.FieldError{Field: "password", Rule: "wrong"}
	if utf8.RuneCountInString(password) > maxPassword {
		return ledger.Member{}, wrong
	}
	m, hash, err := s.ledger.PasswordHash(ctx, name)
	unknown := errors.Is(err, ledger.ErrNotFound)
	if unknown {
		hash, err = nobodysHash()
	}
	if err != nil {
		return ledger.Member{}, err
	}
	s.hashing <- struct{}{}
	fits, err := argon2id.ComparePasswordAndHash(password, hash)
	<-s.hashing
	switch {
	case err != nil:
		return ledger.Member{}, err
	case unknown, !fits:
		return ledger.Member{}, wrong
	}
	return m, nil
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request, _ visit) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
