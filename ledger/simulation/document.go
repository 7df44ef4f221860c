package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// document is something signed. It is never changed, and nobody but its author makes one: that is what a
// signature is here.
type document struct {
	kind       kind
	author, to int
	id         string // of an answer: of what it answers
	offer      *pair.Offer
	answer     pair.Answer
	payment    *pair.Payment // allocations as the author sees them
	received   int64
	of         string // of an answer: the content that it answers
	statement  *pair.Statement
}

type kind uint8

const (
	claimDocument kind = iota
	claimAnswer
	paymentNotice
	paymentAnswer
	statement
	returned // an envelope: a document with its answer, each with its own author
)

func (k kind) String() string {
	return [...]string{"claim", "answer to claim", "payment", "answer to payment", "statement", "return"}[k]
}

// content is the hash of what a document says; "" of an answer.
func (d *document) content() string {
	switch {
	case d.offer != nil:
		return d.offer.Content
	case d.payment != nil:
		return d.payment.Content
	}
	return ""
}

// key is where a document is kept.
func (d *document) key() string {
	if d.kind == claimAnswer || d.kind == paymentAnswer {
		return d.id + "#answer"
	}
	return d.id
}

const names = "abcde"

func hostName(no int) string { return names[no:no+1] + ".example" }

// authorOf is who made an id.
func authorOf(iri string) int { return strings.IndexByte(names, iri[0]) }

func claimIRI(author, to int, period string, n int32) string {
	return hostName(author) + "/claims/" + period + "/" + hostName(to) + "/" + strconv.Itoa(int(n))
}

var periods = func() (all []string) {
	for m := range 24 {
		all = append(all, fmt.Sprintf("%04d-%02d", 2026+m/12, 1+m%12))
	}
	return all
}()

func periodOf(at int64) string { return periods[at/month] }

// byKey sorts claims oldest first.
func byKey(a, b pair.Claim) int {
	return cmp.Or(cmp.Compare(a.Period, b.Period), cmp.Compare(a.N, b.N), cmp.Compare(a.IRI, b.IRI))
}

func digest(lines []pair.Line) string {
	h := uint64(fnvOffset)
	for _, l := range lines {
		h = hashNumber(hash(h, l.Payee), l.Amount)
	}
	return strconv.FormatUint(h, 36)
}

// newOffer signs what a claim says.
func newOffer(author, to int, c pair.Claim) *document {
	d := digest(c.Lines)
	return sealOffer(author, to, pair.Offer{IRI: c.IRI, Period: c.Period, N: c.N, Amount: c.Amount,
		LineCount: len(c.Lines), Digest: d, Supersedes: c.Supersedes, Lines: c.Lines})
}

// sealOffer computes what a reader computes of an offer: its content's hash, and the digest of its lines.
func sealOffer(author, to int, o pair.Offer) *document {
	o.LineDigest = digest(o.Lines)
	h := hash(fnvOffset, o.IRI, o.Period, o.Digest, o.Supersedes)
	h = hashNumber(hashNumber(hashNumber(h, o.Amount), int64(o.LineCount)), int64(o.N))
	o.Content = strconv.FormatUint(h, 36)
	return &document{kind: claimDocument, author: author, to: to, id: o.IRI, offer: &o}
}

// sealPayment is the same for a payment or netting.
func sealPayment(author, to int, y pair.Payment, paidAt int64) *document {
	h := hashNumber(hash(fnvOffset, y.IRI, y.Method, y.Reference), y.Amount)
	for _, a := range y.Allocations {
		h = hashNumber(hash(h, a.Claim), a.Amount)
	}
	y.Content = strconv.FormatUint(hashNumber(h, paidAt), 36)
	return &document{kind: paymentNotice, author: author, to: to, id: y.IRI, payment: &y}
}

// readBy is a payment as one of both sides sees it who has no record of it.
func (d *document) readBy(me int) pair.Payment {
	y := *d.payment
	y.Incoming, y.Row, y.State, y.Received = d.author != me, 0, "", 0
	y.Allocations = slices.Clone(y.Allocations)
	for i := range y.Allocations {
		a := &y.Allocations[i]
		a.Incoming, a.Confirmed = authorOf(a.Claim) != me, 0
	}
	return y
}

// answerDigest is what a statement tells of an answer.
func answerDigest(c pair.Claim) string {
	if c.Answer != pair.Reject {
		return c.Answer
	}
	refusals := slices.SortedFunc(slices.Values(c.Refusals), func(a, b pair.Refusal) int { return cmp.Compare(a.Payee, b.Payee) })
	h := uint64(fnvOffset)
	for _, r := range refusals {
		h = hash(h, r.Payee, r.Reason)
	}
	return "reject " + strconv.FormatUint(h, 36)
}
