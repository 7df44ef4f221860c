package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// Archive keeps signed documents about money, in the ledger's transaction.
type Archive interface {
	// Keep stores documents; the first content under an id stays.
	Keep(ctx context.Context, tx pgx.Tx, documents ...Document) error
	// Contents are the digests of what is kept, without the proofs, by id: an offer's, a payment's, and with
	// "#answer" behind it, of the answer to it.
	Contents(ctx context.Context, tx pgx.Tx, ids []string) (map[string]string, error)
}

// Document is a signed document as it came.
type Document struct {
	ID   string
	Body []byte
	Ours bool
	At   time.Time // when it came
}

// keep has a document kept with the transaction.
func (tx *Tx) keep(id string, body []byte, ours bool) {
	if len(body) > 0 {
		tx.kept = append(tx.kept, Document{ID: id, Body: body, Ours: ours, At: tx.at})
	}
}

// statementMonths is how far a statement looks back: what is older isn't compared any more. A backup is never that
// old, and a statement stays small.
const statementMonths = 13

// Reading is our side of what we and a peer have on record, for a statement or against one.
type Reading struct {
	Records    []pair.Record
	Receivable int64           // micro-units, of all that is answered: what the peer owes our members
	Payable    int64           // and what we owe the peer's
	payments   map[string]bool // which of the records are payments
}

// tell is what a peer is told that lacks something.
func (r Reading) tell(lacks pair.Return) string {
	payment, answer := r.payments[lacks.ID], lacks.Part == pair.Answered
	switch {
	case lacks.Lost:
		return TellReturn
	case payment && answer:
		return TellPaymentAnswer
	case payment:
		return TellPayment
	case answer:
		return TellClaimAnswer
	}
	return TellClaim
}

// Balance is what is owed to us less what we owe, micro-units.
func (r Reading) Balance() int64 { return r.Receivable - r.Payable }

// reading reads our records with a peer, oldest first.
func (tx *Tx) reading(ctx context.Context, p Peer) (r Reading, err error) {
	since := PeriodOf(tx.at.AddDate(0, -statementMonths, 0))
	type held struct {
		IRI     string
		Ours    bool
		Payment bool
	}
	r.payments = map[string]bool{}
	found, err := rows[held](tx.Query(ctx, `
		select iri, ours, kind = 1 as payment from (
		  select c.iri, c.direction = 'out' as ours, c.period, 0 as kind, c.n from claim c
		    where c.peer = $1 and c.iri is not null and (c.answer is not null or c.direction = 'out')
		  union all
		  select y.iri, y.direction = 'out', to_char(y.paid_at at time zone 'UTC', 'YYYY-MM'), 1, y.id from payment y
		    where y.peer = $1 and y.state in ('sent', 'announced', 'confirmed', 'not_received')) r
		where period >= $2 order by kind, period, n, iri`, p.ID, since))
	if err != nil {
		return r, err
	}
	ids := make([]string, 0, 2*len(found))
	for _, f := range found {
		ids = append(ids, f.IRI, f.IRI+"#answer")
	}
	contents, err := tx.l.outbox.Contents(ctx, tx.Tx, ids)
	if err != nil {
		return r, err
	}
	for _, f := range found {
		if content := contents[f.IRI]; content != "" { // else it isn't signed yet
			r.payments[f.IRI] = f.Payment
			r.Records = append(r.Records, pair.Record{ID: f.IRI, Ours: f.Ours, Content: content, Answer: contents[f.IRI+"#answer"]})
		}
	}
	return r, tx.balance(ctx, p, contents, &r)
}

// Reading reads our records with a peer; ErrRefused: it is none.
func (l *Ledger) Reading(ctx context.Context, host string) (p Peer, r Reading, err error) {
	err = l.repeatable(ctx, func(tx *Tx) error {
		if p, err = tx.peerKnown(ctx, host); err == nil {
			r, err = tx.reading(ctx, p)
		}
		return err
	})
	return p, r, err
}

// balance sums what both sides' documents say is owed: accepted claims, less what payments and nettings have
// settled, as far as the answers are signed.
func (tx *Tx) balance(ctx context.Context, p Peer, contents map[string]string, r *Reading) error {
	var unsigned []string
	for id := range contents {
		if contents[id+"#answer"] == "" {
			unsigned = append(unsigned, id)
		}
	}
	return tx.QueryRow(ctx, `
		with c as (
		  select c.direction, c.iri, c.amount from claim c
		  where c.peer = $1 and c.state in ('accepted', 'confirmed') and not c.iri = any($2)),
		a as (
		  select x.direction, a.confirmed from payment_allocation a join claim x on x.id = a.claim
		  join payment y on y.id = a.payment
		  where y.peer = $1 and y.state = 'confirmed' and not y.iri = any($2))
		select (coalesce((select sum(amount) from c where direction = 'in'), 0)
		      - coalesce((select sum(confirmed) from a where direction = 'in'), 0))::bigint,
		  (coalesce((select sum(amount) from c where direction = 'out'), 0)
		      - coalesce((select sum(confirmed) from a where direction = 'out'), 0))::bigint`,
		p.ID, unsigned).Scan(&r.Receivable, &r.Payable)
}

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
	return l.repeatable(ctx, func(tx *Tx) error {
		p, err := tx.peerKnown(ctx, host)
		if err != nil {
			return err
		}
		s := Statement{ID: id, Peer: p, InReplyTo: inReplyTo, At: tx.at}
		if err := tx.QueryRow(ctx, `
			insert into standing as s (peer, sent, asked, told_at) values ($1, 1, $2, $3)
			on conflict (peer) do update set sent = s.sent + 1, told_at = $3,
			  asked = case when $2 = '' then s.asked else $2 end
			returning sent, seen`, p.ID, asks(s), tx.at).Scan(&s.Sequence, &s.Seen); err != nil {
			return err
		}
		if s.Reading, err = tx.reading(ctx, p); err != nil {
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
	err = l.repeatable(ctx, func(tx *Tx) error {
		h = Heard{}
		p, err := tx.peer(ctx, host)
		if err != nil {
			return err
		}
		s, err := tx.standing(ctx, p)
		if err != nil {
			return err
		}
		ours, err := tx.reading(ctx, p)
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
		if h.Freeze != "" && p.FrozenAt == nil || h.Restored {
			tx.keep(theirs.ID, body, false) // evidence
		}
		return err
	})
	return h, err
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
	for _, r := range c.Return {
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

// Restored holds everything that would be signed for any peer: to call on a database that was put back, before an
// instance starts on it.
func (l *Ledger) Restored(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, `
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

// Holds tells whether nothing new may be signed for a peer just now.
func (l *Ledger) Holds(ctx context.Context, host string) (held bool, err error) {
	err = l.pool.QueryRow(ctx, `
		select s.held_at is not null from standing s join peer p on p.id = s.peer where p.host = $1`, host).Scan(&held)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return held, err
}

// ReleasePeer ends a hold by an operator's word, with a note why, for a peer that doesn't answer any more. FieldError
// "host": not-held; "note".
func (l *Ledger) ReleasePeer(ctx context.Context, operator int64, host, note string) error {
	note, err := noteText("note", note)
	if err != nil {
		return err
	}
	return l.tx(ctx, func(tx *Tx) error {
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		p, err := tx.peerKnown(ctx, host)
		if err != nil {
			return err
		}
		if p.HeldAt == nil {
			return refused("host", "not-held")
		}
		if _, err := tx.Exec(ctx, `update standing set held_at = null where peer = $1`, p.ID); err != nil {
			return err
		}
		if err := tx.note(ctx, p.ID, "released", note, operator); err != nil {
			return err
		}
		_, err = tx.release(ctx, p)
		return err
	})
}

// release offers what waited for the end of a hold, and counts it.
func (tx *Tx) release(ctx context.Context, p Peer) (int, error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
		return 0, err
	}
	if err := tx.lockID(ctx, "claims for "+p.Host); err != nil {
		return 0, err
	}
	found, err := rows[Claim](tx.Query(ctx, claimQuery+`
		where c.peer = $1 and c.direction = 'out' and (c.state = 'draft' or c.state = 'refused' or c.adopted)
		order by c.period, c.n nulls first for no key update of c`, p.ID))
	if err != nil {
		return 0, err
	}
	w := &decided{Tx: tx, step: "release", peer: p, open: open, from: map[string][]ClaimLine{}}
	var drafts, settled, left []pair.Claim
	for _, c := range found {
		d, lines, err := tx.withLines(ctx, c)
		if err != nil {
			return 0, err
		}
		switch {
		case d.State == pair.Draft:
			drafts = append(drafts, d)
		case d.State == pair.Refused && len(d.Refusals) < len(d.Lines):
			left, w.from[d.IRI] = append(left, d), lines
			fallthrough
		default:
			settled = append(settled, d)
		}
	}
	next := tx.numbers(ctx, p)
	d := pair.Release(drafts, settled, left, next.take)
	if next.err != nil {
		return 0, next.err
	}
	if err := w.digest(d.Claims); err != nil {
		return 0, err
	}
	if err := w.store(ctx, d); err != nil {
		return 0, err
	}
	return len(d.Tell), w.post(ctx, d)
}

// numbers are the next unused numbers of claims, by month.
type numbers struct {
	of  map[string]func() (int32, string)
	ask func(period string) (func() (int32, string), error)
	err error
}

func (tx *Tx) numbers(ctx context.Context, p Peer) *numbers {
	return &numbers{of: map[string]func() (int32, string){},
		ask: func(period string) (func() (int32, string), error) { return tx.next(ctx, p, period) }}
}

func (n *numbers) take(period string) (int32, string) {
	if n.of[period] == nil {
		var err error
		if n.of[period], err = n.ask(period); err != nil {
			n.err = err
		}
	}
	return n.of[period]()
}
