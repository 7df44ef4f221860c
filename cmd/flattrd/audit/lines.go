package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gowebpki/jcs"
)

// line is what a claim says about one payee.
type line struct {
	id, claim, amount int64
	payee             string
	member            *int64
	things            []byte // JSON, as it is told
	refused           *string
}

// keptLine is what a successor must say again, unless it was refused.
type keptLine struct {
	id      int64
	said    [sha256.Size]byte
	refused bool
}

// refusal is a refused line and its reason.
type refusal struct {
	line   int64
	reason string
}

// refusedLine is the line in which a thing was refused.
type refusedLine struct{ claim, line int64 }

// lineThing is what a line says about one thing; amount is -1 where it isn't told.
type lineThing struct {
	place           int32 // in things; -1: no thing that is known here
	object          string
	flattrs, amount int64
}

const untold = -1

// clockSlack: who leaves or joins while a claim is judged may have been judged either way.
const clockSlack = time.Minute

const allLines = `
	select id, claim, payee, member, amount, things, refused from claim_line order by claim, payee collate "C"`

func (l *line) fields() []any {
	return []any{&l.id, &l.claim, &l.payee, &l.member, &l.amount, &l.things, &l.refused}
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
		if l.refused != nil {
			if c.refused == nil {
				c.refused = map[string]refusal{}
			}
			c.refused[l.payee] = refusal{l.id, *l.refused}
		}
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

// checkRefusals: an accepted claim has no refused line; a refused one of ours has no other.
func (a *auditor) checkRefusals(c *claim, at Finding, lines int) {
	refused := len(c.refused)
	switch {
	case c.answer != "reject":
		same(a, at, "refused lines", 0, refused)
	case c.direction == "out" && c.state == "refused":
		same(a, at, "refused lines", lines, refused)
	case c.direction == "out":
		same(a, at, "some lines are refused, and some aren't", true, 0 < refused && refused < lines)
	default:
		same(a, at, "some lines are refused", true, refused > 0)
	}
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

// canonical is a line in JCS. Its things are taken as they are stored: what is added there shows.
func (l *line) canonical() []byte {
	payee, _ := json.Marshal(l.payee)
	raw := fmt.Appendf(nil, `{"amount":"%d","payee":%s,"things":%s}`, l.amount, payee, l.things)
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return fmt.Appendf(nil, "no JSON: %v", err)
	}
	return canonical
}

// digestOf is what the protocol's §8 says of lines that are sorted by payee.
func digestOf(lines []line) string {
	raw := []byte{'['}
	for i := range lines {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, lines[i].canonical()...)
	}
	return sha256Hex(append(raw, ']'))
}

func sha256Hex(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha-256:" + hex.EncodeToString(sum[:])
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
		if l.refused != nil {
			a.noteRefused(c, l, things)
		}
		return
	}
	a.checkTold(at, l, things)
	a.checkPayee(c, l, at)
}

func orNone(id *int64) string {
	if id == nil {
		return "none"
	}
	return fmt.Sprint(*id)
}

// noteRefused keeps in mind whose shares are returned.
func (a *auditor) noteRefused(c *claim, l *line, things []lineThing) {
	mine := a.refused[c.period]
	if mine == nil {
		mine = map[int32]refusedLine{}
		a.refused[c.period] = mine
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

func (a *auditor) checkPayee(c *claim, l *line, at Finding) {
	name, ours := strings.CutPrefix(l.payee, a.inst.user(""))
	id, known := a.names[name]
	member := "none"
	if ours && known && (l.member != nil || c.answered == nil || a.members[id].created.Before(c.answered.Add(-clockSlack))) {
		member = fmt.Sprint(id)
	}
	same(a, at, "member", member, orNone(l.member))
	reason := "none"
	if l.refused != nil {
		reason = *l.refused
	}
	left := false
	if m := a.members[id]; known && m.deleted != nil && c.answered != nil {
		left = m.deleted.Before(c.answered.Add(clockSlack))
		if reason == "none" && m.deleted.After(c.answered.Add(-clockSlack)) {
			left = false
		}
	}
	switch {
	case l.member == nil:
		same(a, at, "refused", "unknown-payee", reason)
	case left:
		same(a, at, "refused", "deleted", reason)
	default:
		same(a, at, "refused", "none", reason)
	}
}

// readLineThings reads the JSON of a line.
func (a *auditor) readLineThings(raw []byte) ([]lineThing, error) {
	var told []struct {
		Object  string
		Flattrs int64
		Amount  *string
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, err
	}
	things := make([]lineThing, len(told))
	for i, t := range told {
		things[i] = lineThing{place: -1, object: t.Object, flattrs: t.Flattrs, amount: untold}
		if place, ok := a.thingIRI[t.Object]; ok {
			things[i].place = place
		}
		if t.Amount != nil {
			amount, err := strconv.ParseInt(*t.Amount, 10, 64)
			if err != nil {
				return nil, err
			}
			things[i].amount = amount
		}
	}
	return things, nil
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
