package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gowebpki/jcs"
)

// agreement is what an offer and its acceptance say alike.
type agreement struct {
	amount                   int64
	period, currency, digest string
}

func (o object) agreement() agreement {
	quantity := o.object(vf + "stipulates").object(vf + "resourceQuantity")
	a := agreement{amount: amount(quantity.get(vf + "hasNumericalValue")), period: o.text(ns + "period"),
		currency: o.text(ns + "assetCode"), digest: o.text(ns + "digest")}
	if o.get(ns+"assetScale") != 6.0 || quantity.text(vf+"hasUnit") != "one" {
		a.currency += " at another scale"
	}
	return a
}

// compare holds a claim to what was signed of it.
func (c *claim) compare(a *auditor, of Finding, said agreement) {
	same(a, of, "amount", said.amount, c.amount)
	same(a, of, "period", said.period, c.period)
	same(a, of, "currency", said.currency, c.currency)
	same(a, of, "digest", said.digest, c.digest)
}

// offer compares a claim with its signed offer.
func (e *evidence) offer(at Finding, s *signed, c *claim, by *signer) {
	a, o := e.a, s.root.object("object")
	same(a, at, "body: type", "Offer of Agreement", s.root.kind()+" of "+o.kind())
	same(a, at, "body: id", c.iri, s.root.text("id"))
	if c.content != "" {
		same(a, at, "body: SHA-256 of its content", c.content, s.content)
	}
	if c.direction == "in" && c.answer == "" {
		return // it was replaced before it came; nothing of it is in the books
	}
	same(a, at, "body: to", e.other(by, c.peer).actor, s.root.text("to"))
	if pages, named := o.get(ns + "lines").(string); named { // the rows are held to the signed digest below
		same(a, at, "body: address of its lines", c.iri+"/lines", pages)
	} else {
		same(a, at, "body: digest of its lines", o.text(ns+"digest"), digestSaid(o.get(ns+"lines")))
	}
	of := c.at()
	of.Why = "offer " + at.Key
	c.compare(a, of, o.agreement())
	same(a, of, "line_count", o.get(ns+"lineCount"), any(float64(c.lineCount)))
	superseded := ""
	if old := a.claims[c.supersedes]; old != nil {
		superseded = old.iri
		e.embedded(at, o, old)
	}
	same(a, of, "supersedes", o.text(ns+"supersedes"), superseded)
}

// other is who stands on the other side of a document.
func (e *evidence) other(by *signer, peer int64) *signer {
	if by == e.ours {
		return e.peers[peer]
	}
	return e.ours
}

// digestSaid is the digest of the lines that stand in a document.
func digestSaid(lines any) string {
	raw, err := json.Marshal(lines)
	if err != nil {
		return err.Error()
	}
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return err.Error()
	}
	return sha256Hex(canonical)
}

// embedded verifies the Reject that a successor embeds: of the claim that it replaces, by whoever was to answer.
func (e *evidence) embedded(at Finding, o object, old *claim) {
	by := e.ours
	if old.direction == "out" {
		by = e.peers[old.peer]
	}
	raw, err := json.Marshal(o.get(ns + "refusal"))
	if err != nil || by == nil {
		return
	}
	at.Why = fmt.Sprintf("the refusal of claim %d that it embeds", old.id)
	if s := e.proven(at, raw, by); s != nil {
		e.claimAnswer(at, s, old)
	}
}

// claimAnswer compares a claim's state and refused lines with the signed answer.
func (e *evidence) claimAnswer(at Finding, s *signed, c *claim) {
	a := e.a
	same(a, at, "body: object", c.iri, s.root.text("object"))
	if c.answer == "" {
		e.untaken(at, s, c)
		return
	}
	of := c.at()
	of.Why = "answer " + at.Key
	same(a, of, "answer", s.root.kind(), map[string]string{"accept": "Accept", "reject": "Reject"}[c.answer])
	switch s.root.kind() {
	case "Accept":
		c.compare(a, of, s.root.object("result").agreement())
	case "Reject":
		rejected := map[string]string{}
		for _, row := range s.root.rows(ns + "rejected") {
			rejected[stringOf(row["payee"])] = knownReason(stringOf(row["reason"]))
		}
		e.compareRefusals(at, c, rejected)
		if digest := s.root.text(ns + "digest"); digest != "" {
			same(a, of, "digest", digest, c.digest)
		}
	}
}

// untaken: the first signed answer stands, so a claim of ours that waits for one has none, but for one that names
// lines that it doesn't have: that was kept, and not taken.
func (e *evidence) untaken(at Finding, s *signed, c *claim) {
	fits := s.root.kind() == "Accept"
	if rows := s.root.rows(ns + "rejected"); s.root.kind() == "Reject" && len(rows) > 0 {
		fits = !slices.ContainsFunc(rows, func(row map[string]any) bool { return !c.payees[stringOf(row["payee"])] })
	}
	if fits && c.direction == "out" {
		of := c.at()
		of.Why = "answer " + at.Key
		same(e.a, of, "answer", s.root.kind(), "none")
	}
}

// compareRefusals holds each line to what the signed refusal says of it.
func (e *evidence) compareRefusals(at Finding, c *claim, rejected map[string]string) {
	for payee, r := range c.refused {
		line := Finding{Table: "claim_line", Key: fmt.Sprint(r.line), Why: "answer " + at.Key}
		said := rejected[payee]
		if said == "" {
			said = "none"
		}
		same(e.a, line, "refused", said, r.reason)
		delete(rejected, payee)
	}
	same(e.a, at, "body: refused lines that aren't refused here", "", listed(rejected))
}

// knownReason: a reason that we don't know counts as blocked.
func knownReason(reason string) string {
	switch reason {
	case "unknown-payee", "not-accepting", "blocked", "deleted":
		return reason
	}
	return "blocked"
}

// listed spells a map in order.
func listed(m map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, key+" "+m[key])
	}
	return strings.Join(all, ", ")
}
