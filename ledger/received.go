package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	Split   int32 // the version of a co-authored thing's split; 0: none is named
}

// receivedFlattr is its row.
type receivedFlattr struct {
	ID         string
	Giver      string
	Object     string
	Member     *int64
	Period     string
	Answer     string
	Reason     *string
	AnsweredAt *time.Time
	UndoneAt   *time.Time
}

const receivedColumns = `id, giver, object, member, period, answer, reason, answered_at, undone_at`

// ReceiveFlattr takes a Like. The answer (accept, tentative, reject with a reason) is stored and
// told in the same transaction; the same id again gets the same answer. A second id for the same
// (giver, thing, month) is judged by the same facts and counts once. ErrConflict: the id is known with other content.
func (l *Ledger) ReceiveFlattr(ctx context.Context, r ReceivedLike) error {
	if !ValidPeriod(r.Period) {
		return refused("period", "form")
	}
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	if err := tx.lockID(ctx, r.ID); err != nil {
		return err
	}
	f, err := row[receivedFlattr](tx.Query(ctx, `
		select `+receivedColumns+` from received_flattr where id = $1`, r.ID))
	switch {
	case errors.Is(err, ErrNotFound):
		f, err = tx.receive(ctx, r, open)
	case err == nil && (f.Giver != r.Giver || f.Object != r.Object || f.Period != r.Period):
		err = fmt.Errorf("%w: %s is known with other content", ErrConflict, r.ID)
	}
	if err == nil {
		err = tx.tellAnswers(ctx, f)
	}
	if err != nil {
		return err
	}
	return tx.commit(ctx)
}

// lockID serialises what comes for one activity id, so that a Like and its Undo can't miss each other.
func (tx *Tx) lockID(ctx context.Context, id string) error {
	_, err := tx.Exec(ctx, lockByName, id)
	return err
}

const lockByName = `select pg_advisory_xact_lock(hashtextextended($1, 0))`

// receive judges and stores a Like that is new.
func (tx *Tx) receive(ctx context.Context, r ReceivedLike, open string) (receivedFlattr, error) {
	peer, err := tx.peer(ctx, r.Host)
	if err != nil {
		return receivedFlattr{}, err
	}
	undone, err := tx.buried(ctx, r.ID, r.Giver)
	if err != nil {
		return receivedFlattr{}, err
	}
	if v, shared, stale, err := tx.askedVersion(ctx, r); err != nil {
		return receivedFlattr{}, err
	} else if shared {
		return tx.receiveShared(ctx, receivedRow{ReceivedLike: r, peer: peer.ID, undone: undone}, open, v, stale)
	}
	known, err := tx.likeFacts(ctx, r, open)
	if err != nil {
		return receivedFlattr{}, err
	}
	return tx.insertReceived(ctx, receivedRow{r, peer.ID, undone, known.button, known.member}, known.judge())
}

// receivedRow is a Like with what its row needs.
type receivedRow struct {
	ReceivedLike
	peer   int64
	undone *time.Time
	button *string
	member *int64
}

func (tx *Tx) insertReceived(ctx context.Context, r receivedRow, j judgement) (receivedFlattr, error) {
	answered := &tx.at
	if j.answer == "tentative" {
		answered = nil
	}
	return row[receivedFlattr](tx.Query(ctx, `
		insert into received_flattr (id, giver, peer, object, button, member, period, carries,
		  answer, reason, received_at, answered_at, undone_at)
		values ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''), $9, nullif($10, ''), $11, $12, $13)
		returning `+receivedColumns, r.ID, r.Giver, r.peer, r.Object, r.button, r.member, r.Period, r.Carries,
		j.answer, j.reason, tx.at, answered, r.undone))
}

// tombstone is the key under which an Undo of this id by this actor is kept. Both may be as long as ids
// may be, and together they don't fit into an index.
func tombstone(id, actor string) []byte {
	h := sha256.New()
	for _, s := range []string{id, actor} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) // so that no two pairs are the same bytes
		h.Write([]byte(s))
	}
	return h.Sum(nil)
}

// buried tells when an Undo of this id by this giver came before it.
func (tx *Tx) buried(ctx context.Context, id, giver string) (*time.Time, error) {
	var at time.Time
	err := tx.QueryRow(ctx, `select created_at from tombstone where digest = $1`, tombstone(id, giver)).Scan(&at)
	if err == pgx.ErrNoRows {
		return nil, nil
	}
	return &at, err
}

// likeFacts is all that decides about a Like.
type likeFacts struct {
	button *string // nil: no thing of ours
	member *int64
	gone   bool   // the button, or its owner
	own    bool   // the giver is the owner
	gives  bool   // the owner may receive in that month
	month  string // the state of its month here, "" before it opens
	soon   bool   // it opens within the hour
}

// likeFacts reads what the tables know. The Like's month is locked as the open one is, so that what is
// read after that holds for the state it is in.
func (tx *Tx) likeFacts(ctx context.Context, r ReceivedLike, open string) (k likeFacts, err error) {
	id, ours := strings.CutPrefix(r.Object, tx.l.inst.ButtonIRI(""))
	if !ours {
		return k, nil
	}
	if err := tx.QueryRow(ctx, monthForLike, r.Period).Scan(&k.month); err != nil && err != pgx.ErrNoRows {
		return k, err
	}
	k.soon = tx.opensSoon(r.Period, open)
	var payee string
	err = tx.QueryRow(ctx, `
		select b.id, m.id, m.name, b.removed_at is not null or m.deleted_at is not null, `+tx.l.inst.gives("m.id", "$2")+`
		from button b join member m on m.id = b.owner
		where b.id = $1`, id, r.Period).
		Scan(&k.button, &k.member, &payee, &k.gone, &k.gives)
	if err == pgx.ErrNoRows {
		return likeFacts{}, nil
	}
	k.own = r.Giver == tx.l.inst.MemberIRI(payee)
	return k, err
}

const monthForLike = `select state from month where period = $1 for share`

// opensSoon: a Like of the next month is taken within an hour of it.
func (tx *Tx) opensSoon(period, open string) bool {
	return period == NextPeriod(open) && tx.at.Add(nextPeriodLeeway).After(PeriodEnd(open))
}

// judgement is the answer to a Like.
type judgement struct{ answer, reason string }

func rejected(reason string) judgement { return judgement{"reject", reason} }

// judge applies protocol §4. The current month is taken, the one before while in grace, and the next
// within one hour of it. Eligibility of a closed month is frozen, so its answer is final at once. Another
// id of the same flattr, whose Undo may be on its way, doesn't matter (DECISIONS.md, D23).
func (k likeFacts) judge() judgement {
	switch {
	case k.button == nil:
		return rejected(ReasonUnknownThing)
	case k.month == "settled" || k.month == "" && !k.soon:
		return rejected(ReasonPeriodClosed)
	case k.own:
		return rejected(ReasonOwnThing)
	case k.gone || !k.gives && k.month == "closed":
		return rejected(ReasonNotAccepting)
	case k.gives:
		return judgement{answer: "accept"}
	}
	return judgement{answer: "tentative"}
}

// tellAnswer tells the giver's home. An undone Like gets no answer: its home decided already.
func (tx *Tx) tellAnswer(f receivedFlattr) {
	if f.UndoneAt == nil {
		kind := map[string]string{"accept": TellAccept, "tentative": TellTentative, "reject": TellReject}[f.Answer]
		tx.tell(Message{Kind: kind, Key: f.ID, To: f.Giver})
	}
}

// ReceiveUndo takes back a Like that actor sent; decided by its home's commit, so it is applied
// whenever it arrives, and one that comes before its Like leaves a tombstone. ErrRefused: the Like
// is somebody else's.
func (l *Ledger) ReceiveUndo(ctx context.Context, like, actor string) error {
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := tx.lockID(ctx, like); err != nil {
		return err
	}
	var giver string
	err = tx.QueryRow(ctx, `select giver from received_flattr where id = $1`, like).Scan(&giver)
	switch {
	case err == pgx.ErrNoRows:
		_, err = tx.Exec(ctx, `
			insert into tombstone (digest, id, actor, created_at) values ($1, $2, $3, $4) on conflict do nothing`,
			tombstone(like, actor), like, actor, tx.at)
	case err == nil && giver != actor:
		err = fmt.Errorf("%w: %s isn't %s's", ErrRefused, like, actor)
	case err == nil:
		_, err = tx.Exec(ctx, `
			update received_flattr set undone_at = $2 where id = $1 and undone_at is null`, like, tx.at)
	}
	if err != nil {
		return err
	}
	return tx.commit(ctx)
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
	Part       bool // it is for one author of a co-authored thing
}

// LikeAnswer reads the answer to a received Like; with an author behind a space, what that one's is.
func (l *Ledger) LikeAnswer(ctx context.Context, like string) (LikeAnswer, error) {
	if like, payee, part := strings.Cut(like, " "); part {
		return l.partAnswer(ctx, like, payee)
	}
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
