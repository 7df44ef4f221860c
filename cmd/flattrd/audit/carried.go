package audit

import (
	"context"
	"fmt"
)

// carried is a flattr that went on into a later month, or came from an earlier one.
type carried struct {
	id, period, state string
	count             int32
	carries           *string
	before            string // what it goes on with: "giver thing state count", if that was earlier
	self              string // the same of what it must go on with
	on                int64  // flattrs that go on with it
	gone              bool   // its giver has left
	waited            bool   // what it goes on with waited in no month for somebody who can be paid
	later             bool   // there is another flattr of that giver on that thing in a later month
}

const carriedFlattrs = `
	select f.id::text, f.period, f.state, f.carry_count, f.carries::text,
	  coalesce((select format('%s %s %s %s', o.giver, o.thing, o.state, o.carry_count) from flattr o
	    where o.id = f.carries and o.period < f.period), 'none'),
	  format('%s %s carried %s', f.giver, f.thing, f.carry_count - 1),
	  (select count(*) from flattr n where n.carries = f.id), exists (select from departure d where d.member = f.giver),
	  exists (select from unclaimed_flattr w where w.id = f.carries and w.flattr = f.id),
	  exists (select from flattr n where n.giver = f.giver and n.thing = f.thing and n.period > f.period)
	from flattr f where f.carries is not null or f.carry_count > 0 or f.state in ('carried', 'expired') order by f.period, f.id`

// checkCarried: what had no final answer goes on, once, three times at most; a fresh click absorbs it.
func (a *auditor) checkCarried(ctx context.Context) error {
	all := open(ctx, a, "carried", carriedFlattrs, func(c *carried) []any {
		return []any{&c.id, &c.period, &c.state, &c.count, &c.carries, &c.before, &c.self, &c.on, &c.gone, &c.waited, &c.later}
	})
	err := all.each(a.checkCarriedOne)
	a.verified("carried flattrs", all.count)
	return err
}

func (a *auditor) checkCarriedOne(c carried) {
	at := Finding{Table: "flattr", Key: c.id + "/" + c.period}
	if same(a, at, "carries is there", c.count > 0 || c.waited, c.carries != nil); c.waited {
		same(a, at, "carry_count of what has waited", 0, c.count) // that it waited for an author is no missing answer
	} else if c.carries != nil {
		at.Why = "goes on with flattr " + *c.carries
		same(a, at, "carries: giver, thing, state and count", c.self, c.before)
	}
	at.Why = fmt.Sprintf("%s after %d times", c.state, c.count)
	switch c.state {
	case "carried":
		same(a, at, "carry_count is below 3", true, c.count < 3)
		same(a, at, "is carried once, or absorbed", true, c.on == 1 || c.on == 0 && c.later)
	case "expired":
		same(a, at, "is carried on no more", true, c.count == 3 || c.gone)
		same(a, at, "flattrs that go on with it", 0, c.on)
	default:
		same(a, at, "flattrs that go on with it", 0, c.on)
	}
}
