package web

import (
	"hash/fnv"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
)

// monthPage is a giver's month: the budget over the flattrs.
type monthPage struct {
	ledger.MonthView
	around
	Form      form
	Counting  int
	Each      int64 // what each counting flattr gets, rounded down
	NextEach  int64 // what each would get with one more
	Current   bool  // the open month, in which flattrs can be undone
	Reference string
	PayIn     []string
	Due       []ledger.DuePledge // of all months on the open month's page, else of this one

	Monthly    []ledger.SubscriptionView // of the open month's page
	Repeatable []ledger.MonthLine        // its flattrs that don't repeat
	Waiting    []ledger.UnclaimedView    // what belongs to no month
}

// Next is the number of the flattr that would come next.
func (p monthPage) Next() int { return p.Counting + 1 }

// Short tells whether the means didn't reach for the whole budget.
func (p monthPage) Short() bool { return p.Budget > p.Runs() }

func (s *Site) monthPage(r *http.Request, v visit, period string, f form) (monthPage, error) {
	m, err := s.ledger.MyMonth(r.Context(), v.member.ID, period) // "" is the open one
	if err != nil {
		return monthPage{}, err
	}
	p := monthPage{MonthView: m, Form: f, Current: m.State == "open", PayIn: s.account(),
		Reference: s.ledger.DepositReference(*v.member)}
	for _, line := range m.Lines {
		if line.Counts() {
			p.Counting++
		}
	}
	if p.Current {
		if err := s.monthly(r, v, &p); err != nil {
			return p, err
		}
		if p.Waiting, err = s.ledger.MyUnclaimed(r.Context(), v.member.ID); err != nil {
			return p, err
		}
	}
	if p.Due, err = s.ledger.DuePledges(r.Context(), v.member.ID); err != nil {
		return p, err
	}
	if !p.Current {
		p.Due = slices.DeleteFunc(p.Due, func(d ledger.DuePledge) bool { return d.Period != p.Period })
	}
	p.Each, p.NextEach = m.Runs()/int64(max(p.Counting, 1)), m.Runs()/int64(p.Next())
	return p, nil
}

// account is where givers pay in: what the operator says, else the account that peers pay to.
func (s *Site) account() []string {
	if len(s.payIn) > 0 {
		return s.payIn
	}
	return paytoLines(s.ledger.Instance().Payto)
}

func (s *Site) home(w http.ResponseWriter, r *http.Request, v visit) error {
	f := form{}
	if v.member.Budget > 0 {
		f = filled("budget", s.words[v.lang].plain(v.member.Budget))
	}
	p, err := s.monthPage(r, v, "", f)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "home", p)
}

func (s *Site) setBudget(w http.ResponseWriter, r *http.Request, v visit) error {
	amount, err := ledger.ParseAmount("budget", r.PostForm.Get("budget"))
	if err == nil {
		err = s.ledger.SetBudget(r.Context(), v.member.ID, amount)
	}
	if err != nil {
		return s.again(w, r, v, err, "home", func(f form) (any, error) { return s.monthPage(r, v, "", f) })
	}
	return s.done(w, r, "/home", "notice.budget-set")
}

func (s *Site) undo(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := s.undoFlattr(r, v); err != nil {
		return err
	}
	return s.done(w, r, "/home", "notice.undone")
}

// undoFlattr takes back the flattr that a form names.
func (s *Site) undoFlattr(r *http.Request, v visit) error {
	id, err := uuid.Parse(r.PostForm.Get("flattr"))
	if err != nil {
		return ledger.ErrNotFound
	}
	return s.ledger.UndoFlattr(r.Context(), v.member.ID, id)
}

func (s *Site) months(w http.ResponseWriter, r *http.Request, v visit) error {
	all, err := s.ledger.MyMonths(r.Context(), v.member.ID)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "months", all)
}

func (s *Site) month(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.monthPage(r, v, param(r, "period"), form{})
	if err == nil {
		p.around, err = s.around(r, "/months", p.Period)
	}
	if err != nil {
		return err
	}
	return s.show(w, r, v, "month", p)
}

// hues is how many colours, each with a pattern, tell payees apart.
const hues = 8

// hue is a payee's colour: the same everywhere and every month.
func hue(payee string) int {
	h := fnv.New32a()
	h.Write([]byte(payee))
	return int(h.Sum32() % hues)
}
