package audit

import (
	"encoding/hex"
	"fmt"
)

// live is the reservation that holds, if there is one.
func (g *giver) live() *reservation {
	for i := range g.reserved {
		if g.reserved[i].state != "released" {
			return &g.reserved[i]
		}
	}
	return nil
}

// checkGiver: a giver is a member, and released reservations made way for others.
func (a *auditor) checkGiver(m *month, g *giver) {
	if _, ok := a.members[g.id]; !ok {
		a.find(Finding{Table: "member", Key: fmt.Sprint(g.id), Expected: "a member", Found: "none", Why: "gives in " + m.period})
	}
	a.checkPlaces(g)
	a.checkPledge(m, g)
	for _, c := range g.clicks {
		a.checkClick(m, g, c)
	}
}

// checkClick: a flattr is on a thing of somebody else, and its state is one that its month and thing allow.
func (a *auditor) checkClick(m *month, g *giver, c click) {
	at := c.in(m)
	place, ok := a.thingAt[c.thing]
	if !ok {
		at.Column, at.Expected, at.Found = "thing", "a thing", fmt.Sprint(c.thing)
		a.find(at)
		return
	}
	t := &a.things[place]
	if t.member == g.id {
		at.Column, at.Expected, at.Found = "thing", "somebody else's", "the giver's own"
		a.find(at)
	}
	at.Why = "month " + m.state
	allowed := true
	switch c.state {
	case "unfunded":
		allowed = m.state == "open"
	case "sent":
		allowed = m.state != "settled" && t.peer != 0 // a thing of ours answers at once
	case "held":
		allowed = m.state == "open" || m.state == "closed" && t.peer != 0
	case "carried", "expired":
		allowed = m.state == "settled" && t.peer != 0
	}
	if !allowed {
		at.Column, at.Expected, at.Found = "state", "another one", c.state
		a.find(at)
	}
}

func (c *click) in(m *month) Finding {
	return Finding{Table: "flattr", Key: uuidOf(c.id) + "/" + m.period}
}

func uuidOf(id [16]byte) string {
	x := hex.EncodeToString(id[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// checkWaiting: in a month that isn't settled nothing is shared yet; those flattrs count whose budget runs, and no
// others. While budgets are being reserved, some wait for their turn.
func (a *auditor) checkWaiting(m *month, g *giver, reserving bool) {
	funded := g.live() != nil || g.pledge != nil
	for _, c := range g.clicks {
		at := c.in(m)
		switch c.state {
		case "sent", "held", "accepted":
			if !funded {
				at.Column, at.Expected, at.Found, at.Why = "state", "unfunded", c.state, "its giver has no budget in this month"
				a.find(at)
			}
		case "unfunded":
			if funded && !reserving {
				at.Column, at.Expected, at.Found, at.Why = "state", "another one", c.state, "its giver's budget runs"
				a.find(at)
			}
		}
	}
	for _, s := range g.shares {
		a.strayShare(m, s, "the month isn't settled")
	}
	for _, b := range g.returns {
		a.strayReturn(b, "the month isn't settled")
	}
}

func (a *auditor) strayShare(m *month, s share, why string) {
	a.find(Finding{Table: "share", Key: fmt.Sprintf("%d/%d/%s", s.giver, s.thing, m.period), Expected: "none", Found: fmt.Sprint(s.amount), Why: why})
}

func (a *auditor) strayReturn(b giveBack, why string) {
	a.find(Finding{Table: "share_return", Key: fmt.Sprint(b.id), Expected: "none", Found: fmt.Sprintf("%d of claim %d", b.amount, b.claim), Why: why})
}
