package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// enterChunk is how many waiting flattrs enter a month in one transaction.
const enterChunk = 500

// Payable tells that somebody can be paid for an unclaimed thing, by a thing that is for the same page or is the same
// button: what waits becomes flattrs of the open month, each as a new one that carries the old. Both directions of
// protocol §5.2 are the caller's to have proven. Who has flattred the thing this month already has it absorbed by
// that; what turns out to be the giver's own is taken back. A crash leaves the rest to the next Tick. ErrNotFound;
// FieldError "thing": other (it is about something else), not-accepting.
func (l *Ledger) Payable(ctx context.Context, unclaimed, thing int64) error {
	err := l.tx(ctx, func(tx *Tx) error {
		u, err := row[UnclaimedThing](tx.Query(ctx, `select `+unclaimedThingColumns+` from unclaimed_thing where id = $1 for no key update`, unclaimed))
		if err != nil {
			return err
		}
		t, err := row[Thing](tx.Query(ctx, `select `+thingColumns+` from thing where id = $1`, thing))
		if err != nil {
			return err
		}
		if t.IRI != u.IRI && t.URL != u.URL {
			return refused("thing", "other")
		}
		if err := tx.takesFlattrs(ctx, t); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update unclaimed_thing set payable = $2 where id = $1`, unclaimed, thing)
		return err
	})
	if err != nil {
		return err
	}
	return l.enter(ctx)
}

// enter turns what waits for things that have become payable, in pieces.
func (l *Ledger) enter(ctx context.Context) error {
	for {
		more := false
		if err := l.tx(ctx, func(tx *Tx) (err error) {
			more, err = tx.enterNext(ctx)
			return err
		}); err != nil || !more {
			return err
		}
	}
}

// entering is a waiting flattr whose thing has become payable.
type entering struct {
	ID     uuid.UUID
	Giver  int64
	Own    bool       // the thing is the giver's, alone or with others
	Absorb *uuid.UUID // this month's flattr of the giver on that thing
	At     time.Time  // when it enters: now, if the clicks weren't later than this transaction's time
}

// enterNext takes one payable thing and a piece of what waits for it; more: there may be another piece.
func (tx *Tx) enterNext(ctx context.Context) (more bool, err error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return false, err
	}
	var unclaimed, thing int64
	err = notFound(tx.QueryRow(ctx, `
		select id, payable from unclaimed_thing where payable is not null order by id limit 1`).Scan(&unclaimed, &thing))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t, err := row[Thing](tx.Query(ctx, `select `+thingColumns+` from thing where id = $1`, thing))
	if err != nil {
		return false, err
	}
	if err := tx.takesFlattrs(ctx, t); err != nil { // it was removed since; the rest waits on
		if errors.Is(err, ErrRefused) {
			err = tx.entered(ctx, unclaimed)
		}
		return err == nil, err
	}
	all, none, err := tx.lockEntering(ctx, unclaimed, t, open)
	if err != nil {
		return false, err
	}
	if none {
		return true, tx.entered(ctx, unclaimed)
	}
	return true, tx.enterAll(ctx, open, thing, all)
}

// entered ends it: nothing waits any more, or the thing takes nothing any more.
func (tx *Tx) entered(ctx context.Context, unclaimed int64) error {
	_, err := tx.Exec(ctx, `update unclaimed_thing set payable = null where id = $1`, unclaimed)
	return err
}

// lockEntering reads the next piece; the givers are locked first, so that none of them clicks or leaves meanwhile. A
// piece may be empty because another process was faster; none tells that nothing waits any more.
func (tx *Tx) lockEntering(ctx context.Context, unclaimed int64, t Thing, open string) (all []entering, none bool, err error) {
	givers, err := ids(tx.Query(ctx, `
		select giver from unclaimed_flattr where thing = $1 and state = 'unclaimed' order by giver limit $2`, unclaimed, enterChunk))
	if err != nil || len(givers) == 0 {
		return nil, true, err
	}
	if _, err := tx.Exec(ctx, `select from member where id = any($1) order by id for no key update`, givers); err != nil {
		return nil, false, err
	}
	all, err = rows[entering](tx.Query(ctx, `
		select w.id, w.giver, w.giver = coalesce($3::bigint, 0) or exists (
		    select from thing_split_part p where p.member = w.giver and p.weight > 0 and p.split = (
		      select id from thing_split where `+inForce("$4", "$5")+` order by version desc limit 1)) as own, f.id as absorb,
		  greatest($6, w.made_at, f.made_at + interval '1 microsecond') as at
		from unclaimed_flattr w left join flattr f on f.giver = w.giver and f.thing = $4 and f.period = $5 and f.state <> 'undone'
		where w.thing = $1 and w.giver = any($2) and w.state = 'unclaimed' order by w.made_at, w.id for no key update of w`,
		unclaimed, givers, t.Member, t.ID, open, tx.at))
	return all, false, err
}

// enterAll makes the flattrs and has those told whose budget runs. One that is absorbed was there before it.
func (tx *Tx) enterAll(ctx context.Context, open string, thing int64, all []entering) error {
	var old, became []uuid.UUID
	var fresh []bool
	var givers []int64
	var at []time.Time
	for _, e := range all {
		id := uuid.Nil // it is the giver's own: taken back
		switch {
		case e.Absorb != nil:
			id = *e.Absorb
		case !e.Own:
			id = uuid.Must(uuid.NewV7())
		}
		fresh = append(fresh, e.Absorb == nil && !e.Own)
		old, became, givers, at = append(old, e.ID), append(became, id), append(givers, e.Giver), append(at, e.At)
	}
	if _, err := tx.Exec(ctx, `
		insert into flattr (id, giver, thing, period, state, carries, carry_count, made_at)
		select became, giver, $6, $7, 'unfunded', old, 0, at
		from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::bool[]) as f (old, became, giver, at, fresh) where fresh`,
		old, became, givers, at, fresh, thing, open); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update unclaimed_flattr w set ended_at = b.at, flattr = nullif(b.became, $4), state = case when b.became = $4 then 'undone' else 'carried' end
		from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as b (old, became, at) where w.id = b.old`, old, became, at, uuid.Nil); err != nil {
		return err
	}
	return tx.send(ctx, open, givers...)
}
