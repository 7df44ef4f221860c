package audit

import (
	"context"
	"time"
)

// unclaimed is a click that waits, or waited, for somebody who can be paid (protocol §5.3).
type unclaimed struct {
	id, state      string
	made, expires  time.Time
	ended          *time.Time
	gone           bool   // its giver has left
	waiting        int64  // clicks of that giver that wait for that thing
	became         string // "giver" of the flattr that it became or was absorbed by
	self           string
	carrying       int64      // flattrs that go on with it, in whatever month
	apart          bool       // what it became is about another page
	began          *time.Time // when that was made
	onward         bool       // it goes on with this one, and isn't a fresh click
	carriesAnother bool       // another flattr goes on with it than the one that it names
}

const unclaimedFlattrs = `
	select w.id::text, w.state, w.made_at, w.expires_at, w.ended_at, exists (select from departure d where d.member = w.giver),
	  (select count(*) from unclaimed_flattr o where o.thing = w.thing and o.giver = w.giver and o.state = 'unclaimed'),
	  coalesce(f.giver::text, 'none'), w.giver::text, (select count(*) from flattr n where n.carries = w.id),
	  coalesce(t.button is not null and t.iri <> u.iri and t.url <> u.url, false), f.made_at, coalesce(f.carries = w.id, false),
	  coalesce(f.carries is distinct from w.id and exists (select from flattr n where n.carries = w.id), false)
	from unclaimed_flattr w left join unclaimed_thing u on u.id = w.thing
	left join flattr f on f.id = w.flattr left join thing t on t.id = f.thing order by w.id`

// checkUnclaimed: one waits for a giver and a thing, until it ends; what has become payable is one flattr, as a new Like
// or absorbed by a fresh click, about the same page.
func (a *auditor) checkUnclaimed(ctx context.Context) error {
	all := open(ctx, a, "unclaimed", unclaimedFlattrs, func(u *unclaimed) []any {
		return []any{&u.id, &u.state, &u.made, &u.expires, &u.ended, &u.gone, &u.waiting, &u.became, &u.self, &u.carrying, &u.apart, &u.began, &u.onward, &u.carriesAnother}
	})
	err := all.each(a.checkUnclaimedOne)
	a.verified("unclaimed flattrs, none of which takes a share", all.count)
	return err
}

func (a *auditor) checkUnclaimedOne(u unclaimed) {
	at := Finding{Table: "unclaimed_flattr", Key: u.id, Why: "it is " + u.state}
	same(a, at, "ended_at is there", u.state != "unclaimed", u.ended != nil)
	same(a, at, "expires_at is after made_at", true, u.expires.After(u.made))
	switch u.state {
	case "unclaimed":
		same(a, at, "clicks that wait of one giver for one thing", 1, u.waiting)
		same(a, at, "its giver is here", true, !u.gone)
		fallthrough
	case "undone":
		same(a, at, "flattrs that go on with it", 0, u.carrying)
	case "expired":
		same(a, at, "flattrs that go on with it", 0, u.carrying)
		same(a, at, "it waited until expires_at", true, u.ended != nil && !u.ended.Before(u.expires))
	case "carried":
		same(a, at, "giver of what it became", u.self, u.became)
		same(a, at, "what it became is about another page", false, u.apart)
		same(a, at, "it goes on with one flattr and is absorbed by another", false, u.carriesAnother)
		same(a, at, "made_at of what it became: as it ended, or of a fresh click before that", true, u.ended != nil && u.began != nil &&
			(u.onward && u.began.Equal(*u.ended) || !u.onward && u.began.Before(*u.ended)))
	default:
		same(a, at, "state", "unclaimed, undone, carried or expired", u.state)
	}
}
