package audit

import (
	"fmt"
	"strings"
)

const answerOf = "answer-of-"

// split tells whether a document is about a version of a split, and if so compares it with the rows: who is asked, what
// they get, and what each answered.
func (e *evidence) split(d *document) bool {
	iri, what, _ := strings.Cut(d.id, "#")
	v := e.a.authors.byIRI[iri]
	if v == nil {
		return false
	}
	payee, answer := strings.CutPrefix(what, answerOf)
	by := e.ours
	if answer == v.ours { // an answer to us, or an offer of another's
		by = e.peers[e.splitPeer(v, payee)]
	}
	if by == nil {
		return true // the peer isn't there, which is told already
	}
	at := d.at()
	same(e.a, at, "sent", by == e.ours, d.sent)
	at.Why = fmt.Sprintf("of thing_split %d", v.id)
	s := e.proven(at, []byte(d.body), by)
	if s == nil {
		return true
	}
	same(e.a, at, "content", s.content, d.content)
	switch {
	case what == "withdrawn":
		same(e.a, at, "body: object", v.iri, s.root.text("object"))
	case answer:
		e.splitAnswer(at, s, v, payee)
	default:
		e.splitOffer(at, s, v)
	}
	return true
}

// splitPeer is the peer whose word a document about a version is: of the thing, or of a payee.
func (e *evidence) splitPeer(v *version, payee string) int64 {
	for _, p := range v.authors {
		if p.payee == payee {
			return p.peer
		}
	}
	if place, ok := e.a.thingAt[v.thing]; ok {
		return e.a.things[place].peer
	}
	return 0
}

func (e *evidence) splitAnswer(at Finding, s *signed, v *version, payee string) {
	same(e.a, at, "body: object", v.iri, s.root.text("object"))
	same(e.a, at, "body: payee", payee, s.root.text(ns+"payee"))
	want := "of nobody who is asked"
	for _, p := range v.authors {
		if p.payee == payee {
			want = map[string]string{"consented": "Accept", "refused": "Reject"}[p.state]
			at.Why = fmt.Sprintf("thing_split_part %d is %s", p.id, p.state)
		}
	}
	same(e.a, at, "body: type", want, s.root.kind())
}

func (e *evidence) splitOffer(at Finding, s *signed, v *version) {
	o := s.root.object("object")
	same(e.a, at, "body: type", "Offer of "+ns+"Split", s.root.kind()+" of "+o.kind())
	same(e.a, at, "body: id", v.iri, s.root.text("id"))
	same(e.a, at, "body: version", any(float64(v.number)), o.get(ns+"version"))
	if place, ok := e.a.thingAt[v.thing]; ok {
		same(e.a, at, "body: object", e.a.things[place].iri, o.text("object"))
	}
	said := map[string]any{}
	rows, _ := o.get(ns + "authors").([]any)
	for _, row := range rows {
		if members, ok := row.(map[string]any); ok {
			said[fmt.Sprint(members["payee"])] = members["weight"]
		}
	}
	same(e.a, at, "body: authors", len(v.authors), len(said))
	for _, p := range v.authors {
		at.Why = fmt.Sprintf("thing_split_part %d", p.id)
		same(e.a, at, "body: weight of "+p.payee, any(float64(p.weight)), said[p.payee])
	}
}

// missingSplits tells of consents elsewhere that aren't kept, and of what our members answered without its being kept.
func (e *evidence) missingSplits(lacks func(id, what string, needed bool)) {
	for _, v := range e.a.authors.versions {
		for _, p := range v.authors {
			what := fmt.Sprintf("thing_split_part %d is %s", p.id, p.state)
			lacks(v.iri+"#"+answerOf+p.payee, what, v.ours && p.peer != 0 && p.state != "asked")
			lacks(v.iri, what, !v.ours && p.member != 0 && p.state != "asked")
		}
	}
}
