package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
)

// heldKey is an accounting key that somebody has, or had, as the database says.
type heldKey struct {
	owner     int64 // peer; 0: this instance
	id, text  string
	how       string // pinned, rotated (the key before it signed for it), confirmed (an operator compared it)
	statement string // of a rotation
	row       Finding
}

// believed is a key that documents are verified by.
type believed struct {
	id     string
	key    ed25519.PublicKey
	listed Key
}

// signer is who is to have signed a document, with any key that is believed to be theirs.
type signer struct {
	host, actor string
	keys        []*believed
}

// of is the believed key of a name and a signature; the last of that name, if none fits; nil without one.
func (s *signer) of(doc *signed) (found *believed) {
	for _, b := range s.keys {
		if b.id != doc.method {
			continue
		}
		if found = b; doc.by(b.key) {
			return b
		}
	}
	return found
}

// named are the keys that a signer is believed to have, for a finding.
func (s *signer) named() string {
	text := ""
	for _, b := range s.keys {
		text += fmt.Sprintf(" %s (%s)", b.id, b.listed.Multikey)
	}
	if text == "" {
		return " a key of " + s.host
	}
	return text
}

// signer believes the keys of a host: those that the database holds, or the one that was given and what that one has
// signed for.
func (e *evidence) signer(host, actor string, keys []heldKey) (*signer, error) {
	s := &signer{host: host, actor: actor}
	given, ok := e.a.options.Keys[host]
	if ok {
		key, err := multikey(given)
		if err != nil {
			return nil, fmt.Errorf("the key given for %s: %w", host, err)
		}
		id := actor + "#accounting-key"
		if i := slices.IndexFunc(keys, func(k heldKey) bool { return k.text == given }); i >= 0 {
			id = keys[i].id
		}
		s.believe(id, key, Key{Host: host, Multikey: given, Given: true})
	}
	for i := range keys {
		e.weigh(s, keys, i, ok)
	}
	return s, nil
}

// weigh adds a key that the database holds, if it is to be believed.
func (e *evidence) weigh(s *signer, keys []heldKey, i int, given bool) {
	k := &keys[i]
	if slices.ContainsFunc(s.keys, func(b *believed) bool { return b.listed.Multikey == k.text && b.id == k.id }) {
		return
	}
	key, err := multikey(k.text)
	switch {
	case err != nil:
		return // what it should have signed is found unproven
	case k.how == "rotated":
		old := s.last(keys, i)
		if !e.signedFor(k, s.actor, old) {
			at := k.row
			at.Column, at.Expected, at.Found = "statement", "signed with the key before it, for this one", "another"
			if !given || old != nil {
				e.a.find(at)
			}
			return
		}
	case given:
		return
	}
	s.believe(k.id, key, Key{Host: s.host, Multikey: k.text})
}

// last is the believed key before the ith that is held.
func (s *signer) last(keys []heldKey, i int) *believed {
	if i == 0 {
		return nil
	}
	for _, b := range s.keys {
		if b.listed.Multikey == keys[i-1].text {
			return b
		}
	}
	return nil
}

func (s *signer) believe(id string, key ed25519.PublicKey, listed Key) {
	listed.Fingerprint = fingerprint(key)
	s.keys = append(s.keys, &believed{id, key, listed})
}

// signedFor tells whether the old key has signed that this one is the next (protocol §2).
func (e *evidence) signedFor(k *heldKey, actor string, old *believed) bool {
	if old == nil {
		return false
	}
	doc, err := readSigned([]byte(k.statement))
	if err != nil || doc.method != old.id || !doc.by(old.key) {
		return false
	}
	from, _ := doc.root.get(ns + "oldKey").(map[string]any)
	to, _ := doc.root.get(ns + "newKey").(map[string]any)
	return doc.root.kind() == ns+"KeyRotation" && doc.root.text("actor") == actor &&
		stringOf(from["id"]) == old.id && stringOf(from["publicKeyMultibase"]) == old.listed.Multikey &&
		stringOf(to["id"]) == k.id && stringOf(to["publicKeyMultibase"]) == k.text
}

// readKeys finds whose word is believed.
func (e *evidence) readKeys(ctx context.Context) error {
	all := map[int64][]heldKey{}
	theirs := open(ctx, e.a, "peer_key", `select peer, key_id, key, how, statement, id from peer_key order by id`,
		func(k *struct {
			heldKey
			row int64
		}) []any {
			return []any{&k.owner, &k.id, &k.text, &k.how, &k.statement, &k.row}
		})
	if err := theirs.each(func(k struct {
		heldKey
		row int64
	}) {
		k.heldKey.row = Finding{Table: "peer_key", Key: fmt.Sprint(k.row)}
		all[k.owner] = append(all[k.owner], k.heldKey)
	}); err != nil {
		return err
	}
	ours, err := e.ownKeys(ctx)
	if err != nil {
		return err
	}
	if e.ours, err = e.signer(e.a.inst.host, e.a.inst.base+"/actor", ours); err != nil {
		return err
	}
	for id, p := range e.a.peers {
		keys := all[id]
		pinned := [2]string{}
		if n := len(keys); n > 0 {
			pinned = [2]string{keys[n-1].id, keys[n-1].text}
		}
		at := Finding{Table: "peer", Key: fmt.Sprint(id), Why: "the pinned key is the last that the peer had"}
		same(e.a, at, "accounting_key_id", pinned[0], p.keyID)
		same(e.a, at, "accounting_key", pinned[1], p.key)
		if e.peers[id], err = e.signer(p.host, p.actor, keys); err != nil {
			return err
		}
	}
	return nil
}

// ownKeys are this instance's accounting keys: each but the first was signed for by the one before it.
func (e *evidence) ownKeys(ctx context.Context) ([]heldKey, error) {
	actor := e.a.inst.base + "/actor"
	type row struct {
		n                int32
		private, retired string
	}
	all := open(ctx, e.a, "own_key", `
		select n, private_pem, statement from actor_key where purpose = 'accounting' and kind = 'ed25519' and actor = '`+actor+`' order by n`,
		func(r *row) []any { return []any{&r.n, &r.private, &r.retired} })
	var keys []heldKey
	statement := ""
	err := all.each(func(r row) {
		k := heldKey{id: actor + "#accounting-key", how: "pinned", statement: statement,
			row: Finding{Table: "actor_key", Key: fmt.Sprintf("%s/accounting/ed25519/%d", actor, r.n)}}
		if r.n > 1 {
			k.id, k.how = fmt.Sprintf("%s-%d", k.id, r.n), "rotated"
		}
		var err error
		if k.text, err = publicOf(r.private); err != nil {
			at := k.row
			at.Column, at.Expected, at.Found = "private_pem", "an Ed25519 key in PKCS #8", err.Error()
			e.a.find(at)
		}
		keys, statement = append(keys, k), r.retired
	})
	return keys, err
}
