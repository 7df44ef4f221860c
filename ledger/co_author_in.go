package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SplitOffer is another instance's version of a split in which it asks members of ours, its proof checked.
type SplitOffer struct {
	IRI      string
	Host     string // of the thing, who asks
	Thing    RemoteThing
	Version  int32
	Authors  []Author
	Document []byte // as it came; kept
}

// ReceiveSplit takes a version for our members to answer. The same again gets the answers again that were given.
// ErrConflict: it is known with other content. FieldError "authors": as of ProposeSplit, and unknown, if nobody
// of ours is asked.
func (l *Ledger) ReceiveSplit(ctx context.Context, o SplitOffer) error {
	if err := checkAuthors(o.Authors, maxAsked); err != nil {
		return err
	}
	return l.tx(ctx, func(tx *Tx) error {
		if err := tx.lockID(ctx, o.IRI); err != nil {
			return err
		}
		t, err := tx.saveThing(ctx, o.Thing)
		if err != nil {
			return err
		}
		v, err := split(ctx, tx, `thing = $1 and (version = $2 or iri = $3)`, t.ID, o.Version, o.IRI)
		switch {
		case errors.Is(err, ErrNotFound):
			return tx.takeSplit(ctx, t, o)
		case err != nil:
			return err
		case v.IRI != o.IRI || v.Version != o.Version || !sameAuthors(v.Parts, o.Authors):
			return fmt.Errorf("%w: %s is known with other content", ErrConflict, o.IRI)
		}
		for _, p := range v.Parts {
			if p.Member == nil || p.State == PartAsked {
				continue
			}
			if err := tx.tellSplitAnswer(ctx, v, t, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *Tx) takeSplit(ctx context.Context, t Thing, o SplitOffer) error {
	v := SplitVersion{Thing: t.ID, Version: o.Version, IRI: o.IRI, State: SplitProposed}
	ours := false
	for _, a := range o.Authors {
		p, err := tx.author(ctx, a)
		if err != nil {
			return err
		}
		p.State, p.AnsweredAt = PartAsked, nil
		if p.Payee == t.Payee { // who asks has consented
			p.State, p.AnsweredAt = PartConsented, &tx.at
		}
		ours = ours || p.Member != nil
		v.Parts = append(v.Parts, p)
	}
	if !ours {
		return refused("authors", "unknown")
	}
	tx.keep(o.IRI, o.Document, false)
	return tx.insertSplit(ctx, &v)
}

// sameAuthors compares who gets what.
func sameAuthors(parts []SplitPart, authors []Author) bool {
	if len(parts) != len(authors) {
		return false
	}
	for _, p := range parts {
		if !slices.ContainsFunc(authors, func(a Author) bool { return a.Payee == p.Payee && a.Weight == p.Weight }) {
			return false
		}
	}
	return true
}

// SplitTakenBack: another instance withdraws a version that it had asked us about.
func (l *Ledger) SplitTakenBack(ctx context.Context, iri, host string) error {
	return l.tx(ctx, func(tx *Tx) error {
		v, t, err := tx.lockSplit(ctx, `v.iri = $1`, iri)
		if err != nil {
			return err
		}
		peer, err := tx.peerKnown(ctx, host)
		switch {
		case err != nil:
			return err
		case t.Peer == nil || *t.Peer != peer.ID:
			return fmt.Errorf("%w: %s isn't %s's", ErrRefused, iri, host)
		case v.State != SplitProposed:
			return nil
		}
		return tx.endSplit(ctx, v.ID, SplitWithdrawn, nil)
	})
}

// ToldSplit is a version as a thing's Page tells it: consented, and from a month on in force.
type ToldSplit struct {
	IRI     string
	Version int32
	Period  string
	Authors []Author
}

// saveSplits stores the versions that a remote thing's Page tells. What is known stays; a version that our members
// were asked about gets its month. ErrConflict: a version is told otherwise than before.
func (tx *Tx) saveSplits(ctx context.Context, t Thing, told []ToldSplit) error {
	for _, s := range told {
		if !ValidPeriod(s.Period) || s.Version < 1 || !strings.HasPrefix(s.IRI, "http") {
			return refused("split", "form")
		}
		if err := checkAuthors(s.Authors, maxAsked); err != nil {
			return err
		}
		if err := tx.saveSplit(ctx, t, s); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) saveSplit(ctx context.Context, t Thing, s ToldSplit) error {
	if err := tx.lockID(ctx, s.IRI); err != nil {
		return err
	}
	v, err := split(ctx, tx, `thing = $1 and (version = $2 or iri = $3)`, t.ID, s.Version, s.IRI)
	switch {
	case errors.Is(err, ErrNotFound):
		v = SplitVersion{Thing: t.ID, Version: s.Version, IRI: s.IRI, State: SplitConsented, Period: &s.Period}
		for _, a := range s.Authors {
			p, err := tx.author(ctx, a)
			if err != nil {
				return err
			}
			if p.Member == nil { // a member of ours was asked here, or wasn't
				p.State, p.AnsweredAt = PartConsented, &tx.at
			}
			v.Parts = append(v.Parts, p)
		}
		return tx.insertSplit(ctx, &v)
	case err != nil:
		return err
	case v.IRI != s.IRI || v.Version != s.Version || !sameAuthors(v.Parts, s.Authors) || v.Period != nil && *v.Period != s.Period:
		return fmt.Errorf("%w: %s is known with other content", ErrConflict, s.IRI)
	case v.State == SplitProposed:
		return tx.endSplit(ctx, v.ID, SplitConsented, &s.Period)
	}
	return nil
}
