package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// instance is the one row about whose books these are.
type instance struct{ host, base, currency string }

func (i instance) user(name string) string { return i.base + "/users/" + name }

// month is a row of month.
type month struct {
	period, state                 string
	unused, funding               string
	opened                        time.Time
	closed, frozen, settled       *time.Time
	givers, flattrs, given, rolls int64 // what is derived of it
	promises                      promises
}

type member struct {
	name    string
	budget  int64
	created time.Time
	deleted *time.Time
}

type peer struct {
	host, actor, key, keyID string
	held                    bool // statements are compared first: nothing is signed for it
}

// readSettings reads what everything is derived by.
func (a *auditor) readSettings(ctx context.Context) error {
	err := a.tx.QueryRow(ctx, `select host, base_url, currency from instance where id = 1`).
		Scan(&a.inst.host, &a.inst.base, &a.inst.currency)
	if errors.Is(err, pgx.ErrNoRows) {
		return errors.New("this database holds no instance")
	}
	if err != nil {
		return err
	}
	a.report.Host, a.report.Currency = a.inst.host, a.inst.currency
	if err := a.readMonths(ctx); err != nil {
		return err
	}
	if err := a.readMembers(ctx); err != nil {
		return err
	}
	return a.readPeers(ctx)
}

func (a *auditor) readMonths(ctx context.Context) error {
	a.monthAt = map[string]*month{}
	all := open(ctx, a, "month", `
		select period, state, unused, funding, opened_at, closed_at, frozen_at, settled_at from month order by period`,
		func(m *month) []any {
			return []any{&m.period, &m.state, &m.unused, &m.funding, &m.opened, &m.closed, &m.frozen, &m.settled}
		})
	if err := all.each(func(m month) { a.months = append(a.months, m) }); err != nil {
		return err
	}
	for i := range a.months {
		a.monthAt[a.months[i].period] = &a.months[i]
		a.checkMonth(i)
	}
	a.verified("months, one after the other, each closed after its end", int64(len(a.months)))
	return nil
}

// checkMonth: one month follows the other, all but the last are over.
func (a *auditor) checkMonth(i int) {
	m := &a.months[i]
	at := Finding{Table: "month", Key: m.period}
	if i > 0 {
		at.Why = "months follow each other"
		same(a, at, "period", after(a.months[i-1].period), m.period)
	}
	at.Why = "the last month is open, and no other"
	same(a, at, "state = open", i == len(a.months)-1, m.state == "open")
	if end, err := time.Parse("2006-01", after(m.period)); m.closed != nil && (err != nil || m.closed.Before(end)) {
		at.Why = "a month is closed when it is over"
		same(a, at, "closed_at", "not before "+end.Format(time.RFC3339), m.closed.UTC().Format(time.RFC3339))
	}
}

// after is the month after a month.
func after(period string) string {
	first, err := time.Parse("2006-01", period)
	if err != nil {
		return "?"
	}
	return first.AddDate(0, 1, 0).Format("2006-01")
}

func (a *auditor) readMembers(ctx context.Context) error {
	a.members, a.names = map[int64]member{}, map[string]int64{}
	type row struct {
		id int64
		member
	}
	all := open(ctx, a, "member", `select id, name, budget, created_at, deleted_at from member order by id`,
		func(r *row) []any { return []any{&r.id, &r.name, &r.budget, &r.created, &r.deleted} })
	return all.each(func(r row) { a.members[r.id], a.names[r.name] = r.member, r.id })
}

func (a *auditor) readPeers(ctx context.Context) error {
	a.peers = map[int64]*peer{}
	type row struct {
		id int64
		peer
	}
	all := open(ctx, a, "peer", `
		select p.id, p.host, p.actor, p.accounting_key, p.accounting_key_id, s.held_at is not null
		from peer p left join standing s on s.peer = p.id order by p.id`,
		func(r *row) []any { return []any{&r.id, &r.host, &r.actor, &r.key, &r.keyID, &r.held} })
	return all.each(func(r row) {
		a.peers[r.id] = &r.peer
		at := Finding{Table: "peer", Key: fmt.Sprint(r.id), Why: "an actor and its key stand on the actor's host"}
		if r.actor != "" {
			same(a, at, "actor", r.host, authority(r.actor))
		}
		if r.keyID != "" && !strings.HasPrefix(r.keyID, r.actor+"#") {
			same(a, at, "accounting_key_id", r.actor+"#…", r.keyID)
		}
	})
}

// authority is the host, and port, of an IRI.
func authority(iri string) string {
	_, rest, _ := strings.Cut(iri, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
