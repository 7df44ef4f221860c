package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Outcomes of a dispute.
var outcomes = map[string]bool{"ours": true, "theirs": true, "agreed": true, "dropped": true}

// Dispute is what operators say about a claim or a payment that the two instances see differently. Nothing about
// it moves money.
type Dispute struct {
	ID        int64
	Host      string
	Claim     *string // its id; or
	Payment   *string // its id
	CreatedAt time.Time
	Outcome   *string       // ours, theirs (was right), agreed (on something between), dropped; nil while it is open
	Notes     []DisputeNote `db:"-"`
}

// Ended is the outcome, "" while it is open.
func (d Dispute) Ended() string {
	if d.Outcome == nil {
		return ""
	}
	return *d.Outcome
}

// DisputeNote is one operator's word.
type DisputeNote struct {
	Dispute   int64
	Note      string
	Outcome   *string // of the note that closes it
	Operator  string
	CreatedAt time.Time
}

// OpenDispute opens a dispute about a claim or a payment with a peer, either way, by its id. FieldError "note":
// required, too-long; "about": unknown (no claim and no payment with this peer).
func (l *Ledger) OpenDispute(ctx context.Context, operator int64, host, about, note string) (int64, error) {
	note, err := noteText("note", note)
	if err != nil {
		return 0, err
	}
	var id int64
	err = l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, _ string) error {
		err := tx.QueryRow(ctx, `
			insert into dispute (peer, claim, payment, created_at)
			select $1, x.claim, x.payment, $3 from (
			  select id as claim, null::bigint as payment from claim where iri = $2 and peer = $1
			  union all select null, id from payment where iri = $2 and peer = $1) x returning id`, p.ID, about, tx.at).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return refused("about", "unknown")
		}
		if err != nil {
			return err
		}
		return tx.disputeNote(ctx, id, operator, note, nil)
	})
	return id, err
}

// NoteDispute adds to a dispute. FieldError "note": required, too-long; ErrConflict: it is closed.
func (l *Ledger) NoteDispute(ctx context.Context, operator, id int64, note string) error {
	return l.addToDispute(ctx, operator, id, note, nil)
}

// CloseDispute ends a dispute with an outcome. FieldErrors as of NoteDispute, and "outcome": unknown.
func (l *Ledger) CloseDispute(ctx context.Context, operator, id int64, outcome, note string) error {
	if !outcomes[outcome] {
		return refused("outcome", "unknown")
	}
	return l.addToDispute(ctx, operator, id, note, &outcome)
}

func (l *Ledger) addToDispute(ctx context.Context, operator, id int64, note string, outcome *string) error {
	note, err := noteText("note", note)
	if err != nil {
		return err
	}
	return l.tx(ctx, func(tx *Tx) error {
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		found, err := ids(tx.Query(ctx, `select id from dispute where id = $1 for no key update`, id))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return ErrNotFound
		}
		var closed bool
		if err := tx.QueryRow(ctx, `
			select exists (select from dispute_note where dispute = $1 and outcome is not null)`, id).Scan(&closed); err != nil {
			return err
		}
		if closed {
			return fmt.Errorf("%w: dispute %d is closed", ErrConflict, id)
		}
		return tx.disputeNote(ctx, id, operator, note, outcome)
	})
}

func (tx *Tx) disputeNote(ctx context.Context, dispute, operator int64, note string, outcome *string) error {
	_, err := tx.Exec(ctx, `
		insert into dispute_note (dispute, note, outcome, operator, created_at) values ($1, $2, $3, $4, $5)`,
		dispute, note, outcome, operator, tx.at)
	return err
}

// Disputes lists a peer's, the open ones first, with all that was said.
func (l *Ledger) Disputes(ctx context.Context, host string) ([]Dispute, error) {
	all, err := rows[Dispute](l.pool.Query(ctx, `
		select d.id, p.host, c.iri as claim, y.iri as payment, d.created_at, n.outcome
		from dispute d join peer p on p.id = d.peer left join claim c on c.id = d.claim left join payment y on y.id = d.payment
		left join dispute_note n on n.dispute = d.id and n.outcome is not null
		where p.host = $1 order by n.outcome is not null, d.id desc`, host))
	if err != nil {
		return nil, err
	}
	notes, err := rows[DisputeNote](l.pool.Query(ctx, `
		select n.dispute, n.note, n.outcome, m.name as operator, n.created_at
		from dispute_note n join dispute d on d.id = n.dispute join peer p on p.id = d.peer join member m on m.id = n.operator
		where p.host = $1 order by n.id`, host))
	for i := range all {
		for _, n := range notes {
			if n.Dispute == all[i].ID {
				all[i].Notes = append(all[i].Notes, n)
			}
		}
	}
	return all, err
}
