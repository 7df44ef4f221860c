package vocab

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// KeyRotation says that an instance's accounting key is replaced by the next (protocol §2). It is worth something
// with a proof by the old key only.
type KeyRotation struct {
	ID        string
	Actor     string // the instance actor
	Published time.Time
	Old, New  Multikey // both controlled by Actor
}

// maxRotations are read of an actor: the latest.
const maxRotations = 64

// accountingFragment is what an accounting key's id has behind its actor.
var accountingFragment = regexp.MustCompile(`^#accounting-key(?:-([1-9][0-9]{0,8}))?$`)

// AccountingKeyID is the id of an actor's nth accounting key, from 1 on.
func AccountingKeyID(actor string, n int32) string {
	if n <= 1 {
		return actor + "#accounting-key"
	}
	return actor + "#accounting-key-" + strconv.Itoa(int(n))
}

// IsAccountingKey tells whether an id is that of an accounting key of an actor.
func IsAccountingKey(id, actor string) bool {
	fragment, own := strings.CutPrefix(id, actor)
	return own && accountingFragment.MatchString(fragment)
}

// AccountingKey is the one accounting key that an actor's document names; false if it names none, or several.
func (a Actor) AccountingKey() (key Multikey, ok bool) {
	for _, m := range a.AssertionMethods {
		if m.Controller == a.ID && IsAccountingKey(m.ID, a.ID) {
			if ok {
				return Multikey{}, false
			}
			key, ok = m, true
		}
	}
	return key, ok
}

// RenderKeyRotation writes it, without proof.
func RenderKeyRotation(k KeyRotation) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return finish(map[string]any{
		"type":      "fl:KeyRotation",
		"id":        k.ID,
		"actor":     k.Actor,
		"published": k.Published.UTC().Format(time.RFC3339),
		"fl:oldKey": map[string]any{"id": k.Old.ID, "publicKeyMultibase": k.Old.Multibase},
		"fl:newKey": map[string]any{"id": k.New.ID, "publicKeyMultibase": k.New.Multibase},
	}, rotationContext)
}

// ParseKeyRotation reads it. Errors are *Fault; the proof is the reader's to check.
func ParseKeyRotation(d Document) (KeyRotation, error) {
	r := readAs(d, KeyRotationType)
	k := KeyRotation{ID: r.ref("id"), Actor: r.ref("actor"), Published: r.time("published")}
	for term, key := range map[string]*Multikey{TermOldKey: &k.Old, TermNewKey: &k.New} {
		value, path, err := d.lookup(term)
		r.keep(err)
		named, err := readRow(value)
		if err != nil {
			r.keep(at(path, err))
			continue
		}
		*key = Multikey{ID: named.address("id"), Controller: k.Actor, Multibase: named.text("publicKeyMultibase", maxPEM)}
		r.keep(at(path, named.err))
	}
	if r.err == nil {
		r.keep(k.check())
	}
	return k, r.err
}

// check is the pair of checks on both sides of the wire.
func (k KeyRotation) check() error {
	for _, iri := range []string{k.ID, k.Actor} {
		if err := checkIRI(iri); err != nil {
			return at("/id", err)
		}
	}
	for path, m := range map[string]Multikey{"/fl:oldKey": k.Old, "/fl:newKey": k.New} {
		if !IsAccountingKey(m.ID, k.Actor) || !strings.HasPrefix(m.Multibase, "z") {
			return &Fault{Code: CodeValue, Path: path, Rule: "an accounting key of the actor"}
		}
	}
	if k.Old.Multibase == k.New.Multibase || k.Old.ID == k.New.ID {
		return &Fault{Code: CodeValue, Path: "/fl:newKey", Rule: "another key than the old one"}
	}
	return nil
}

// rotations are the signed statements in an actor: documents of their own, which inherit no context.
func (r *reader) rotations() []Document {
	value, _, err := r.doc.lookup(TermKeyRotations)
	r.keep(err)
	list := asList(value)
	if len(list) > maxRotations {
		list = list[len(list)-maxRotations:]
	}
	var all []Document
	for _, entry := range list {
		if members, ok := entry.(map[string]any); ok {
			all = append(all, newDocument(members, nil, ""))
		}
	}
	return all
}
