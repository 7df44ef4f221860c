package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// Statement is what we tell a peer (protocol §9).
type Statement struct {
	ID        string
	Peer      Peer
	InReplyTo string
	Sequence  int64
	Seen      int64
	At        time.Time
	Reading
}

// State makes our next statement for a peer, the answer to its statement inReplyTo, or one that asks for an
// answer. sign makes the document of it.
func (l *Ledger) State(ctx context.Context, host, id, inReplyTo string, sign func(Statement) error) error {
	s := Statement{ID: id, InReplyTo: inReplyTo}
	err := l.tx(ctx, func(tx *Tx) (err error) {
		if s.Peer, err = tx.peerKnown(ctx, host); err != nil {
			return err
		}
		s.At = tx.at
		return tx.QueryRow(ctx, `
			insert into standing as s (peer, sent, asked, told_at) values ($1, 1, $2, $3)
			on conflict (peer) do update set sent = s.sent + 1, told_at = $3,
			  asked = case when $2 = '' then s.asked else $2 end
			returning sent, seen`, s.Peer.ID, asks(s), tx.at).Scan(&s.Sequence, &s.Seen)
	})
	if err != nil {
		return err
	}
	// What is on record is read after the number is taken, so that who has a higher number knows as much.
	return l.repeatable(ctx, func(tx *Tx) error {
		if s.Reading, err = tx.reading(ctx, s.Peer, false); err != nil {
			return err
		}
		return sign(s)
	})
}

// asks is the statement's id if it asks for an answer.
func asks(s Statement) string {
	if s.InReplyTo != "" {
		return ""
	}
	return s.ID
}

// maxReturns is how much one statement makes us send.
const maxReturns = 50

// maxSequence bounds a peer's word on how many statements of ours it has seen.
const maxSequence = 1 << 53

// Heard is what followed from a peer's statement.
type Heard struct {
	pair.Comparison
	Released int // drafts and successors that were offered at last
}

// ReceiveStatement compares a peer's statement with our records: what the peer lacks is returned to it, what
// contradicts freezes the pair, and if we have lost what we had signed, nothing new is signed for this peer until
// it has returned that. body is kept where it is evidence of that.
func (l *Ledger) ReceiveStatement(ctx context.Context, host string, theirs pair.Statement, body []byte) (h Heard, err error) {
	if theirs.Sequence < 1 || theirs.Sequence > maxSequence || theirs.Seen < 0 || theirs.Seen > maxSequence {
		return h, &ClaimFault{Code: "malformed", Detail: "sequence numbers"}
	}
	err = l.tx(ctx, func(tx *Tx) error {
		h = Heard{}
		if err := tx.pairHeld(ctx, host); err != nil {
			return err
		}
		p, err := tx.peer(ctx, host)
		if err != nil {
			return err
		}
		s, err := tx.standing(ctx, p)
		if err != nil {
			return err
		}
		if err := tx.heardOften(ctx, p, theirs); err != nil {
			return err
		}
		ours, err := tx.reading(ctx, p, true)
		if err != nil {
			return err
		}
		h.Comparison = pair.Compare(s, ours.Records, ours.Balance(), theirs)
		if err := tx.compared(ctx, p, ours, h.Comparison, theirs); err != nil {
			return err
		}
		if h.Comparison.Released {
			p.HeldAt = nil
			h.Released, err = tx.release(ctx, p)
		}
		if h.Freeze != "" && p.FrozenAt == nil || h.Restored && p.HeldAt == nil {
			tx.keep(theirs.ID, body, false) // evidence
		}
		return err
	})
	return h, err
}

// pairHeld takes all locks under which claims and payments with a host change. A snapshot would be older than the
// locks: behind them, what several statements read is of one moment, and of the latest.
func (tx *Tx) pairHeld(ctx context.Context, host string) error {
	if _, err := tx.openMonth(ctx); err != nil {
		return err
	}
	for _, key := range []string{claimsOf, claimsFor, paymentsWith} {
		if err := tx.lockID(ctx, key+host); err != nil {
			return err
		}
	}
	return nil
}

// A peer's statements cost us a comparison each, an answer, and what it says that it lacks. One in a minute is taken,
// and a few at once after a while: an instance asks when it starts, and again when what it had lost has come.
const (
	statementEvery   = time.Minute
	statementsAtOnce = 10
)

// TooSoon says that a peer's statement isn't taken yet.
type TooSoon struct{ Again time.Duration }

func (e *TooSoon) Error() string {
	return fmt.Sprintf("one statement in %v is taken; ask again in %v", statementEvery, e.Again)
}

// heardOften holds a peer to its statements' number; *TooSoon. The first answer to our last question isn't counted.
func (tx *Tx) heardOften(ctx context.Context, p Peer, theirs pair.Statement) error {
	answered, err := tx.Exec(ctx, `
		update standing set answered = asked where peer = $1 and asked <> '' and asked = $2 and answered <> asked`, p.ID, theirs.InReplyTo)
	if err != nil || answered.RowsAffected() > 0 {
		return err
	}
	var busy time.Time // each statement takes a minute, and so many minutes may be owed
	if err := tx.QueryRow(ctx, `
		update standing set busy_until = greatest(coalesce(busy_until, $2), $2) + $3::interval where peer = $1 returning busy_until`,
		p.ID, tx.at, statementEvery).Scan(&busy); err != nil {
		return err
	}
	if late := busy.Sub(tx.at) - statementsAtOnce*statementEvery; late > 0 {
		return &TooSoon{Again: late}
	}
	return nil
}

// repeatable is tx on one snapshot, so that records and balance are of one moment.
func (l *Ledger) repeatable(ctx context.Context, f func(tx *Tx) error) (err error) {
	for range MaxTries {
		if err = l.onceRepeatable(ctx, f); !GaveWay(err) {
			return err
		}
	}
	return err
}

func (l *Ledger) onceRepeatable(ctx context.Context, f func(tx *Tx) error) error {
	raw, err := l.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return err
	}
	tx := &Tx{Tx: raw, at: l.Now(), l: l}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := f(tx); err != nil {
		return err
	}
	return tx.commit(ctx)
}

// standing reads and locks how far we and a peer have talked.
func (tx *Tx) standing(ctx context.Context, p Peer) (s pair.Standing, err error) {
	err = tx.QueryRow(ctx, `
		insert into standing as s (peer) values ($1) on conflict (peer) do update set peer = s.peer
		returning sent, seen, held_at is not null, asked`, p.ID).Scan(&s.Sent, &s.Seen, &s.Held, &s.Asked)
	return s, err
}

// compared stores what a comparison came to and has the peer told.
func (tx *Tx) compared(ctx context.Context, p Peer, ours Reading, c pair.Comparison, theirs pair.Statement) error {
	if _, err := tx.Exec(ctx, `
		update standing set sent = $2, seen = $3, asked = $4, heard_at = $5,
		  agreed_at = case when $6 then $5 else agreed_at end,
		  held_at = case when $7 then coalesce(held_at, $5) end
		where peer = $1`, p.ID, c.Standing.Sent, c.Standing.Seen, c.Standing.Asked, tx.at, c.Agreed && c.Freeze == "",
		c.Standing.Held); err != nil {
		return err
	}
	for _, r := range c.Return[:min(len(c.Return), maxReturns)] { // the next statement brings the rest
		tx.tell(Message{Kind: ours.tell(r), Key: r.ID, To: p.Host})
	}
	if c.Reply {
		tx.tell(Message{Kind: TellStatement, Key: p.Host + " " + theirs.ID, To: p.Host})
	}
	if c.Restored { // what is returned is followed by further questions, until all is here
		tx.tell(Message{Kind: TellStatement, Key: p.Host, To: p.Host})
	}
	if c.Freeze == "" {
		return nil
	}
	return tx.freeze(ctx, p.ID, c.Freeze)
}

// Started holds everything that would be signed for peers with whom statements were exchanged before, until they
// have shown what they have of us: this database may be a backup, and we can't tell from within. To call once
// when an instance starts, before it delivers anything.
func (l *Ledger) Started(ctx context.Context) error {
	return l.tx(ctx, func(tx *Tx) error {
		return tx.tellEach(ctx, `
			update standing s set held_at = coalesce(held_at, $1), asked = '' from peer p
			where p.id = s.peer and (s.seen > 0 or s.held_at is not null) returning p.host`, tx.at)
	})
}

// Restored holds everything that would be signed for any peer, and all that the bank would pay: to call on a database
// that was put back, before an instance starts on it.
func (l *Ledger) Restored(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, `
		with marked as (update instance set restored_at = coalesce(restored_at, $1) where id = 1)
		insert into standing as s (peer, held_at) select id, $1 from peer
		on conflict (peer) do update set held_at = coalesce(s.held_at, $1)`, l.Now())
	return err
}

// stateDaily has every peer with whom there is something on record told a statement, once a day.
func (l *Ledger) stateDaily(ctx context.Context) error {
	return l.tx(ctx, func(tx *Tx) error {
		return tx.tellEach(ctx, `
			select p.host from peer p left join standing s on s.peer = p.id
			where (s.told_at is null or s.told_at <= $1::timestamptz - interval '1 day')
			  and exists (select from claim c where c.peer = p.id and c.iri is not null)`, tx.at)
	})
}

// tellEach has each host that a statement finds told a statement of ours.
func (tx *Tx) tellEach(ctx context.Context, sql string, args ...any) error {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var host string
	_, err = pgx.ForEachRow(found, []any{&host}, func() error {
		tx.tell(Message{Kind: TellStatement, Key: host, To: host})
		return nil
	})
	return err
}

// Standing is how far we and a peer have talked, for the operators. Times are nil for what never was.
type Standing struct {
	Sent, Seen                        int64 // the last sequence numbers: ours, and the peer's
	ToldAt, HeardAt, AgreedAt, HeldAt *time.Time
}

// Standing reads it.
func (l *Ledger) Standing(ctx context.Context, host string) (Standing, error) {
	s, err := row[Standing](l.pool.Query(ctx, `
		select s.sent, s.seen, s.told_at, s.heard_at, s.agreed_at, s.held_at
		from standing s join peer p on p.id = s.peer where p.host = $1`, host))
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return s, err
}
