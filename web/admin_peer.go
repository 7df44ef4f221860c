package web

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// Rows of a peer's page; lists go on behind links.
const (
	peerRows   = 20
	peerEvents = 50
)

// Evidence is a signed document that is kept, as an operator finds it: its proof is checked by flattrd evidence.
type Evidence struct {
	ID   string
	Sent bool // ours; else the peer's
	Kept time.Time
}

// peerPage is everything between this instance and another one.
type peerPage struct {
	ledger.PeerPosition
	Form      form
	Now       time.Time
	Ageing    ledger.Ageing
	Claims    []ledger.Claim
	Waiting   []ledger.Payment
	Finished  []ledger.Payment
	WriteOffs []ledger.WriteOff
	Disputes  []ledger.Dispute
	Keys      []ledger.PeerKey
	Events    []ledger.PeerEvent
	Evidence  []Evidence
	Standing  ledger.Standing
}

// For is what was typed into one of the page's forms and refused, or else an empty form; options fill it in.
func (p peerPage) For(name string, filling ...string) form {
	if p.Form.Values.Get("form") == name {
		return p.Form
	}
	return filled(filling...)
}

// Account is where the peer is paid.
func (p peerPage) Account() []string { return paytoLines(p.Payto) }

// Room is what may still be advanced.
func (p peerPage) Room() int64 { return max(0, p.Limit()-p.Advanced) }

// Proposed is the write-off that waits for a second operator; nil.
func (p peerPage) Proposed() *ledger.WriteOff {
	for i := range p.WriteOffs {
		if p.WriteOffs[i].State == "proposed" {
			return &p.WriteOffs[i]
		}
	}
	return nil
}

func (s *Site) peerPage(r *http.Request, host string, f form) (any, error) {
	p := peerPage{Form: f, Now: s.ledger.Now()}
	var err error
	if p.PeerPosition, err = s.ledger.PeerPosition(r.Context(), host); err != nil {
		return nil, err
	}
	for _, read := range []func() error{
		func() (err error) { p.Claims, err = s.ledger.ClaimsBefore(r.Context(), host, 0, peerRows); return },
		func() (err error) {
			p.Waiting, err = s.ledger.PaymentPage(r.Context(), ledger.PaymentFilter{Host: host, Open: true}, peerRows)
			return
		},
		func() (err error) {
			p.Finished, err = s.ledger.PaymentPage(r.Context(), ledger.PaymentFilter{Host: host}, peerRows)
			return
		},
		func() (err error) { p.WriteOffs, err = s.ledger.WriteOffs(r.Context(), host); return },
		func() (err error) { p.Disputes, err = s.ledger.Disputes(r.Context(), host); return },
		func() (err error) { p.Keys, err = s.ledger.PeerKeys(r.Context(), host); return },
		func() (err error) { p.Events, err = s.ledger.PeerEvents(r.Context(), host, peerEvents); return },
		func() (err error) { p.Standing, err = s.ledger.Standing(r.Context(), host); return },
		func() (err error) { p.Evidence, err = s.kept(r, p); return },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	ageings, err := s.ledger.Ageings(r.Context())
	p.Ageing = ageings[host]
	return p, err
}

// kept are the signed documents of the claims and payments that the page shows.
func (s *Site) kept(r *http.Request, p peerPage) ([]Evidence, error) {
	if s.evidence == nil {
		return nil, nil
	}
	var ids []string
	for _, c := range p.Claims {
		ids = append(ids, c.IRI)
	}
	for _, all := range [][]ledger.Payment{p.Waiting, p.Finished} {
		for _, y := range all {
			ids = append(ids, y.IRI)
		}
	}
	return s.evidence(r.Context(), ids)
}

func (s *Site) peer(w http.ResponseWriter, r *http.Request, v visit) error {
	host, err := url.PathUnescape(param(r, "host"))
	if err != nil {
		return ledger.ErrNotFound
	}
	p, err := s.peerPage(r, host, form{})
	if err != nil {
		return err
	}
	return s.show(w, r, v, "peer", p)
}

// peerStep is an operator's step with a peer, from a form on its page.
func (s *Site) peerStep(notice string, do func(r *http.Request, operator int64, host string) error) handler {
	return func(w http.ResponseWriter, r *http.Request, v visit) error {
		host := r.PostForm.Get("host")
		if err := do(r, v.member.ID, host); err != nil {
			return s.again(w, r, v, err, "peer", func(f form) (any, error) { return s.peerPage(r, host, f) })
		}
		return s.done(w, r, peerPath(host), notice)
	}
}

// peerPath is the address of a peer's page.
func peerPath(host string) string { return "/admin/peers/" + url.PathEscape(host) }

// peerRoutes are the forms of a peer's page.
func (s *Site) peerRoutes() []route {
	step := func(path, notice string, do func(f url.Values, r *http.Request, operator int64, host string) error) route {
		return post("/admin/peers/"+path, operator, pageFrame, s.peerStep(notice, func(r *http.Request, operator int64, host string) error {
			return do(r.PostForm, r, operator, host)
		}))
	}
	return []route{
		get("/admin/peers/{host}", operator, pageFrame, s.peer),
		step("key", "notice.key-confirmed", func(f url.Values, r *http.Request, operator int64, host string) error {
			return s.ledger.ConfirmPeerKey(r.Context(), operator, host, f.Get("key"))
		}),
		step("adopt", "notice.key-adopted", func(f url.Values, r *http.Request, operator int64, host string) error {
			return s.ledger.AdoptPeerKey(r.Context(), operator, host, f.Get("key"))
		}),
		step("keep", "notice.key-kept", func(f url.Values, r *http.Request, operator int64, host string) error {
			return s.ledger.KeepPeerKey(r.Context(), operator, host, f.Get("key"), f.Get("note"))
		}),
		step("limit", "notice.limit-set", func(f url.Values, r *http.Request, operator int64, host string) error {
			amount, err := ledger.ParseAmount("limit", f.Get("limit"))
			if err != nil {
				return err
			}
			return s.ledger.SetAdvanceLimit(r.Context(), operator, host, amount)
		}),
		step("freeze", "notice.frozen", func(f url.Values, r *http.Request, operator int64, host string) error {
			return s.ledger.FreezePeer(r.Context(), operator, host, f.Get("note"))
		}),
		step("unfreeze", "notice.unfrozen", func(f url.Values, r *http.Request, operator int64, host string) error {
			return s.ledger.UnfreezePeer(r.Context(), operator, host, f.Get("note"))
		}),
		step("release", "notice.released", func(f url.Values, r *http.Request, operator int64, host string) error {
			return s.ledger.ReleasePeer(r.Context(), operator, host, f.Get("note"))
		}),
		step("writeoff", "notice.writeoff-proposed", func(f url.Values, r *http.Request, operator int64, host string) error {
			_, err := s.ledger.ProposeWriteOff(r.Context(), operator, host, f.Get("reason"))
			return err
		}),
		step("writeoff/confirm", "notice.writeoff-confirmed", func(f url.Values, r *http.Request, operator int64, _ string) error {
			return s.ledger.ConfirmWriteOff(r.Context(), operator, number(f, "id"))
		}),
		step("writeoff/withdraw", "notice.writeoff-withdrawn", func(f url.Values, r *http.Request, operator int64, _ string) error {
			return s.ledger.WithdrawWriteOff(r.Context(), operator, number(f, "id"))
		}),
		step("dispute", "notice.dispute-opened", func(f url.Values, r *http.Request, operator int64, host string) error {
			_, err := s.ledger.OpenDispute(r.Context(), operator, host, f.Get("about"), f.Get("note"))
			return err
		}),
		step("dispute/note", "notice.dispute-noted", func(f url.Values, r *http.Request, operator int64, _ string) error {
			if outcome := f.Get("outcome"); outcome != "" {
				return s.ledger.CloseDispute(r.Context(), operator, number(f, "id"), outcome, f.Get("note"))
			}
			return s.ledger.NoteDispute(r.Context(), operator, number(f, "id"), f.Get("note"))
		}),
	}
}

// number is a row's number in a form; no row has 0.
func number(f url.Values, name string) int64 {
	n, err := strconv.ParseInt(f.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
