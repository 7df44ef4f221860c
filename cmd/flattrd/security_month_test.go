//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// zones are where the program believes to be: the month is the same in all of them. The ends of months
// are chosen so that Berlin puts its clocks on or back on that very day.
var zones = []struct {
	name string
	ends []time.Time
}{
	{"Pacific/Kiritimati", []time.Time{endOf(2027, time.October)}},
	{"America/St_Johns", []time.Time{endOf(2027, time.October)}},
	{"Europe/Berlin", []time.Time{endOf(2027, time.October), endOf(2030, time.March)}},
}

// endOf is the first instant after a month.
func endOf(year int, month time.Month) time.Time {
	return time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
}

// L9: the home's month row decides, in UTC, whatever the zone and whatever the others say.
func TestL9Boundary(t *testing.T) {
	program(t)
	t.Parallel()
	for _, zone := range zones {
		t.Run(zone.name, func(t *testing.T) {
			t.Parallel()
			if _, err := time.LoadLocation(zone.name); err != nil {
				t.Fatal(err) // the program would silently stay in UTC
			}
			out := newSecureOutside(t)
			begin := zone.ends[0].AddDate(0, 0, -10)
			s := &scene{out: out, bob: out.person(t, "good.localhost", "bob"), subject: serveAt(t, time.Until(begin),
				append(out.reach(), setting{"TZ", zone.name}, setting{"PGTZ", zone.name})...)}
			s.thing = s.button(t, "l9")
			things := s.things(t, 60)
			giver := s.join(t, "gina")
			s.fund(t, giver)
			for _, end := range zone.ends {
				s.boundary(t, end, things)
			}
		})
	}
}

// things are buttons to click on.
func (s *scene) things(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for i := range n {
		all = append(all, s.button(t, numbered("boundary-", i)))
	}
	return all
}

func (s *scene) fund(t *testing.T, m ledger.Member) {
	t.Helper()
	ctx := context.Background()
	if _, err := s.books.RecordDeposit(ctx, s.operator.ID, m.Name, 9_000_000, "for "+m.Name); err != nil {
		t.Fatal(err)
	}
	if err := s.books.SetBudget(ctx, m.ID, 1_000_000); err != nil {
		t.Fatal(err)
	}
}

// boundary goes through the end of a month.
func (s *scene) boundary(t *testing.T, end time.Time, things []string) {
	before, this, next, after := period(end, -2), period(end, -1), period(end, 0), period(end, 1)
	s.pass(t, end, this, before)
	s.turnTo(t, end.Add(-time.Hour-10*time.Second))
	for _, p := range []struct{ period, answer, reason string }{
		{this, "Accept", ""}, {next, "Reject", "period-closed"}, {after, "Reject", "period-closed"}, {"2019-01", "Reject", "period-closed"},
	} {
		s.answers(t, p.period, "", p.answer, p.reason)
	}
	s.turnTo(t, end.Add(-time.Hour+2*time.Second)) // from here on the next month's flattrs may be early
	s.answers(t, next, "", "Accept", "")
	s.answers(t, after, "", "Reject", "period-closed")
	s.answers(t, this, "2019-01-31T23:59:59Z", "Accept", "") // what the sender calls the time is nothing to us
	s.answers(t, this, end.AddDate(10, 0, 0).Format(time.RFC3339), "Accept", "")
	s.answers(t, "2019-01", s.now().UTC().Format(time.RFC3339), "Reject", "period-closed")

	s.clicks(t, end, this, next, things)
	s.answers(t, this, "", "Accept", "") // grace
	s.answers(t, next, "", "Accept", "")
	s.answers(t, before, "", "Reject", "period-closed")
	s.turnTo(t, end.Add(23*time.Hour))
	s.answers(t, this, "", "Accept", "")
	s.turnTo(t, end.Add(25*time.Hour))
	waitFor(t, "settlement", func() bool { return s.monthState(t, this) == "settled" })
	s.answers(t, this, "", "Reject", "period-closed")
	s.answers(t, next, "", "Accept", "")
}

// period is the month so many months from the one that begins at a time.
func period(begin time.Time, months int) string { return begin.AddDate(0, months, 0).Format("2006-01") }

func (s *scene) monthState(t *testing.T, period string) string {
	t.Helper()
	for _, state := range column[string](t, s.subject, `select state from month where period = $1`, period) {
		return state
	}
	return ""
}

// pass goes into a month, and on until the months before it are settled: a month that was passed over is
// closed when the program sees it, and its grace begins then.
func (s *scene) pass(t *testing.T, end time.Time, this, before string) {
	t.Helper()
	s.turnTo(t, end.AddDate(0, 0, -5))
	waitFor(t, this+" is open", func() bool { return s.monthState(t, this) == "open" })
	s.turnTo(t, end.AddDate(0, 0, -3))
	waitFor(t, before+" is settled", func() bool { return s.monthState(t, before) != "closed" })
}

// answers sends a flattr of a period by a new giver and asserts the answer that is told.
func (s *scene) answers(t *testing.T, period, published, answer, reason string) {
	t.Helper()
	s.likes++
	p := s.out.person(t, "good.localhost", numbered("giver", s.likes))
	var like map[string]any
	if err := json.Unmarshal(p.like(numbered("", s.likes), s.thing, period), &like); err != nil {
		t.Fatal(err)
	}
	if published != "" {
		like["published"] = published
	}
	body := must[[]byte](t)(json.Marshal(like))
	s.takes(t, p.sign(t, s.post(body)))
	waitFor(t, "the answer", func() bool { return len(s.out.asked(p.host, p.path+"/inbox")) > 0 })
	var told struct {
		Type   string
		Reason string `json:"fl:reason"`
	}
	if err := json.Unmarshal(s.out.asked(p.host, p.path+"/inbox")[0].Body, &told); err != nil {
		t.Fatal(err)
	}
	if told.Type != answer || told.Reason != reason {
		t.Errorf("at %v a flattr of %s, published %q, got %s %s, want %s %s", s.now().UTC(), period, published,
			told.Type, told.Reason, answer, reason)
	}
}

// clicks has a member click, and another server's member, from a second before a month's end until it
// is closed.
func (s *scene) clicks(t *testing.T, end time.Time, this, next string, things []string) {
	t.Helper()
	b := s.login(t, "gina")
	s.turnTo(t, end.Add(-time.Second))
	early := things[0]
	for i, thing := range things {
		if status := b.post(t, "/intents/flattr?object="+url.QueryEscape(thing), nil); status != http.StatusOK {
			t.Errorf("click: status %d", status)
		}
		s.takes(t, s.signedLikeOf(t, s.bob, this))
		if s.monthState(t, next) == "open" && s.now().After(end.Add(100*time.Millisecond)) && i+1 < len(things) {
			b.post(t, "/intents/flattr?object="+url.QueryEscape(things[i+1]), nil)
			b.post(t, "/intents/flattr?object="+url.QueryEscape(early), nil) // again, in the new month
			break
		}
		time.Sleep(60 * time.Millisecond)
	}
	s.judgeClicks(t, end, this, next)
}

func (s *scene) signedLikeOf(t *testing.T, p stranger, period string) *http.Request {
	t.Helper()
	s.likes++
	return p.sign(t, s.post(p.like(numbered("", s.likes), s.thing, period)))
}

// judgeClicks holds each click's month to when it was made and when the month was closed.
func (s *scene) judgeClicks(t *testing.T, end time.Time, this, next string) {
	t.Helper()
	closed := column[time.Time](t, s.subject, `select closed_at from month where period = $1`, this)[0]
	if closed.Before(end) || closed.After(end.Add(5*time.Second)) {
		t.Errorf("%s was closed at %v", this, closed.UTC())
	}
	rows, err := s.pool.Query(context.Background(), `select period, made_at from flattr where period in ($1, $2) order by made_at`, this, next)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var before, after int
	for rows.Next() {
		var period string
		var made time.Time
		if err := rows.Scan(&period, &made); err != nil {
			t.Fatal(err)
		}
		switch {
		case made.Before(end):
			before++
			if period != this {
				t.Errorf("a click at %v counts in %s", made.UTC(), period)
			}
		case made.After(closed):
			after++
			if period != next {
				t.Errorf("a click at %v, after the close at %v, counts in %s", made.UTC(), closed.UTC(), period)
			}
		}
	}
	if before == 0 || after == 0 {
		t.Errorf("%d clicks before, %d after", before, after)
	}
	t.Log(fmt.Sprintf("%d clicks before %v, %d after the close at %v", before, end.Format(time.DateTime), after, closed.UTC().Format("15:04:05.000")))
}

// A message that waits for the month's row while it is closed belongs to the month that was opened, and
// isn't turned away.
func TestL9WhileClosing(t *testing.T) {
	s := newScene(t)
	s.takes(t, s.signedLike(t, s.bob))
	ctx := context.Background()
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	this := s.now().UTC().Format("2006-01")
	next := ledger.NextPeriod(this)
	// What closing a month does to its row.
	if _, err := tx.Exec(ctx, `update month set state = 'closed', closed_at = $2 where period = $1`, this, s.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `insert into month (period, state, opened_at, unused, funding) values ($1, 'open', $2, 'rollover', 'prepaid')`, next, s.now()); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	r := s.signedLikeOf(t, s.bob, this)
	go func() {
		resp, err := s.client.Do(r)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	waitFor(t, "the message waits", func() bool {
		return column[int](t, s.subject, `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`)[0] > 0
	})
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != http.StatusAccepted {
		t.Errorf("status %d, want 202", status)
	}
}
