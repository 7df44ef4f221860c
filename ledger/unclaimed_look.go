package ledger

import (
	"context"
	"strconv"
	"time"
)

// How often an unclaimed thing is looked at again: a day after a click, then after 2, 4, … and at most 30 days; soon
// after a button was made for it here, and at once when its owner asks, but not every minute.
const (
	lookFirst  = 24 * time.Hour
	lookSoon   = time.Hour
	lookApart  = time.Minute
	lookAtOnce = 20 // things in one tick
)

// expireChunk is how many flattrs expire in one transaction.
const expireChunk = 1000

// unclaimedDue does what is due for what waits: turn what has become payable, let expire what has waited long enough,
// and have the rest looked at again.
func (l *Ledger) unclaimedDue(ctx context.Context) error {
	var payable, expired, look bool
	if err := l.pool.QueryRow(ctx, `
		select exists (select from unclaimed_thing where payable is not null),
		  exists (select from unclaimed_flattr where state = 'unclaimed' and expires_at <= $1),
		  exists (select from unclaimed_thing where look_at <= $1)`, l.Now()).Scan(&payable, &expired, &look); err != nil {
		return err
	}
	if payable {
		if err := l.enter(ctx); err != nil {
			return err
		}
	}
	for more := expired; more; {
		if err := l.tx(ctx, func(tx *Tx) (err error) {
			more, err = tx.expireUnclaimed(ctx)
			return err
		}); err != nil {
			return err
		}
	}
	if !look {
		return nil
	}
	return l.tx(ctx, func(tx *Tx) error { return tx.lookAgain(ctx) })
}

func (tx *Tx) expireUnclaimed(ctx context.Context) (more bool, err error) {
	tag, err := tx.Exec(ctx, `
		update unclaimed_flattr set state = 'expired', ended_at = $1 where id in (
		  select id from unclaimed_flattr where state = 'unclaimed' and expires_at <= $1
		  order by expires_at limit $2 for no key update skip locked)`, tx.at, expireChunk)
	return tag.RowsAffected() == expireChunk, err
}

// lookAgain has those looked at whose time has come; for which nothing waits any more is left alone.
func (tx *Tx) lookAgain(ctx context.Context) error {
	return tx.look(ctx, `
		update unclaimed_thing u set looks = looks + 1, looked_at = $1, look_at = case when exists (
		    select from unclaimed_flattr w where w.thing = u.id and w.state = 'unclaimed')
		  then $1::timestamptz + make_interval(days => least(30, 2 << least(looks, 4))) end
		where id in (select id from unclaimed_thing where look_at <= $1 order by look_at limit $2 for no key update skip locked)
		returning id, site, look_at`, tx.at, lookAtOnce)
}

// lookFor has things with a URL looked at, because a button was made for it, or its owner asks.
func (tx *Tx) lookFor(ctx context.Context, url string) error {
	return tx.look(ctx, `
		update unclaimed_thing set looks = 0, looked_at = $2, look_at = $3
		where url = $1 and look_at is not null and (looked_at is null or looked_at <= $4)
		returning id, site, look_at`, url, tx.at, tx.at.Add(lookSoon), tx.at.Add(-lookApart))
}

// look enqueues a look at each thing that a statement returns.
func (tx *Tx) look(ctx context.Context, sql string, args ...any) error {
	type looked struct {
		ID     int64
		Site   string
		LookAt *time.Time
	}
	all, err := rows[looked](tx.Query(ctx, sql, args...))
	for _, u := range all {
		if u.LookAt != nil {
			tx.tell(Message{Kind: LookAgain, Key: strconv.FormatInt(u.ID, 10), To: u.Site})
		}
	}
	return err
}

// LookForButton has the page of a member's button looked at now, if flattrs wait for it. ErrNotFound: not this
// member's button.
func (l *Ledger) LookForButton(ctx context.Context, owner int64, button string) error {
	return l.tx(ctx, func(tx *Tx) error {
		var url string
		if err := tx.QueryRow(ctx, `
			select url from button where id = $1 and owner = $2 and removed_at is null`, button, owner).Scan(&url); err != nil {
			return notFound(err)
		}
		return tx.lookFor(ctx, url)
	})
}
