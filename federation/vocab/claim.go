package vocab

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-fed/activity/streams"
)

// A Claim is a home's offer to pay the members of one instance for one month
// (protocol §8). It is valid only with a proof by the home's accounting key, which is
// laid over the rendered bytes and checked on the received Document.
type Claim struct {
	ID        string // ends in …/{month}/{host}/{currency}/{n}
	Actor     string // instance actor of the home
	To        string // instance actor of the payees' side
	Published time.Time
	Agreement        // Amount and Digest are those of all lines
	Lines     []Line // all of them, in canonical order, or none if they stand on pages

	// LineCount is how many lines there are in all. If it is more than len(Lines), they are read from
	// LinesID(ID), page by page.
	LineCount int64

	// Supersedes names the refused claim that this one replaces, "" if there is
	// none; Refusal is then the signed Reject itself, whose proof is still to be
	// checked by whoever relies on it.
	Supersedes string
	Refusal    Document
}

// Completed fills an offer in from its lines: canonical order, total and digest.
// Bad lines are a *Fault.
func (c Claim) Completed() (Claim, error) {
	SortLines(c.Lines)
	var err error
	if c.Amount, err = SumLines(c.Lines); err != nil {
		return c, at("/object/fl:lines", err)
	}
	c.LineCount = int64(len(c.Lines))
	c.Digest, err = LinesDigest(c.Lines)
	return c, at("/object/fl:lines", err)
}

// Paged tells whether the lines are to be read from pages.
func (c Claim) Paged() bool { return len(c.Lines) == 0 && c.LineCount > 0 }

// RenderClaim writes the offer, without proof. What isn't coherent (total, digest,
// order, a successor without its refusal) is refused like on receipt.
func RenderClaim(c Claim) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	agreement, err := c.Agreement.members()
	if err != nil {
		return nil, at("/object", err)
	}
	lines, err := canonicalLines(c.Lines)
	if err != nil {
		return nil, at("/object/fl:lines", err)
	}
	agreement["fl:lines"], agreement["fl:lineCount"] = lines, len(lines)
	if c.Paged() {
		agreement["fl:lines"], agreement["fl:lineCount"] = LinesID(c.ID), c.LineCount
	}
	agreement["fl:supersedes"] = nil
	if c.Supersedes != "" {
		agreement["fl:supersedes"] = c.Supersedes
		agreement["fl:refusal"] = json.RawMessage(c.Refusal.Raw())
	}
	offer := streams.NewActivityStreamsOffer()
	return compose(offer, c.ID).by(offer, c.Actor).addressed([]string{c.To}, nil).
		published(c.Published).set("object", agreement).render(moneyContext)
}

// ParseClaim reads an Offer of an Agreement and checks it against itself: order and
// number of lines, total, digest, and that a successor embeds the refusal of exactly
// the claim it names. Errors are *Fault; those with a claim code are faults of the
// claim as a whole. Proof, period, payees and currency are the receiver's to check.
func ParseClaim(d Document) (Claim, error) {
	r := read(d, "Offer")
	claim := Claim{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		To:        r.ref("to"),
		Published: r.published(),
	}
	inner := readAs(r.embedded("object"), AgreementType)
	claim.Agreement = inner.agreement()
	claim.Supersedes = inner.optRef(TermSupersedes)
	claim.Refusal = inner.literal(TermRefusal)
	claim.LineCount = inner.count(TermLineCount, MaxLines)
	if !inner.linesOnPages(claim.ID) {
		claim.Lines = inner.lines()
	}
	r.keep(inner.err)
	if n := int64(len(claim.Lines)); r.err == nil && n > 0 && claim.LineCount != n {
		inner.fail(CodeCount, TermLineCount, fmt.Sprintf("%d: the number of lines", n))
		r.keep(inner.err)
	}
	if r.err == nil {
		r.keep(claim.check())
	}
	return claim, r.err
}

// linesOnPages tells whether the lines are named by their address, which follows from the claim's.
func (r *reader) linesOnPages(claim string) bool {
	value, path, err := r.doc.lookup(TermLines)
	address, named := value.(string)
	if err != nil || !named {
		return false
	}
	if address != LinesID(claim) {
		r.keep(&Fault{Code: CodeValue, Path: path, Rule: "the claim's id and /lines"})
	}
	return true
}

func (r *reader) lines() []Line {
	value, path, err := r.doc.lookup(TermLines)
	r.keep(err)
	lines, err := parseLines(value)
	r.keep(at(path, err))
	return lines
}

// literal is an object in a JSON literal: a document of its own, which inherits no
// context. Absent, it is the zero Document.
func (r *reader) literal(name string) Document {
	value, _, err := r.doc.lookup(name)
	r.keep(err)
	if value == nil {
		return Document{}
	}
	members, ok := value.(map[string]any)
	if !ok {
		r.fail(CodeKind, name, "an object")
	}
	return newDocument(members, nil, "")
}

// check is the pair of checks on both sides of the wire.
func (c Claim) check() error {
	if c.Paged() {
		return c.checkSuccessor()
	}
	if len(c.Lines) > MaxInlineLines {
		return &Fault{Code: CodeValue, Path: "/object/fl:lines", Rule: fmt.Sprintf("at most %d lines", MaxInlineLines)}
	}
	total, err := SumLines(c.Lines)
	if err != nil {
		return at("/object/fl:lines", err)
	}
	if total != c.Amount {
		return &Fault{Code: CodeTotal, Path: "/object/stipulates", Rule: "the sum of the lines"}
	}
	sum, err := LinesDigest(c.Lines)
	if err != nil {
		return at("/object/fl:lines", err)
	}
	if sum != c.Digest {
		return &Fault{Code: CodeDigest, Path: "/object/fl:digest", Rule: "the digest of the lines"}
	}
	return c.checkSuccessor()
}

// checkSuccessor holds a successor to the refusal it answers (protocol §8).
func (c Claim) checkSuccessor() error {
	if (c.Supersedes == "") != (c.Refusal.members == nil) {
		return &Fault{Code: CodeSuccessor, Path: "/object/fl:supersedes", Rule: "a refused claim with its Reject"}
	}
	if c.Supersedes == "" {
		return nil
	}
	refusal, err := ParseClaimAnswer(c.Refusal)
	if err != nil {
		return at("/object/fl:refusal", err)
	}
	if refusal.Verdict != Refused || refusal.Object != c.Supersedes || c.Supersedes == c.ID {
		return &Fault{Code: CodeSuccessor, Path: "/object/fl:refusal", Rule: "the Reject of the claim superseded"}
	}
	return nil
}
