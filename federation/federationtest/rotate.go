package federationtest

import (
	"fmt"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// Rotate gives a Peer a new accounting key, which by has signed for; it returns the old one.
func (s *Stranger) Rotate(by signature.PrivateKey) (old signature.PrivateKey) {
	s.w.t.Helper()
	old = s.Accounting
	n := int32(len(s.Document.Rotations) + 2)
	var err error
	s.Accounting, err = signature.GenerateEd25519(vocab.AccountingKeyID(s.Actor, n), s.Actor)
	s.w.must(err)
	k := vocab.KeyRotation{ID: fmt.Sprint(s.Actor, "#key-rotation-", n-1), Actor: s.Actor, Published: s.w.Clock.Now(),
		Old: vocab.Multikey{ID: old.ID}, New: vocab.Multikey{ID: s.Accounting.ID}}
	k.Old.Multibase, err = old.Public().Multikey()
	s.w.must(err)
	k.New.Multibase, err = s.Accounting.Public().Multikey()
	s.w.must(err)
	plain, err := vocab.RenderKeyRotation(k)
	s.w.must(err)
	signed, err := signature.Prove(plain, by, s.w.Clock.Now())
	s.w.must(err)
	statement, err := vocab.Decode(signed)
	s.w.must(err)
	s.Document.Rotations = append(s.Document.Rotations, statement)
	s.Document.AssertionMethods = []vocab.Multikey{{ID: s.Accounting.ID, Controller: s.Actor, Multibase: k.New.Multibase}}
	return old
}
