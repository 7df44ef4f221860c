package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// States of a version of a split.
const (
	SplitProposed  = "proposed"
	SplitConsented = "consented" // by everybody in it and in the one before: in force from its period on
	SplitRefused   = "refused"   // by one of them
	SplitWithdrawn = "withdrawn" // by the owner, before all had answered
)

// States of an author's part in a version.
const (
	PartAsked     = "asked"
	PartConsented = "consented"
	PartRefused   = "refused"
)

const (
	maxAuthors = 15               // that an owner names
	maxAsked   = 2*maxAuthors + 1 // with those in the version before, and the owner
	maxWeight  = 1_000_000
)

// SplitVersion is a version of how what a thing gets is divided among its authors (protocol §3).
type SplitVersion struct {
	ID        int64
	Thing     int64
	Version   int32
	IRI       string
	State     string
	Period    *string // of a consented one: the month from which on it is in force
	CreatedAt time.Time
	DecidedAt *time.Time
	Parts     []SplitPart `db:"-"` // sorted by Payee
}

// SplitPart is an author in a version.
type SplitPart struct {
	ID         int64
	Split      int64
	Payee      string // actor
	PayeeName  string
	Member     *int64 // when ours
	Peer       *int64 // when not
	Weight     int32  // 0: was an author in the version before, and is asked therefore
	State      string
	AnsweredAt *time.Time
}

const (
	splitColumns     = `id, thing, version, iri, state, period, created_at, decided_at`
	splitPartColumns = `id, split, payee, payee_name, member, peer, weight, state, answered_at`
)

// SplitIRI is the id of a version of a button's split.
func (i Instance) SplitIRI(button string, version int32) string {
	return fmt.Sprintf("%s/split/%d", i.ButtonIRI(button), version)
}

// ShareOf is a part's percentage of its version's weights, for people to read; it books nothing.
func (v SplitVersion) ShareOf(p SplitPart) string {
	total := int64(0)
	for _, x := range v.Parts {
		total += int64(x.Weight)
	}
	if total == 0 {
		return "0"
	}
	tenths := (int64(p.Weight)*2000 + total) / (2 * total)
	if tenths%10 == 0 {
		return fmt.Sprint(tenths / 10)
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// splits reads versions with their parts.
func splits(ctx context.Context, q queryer, where string, args ...any) ([]SplitVersion, error) {
	all, err := rows[SplitVersion](q.Query(ctx, `select `+splitColumns+` from thing_split where `+where+` order by thing, version`, args...))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	of, at := make([]int64, len(all)), map[int64]int{}
	for i, v := range all {
		of[i], at[v.ID] = v.ID, i
	}
	parts, err := rows[SplitPart](q.Query(ctx, `
		select `+splitPartColumns+` from thing_split_part where split = any($1) order by split, payee collate "C"`, of))
	for _, p := range parts {
		v := &all[at[p.Split]]
		v.Parts = append(v.Parts, p)
	}
	return all, err
}

// split reads one version; ErrNotFound.
func split(ctx context.Context, q queryer, where string, args ...any) (SplitVersion, error) {
	all, err := splits(ctx, q, where, args...)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return SplitVersion{}, err
	}
	return all[len(all)-1], nil
}

// Splits lists the versions of a thing's split, the first one first.
func (l *Ledger) Splits(ctx context.Context, thing int64) ([]SplitVersion, error) {
	return splits(ctx, l.pool, `thing = $1`, thing)
}

// SplitByIRI reads a version; ErrNotFound.
func (l *Ledger) SplitByIRI(ctx context.Context, iri string) (SplitVersion, error) {
	return split(ctx, l.pool, `iri = $1`, iri)
}

// SplitInForce is the version that holds in a month; ErrNotFound: all is the payee's.
func (l *Ledger) SplitInForce(ctx context.Context, thing int64, period string) (SplitVersion, error) {
	return split(ctx, l.pool, inForce("$1", "$2"), thing, period)
}

// inForce is the condition for a thing's version in a month; the last of those that it finds.
func inForce(thing, period string) string {
	return `thing = ` + thing + ` and state = 'consented' and period <= ` + period
}

// AskedSplit is a version with the thing that it is of, as one of its authors sees it.
type AskedSplit struct {
	SplitVersion
	Of   Thing
	Mine SplitPart
}

// AskedSplits lists the versions in which a member is an author of somebody else's thing, the newest first.
func (l *Ledger) AskedSplits(ctx context.Context, by int64) ([]AskedSplit, error) {
	found, err := splits(ctx, l.pool, `id in (select p.split from thing_split_part p join thing_split v on v.id = p.split
		join thing t on t.id = v.thing where p.member = $1 and t.member is distinct from $1)`, by)
	asked := make([]AskedSplit, 0, len(found))
	for _, v := range found {
		t, err := l.Thing(ctx, v.Thing)
		if err != nil {
			return nil, err
		}
		mine := v.Parts[slices.IndexFunc(v.Parts, func(p SplitPart) bool { return p.Member != nil && *p.Member == by })]
		asked = append(asked, AskedSplit{v, t, mine})
	}
	slices.SortFunc(asked, func(a, b AskedSplit) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
	return asked, err
}
