package audit

import (
	"context"
	"fmt"
)

// thing is what can be flattred: of a member here, or of a peer's.
type thing struct {
	iri, payee   string
	member, peer int64
}

// sum is what a thing got in a month.
type sum struct{ flattrs, amount int64 }

// readThings reads all things; each is what its button, or its payee's host, makes it.
func (a *auditor) readThings(ctx context.Context) error {
	a.thingAt, a.thingIRI = map[int64]int32{}, map[string]int32{}
	type row struct {
		id     int64
		button string
		owner  int64
		thing
	}
	all := open(ctx, a, "thing", `
		select t.id, t.iri, t.payee, coalesce(t.member, 0), coalesce(t.peer, 0), coalesce(t.button, ''), coalesce(b.owner, 0)
		from thing t left join button b on b.id = t.button order by t.id`,
		func(r *row) []any { return []any{&r.id, &r.iri, &r.payee, &r.member, &r.peer, &r.button, &r.owner} })
	err := all.each(func(r row) {
		place := int32(len(a.things))
		a.things, a.thingAt[r.id], a.thingIRI[r.iri] = append(a.things, r.thing), place, place
		a.checkThing(r.id, r.thing, r.button, r.owner)
	})
	a.sums = make([]sum, len(a.things))
	a.verified("things, each with the payee that its button or its host gives it", all.count)
	return err
}

func (a *auditor) checkThing(id int64, t thing, button string, owner int64) {
	at := Finding{Table: "thing", Key: fmt.Sprint(id)}
	if button != "" {
		at.Why = "it is button " + button
		same(a, at, "iri", a.inst.base+"/buttons/"+button, t.iri)
		same(a, at, "member", owner, t.member)
		same(a, at, "payee", a.inst.user(a.members[owner].name), t.payee)
		return
	}
	at.Why = fmt.Sprintf("its payee lives at peer %d", t.peer)
	host := "a peer"
	if p := a.peers[t.peer]; p != nil {
		host = p.host
	}
	same(a, at, "payee", host, authority(t.payee))
}
