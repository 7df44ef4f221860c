package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/fedflattr/flattrd/ledger"
)

// guard is who may use a route.
type guard int

const (
	public   guard = iota + 1
	member         // strangers are sent to the login and come back
	operator       // for everyone else the page doesn't exist
)

// visit is who asks, and in which language they read.
type visit struct {
	member *ledger.Member // nil: a stranger
	lang   string
	frame  frame
}

// personal tells whether a frame's pages know a session. Embeds and assets don't: they are the same
// for everyone, set no cookie and may be kept by caches.
func (f frame) personal() bool { return f == pageFrame || f == popupFrame }

func (v visit) operator() bool { return v.member != nil && v.member.Operator() }

// handler answers one request; its error becomes a page.
type handler func(w http.ResponseWriter, r *http.Request, v visit) error

// maxForm bounds every form we take.
const maxForm = 64 << 10

// guarded makes a route's handler: visit, guard, then the handler, then its error as a page.
func (s *Site) guarded(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visitOf(r, rt.frame)
		if err == nil {
			err = s.pass(w, r, v, rt)
		}
		if err != nil {
			s.fail(w, r, v, err)
		}
	}
}

func (s *Site) pass(w http.ResponseWriter, r *http.Request, v visit, rt route) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil || !isText(r.Form) {
		return errBadForm
	}
	switch {
	case rt.guard != public && v.member == nil:
		http.Redirect(w, r, "/login?next="+url.QueryEscape(s.comeBack(r)), http.StatusSeeOther)
		return nil
	case rt.guard == operator && !v.operator():
		return ledger.ErrNotFound
	}
	return rt.handle(w, r, v)
}

// comeBack is where a login leads: the same page if it can be read, else the member's own.
func (s *Site) comeBack(r *http.Request) string {
	if r.Method == http.MethodGet || s.readable(r.URL.Path) {
		return r.URL.RequestURI()
	}
	return "/home"
}

// readable tells whether a path can be asked for with GET.
func (s *Site) readable(path string) bool {
	return s.router.Match(chi.NewRouteContext(), http.MethodGet, path)
}

// lastPage is where a form that stands on every page leads back to: the page it was on. A refused form is
// shown at a path that may only be posted to; then the page above it that can be read, with the query
// that says what it is about.
func (s *Site) lastPage(r *http.Request, fallback string) string {
	if back := s.pageAt(r.PostForm.Get("back")); back != "" {
		return back
	}
	return fallback
}

// cameFrom is the page of ours that a form was on, as the browser says (Referer); "" when it doesn't say,
// when that was elsewhere, or when it is the first page, to which every error page links.
func (s *Site) cameFrom(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if r.Method != http.MethodPost || err != nil || !sameOrigin(r.Referer(), s.ledger.Instance().BaseURL) {
		return ""
	}
	if back := s.pageAt(u.RequestURI()); back != "/" {
		return back
	}
	return ""
}

// pageAt is a path of ours, or the nearest above it that can be read; "" when it leads elsewhere.
func (s *Site) pageAt(path string) string {
	u, err := url.Parse(ownPath(path))
	if err != nil || u.Path == "" {
		return ""
	}
	for !s.readable(u.EscapedPath()) {
		cut := strings.LastIndexByte(u.Path, '/')
		if cut <= 0 {
			return "/"
		}
		u.Path, u.RawPath = u.Path[:cut], ""
	}
	return ownPath(u.RequestURI())
}

// ownPath returns a path of this site as it was given, or "" for anything that leads elsewhere:
// other hosts, other schemes, and what browsers read as those ("//", "/\").
func ownPath(next string) string {
	u, err := url.Parse(next)
	switch {
	case err != nil, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "":
		return ""
	case !strings.HasPrefix(next, "/"), strings.HasPrefix(next, "//"), strings.Contains(next, `\`):
		return ""
	case strings.HasPrefix(u.Path, "//"), strings.Contains(u.Path, `\`):
		return ""
	}
	for _, c := range u.Path {
		if c < ' ' || c == 0x7f {
			return ""
		}
	}
	return u.RequestURI()
}

// hostChecked answers only for the configured host: no link, cookie or cache entry may come to be
// under another name.
func (s *Site) hostChecked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Host, s.ledger.Instance().Host) {
			http.Error(w, "421 this host isn't served here", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// textChecked refuses addresses that no database text can hold: a NUL, or what isn't UTF-8.
func (s *Site) textChecked(next http.Handler) http.Handler {
	refused := s.serve(s.failing(errBadForm))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !storable(r.URL.Path) || !isText(r.URL.Query()) {
			refused(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// isText tells whether a form's or query's names and values can all be stored as text.
func isText(values url.Values) bool {
	for name, all := range values {
		if !storable(name) || slices.ContainsFunc(all, func(s string) bool { return !storable(s) }) {
			return false
		}
	}
	return true
}

func param(r *http.Request, name string) string { return chi.URLParam(r, name) }
