package ledger

import (
	"context"
	"time"
)

// UnclaimedView is a member's flattr that waits or has expired, with what it is on.
type UnclaimedView struct {
	UnclaimedFlattr
	IRI, URL, Title, Site, Author, AuthorName, Handle string
}

// MyUnclaimed lists what waits of a member's, and what has expired in the last twelve months; newest first.
func (l *Ledger) MyUnclaimed(ctx context.Context, by int64) ([]UnclaimedView, error) {
	return rows[UnclaimedView](l.pool.Query(ctx, `
		select w.id, w.giver, w.thing, w.state, w.made_at, w.expires_at, w.ended_at, w.flattr,
		  u.iri, u.url, u.title, u.site, u.author, u.author_name, u.handle
		from unclaimed_flattr w join unclaimed_thing u on u.id = w.thing
		where w.giver = $1 and (w.state = 'unclaimed' or w.state = 'expired' and w.ended_at > $2)
		order by w.made_at desc, w.id desc`, by, l.Now().AddDate(-1, 0, 0)))
}

// MyUnclaimedOn reads a member's flattr that waits on a thing; ErrNotFound.
func (l *Ledger) MyUnclaimedOn(ctx context.Context, by, thing int64) (UnclaimedFlattr, error) {
	return row[UnclaimedFlattr](l.pool.Query(ctx, `select `+unclaimedColumns+` from unclaimed_flattr
		where giver = $1 and thing = $2 and state = 'unclaimed'`, by, thing))
}

// UnclaimedBy is whose unclaimed things are asked for; what is "" isn't looked for.
type UnclaimedBy struct {
	Handle string // name@host in lower case
	IRI    string // an actor's, a page's address or an object's id
	Site   string // a host
}

// WaitingThing is what waits for one thing: how many flattrs, and never an amount, since no money waits.
type WaitingThing struct {
	UnclaimedThing
	Flattrs int64
	Since   time.Time // the first of them
}

// waitingMost is how many things are listed at most.
const waitingMost = 200

// WhatWaits lists the things of an author or site that flattrs of this instance's members wait for, those with the
// most first, 200 at most; all counts all flattrs. Anybody may know it.
func (l *Ledger) WhatWaits(ctx context.Context, a UnclaimedBy) (things []WaitingThing, all int64, err error) {
	type counted struct {
		WaitingThing
		Every int64
	}
	found, err := rows[counted](l.pool.Query(ctx, `
		select u.id, u.iri, u.url, u.title, u.site, u.author, u.author_name, u.handle, u.created_at,
		  w.flattrs, w.since, (sum(w.flattrs) over ())::bigint as every
		from unclaimed_thing u cross join lateral (
		  select count(*) as flattrs, min(made_at) as since from unclaimed_flattr w where w.thing = u.id and w.state = 'unclaimed') w
		where w.flattrs > 0 and ($1 <> '' and u.handle = $1 or $2 <> '' and (u.author = $2 or u.iri = $2 or u.url = $2) or $3 <> '' and u.site = $3)
		order by w.flattrs desc, u.id limit $4`, a.Handle, a.IRI, a.Site, waitingMost))
	for _, c := range found {
		things, all = append(things, c.WaitingThing), c.Every
	}
	return things, all, err
}

// WaitingForURL counts the flattrs that wait for a page.
func (l *Ledger) WaitingForURL(ctx context.Context, url string) (n int64, err error) {
	err = l.pool.QueryRow(ctx, `
		select count(*) from unclaimed_thing u join unclaimed_flattr w on w.thing = u.id and w.state = 'unclaimed'
		where u.url = $1`, url).Scan(&n)
	return n, err
}
