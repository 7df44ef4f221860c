package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// keepPage asks whether to keep a click on something that nobody can be paid for yet.
type keepPage struct {
	Ask     ask
	Thing   ledger.UnclaimedThing
	Already *ledger.UnclaimedFlattr // it waits already
	Months  int32                   // for so long
	Success string                  // where the way back may lead; ""
}

// unclaimed is what waits instead of a thing, if that is why it wasn't found.
func unclaimed(err error) (ledger.UnclaimedThing, bool) {
	var u *ledger.UnclaimedError
	if !errors.As(err, &u) {
		return ledger.UnclaimedThing{}, false
	}
	return u.Thing, true
}

// askKeep shows what is known of it, and that no money goes with it.
func (s *Site) askKeep(w http.ResponseWriter, r *http.Request, v visit, u ledger.UnclaimedThing) error {
	p := keepPage{Ask: askOf(r), Thing: u, Months: s.ledger.Instance().UnclaimedMonths}
	p.Ask.Object = u.IRI
	known, err := s.ledger.UnclaimedByIRI(r.Context(), u.IRI)
	if err == nil {
		var f ledger.UnclaimedFlattr
		if f, err = s.ledger.MyUnclaimedOn(r.Context(), v.member.ID, known.ID); err == nil {
			p.Already = &f
		}
	}
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	return s.show(w, r, v, "keep", p)
}

// keep keeps the click. What was found is stored only now: looking changes nothing.
func (s *Site) keep(w http.ResponseWriter, r *http.Request, v visit, u ledger.UnclaimedThing) error {
	thing := ledger.Thing{Title: u.Title, URL: u.URL}
	u, err := s.ledger.SaveUnclaimed(r.Context(), u)
	if err != nil {
		return err
	}
	f, _, err := s.ledger.FlattrUnclaimed(r.Context(), v.member.ID, u.ID)
	if err != nil {
		return s.again(w, r, v, err, "refused", func(f form) (any, error) {
			return refusedPage{Thing: thing, Fault: f.Errors["thing"]}, nil
		})
	}
	p := keptPage{Thing: thing, State: f.State, Until: &f.ExpiresAt}
	if success := askOf(r).Success; s.webLink(success) {
		p.Foreign = success
	}
	return s.show(w, r, v, "kept", p)
}

// lookNow has the page of an own button looked at for what waits.
func (s *Site) lookNow(w http.ResponseWriter, r *http.Request, v visit) error {
	id := param(r, "id")
	if err := s.ledger.LookForButton(r.Context(), v.member.ID, id); err != nil {
		return err
	}
	return s.done(w, r, "/buttons/"+id+"/snippet", "notice.looked")
}

// waitingPage tells anybody what waits for an author or a site: clicks, and never an amount.
type waitingPage struct {
	Form   form
	Asked  bool
	Things []ledger.WaitingThing
	All    int64 // flattrs, also of things that aren't listed
}

func (s *Site) waiting(w http.ResponseWriter, r *http.Request, v visit) error {
	q := r.URL.Query()
	p := waitingPage{Form: form{Values: q}, Asked: q.Has("q")}
	if !p.Asked {
		return s.show(w, r, v, "waiting", p)
	}
	author, err := s.authorOf(q.Get("q"))
	var fault *ledger.FieldError
	if errors.As(err, &fault) {
		p.Asked, p.Form.Errors = false, map[string]ledger.FieldError{"q": *fault}
		return s.render(w, r, v, http.StatusUnprocessableEntity, "waiting", p)
	}
	if p.Things, p.All, err = s.ledger.WhatWaits(r.Context(), author); err != nil {
		return err
	}
	return s.show(w, r, v, "waiting", p)
}

// authorOf reads @name@host, name@host, a host, or the address of a page, a post or a profile. FieldError "q": required,
// form.
func (s *Site) authorOf(typed string) (a ledger.UnclaimedBy, err error) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return a, &ledger.FieldError{Field: "q", Rule: "required"}
	}
	if strings.Contains(typed, "://") {
		if a.IRI, err = canonicalURL(typed); err != nil {
			return a, &ledger.FieldError{Field: "q", Rule: "form"}
		}
	}
	name, host, ok := splitHome(typed)
	if ok {
		host, ok = s.cleanHost(host)
	}
	switch {
	case ok && name == "":
		a.Site = host
	case ok && handleName.MatchString(name):
		a.Handle = strings.ToLower(name) + "@" + host
	case a.IRI == "":
		return a, &ledger.FieldError{Field: "q", Rule: "form"}
	}
	return a, nil
}
