package ledger

import (
	"context"
	"time"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// netAfter is how long nothing may have been accepted, so that a month's claims come into one netting.
const netAfter = time.Hour

// net proposes, to each peer that sorts behind us, that what both sides owe pays each other (protocol §9). A
// proposal holds what it names until the peer answers; what is in an unanswered payment is left alone.
func (l *Ledger) net(ctx context.Context) error {
	if l.noNetting {
		return nil
	}
	hosts, err := rows[struct{ Host string }](l.pool.Query(ctx, `
		select p.host from peer p
		where p.host collate "C" > $1 collate "C" and p.frozen_at is null and p.key_held_at is null
		  and not exists (select from standing s where s.peer = p.id and s.held_at is not null)
		  and not exists (select from payment y where y.peer = p.id and y.state in ('ordered', 'sent', 'announced'))
		  and exists (select from claim c where c.peer = p.id and c.direction = 'out' and c.state = 'accepted')
		  and exists (select from claim c where c.peer = p.id and c.direction = 'in' and c.state = 'accepted')
		  and not exists (select from claim c where c.peer = p.id and c.answered_at > $2)
		order by p.host`, l.inst.Host, l.Now().Add(-netAfter)))
	for _, h := range hosts {
		if err == nil {
			err = l.netWith(ctx, h.Host)
		}
	}
	return err
}

func (l *Ledger) netWith(ctx context.Context, host string) error {
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.lockID(ctx, paymentsWith+host); err != nil {
			return err
		}
		p, err := tx.peerKnown(ctx, host)
		if err != nil {
			return err
		}
		ours, err := tx.openClaims(ctx, p, "out")
		if err != nil {
			return err
		}
		theirs, err := tx.openClaims(ctx, p, "in")
		if err != nil {
			return err
		}
		reference := newReference()
		d := pair.Net(p.decided(tx.at), l.inst.Host, ours, theirs, pair.Payment{Reference: reference,
			IRI: l.inst.BaseURL + "/payments/" + reference})
		w := &decided{Tx: tx, step: "payment", peer: p, open: open, paidAt: &tx.at}
		if err := w.store(ctx, d); err != nil {
			return err
		}
		return w.post(ctx, d)
	})
}
