package web

import (
	"net/http"
	"net/url"

	"github.com/fedflattr/flattrd/ledger"
)

// profilePage is what everyone may know of a member.
type profilePage struct {
	Who       ledger.Member
	Handle    string
	Buttons   []ledger.Button
	Followers int64
}

func (s *Site) profile(w http.ResponseWriter, r *http.Request, v visit) error {
	m, err := s.ledger.MemberByName(r.Context(), param(r, "name"))
	if err != nil {
		return err
	}
	if m.DeletedAt != nil {
		return ledger.ErrNotFound
	}
	p := profilePage{Who: m, Handle: handleOf(s.ledger.Instance().MemberIRI(m.Name))}
	if p.Buttons, err = s.ledger.Buttons(r.Context(), m.ID); err != nil {
		return err
	}
	if p.Followers, err = s.ledger.Followers(r.Context(), m.ID); err != nil {
		return err
	}
	return s.show(w, r, v, "profile", p)
}

// byOwnerURL finds the button that ?url= names among a member's: a link that needs no id.
func (s *Site) byOwnerURL(r *http.Request) (ledger.Button, error) {
	canonical, err := canonicalURL(r.URL.Query().Get("url"))
	if err != nil {
		return ledger.Button{}, err
	}
	return s.ledger.ButtonByURL(r.Context(), param(r, "name"), canonical)
}

// noButtonPage is for a link whose page has no button: its owner may make one at once.
type noButtonPage struct {
	Owner, URL, Title string
	Own               bool
}

func (s *Site) byURL(w http.ResponseWriter, r *http.Request, v visit) error {
	b, err := s.byOwnerURL(r)
	switch {
	case err == nil:
		http.Redirect(w, r, "/f/"+url.PathEscape(b.ID), http.StatusSeeOther)
		return nil
	case pageOf(err).Status != http.StatusNotFound:
		return err
	}
	owner, err := s.ledger.MemberByName(r.Context(), param(r, "name"))
	if err != nil {
		return err
	}
	q := r.URL.Query()
	return s.render(w, r, v, http.StatusNotFound, "nobutton", noButtonPage{Owner: owner.DisplayName,
		URL: q.Get("url"), Title: q.Get("title"), Own: v.member != nil && v.member.ID == owner.ID})
}
