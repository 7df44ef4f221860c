package audit

import (
	"fmt"
	"strings"
	"time"
)

// clockSlack: who leaves or joins while a claim is judged may have been judged either way.
const clockSlack = time.Minute

// noteRefused keeps in mind whose shares are returned.
func (a *auditor) noteRefused(c *claim, l *line, things []lineThing) {
	mine := a.refused[partOf(c.period, c.part)]
	if mine == nil {
		mine = map[int32]refusedLine{}
		a.refused[partOf(c.period, c.part)] = mine
	}
	for _, t := range things {
		mine[t.place] = refusedLine{c.id, l.id}
	}
}

// checkTold: what a line tells of its things is at most, and if all is told exactly, what it gives.
func (a *auditor) checkTold(at Finding, l *line, things []lineThing) {
	told, hidden := int64(0), 0
	for _, t := range things {
		if t.amount == untold {
			hidden++
		} else {
			told += t.amount
		}
	}
	if told > l.amount || hidden == 0 && told != l.amount {
		at.Column, at.Expected, at.Found = "things", fmt.Sprintf("amounts that make %d", l.amount), fmt.Sprint(told)
		a.find(at)
	}
}

// mostRefused is how many lines a Reject names (FEDERATION.md §8).
const mostRefused = 200

// checkPayee: who is refused is unknown here, or had left; who isn't is a member.
func (a *auditor) checkPayee(c *claim, l *line, at Finding) {
	name, ours := strings.CutPrefix(l.payee, a.inst.user(""))
	id, known := a.names[name]
	member := "none"
	if ours && known && (l.member != nil || c.answered == nil || a.members[id].created.Before(c.answered.Add(-clockSlack))) {
		member = fmt.Sprint(id)
	}
	reason, refused := "none", "none"
	if l.refused != nil {
		reason = *l.refused
	}
	if c.adopted {
		a.checkOldAnswer(c, l, at, member, reason)
		return
	}
	same(a, at, "member", member, orNone(l.member))
	switch {
	case len(c.refused) == mostRefused: // of the lines before; the rest is for the successor
	case l.member == nil:
		refused = "unknown-payee"
	case a.members[id].leftBefore(c.answered, reason == "deleted"):
		refused = "deleted"
	}
	same(a, at, "refused", refused, reason)
}

// leftBefore tells whether a member had left when a claim was answered. In the minute around it the answer is right
// either way.
func (m member) leftBefore(answered *time.Time, said bool) bool {
	if m.deleted == nil || answered == nil {
		return false
	}
	if said {
		return m.deleted.Before(answered.Add(clockSlack))
	}
	return m.deleted.Before(answered.Add(-clockSlack))
}

// orNone spells an optional number.
func orNone(id *int64) string {
	if id == nil {
		return "none"
	}
	return fmt.Sprint(*id)
}
