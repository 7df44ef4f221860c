package ledger

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Author is who is to be in a version of a split.
type Author struct {
	Payee  string // actor
	Name   string // of another instance's member, for people
	Weight int32
}

// ProposeSplit proposes how what a button of the owner's gets is divided from now on. Everybody else who is in it or
// in the version before is asked; once all have consented it is in force from the next first of a month on. Whoever
// is in the version before and isn't named gets nothing, and is asked for that. FieldError "authors": weight,
// too-many, twice, unknown, none; "split": open (another version waits for its answers).
func (l *Ledger) ProposeSplit(ctx context.Context, owner int64, button string, authors []Author) (v SplitVersion, err error) {
	if err := checkAuthors(authors, maxAuthors); err != nil {
		return v, err
	}
	err = l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		t, err := tx.ownThing(ctx, owner, button)
		if err != nil {
			return err
		}
		before, err := splits(ctx, tx, `thing = $1 and state in ('proposed', 'consented')`, t.ID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(before, func(v SplitVersion) bool { return v.State == SplitProposed }) {
			return refused("split", "open")
		}
		parts, err := tx.authors(ctx, t, before, authors)
		if err != nil {
			return err
		}
		v, err = tx.propose(ctx, t, parts)
		if err == nil {
			err = tx.decideSplit(ctx, v.ID, open)
		}
		if err == nil {
			v, err = split(ctx, tx, `id = $1`, v.ID)
		}
		return err
	})
	return v, err
}

func checkAuthors(authors []Author, most int) error {
	total := int64(0)
	for i, a := range authors {
		if a.Weight < 0 || a.Weight > maxWeight {
			return refused("authors", "weight")
		}
		if slices.ContainsFunc(authors[:i], func(b Author) bool { return a.Payee == b.Payee }) {
			return refused("authors", "twice")
		}
		total += int64(a.Weight)
	}
	switch {
	case len(authors) > most:
		return refused("authors", "too-many")
	case total == 0:
		return refused("authors", "none")
	}
	return nil
}

// ownThing locks the thing that an owner's button is: its versions come one after the other.
func (tx *Tx) ownThing(ctx context.Context, owner int64, button string) (Thing, error) {
	return row[Thing](tx.Query(ctx, `select `+thingColumns+` from thing
		where button = $1 and member = $2 and exists (select from button b where b.id = $1 and b.removed_at is null)
		for no key update`, button, owner))
}

// authors are the parts of a new version: who is named, and with no weight the owner and those in the version before.
func (tx *Tx) authors(ctx context.Context, t Thing, before []SplitVersion, named []Author) ([]SplitPart, error) {
	all := slices.Clone(named)
	add := func(payee, name string) {
		if !slices.ContainsFunc(all, func(a Author) bool { return a.Payee == payee }) {
			all = append(all, Author{Payee: payee, Name: name})
		}
	}
	add(t.Payee, t.PayeeName)
	if len(before) > 0 {
		for _, p := range before[len(before)-1].Parts {
			if p.Weight > 0 {
				add(p.Payee, p.PayeeName)
			}
		}
	}
	parts := make([]SplitPart, len(all))
	for i, a := range all {
		p, err := tx.author(ctx, a)
		if err != nil {
			return nil, err
		}
		if parts[i] = p; p.Payee == t.Payee {
			parts[i].State, parts[i].AnsweredAt = PartConsented, &tx.at
		}
	}
	return parts, nil
}

// author finds who that is: a member of ours, or somebody at another instance.
func (tx *Tx) author(ctx context.Context, a Author) (SplitPart, error) {
	p := SplitPart{Payee: a.Payee, PayeeName: a.Name, Weight: a.Weight, State: PartAsked}
	if name, ours := strings.CutPrefix(a.Payee, tx.l.inst.MemberIRI("")); ours {
		m, err := row[Member](tx.Query(ctx, `select `+memberColumns+` from member where name = $1`, name))
		if errors.Is(err, ErrNotFound) || err == nil && m.DeletedAt != nil && a.Weight > 0 {
			err = refused("authors", "unknown")
		}
		if p.Member, p.PayeeName = &m.ID, m.DisplayName; m.DeletedAt != nil { // nobody is left to ask
			p.State, p.AnsweredAt = PartConsented, &tx.at
		}
		return p, err
	}
	u, err := url.Parse(a.Payee)
	if err != nil || u.Host == "" || u.Host == tx.l.inst.Host {
		return p, refused("authors", "unknown")
	}
	peer, err := tx.peer(ctx, u.Host)
	if p.Peer = &peer.ID; p.PayeeName == "" {
		p.PayeeName = a.Payee
	}
	return p, err
}

// propose stores a version of ours and asks those elsewhere.
func (tx *Tx) propose(ctx context.Context, t Thing, parts []SplitPart) (SplitVersion, error) {
	var version int32
	if err := tx.QueryRow(ctx, `select coalesce(max(version), 0) + 1 from thing_split where thing = $1`, t.ID).Scan(&version); err != nil {
		return SplitVersion{}, err
	}
	v := SplitVersion{Thing: t.ID, Version: version, IRI: tx.l.inst.SplitIRI(*t.Button, version), State: SplitProposed, Parts: parts}
	err := tx.insertSplit(ctx, &v)
	if err != nil {
		return v, err
	}
	hosts, err := tx.askedHosts(ctx, v.ID)
	for _, host := range hosts {
		tx.tell(Message{Kind: TellSplit, Key: v.IRI, To: host})
	}
	return v, err
}

// insertSplit stores a version and its parts.
func (tx *Tx) insertSplit(ctx context.Context, v *SplitVersion) error {
	if err := tx.QueryRow(ctx, `
		insert into thing_split (thing, version, iri, state, period, created_at, decided_at)
		values ($1, $2, $3, $4, $5, $6, case when $4 <> 'proposed' then $6::timestamptz end) returning id`,
		v.Thing, v.Version, v.IRI, v.State, v.Period, tx.at).Scan(&v.ID); err != nil {
		return err
	}
	for _, p := range v.Parts {
		if _, err := tx.Exec(ctx, `
			insert into thing_split_part (split, payee, payee_name, member, peer, weight, state, answered_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)`, v.ID, p.Payee, p.PayeeName, p.Member, p.Peer, p.Weight, p.State, p.AnsweredAt); err != nil {
			return err
		}
	}
	return nil
}

// askedHosts are the other instances of a version's authors.
func (tx *Tx) askedHosts(ctx context.Context, split int64) ([]string, error) {
	type host struct{ Host string }
	found, err := rows[host](tx.Query(ctx, `
		select distinct r.host from thing_split_part p join peer r on r.id = p.peer where p.split = $1 order by 1`, split))
	hosts := make([]string, len(found))
	for i, h := range found {
		hosts[i] = h.Host
	}
	return hosts, err
}

// WithdrawSplit takes back a version that waits for answers; those elsewhere are told. FieldError "split": decided.
func (l *Ledger) WithdrawSplit(ctx context.Context, owner int64, button string, version int32) error {
	return l.tx(ctx, func(tx *Tx) error {
		t, err := tx.ownThing(ctx, owner, button)
		if err != nil {
			return err
		}
		v, err := split(ctx, tx, `thing = $1 and version = $2`, t.ID, version)
		switch {
		case err != nil:
			return err
		case v.State == SplitWithdrawn:
			return nil
		case v.State != SplitProposed:
			return refused("split", "decided")
		}
		if err := tx.endSplit(ctx, v.ID, SplitWithdrawn, nil); err != nil {
			return err
		}
		hosts, err := tx.askedHosts(ctx, v.ID)
		for _, host := range hosts {
			tx.tell(Message{Kind: TellSplitWithdrawn, Key: v.IRI, To: host})
		}
		return err
	})
}

func (tx *Tx) endSplit(ctx context.Context, id int64, state string, period *string) error {
	_, err := tx.Exec(ctx, `update thing_split set state = $2, period = $3, decided_at = $4 where id = $1`, id, state, period, tx.at)
	return err
}
