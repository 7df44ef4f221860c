package audit

import (
	"crypto/sha256"
	"fmt"
)

// keptLine is what a successor must say again, unless it was refused.
type keptLine struct {
	id      int64
	said    [sha256.Size]byte
	refused bool
}

// checkRefusals: an accepted claim has no refused line; a refused one of ours has no other, but while statements are
// compared: then what is left may have been offered already.
func (a *auditor) checkRefusals(c *claim, at Finding, lines int) {
	refused := len(c.refused)
	switch {
	case c.answer != "reject":
		same(a, at, "refused lines", 0, refused)
	case c.direction == "out" && c.state == "refused" && !a.waitsForStatement(c):
		same(a, at, "refused lines", lines, refused)
	case c.direction == "out" && c.state != "refused":
		same(a, at, "some lines are refused, and some aren't", true, 0 < refused && refused < lines)
	default:
		same(a, at, "some lines are refused", true, refused > 0)
	}
}

// checkSuccessor: what of our claim isn't refused is offered again, unchanged.
func (a *auditor) checkSuccessor(c *claim, lines []line) {
	if c.direction != "out" {
		return
	}
	if c.successor != nil {
		c.left = map[string]keptLine{}
		for i, l := range lines {
			c.left[l.payee] = keptLine{l.id, sha256.Sum256(lines[i].canonical()), l.refused != nil}
		}
	}
	old := a.claims[c.supersedes]
	if old == nil {
		return
	}
	for i, l := range lines {
		kept, ok := old.left[l.payee]
		at := Finding{Table: "claim_line", Key: fmt.Sprint(l.id), Why: fmt.Sprintf("claim %d replaces claim %d, whose claim_line %d this is", c.id, old.id, kept.id)}
		same(a, at, "is a line that wasn't refused", true, ok && !kept.refused)
		same(a, at, "says what it said", true, !ok || kept.said == sha256.Sum256(lines[i].canonical()))
		delete(old.left, l.payee)
	}
	for payee, kept := range old.left {
		if !kept.refused {
			a.find(Finding{Table: "claim_line", Key: fmt.Sprint(kept.id), Expected: "offered again", Found: "not offered",
				Why: fmt.Sprintf("%s isn't in claim %d, which replaces claim %d", payee, c.id, old.id)})
		}
	}
	old.left = nil
}

// checkSuccession: a claim replaces one of the same key, and ours remember the first of the chain.
func (a *auditor) checkSuccession(c *claim) {
	at := c.at()
	old := a.claims[c.supersedes]
	if c.supersedes == 0 {
		at.Why = "it replaces no claim"
		same(a, at, "origin", 0, c.origin)
		return
	}
	at.Why = fmt.Sprintf("it replaces claim %d", c.supersedes)
	if old == nil {
		at.Column, at.Expected, at.Found = "supersedes", "a claim", fmt.Sprint(c.supersedes)
		a.find(at)
		return
	}
	same(a, at, "key", fmt.Sprint(old.direction, old.peer, old.period, old.currency), fmt.Sprint(c.direction, c.peer, c.period, c.currency))
	same(a, at, "n is the higher one", true, c.n > old.n)
	origin := int64(0)
	if c.direction == "out" {
		origin = old.origin
		if origin == 0 {
			origin = old.id
		}
	}
	same(a, at, "origin", origin, c.origin)
	if c.direction == "out" {
		same(a, at, "adopted", old.adopted, c.adopted)
		same(a, at, "part", old.part, c.part)
	}
}

func (a *auditor) waitsForStatement(c *claim) bool {
	p := a.peers[c.peer]
	return p != nil && p.held
}
