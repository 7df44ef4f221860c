package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// author is who is in a version of a thing's split (protocol §3).
type author struct {
	id, split    int64
	payee        string
	member, peer int64
	weight       int64
	state        string
	of           *version
}

// version is one version of how what a thing gets is divided.
type version struct {
	id, thing  int64
	number     int32
	iri, state string
	period     string // of a consented one: from this month on
	month      string // in which it was decided
	authors    []*author
	ours       bool // its thing is of a member here
}

// answer is what an author's home answered to a flattr.
type answer struct {
	id     int64
	flattr [16]byte
	part   int64
	giver  int64
	state  string
}

// sharePart is what a share gave an author.
type sharePart struct{ id, giver, thing, part, amount int64 }

// shareKey names a share within a month.
type shareKey struct{ giver, thing int64 }

// partLine names what of a refused line is an author's: by the thing's place, payee and version.
type partLine struct {
	place int32
	payee string
	split int32
}

// authors is all that is known of co-authored things, of which there are few.
type authors struct {
	versions map[int64]*version
	byThing  map[int64][]*version
	byIRI    map[string]*version
	parts    map[int64]*author
	refused  map[string]map[partLine]refusedLine // by part of a month's settlement, as partOf spells it

	// of the month that is being derived
	answers map[[16]byte][]answer
	stored  map[shareKey][]sharePart
	got     map[gotIn]sum
}

// gotIn names what an author got in a part of the settlement of the month that is being derived.
type gotIn struct {
	part   int32
	author int64
}

// readAuthors reads all versions; each of ours has everybody's consent before it is in force.
func (a *auditor) readAuthors(ctx context.Context) error {
	a.authors = authors{versions: map[int64]*version{}, byThing: map[int64][]*version{}, byIRI: map[string]*version{}, parts: map[int64]*author{},
		refused: map[string]map[partLine]refusedLine{}}
	all := open(ctx, a, "split", `
		select v.id, v.thing, v.version, v.iri, v.state, coalesce(v.period, ''), coalesce(to_char(v.decided_at at time zone 'UTC', 'YYYY-MM'), ''),
		  t.member is not null
		from thing_split v left join thing t on t.id = v.thing order by v.thing, v.version`,
		func(v *version) []any {
			return []any{&v.id, &v.thing, &v.number, &v.iri, &v.state, &v.period, &v.month, &v.ours}
		})
	if err := all.each(func(v version) {
		a.authors.versions[v.id], a.authors.byIRI[v.iri] = &v, &v
		a.authors.byThing[v.thing] = append(a.authors.byThing[v.thing], &v)
	}); err != nil {
		return err
	}
	parts := open(ctx, a, "author", `
		select id, split, payee, coalesce(member, 0), coalesce(peer, 0), weight::bigint, state from thing_split_part order by split, id`,
		func(p *author) []any {
			return []any{&p.id, &p.split, &p.payee, &p.member, &p.peer, &p.weight, &p.state}
		})
	err := parts.each(func(p author) {
		at := Finding{Table: "thing_split_part", Key: fmt.Sprint(p.id), Why: fmt.Sprintf("an author in thing_split %d", p.split)}
		if p.of = a.authors.versions[p.split]; p.of == nil {
			at.Column, at.Expected, at.Found = "split", "a version", fmt.Sprint(p.split)
			a.find(at)
			return
		}
		if p.member != 0 {
			same(a, at, "payee", a.inst.user(a.members[p.member].name), p.payee)
		} else if peer := a.peers[p.peer]; peer != nil {
			same(a, at, "payee", peer.host, authority(p.payee))
		}
		p.of.authors, a.authors.parts[p.id] = append(p.of.authors, &p), &p
	})
	for _, v := range a.authors.versions {
		a.checkVersion(v)
	}
	a.verified("authors in versions of splits, with their consent", parts.count)
	return err
}

// checkVersion: a version of ours is what its authors have answered, and asks those in the version before too.
func (a *auditor) checkVersion(v *version) {
	if !v.ours {
		return
	}
	at := Finding{Table: "thing_split", Key: fmt.Sprint(v.id), Why: fmt.Sprintf("version %d of thing %d", v.number, v.thing)}
	says := map[string]int{}
	in := map[string]bool{}
	for _, p := range v.authors {
		says[p.state]++
		in[p.payee] = true
	}
	switch v.state {
	case "consented":
		same(a, at, "authors who haven't consented", 0, says["asked"]+says["refused"])
		same(a, at, "period isn't before the consent", true, v.period >= v.month)
	case "proposed":
		same(a, at, "somebody is still asked", true, says["asked"] > 0)
		same(a, at, "authors who refuse", 0, says["refused"])
	case "refused":
		same(a, at, "somebody refuses", true, says["refused"] > 0)
	}
	if place, ok := a.thingAt[v.thing]; ok {
		same(a, at, "its owner is in it", true, in[a.things[place].payee])
	}
	before := a.lastBefore(v)
	if before == nil {
		return
	}
	for _, p := range before.authors {
		if p.weight > 0 {
			same(a, at, "is asked of, who was in the version before: "+p.payee, true, in[p.payee])
		}
	}
}

func (a *auditor) lastBefore(v *version) (before *version) {
	for _, o := range a.authors.byThing[v.thing] {
		if o.number < v.number && o.state == "consented" {
			before = o
		}
	}
	return before
}

// inForce is a thing's version in a month; nil: it isn't co-authored then.
func (a *auditor) inForce(thing int64, period string) (last *version) {
	for _, v := range a.authors.byThing[thing] {
		if v.state == "consented" && v.period <= period {
			last = v
		}
	}
	return last
}

// readMonthParts reads a month's answers and parts of shares.
func (a *auditor) readMonthParts(ctx context.Context, m *month) error {
	a.authors.answers, a.authors.stored, a.authors.got = map[[16]byte][]answer{}, map[shareKey][]sharePart{}, map[gotIn]sum{}
	answers := open(ctx, a, "answer", `
		select x.id, x.flattr, x.part, x.giver, x.state from flattr_part x where x.period = '`+m.period+`' order by x.flattr, x.part`,
		func(x *answer) []any { return []any{&x.id, &x.flattr, &x.part, &x.giver, &x.state} })
	if err := answers.each(func(x answer) { a.authors.answers[x.flattr] = append(a.authors.answers[x.flattr], x) }); err != nil {
		return err
	}
	parts := open(ctx, a, "share_part", `select id, giver, thing, part, amount from share_part where period = '`+m.period+`' order by giver, thing, part`,
		func(x *sharePart) []any { return []any{&x.id, &x.giver, &x.thing, &x.part, &x.amount} })
	if err := parts.each(func(x sharePart) {
		key := shareKey{x.giver, x.thing}
		a.authors.stored[key] = append(a.authors.stored[key], x)
	}); err != nil {
		return err
	}
	if answers.count+parts.count > 0 {
		a.verified(m.period+": answers of authors", answers.count)
		a.verified(m.period+": shares divided among authors", parts.count)
	}
	return a.checkStrayAnswers(ctx, m)
}

// checkStrayAnswers finds answers to flattrs that aren't there.
func (a *auditor) checkStrayAnswers(ctx context.Context, m *month) error {
	type stray struct{ id int64 }
	all := open(ctx, a, "stray_answer", `
		select x.id from flattr_part x where x.period = '`+m.period+`'
		  and not exists (select from flattr f where f.id = x.flattr and f.period = x.period and f.giver = x.giver) order by 1`,
		func(s *stray) []any { return []any{&s.id} })
	return all.each(func(s stray) {
		a.find(Finding{Table: "flattr_part", Key: fmt.Sprint(s.id), Expected: "a flattr of its giver in " + m.period, Found: "none"})
	})
}

// checkAnswers: everybody in the version in force was asked once, and a flattr's state is what they answer.
func (a *auditor) checkAnswers(m *month, c click, t *thing) {
	mine := a.authors.answers[c.id]
	at := c.in(m)
	if len(mine) == 0 {
		if v := a.inForce(c.thing, m.period); v != nil && v.ours && (c.state == "sent" || c.state == "held" || c.state == "accepted") {
			at.Expected, at.Found, at.Why = "answers of its authors", "none", fmt.Sprintf("thing_split %d is in force", v.id)
			a.find(at)
		}
		return
	}
	asked := map[int64]bool{}
	says := map[string]int{}
	var v *version
	for _, x := range mine {
		p := a.authors.parts[x.part]
		one := Finding{Table: "flattr_part", Key: fmt.Sprint(x.id), Why: "an author's answer to flattr " + uuidOf(c.id)}
		if p == nil {
			continue // a foreign key forbids it
		}
		if v == nil {
			v = p.of
		}
		same(a, one, "is of one version", v.id, p.of.id)
		same(a, one, "thing", c.thing, p.of.thing)
		same(a, one, "its version is in force", true, p.of.state == "consented" && p.of.period <= m.period && p.weight > 0)
		same(a, one, "a member here answers at once", true, p.member == 0 || x.state != "sent")
		asked[x.part] = true
		says[x.state]++
	}
	if v == nil {
		return
	}
	for _, p := range v.authors {
		if p.weight > 0 && !asked[p.id] {
			at.Expected, at.Found, at.Why = "an answer of "+p.payee, "none", fmt.Sprintf("flattr_part %d is of the same thing_split %d", mine[0].id, v.id)
			a.find(at)
		}
	}
	if c.state == "carried" || c.state == "expired" {
		return
	}
	at.Why = fmt.Sprintf("flattr_part %d and the other answers of its authors", mine[0].id)
	same(a, at, "state", stateOf(says), c.state)
}

// stateOf is what answers come to: none is final while one is missing.
func stateOf(says map[string]int) string {
	for _, state := range []string{"sent", "held", "accepted", "rejected"} {
		if says[state] > 0 {
			return state
		}
	}
	return "expired"
}

// takers are the authors who take a flattr.
func (a *auditor) takers(c click) (all []*author) {
	for _, x := range a.authors.answers[c.id] {
		if p := a.authors.parts[x.part]; p != nil && x.state == "accepted" {
			all = append(all, p)
		}
	}
	return all
}

// divideShare gives the authors what is theirs of a share, and takes it out of what its thing got in that part of the
// settlement. It compares that with what is stored and returned.
func (a *auditor) divideShare(m *month, g *giver, of int32, c click, share int64) {
	takers := a.takers(c)
	place, known := a.thingAt[c.thing]
	if len(takers) == 0 || !known {
		return
	}
	thing := &a.sumsIn(of)[place]
	thing.flattrs, thing.amount = thing.flattrs-1, thing.amount-share
	ties := make([]tie, len(takers))
	weights := make([]int64, len(takers))
	for i, p := range takers {
		ties[i], weights[i] = partTie(m.period, a.inst.user(a.members[g.id].name), a.things[place].iri, p.payee), p.weight
	}
	key := shareKey{g.id, c.thing}
	for i, amount := range byTiedWeight(share, weights, ties) {
		p := takers[i]
		s := a.authors.got[gotIn{of, p.id}]
		a.authors.got[gotIn{of, p.id}] = sum{s.flattrs + 1, s.amount + amount}
		a.compareSharePart(m, key, p, share, amount)
		a.compareReturnedPart(m, g, of, key, place, p, amount)
	}
}

func (a *auditor) compareSharePart(m *month, key shareKey, p *author, share, amount int64) {
	at := Finding{Table: "share_part", Column: "amount", Expected: fmt.Sprint(amount), Found: "none",
		Why: fmt.Sprintf("thing_split_part %d in share %d/%d/%s, %d", p.id, key.giver, key.thing, m.period, share)}
	stored := a.authors.stored[key]
	i := slices.IndexFunc(stored, func(x sharePart) bool { return x.part == p.id })
	if i < 0 {
		a.find(at)
		return
	}
	at.Key = fmt.Sprint(stored[i].id)
	same(a, at, "amount", amount, stored[i].amount)
	a.authors.stored[key] = slices.Delete(stored, i, i+1)
}

// compareReturnedPart: what of a refused line was an author's came back, once.
func (a *auditor) compareReturnedPart(m *month, g *giver, of int32, key shareKey, place int32, p *author, amount int64) {
	line, refused := a.authors.refused[partOf(m.period, of)][partLine{place, p.payee, p.of.number}]
	if !refused || amount == 0 {
		return
	}
	at := Finding{Table: "share_return", Expected: fmt.Sprint(amount), Found: "none",
		Why: fmt.Sprintf("thing_split_part %d in share %d/%d/%s of claim %d, whose claim_line %d was refused", p.id, key.giver, key.thing, m.period, line.claim, line.line)}
	i := slices.IndexFunc(g.returns, func(b giveBack) bool { return b.thing == key.thing && b.part == p.id })
	if i < 0 {
		a.find(at)
		return
	}
	at.Key = fmt.Sprint(g.returns[i].id)
	same(a, at, "amount", amount, g.returns[i].amount)
	same(a, at, "claim", line.claim, g.returns[i].claim)
	g.returns = slices.Delete(g.returns, i, i+1)
}

// strayShareParts are stored parts that no share calls for.
func (a *auditor) strayShareParts(m *month) {
	for _, all := range a.authors.stored {
		for _, x := range all {
			a.find(Finding{Table: "share_part", Key: fmt.Sprint(x.id), Expected: "none", Found: fmt.Sprint(x.amount),
				Why: fmt.Sprintf("no author takes thing_split_part %d of share %d/%d/%s", x.part, x.giver, x.thing, m.period)})
		}
	}
}

// partTie orders authors for the last micro-units: SHA-256 over month, giver, thing and payee.
func partTie(texts ...string) tie {
	h := sha256.New()
	for _, text := range texts {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	return tie(h.Sum(nil))
}

// byTiedWeight divides an amount over weights: each gets its exact part rounded down, and the micro-units that are left
// go to the largest remainders, equal ones in order of their ties.
func byTiedWeight(amount int64, weights []int64, ties []tie) []int64 {
	total := uint64(0)
	for _, w := range weights {
		total += uint64(w)
	}
	parts, left := make([]int64, len(weights)), amount
	rests := make([]uint64, len(weights))
	for i, w := range weights {
		high, low := bits.Mul64(uint64(amount), uint64(w))
		whole, rest := bits.Div64(high, low, total)
		parts[i], rests[i] = int64(whole), rest
		left -= int64(whole)
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rests {
			if rests[i] > rests[best] || rests[i] == rests[best] && bytes.Compare(ties[i][:], ties[best][:]) < 0 {
				best = i
			}
		}
		parts[best]++
		rests[best] = 0 // each gets one at most
	}
	return parts
}
