package federation

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// refetchAfter is how long a failed look-up, or a refetch after a bad signature, isn't repeated.
const refetchAfter = 5 * time.Minute

// remote is an actor elsewhere and its document as it was fetched.
type remote struct {
	vocab.Actor
	raw []byte
}

// prove shows that the signature is the actor's: the key that was used is one that the actor's own
// document, on the actor's own host, lists as the actor's (FEP-fe34, both ways). A stored key that
// fails is fetched again once, as it may have been rotated. Nothing is stored before the proof.
func (s *Server) prove(ctx context.Context, signed *signature.Signed, actor string) (remote, error) {
	if a, err := s.storedActor(ctx, signed.KeyID); err == nil {
		if err := check(signed, a, actor); err == nil || !s.mayRefetch(signed.KeyID) {
			return a, err
		}
	}
	if s.failedLately(signed.KeyID) {
		return remote{}, refuse(http.StatusUnauthorized, "sig.key", vocab.PrincipalNotAuthorized,
			"the key of keyId couldn't be had a short while ago")
	}
	a, err := s.fetchKeyOwner(ctx, signed.KeyID)
	if err != nil {
		s.noteFailure(signed.KeyID)
		return a, s.keyRefusal(ctx, signed.KeyID, err)
	}
	if err := check(signed, a, actor); err != nil {
		s.noteFailure(signed.KeyID)
		return a, err
	}
	return a, s.storeActor(ctx, a)
}

// check verifies the signature with the key that the actor's document lists under that id, and that
// this actor is the one that the activity names.
func check(signed *signature.Signed, a remote, actor string) error {
	if a.ID != actor {
		return refuse(http.StatusForbidden, "sig.owner", vocab.PrincipalActorMismatch,
			"the key belongs to %s, the activity's actor is %s", a.ID, actor)
	}
	key, err := listedKey(a, signed.KeyID)
	if err != nil {
		return err
	}
	return signed.Verify(key)
}

// listedKey finds a key in its owner's document; a key whose document names another owner isn't theirs.
func listedKey(a remote, id string) (signature.PublicKey, error) {
	for _, k := range a.PublicKeys {
		if k.ID == id && k.Owner == a.ID && k.PEM != "" {
			return signature.ParsePublicPEM(id, a.ID, k.PEM)
		}
	}
	for _, k := range a.AssertionMethods {
		if k.ID == id && k.Controller == a.ID {
			return signature.ParseMultikey(id, a.ID, k.Multibase)
		}
	}
	return signature.PublicKey{}, refuse(http.StatusForbidden, "sig.owner", vocab.PrincipalActorMismatch,
		"%s doesn't list the key %s as its own", a.ID, id)
}

// fetchKeyOwner fetches the actor that a key id leads to: the document at the id is the actor, or a
// key whose owner is fetched in turn and must live on the same host.
func (s *Server) fetchKeyOwner(ctx context.Context, keyID string) (remote, error) {
	at, _, _ := strings.Cut(keyID, "#")
	doc, err := s.client.FetchAS2(ctx, at)
	if err != nil {
		return remote{}, err
	}
	if a, err := asActor(doc); err == nil {
		return a, nil
	}
	key, err := vocab.ParsePublicKey(doc)
	if err != nil {
		return remote{}, err
	}
	if !s.web.SameHost(key.Owner, keyID) {
		return remote{}, refuse(http.StatusForbidden, "sig.owner", vocab.PrincipalActorMismatch,
			"key and owner are on different hosts")
	}
	return s.fetchActor(ctx, key.Owner)
}

func asActor(doc vocab.Document) (remote, error) {
	a, err := vocab.ParseActor(doc)
	return remote{Actor: a, raw: doc.Raw()}, err
}

func (s *Server) fetchActor(ctx context.Context, id string) (remote, error) {
	doc, err := s.client.FetchAS2(ctx, id)
	if err != nil {
		return remote{}, err
	}
	return asActor(doc)
}

// keyRefusal: a key that can't be had now may be had later, so that the sender keeps the message;
// one that isn't one never will.
func (s *Server) keyRefusal(ctx context.Context, keyID string, err error) error {
	var already *refusal
	switch {
	case errors.As(err, &already), guard.IsBlocked(err):
		return err
	case guard.IsTemporary(err):
		return refuse(http.StatusServiceUnavailable, "sig.key-unreachable", "", "the key of keyId couldn't be fetched")
	}
	s.event(ctx, "sig.key-fetch", "keyId", keyID, "error", err.Error())
	return refuse(http.StatusUnauthorized, "sig.key", vocab.PrincipalNotAuthorized, "keyId leads to no key")
}

// maxFailures bounds the memory of failures; when it is full, it starts anew.
const maxFailures = 10_000

func (s *Server) noteFailure(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) >= maxFailures {
		clear(s.failed)
	}
	s.failed[keyID] = time.Now()
}

func (s *Server) failedLately(keyID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.failed[keyID]
	return ok && time.Since(at) < refetchAfter
}

func (s *Server) mayRefetch(keyID string) bool { return !s.failedLately(keyID) }

// storedActor reads the actor that a known key belongs to.
func (s *Server) storedActor(ctx context.Context, keyID string) (remote, error) {
	return s.stored(ctx, `
		select a.document from remote_key k join remote_actor a on a.id = k.actor where k.id = $1`, keyID)
}

func (s *Server) stored(ctx context.Context, sql, id string) (remote, error) {
	var body string
	if err := s.pool.QueryRow(ctx, sql, id).Scan(&body); err != nil {
		return remote{}, err
	}
	doc, err := vocab.Decode([]byte(body))
	if err != nil {
		return remote{}, err
	}
	return asActor(doc)
}

// actor returns a remote actor as stored, or fetches and stores it.
func (s *Server) actor(ctx context.Context, id string) (remote, error) {
	a, err := s.stored(ctx, `select document from remote_actor where id = $1`, id)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return a, err
	}
	if a, err = s.fetchActor(ctx, id); err != nil {
		return a, err
	}
	return a, s.storeActor(ctx, a)
}

// storeActor keeps an actor's document and the ids of its keys.
func (s *Server) storeActor(ctx context.Context, a remote) error {
	ids := []string{}
	for _, k := range a.PublicKeys {
		ids = append(ids, k.ID)
	}
	for _, k := range a.AssertionMethods {
		ids = append(ids, k.ID)
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			insert into remote_actor (id, document, fetched_at) values ($1, $2, $3)
			on conflict (id) do update set document = excluded.document, fetched_at = excluded.fetched_at`,
			a.ID, string(a.raw), s.ledger.Now()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from remote_key where actor = $1`, a.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			insert into remote_key (id, actor) select distinct unnest($1::text[]), $2 on conflict do nothing`, ids, a.ID)
		return err
	})
}
