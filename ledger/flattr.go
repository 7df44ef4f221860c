package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// States of a flattr at the giver's home.
const (
	Unfunded = "unfunded" // kept here, unsent and uncounted, until a budget runs
	Sent     = "sent"     // told, no answer yet
	Held     = "held"     // the payee isn't giving yet; counted in public
	Accepted = "accepted" // final: takes its share at settlement
	Rejected = "rejected" // final: takes nothing
	Undone   = "undone"
	Carried  = "carried" // no final answer by settlement: goes on in the next month
	Expired  = "expired" // carried three times in vain
)

// Reasons of a rejected flattr (protocol §4).
const (
	ReasonUnknownThing = "unknown-thing"
	ReasonNotAccepting = "not-accepting"
	ReasonBlocked      = "blocked"
	ReasonOwnThing     = "own-thing"
	ReasonPeriodClosed = "period-closed"
)

// Flattr is one member's click on one thing in one month. It carries no amount.
type Flattr struct {
	ID         uuid.UUID
	Giver      int64
	Thing      int64
	Period     string
	State      string
	Reason     *string
	Carries    *uuid.UUID
	CarryCount int32
	MadeAt     time.Time
	AnsweredAt *time.Time
	UndoneAt   *time.Time
}

const flattrColumns = `id, giver, thing, period, state, reason, carries, carry_count, made_at, answered_at, undone_at`

// Flattr clicks for a member on a thing in the open month. A second click on the same thing in the
// same month returns the first (again = true). Own things and things that don't take flattrs are
// refused (FieldError "thing": own-thing, not-accepting). Without a running budget the click is
// kept here until one runs.
func (l *Ledger) Flattr(ctx context.Context, by, thing int64) (f Flattr, again bool, err error) {
	err = l.tx(ctx, func(tx *Tx) error {
		f, again, err = tx.flattr(ctx, by, thing)
		return err
	})
	return f, again, err
}

func (tx *Tx) flattr(ctx context.Context, by, thing int64) (f Flattr, again bool, err error) {
	period, err := tx.openMonth(ctx)
	if err != nil {
		return f, false, err
	}
	giver, err := tx.activeMember(ctx, by, true)
	if err != nil {
		return f, false, err
	}
	t, err := row[Thing](tx.Query(ctx, `select `+thingColumns+` from thing where id = $1`, thing))
	if err != nil {
		return f, false, err
	}
	f, err = row[Flattr](tx.Query(ctx, `select `+flattrColumns+` from flattr
		where giver = $1 and thing = $2 and period = $3 and state <> 'undone'`, by, thing, period))
	if !errors.Is(err, ErrNotFound) {
		return f, true, err
	}
	own, err := tx.authorOf(ctx, thing, period, tx.l.inst.MemberIRI(giver.Name))
	if err != nil {
		return f, false, err
	}
	if own || t.Payee == tx.l.inst.MemberIRI(giver.Name) {
		return f, false, refused("thing", ReasonOwnThing)
	}
	if err := tx.takesFlattrs(ctx, t); err != nil {
		return f, false, err
	}
	if err := tx.reserveFirst(ctx, period, by); err != nil {
		return f, false, err
	}
	f = Flattr{ID: uuid.Must(uuid.NewV7()), Giver: by, Thing: thing, Period: period, State: Unfunded, MadeAt: tx.at}
	if err := tx.insertFlattr(ctx, f); err != nil {
		return f, false, err
	}
	if err := tx.send(ctx, period, by); err != nil {
		return f, false, err
	}
	f, err = row[Flattr](tx.Query(ctx, `select `+flattrColumns+` from flattr where id = $1`, f.ID))
	return f, false, err
}

// takesFlattrs refuses a thing of ours that is gone.
func (tx *Tx) takesFlattrs(ctx context.Context, t Thing) error {
	if t.Button == nil {
		return nil
	}
	var gone bool
	err := tx.QueryRow(ctx, `
		select b.removed_at is not null or m.deleted_at is not null
		from button b join member m on m.id = b.owner where b.id = $1`, t.Button).Scan(&gone)
	if err == nil && gone {
		return refused("thing", ReasonNotAccepting)
	}
	return err
}

func (tx *Tx) insertFlattr(ctx context.Context, f Flattr) error {
	_, err := tx.Exec(ctx, `
		insert into flattr (id, giver, thing, period, state, carries, carry_count, made_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		f.ID, f.Giver, f.Thing, f.Period, f.State, f.Carries, f.CarryCount, f.MadeAt)
	return err
}

// send lets the unfunded flattrs of those givers count whose budget runs: a thing of ours answers at
// once, by the instance's reciprocity policy (where it is required only those who give may receive, and
// giving means money reserved for that month); another instance is told.
func (tx *Tx) send(ctx context.Context, period string, givers ...int64) error {
	type waiting struct {
		ID    uuid.UUID
		Payee string
		Ours  bool
		Gives bool
		Split bool
	}
	all, err := rows[waiting](tx.Query(ctx, `
		select f.id, t.payee, t.member is not null as ours, t.member is not null and `+tx.l.inst.gives("t.member", "f.period")+` as gives,
		  `+coAuthored+` as split
		from flattr f join thing t on t.id = f.thing
		where f.giver = any($1) and f.period = $2 and f.state = 'unfunded' and `+funded("f.giver", "f.period")+`
		order by f.made_at, f.id for no key update of f`, givers, period))
	if err != nil {
		return err
	}
	for _, w := range all {
		state, answered := Sent, (*time.Time)(nil)
		switch {
		case w.Split:
			if err := tx.sendParts(ctx, w.ID); err != nil {
				return err
			}
			continue
		case !w.Ours:
			tx.tell(Message{Kind: TellLike, Key: w.ID.String(), To: w.Payee})
		case w.Gives:
			state, answered = Accepted, &tx.at
		default:
			state, answered = Held, &tx.at
		}
		if _, err := tx.Exec(ctx, `update flattr set state = $2, answered_at = $3 where id = $1`,
			w.ID, state, answered); err != nil {
			return err
		}
	}
	return nil
}

// UndoFlattr takes a member's flattr back while its month is open, or while it waits in none; doing it twice is fine.
func (l *Ledger) UndoFlattr(ctx context.Context, by int64, id uuid.UUID) error {
	return l.tx(ctx, func(tx *Tx) error {
		period, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		f, err := row[Flattr](tx.Query(ctx, `select `+flattrColumns+` from flattr
			where id = $1 and giver = $2 for no key update`, id, by))
		switch {
		case errors.Is(err, ErrNotFound):
			return tx.undoUnclaimed(ctx, by, id)
		case err != nil:
			return err
		case f.State == Undone:
			return nil
		case f.Period != period:
			return fmt.Errorf("%w: %s", ErrClosed, f.Period)
		}
		return tx.undo(ctx, f)
	})
}

func (tx *Tx) undo(ctx context.Context, f Flattr) error {
	t, err := row[Thing](tx.Query(ctx, `select `+thingColumns+` from thing where id = $1`, f.Thing))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update flattr set state = 'undone', reason = null, undone_at = $2 where id = $1`, f.ID, tx.at); err != nil {
		return err
	}
	if f.State == Unfunded {
		return nil
	}
	var shared bool
	if err := tx.QueryRow(ctx, `select exists (select from flattr_part where flattr = $1)`, f.ID).Scan(&shared); err != nil {
		return err
	}
	if shared {
		return tx.tellParts(ctx, TellUndo, f.ID, `true`)
	}
	if t.Peer == nil {
		return nil
	}
	tx.tell(Message{Kind: TellUndo, Key: f.ID.String(), To: t.Payee})
	return nil
}

// Verdict is a payee's home's answer to a Like.
type Verdict struct {
	Like   string // the Like's id
	Host   string // of the instance that answers
	Actor  string // who answers there: the payee, or the instance
	Answer string // accept | tentative | reject
	Reason string // of a reject
}

// FlattrAnswered records the payee's home's answer. The first final answer stands; an answer to a
// flattr that was undone or carried since, or whose month is being settled, changes nothing. ErrNotFound:
// no such flattr. ErrRefused: the answer isn't that actor's to give, or is none (FieldError "answer":
// unknown).
func (l *Ledger) FlattrAnswered(ctx context.Context, v Verdict) error {
	id, err := l.flattrID(v.Like)
	if err != nil {
		return err
	}
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	// The month's lock first: settlement counts the final answers that came before it froze them.
	m, err := row[Month](tx.Query(ctx, `
		select `+monthColumns+` from month where period = (select period from flattr where id = $1) for share`, id))
	if err != nil {
		return err
	}
	f, err := row[Flattr](tx.Query(ctx, `select `+flattrColumns+` from flattr where id = $1 for no key update`, id))
	if err != nil {
		return err
	}
	if m.FrozenAt != nil {
		f.State = Carried // it comes too late, as after the settlement
	}
	shared, err := tx.answerParts(ctx, f, v)
	if err == nil && !shared {
		if err = tx.mayAnswer(ctx, f, v); err == nil {
			err = tx.answer(ctx, f, v)
		}
	}
	if err != nil {
		return err
	}
	return tx.commit(ctx)
}

// flattrID takes the uuid out of a Like id of ours.
func (l *Ledger) flattrID(like string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(like, l.inst.FlattrIRI(""))
	id, err := uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return uuid.UUID{}, ErrNotFound
	}
	return id, nil
}

// mayAnswer lets the payee answer and the actor of the payee's instance (protocol §4), and nobody else
// there: an instance's members don't speak for each other. The instance actor is the one that was
// pinned, or, before the instance is met, the one where every instance of ours has it.
func (tx *Tx) mayAnswer(ctx context.Context, f Flattr, v Verdict) error {
	var payee, host, pinned string
	err := tx.QueryRow(ctx, `
		select t.payee, coalesce(p.host, ''), coalesce(p.actor, '')
		from thing t left join peer p on p.id = t.peer where t.id = $1`, f.Thing).Scan(&payee, &host, &pinned)
	if err != nil {
		return err
	}
	if pinned == "" {
		pinned = tx.l.inst.actorOf(host)
	}
	if host == "" || v.Host != host || v.Actor != payee && v.Actor != pinned {
		return fmt.Errorf("%w: %s doesn't answer for this flattr", ErrRefused, v.Actor)
	}
	return nil
}

func (tx *Tx) answer(ctx context.Context, f Flattr, v Verdict) error {
	if f.State != Sent && f.State != Held {
		return nil
	}
	state, reason, err := v.state()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update flattr set state = $2, reason = $3, answered_at = $4 where id = $1`,
		f.ID, state, reason, tx.at)
	return err
}

// state is what an answer makes of a flattr.
func (v Verdict) state() (state string, reason *string, err error) {
	switch v.Answer {
	case "accept":
		return Accepted, nil, nil
	case "tentative":
		return Held, nil, nil
	case "reject":
		return Rejected, &v.Reason, nil
	}
	return "", nil, refused("answer", "unknown")
}

// actorOf is where every instance of ours has its actor.
func (i Instance) actorOf(host string) string {
	scheme, _, _ := strings.Cut(i.BaseURL, "://")
	return scheme + "://" + host + "/actor"
}

// OutgoingLike is what a Like says, from immutable columns: each rendering is the same.
type OutgoingLike struct {
	ID      string // the Like's id
	Giver   string // actor
	Object  string
	Payee   string   // actor
	Authors []string // of a co-authored thing: the actors who get a part
	Split   int32    // and the version of its split; else 0
	Period  string
	Carries string // the carried flattr's Like id, or ""
	MadeAt  time.Time
	Undone  *time.Time
}

// OutgoingLike reads a flattr for telling.
func (l *Ledger) OutgoingLike(ctx context.Context, id uuid.UUID) (OutgoingLike, error) {
	var o OutgoingLike
	var name string
	var carries *uuid.UUID
	err := l.pool.QueryRow(ctx, `
		select m.name, t.iri, t.payee, f.period, f.carries, f.made_at, f.undone_at, coalesce(x.version, 0), x.authors
		from flattr f join member m on m.id = f.giver join thing t on t.id = f.thing
		left join lateral (select min(v.version) as version, array_agg(p.payee order by p.payee collate "C") as authors
		  from flattr_part a join thing_split_part p on p.id = a.part join thing_split v on v.id = p.split where a.flattr = f.id) x on true
		where f.id = $1`, id).Scan(&name, &o.Object, &o.Payee, &o.Period, &carries, &o.MadeAt, &o.Undone, &o.Split, &o.Authors)
	if err != nil {
		return o, notFound(err)
	}
	o.ID, o.Giver = l.inst.FlattrIRI(id.String()), l.inst.MemberIRI(name)
	if carries != nil {
		o.Carries = l.inst.FlattrIRI(carries.String())
	}
	return o, nil
}

// MyFlattr reads one of a member's own flattrs; ErrNotFound.
func (l *Ledger) MyFlattr(ctx context.Context, by int64, id uuid.UUID) (Flattr, error) {
	return row[Flattr](l.pool.Query(ctx, `select `+flattrColumns+` from flattr where id = $1 and giver = $2`, id, by))
}
