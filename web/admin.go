package web

import (
	"net/http"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

// admin shows what wants an operator's hand.
func (s *Site) admin(w http.ResponseWriter, r *http.Request, v visit) error {
	todo, err := s.ledger.Chores(r.Context())
	if err != nil {
		return err
	}
	return s.show(w, r, v, "admin", todo)
}

// bankCompared lets payouts and payments go on after a backup was put back.
func (s *Site) bankCompared(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := s.ledger.BankCompared(r.Context(), v.member.ID); err != nil {
		return err
	}
	return s.done(w, r, "/admin", "notice.bank-compared")
}

// id is the number in an operator's path.
func id(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(param(r, "id"), 10, 64)
	if err != nil {
		return 0, ledger.ErrNotFound
	}
	return n, nil
}

// step runs one operator's action on a row and shows the list again: the one that the form was on.
func (s *Site) step(w http.ResponseWriter, r *http.Request, to, notice string, do func(id int64) error) error {
	n, err := id(r)
	if err == nil {
		err = do(n)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.lastPage(r, to), notice)
}

// invitesPage lists the invitations that work and makes new ones.
type invitesPage struct {
	Form    form
	Invites []ledger.Invite
}

func (s *Site) invitesPage(r *http.Request, v visit, f form) (any, error) {
	all, err := s.ledger.Invites(r.Context(), v.member.ID)
	return invitesPage{f, all}, err
}

func (s *Site) invites(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.invitesPage(r, v, filled("uses", "1"))
	if err != nil {
		return err
	}
	return s.show(w, r, v, "invites", p)
}

func (s *Site) createInvite(w http.ResponseWriter, r *http.Request, v visit) error {
	uses, err := strconv.Atoi(r.PostForm.Get("uses"))
	if err != nil {
		uses = 0 // out of range: the ledger names the field
	}
	if _, err = s.ledger.CreateInvite(r.Context(), v.member.ID, r.PostForm.Get("note"), uses); err != nil {
		return s.again(w, r, v, err, "invites", func(f form) (any, error) { return s.invitesPage(r, v, f) })
	}
	return s.done(w, r, "/admin/invites", "notice.invite-made")
}

func (s *Site) adminMonths(w http.ResponseWriter, r *http.Request, v visit) error {
	var p monthsPage
	var err error
	if p.Months, err = s.ledger.Months(r.Context()); err != nil {
		return err
	}
	if p.Settlements, err = s.ledger.Settlements(r.Context()); err != nil {
		return err
	}
	return s.show(w, r, v, "adminmonths", p)
}

// monthsPage are all months, and what their settlements came to.
type monthsPage struct {
	Months      []ledger.Month
	Settlements []ledger.Settlement
}

// Running are the settlements that haven't ended.
func (p monthsPage) Running() (all []ledger.Settlement) {
	for _, s := range p.Settlements {
		if s.EndedAt == nil {
			all = append(all, s)
		}
	}
	return all
}

// Of is a month's settlement, nil if it has none or it hasn't ended.
func (p monthsPage) Of(period string) *ledger.Settlement {
	for _, s := range p.Settlements {
		if s.Period == period && s.EndedAt != nil {
			return &s
		}
	}
	return nil
}

// claimsPage is a part of all claims.
type claimsPage struct {
	Host   string // of the peer whose claims they are; "": all
	Claims []ledger.Claim
	Next   string // the next page; ""
}

func (s *Site) claims(w http.ResponseWriter, r *http.Request, v visit) error {
	p := claimsPage{Host: r.URL.Query().Get("peer")}
	found, err := s.ledger.ClaimsBefore(r.Context(), p.Host, after(r.URL.Query()), rowsPerPage+1)
	if err != nil {
		return err
	}
	var more bool
	if p.Claims, more = cut(found, rowsPerPage); more {
		p.Next = nextPage(r, p.Claims[rowsPerPage-1].ID)
	}
	return s.show(w, r, v, "claims", p)
}
