package web

import (
	"net/http"
	"strconv"

	"github.com/fedflattr/flattrd/ledger"
)

const (
	demoBudget  = 1_000_000 // 1.00
	demoClicks  = 10
	demoMaximum = 30
)

// landingPage shows the split with real numbers.
type landingPage struct {
	Form  form
	Split demoSplit
}

// demoSplit is a budget over n clicks, by the rule of settlement itself.
type demoSplit struct {
	Budget, Each int64
	N            int
	More         int // so many parts get one micro-unit more, that nothing is lost
	Parts        []int64
}

func splitOf(budget int64, n int) demoSplit {
	d := demoSplit{Budget: budget, N: n, Each: budget / int64(n), More: int(budget % int64(n))}
	d.Parts = ledger.Split(budget, make([]ledger.Tie, n))
	return d
}

func (s *Site) landing(w http.ResponseWriter, r *http.Request, v visit) error {
	q := r.URL.Query()
	p := landingPage{Form: form{Values: q}, Split: splitOf(demoBudget, demoClicks)}
	if !q.Has("budget") {
		p.Form = filled("budget", s.words[v.lang].plain(demoBudget), "clicks", strconv.Itoa(demoClicks))
		return s.show(w, r, v, "landing", p)
	}
	budget, n, err := demoInput(q.Get("budget"), q.Get("clicks"))
	if err != nil {
		f := form{Values: q, Errors: map[string]ledger.FieldError{err.Field: *err}}
		return s.render(w, r, v, http.StatusUnprocessableEntity, "landing", landingPage{f, p.Split})
	}
	p.Split = splitOf(budget, n)
	return s.show(w, r, v, "landing", p)
}

func demoInput(budget, clicks string) (int64, int, *ledger.FieldError) {
	amount, err := ledger.ParseAmount("budget", budget)
	if err != nil || amount == 0 || amount > 1000*demoBudget {
		return 0, 0, &ledger.FieldError{Field: "budget", Rule: "amount"}
	}
	n, err := strconv.Atoi(clicks)
	if err != nil || n < 1 || n > demoMaximum {
		return 0, 0, &ledger.FieldError{Field: "clicks", Rule: "range"}
	}
	return amount, n, nil
}

// aboutPage is what this instance is and does with money.
type aboutPage struct {
	Grace int              // hours
	Day   int              // hours in which a final answer is due
	Fee   int32            // of the open month's gifts, in hundredths of a percent
	Next  []ledger.FeeRate // what is published for months to come, the next first
}

func (s *Site) about(w http.ResponseWriter, r *http.Request, v visit) error {
	p := aboutPage{Grace: int(s.ledger.Instance().Grace().Hours())}
	rates, err := s.ledger.FeeRates(r.Context())
	if err != nil {
		return err
	}
	open := ledger.PeriodOf(s.ledger.Now())
	for _, rate := range rates { // the latest first
		if rate.Period <= open {
			p.Fee = rate.BasisPoints
			break
		}
		p.Next = append([]ledger.FeeRate{rate}, p.Next...)
	}
	return s.show(w, r, v, "about", p)
}

// vocabulary are the terms of https://fedflattr.org/ns# that this version sends or reads; each has a
// message "ns.<term>".
var vocabulary = []string{"acceptsFlattrs", "Flattr", "period", "payee", "giverTag", "reason", "carries", "split", "Split", "version", "authors",
	"lines", "lineCount", "digest", "supersedes", "rejected", "assetCode", "assetScale", "Payment",
	"agreements", "amount", "method", "reference", "paidAt", "Totals", "sums", "KeyRotation", "keyRotations", "oldKey", "newKey", "v1"}

func (s *Site) terms(w http.ResponseWriter, r *http.Request, v visit) error {
	return s.show(w, r, v, "ns", vocabulary)
}
