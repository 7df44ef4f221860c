package audit

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// claim is the head of a claim, and what is found of its lines and payments.
type claim struct {
	id                 int64
	direction          string // out: we owe; in: we are owed
	peer               int64
	period, currency   string
	n                  int32
	iri                string
	amount             int64
	lineCount          int32
	digest             string
	state, answer      string
	content            string // in: SHA-256 of the offer's JCS without proof
	supersedes, origin int64
	part               int32
	adopted            bool // signed here, lost with a database, and returned by the peer
	answered           *time.Time
	confirmed          *time.Time

	successor       *claim
	refused         map[string]refusal // lines, by payee
	left            map[string]keptLine
	payees          map[string]bool // of one that waits for its answer
	waiting         int64           // of a refused one: what isn't refused, and isn't offered again yet
	allocated, paid int64
	payments        []int64 // that name it
}

func (c *claim) at() Finding { return Finding{Table: "claim", Key: fmt.Sprint(c.id)} }

// live: what the claim says is owed.
func (c *claim) live() bool { return c.answer == "accept" && c.state != "offered" }

const claimHeads = `
	select id, direction, peer, period, currency, coalesce(n, 0), coalesce(iri, ''), amount, line_count, digest, state, coalesce(answer, ''), content,
	  coalesce(supersedes, 0), coalesce(origin, 0), part, adopted, answered_at, confirmed_at
	from claim order by id`

func (c *claim) fields() []any {
	return []any{&c.id, &c.direction, &c.peer, &c.period, &c.currency, &c.n, &c.iri, &c.amount, &c.lineCount, &c.digest,
		&c.state, &c.answer, &c.content, &c.supersedes, &c.origin, &c.part, &c.adopted, &c.answered, &c.confirmed}
}

// checkClaims reads all claims, and holds each to its lines, its key, its state and its chain.
func (a *auditor) checkClaims(ctx context.Context) error {
	a.claims, a.claimIRI, a.returned = map[int64]*claim{}, map[string]*claim{}, map[string]bool{}
	a.refused = map[string]map[int32]refusedLine{}
	var heads []*claim
	if err := open(ctx, a, "claim", claimHeads, (*claim).fields).each(func(c claim) {
		if heads, a.claims[c.id] = append(heads, &c), &c; !c.unoffered() {
			a.claimIRI[c.iri] = &c
		}
	}); err != nil {
		return err
	}
	for _, c := range heads {
		if old := a.claims[c.supersedes]; old != nil {
			old.successor = c
		}
		if c.adopted {
			a.returned[c.key()] = true
		}
	}
	for _, c := range heads {
		a.checkClaimKey(c)
		a.checkClaimState(c)
		a.checkRestored(c)
	}
	a.checkNumbers(heads)
	return a.checkLines(ctx, heads)
}

// key is what the numbers of claims count within.
func (c *claim) key() string { return fmt.Sprint(c.direction, c.peer, c.period, c.currency) }

// checkNumbers: our claims are numbered without gaps, but where a restore has lost some.
func (a *auditor) checkNumbers(heads []*claim) {
	numbers := map[string][2]int32{} // how many, and the highest
	for _, c := range heads {
		if c.direction == "out" && !c.unoffered() && !a.returned[c.key()] {
			of := numbers[c.key()]
			numbers[c.key()] = [2]int32{of[0] + 1, max(of[1], c.n)}
		}
	}
	for _, c := range heads {
		if last, counted := numbers[c.key()]; counted && c.n == last[1] {
			at := c.at()
			at.Why = "a new claim takes the next unused n"
			same(a, at, "n", last[0], c.n)
		}
	}
}

// checkClaimKey: a claim's id spells its key. What is returned after a restore may be for a month that isn't over here.
func (a *auditor) checkClaimKey(c *claim) {
	at, p := c.at(), a.peers[c.peer]
	if p == nil {
		at.Column, at.Expected, at.Found = "peer", "a peer", fmt.Sprint(c.peer)
		a.find(at)
		return
	}
	same(a, at, "currency", a.inst.currency, c.currency)
	if m := a.monthAt[c.period]; !c.adopted && (m == nil || c.direction == "out" && m.state != "settled" || m.state == "open") {
		at.Column, at.Expected, at.Found = "period", "a month that is over", c.period
		a.find(at)
	}
	if c.unoffered() {
		same(a, at, "n and iri", "0 ", fmt.Sprint(c.n, " ", c.iri))
		return
	}
	from, to := a.inst.host, p.host
	if c.direction == "in" {
		from, to = to, from
	}
	at.Why = fmt.Sprintf("key %s/%s/%s/%d of peer %d", p.host, c.period, c.currency, c.n, c.peer)
	key := fmt.Sprintf("/claims/%s/%s/%s/%d", c.period, to, c.currency, c.n)
	if authority(c.iri) != from || !strings.HasSuffix(c.iri, key) || c.direction == "out" && c.iri != a.inst.base+key {
		at.Column, at.Expected, at.Found = "iri", from+"…"+key, c.iri
		a.find(at)
	}
}

// checkClaimState: state, answer and times say the same.
func (a *auditor) checkClaimState(c *claim) {
	at := c.at()
	at.Why = "it is " + c.state
	same(a, at, "answer", c.answerOf(), c.answer)
	same(a, at, "answered_at is there", c.answer != "", c.answered != nil)
	same(a, at, "confirmed_at is there", c.state == "confirmed", c.confirmed != nil)
	same(a, at, "state = superseded", c.successor != nil, c.state == "superseded")
	same(a, at, "content is there", c.direction == "in" && c.answer != "", c.content != "")
	if c.state == "offered" || c.unoffered() {
		same(a, at, "direction", "out", c.direction)
	}
	a.checkSuccession(c)
}

// answerOf is the answer that a state stands for. A claim that came superseded was never seen, and has none.
func (c *claim) answerOf() string {
	switch c.state {
	case "accepted", "confirmed":
		return "accept"
	case "refused":
		return "reject"
	case "superseded":
		if c.direction == "out" || c.lineCount > 0 {
			return "reject"
		}
	}
	return ""
}
