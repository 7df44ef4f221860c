package ledger

import (
	"context"
	"fmt"
	"slices"
)

// AnswerSplit is a member's consent to a version of a split, or the refusal of it; it is given once. Another
// instance's is told there. FieldError "split": decided. ErrNotFound: the member isn't asked in it.
func (l *Ledger) AnswerSplit(ctx context.Context, by, id int64, consent bool) error {
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		v, t, err := tx.lockSplit(ctx, `v.id = $1`, id)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(v.Parts, func(p SplitPart) bool { return p.Member != nil && *p.Member == by })
		switch {
		case at < 0:
			return ErrNotFound
		case v.State != SplitProposed || v.Parts[at].State != PartAsked:
			return refused("split", "decided")
		}
		if err := tx.answerPart(ctx, v.Parts[at], consent); err != nil {
			return err
		}
		if t.Button != nil {
			return tx.decideSplit(ctx, v.ID, open)
		}
		if !consent { // it can't come into force any more
			if err := tx.endSplit(ctx, v.ID, SplitRefused, nil); err != nil {
				return err
			}
		}
		return tx.tellSplitAnswer(ctx, v, t, v.Parts[at])
	})
}

// lockSplit reads a version v with its thing: its answers come one after the other.
func (tx *Tx) lockSplit(ctx context.Context, where string, arg any) (v SplitVersion, t Thing, err error) {
	var id, thing int64
	if err := tx.QueryRow(ctx, `select v.id, v.thing from thing_split v where `+where+` for no key update`, arg).Scan(&id, &thing); err != nil {
		return v, t, notFound(err)
	}
	if v, err = split(ctx, tx, `id = $1`, id); err != nil {
		return v, t, err
	}
	t, err = row[Thing](tx.Query(ctx, `select `+thingColumns+` from thing where id = $1`, thing))
	return v, t, err
}

func (tx *Tx) answerPart(ctx context.Context, p SplitPart, consent bool) error {
	state := PartRefused
	if consent {
		state = PartConsented
	}
	_, err := tx.Exec(ctx, `update thing_split_part set state = $2, answered_at = $3 where id = $1`, p.ID, state, tx.at)
	return err
}

// tellSplitAnswer tells what a member of ours has answered to the thing's home.
func (tx *Tx) tellSplitAnswer(ctx context.Context, v SplitVersion, t Thing, p SplitPart) error {
	var host string
	err := tx.QueryRow(ctx, `select host from peer where id = $1`, t.Peer).Scan(&host)
	tx.tell(Message{Kind: TellSplitAnswer, Key: v.IRI + " " + p.Payee, To: host})
	return err
}

// SplitAnswer is what another instance answers for a member of its own, its proof checked.
type SplitAnswer struct {
	IRI      string // of the version
	Host     string // who answers
	Payee    string // for whom
	Consent  bool
	Document []byte // as it came; kept if it is the first
}

// SplitAnswered records it. The first answer stands; the same again changes nothing. ErrConflict: another one.
// ErrRefused: it isn't that instance's to give.
func (l *Ledger) SplitAnswered(ctx context.Context, a SplitAnswer) error {
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		v, t, err := tx.lockSplit(ctx, `v.iri = $1`, a.IRI)
		if err != nil {
			return err
		}
		p, err := tx.partOf(ctx, v, a)
		if err != nil {
			return err
		}
		switch {
		case t.Button == nil:
			return fmt.Errorf("%w: %s isn't ours", ErrRefused, a.IRI)
		case p.State != PartAsked && (p.State == PartConsented) != a.Consent:
			return fmt.Errorf("%w: %s has answered %s before", ErrConflict, a.Payee, a.IRI)
		case p.State != PartAsked:
			return nil
		}
		tx.keep(a.IRI+"#answer-of-"+a.Payee, a.Document, false)
		if err := tx.answerPart(ctx, p, a.Consent); err != nil || v.State != SplitProposed {
			return err
		}
		return tx.decideSplit(ctx, v.ID, open)
	})
}

// partOf is the part that an instance answers for.
func (tx *Tx) partOf(ctx context.Context, v SplitVersion, a SplitAnswer) (SplitPart, error) {
	peer, err := tx.peerKnown(ctx, a.Host)
	if err != nil {
		return SplitPart{}, err
	}
	for _, p := range v.Parts {
		if p.Payee == a.Payee && p.Peer != nil && *p.Peer == peer.ID {
			return p, nil
		}
	}
	return SplitPart{}, fmt.Errorf("%w: %s doesn't answer for %s", ErrRefused, a.Host, a.Payee)
}

// decideSplit sees whether all have answered a version of ours. Consented by all, it is in force from the next first
// of a month on; the authors' homes are told, and those whose members have flattred the thing.
func (tx *Tx) decideSplit(ctx context.Context, id int64, open string) error {
	v, err := split(ctx, tx, `id = $1`, id)
	if err != nil {
		return err
	}
	any := func(state string) bool {
		return slices.ContainsFunc(v.Parts, func(p SplitPart) bool { return p.State == state })
	}
	switch next := NextPeriod(open); {
	case any(PartRefused):
		return tx.refuseSplit(ctx, v)
	case any(PartAsked):
		return nil
	default:
		if err := tx.endSplit(ctx, id, SplitConsented, &next); err != nil {
			return err
		}
	}
	return tx.tellPage(ctx, v)
}

// refuseSplit ends a version that somebody refuses; whoever else is asked about it needn't answer any more.
func (tx *Tx) refuseSplit(ctx context.Context, v SplitVersion) error {
	if err := tx.endSplit(ctx, v.ID, SplitRefused, nil); err != nil {
		return err
	}
	hosts, err := tx.askedHosts(ctx, v.ID)
	for _, host := range hosts {
		tx.tell(Message{Kind: TellSplitWithdrawn, Key: v.IRI, To: host})
	}
	return err
}

// tellPage tells the other instances that a thing of ours has another split.
func (tx *Tx) tellPage(ctx context.Context, v SplitVersion) error {
	type told struct{ Button, Host string }
	all, err := rows[told](tx.Query(ctx, `
		select distinct t.button, r.host from thing t join (
		  select p.peer from thing_split_part p where p.split = $1
		  union select f.peer from received_flattr f join thing x on x.button = f.button where x.id = $2) a on true
		join peer r on r.id = a.peer where t.id = $2 order by r.host`, v.ID, v.Thing))
	for _, m := range all {
		tx.tell(Message{Kind: TellPage, Key: m.Button, To: m.Host})
	}
	return err
}
