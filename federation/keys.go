package federation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// keyName names one key of one of our actors.
type keyName struct{ actor, purpose, kind string }

// Fragments of our key ids.
const (
	mainKey    = "#main-key"    // RSA: draft-cavage
	ed25519Key = "#ed25519-key" // RFC 9421 and proofs (FEP-521a)
)

func (n keyName) id() string {
	switch {
	case n.purpose == "accounting":
		return vocab.AccountingKeyID(n.actor, 1)
	case n.kind == "rsa":
		return n.actor + mainKey
	}
	return n.actor + ed25519Key
}

func rsaKey(actor string) keyName       { return keyName{actor, "main", "rsa"} }
func edKey(actor string) keyName        { return keyName{actor, "main", "ed25519"} }
func (s *Server) moneyKeyName() keyName { return keyName{s.inst.ActorIRI(), "accounting", "ed25519"} }

// moneyKey is our accounting key that isn't retired. It is read each time: another process may rotate it.
func (s *Server) moneyKey(ctx context.Context) (signature.PrivateKey, error) {
	for {
		var n int32
		var text string
		err := s.pool.QueryRow(ctx, `
			select n, private_pem from actor_key where actor = $1 and purpose = 'accounting' and retired_at is null`,
			s.inst.ActorIRI()).Scan(&n, &text)
		if err == nil {
			return signature.ParsePrivatePEM(vocab.AccountingKeyID(s.inst.ActorIRI(), n), s.inst.ActorIRI(), text)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			err = s.makeKey(ctx, s.moneyKeyName())
		}
		if err != nil {
			return signature.PrivateKey{}, fmt.Errorf("accounting key: %w", err)
		}
	}
}

// key returns a key of ours, making it on first need. Of two processes that make it at once, the
// first to commit wins and both use that one.
func (s *Server) key(ctx context.Context, n keyName) (signature.PrivateKey, error) {
	s.mu.Lock()
	key, ok := s.keys[n]
	s.mu.Unlock()
	if ok {
		return key, nil
	}
	key, err := s.readKey(ctx, n)
	if errors.Is(err, pgx.ErrNoRows) {
		if err = s.makeKey(ctx, n); err == nil {
			key, err = s.readKey(ctx, n)
		}
	}
	if err != nil {
		return key, fmt.Errorf("key %s: %w", n.id(), err)
	}
	s.mu.Lock()
	s.keys[n] = key
	s.mu.Unlock()
	return key, nil
}

func (s *Server) readKey(ctx context.Context, n keyName) (signature.PrivateKey, error) {
	var text string
	if err := s.pool.QueryRow(ctx, `
		select private_pem from actor_key where actor = $1 and purpose = $2 and kind = $3 and retired_at is null`,
		n.actor, n.purpose, n.kind).Scan(&text); err != nil {
		return signature.PrivateKey{}, err
	}
	return signature.ParsePrivatePEM(n.id(), n.actor, text)
}

func (s *Server) makeKey(ctx context.Context, n keyName) error {
	generate := signature.GenerateEd25519
	if n.kind == "rsa" {
		generate = signature.GenerateRSA
	}
	key, err := generate(n.id(), n.actor)
	if err != nil {
		return err
	}
	text, err := key.PEM()
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `
		insert into actor_key (actor, purpose, kind, private_pem, created_at) values ($1, $2, $3, $4, $5)
		on conflict do nothing`, n.actor, n.purpose, n.kind, text, s.ledger.Now())
	return err
}

// AccountingFingerprint is what this instance's operator reads to another's, to have the key confirmed.
func (s *Server) AccountingFingerprint(ctx context.Context) (string, error) {
	key, err := s.moneyKey(ctx)
	if err != nil {
		return "", err
	}
	return key.Public().Fingerprint(), nil
}

// Fingerprint is what operators compare of a peer's accounting key, "" if it isn't one.
func Fingerprint(multikey string) string {
	key, err := signature.ParseMultikey(multikey, "", multikey) // a key must have some name
	if err != nil {
		return ""
	}
	return key.Fingerprint()
}
