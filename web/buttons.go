package web

import (
	"net/http"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// buttonsPage lists a member's buttons and makes new ones.
type buttonsPage struct {
	Form    form
	Buttons []ledger.Button
}

func (s *Site) buttonsPage(r *http.Request, v visit, f form) (any, error) {
	all, err := s.ledger.Buttons(r.Context(), v.member.ID)
	return buttonsPage{f, all}, err
}

func (s *Site) buttons(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.buttonsPage(r, v, filled("url", r.URL.Query().Get("url"), "title", r.URL.Query().Get("title")))
	if err != nil {
		return err
	}
	return s.show(w, r, v, "buttons", p)
}

func (s *Site) createButton(w http.ResponseWriter, r *http.Request, v visit) error {
	b, err := s.newButton(r, v.member.ID)
	if err != nil {
		return s.again(w, r, v, err, "buttons", func(f form) (any, error) { return s.buttonsPage(r, v, f) })
	}
	return s.done(w, r, "/buttons/"+b.ID+"/snippet", "notice.button-made")
}

func (s *Site) newButton(r *http.Request, owner int64) (ledger.Button, error) {
	f := r.PostForm
	url, err := canonicalURL(f.Get("url"))
	if err != nil {
		return ledger.Button{}, err
	}
	if !ledger.Legible(strings.TrimSpace(f.Get("title"))) {
		return ledger.Button{}, &ledger.FieldError{Field: "title", Rule: "form"}
	}
	return s.ledger.CreateButton(r.Context(), owner,
		ledger.NewButton{URL: url, Title: f.Get("title"), Summary: f.Get("summary")})
}

// snippetPage is what the owner pastes.
type snippetPage struct {
	Button ledger.Button
	Href   string // the thing's page here
	Script string
	Badge  string

	Waiting int64 // flattrs that wait for the page to name the button
}

// ownButton reads a button for its owner; another's is not found.
func (s *Site) ownButton(r *http.Request, v visit) (ledger.Button, error) {
	b, err := s.ledger.Button(r.Context(), param(r, "id"))
	if err == nil && b.Owner != v.member.ID {
		return ledger.Button{}, ledger.ErrNotFound
	}
	return b, err
}

func (s *Site) snippet(w http.ResponseWriter, r *http.Request, v visit) error {
	b, err := s.ownButton(r, v)
	if err != nil {
		return err
	}
	waiting, err := s.ledger.WaitingForURL(r.Context(), b.URL)
	if err != nil {
		return err
	}
	base := s.ledger.Instance().BaseURL
	return s.show(w, r, v, "snippet", snippetPage{Button: b, Waiting: waiting, Href: base + "/f/" + b.ID,
		Script: base + "/embed/v1.js", Badge: base + "/f/" + b.ID + ".svg"})
}

func (s *Site) removeButton(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := s.ledger.RemoveButton(r.Context(), v.member.ID, param(r, "id")); err != nil {
		return err
	}
	return s.done(w, r, "/buttons", "notice.button-removed")
}
