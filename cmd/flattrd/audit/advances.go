package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// advance is what of a claim was made available before it was paid.
type advance struct {
	id, claim, amount int64
	at                time.Time
	divided           bool
}

// writeOff is what a peer owed and two operators have given up.
type writeOff struct {
	id, peer, amount, lost, written, lostLines int64
	state                                      string
	proposedBy, decidedBy                      int64
	noted                                      int64 // who proposed it and who decided it, in the peer's history
}

// step is a part of a payment, an advance or a write-off, of one line.
type step struct {
	table                         string
	id, of, claim, line, amount   int64
	repaid, reinstated, recovered int64 // of a payment; of a write-off, recovered is what is lost
	order                         int64 // its first transfer's id
}

func (x *step) at() Finding { return Finding{Table: x.table, Key: fmt.Sprint(x.id)} }

func (x *step) fields() []any {
	return []any{&x.table, &x.id, &x.of, &x.claim, &x.line, &x.amount, &x.repaid, &x.reinstated, &x.recovered, &x.order}
}

// allSteps are in the order of the claims. What happened to a line's money first is what was booked first.
const allSteps = `
	select 'line_allocation', x.id, x.payment, x.claim, x.line, x.amount, x.repaid, x.reinstated, x.recovered, coalesce((
	    select min(transfer) from transfer_key k where k.kind in ('allocation', 'repayment') and k.ref = x.id), 0) as booked
	from line_allocation x
	union all
	select 'line_advance', x.id, x.advance, coalesce(v.claim, 0), x.line, x.amount, 0, 0, 0, coalesce((
	    select transfer from transfer_key k where k.kind = 'advance' and k.ref = x.id and k.phase = 'single'), 0)
	from line_advance x left join advance v on v.id = x.advance
	union all
	select 'write_off_line', x.id, x.write_off, coalesce(l.claim, 0), x.line, x.amount, 0, 0, x.lost, coalesce((
	    select transfer from transfer_key k where k.kind = 'write_off' and k.ref = x.id and k.phase = 'single'), 0)
	from write_off_line x left join claim_line l on l.id = x.line
	order by 4, booked, 2`

// readAdvances reads the heads of advances and write-offs.
func (a *auditor) readAdvances(ctx context.Context) error {
	a.advances, a.writeOffs = map[int64]*advance{}, map[int64]*writeOff{}
	a.advanced, a.written = map[int64]int64{}, map[int64]int64{}
	all := open(ctx, a, "advance", `select id, claim, amount, created_at from advance order by id`,
		func(v *advance) []any { return []any{&v.id, &v.claim, &v.amount, &v.at} })
	err := all.each(func(v advance) { a.advances[v.id] = &v })
	offs := open(ctx, a, "write_off", `
		select o.id, o.peer, coalesce(o.amount, 0), coalesce(o.lost, 0), o.state, o.proposed_by, coalesce(o.decided_by, 0), (
		  select count(*) from peer_event e where e.write_off = o.id and e.peer = o.peer and (
		    e.kind = 'write-off-proposed' and e.operator = o.proposed_by and e.created_at = o.created_at
		    or e.kind = 'write-off-' || o.state and e.operator = o.decided_by and e.created_at = o.decided_at))
		from write_off o order by o.id`,
		func(o *writeOff) []any {
			return []any{&o.id, &o.peer, &o.amount, &o.lost, &o.state, &o.proposedBy, &o.decidedBy, &o.noted}
		})
	err = errors.Join(err, offs.each(func(o writeOff) { a.writeOffs[o.id] = &o; a.checkWriteOff(&o) }))
	noted := open(ctx, a, "noted", `select write_off from peer_event where write_off is not null order by id`, func(id *int64) []any { return []any{id} })
	err = errors.Join(err, noted.each(func(id int64) {
		if a.writeOffs[id] == nil {
			a.find(Finding{Table: "write_off", Key: fmt.Sprint(id), Expected: "a row", Found: "none", Why: "it is in the peer's history"})
		}
	}))
	a.verified("write-offs, each by two operators", offs.count)
	return errors.Join(err, a.readProposed(ctx))
}

// readProposed: what was given up are the lines that were proposed, of which the proposal keeps the SHA-256: each by its id, its
// amount, and what of it this instance loses.
func (a *auditor) readProposed(ctx context.Context) error {
	type line struct {
		of, id, amount, lost int64
		proposed             string
	}
	text, proposed := map[int64]string{}, map[int64]string{}
	lines := open(ctx, a, "write_off_line", `
		select o.id, o.proposed_lines, x.line, x.amount, x.lost
		from write_off o join write_off_line x on x.write_off = o.id order by o.id, x.line`,
		func(l *line) []any { return []any{&l.of, &l.proposed, &l.id, &l.amount, &l.lost} })
	err := lines.each(func(l line) {
		text[l.of] += fmt.Sprintf("%d %d %d\n", l.id, l.amount, l.lost)
		proposed[l.of] = l.proposed
	})
	for id, digest := range proposed {
		same(a, Finding{Table: "write_off", Key: fmt.Sprint(id), Why: "its lines"}, "proposed_lines", sha256Hex([]byte(text[id])), "sha-256:"+digest)
	}
	return err
}

// checkWriteOff: who proposes doesn't confirm, and both stand in the peer's history.
func (a *auditor) checkWriteOff(o *writeOff) {
	at := Finding{Table: "write_off", Key: fmt.Sprint(o.id), Why: "it is " + o.state}
	steps := int64(2)
	if o.state == "proposed" {
		steps = 1
	}
	same(a, at, "steps in the peer's history", steps, o.noted)
	same(a, at, "decided by another than it was proposed by", true, o.state != "confirmed" || o.decidedBy != o.proposedBy)
	same(a, at, "amount is there", o.state == "confirmed", o.amount > 0)
}

// checkHeads: what was advanced and written off is on lines, and nothing else.
func (a *auditor) checkHeads() {
	for _, v := range a.advances {
		if !v.divided {
			a.find(Finding{Table: "advance", Key: fmt.Sprint(v.id), Expected: fmt.Sprintf("%d on lines of claim %d", v.amount, v.claim), Found: "none"})
		}
	}
	for _, o := range a.writeOffs {
		at := Finding{Table: "write_off", Key: fmt.Sprint(o.id), Why: "its lines"}
		same(a, at, "amount", o.written, o.amount)
		same(a, at, "lost", o.lostLines, o.lost)
	}
}

// stages groups a claim's steps by what they are parts of, in the order in which those were booked.
func stages(steps []step) (all [][]step) {
	place := map[string]int{}
	for _, x := range steps {
		key := fmt.Sprint(x.table, x.of)
		i, ok := place[key]
		if !ok {
			i, place[key] = len(all), len(all)
			all = append(all, nil)
		}
		all[i] = append(all[i], x)
	}
	slices.SortStableFunc(all, func(x, y []step) int { return cmp.Compare(x[0].order, y[0].order) })
	return all
}

// once are a stage's steps by their lines, of which each has one.
func (a *auditor) once(steps []step) map[int64]step {
	made := map[int64]step{}
	for _, x := range steps {
		if _, twice := made[x.line]; twice {
			at := x.at()
			at.Expected, at.Found, at.Why = "once", "again", fmt.Sprintf("claim_line %d", x.line)
			a.find(at)
		}
		made[x.line] = x
	}
	return made
}

// checkAdvance: an advance is divided over what its claim's lines aren't paid, advanced and written off of; nobody is lent
// for one who has left. At the very instant of leaving it may be either way.
func (a *auditor) checkAdvance(c *claim, v *advance, lines []payable, made map[int64]step) {
	weights := make([]int64, len(lines))
	for i, l := range lines {
		_, lent := made[l.id]
		if d, left := a.departures[l.member]; left && !d.at.After(v.at) && (d.at.Before(v.at) || !lent) {
			continue
		}
		weights[i] = l.open - l.written - (l.advanced - l.lost)
	}
	v.divided = true
	parts, ok := byWeight(v.amount, weights)
	if !ok {
		a.find(Finding{Table: "advance", Key: fmt.Sprint(v.id), Column: "amount", Expected: "at most what is open", Found: fmt.Sprint(v.amount), Why: fmt.Sprintf("claim %d", c.id)})
		parts = make([]int64, len(lines))
	}
	for i := range lines {
		l := &lines[i]
		a.compareStep(made, l.id, "line_advance", fmt.Sprintf("claim_line %d, of advance %d: %d", l.id, v.id, v.amount), step{amount: parts[i]})
		l.advanced += parts[i]
	}
	a.leftOver(c, made)
}

// checkWritten: a write-off takes all that is open of a line, and what of that was advanced is lost.
func (a *auditor) checkWritten(c *claim, o *writeOff, lines []payable, made map[int64]step) {
	for i := range lines {
		l := &lines[i]
		open, lost := l.open-l.written, l.advanced-l.lost
		a.compareStep(made, l.id, "write_off_line", fmt.Sprintf("claim_line %d, of write_off %d, %s", l.id, o.id, o.state), step{amount: open, recovered: lost})
		l.written, l.lost = l.written+open, l.lost+lost
		o.written, o.lostLines = o.written+open, o.lostLines+lost
	}
	at := Finding{Table: "write_off", Key: fmt.Sprint(o.id), Why: fmt.Sprintf("lines of claim %d", c.id)}
	same(a, at, "peer", c.peer, o.peer)
	same(a, at, "state", "confirmed", o.state)
	a.leftOver(c, made)
}

// compareStep holds the step of a line to what it must be, and takes it out of those made.
func (a *auditor) compareStep(made map[int64]step, line int64, table, why string, want step) {
	x, there := made[line]
	delete(made, line)
	switch {
	case !there && want.amount > 0:
		a.find(Finding{Table: table, Expected: fmt.Sprint(want.amount), Found: "none", Why: why})
	case there:
		at := x.at()
		at.Why = why
		same(a, at, "amount", want.amount, x.amount)
		same(a, at, "repaid", want.repaid, x.repaid)
		same(a, at, "reinstated", want.reinstated, x.reinstated)
		same(a, at, map[bool]string{true: "lost", false: "recovered"}[table == "write_off_line"], want.recovered, x.recovered)
	}
}

// leftOver are steps of lines that aren't of their claim.
func (a *auditor) leftOver(c *claim, made map[int64]step) {
	for _, x := range made {
		at := x.at()
		at.Column, at.Expected, at.Found, at.Why = "line", "a line of its claim", fmt.Sprint(x.line), fmt.Sprintf("claim %d", c.id)
		a.find(at)
	}
}
