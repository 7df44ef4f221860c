package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PeerIdentity is what an instance actor's document says about money.
type PeerIdentity struct {
	Host, Actor, Inbox             string
	AccountingKey, AccountingKeyID string
}

// PeerKey is an accounting key that a peer has, or had.
type PeerKey struct {
	Key       string // Multikey
	KeyID     string
	How       string // pinned: on first use; rotated: the key before it signed; confirmed: an operator compared it
	Statement string // of a rotation, what was signed
	CreatedAt time.Time
	Operator  *string
}

// PinPeer pins a peer's accounting key on first use (protocol §2). A key that differs from the
// pinned one changes nothing here and is ErrConflict: see RotatePeerKey and HoldPeerKey.
func (l *Ledger) PinPeer(ctx context.Context, id PeerIdentity) (Peer, error) {
	if id.Host == "" || id.Host == l.inst.Host {
		return Peer{}, fmt.Errorf("%w: %q is no other instance", ErrRefused, id.Host)
	}
	// One statement, so that of two keys that come at once the first is pinned.
	p, err := row[Peer](l.pool.Query(ctx, `
		with pinned as (
		  insert into peer as p (host, actor, inbox, accounting_key, accounting_key_id, created_at)
		  values ($1, $2, $3, $4, $5, $6)
		  on conflict (host) do update set actor = excluded.actor, inbox = excluded.inbox,
		    accounting_key = excluded.accounting_key, accounting_key_id = excluded.accounting_key_id
		  where p.accounting_key in ('', excluded.accounting_key)
		  returning *),
		kept as (
		  insert into peer_key (peer, key, key_id, how, created_at)
		  select id, accounting_key, accounting_key_id, 'pinned', $6 from pinned where accounting_key <> ''
		  on conflict (peer, key) do nothing returning peer, key_id),
		noted as (
		  insert into peer_event (peer, kind, note, created_at) select peer, 'key-pinned', key_id, $6 from kept)
		select `+peerColumns+` from pinned peer`, id.Host, id.Actor, id.Inbox, id.AccountingKey, id.AccountingKeyID, l.Now()))
	if errors.Is(err, ErrNotFound) {
		return Peer{}, fmt.Errorf("%w: the accounting key of %s changed", ErrConflict, id.Host)
	}
	return p, err
}

// KeyRotation is a peer's change from one accounting key to the next, as its old key signed it; the signature is
// checked before.
type KeyRotation struct {
	Host       string
	Old        string // Multikey
	New, NewID string
	Statement  string // the signed document
}

// RotatePeerKey pins a peer's next accounting key, which the pinned one has signed. That operators compared the old
// one carries over, and what was held because of the new one goes on. ErrConflict: Old isn't pinned, or New was
// a key of this peer before.
func (l *Ledger) RotatePeerKey(ctx context.Context, r KeyRotation) (Peer, error) {
	// One statement: an inbox leads here, and of two at once the second finds the key changed.
	p, err := row[Peer](l.pool.Query(ctx, `
		with turned as (
		  update peer set accounting_key = $3, accounting_key_id = $4, held_key = '', held_key_id = '', key_held_at = null
		  where host = $1 and accounting_key = $2 and $2 <> ''
		    and not exists (select from peer_key k where k.peer = peer.id and k.key = $3)
		  returning *),
		kept as (
		  insert into peer_key (peer, key, key_id, how, statement, created_at)
		  select id, $3, $4, 'rotated', $5, $6 from turned returning peer),
		noted as (
		  insert into peer_event (peer, kind, note, created_at) select peer, 'key-rotated', $4, $6 from kept)
		select `+peerColumns+` from turned peer`, r.Host, r.Old, r.New, r.NewID, r.Statement, l.Now()))
	if errors.Is(err, ErrNotFound) {
		return Peer{}, fmt.Errorf("%w: %s has another accounting key, or had this one before", ErrConflict, r.Host)
	}
	return p, err
}

// HoldPeerKey notes that a peer's actor names another accounting key without the pinned one's signature: everything
// money-like of it is held until an operator has decided (protocol §2), flattrs go on. The pinned key stays. Again with
// the same key changes nothing.
func (l *Ledger) HoldPeerKey(ctx context.Context, host, key, keyID string) (Peer, error) {
	_, err := l.pool.Exec(ctx, `
		with held as (
		  update peer set held_key = $2, held_key_id = $3, key_held_at = $4
		  where host = $1 and accounting_key not in ('', $2) and held_key <> $2 returning id)
		insert into peer_event (peer, kind, note, created_at) select id, 'key-held', $3, $4 from held`, host, key, keyID, l.Now())
	if err != nil {
		return Peer{}, err
	}
	return l.Peer(ctx, host)
}

// ConfirmPeerKey records that the operator compared the fingerprint of the pinned key with the
// peer's operator. The key that was compared is named, so that a change in between isn't confirmed.
func (l *Ledger) ConfirmPeerKey(ctx context.Context, operator int64, host, key string) error {
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, open string) error {
		if p.AccountingKey == "" || p.AccountingKey != key {
			return ErrNotFound
		}
		return tx.confirmKey(ctx, p, operator, "key-confirmed", p.AccountingKeyID, open)
	})
}

// AdoptPeerKey pins the held key of a peer that has lost its old one: the operators of both instances have compared
// the new one's fingerprint. The key that was compared is named, as in ConfirmPeerKey. FieldError "key": used-before.
func (l *Ledger) AdoptPeerKey(ctx context.Context, operator int64, host, key string) error {
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, open string) error {
		if p.HeldKey == "" || p.HeldKey != key {
			return ErrNotFound
		}
		tag, err := tx.Exec(ctx, `
			insert into peer_key (peer, key, key_id, how, decided_by, created_at) values ($1, $2, $3, 'confirmed', $4, $5)
			on conflict (peer, key) do nothing`, p.ID, p.HeldKey, p.HeldKeyID, operator, tx.at)
		if err == nil && tag.RowsAffected() == 0 {
			return refused("key", "used-before") // what it signed then must not count as new
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			update peer set accounting_key = held_key, accounting_key_id = held_key_id, held_key = '', held_key_id = '', key_held_at = null
			where id = $1`, p.ID); err != nil {
			return err
		}
		return tx.confirmKey(ctx, p, operator, "key-adopted", p.HeldKeyID, open)
	})
}

// KeepPeerKey dismisses the held key of a peer: the operators agree that the pinned one is right. If the actor
// goes on naming the other one, the next message about money holds it again. FieldError "note": required.
func (l *Ledger) KeepPeerKey(ctx context.Context, operator int64, host, key, note string) error {
	note, err := noteText("note", note)
	if err != nil {
		return err
	}
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, open string) error {
		if p.HeldKey == "" || p.HeldKey != key {
			return ErrNotFound
		}
		if _, err := tx.Exec(ctx, `update peer set held_key = '', held_key_id = '', key_held_at = null where id = $1`, p.ID); err != nil {
			return err
		}
		if err := tx.note(ctx, p.ID, "key-kept", note, operator); err != nil {
			return err
		}
		return tx.advanceMore(ctx, p.ID, open)
	})
}

func (tx *Tx) confirmKey(ctx context.Context, p Peer, operator int64, kind, keyID, open string) error {
	if _, err := tx.Exec(ctx, `
		update peer set key_confirmed_at = $2, key_confirmed_by = $3 where id = $1`, p.ID, tx.at, operator); err != nil {
		return err
	}
	if err := tx.note(ctx, p.ID, kind, keyID, operator); err != nil {
		return err
	}
	return tx.advanceMore(ctx, p.ID, open)
}

// PeerKeys lists every accounting key that a peer has had, the pinned one last.
func (l *Ledger) PeerKeys(ctx context.Context, host string) ([]PeerKey, error) {
	return rows[PeerKey](l.pool.Query(ctx, `
		select k.key, k.key_id, k.how, k.statement, k.created_at, m.name as operator
		from peer_key k join peer p on p.id = k.peer left join member m on m.id = k.decided_by
		where p.host = $1 order by k.id`, host))
}
