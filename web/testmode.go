package web

import (
	"net/http"
	"time"
)

// closeMonth and turnClock are the banner's buttons in test instances.
func (s *Site) closeMonth(w http.ResponseWriter, r *http.Request, _ visit) error {
	if err := s.test.CloseMonth(r.Context()); err != nil {
		return err
	}
	return s.done(w, r, s.lastPage(r, "/home"), "notice.month-closed")
}

func (s *Site) turnClock(w http.ResponseWriter, r *http.Request, _ visit) error {
	if err := s.test.Turn(r.Context(), 24*time.Hour); err != nil {
		return err
	}
	return s.done(w, r, s.lastPage(r, "/home"), "notice.clock-turned")
}
