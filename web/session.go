package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"

	"github.com/fedflattr/flattrd/ledger"
)

const (
	sessionLife   = 30 * 24 * time.Hour
	sessionMember = "member"
	sessionEpoch  = "epoch"
	sessionNotice = "notice"
	sessionCookie = "flattr"
	langCookie    = "lang"
)

// newSessions keeps sessions in PostgreSQL under the hash of their token, so that a copy of the
// database opens no account. Expired rows are removed at each login, not by a goroutine.
func (s *Site) newSessions() *scs.SessionManager {
	m := scs.New()
	m.Store = pgxstore.NewWithCleanupInterval(s.pool, 0)
	m.HashTokenInStore = true
	m.Lifetime = sessionLife
	m.Cookie.Name, m.Cookie.Secure = s.cookieName(sessionCookie), s.secureCookies()
	// Lax, not Strict: a Strict cookie is withheld when the popup is redirected here from another
	// instance, and the member would look logged out.
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		s.fail(w, r, visit{lang: s.preferred(r)}, err)
	}
	return m
}

// secureCookies: browsers treat hosts below .localhost as secure even over http.
func (s *Site) secureCookies() bool {
	return s.https() || localhost(hostname(s.ledger.Instance().Host))
}

// cookieName puts the prefix in front that binds a cookie to this very host.
func (s *Site) cookieName(name string) string {
	if s.secureCookies() {
		return "__Host-" + name
	}
	return name
}

func (s *Site) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(name), Value: value, Path: "/",
		MaxAge: int(age.Seconds()), HttpOnly: true, Secure: s.secureCookies(), SameSite: http.SameSiteLaxMode})
}

func (s *Site) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// visitOf reads who asks. A session ends when its member is deleted or began a new epoch.
func (s *Site) visitOf(r *http.Request, f frame) (visit, error) {
	v := visit{lang: s.preferred(r), frame: f}
	if !f.personal() {
		return v, nil
	}
	m, err := s.sessionMember(r.Context())
	if m != nil {
		v.member, v.lang = m, m.Language
	}
	return v, err
}

func (s *Site) sessionMember(ctx context.Context) (*ledger.Member, error) {
	id := s.sessions.GetInt64(ctx, sessionMember)
	if id == 0 {
		return nil, nil
	}
	m, err := s.ledger.Member(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound), err == nil && s.ended(ctx, m):
		return nil, s.sessions.Destroy(ctx)
	case err != nil:
		return nil, err
	}
	return &m, nil
}

func (s *Site) ended(ctx context.Context, m ledger.Member) bool {
	return m.DeletedAt != nil || s.sessions.GetInt32(ctx, sessionEpoch) != m.Epoch
}

// logIn begins a member's session under a new token, so that a token planted before is worth nothing.
func (s *Site) logIn(ctx context.Context, m ledger.Member) error {
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, sessionMember, m.ID)
	s.sessions.Put(ctx, sessionEpoch, m.Epoch)
	_, err := s.pool.Exec(ctx, `delete from sessions where expiry < $1`, time.Now())
	return err
}

// notice leaves one line for the next page: a message key.
func (s *Site) notice(r *http.Request, key string) { s.sessions.Put(r.Context(), sessionNotice, key) }

// done ends a form: a notice, and the page where it shows.
func (s *Site) done(w http.ResponseWriter, r *http.Request, to, notice string) error {
	s.notice(r, notice)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
