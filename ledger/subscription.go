package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// States of a subscription.
const (
	Running = "running"
	Paused  = "paused"
	Ended   = "ended"
)

// Subscription is a flattr that repeats on the first of each month, in 3, 6 or 12 months in all or until it
// is stopped (protocol §4).
type Subscription struct {
	ID        int64
	Giver     int64
	Thing     int64
	Months    *int32 // in all, the first included; nil: until stopped
	Flattred  int32  // in how many so far
	Upto      string // the last month that it was looked at in
	State     string
	Ended     *string // complete | stopped | gone
	CreatedAt time.Time
}

const subscriptionColumns = `id, giver, thing, months, flattred, upto, state, ended, created_at`

// Left is in how many months it is still to flattr; ok is false if there is no end.
func (s Subscription) Left() (n int32, ok bool) {
	if s.Months == nil {
		return 0, false
	}
	return *s.Months - s.Flattred, true
}

// Subscribe flattrs a thing in the open month, if the member hasn't yet, and repeats that: in 3, 6 or 12
// months in all, or, with 0, until it is stopped. For one that runs or is paused it changes the number of months,
// and lets it run. FieldError: months (choice: none of these; over: as many have passed), and those of Flattr.
func (l *Ledger) Subscribe(ctx context.Context, by, thing int64, months int32) (s Subscription, err error) {
	var all *int32
	switch months {
	case 3, 6, 12:
		all = &months
	case 0:
	default:
		return s, refused("months", "choice")
	}
	err = l.tx(ctx, func(tx *Tx) error {
		f, _, err := tx.flattr(ctx, by, thing)
		if err != nil {
			return err
		}
		s, err = row[Subscription](tx.Query(ctx, `
			select `+subscriptionColumns+` from subscription
			where giver = $1 and thing = $2 and state <> 'ended' for no key update`, by, thing))
		if err == nil && all != nil && s.Flattred >= *all {
			return refused("months", "over")
		}
		if err == nil {
			s, err = row[Subscription](tx.Query(ctx, `
				update subscription set months = $2, state = 'running' where id = $1 returning `+subscriptionColumns, s.ID, all))
			return err
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		s, err = row[Subscription](tx.Query(ctx, `
			insert into subscription (giver, thing, months, flattred, upto, state, created_at)
			values ($1, $2, $3, 1, $4, 'running', $5) returning `+subscriptionColumns, by, thing, all, f.Period, tx.at))
		return err
	})
	return s, err
}

// PauseSubscription lets a member's subscription rest: months that begin meanwhile don't count.
func (l *Ledger) PauseSubscription(ctx context.Context, by, id int64) error {
	return l.changeSubscription(ctx, `
		update subscription set state = 'paused' where id = $1 and giver = $2 and state <> 'ended'`, id, by)
}

// ResumeSubscription lets it go on with the next month.
func (l *Ledger) ResumeSubscription(ctx context.Context, by, id int64) error {
	return l.changeSubscription(ctx, `
		update subscription set state = 'running' where id = $1 and giver = $2 and state <> 'ended'`, id, by)
}

// StopSubscription ends it. This month's flattr stays.
func (l *Ledger) StopSubscription(ctx context.Context, by, id int64) error {
	return l.tx(ctx, func(tx *Tx) error {
		tag, err := tx.Exec(ctx, `
			update subscription set state = 'ended', ended = 'stopped', ended_at = $3
			where id = $1 and giver = $2 and state <> 'ended'`, id, by, tx.at)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrNotFound
		}
		return err
	})
}

func (l *Ledger) changeSubscription(ctx context.Context, sql string, args ...any) error {
	return l.tx(ctx, func(tx *Tx) error {
		tag, err := tx.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// SubscriptionView is a member's subscription with what it is to.
type SubscriptionView struct {
	Subscription
	Title, URL, Payee, PayeeName string
}

// Subscriptions lists a member's subscriptions that haven't ended, the oldest first.
func (l *Ledger) Subscriptions(ctx context.Context, by int64) ([]SubscriptionView, error) {
	return rows[SubscriptionView](l.pool.Query(ctx, `
		select s.id, s.giver, s.thing, s.months, s.flattred, s.upto, s.state, s.ended, s.created_at,
		  t.title, t.url, t.payee, t.payee_name
		from subscription s join thing t on t.id = s.thing
		where s.giver = $1 and s.state <> 'ended' order by s.created_at, s.id`, by))
}

// repeatChunk is how many subscriptions are repeated in one transaction, so that clicks beside them wait for
// none of them long.
const repeatChunk = 500

// repeat flattrs for the subscriptions that haven't been looked at in the open month. A crash leaves the rest to
// the next tick; a month that was over before its turn is skipped, as nobody can flattr in it any more.
func (l *Ledger) repeat(ctx context.Context) error {
	for {
		more := false
		if err := l.tx(ctx, func(tx *Tx) (err error) {
			more, err = tx.repeatNext(ctx)
			return err
		}); err != nil || !more {
			return err
		}
	}
}

// repeating is a subscription whose turn it is.
type repeating struct {
	ID    int64
	Giver int64
	Thing int64
	Runs  bool // not paused
	Gone  bool // its thing, the owner, or the giver
	Fresh bool // the giver has flattred the thing already
	Last  bool // this month is the last
}

func (tx *Tx) repeatNext(ctx context.Context) (more bool, err error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return false, err
	}
	due, err := rows[repeating](tx.Query(ctx, `
		select s.id, s.giver, s.thing, s.state = 'running' as runs, s.flattred + 1 = s.months is true as last,
		  g.deleted_at is not null or b.removed_at is not null or o.deleted_at is not null as gone,
		  exists (select from flattr f where f.giver = s.giver and f.thing = s.thing and f.period = $1 and f.state <> 'undone') as fresh
		from subscription s join thing t on t.id = s.thing join member g on g.id = s.giver
		left join button b on b.id = t.button left join member o on o.id = b.owner
		where s.state <> 'ended' and s.upto < $1
		order by s.upto, s.id limit $2 for no key update of s skip locked`, open, repeatChunk))
	if err != nil || len(due) == 0 {
		return false, err
	}
	if err := tx.repeatAll(ctx, open, due); err != nil {
		return false, err
	}
	return len(due) == repeatChunk, nil
}

// repeatAll flattrs for those that run and marks all as done for this month. Whose budget isn't reserved yet is
// told of when it is.
func (tx *Tx) repeatAll(ctx context.Context, open string, due []repeating) error {
	var all, ran, complete, gone []int64
	var made []uuid.UUID
	var givers, things []int64
	for _, s := range due {
		all = append(all, s.ID)
		switch {
		case s.Gone:
			gone = append(gone, s.ID)
			continue
		case !s.Runs:
			continue
		case s.Last:
			complete = append(complete, s.ID)
		}
		ran = append(ran, s.ID)
		if s.Fresh {
			continue
		}
		made, givers, things = append(made, uuid.Must(uuid.NewV7())), append(givers, s.Giver), append(things, s.Thing)
	}
	if _, err := tx.Exec(ctx, `
		insert into flattr (id, giver, thing, period, state, made_at)
		select id, giver, thing, $4, 'unfunded', $5 from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as f (id, giver, thing)`,
		made, givers, things, open, tx.at); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update subscription set upto = $2, flattred = flattred + case when id = any($3) then 1 else 0 end,
		  state = case when id = any($4) or id = any($5) then 'ended' else state end,
		  ended = case when id = any($5) then 'gone' when id = any($4) then 'complete' end,
		  ended_at = case when id = any($4) or id = any($5) then $6::timestamptz end
		where id = any($1)`, all, open, ran, complete, gone, tx.at); err != nil {
		return err
	}
	return tx.send(ctx, open, givers...)
}
