package audit

import (
	"context"
	"fmt"
	"strings"
)

// line is what a claim says about one payee.
type line struct {
	id, claim, amount int64
	payee             string
	split             *int32 // the version of its things' split, if they are co-authored
	member            *int64
	things            []byte // JSON, as it is told
	refused           *string
}

// refusal is a refused line and its reason.
type refusal struct {
	line   int64
	reason string
}

// refusedLine is the line in which a thing was refused.
type refusedLine struct{ claim, line int64 }

const allLines = `
	select id, claim, payee, split, member, amount, things, refused from claim_line order by claim, payee collate "C"`

func (l *line) fields() []any {
	return []any{&l.id, &l.claim, &l.payee, &l.split, &l.member, &l.amount, &l.things, &l.refused}
}

// checkLines reads the lines claim by claim.
func (a *auditor) checkLines(ctx context.Context, heads []*claim) error {
	all := open(ctx, a, "line", allLines, (*line).fields)
	orphan := func(l *line) {
		a.find(Finding{Table: "claim_line", Key: fmt.Sprint(l.id), Column: "claim", Expected: "a claim", Found: fmt.Sprint(l.claim)})
		all.next()
	}
	var mine []line
	for _, c := range heads {
		mine = mine[:0]
		for l := all.head(); l != nil && l.claim <= c.id; l = all.head() {
			if l.claim < c.id {
				orphan(l)
				continue
			}
			mine = append(mine, *l)
			all.next()
		}
		a.checkClaimLines(c, mine)
	}
	for l := all.head(); l != nil; l = all.head() {
		orphan(l)
	}
	a.verified("claims", int64(len(heads)))
	a.verified("lines of claims: digests, totals, payees, refusals, successors", all.count)
	return all.close()
}

// checkClaimLines holds a claim to its lines.
func (a *auditor) checkClaimLines(c *claim, lines []line) {
	at := c.at()
	at.Why = "its lines are " + named(lines)
	total := int64(0)
	for i := range lines {
		l := &lines[i]
		total += l.amount
		a.checkLine(c, l)
		if c.state == "offered" {
			if c.payees == nil {
				c.payees = map[string]bool{}
			}
			c.payees[l.payee] = true
		}
		if l.refused == nil {
			c.waiting += l.amount
			continue
		}
		if c.refused == nil {
			c.refused = map[string]refusal{}
		}
		c.refused[l.payee] = refusal{l.id, *l.refused}
	}
	same(a, at, "amount", total, c.amount)
	same(a, at, "line_count", len(lines), int(c.lineCount))
	digest := ""
	if len(lines) > 0 || c.state != "superseded" {
		digest = digestOf(lines)
	}
	same(a, at, "digest", digest, c.digest)
	a.checkRefusals(c, at, len(lines))
	a.checkSuccessor(c, lines)
}

// named lists lines for a finding.
func named(lines []line) string {
	if len(lines) == 0 {
		return "none"
	}
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = fmt.Sprintf("claim_line %d", l.id)
	}
	return strings.Join(names, ", ")
}

// checkLine: a line of ours goes to nobody here, one that comes in to a member; refused are those whom nobody
// knows and those who left.
func (a *auditor) checkLine(c *claim, l *line) {
	at := Finding{Table: "claim_line", Key: fmt.Sprint(l.id), Why: fmt.Sprintf("of claim %d, for %s", l.claim, l.payee)}
	things, err := a.readLineThings(l.things)
	if err != nil {
		at.Column, at.Expected, at.Found = "things", "a list of things", err.Error()
		a.find(at)
		return
	}
	same(a, at, "amount is above zero", true, l.amount > 0)
	if c.direction == "out" {
		same(a, at, "member", "none", orNone(l.member))
		if l.refused != nil && !c.adopted { // of one that came back, the givers are unknown
			a.noteRefused(c, l, things)
		}
		return
	}
	a.checkTold(at, l, things)
	a.checkPayee(c, l, at)
}
