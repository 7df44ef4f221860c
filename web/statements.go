package web

import (
	"bufio"
	"io"
	"mime"
	"net/http"
	"os"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/statement"
)

// thingsShown is how many things of a payee's month stand on its page; the files have all.
const thingsShown = 100

// around leads from a month's page to its neighbours and its files.
type around struct {
	Path          string // of the months, without a slash at the end
	Before, After string // months; "" where there is none
}

func (s *Site) around(r *http.Request, path, period string) (around, error) {
	before, after, err := s.ledger.Around(r.Context(), period, false)
	return around{path, before, after}, err
}

// download sends a statement as a file. It is written aside first: no snapshot of the books stays open for
// a slow reader, a fault leaves no half file, and what is large takes no memory.
func (s *Site) download(w http.ResponseWriter, r *http.Request, d statement.Document) error {
	aside, err := os.CreateTemp("", "flattrd-statement-*")
	if err != nil {
		return err
	}
	defer aside.Close()
	if err := os.Remove(aside.Name()); err != nil { // it lives as long as it is open
		return err
	}
	buffered := bufio.NewWriter(aside)
	if err = d.Write(r.Context(), buffered); err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		_, err = aside.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", d.Media)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Name}))
	_, err = io.Copy(w, aside)
	return err
}

// formatOf is what a path ends in; ?format= names other columns of a CSV file.
func formatOf(r *http.Request) string {
	format, other := param(r, "format"), r.URL.Query().Get("format")
	if format == statement.CSV && other != "" && other != statement.JSON {
		return other
	}
	return format
}

func (s *Site) monthFile(w http.ResponseWriter, r *http.Request, v visit) error {
	d, err := statement.Given(s.ledger, *v.member, param(r, "period"), formatOf(r))
	if err != nil {
		return err
	}
	return s.download(w, r, d)
}

func (s *Site) earnedFile(w http.ResponseWriter, r *http.Request, v visit) error {
	d, err := statement.Earned(s.ledger, *v.member, formatOf(r))
	if err != nil {
		return err
	}
	return s.download(w, r, d)
}

func (s *Site) revenueFile(w http.ResponseWriter, r *http.Request, v visit) error {
	d, err := statement.Revenue(s.ledger, *v.member, param(r, "period"), formatOf(r))
	if err != nil {
		return err
	}
	return s.download(w, r, d)
}

func (s *Site) instanceFile(w http.ResponseWriter, r *http.Request, _ visit) error {
	d, err := statement.Instance(s.ledger, param(r, "period"), formatOf(r))
	if err != nil {
		return err
	}
	return s.download(w, r, d)
}

// revenuePage is a payee's month.
type revenuePage struct {
	ledger.Revenue
	around
	Things []ledger.RevenueThing // the first of them
	More   bool                  // there are more
}

func (s *Site) revenue(w http.ResponseWriter, r *http.Request, v visit) error {
	period := param(r, "period")
	var p revenuePage
	err := s.ledger.Revenue(r.Context(), v.member.ID, period, thingsShown+1,
		func(month ledger.Revenue) error { p.Revenue = month; return nil },
		func(x ledger.RevenueThing) error { p.Things = append(p.Things, x); return nil })
	if err != nil {
		return err
	}
	p.Things, p.More = cut(p.Things, thingsShown)
	if p.around, err = s.around(r, "/earned", period); err != nil {
		return err
	}
	return s.show(w, r, v, "revenue", p)
}

// Shown is how many things are on the page.
func (p revenuePage) Shown() int { return len(p.Things) }

// instancePage is a month of the instance.
type instancePage struct {
	ledger.InstanceMonth
	around
	Claims   []ledger.Claim // the first of them, and of Payments
	Payments []ledger.ClaimPayment
	More     bool // there are more of either
}

// Shown is how many claims and payments are on the page at most.
func (p instancePage) Shown() int { return rowsPerPage }

func (s *Site) instanceMonth(w http.ResponseWriter, r *http.Request, v visit) error {
	var p instancePage
	err := s.ledger.InstanceMonth(r.Context(), param(r, "period"), rowsPerPage+1,
		func(m ledger.InstanceMonth) error { p.InstanceMonth = m; return nil },
		func(c ledger.Claim) error { p.Claims = append(p.Claims, c); return nil },
		func(y ledger.ClaimPayment) error { p.Payments = append(p.Payments, y); return nil })
	if err != nil {
		return err
	}
	var moreClaims, morePayments bool
	p.Claims, moreClaims = cut(p.Claims, rowsPerPage)
	p.Payments, morePayments = cut(p.Payments, rowsPerPage)
	p.More = moreClaims || morePayments
	if p.around, err = s.around(r, "/admin/months", p.Period); err != nil {
		return err
	}
	return s.show(w, r, v, "instancemonth", p)
}
