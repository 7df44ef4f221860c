package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// MonthView is a giver's month: the budget over the flattrs.
type MonthView struct {
	Month
	ClosesAt time.Time // first instant after the month
	Budget   int64     // what the member gives a month
	Reserved int64     // what is held back for this month; 0: no budget runs
	Pledge   *Pledge   // of a pledge month, what is promised; reserved once it is collected
	Free     int64     // means not held back for any month
	Rolled   int64     // of a settled month: what no flattr took and so stayed the giver's
	Donated  int64     // … or went to the instance's cause
	Returned int64     // of a settled month: what came back from refused lines
	Lines    []MonthLine
}

// MonthLine is one flattr of a giver's month.
type MonthLine struct {
	ID         uuid.UUID
	Thing      int64
	IRI        string
	URL        string
	Title      string
	Payee      string
	PayeeName  string
	State      string
	Reason     *string
	CarryCount int32
	Waited     bool // it had waited for somebody who can be paid
	MadeAt     time.Time
	Settled    *int64 // the share, once settled
	Returned   int64
	Share      int64       `db:"-"` // Settled, or what it would get if the month closed as it is
	Parts      []MonthPart `db:"-"` // of a co-authored thing: its authors
}

// Given is what all flattrs together got, or would get if the month closed as it is.
func (v MonthView) Given() (sum int64) {
	for _, l := range v.Lines {
		sum += l.Share
	}
	return sum
}

// Fee is what of a settled month's budget neither the things got nor rolled over: nothing, as no instance
// takes any of it (protocol §7).
func (v MonthView) Fee() int64 { return v.Reserved - v.Given() - v.Rolled - v.Donated }

// Counts tells whether a flattr takes, or may yet take, a share.
func (l MonthLine) Counts() bool {
	return l.State == Accepted || l.State == Held || l.State == Sent
}

// MyMonth reads a giver's month; period "" is the open one. ErrNotFound: there was no such month.
func (l *Ledger) MyMonth(ctx context.Context, by int64, period string) (MonthView, error) {
	var v MonthView
	err := l.tx(ctx, func(tx *Tx) (err error) {
		v, err = tx.myMonth(ctx, by, period)
		return err
	})
	return v, err
}

func (tx *Tx) myMonth(ctx context.Context, by int64, period string) (v MonthView, err error) {
	v.Month, err = row[Month](tx.Query(ctx, `select `+monthColumns+` from month
		where period = $1 or ($1 = '' and state = 'open')`, period))
	if err != nil {
		return v, err
	}
	v.ClosesAt = PeriodEnd(v.Period)
	m, err := row[Member](tx.Query(ctx, `select `+memberColumns+` from member where id = $1`, by))
	if err != nil {
		return v, err
	}
	r, err := row[Reservation](tx.Query(ctx, `
		select id, member, period, amount, state from reservation
		where member = $1 and period = $2 and state <> 'released'`, by, v.Period))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return v, err
	}
	means, err := journal.BalanceOf(ctx, tx, of(journal.Means, by), tx.l.inst.Currency)
	if err != nil {
		return v, err
	}
	v.Budget, v.Reserved, v.Free = m.Budget, r.Amount, means.Free()
	if v.Pledge, err = tx.pledgeOf(ctx, by, v.Period); err != nil {
		return v, err
	}
	v.Lines, err = rows[MonthLine](tx.Query(ctx, `
		select f.id, f.thing, t.iri, t.url, t.title, t.payee, t.payee_name, f.state, f.reason, f.carry_count,
		  f.carries is not null and f.carry_count = 0 as waited, f.made_at, s.amount as settled, (
		    select coalesce(sum(b.amount), 0) from share_return b where b.giver = f.giver and b.thing = f.thing and b.period = f.period)::bigint as returned
		from flattr f join thing t on t.id = f.thing
		left join share s on s.giver = f.giver and s.thing = f.thing and s.period = f.period
		where f.giver = $1 and f.period = $2 and f.state <> 'undone'
		order by f.made_at desc, f.id desc`, by, v.Period))
	if err == nil {
		err = tx.addParts(ctx, &v, by)
	}
	v.project(tx.l.inst.MemberIRI(m.Name))
	if v.State == "settled" && !slices.ContainsFunc(v.Lines, func(l MonthLine) bool { return l.Settled != nil }) {
		if v.Rolled = v.Reserved; v.Unused == UnusedCause {
			v.Rolled, v.Donated = 0, v.Rolled
		}
	}
	return v, err
}

// project fills in the shares: settled ones as they are, others as if the month closed now.
func (v *MonthView) project(giver string) {
	var counting []int
	var ties []Tie
	for i := range v.Lines {
		line := &v.Lines[i]
		v.Returned += line.Returned
		switch {
		case line.Settled != nil:
			line.Share = *line.Settled
		case line.Counts() && (v.State != "settled" || line.State == Accepted && v.Waits()):
			counting, ties = append(counting, i), append(ties, TieOf(v.Period, giver, line.IRI))
		}
	}
	for k, part := range Split(v.Runs(), ties) {
		v.Lines[counting[k]].Share = part
	}
}

// MonthSummary is one line of a giver's history.
type MonthSummary struct {
	Period   string
	State    string
	Reserved int64
	Flattrs  int64 // that count
	Rolled   int64
	Donated  int64
	Returned int64
	Pledged  int64  // of a pledge month, what was promised
	Pledge   string // the pledge's state, or ""
}

// MyMonths lists the months in which a member gave or reserved anything, newest first.
func (l *Ledger) MyMonths(ctx context.Context, by int64) ([]MonthSummary, error) {
	return rows[MonthSummary](l.pool.Query(ctx, `
		select m.period, m.state, coalesce(r.amount, 0)::bigint as reserved, coalesce(q.amount, 0) as pledged, coalesce(q.state, '') as pledge,
		  (select count(*) from flattr f where f.giver = $1 and f.period = m.period
		     and f.state in ('sent', 'held', 'accepted')) as flattrs,
		  case when x.unused and m.unused = 'rollover' then coalesce(r.amount, 0) else 0 end::bigint as rolled,
		  case when x.unused and m.unused = 'cause' then coalesce(r.amount, 0) else 0 end::bigint as donated,
		  (select coalesce(sum(b.amount), 0) from share_return b where b.giver = $1 and b.period = m.period)::bigint as returned
		from month m left join reservation r on r.member = $1 and r.period = m.period and r.state <> 'released'
		left join pledge q on q.member = $1 and q.period = m.period
		cross join lateral (select m.state = 'settled' and not exists (
		  select from share s where s.giver = $1 and s.period = m.period) as unused) x
		where r.id is not null or q.member is not null or exists (select from flattr f where f.giver = $1 and f.period = m.period)
		order by m.period desc`, by))
}

// Prospect is what a click would mean now; it changes nothing.
type Prospect struct {
	Number  int     // it would be the n-th counting flattr of this month
	Each    int64   // what each would get then, rounded down
	Funded  bool    // a budget runs
	Own     bool    // the member's own thing
	Already *Flattr // this month's click on it, if there is one
}

// Prospect tells a member what flattring a thing would mean.
func (l *Ledger) Prospect(ctx context.Context, by, thing int64) (Prospect, error) {
	var p Prospect
	err := l.tx(ctx, func(tx *Tx) error {
		p = Prospect{}
		v, err := tx.myMonth(ctx, by, "")
		if err != nil {
			return err
		}
		p.Number = 1
		for _, line := range v.Lines {
			if line.Counts() {
				p.Number++
			}
		}
		p.Each, p.Funded = v.Runs()/int64(p.Number), v.Runs() > 0
		if err := tx.QueryRow(ctx, `
			select coalesce(member = $1, false) from thing where id = $2`, by, thing).Scan(&p.Own); err != nil {
			return notFound(err)
		}
		m, err := row[Member](tx.Query(ctx, `select `+memberColumns+` from member where id = $1`, by))
		if err != nil {
			return err
		}
		author, err := tx.authorOf(ctx, thing, v.Period, tx.l.inst.MemberIRI(m.Name))
		if err != nil {
			return err
		}
		p.Own = p.Own || author
		f, err := row[Flattr](tx.Query(ctx, `select `+flattrColumns+` from flattr
			where giver = $1 and thing = $2 and period = $3 and state <> 'undone'`, by, thing, v.Period))
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		p.Already = &f
		return err
	})
	return p, err
}

// DepositReference is what a member writes on a bank transfer, so that the operator knows whose
// money it is.
func (l *Ledger) DepositReference(m Member) string {
	return fmt.Sprintf("FLATTR %s %d", m.Name, m.ID)
}

// SetDisplayName changes the name that others read; FieldError "display_name".
func (l *Ledger) SetDisplayName(ctx context.Context, by int64, name string) error {
	if err := (Joining{Name: "x", DisplayName: name, PasswordHash: "x", Language: "en"}).check(); err != nil {
		return err
	}
	return l.tx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `
			update member set display_name = coalesce(nullif(trim($2), ''), name)
			where id = $1 and deleted_at is null`, by, name)
		return err
	})
}
