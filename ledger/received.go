package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ReceivedLike is a flattr as it came from another instance, its sender proven.
type ReceivedLike struct {
	ID      string
	Giver   string // actor
	Host    string // of the giver's instance
	Object  string
	Period  string
	Carries string
}

// receivedFlattr is its row.
type receivedFlattr struct {
	ID         string
	Giver      string
	Object     string
	Period     string
	Answer     string
	Reason     *string
	AnsweredAt *time.Time
	UndoneAt   *time.Time
}

const receivedColumns = `id, giver, object, period, answer, reason, answered_at, undone_at`

// ReceiveFlattr takes a Like. The answer (accept, tentative, reject with a reason) is stored and
// told in the same transaction; the same id again gets the same answer, and a second id for the
// same (giver, thing, month) gets the first one's. ErrConflict: the id is known with other content.
func (l *Ledger) ReceiveFlattr(ctx context.Context, r ReceivedLike) error {
	if !ValidPeriod(r.Period) {
		return refused("period", "form")
	}
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.lockID(ctx, r.ID); err != nil {
			return err
		}
		known, err := row[receivedFlattr](ctx, tx, `
			select `+receivedColumns+` from received_flattr where id = $1`, r.ID)
		switch {
		case err == nil:
			return tx.repeated(ctx, known, r)
		case !errors.Is(err, ErrNotFound):
			return err
		}
		return tx.receive(ctx, r, open)
	})
}

// lockID serialises what comes for one activity id, so that a Like and its Undo can't miss each other.
func (tx *Tx) lockID(ctx context.Context, id string) error {
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, id)
	return err
}

func (tx *Tx) repeated(ctx context.Context, known receivedFlattr, r ReceivedLike) error {
	if known.Giver != r.Giver || known.Object != r.Object || known.Period != r.Period {
		return fmt.Errorf("%w: %s is known with other content", ErrConflict, r.ID)
	}
	return tx.tellAnswer(ctx, known)
}

// receive judges and stores a Like that is new.
func (tx *Tx) receive(ctx context.Context, r ReceivedLike, open string) error {
	peer, err := tx.peer(ctx, r.Host)
	if err != nil {
		return err
	}
	j, err := tx.judge(ctx, r, open)
	if err != nil {
		return err
	}
	undone, err := tx.buried(ctx, r.ID, r.Giver)
	if err != nil {
		return err
	}
	answered := &tx.at
	if j.answer == "tentative" {
		answered = nil
	}
	f, err := row[receivedFlattr](ctx, tx, `
		insert into received_flattr (id, giver, peer, object, button, member, period, carries,
		  answer, reason, received_at, answered_at, undone_at)
		values ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''), $9, nullif($10, ''), $11, $12, $13)
		returning `+receivedColumns, r.ID, r.Giver, peer.ID, r.Object, j.button, j.member, r.Period, r.Carries,
		j.answer, j.reason, tx.at, answered, undone)
	if err != nil {
		return err
	}
	return tx.tellAnswer(ctx, f)
}

// buried tells when an Undo of this id by this giver came before it.
func (tx *Tx) buried(ctx context.Context, id, giver string) (*time.Time, error) {
	var at time.Time
	err := tx.QueryRow(ctx, `select created_at from tombstone where id = $1 and actor = $2`, id, giver).Scan(&at)
	if err == pgx.ErrNoRows {
		return nil, nil
	}
	return &at, err
}

// judgement is the answer to a Like and what it is about.
type judgement struct {
	answer, reason string
	button         *string
	member         *int64
}

func rejected(reason string) judgement { return judgement{answer: "reject", reason: reason} }

// judge applies protocol §4: the thing, the month, own things, and reciprocity.
func (tx *Tx) judge(ctx context.Context, r ReceivedLike, open string) (judgement, error) {
	id, ours := strings.CutPrefix(r.Object, tx.l.inst.ButtonIRI(""))
	var member int64
	var payee string
	var gone bool
	err := tx.QueryRow(ctx, `
		select m.id, m.name, b.removed_at is not null or m.deleted_at is not null
		from button b join member m on m.id = b.owner where b.id = $1`, id).Scan(&member, &payee, &gone)
	switch {
	case !ours || err == pgx.ErrNoRows:
		return rejected(ReasonUnknownThing), nil
	case err != nil:
		return judgement{}, err
	}
	j, same, err := tx.sameFlattr(ctx, r)
	if err == nil && !same {
		j, err = tx.judgeMonth(ctx, r, open, member)
	}
	j.button, j.member = &id, &member
	switch {
	case err != nil || same || j.reason == ReasonPeriodClosed:
	case r.Giver == tx.l.inst.MemberIRI(payee):
		j.answer, j.reason = "reject", ReasonOwnThing
	case gone:
		j.answer, j.reason = "reject", ReasonNotAccepting
	}
	return j, err
}

// judgeMonth: the current month is taken, the one before while in grace, and the next within one
// hour of it. Eligibility of a closed month is frozen, so its answer is final at once.
func (tx *Tx) judgeMonth(ctx context.Context, r ReceivedLike, open string, member int64) (judgement, error) {
	var state string
	err := tx.QueryRow(ctx, `select state from month where period = $1 for share`, r.Period).Scan(&state)
	soon := r.Period == NextPeriod(open) && tx.at.Add(nextPeriodLeeway).After(PeriodEnd(open))
	switch {
	case err != nil && err != pgx.ErrNoRows:
		return judgement{}, err
	case state == "settled" || state == "" && !soon:
		return rejected(ReasonPeriodClosed), nil
	}
	gives, err := tx.mayReceive(ctx, member, r.Period)
	switch {
	case err != nil:
		return judgement{}, err
	case gives:
		return judgement{answer: "accept"}, nil
	case state == "closed":
		return rejected(ReasonNotAccepting), nil
	}
	return judgement{answer: "tentative"}, nil
}

// sameFlattr finds the answer already given to this giver for this thing and month under another id.
func (tx *Tx) sameFlattr(ctx context.Context, r ReceivedLike) (judgement, bool, error) {
	var j judgement
	err := tx.QueryRow(ctx, `
		select answer, coalesce(reason, '') from received_flattr
		where giver = $1 and object = $2 and period = $3 and undone_at is null
		order by received_at, id limit 1`, r.Giver, r.Object, r.Period).Scan(&j.answer, &j.reason)
	if err == pgx.ErrNoRows {
		return j, false, nil
	}
	return j, err == nil, err
}

// tellAnswer tells the giver's home. An undone Like gets no answer: its home decided already.
func (tx *Tx) tellAnswer(ctx context.Context, f receivedFlattr) error {
	if f.UndoneAt != nil {
		return nil
	}
	kind := map[string]string{"accept": TellAccept, "tentative": TellTentative, "reject": TellReject}[f.Answer]
	return tx.tell(ctx, Message{Kind: kind, Key: f.ID, To: f.Giver})
}

// ReceiveUndo takes back a Like that actor sent; decided by its home's commit, so it is applied
// whenever it arrives, and one that comes before its Like leaves a tombstone. ErrRefused: the Like
// is somebody else's.
func (l *Ledger) ReceiveUndo(ctx context.Context, like, actor string) error {
	return l.tx(ctx, func(tx *Tx) error {
		if err := tx.lockID(ctx, like); err != nil {
			return err
		}
		var giver string
		err := tx.QueryRow(ctx, `select giver from received_flattr where id = $1`, like).Scan(&giver)
		switch {
		case err == pgx.ErrNoRows:
			_, err = tx.Exec(ctx, `
				insert into tombstone (id, actor, created_at) values ($1, $2, $3) on conflict do nothing`,
				like, actor, tx.at)
			return err
		case err != nil:
			return err
		case giver != actor:
			return fmt.Errorf("%w: %s isn't %s's", ErrRefused, like, actor)
		}
		_, err = tx.Exec(ctx, `
			update received_flattr set undone_at = $2 where id = $1 and undone_at is null`, like, tx.at)
		return err
	})
}

// LikeAnswer is what was answered to a received Like, for telling.
type LikeAnswer struct {
	Like       string
	Giver      string
	Object     string
	Payee      string // actor: who answers
	Period     string
	Reason     string
	ReceivedAt time.Time
}

// LikeAnswer reads the answer to a received Like.
func (l *Ledger) LikeAnswer(ctx context.Context, like string) (LikeAnswer, error) {
	var a LikeAnswer
	var name *string
	err := l.pool.QueryRow(ctx, `
		select r.id, r.giver, r.object, m.name, r.period, coalesce(r.reason, ''), r.received_at
		from received_flattr r left join member m on m.id = r.member where r.id = $1`, like).
		Scan(&a.Like, &a.Giver, &a.Object, &name, &a.Period, &a.Reason, &a.ReceivedAt)
	a.Payee = l.inst.ActorIRI()
	if name != nil {
		a.Payee = l.inst.MemberIRI(*name)
	}
	return a, notFound(err)
}

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
