package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

func (c *claim) agreement() agreement { return agreement{c.amount, c.period, c.currency, c.digest} }

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
	same(a, at, "body: amount, month, currency and digest", c.agreement(), o.agreement())
	same(a, at, "body: lines", c.digest, digestSaid(o.get(ns+"lines")))
	same(a, at, "body: lineCount", any(float64(c.lineCount)), o.get(ns+"lineCount"))
	superseded := ""
	if old := a.claims[c.supersedes]; old != nil {
		superseded = old.iri
		e.embedded(at, o, old)
	}
	same(a, at, "body: supersedes", superseded, o.text(ns+"supersedes"))
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

// claimAnswer compares a claim's state and refused lines with the signed answer. An answer to a claim that has none
// is one that wasn't taken.
func (e *evidence) claimAnswer(at Finding, s *signed, c *claim) {
	a := e.a
	same(a, at, "body: object", c.iri, s.root.text("object"))
	if c.answer == "" {
		return
	}
	same(a, at, "body: type", map[string]string{"accept": "Accept", "reject": "Reject"}[c.answer], s.root.kind())
	switch s.root.kind() {
	case "Accept":
		same(a, at, "body: amount, month, currency and digest", c.agreement(), s.root.object("result").agreement())
	case "Reject":
		rejected := map[string]string{}
		for _, row := range s.root.rows(ns + "rejected") {
			rejected[stringOf(row["payee"])] = knownReason(stringOf(row["reason"]))
		}
		e.compareRefusals(at, c, rejected)
		if digest := s.root.text(ns + "digest"); digest != "" {
			same(a, at, "body: digest", c.digest, digest)
		}
	}
}

// compareRefusals holds each line to what the signed refusal says of it.
func (e *evidence) compareRefusals(at Finding, c *claim, rejected map[string]string) {
	for payee, r := range c.refused {
		line := Finding{Table: "claim_line", Key: fmt.Sprint(r.line), Why: "document " + at.Key}
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

// payment compares a payment with what was told of it.
func (e *evidence) payment(at Finding, s *signed, y *payment) {
	a, o := e.a, s.root.object("object")
	same(a, at, "body: type", "Create of "+ns+"Payment", s.root.kind()+" of "+o.kind())
	same(a, at, "body: id", y.iri, s.root.text("id"))
	if y.content != "" {
		same(a, at, "body: SHA-256 of its content", y.content, s.content)
	}
	same(a, at, "body: amount", y.amount, amount(o.get(ns+"amount")))
	same(a, at, "body: currency and scale", y.currency+" 6", fmt.Sprint(o.text(ns+"assetCode"), " ", o.get(ns+"assetScale")))
	same(a, at, "body: method", y.method, o.text(ns+"method"))
	same(a, at, "body: reference", y.reference, o.text(ns+"reference"))
	if told, err := time.Parse(time.RFC3339, o.text(ns+"paidAt")); err != nil || y.paid == nil || !told.Equal(y.paid.Truncate(time.Second)) && !told.Equal(*y.paid) {
		at.Column, at.Expected, at.Found = "body: paidAt", fmt.Sprint(y.paid), o.text(ns+"paidAt")
		a.find(at)
	}
	told, booked := map[string]string{}, map[string]string{}
	for _, row := range o.rows(ns + "allocations") {
		told[stringOf(row["claim"])] = fmt.Sprint(amount(row["amount"]))
	}
	for _, x := range y.allocations {
		booked[a.claims[x.claim].iri] = fmt.Sprint(x.amount)
	}
	same(a, at, "body: allocations", listed(booked), listed(told))
	if y.state == "ordered" || y.state == "cancelled" {
		at.Column, at.Expected, at.Found = "body", "none", "told to the peer"
		a.find(at)
	}
}

// paymentAnswer compares what arrived with what the payees' side signed.
func (e *evidence) paymentAnswer(at Finding, s *signed, y *payment) {
	a := e.a
	same(a, at, "body: object", y.iri, s.root.text("object"))
	switch y.state {
	case "confirmed":
		same(a, at, "body: type", "Accept", s.root.kind())
		same(a, at, "body: amount", *y.received, amount(s.root.get(ns+"amount")))
		same(a, at, "body: currency", y.currency, s.root.text(ns+"assetCode"))
	case "not_received":
		same(a, at, "body: type", "Reject", s.root.kind())
		same(a, at, "body: reason", "not-received", s.root.text(ns+"reason"))
	default:
		at.Column, at.Expected, at.Found = "body", "none", "an answer to a payment that is "+y.state
		a.find(at)
	}
}
