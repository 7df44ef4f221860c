package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// Peer is another flattr instance.
type Peer struct {
	ID              int64
	Host            string
	Actor           string // the instance actor, "" until met
	Inbox           string
	AccountingKey   string // Multikey, pinned on first use; "" until met
	AccountingKeyID string
	Payto           string     // RFC 8905: where to pay, as the peer's last Accept said
	KeyConfirmedAt  *time.Time // when an operator compared the fingerprint
	Threshold       int64      // smallest payment, micro-units of whole cents
	FrozenAt        *time.Time
	FrozenReason    string
	AdvanceLimit    int64  // of what it owes, micro-units of whole cents; see Limit
	HeldKey         string // Multikey: its actor names this one, without the pinned one's signature; ""
	HeldKeyID       string
	KeyHeldAt       *time.Time
	CreatedAt       time.Time
	HeldAt          *time.Time // since when we reconcile first (protocol §9)
}

const peerColumns = `id, host, actor, inbox, accounting_key, accounting_key_id, payto, key_confirmed_at,
  threshold, frozen_at, frozen_reason, advance_limit, held_key, held_key_id, key_held_at, created_at,
  (select s.held_at from standing s where s.peer = peer.id) as held_at`

// stuckAfter is longer than any message takes between instances that run.
const stuckAfter = 14 * 24 * time.Hour

// decided is a peer as package pair decides about it.
func (p Peer) decided(now time.Time) pair.Peer {
	d := pair.Peer{Host: p.Host, Frozen: p.FrozenReason, Held: p.HeldAt != nil,
		Stuck: p.HeldAt != nil && now.Sub(*p.HeldAt) > stuckAfter}
	if p.KeyHeldAt != nil && d.Frozen == "" {
		d.Frozen = "another accounting key is held"
	}
	return d
}

func notTheirs(iri string, p Peer) error {
	return fmt.Errorf("%w: %s isn't %s's", ErrRefused, iri, p.Host)
}

// peerKnown reads the row of a host that we have met; ErrRefused.
func (tx *Tx) peerKnown(ctx context.Context, host string) (Peer, error) {
	p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where host = $1`, host))
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %s is no peer", ErrRefused, host)
	}
	return p, err
}

// peer reads or creates the row of a host.
func (tx *Tx) peer(ctx context.Context, host string) (Peer, error) {
	if host == "" || host == tx.l.inst.Host {
		return Peer{}, fmt.Errorf("%w: %q is no other instance", ErrRefused, host)
	}
	if _, err := tx.Exec(ctx, `
		insert into peer (host, created_at) values ($1, $2) on conflict do nothing`, host, tx.at); err != nil {
		return Peer{}, err
	}
	return row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where host = $1`, host))
}

// Peer reads a peer by host; ErrNotFound.
func (l *Ledger) Peer(ctx context.Context, host string) (Peer, error) {
	return row[Peer](l.pool.Query(ctx, `select `+peerColumns+` from peer where host = $1`, host))
}

// SetThreshold sets the smallest payment made to a peer: whole cents, at least one.
func (l *Ledger) SetThreshold(ctx context.Context, operator int64, host string, amount int64) error {
	if amount < microPerCent || amount > maxAmount || amount%microPerCent != 0 {
		return refused("threshold", "amount")
	}
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, _ string) error {
		if _, err := tx.Exec(ctx, `update peer set threshold = $2 where id = $1`, p.ID, amount); err != nil {
			return err
		}
		return tx.note(ctx, p.ID, "threshold", FormatPlain(amount), operator)
	})
}

// UnfreezePeer lets a peer's claims in again after the operators have talked; note says what they found. What the
// advance limit has room for is advanced. FieldError "note": required; "host": not-frozen.
func (l *Ledger) UnfreezePeer(ctx context.Context, operator int64, host, note string) error {
	note, err := noteText("note", note)
	if err != nil {
		return err
	}
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, open string) error {
		if p.FrozenAt == nil {
			return refused("host", "not-frozen")
		}
		if _, err := tx.Exec(ctx, `update peer set frozen_at = null, frozen_reason = '' where id = $1`, p.ID); err != nil {
			return err
		}
		if err := tx.note(ctx, p.ID, "unfrozen", note, operator); err != nil {
			return err
		}
		return tx.advanceMore(ctx, p.ID, open)
	})
}

// FreezePeer stops a peer's claims and what is paid to it until the operators have talked; flattrs go on.
// FieldError "note": required; "host": frozen.
func (l *Ledger) FreezePeer(ctx context.Context, operator int64, host, note string) error {
	note, err := noteText("note", note)
	if err != nil {
		return err
	}
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, _ string) error {
		if p.FrozenAt != nil {
			return refused("host", "frozen")
		}
		if _, err := tx.Exec(ctx, `update peer set frozen_at = $2, frozen_reason = $3 where id = $1`, p.ID, tx.at, note); err != nil {
			return err
		}
		return tx.note(ctx, p.ID, "frozen", note, operator)
	})
}

// changePeer runs an operator's step on a locked peer, in the month that is open. ErrNotFound: no such peer.
func (l *Ledger) changePeer(ctx context.Context, operator int64, host string, f func(tx *Tx, p Peer, open string) error) error {
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where host = $1 for no key update`, host))
		if err != nil {
			return err
		}
		if err := tx.lockID(ctx, advancesOf(p.ID)); err != nil {
			return err
		}
		return f(tx, p, open)
	})
}

// freeze stops a peer's claims; the first reason stays.
func (tx *Tx) freeze(ctx context.Context, peer int64, reason string) error {
	frozen, err := tx.Exec(ctx, `
		with frozen as (update peer set frozen_at = $2, frozen_reason = $3 where id = $1 and frozen_at is null returning id)
		insert into peer_event (peer, kind, note, created_at) select id, 'frozen', $3, $2 from frozen`, peer, tx.at, reason)
	if err == nil && frozen.RowsAffected() > 0 {
		tx.event("peer.frozen", "peer", peer, "reason", reason)
	}
	return err
}

// PeerPosition is everything owed between us and a peer.
type PeerPosition struct {
	Peer
	Payable    int64 // we owe their members
	InFlight   int64 // of that, sent or ordered
	Accepted   int64 // of that, in claims that the peer has accepted, and not on its way
	Receivable int64 // they owe our members
	Credit     int64 // they paid more than they owed
	Advanced   int64 // of Receivable, what their payees here have already
	WrittenOff int64 // they owed it, beside Receivable
}

// Due is what can be ordered now: whole cents of accepted claims.
func (p PeerPosition) Due() int64 { return WholeCents(p.Accepted) }

// Offered is what waits for the peer's acceptance of our claims, in micro-units.
func (p PeerPosition) Offered() int64 { return p.Payable - p.InFlight - p.Accepted }

// Ready tells whether PreparePayment would prepare a payment.
func (p PeerPosition) Ready() bool {
	return p.Due() >= p.Threshold && p.FrozenAt == nil && p.KeyHeldAt == nil
}

// Alarm tells whether the advance limit is nearly used up, or more.
func (p PeerPosition) Alarm() bool { return p.Alarming(p.Advanced) }

// PeerPositions lists all peers with what is owed both ways, by host.
func (l *Ledger) PeerPositions(ctx context.Context) ([]PeerPosition, error) {
	return rows[PeerPosition](l.pool.Query(ctx, peerPositions+` order by p.host`, l.inst.Currency))
}

// PeerPosition is one peer with what is owed both ways; ErrNotFound.
func (l *Ledger) PeerPosition(ctx context.Context, host string) (PeerPosition, error) {
	return row[PeerPosition](l.pool.Query(ctx, peerPositions+` where p.host = $2`, l.inst.Currency, host))
}

const peerPositions = `
	select p.*, coalesce(o.credits_posted - o.debits_posted, 0)::bigint as payable,
	  coalesce(o.debits_pending, 0)::bigint as in_flight,
	  (coalesce(taken.amount, 0) - coalesce(paid.amount, 0))::bigint as accepted,
	  coalesce(i.debits_posted - i.credits_posted, 0)::bigint as receivable,
	  coalesce(c.credits_posted - c.debits_posted, 0)::bigint as credit,
	  coalesce(v.debits_posted - v.credits_posted, 0)::bigint as advanced,
	  (coalesce(w.amount, 0) - coalesce(w.reinstated, 0))::bigint as written_off
	from (select ` + peerColumns + ` from peer) p
	left join account o on o.kind = 'payable' and o.owner = p.id and o.currency = $1
	left join (select peer, sum(amount) as amount from claim
	  where direction = 'out' and state in ('accepted', 'confirmed') group by peer) taken on taken.peer = p.id
	left join (select y.peer, sum(case when y.state = 'confirmed' then a.confirmed else a.amount end) as amount
	  from payment y join payment_allocation a on a.payment = y.id join claim c on c.id = a.claim and c.direction = 'out'
	  where y.state in ('ordered', 'sent', 'confirmed') group by y.peer) paid on paid.peer = p.id
	left join account i on i.kind = 'receivable' and i.owner = p.id and i.currency = $1
	left join account c on c.kind = 'peer_credit' and c.owner = p.id and c.currency = $1
	left join account v on v.kind = 'advance' and v.owner = p.id and v.currency = $1
	left join lateral (select sum(o.amount) as amount, (select sum(x.reinstated) from line_allocation x where x.reinstated > 0
	    and x.claim in (select id from claim where direction = 'in' and peer = p.id)) as reinstated
	  from write_off o where o.peer = p.id and o.state = 'confirmed') w on true`
