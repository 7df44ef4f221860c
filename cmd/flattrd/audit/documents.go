package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// document is what somebody signed, as it is kept.
type document struct {
	id, body string
	content  string // SHA-256 over its JCS without proof, as statements tell it
	sent     bool   // by us
}

func (d *document) at() Finding { return Finding{Table: "document", Key: d.id} }

// evidence is what is known of keys and documents.
type evidence struct {
	a     *auditor
	ours  *signer
	peers map[int64]*signer
	seen  map[string]bool // ids of claims and payments, and with "#answer" of answers

	contents map[string]string // of claims and payments, by id
	answers  []answerTo
}

const answerSuffix = "#answer"

// checkDocuments verifies every signed document, and compares it with the rows.
func (a *auditor) checkDocuments(ctx context.Context) error {
	if a.options.WithoutDocuments {
		return nil
	}
	e := &evidence{a: a, peers: map[int64]*signer{}, seen: map[string]bool{}, contents: map[string]string{}}
	if err := e.readKeys(ctx); err != nil {
		return err
	}
	all := open(ctx, a, "document", `select id, body, content, sent from document order by id`,
		func(d *document) []any { return []any{&d.id, &d.body, &d.content, &d.sent} })
	if err := all.each(func(d document) { e.document(&d) }); err != nil {
		return err
	}
	e.missing()
	e.answered()
	for _, s := range append([]*signer{e.ours}, e.sorted()...) {
		for _, b := range s.keys {
			if b.listed.Documents > 0 {
				a.report.Keys = append(a.report.Keys, b.listed)
			}
		}
	}
	a.verified("signed documents, each as the rows say", all.count)
	return nil
}

func (e *evidence) sorted() []*signer {
	var all []*signer
	for _, s := range e.peers {
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y *signer) int { return strings.Compare(x.host, y.host) })
	return all
}

// document finds out what a document belongs to, and by whom it must be.
func (e *evidence) document(d *document) {
	id, answer := strings.CutSuffix(d.id, answerSuffix)
	c, y := e.a.claimIRI[id], e.a.payIRI[id]
	e.seen[d.id] = true
	direction, peer := "", int64(0)
	if p := e.a.statementOf(d.id); p != 0 { // kept where it was evidence: only its proof is checked
		if by := e.peers[p]; by != nil {
			e.proven(d.at(), []byte(d.body), by)
		}
		return
	}
	switch {
	case c != nil:
		direction, peer = c.direction, c.peer
	case y != nil:
		direction, peer = y.direction, y.peer
	case e.statement(d):
		return
	default:
		at := d.at()
		at.Expected, at.Found = "of a claim or a payment", "of none"
		e.a.find(at)
		return
	}
	by := e.peers[peer]
	if ours := (direction == "out") != answer; ours {
		by = e.ours
	}
	if by == nil {
		return // the peer isn't there, which is told already
	}
	same(e.a, d.at(), "sent", by == e.ours, d.sent)
	if s := e.proven(d.at(), []byte(d.body), by); s != nil {
		same(e.a, d.at(), "content", s.content, d.content)
		if e.compare(d, s, by, c, y, answer); answer {
			e.answers = append(e.answers, answerTo{d.at(), id, s.root.text(ns + "content")})
		} else {
			e.contents[id] = s.content
		}
	}
}

// answerTo is what an answer says it answers.
type answerTo struct {
	at          Finding
	id, content string
}

// answered: an answer names the content of the offer or payment that it is to, so that it is to no other.
func (e *evidence) answered() {
	for _, to := range e.answers {
		if content, kept := e.contents[to.id]; kept {
			same(e.a, to.at, "body: content of what it answers", content, to.content)
		}
	}
}

// statementOf is the peer whose statement a document is by its id; 0: it is none.
func (a *auditor) statementOf(id string) int64 {
	if !strings.Contains(id, "/statements/"+a.inst.host+"/") {
		return 0
	}
	for peer, p := range a.peers {
		if p.host == authority(id) {
			return peer
		}
	}
	return 0
}

// proven verifies a document's proof; nil if it isn't by a key of that signer.
func (e *evidence) proven(at Finding, body []byte, by *signer) *signed {
	at.Column, at.Expected = "body", "signed with"+by.named()
	s, err := readSigned(body)
	if err != nil {
		at.Found = err.Error()
		e.a.find(at)
		return nil
	}
	key := by.of(s)
	switch {
	case key == nil:
		at.Found = "signed with " + s.method
	case !s.by(key.key):
		key.listed.Documents++
		at.Found = "a proof that isn't by this key over this document"
	default:
		key.listed.Documents++
		same(e.a, at, "body: actor", by.actor, s.root.text("actor"))
		return s
	}
	e.a.find(at)
	return nil
}

func (e *evidence) compare(d *document, s *signed, by *signer, c *claim, y *payment, answer bool) {
	at := d.at()
	switch {
	case c != nil && answer:
		at.Why = fmt.Sprintf("the answer to claim %d", c.id)
		e.claimAnswer(at, s, c)
	case c != nil:
		at.Why = fmt.Sprintf("claim %d as it was offered", c.id)
		e.offer(at, s, c, by)
	case answer:
		at.Why = fmt.Sprintf("the answer to payment %d", y.id)
		e.paymentAnswer(at, s, y)
	default:
		at.Why = fmt.Sprintf("payment %d as it was told", y.id)
		e.payment(at, s, y)
	}
}

// missing tells of what must have been signed and isn't kept: what a peer said, because it was taken only with
// its proof; and what we said, where the peer has answered it or acted on it.
func (e *evidence) missing() {
	lacks := func(id, what string, needed bool) {
		if needed && !e.seen[id] {
			e.a.find(Finding{Table: "document", Key: id, Expected: "a signed document", Found: "none", Why: what})
		}
	}
	for _, c := range e.a.claims {
		what := fmt.Sprintf("claim %d is %s", c.id, c.state)
		lacks(c.iri, what, c.answer != "" || c.adopted && c.supersedes == 0)
		lacks(c.iri+answerSuffix, what, c.direction == "out" && c.answer != "")
		lacks(c.iri+answerSuffix, what+", and its peer knows our answer", c.direction == "in" && c.answer != "" && (c.adopted || c.successor != nil || len(c.payments) > 0))
	}
	for _, y := range e.a.payments {
		what := fmt.Sprintf("payment %d is %s", y.id, y.state)
		answered := y.state == "confirmed" || y.state == "not_received"
		lacks(y.iri, what, y.direction == "in" || answered)
		lacks(y.iri+answerSuffix, what, y.direction == "out" && answered)
	}
}
