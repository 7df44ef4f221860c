package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// HeldFor is for how long nothing new may be signed for a peer already; 0: something may be.
func (l *Ledger) HeldFor(ctx context.Context, host string) (time.Duration, error) {
	var since *time.Time
	err := l.pool.QueryRow(ctx, `
		select s.held_at from standing s join peer p on p.id = s.peer where p.host = $1`, host).Scan(&since)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	if err != nil || since == nil {
		return 0, err
	}
	return max(l.Now().Sub(*since), time.Nanosecond), nil
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
		if err := tx.pairHeld(ctx, host); err != nil {
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

// release offers what waited for the end of a hold, and counts it. Who calls it holds the lock of our claims for the
// peer, and has no older snapshot.
func (tx *Tx) release(ctx context.Context, p Peer) (int, error) {
	open, err := tx.openMonth(ctx)
	if err != nil {
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
