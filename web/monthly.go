package web

import (
	"net/http"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

// monthly adds what repeats, and what could.
func (s *Site) monthly(r *http.Request, v visit, p *monthPage) (err error) {
	if p.Monthly, err = s.ledger.Subscriptions(r.Context(), v.member.ID); err != nil {
		return err
	}
	repeats := map[int64]bool{}
	for _, m := range p.Monthly {
		repeats[m.Thing] = true
	}
	for _, line := range p.Lines {
		if line.State != ledger.Undone && line.State != ledger.Rejected && !repeats[line.Thing] {
			p.Repeatable = append(p.Repeatable, line)
		}
	}
	return nil
}

// subscribe repeats a flattr of this month.
func (s *Site) subscribe(w http.ResponseWriter, r *http.Request, v visit) error {
	thing, err := strconv.ParseInt(r.PostForm.Get("thing"), 10, 64)
	if err != nil {
		return ledger.ErrNotFound
	}
	months, err := strconv.ParseInt(r.PostForm.Get("months"), 10, 32)
	if err != nil {
		return ledger.ErrNotFound
	}
	if _, err := s.ledger.Subscribe(r.Context(), v.member.ID, thing, int32(months)); err != nil {
		return s.again(w, r, v, err, "home", func(f form) (any, error) { return s.monthPage(r, v, "", f) })
	}
	return s.done(w, r, "/home", "notice.monthly")
}

// changeSubscription lets one rest, go on, or end.
func (s *Site) changeSubscription(w http.ResponseWriter, r *http.Request, v visit) error {
	id, err := strconv.ParseInt(param(r, "id"), 10, 64)
	if err != nil {
		return ledger.ErrNotFound
	}
	var notice string
	switch r.PostForm.Get("do") {
	case "pause":
		notice, err = "notice.monthly-pause", s.ledger.PauseSubscription(r.Context(), v.member.ID, id)
	case "resume":
		notice, err = "notice.monthly-resume", s.ledger.ResumeSubscription(r.Context(), v.member.ID, id)
	case "stop":
		notice, err = "notice.monthly-stop", s.ledger.StopSubscription(r.Context(), v.member.ID, id)
	default:
		err = ledger.ErrNotFound
	}
	if err != nil {
		return err
	}
	return s.done(w, r, "/home", notice)
}
