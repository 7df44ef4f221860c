package web

import (
	"net/http"

	"github.com/fedflattr/flattrd/ledger"
)

// totalsPage lists settled months for anybody.
type totalsPage struct {
	Months []ledger.PublicTotals
	Next   string // the next page; ""
}

const monthsPerPage = 24

func (s *Site) totals(w http.ResponseWriter, r *http.Request, v visit) error {
	before := r.URL.Query().Get("before")
	if before != "" && !ledger.ValidPeriod(before) {
		return ledger.ErrNotFound
	}
	all, err := s.ledger.PublicMonths(r.Context(), before, monthsPerPage+1)
	if err != nil {
		return err
	}
	var p totalsPage
	var more bool
	if p.Months, more = cut(all, monthsPerPage); more {
		p.Next = "/totals?before=" + p.Months[monthsPerPage-1].Period
	}
	return s.show(w, r, v, "totals", p)
}

// totalPage is one month for anybody. Federation serves the same sums signed, at the path with .json.
type totalPage struct {
	ledger.PublicTotals
	Fee int32 // of the month's gifts, in hundredths of a percent
	around
}

// Hidden tells whether a sum isn't told.
func (p totalPage) Hidden() bool {
	for _, sum := range []*int64{p.Reserved, p.Shared, p.Here, p.Offered, p.Owed} {
		if sum == nil {
			return true
		}
	}
	return false
}

func (s *Site) total(w http.ResponseWriter, r *http.Request, v visit) error {
	t, err := s.ledger.PublicTotals(r.Context(), param(r, "period"))
	if err != nil {
		return err
	}
	p := totalPage{PublicTotals: t, around: around{Path: "/totals"}}
	if p.Fee, err = s.ledger.FeeRateOf(r.Context(), t.Period); err != nil {
		return err
	}
	if p.Before, p.After, err = s.ledger.Around(r.Context(), t.Period, true); err != nil {
		return err
	}
	return s.show(w, r, v, "total", p)
}
