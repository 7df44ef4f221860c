package web

import (
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// peersPage is what is owed both ways, and each peer's key.
type peersPage struct {
	Form    form
	Host    string // the peer whose form was refused
	Own     string // our accounting key's fingerprint; "" when it isn't known here
	Peers   []ledger.PeerPosition
	Ageings map[string]ledger.Ageing // by host
}

func (s *Site) peersPage(r *http.Request, f form) (any, error) {
	p := peersPage{Form: f, Host: f.Values.Get("host")}
	var err error
	if s.ownFingerprint != nil {
		if p.Own, err = s.ownFingerprint(r.Context()); err != nil {
			return nil, err
		}
	}
	if p.Peers, err = s.ledger.PeerPositions(r.Context()); err != nil {
		return nil, err
	}
	p.Ageings, err = s.ledger.Ageings(r.Context())
	return p, err
}

func (s *Site) peers(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.peersPage(r, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "peers", p)
}

func (s *Site) setThreshold(w http.ResponseWriter, r *http.Request, v visit) error {
	amount, err := ledger.ParseAmount("threshold", r.PostForm.Get("threshold"))
	if err == nil {
		err = s.ledger.SetThreshold(r.Context(), v.member.ID, r.PostForm.Get("host"), amount)
	}
	if err != nil {
		return s.again(w, r, v, err, "peers", func(f form) (any, error) { return s.peersPage(r, f) })
	}
	return s.done(w, r, s.lastPage(r, "/admin/peers"), "notice.threshold-set")
}
