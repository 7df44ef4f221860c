package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

const (
	openPerPeer  = 10 // payments of one peer on the first page, so that none hides another's
	latestShown  = 20 // finished payments on the first page
	rowsPerPage  = 50 // of a list that goes on
	directionOut = "out"
	directionIn  = "in"
)

// paymentsPage is the money between instances: what can be paid, is on its way, should arrive.
type paymentsPage struct {
	Form      form
	Owed      []ledger.PeerPosition
	Outgoing  paymentsSide
	Incoming  paymentsSide
	BankFirst bool // nothing is paid before the books are compared with the bank
}

// paymentsSide are the payments of one direction.
type paymentsSide struct {
	Direction string
	Open      []openGroup
	Finished  []paymentCard // the latest
	More      bool          // there are older ones
}

// openGroup is what waits with one peer.
type openGroup struct {
	ledger.OpenPayments
	Cards []paymentCard
}

// paymentCard is a payment with what must be known before acting on it.
type paymentCard struct {
	ledger.Payment
	With ledger.PeerPosition
	Form *form  // what was said of it and refused
	Back string // the list that it is on; "" for the first page
}

// Account is where the peer is paid.
func (c paymentCard) Account() []string { return paytoLines(c.With.Payto) }

// deck makes cards of payments.
type deck map[string]ledger.PeerPosition // by host

func (d deck) cards(payments []ledger.Payment, back string) []paymentCard {
	all := make([]paymentCard, len(payments))
	for i, y := range payments {
		all[i] = paymentCard{Payment: y, With: d[y.Host], Back: back}
	}
	return all
}

func (s *Site) deck(r *http.Request) (deck, []ledger.PeerPosition, error) {
	peers, err := s.ledger.PeerPositions(r.Context())
	d := make(deck, len(peers))
	for _, p := range peers {
		d[p.Host] = p
	}
	return d, peers, err
}

func (s *Site) paymentsPage(r *http.Request, f form) (any, error) {
	p := paymentsPage{Form: f, Outgoing: paymentsSide{Direction: directionOut}, Incoming: paymentsSide{Direction: directionIn}}
	d, peers, err := s.deck(r)
	if err != nil {
		return nil, err
	}
	for _, peer := range peers {
		if peer.Payable > 0 {
			p.Owed = append(p.Owed, peer)
		}
	}
	if p.BankFirst, err = s.ledger.BankFirst(r.Context()); err != nil {
		return nil, err
	}
	waiting, err := s.ledger.OpenPayments(r.Context(), openPerPeer)
	for _, side := range []*paymentsSide{&p.Outgoing, &p.Incoming} {
		if err == nil {
			err = s.fillSide(r, side, waiting, d)
		}
	}
	return p, err
}

func (s *Site) fillSide(r *http.Request, side *paymentsSide, waiting []ledger.OpenPayments, d deck) error {
	for _, o := range waiting {
		if o.Direction == side.Direction {
			side.Open = append(side.Open, openGroup{o, d.cards(o.Payments, "")})
		}
	}
	done, err := s.ledger.PaymentPage(r.Context(), ledger.PaymentFilter{Direction: side.Direction}, latestShown+1)
	done, side.More = cut(done, latestShown)
	side.Finished = d.cards(done, "")
	return err
}

// cut takes a page from a list that was asked for one more than a page holds; more tells that it goes on.
func cut[T any](all []T, most int) (page []T, more bool) {
	if len(all) > most {
		return all[:most], true
	}
	return all, false
}

func (s *Site) payments(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.paymentsPage(r, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "payments", p)
}

// paymentListPage is a part of all payments.
type paymentListPage struct {
	Filter ledger.PaymentFilter
	Cards  []paymentCard
	Next   string // the list's next page; ""
}

// paymentList pages through the payments of a peer, of a direction, or all of them.
func (s *Site) paymentList(w http.ResponseWriter, r *http.Request, v visit) error {
	q := r.URL.Query()
	p := paymentListPage{Filter: ledger.PaymentFilter{Host: q.Get("peer"), Direction: q.Get("direction"),
		Open: q.Get("state") == "open", After: after(q)}}
	d, _, err := s.deck(r)
	if err != nil {
		return err
	}
	found, err := s.ledger.PaymentPage(r.Context(), p.Filter, rowsPerPage+1)
	if err != nil {
		return err
	}
	found, more := cut(found, rowsPerPage)
	if p.Cards = d.cards(found, r.URL.RequestURI()); more {
		p.Next = nextPage(r, found[len(found)-1].ID)
	}
	return s.show(w, r, v, "paymentlist", p)
}

// after is the row that a page begins behind; 0: it is the first.
func after(q url.Values) int64 {
	n, err := strconv.ParseInt(q.Get("after"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// nextPage is the address of the page behind a row.
func nextPage(r *http.Request, last int64) string {
	q := r.URL.Query()
	q.Set("after", strconv.FormatInt(last, 10))
	return r.URL.EscapedPath() + "?" + q.Encode()
}

// preparePayment commits the bank reference before any order is placed, so that no crash in between
// pays twice.
func (s *Site) preparePayment(w http.ResponseWriter, r *http.Request, v visit) error {
	if _, err := s.ledger.PreparePayment(r.Context(), v.member.ID, r.PostForm.Get("host")); err != nil {
		return s.again(w, r, v, err, "payments", func(f form) (any, error) { return s.paymentsPage(r, f) })
	}
	return s.done(w, r, "/admin/payments", "notice.payment-prepared")
}

func (s *Site) paymentSent(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/payments", "notice.payment-sent", func(id int64) error {
		return s.ledger.PaymentSent(r.Context(), v.member.ID, id)
	})
}

func (s *Site) cancelPayment(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/payments", "notice.payment-cancelled", func(id int64) error {
		return s.ledger.PaymentCancelled(r.Context(), v.member.ID, id)
	})
}

func (s *Site) paymentReceived(w http.ResponseWriter, r *http.Request, v visit) error {
	n, err := id(r)
	if err != nil {
		return err
	}
	amount, err := ledger.ParseAmount("received", r.PostForm.Get("received"))
	if err == nil {
		err = s.ledger.ConfirmPayment(r.Context(), v.member.ID, n, amount)
	}
	if err != nil {
		return s.again(w, r, v, err, "paymentlist", func(f form) (any, error) { return s.onePayment(r, n, f) })
	}
	return s.done(w, r, s.lastPage(r, "/admin/payments"), "notice.payment-received")
}

// onePayment is the list of the one payment whose form was refused, wherever it stood.
func (s *Site) onePayment(r *http.Request, id int64, f form) (any, error) {
	y, err := s.ledger.Payment(r.Context(), id)
	if err != nil {
		return nil, err
	}
	d, _, err := s.deck(r)
	cards := d.cards([]ledger.Payment{y}, ownPath(r.PostForm.Get("back")))
	cards[0].Form = &f
	return paymentListPage{Filter: ledger.PaymentFilter{Host: y.Host, Direction: y.Direction, Open: true}, Cards: cards}, err
}

func (s *Site) paymentNotReceived(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.step(w, r, "/admin/payments", "notice.payment-missing", func(id int64) error {
		return s.ledger.PaymentNotReceived(r.Context(), v.member.ID, id)
	})
}
