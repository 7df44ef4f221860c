package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// WriteOff is what a peer owes, given up by two operators.
type WriteOff struct {
	ID         int64
	Peer       int64
	Host       string
	Proposed   string // the amount as it was proposed, digits of micro-units: all that was open then
	Lines      string // SHA-256 of the lines as they were proposed
	Amount     *int64 // micro-units, once it is confirmed: the same
	Lost       *int64 // of Amount, what this instance had advanced; the rest is lost to the payees
	Reason     string
	State      string // proposed | confirmed | withdrawn
	ProposedBy int64
	Proposer   string
	CreatedAt  time.Time
	Decider    *string
	DecidedAt  *time.Time
}

// Sum is what was proposed, in micro-units, and if it is confirmed, written off.
func (o WriteOff) Sum() int64 {
	n, err := strconv.ParseInt(o.Proposed, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

const writeOffQuery = `
	select o.id, o.peer, p.host, o.proposed, o.proposed_lines as lines, o.amount, o.lost, o.reason, o.state, o.proposed_by, m.name as proposer, o.created_at,
	  d.name as decider, o.decided_at
	from write_off o join peer p on p.id = o.peer join member m on m.id = o.proposed_by left join member d on d.id = o.decided_by`

// WriteOffs lists a peer's, newest first.
func (l *Ledger) WriteOffs(ctx context.Context, host string) ([]WriteOff, error) {
	return rows[WriteOff](l.pool.Query(ctx, writeOffQuery+` where p.host = $1 order by o.id desc`, host))
}

// ProposeWriteOff proposes to give up all that a peer owes now. Nothing moves until another operator confirms it.
// FieldError "reason": required, too-long; "host": nothing-owed, in-flight (a payment of the peer's is announced),
// proposed-already.
func (l *Ledger) ProposeWriteOff(ctx context.Context, operator int64, host, reason string) (WriteOff, error) {
	reason, err := noteText("reason", reason)
	if err != nil {
		return WriteOff{}, err
	}
	var o WriteOff
	err = l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, _ string) error {
		lines, amount, _, err := tx.writable(ctx, p.ID)
		if err != nil {
			return err
		}
		if amount == 0 {
			return refused("host", "nothing-owed")
		}
		var id int64
		err = tx.QueryRow(ctx, `
			insert into write_off (peer, proposed, proposed_lines, reason, state, proposed_by, created_at)
			values ($1, $2, $3, $4, 'proposed', $5, $6) on conflict do nothing returning id`,
			p.ID, strconv.FormatInt(amount, 10), writtenDigest(lines), reason, operator, tx.at).Scan(&id)
		if err == pgx.ErrNoRows {
			return refused("host", "proposed-already")
		}
		if err != nil {
			return err
		}
		if err := tx.noteWriteOff(ctx, p.ID, id, operator, "proposed"); err != nil {
			return err
		}
		o, err = row[WriteOff](tx.Query(ctx, writeOffQuery+` where o.id = $1`, id))
		return err
	})
	return o, err
}

// writtenLine is what is given up of a line.
type writtenLine struct{ Line, Member, Amount, Lost int64 }

// writtenDigest is what a proposal keeps of its lines: the second operator confirms these, and not others of the same sum.
func writtenDigest(lines []writtenLine) string {
	slices.SortFunc(lines, func(a, b writtenLine) int { return cmp.Compare(a.Line, b.Line) })
	h := sha256.New()
	for _, l := range lines {
		fmt.Fprintf(h, "%d %d %d\n", l.Line, l.Amount, l.Lost)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writable is what is open of a peer's claims and not written off yet, line by line. It can't be known while a
// payment is announced: what it pays is somebody's. FieldError "host": in-flight.
func (tx *Tx) writable(ctx context.Context, peer int64) (all []writtenLine, amount, lost int64, err error) {
	var announced bool
	if err := tx.QueryRow(ctx, `
		select exists (select from payment where peer = $1 and (state = 'announced' or state = 'sent' and method = 'netting'))`, peer).Scan(&announced); err != nil {
		return nil, 0, 0, err
	}
	if announced {
		return nil, 0, 0, refused("host", "in-flight")
	}
	claims, err := ids(tx.Query(ctx, `
		select id from claim where direction = 'in' and peer = $1 and state in ('accepted', 'confirmed') order by id`, peer))
	for _, claim := range claims {
		lines, err := rows[standingLine](tx.Query(ctx, lineStanding, claim))
		if err != nil {
			return nil, 0, 0, err
		}
		for _, l := range lines {
			if open := l.Open - l.Written; open > 0 && l.Member != nil { // else it stands in recovery
				all = append(all, writtenLine{l.ID, *l.Member, open, l.Advanced - l.Lost})
				amount, lost = amount+open, lost+l.Advanced-l.Lost
			}
		}
	}
	return all, amount, lost, err
}

// ConfirmWriteOff is the second operator's word: what the peer owes leaves the books, as this instance's loss where it
// had advanced it, else as the payees'. By its own books the peer goes on owing it, and what it pays later comes to
// this instance's loss and to the payees. Its advance limit is set to zero. Again is fine. FieldError "operator": same
// (who proposed can't confirm); "host": changed (what is owed, or who loses it, isn't what was proposed any more), in-flight.
// ErrConflict: withdrawn.
func (l *Ledger) ConfirmWriteOff(ctx context.Context, operator, id int64) error {
	return l.decideWriteOff(ctx, operator, id, "confirmed", func(tx *Tx, o WriteOff, p Peer, open string) error {
		if o.ProposedBy == operator {
			return refused("operator", "same")
		}
		lines, amount, lost, err := tx.writable(ctx, o.Peer)
		if err != nil {
			return err
		}
		if amount != o.Sum() || writtenDigest(lines) != o.Lines { // other payees lose, or this instance instead of them
			return refused("host", "changed")
		}
		if _, err := tx.Exec(ctx, `
			update write_off set state = 'confirmed', amount = $2, lost = $3, decided_by = $4, decided_at = $5 where id = $1`,
			id, amount, lost, operator, tx.at); err != nil {
			return err
		}
		if err := tx.writeOff(ctx, o, lines, open); err != nil {
			return err
		}
		tx.event("peer.written-off", "host", o.Host, "amount", FormatPlain(amount), "loss", FormatPlain(lost))
		if p.AdvanceLimit == 0 {
			return nil
		}
		return tx.limit(ctx, p, operator, 0)
	})
}

// writeOff books a confirmed write-off line by line.
func (tx *Tx) writeOff(ctx context.Context, o WriteOff, lines []writtenLine, open string) error {
	var ref, amounts, lost []int64
	for _, l := range lines {
		ref, amounts, lost = append(ref, l.Line), append(amounts, l.Amount), append(lost, l.Lost)
	}
	made, err := ids(tx.Query(ctx, `
		insert into write_off_line (write_off, line, amount, lost)
		select $1, line, amount, lost from unnest($2::bigint[], $3::bigint[], $4::bigint[])
		  with ordinality as a (line, amount, lost, place) order by place returning id`, o.ID, ref, amounts, lost))
	if err != nil {
		return err
	}
	var entries []journal.Entry
	for i, id := range made {
		entries = append(entries, journal.Entry{Kind: kindWriteOff, Ref: id, Phase: journal.Single, Amount: lines[i].Amount,
			Debit: of(journal.Announced, lines[i].Member), Credit: of(journal.Receivable, o.Peer)})
		if lines[i].Lost > 0 {
			entries = append(entries, journal.Entry{Kind: kindAdvanceLoss, Ref: id, Phase: journal.Single, Amount: lines[i].Lost,
				Debit: of(journal.Loss, 0), Credit: of(journal.Advance, o.Peer)})
		}
	}
	return booked(journal.Post(ctx, tx.book(open), entries...))
}

// WithdrawWriteOff takes a proposal back; any operator may. Again is fine. ErrConflict: confirmed.
func (l *Ledger) WithdrawWriteOff(ctx context.Context, operator, id int64) error {
	return l.decideWriteOff(ctx, operator, id, "withdrawn", func(tx *Tx, o WriteOff, _ Peer, _ string) error {
		_, err := tx.Exec(ctx, `
			update write_off set state = 'withdrawn', decided_by = $2, decided_at = $3 where id = $1`, id, operator, tx.at)
		return err
	})
}

func (l *Ledger) decideWriteOff(ctx context.Context, operator, id int64, state string, f func(tx *Tx, o WriteOff, p Peer, open string) error) error {
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		o, err := row[WriteOff](tx.Query(ctx, writeOffQuery+` where o.id = $1 for no key update of o`, id))
		switch {
		case err != nil:
			return err
		case o.State == state:
			return nil
		case o.State != "proposed":
			return fmt.Errorf("%w: write-off %d was %s", ErrConflict, o.ID, o.State)
		}
		if err := tx.lockID(ctx, advancesOf(o.Peer)); err != nil {
			return err
		}
		p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where id = $1`, o.Peer))
		if err != nil {
			return err
		}
		if err := f(tx, o, p, open); err != nil {
			return err
		}
		return tx.noteWriteOff(ctx, o.Peer, id, operator, state)
	})
}

// noteWriteOff writes a step of a write-off into the peer's history.
func (tx *Tx) noteWriteOff(ctx context.Context, peer, id, operator int64, state string) error {
	_, err := tx.Exec(ctx, `
		insert into peer_event (peer, kind, operator, write_off, created_at) values ($1, 'write-off-' || $2::text, $3, $4, $5)`,
		peer, state, operator, id, tx.at)
	return err
}
