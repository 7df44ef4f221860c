package web

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// homeField has one name on all instances: a browser that remembers what was typed there once
// suggests it everywhere.
const homeField = "flattr-address"

const (
	homeCookie = "fl_home"
	homeKept   = 400 * 24 * time.Hour // browsers keep no cookie longer
)

// thingPage is a thing, and the popup's first page: it asks where the visitor's home is.
type thingPage struct {
	Form   form
	Button ledger.Button
	Owner  string // handle
	Gone   bool
	Home   string // the host that couldn't be used, if one was named
}

// readButton reads the path's button; gone tells that it takes no flattrs any more.
func (s *Site) readButton(r *http.Request) (b ledger.Button, gone bool, err error) {
	if b, err = s.ledger.Button(r.Context(), param(r, "id")); err != nil {
		return b, false, err
	}
	owner, err := s.ledger.Member(r.Context(), b.Owner)
	return b, b.RemovedAt != nil || owner.DeletedAt != nil, err
}

// thing shows a thing. Whoever is logged in here, or whose home is known, needn't be asked and goes
// straight on to their home's own question, unless ?ask wants the page itself.
func (s *Site) thing(w http.ResponseWriter, r *http.Request, v visit) error {
	b, gone, err := s.readButton(r)
	if err != nil {
		return err
	}
	home := s.cookie(r, homeCookie)
	switch {
	case gone:
		return s.askHome(w, r, v, http.StatusGone, thingPage{Button: b, Gone: true})
	case r.URL.Query().Has("ask"):
		return s.askHome(w, r, v, http.StatusOK, thingPage{Button: b, Form: filled(homeField, home)})
	case v.member != nil:
		http.Redirect(w, r, s.ownIntent(b), http.StatusSeeOther)
		return nil
	case home != "":
		return s.sendHome(w, r, v, b, filled(homeField, home))
	}
	return s.askHome(w, r, v, http.StatusOK, thingPage{Button: b})
}

func (s *Site) askHome(w http.ResponseWriter, r *http.Request, v visit, status int, p thingPage) error {
	p.Owner = handleOf(s.ledger.Instance().MemberIRI(p.Button.OwnerName))
	return s.render(w, r, v, status, "thing", p)
}

// goHome takes the visitor's answer, remembers it if they wish, and sends them there.
func (s *Site) goHome(w http.ResponseWriter, r *http.Request, v visit) error {
	b, gone, err := s.readButton(r)
	if err != nil {
		return err
	}
	if gone {
		return s.askHome(w, r, v, http.StatusGone, thingPage{Button: b, Gone: true})
	}
	return s.sendHome(w, r, v, b, form{Values: r.PostForm})
}

// sendHome redirects to the home's intent. What goes wrong on the way is shown at the field, which
// keeps what was typed.
func (s *Site) sendHome(w http.ResponseWriter, r *http.Request, v visit, b ledger.Button, f form) error {
	to, host, err := s.findIntent(w, r, f.Values.Get(homeField), b)
	if err != nil {
		fault, ok := homeFault(err)
		if !ok {
			return err
		}
		f.Errors = map[string]ledger.FieldError{homeField: fault}
		return s.askHome(w, r, v, http.StatusUnprocessableEntity, thingPage{Button: b, Form: f, Home: host})
	}
	if f.Values.Get("remember") == "yes" {
		s.setCookie(w, homeCookie, host, homeKept)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// homeFault says what is wrong with a home, at the field.
func homeFault(err error) (ledger.FieldError, bool) {
	var field *ledger.FieldError
	switch {
	case errors.As(err, &field):
		return *field, true
	case errors.Is(err, ErrUnknownHandle):
		return ledger.FieldError{Field: homeField, Rule: "unknown-handle"}, true
	case errors.Is(err, ErrNoFlattr):
		return ledger.FieldError{Field: homeField, Rule: "no-flattr"}, true
	case errors.Is(err, ErrUnreachable):
		return ledger.FieldError{Field: homeField, Rule: "unreachable"}, true
	}
	return ledger.FieldError{}, false
}

// findIntent asks the home that was typed for its intent and fills it in.
func (s *Site) findIntent(w http.ResponseWriter, r *http.Request, typed string, b ledger.Button) (to, host string, err error) {
	address, host, err := s.parseHome(typed)
	if err != nil {
		return "", "", err
	}
	if host == s.ledger.Instance().Host {
		return s.ownIntent(b), host, nil
	}
	if s.limits.find.OnLimit(w, r, s.clientIP(r)) {
		return "", host, errTooMany
	}
	template, home, err := s.resolver.FindHome(r.Context(), address)
	if errors.Is(err, ErrUnknownHandle) && address == host {
		err = ErrNoFlattr // a host that doesn't know its own address is an ordinary website
	}
	if err != nil {
		return "", host, err
	}
	to = fillIntent(template, s.ledger.Instance().ButtonIRI(b.ID), s.thingURL(b, "/done"), s.thingURL(b, "/cancelled"))
	if !s.webLink(to) || !sameSite(to, home) || !sameSite("https://"+home, host) {
		return "", host, ErrNoFlattr
	}
	return to, home, nil
}

func (s *Site) thingURL(b ledger.Button, page string) string {
	return s.ledger.Instance().BaseURL + "/f/" + b.ID + page
}

// ownIntent is this instance's own intent, for its own members.
func (s *Site) ownIntent(b ledger.Button) string {
	return "/intents/flattr?object=" + url.QueryEscape(s.ledger.Instance().ButtonIRI(b.ID)) +
		"&on-success=" + url.QueryEscape(s.thingURL(b, "/done")) +
		"&on-cancel=" + url.QueryEscape(s.thingURL(b, "/cancelled"))
}

// donePage thanks, and tells the page that opened the popup.
type donePage struct {
	Button ledger.Button
	Owner  string
	State  string // flattred | pending | held | kept | cancelled
	Origin string // the only page that may hear of it
}

// doneStates are what a home may say of the click; anything else is read as done.
var doneStates = map[string]bool{"flattred": true, "pending": true, "held": true, "kept": true}

func (s *Site) flattrDone(w http.ResponseWriter, r *http.Request, v visit) error {
	state := r.URL.Query().Get("s")
	if !doneStates[state] {
		state = "flattred"
	}
	return s.showDone(w, r, v, state)
}

func (s *Site) flattrCancelled(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.showDone(w, r, v, "cancelled")
}

func (s *Site) showDone(w http.ResponseWriter, r *http.Request, v visit, state string) error {
	b, err := s.ledger.Button(r.Context(), param(r, "id"))
	if err != nil {
		return err
	}
	return s.show(w, r, v, "done", donePage{Button: b, State: state, Origin: origin(b.URL),
		Owner: handleOf(s.ledger.Instance().MemberIRI(b.OwnerName))})
}
