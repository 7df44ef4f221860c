package audit

import (
	"fmt"
	"time"
)

// payment compares a payment with what was told of it.
func (e *evidence) payment(at Finding, s *signed, y *payment) {
	a, o := e.a, s.root.object("object")
	same(a, at, "body: type", "Create of "+ns+"Payment", s.root.kind()+" of "+o.kind())
	same(a, at, "body: id", y.iri, s.root.text("id"))
	if y.content != "" {
		same(a, at, "body: SHA-256 of its content", y.content, s.content)
	}
	of := y.at()
	of.Why = "notice " + at.Key
	same(a, of, "amount", amount(o.get(ns+"amount")), y.amount)
	same(a, of, "currency, at scale", fmt.Sprint(o.text(ns+"assetCode"), " ", o.get(ns+"assetScale")), y.currency+" 6")
	same(a, of, "method", o.text(ns+"method"), y.method)
	same(a, of, "reference", o.text(ns+"reference"), y.reference)
	same(a, of, "paid_at", toSecond(o.text(ns+"paidAt")), y.paidAt())
	same(a, of, "was told", true, y.state != "ordered" && y.state != "cancelled")
	e.compareAllocations(of, o, y)
}

// paidAt is when the order was given, as it is told: to the second.
func (y *payment) paidAt() string {
	if y.paid == nil {
		return ""
	}
	return y.paid.UTC().Format(time.RFC3339)
}

// toSecond is a time as paidAt spells it.
func toSecond(told string) string {
	at, err := time.Parse(time.RFC3339, told)
	if err != nil {
		return told
	}
	return at.UTC().Format(time.RFC3339)
}

func (e *evidence) compareAllocations(of Finding, o object, y *payment) {
	told, booked := map[string]string{}, map[string]string{}
	for _, row := range o.rows(ns + "allocations") {
		told[stringOf(row["claim"])] = fmt.Sprint(amount(row["amount"]))
	}
	for _, x := range y.allocations {
		booked[e.a.claims[x.claim].iri] = fmt.Sprint(x.amount)
	}
	same(e.a, of, "allocations", listed(told), listed(booked))
}

// paymentAnswer compares what arrived with what the payees' side signed.
func (e *evidence) paymentAnswer(at Finding, s *signed, y *payment) {
	a := e.a
	same(a, at, "body: object", y.iri, s.root.text("object"))
	of := y.at()
	of.Why = "answer " + at.Key
	switch s.root.kind() {
	case "Accept":
		same(a, of, "state", "confirmed", y.state)
		same(a, of, "received", fmt.Sprint(amount(s.root.get(ns+"amount"))), orNone(y.received))
		same(a, of, "currency", s.root.text(ns+"assetCode"), y.currency)
	case "Reject":
		same(a, of, "state", "not_received", y.state)
		if reason := s.root.text(ns + "reason"); y.method != netting || reason != "in-flight" {
			same(a, at, "body: reason", "not-received", reason)
		}
	default:
		same(a, at, "body: type", "Accept or Reject", s.root.kind())
	}
}
