package audit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"time"
)

// lastPart is the last of a pledge month's collections: what is open then is void.
const lastPart = 3

// pledge is what a member promised to give in a month: no money, until it is collected and a reservation holds it.
type pledge struct {
	member, amount int64
	state          string
	part           *int32
	reservation    *int64
	decided        *time.Time
}

const pledgeFields = `select member, amount, state, part, reservation, decided_at from pledge`

func (p *pledge) fields() []any {
	return []any{&p.member, &p.amount, &p.state, &p.part, &p.reservation, &p.decided}
}

// collection is a part of a pledge month's settlement, and what is found of its pledges.
type collection struct {
	period                string
	part                  int32
	givers, amount, open  int64
	digest                string
	created               time.Time
	settled               *time.Time
	paying, paid, waiting int64
	perhaps               int64 // of those who left at that very instant
}

func (c *collection) at() Finding {
	return Finding{Table: "collection", Key: fmt.Sprintf("%s/%d", c.period, c.part)}
}

// partOf spells a part of a month's settlement, as facts name it.
func partOf(period string, part int32) string { return fmt.Sprintf("%s/%d", period, part) }

func (a *auditor) readCollections(ctx context.Context) error {
	a.collections = map[string]*collection{}
	all := open(ctx, a, "collection", `select period, part, givers, amount, open, digest, created_at, settled_at from collection order by period, part`,
		func(c *collection) []any {
			return []any{&c.period, &c.part, &c.givers, &c.amount, &c.open, &c.digest, &c.created, &c.settled}
		})
	err := all.each(func(c collection) {
		a.collections[partOf(c.period, c.part)] = &c
		at, m := c.at(), a.monthAt[c.period]
		if m == nil || m.funding != "pledge" || m.frozen == nil {
			at.Column, at.Expected, at.Found = "period", "a pledge month that is closed for good", c.period
			a.find(at)
			return
		}
		if c.part == 0 {
			at.Why = "the month's settlement"
			same(a, at, "created_at", instantOf(m.frozen), instantOf(&c.created))
			same(a, at, "settled_at is there", m.state == "settled", c.settled != nil)
			return
		}
		before := a.collections[partOf(c.period, c.part-1)]
		at.Why = "it comes after collection " + partOf(c.period, c.part-1)
		same(a, at, "comes after the part before", true, before != nil && before.settled != nil && !before.settled.After(c.created))
	})
	for _, m := range a.months {
		if m.funding == "pledge" && m.frozen != nil && a.collections[partOf(m.period, 0)] == nil {
			a.find(Finding{Table: "collection", Key: partOf(m.period, 0), Expected: "one", Found: "none", Why: "the month was collected"})
		}
	}
	a.verified("collections of pledges", all.count)
	return err
}

// part is in which part of the month's settlement a giver's budget is, and whether that is published.
func (a *auditor) part(m *month, g *giver) (part int32, settled bool) {
	if g.pledge == nil || g.pledge.part == nil {
		return 0, m.state == "settled"
	}
	c := a.collections[partOf(m.period, *g.pledge.part)]
	return *g.pledge.part, c != nil && c.settled != nil
}

// checkPledge holds a pledge to its reservation, its giver's flattrs, and when it was decided.
func (a *auditor) checkPledge(m *month, g *giver) {
	p, r := g.pledge, g.live()
	if p == nil {
		if r != nil && m.funding == "pledge" {
			a.find(Finding{Table: "reservation", Key: fmt.Sprint(r.id), Expected: "a pledge", Found: "none", Why: "a pledge month's budgets are promised first"})
		}
		return
	}
	at := Finding{Table: "pledge", Key: fmt.Sprintf("%s/%d", m.period, g.id), Why: "the month's budgets are " + m.funding}
	same(a, at, "funding", "pledge", m.funding)
	at.Why = "it is " + p.state
	same(a, at, "reservation", p.state == "collected", r != nil)
	if r != nil {
		at.Why = fmt.Sprintf("reservation %d holds it", r.id)
		same(a, at, "amount", r.amount, p.amount)
		same(a, at, "reservation", fmt.Sprint(r.id), orNone(p.reservation))
		same(a, at, "decided_at", instantOf(&r.made), instantOf(p.decided))
	}
	a.checkDecided(m, g, at)
	a.countPledge(m, p, g.id)
	m.promises.add(p, at)
}

// promises are who promised how much in a month, as each collection seals them.
type promises struct {
	sum   hash.Hash
	names []string        // of the first
	of    map[int64]int64 // amounts by member, of an open month
}

func (s *promises) add(p *pledge, at Finding) {
	if s.sum == nil {
		s.sum = sha256.New()
	} else {
		s.sum.Write([]byte{'\n'})
	}
	fmt.Fprintf(s.sum, "%d %d", p.member, p.amount)
	if s.of != nil {
		s.of[p.member] = p.amount
	}
	if len(s.names) < 20 {
		s.names = append(s.names, at.Table+" "+at.Key)
	}
}

func (s *promises) digest() string {
	if s.sum == nil {
		s.sum = sha256.New()
	}
	return fmt.Sprintf("%x", s.sum.Sum(nil))
}

// checkBudgets: in an open pledge month every budget is promised, as soon as it is its member's turn.
func (a *auditor) checkBudgets(m *month, reserving bool) {
	if m.promises.of == nil || reserving {
		return
	}
	for id, of := range a.members {
		if of.budget > 0 && of.deleted == nil && m.promises.of[id] < of.budget {
			a.find(Finding{Table: "pledge", Key: fmt.Sprintf("%s/%d", m.period, id), Column: "amount", Expected: fmt.Sprint(of.budget, " or more"),
				Found: fmt.Sprint(m.promises.of[id]), Why: fmt.Sprintf("member %d's budget", id)})
		}
	}
	m.promises.of = nil
}

// checkDecided: collected before its part was closed; unused, without a flattr that takes a share, when the first was;
// void when the last was, or when its member left.
func (a *auditor) checkDecided(m *month, g *giver, at Finding) {
	p, takes := g.pledge, false
	for _, c := range g.clicks {
		takes = takes || c.state == "accepted"
	}
	first, last := a.collections[partOf(m.period, 0)], a.collections[partOf(m.period, lastPart)]
	left, gone := a.departures[g.id]
	at.Why = fmt.Sprintf("it is %s; takes a share: %v", p.state, takes)
	ok := true
	switch p.state {
	case "promised":
		ok = last == nil && !gone && (first == nil || takes)
	case "unused":
		ok = first != nil && !takes && instantOf(p.decided) == instantOf(&first.created)
	case "void":
		ok = last != nil && instantOf(p.decided) == instantOf(&last.created) || gone && instantOf(p.decided) == instantOf(&left.at)
	case "collected":
		ok = p.part != nil && p.decided != nil && m.state != "open" && a.inPart(m.period, *p.part, *p.decided)
	}
	same(a, at, "state and decided_at fit the month's collections", true, ok)
}

// inPart: what was collected after one part was closed is in the next.
func (a *auditor) inPart(period string, part int32, decided time.Time) bool {
	this, before := a.collections[partOf(period, part)], a.collections[partOf(period, part-1)]
	if this != nil && decided.After(this.created) || part > 0 && (before == nil || decided.Before(before.created)) {
		return false
	}
	return this != nil || a.collections[partOf(period, part+1)] == nil
}

// countPledge adds a pledge to what the month's parts collected and left open.
func (a *auditor) countPledge(m *month, p *pledge, giver int64) {
	left, gone := a.departures[giver]
	for part := int32(0); part <= lastPart; part++ {
		c := a.collections[partOf(m.period, part)]
		switch {
		case c == nil:
			return
		case p.part != nil && *p.part == part:
			c.paying, c.paid = c.paying+1, c.paid+p.amount
		case p.state == "promised", p.part != nil && *p.part > part, p.state == "void" && p.decided != nil && p.decided.After(c.created):
			c.waiting += p.amount
		case p.state != "void" || p.decided == nil || !p.decided.Equal(c.created):
		case gone && left.at.Equal(c.created):
			c.perhaps += p.amount
		default:
			c.waiting += p.amount
		}
	}
}

// checkCollections compares a month's parts with its pledges.
func (a *auditor) checkCollections(m *month) {
	for part := int32(0); part <= lastPart; part++ {
		c := a.collections[partOf(m.period, part)]
		if c == nil {
			continue
		}
		at := c.at()
		at.Why = "pledges of the month: " + strings.Join(m.promises.names, ", ")
		same(a, at, "givers", c.paying, c.givers)
		same(a, at, "amount", c.paid, c.amount)
		same(a, at, "digest", m.promises.digest(), c.digest)
		if c.open < c.waiting || c.open > c.waiting+c.perhaps {
			at.Column, at.Expected, at.Found = "open", fmt.Sprint(c.waiting), fmt.Sprint(c.open)
			a.find(at)
		}
	}
}

// settlementOf is the batch in which a month's settlement, or a part of it, is booked, when, and whether it is
// published. key is a month, or a part as partOf spells it.
func (a *auditor) settlementOf(key string) (batch string, at *time.Time, published bool) {
	period, part, _ := strings.Cut(key, "/")
	batch = period + "/settlement"
	if part != "" && part != "0" {
		c := a.collections[key]
		if c == nil {
			return batch + "/" + part, nil, false
		}
		return batch + "/" + part, &c.created, c.settled != nil
	}
	if m := a.monthAt[period]; m != nil {
		return batch, m.frozen, m.state == "settled"
	}
	return batch, nil, false
}

// sumsIn are what the things got of a part of the month that is being derived, by their places.
func (a *auditor) sumsIn(part int32) []sum {
	if part == 0 {
		return a.sums
	}
	if a.later[part] == nil {
		a.later[part] = make([]sum, len(a.things))
	}
	return a.later[part]
}

// partSums are the sums of all parts of the month that is being derived.
func (a *auditor) partSums() map[int32][]sum {
	all := map[int32][]sum{0: a.sums}
	for part, sums := range a.later {
		all[part] = sums
	}
	return all
}
