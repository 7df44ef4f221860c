package audit

import "fmt"

// derive divides a giver's budget over the accepted flattrs and compares shares and returns with that.
func (a *auditor) derive(m *month, g *giver) {
	budget := g.live()
	accepted := g.clicks[:0]
	for _, c := range g.clicks {
		if c.state == "accepted" {
			accepted = append(accepted, c)
		}
	}
	n := int64(len(accepted))
	part, settled := a.part(m, g)
	switch {
	case g.pledge != nil && (budget == nil || !settled): // isn't paid, or its supplement is to come
		accepted = accepted[:0]
	case budget == nil:
		for _, c := range accepted {
			at := c.in(m)
			at.Column, at.Expected, at.Found, at.Why = "state", "another one", "accepted", fmt.Sprintf("member %d had no budget", g.id)
			a.find(at)
		}
		accepted = accepted[:0]
	case n == 0:
		m.givers, m.rolls = m.givers+1, m.rolls+budget.amount
	default:
		m.givers, m.flattrs, m.given = m.givers+1, m.flattrs+n, m.given+budget.amount
		a.divide(m, g, accepted, budget.amount, a.sumsIn(part))
	}
	a.compareShares(m, g, part, accepted, budget)
}

// divide makes the shares of a giver: the parts of accepted, in parts.
func (a *auditor) divide(m *month, g *giver, accepted []click, budget int64, sums []sum) {
	n := int64(len(accepted))
	part, rest := budget/n, budget%n
	a.parts = a.parts[:0]
	for range accepted {
		a.parts = append(a.parts, part)
	}
	if rest > 0 {
		user := a.inst.user(a.members[g.id].name)
		a.ties = a.ties[:0]
		for _, c := range accepted {
			var one tie
			one, a.scratch = tieOf(a.scratch, m.period, user, a.iriOf(c.thing))
			a.ties = append(a.ties, one)
		}
		a.order = lucky(a.ties, rest, a.order)
		for _, i := range a.order {
			a.parts[i]++
		}
	}
	for i, c := range accepted {
		if place, ok := a.thingAt[c.thing]; ok {
			sums[place].flattrs++
			sums[place].amount += a.parts[i]
		}
	}
}

func (a *auditor) iriOf(id int64) string {
	if place, ok := a.thingAt[id]; ok {
		return a.things[place].iri
	}
	return ""
}

// compareShares goes through what was derived and what is there side by side, both in order of the things.
func (a *auditor) compareShares(m *month, g *giver, part int32, accepted []click, budget *reservation) {
	shares, returns := g.shares, g.returns
	for i, c := range accepted {
		for len(shares) > 0 && shares[0].thing < c.thing {
			a.strayShare(m, shares[0], "no accepted flattr calls for it")
			shares = shares[1:]
		}
		why := fmt.Sprintf("flattr %s of reservation %d, %d over %d", uuidOf(c.id), budget.id, budget.amount, len(accepted))
		at := Finding{Table: "share", Key: fmt.Sprintf("%d/%d/%s", g.id, c.thing, m.period), Column: "amount",
			Expected: fmt.Sprint(a.parts[i]), Found: "none", Why: why}
		if len(shares) > 0 && shares[0].thing == c.thing {
			same(a, at, "amount", a.parts[i], shares[0].amount)
			shares = shares[1:]
		} else {
			a.find(at)
		}
		returns = a.compareReturn(m, g, part, c, a.parts[i], returns)
	}
	for _, s := range shares {
		a.strayShare(m, s, "no accepted flattr calls for it")
	}
	for _, b := range returns {
		a.strayReturn(b, "no share of a refused line calls for it")
	}
}

// compareReturn: a share whose line was refused came back, once, whole. What is left of the returns is returned.
func (a *auditor) compareReturn(m *month, g *giver, of int32, c click, part int64, returns []giveBack) []giveBack {
	for len(returns) > 0 && returns[0].thing < c.thing {
		a.strayReturn(returns[0], "no share of a refused line calls for it")
		returns = returns[1:]
	}
	line, refused := refusedLine{}, false
	if place, ok := a.thingAt[c.thing]; ok {
		line, refused = a.refused[partOf(m.period, of)][place]
	}
	if !refused || part == 0 {
		return returns
	}
	why := fmt.Sprintf("share %d/%d/%s of claim %d, whose claim_line %d was refused", g.id, c.thing, m.period, line.claim, line.line)
	if len(returns) == 0 || returns[0].thing != c.thing {
		a.find(Finding{Table: "share_return", Expected: fmt.Sprint(part), Found: "none", Why: why})
		return returns
	}
	at := Finding{Table: "share_return", Key: fmt.Sprint(returns[0].id), Why: why}
	same(a, at, "amount", part, returns[0].amount)
	same(a, at, "claim", line.claim, returns[0].claim)
	return returns[1:]
}
