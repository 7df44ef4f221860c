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
	CreatedAt       time.Time
	HeldAt          *time.Time // since when we reconcile first (protocol §9)
}

const peerColumns = `id, host, actor, inbox, accounting_key, accounting_key_id, payto, key_confirmed_at,
  threshold, frozen_at, frozen_reason, created_at, (select s.held_at from standing s where s.peer = peer.id) as held_at`

// decided is a peer as package pair decides about it.
func (p Peer) decided() pair.Peer {
	return pair.Peer{Host: p.Host, Frozen: p.FrozenReason, Held: p.HeldAt != nil}
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

// PeerIdentity is what an instance actor's document says about money.
type PeerIdentity struct {
	Host, Actor, Inbox             string
	AccountingKey, AccountingKeyID string
}

// PinPeer pins a peer's accounting key on first use (protocol §2). A key that differs from the
// pinned one changes nothing here and is ErrConflict: everything money-like is held until it is
// settled between the operators.
func (l *Ledger) PinPeer(ctx context.Context, id PeerIdentity) (Peer, error) {
	if id.Host == "" || id.Host == l.inst.Host {
		return Peer{}, fmt.Errorf("%w: %q is no other instance", ErrRefused, id.Host)
	}
	// One statement, so that of two keys that come at once the first is pinned.
	p, err := row[Peer](l.pool.Query(ctx, `
		insert into peer (host, actor, inbox, accounting_key, accounting_key_id, created_at)
		values ($1, $2, $3, $4, $5, $6)
		on conflict (host) do update set actor = excluded.actor, inbox = excluded.inbox,
		  accounting_key = excluded.accounting_key, accounting_key_id = excluded.accounting_key_id
		where peer.accounting_key in ('', excluded.accounting_key)
		returning `+peerColumns, id.Host, id.Actor, id.Inbox, id.AccountingKey, id.AccountingKeyID, l.Now()))
	if errors.Is(err, ErrNotFound) {
		return Peer{}, fmt.Errorf("%w: the accounting key of %s changed", ErrConflict, id.Host)
	}
	return p, err
}

// Peer reads a peer by host; ErrNotFound.
func (l *Ledger) Peer(ctx context.Context, host string) (Peer, error) {
	return row[Peer](l.pool.Query(ctx, `select `+peerColumns+` from peer where host = $1`, host))
}

// ConfirmPeerKey records that the operator compared the fingerprint of the pinned key with the
// peer's operator. The key that was compared is named, so that a change in between isn't confirmed.
func (l *Ledger) ConfirmPeerKey(ctx context.Context, operator int64, host, key string) error {
	return l.changePeer(ctx, operator, host, `
		update peer set key_confirmed_at = $2, key_confirmed_by = $3 where host = $1 and accounting_key = $4 and accounting_key <> ''`, key)
}

// SetThreshold sets the smallest payment made to a peer: whole cents, at least one.
func (l *Ledger) SetThreshold(ctx context.Context, operator int64, host string, amount int64) error {
	if amount < microPerCent || amount > maxAmount || amount%microPerCent != 0 {
		return refused("threshold", "amount")
	}
	return l.changePeer(ctx, operator, host, `
		update peer set threshold = $4 where host = $1 and $2::timestamptz is not null and $3::bigint is not null`, amount)
}

// UnfreezePeer lets a peer's claims in again after the operators have talked.
func (l *Ledger) UnfreezePeer(ctx context.Context, operator int64, host string) error {
	return l.changePeer(ctx, operator, host, `
		update peer set frozen_at = null, frozen_reason = ''
		where host = $1 and $2::timestamptz is not null and $3::bigint is not null and $4::text is not null`, "")
}

// changePeer runs one operator's update; $1 host, $2 time, $3 operator, $4 value.
func (l *Ledger) changePeer(ctx context.Context, operator int64, host, sql string, value any) error {
	return l.tx(ctx, func(tx *Tx) error {
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql, host, tx.at, operator, value)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return err
	})
}

// freeze stops a peer's claims; the first reason stays.
func (tx *Tx) freeze(ctx context.Context, peer int64, reason string) error {
	_, err := tx.Exec(ctx, `
		update peer set frozen_at = $2, frozen_reason = $3 where id = $1 and frozen_at is null`, peer, tx.at, reason)
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
}

// Due is what can be ordered now: whole cents of accepted claims.
func (p PeerPosition) Due() int64 { return WholeCents(p.Accepted) }

// Offered is what waits for the peer's acceptance of our claims, in micro-units.
func (p PeerPosition) Offered() int64 { return p.Payable - p.InFlight - p.Accepted }

// Ready tells whether PreparePayment would prepare a payment.
func (p PeerPosition) Ready() bool { return p.Due() >= p.Threshold && p.FrozenAt == nil }

// PeerPositions lists all peers with what is owed both ways, by host.
func (l *Ledger) PeerPositions(ctx context.Context) ([]PeerPosition, error) {
	return rows[PeerPosition](l.pool.Query(ctx, `
		select p.id, p.host, p.actor, p.inbox, p.accounting_key, p.accounting_key_id, p.payto, p.key_confirmed_at,
		  p.threshold, p.frozen_at, p.frozen_reason, p.created_at,
		  (select s.held_at from standing s where s.peer = p.id) as held_at,
		  coalesce(o.credits_posted - o.debits_posted, 0)::bigint as payable,
		  coalesce(o.debits_pending, 0)::bigint as in_flight,
		  (coalesce(taken.amount, 0) - coalesce(paid.amount, 0))::bigint as accepted,
		  coalesce(i.debits_posted - i.credits_posted, 0)::bigint as receivable,
		  coalesce(c.credits_posted - c.debits_posted, 0)::bigint as credit
		from peer p
		left join account o on o.kind = 'payable' and o.owner = p.id and o.currency = $1
		left join (select peer, sum(amount) as amount from claim
		  where direction = 'out' and state in ('accepted', 'confirmed') group by peer) taken on taken.peer = p.id
		left join (select y.peer, sum(case when y.state = 'confirmed' then a.confirmed else a.amount end) as amount
		  from payment y join payment_allocation a on a.payment = y.id
		  where y.direction = 'out' and y.state in ('ordered', 'sent', 'confirmed') group by y.peer) paid on paid.peer = p.id
		left join account i on i.kind = 'receivable' and i.owner = p.id and i.currency = $1
		left join account c on c.kind = 'peer_credit' and c.owner = p.id and c.currency = $1
		order by p.host`, l.inst.Currency))
}
