package federation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// errKeyHeld: the peer's accounting key changed without proof, and nothing about money goes there until an operator
// has decided.
var errKeyHeld = errors.New("another accounting key than the pinned one is held")

// keyNow looks at a peer's actor again, because a message doesn't fit the pinned key or another key is held. A key that the
// pinned one signed for is pinned in its place; one that it didn't sign for holds all money of the peer (protocol §2).
// A retired key's proof is no reason to look: what it signed and we haven't seen is no longer taken.
func (s *Server) keyNow(ctx context.Context, p ledger.Peer, method string) (ledger.Peer, error) {
	keys, err := s.ledger.PeerKeys(ctx, p.Host)
	if err != nil {
		return p, err
	}
	for _, k := range keys {
		if k.KeyID == method && method != p.AccountingKeyID && p.KeyHeldAt == nil {
			return p, refuse(http.StatusUnauthorized, "claim.retired-key", vocab.ProofInvalid, "%s was replaced: prove it again", method)
		}
	}
	looked := p.AccountingKeyID
	if vocab.IsAccountingKey(method, p.Actor) {
		looked = method
	}
	a, err := s.keyOwner(ctx, looked)
	if err != nil {
		return p, err
	}
	named, ok := a.AccountingKey()
	switch {
	case a.ID != p.Actor || !ok:
		return p, held(p)
	case named.Multibase == p.AccountingKey:
		return p, held(p)
	}
	chain, long := rotations(p, a, named)
	if long {
		s.event(ctx, "peer.key-chain", "host", p.Host, "most", maxRotationsAtOnce)
	}
	for _, r := range chain {
		if p, err = s.ledger.RotatePeerKey(ctx, r); err != nil {
			return p, err
		}
		s.event(ctx, "peer.key-rotated", "host", p.Host, "key", p.AccountingKeyID)
	}
	if named.Multibase == p.AccountingKey {
		s.lookups.proven(looked)
		return p, nil
	}
	if p.HeldKey != named.Multibase {
		s.event(ctx, "peer.key-changed", "host", p.Host, "pinned", Fingerprint(p.AccountingKey), "named", Fingerprint(named.Multibase))
		if p, err = s.ledger.HoldPeerKey(ctx, p.Host, named.Multibase, named.ID); err != nil {
			return p, err
		}
	}
	return p, held(p)
}

// held refuses what comes from a peer while another of its keys is held.
func held(p ledger.Peer) error {
	if p.KeyHeldAt == nil {
		return nil
	}
	return refuse(http.StatusForbidden, "peer.key-held", vocab.ActorNotAuthorized,
		"your accounting key changed without the old one's signature: operators have to compare it")
}

// maxRotationsAtOnce are followed when a peer's actor is looked at. Of more, operators compare the last: whoever has an
// old key could else have any number of them written into the books.
const maxRotationsAtOnce = 5

// rotations is the chain of statements that leads from a peer's pinned key to the one that its actor names, each signed
// by the key before; nil if there is none, or a long one.
func rotations(p ledger.Peer, a remote, to vocab.Multikey) (chain []ledger.KeyRotation, long bool) {
	from := vocab.Multikey{ID: p.AccountingKeyID, Multibase: p.AccountingKey}
	for _, d := range a.Rotations {
		k, err := vocab.ParseKeyRotation(d)
		if err != nil || k.Actor != a.ID || k.Old.ID != from.ID || k.Old.Multibase != from.Multibase {
			continue
		}
		old, err := signature.ParseMultikey(from.ID, a.ID, from.Multibase)
		if err == nil {
			_, err = signature.VerifyProof(d.Raw(), old)
		}
		if err == nil {
			_, err = signature.ParseMultikey(k.New.ID, a.ID, k.New.Multibase)
		}
		if err != nil {
			continue
		}
		if len(chain) == maxRotationsAtOnce {
			return nil, true
		}
		from = k.New
		chain = append(chain, ledger.KeyRotation{Host: p.Host, Old: k.Old.Multibase, New: k.New.Multibase, NewID: k.New.ID, Statement: string(d.Raw())})
	}
	if from.ID != to.ID || from.Multibase != to.Multibase {
		return nil, false
	}
	return chain, false
}

// rotations of our own, as the instance actor shows them.
func (s *Server) rotations(ctx context.Context) ([]vocab.Document, error) {
	found, err := s.pool.Query(ctx, `
		select statement from actor_key where actor = $1 and purpose = 'accounting' and retired_at is not null order by n`, s.inst.ActorIRI())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (vocab.Document, error) {
		var text string
		if err := row.Scan(&text); err != nil {
			return vocab.Document{}, err
		}
		return vocab.Decode([]byte(text))
	})
}

// ownProof verifies a document of ours that somebody gives back. A retired key's word is still ours.
func (s *Server) ownProof(ctx context.Context, doc []byte) error {
	all, err := OwnAccountingKeys(ctx, s.pool, s.ledger)
	if err != nil {
		return err
	}
	err = errors.New("there is no key of ours")
	for _, k := range all {
		var key signature.PublicKey
		if key, err = signature.ParseMultikey(k.ID, s.inst.ActorIRI(), k.Multikey); err != nil {
			return err
		}
		if _, err = signature.VerifyProof(doc, key); err == nil {
			return nil
		}
	}
	return err
}

// OwnKey is an accounting key that this instance has, or had.
type OwnKey struct {
	ID          string     `json:"id"`
	Multikey    string     `json:"multikey"`
	Fingerprint string     `json:"fingerprint"`
	Made        time.Time  `json:"made"`
	Retired     *time.Time `json:"retired"` // nil: it signs
}

// OwnAccountingKeys lists this instance's accounting keys, the current one first.
func OwnAccountingKeys(ctx context.Context, pool *pgxpool.Pool, l *ledger.Ledger) ([]OwnKey, error) {
	actor := l.Instance().ActorIRI()
	found, err := pool.Query(ctx, `
		select n, private_pem, created_at, retired_at from actor_key where actor = $1 and purpose = 'accounting' order by n desc`, actor)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (k OwnKey, err error) {
		var n int32
		var text string
		if err := row.Scan(&n, &text, &k.Made, &k.Retired); err != nil {
			return k, err
		}
		k.ID = vocab.AccountingKeyID(actor, n)
		key, err := signature.ParsePrivatePEM(k.ID, actor, text)
		if err != nil {
			return k, err
		}
		k.Fingerprint = key.Public().Fingerprint()
		k.Multikey, err = key.Public().Multikey()
		return k, err
	})
}

// RotateAccountingKey makes a new accounting key and lets the old one sign for it. The instance actor names both from then
// on; peers that pinned the old key pin the new one when they next hear from us. What nobody has answered is
// told again at once, proved by the new key. It may run beside the server. ledger.ErrNotFound: there is no key yet.
func RotateAccountingKey(ctx context.Context, pool *pgxpool.Pool, l *ledger.Ledger) error {
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return rotate(ctx, tx, l.Instance().ActorIRI(), l.Now()) }); err != nil {
		return err
	}
	return l.TellUnanswered(ctx)
}

func rotate(ctx context.Context, tx pgx.Tx, actor string, now time.Time) error {
	var n int32
	var text string
	err := tx.QueryRow(ctx, `
		select n, private_pem from actor_key where actor = $1 and purpose = 'accounting' and retired_at is null for update`, actor).Scan(&n, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: there is no accounting key yet", ledger.ErrNotFound)
	}
	if err != nil {
		return err
	}
	old, err := signature.ParsePrivatePEM(vocab.AccountingKeyID(actor, n), actor, text)
	if err != nil {
		return err
	}
	next, err := signature.GenerateEd25519(vocab.AccountingKeyID(actor, n+1), actor)
	if err != nil {
		return err
	}
	statement, err := successor(actor, old, next, n, now)
	if err != nil {
		return err
	}
	pem, err := next.PEM()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update actor_key set retired_at = $3, statement = $4 where actor = $1 and purpose = 'accounting' and n = $2`, actor, n, now, string(statement)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into actor_key (actor, purpose, kind, n, private_pem, created_at) values ($1, 'accounting', 'ed25519', $2, $3, $4)`, actor, n+1, pem, now)
	return err
}

// successor is what the old key signs about the next.
func successor(actor string, old, next signature.PrivateKey, n int32, now time.Time) ([]byte, error) {
	k := vocab.KeyRotation{ID: fmt.Sprintf("%s#key-rotation-%d", actor, n), Actor: actor, Published: now,
		Old: vocab.Multikey{ID: old.ID}, New: vocab.Multikey{ID: next.ID}}
	var err error
	if k.Old.Multibase, err = old.Public().Multikey(); err != nil {
		return nil, err
	}
	if k.New.Multibase, err = next.Public().Multikey(); err != nil {
		return nil, err
	}
	plain, err := vocab.RenderKeyRotation(k)
	if err != nil {
		return nil, err
	}
	return signature.Prove(plain, old, now)
}

// withoutProof is a document as it was before it was proved, its members otherwise as they are.
func withoutProof(doc []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		return nil, err
	}
	delete(members, "proof")
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(members)
	return bytes.TrimSpace(plain.Bytes()), err
}
