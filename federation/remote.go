package federation

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// remote is an actor elsewhere.
type remote struct {
	vocab.Actor
	fresh bool   // as its server says now, and not as it is stored
	text  string // as it is stored; "": it isn't
}

// prove shows that the signature is the actor's: the key that was used is one that the actor's own
// document, on the actor's own host, lists as the actor's (FEP-fe34, both ways). A stored key that
// fails is fetched again once, as it may have been rotated. Nothing is stored here.
func (s *Server) prove(ctx context.Context, signed *signature.Signed, actor string) (remote, error) {
	if !s.web.SameHost(signed.KeyID, actor) {
		return remote{}, refuse(http.StatusForbidden, "sig.owner", vocab.PrincipalActorMismatch,
			"the key is on another host than the actor")
	}
	seen, err := s.storedActor(ctx, signed.KeyID)
	if err == nil && check(signed, seen, actor) == nil {
		return seen, nil
	}
	l := s.lookups.of(signed.KeyID)
	// Whoever was faster may have stored it since we looked. Its lookup is forgotten then, and ours is another.
	if a, err := s.storedActor(ctx, signed.KeyID); err == nil && a.text != seen.text && check(signed, a, actor) == nil {
		return a, nil
	}
	a, err := s.lookUp(ctx, signed.KeyID, l)
	if err != nil {
		return a, err
	}
	if err := check(signed, a, actor); err != nil {
		return a, err
	}
	s.lookups.proven(signed.KeyID)
	return a, nil
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

// asActor reads an actor's document. What we have no use for isn't kept: a document may have a MiB.
func asActor(doc vocab.Document) (remote, error) {
	a, err := vocab.ParseActor(doc)
	return remote{fresh: true, Actor: vocab.Actor{ID: a.ID, Type: a.Type, PreferredUsername: a.PreferredUsername, Name: a.Name,
		Inbox: a.Inbox, PublicKeys: a.PublicKeys, AssertionMethods: a.AssertionMethods, AcceptsFlattrs: a.AcceptsFlattrs,
		Rotations: a.Rotations, Implements: slices.DeleteFunc(a.Implements, func(f vocab.Feature) bool { return f.Href != vocab.V1 })}}, err
}

// size is about how many bytes an actor takes.
func (a remote) size() int {
	n := len(a.ID) + len(a.PreferredUsername) + len(a.Name) + len(a.Inbox)
	for _, k := range a.PublicKeys {
		n += len(k.ID) + len(k.Owner) + len(k.PEM)
	}
	for _, k := range a.AssertionMethods {
		n += len(k.ID) + len(k.Controller) + len(k.Multibase)
	}
	for _, r := range a.Rotations {
		n += len(r.Raw())
	}
	return n
}

func (s *Server) fetchActor(ctx context.Context, id string) (remote, error) {
	doc, err := s.client.FetchAS2(ctx, id)
	if err != nil {
		return remote{}, err
	}
	a, err := asActor(doc)
	if err == nil && !s.web.SameIRI(a.ID, id) {
		err = &guard.Error{Code: guard.CodeDocument, URL: id, Err: errors.New("is the document of another actor")}
	}
	return a, err
}

// storedActor reads the actor that a known key belongs to.
func (s *Server) storedActor(ctx context.Context, keyID string) (remote, error) {
	return s.stored(ctx, `
		select a.document from remote_key k join remote_actor a on a.id = k.actor where k.id = $1`, keyID)
}

func (s *Server) stored(ctx context.Context, sql, id string) (a remote, err error) {
	var text string
	if err = s.pool.QueryRow(ctx, sql, id).Scan(&text); err != nil {
		return a, err
	}
	a.text = text
	var k known
	err = json.Unmarshal([]byte(text), &k)
	a.ID, a.Inbox, a.PublicKeys, a.AssertionMethods = k.ID, k.Inbox, k.PublicKeys, k.AssertionMethods
	if k.Flattr {
		a.Implements = []vocab.Feature{{Href: vocab.V1}}
	}
	return a, err
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

// known is what is stored of an actor: all that a message from there or to there needs.
type known struct {
	ID, Inbox        string
	PublicKeys       []vocab.PublicKey
	AssertionMethods []vocab.Multikey
	Flattr           bool // speaks our protocol
}

// maxKnownKeys bounds an actor's stored keys of each kind, and so what is stored of it in all: the length
// of an id and of a key is bounded by vocab.
const maxKnownKeys = 4

// know picks the keys that are an actor's by its document and by their address. Anybody may list
// another's key; storing that would take the other's place. Of many, those stay that are named first:
// whoever signs with another is fetched each time.
func (s *Server) know(a remote) (k known, keys []string) {
	k, keys = known{ID: a.ID, Inbox: a.Inbox, Flattr: a.SpeaksFlattr()}, []string{}
	for _, key := range a.PublicKeys {
		if key.Owner == a.ID && s.web.SameHost(key.ID, a.ID) && len(k.PublicKeys) < maxKnownKeys {
			k.PublicKeys, keys = append(k.PublicKeys, key), append(keys, key.ID)
		}
	}
	for _, key := range a.AssertionMethods {
		if key.Controller == a.ID && s.web.SameHost(key.ID, a.ID) && len(k.AssertionMethods) < maxKnownKeys {
			k.AssertionMethods, keys = append(k.AssertionMethods, key), append(keys, key.ID)
		}
	}
	return k, keys
}

// storeActor keeps what is needed of an actor and the ids of its keys. Of two actors of a host that name
// one key, the one that was proven last has it.
func (s *Server) storeActor(ctx context.Context, a remote) error {
	k, keys := s.know(a)
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			insert into remote_actor (id, document, fetched_at) values ($1, $2, $3)
			on conflict (id) do update set document = excluded.document, fetched_at = excluded.fetched_at`,
			k.ID, string(text), s.ledger.Now()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from remote_key where actor = $1`, k.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			insert into remote_key (id, actor) select distinct unnest($1::text[]), $2
			on conflict (id) do update set actor = excluded.actor`, keys, k.ID)
		return err
	})
	for _, key := range keys {
		s.lookups.forget(key)
	}
	return err
}

// tx runs f in a transaction, and again if it gave way.
func (s *Server) tx(ctx context.Context, f func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, f)
	for try := 1; ledger.GaveWay(err) && try < ledger.MaxTries; try++ {
		err = pgx.BeginFunc(ctx, s.pool, f)
	}
	return err
}
