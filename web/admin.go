package web

import (
	"net/http"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

// adminPage is what wants an operator's hand.
type adminPage struct {
	Withdrawals int // asked for
	Ordered     int // payments whose bank order isn't placed yet
	Announced   int // payments that should have arrived
	Unmet       int // peers whose key nobody compared
	Frozen      int
}

// Nothing tells whether all is done.
func (p adminPage) Nothing() bool { return p == adminPage{} }

func (s *Site) admin(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.chores(r)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "admin", p)
}

func (s *Site) chores(r *http.Request) (p adminPage, err error) {
	withdrawals, err := s.ledger.Withdrawals(r.Context())
	if err != nil {
		return p, err
	}
	payments, err := s.ledger.Payments(r.Context())
	if err != nil {
		return p, err
	}
	peers, err := s.ledger.PeerPositions(r.Context())
	for _, w := range withdrawals {
		p.Withdrawals += count(w.State == "requested")
	}
	for _, y := range payments {
		p.Ordered += count(y.State == "ordered")
		p.Announced += count(y.State == "announced")
	}
	for _, peer := range peers {
		p.Unmet += count(peer.KeyConfirmedAt == nil && peer.AccountingKey != "")
		p.Frozen += count(peer.FrozenAt != nil)
	}
	return p, err
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// id is the number in an operator's path.
func id(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(param(r, "id"), 10, 64)
	if err != nil {
		return 0, ledger.ErrNotFound
	}
	return n, nil
}

// step runs one operator's action on a row and shows the list again.
func (s *Site) step(w http.ResponseWriter, r *http.Request, to, notice string, do func(id int64) error) error {
	n, err := id(r)
	if err == nil {
		err = do(n)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, to, notice)
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
	all, err := s.ledger.Months(r.Context())
	if err != nil {
		return err
	}
	return s.show(w, r, v, "adminmonths", all)
}

func (s *Site) claims(w http.ResponseWriter, r *http.Request, v visit) error {
	all, err := s.ledger.Claims(r.Context())
	if err != nil {
		return err
	}
	return s.show(w, r, v, "claims", all)
}
