package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// Faults that arise in the site itself.
var (
	errBadForm = errors.New("form can't be read")
	errTooMany = errors.New("too many requests")
	errForeign = errors.New("sent from another site")
	errMethod  = errors.New("method not allowed")
	errBusy    = errors.New("what is needed is held by somebody else")
)

// errorPages says how each sentinel is shown: error.<key>.title and error.<key>.text.
// The first that fits is taken; what isn't listed is a fault of ours and says nothing of itself.
var errorPages = []struct {
	err    error
	status int
	key    string
}{
	{ledger.ErrNotFound, http.StatusNotFound, "notfound"},
	{ledger.ErrConflict, http.StatusConflict, "conflict"},
	{ledger.ErrClosed, http.StatusConflict, "closed"},
	{ledger.ErrFunds, http.StatusUnprocessableEntity, "funds"},
	{ledger.ErrRefused, http.StatusUnprocessableEntity, "refused"},
	{errBadForm, http.StatusBadRequest, "badform"},
	{errTooMany, http.StatusTooManyRequests, "toomany"},
	{errForeign, http.StatusForbidden, "foreign"},
	{errMethod, http.StatusMethodNotAllowed, "notfound"},
	{ErrUnreachable, http.StatusBadGateway, "unreachable"},
	{errBusy, http.StatusServiceUnavailable, "busy"},
}

// errorPage is what the template shows.
type errorPage struct {
	Status int
	Key    string
	Rule   *ledger.FieldError // says more than the page's own text
	Back   string             // the page that the form was on; "" when it isn't known
}

// fail writes an error as a page, and for embeds and assets as a plain line.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, v visit, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to read it
	}
	if ledger.Waited(err) {
		s.log.WarnContext(r.Context(), "page waited", "method", r.Method, "path", r.URL.Path, "error", err)
		err = errBusy
	}
	p := pageOf(err)
	if p.Status == http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "page failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if v.frame.personal() {
		p.Back = s.cameFrom(r)
		err = s.render(w, r, v, p.Status, "error", p)
		if err == nil {
			return
		}
		s.log.ErrorContext(r.Context(), "error page failed", "error", err)
	}
	http.Error(w, http.StatusText(p.Status), p.Status)
}

func pageOf(err error) errorPage {
	p := errorPage{Status: http.StatusInternalServerError, Key: "internal"}
	for _, e := range errorPages {
		if errors.Is(err, e.err) {
			p = errorPage{Status: e.status, Key: e.key}
			break
		}
	}
	errors.As(err, &p.Rule)
	return p
}

// plain answers with an error before any session is read.
func (s *Site) plain(err error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.secure(pageFrame, w.Header())
		s.fail(w, r, visit{}, err)
	}
}
