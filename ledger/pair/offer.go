package pair

import (
	"fmt"
	"strconv"
	"strings"
)

// Offer is a claim as it came from the peer, its proof checked.
type Offer struct {
	IRI        string
	Period     string
	N          int32
	Amount     int64
	LineCount  int
	Digest     string // as offered
	Content    string // of the document without its proof: what "the same" means
	Supersedes string
	Lines      []Line
	LineDigest string // of the lines that came
}

// Terms are what the payees' home holds an offer to.
type Terms struct {
	Open  string // the month that is open here; claims are for months before it
	Since string // the first month of this instance
	Room  int64  // what the peer may still come to owe, in micro-units
}

// Known is what is on record of an offer: the claim of its id, the one that it supersedes; nil for none.
type Known struct{ Claim, Superseded *Claim }

// TakeOffer is what the payees' home does with a peer's claim. judge tells which of the lines it refuses; it is
// asked only for a claim that is new.
func TakeOffer(p Peer, t Terms, k Known, o Offer, judge func([]Line) []Refusal) Decision {
	if k.Claim != nil && !planted("answer-anew") {
		return offeredAgain(*k.Claim, o)
	}
	if d := Plausible(p, t, o); d.Fault != nil {
		return d
	}
	if f := o.fault(); f != nil {
		return Decision{Fault: f}
	}
	d, ok := supersede(k.Superseded, o)
	if !ok {
		return d
	}
	c := Claim{IRI: o.IRI, Incoming: true, Period: o.Period, N: o.N, Amount: o.Amount, Digest: o.Digest,
		Content: o.Content, State: Accepted, Answer: Accept, Lines: o.Lines, Supersedes: o.Supersedes}
	if c.Refusals = judge(o.Lines); len(c.Refusals) > 0 && !planted("strangers-payees") {
		c.State, c.Answer = Refused, Reject
	} else {
		d.Post = append(d.Post, Posting{Kind: Announce, Key: c.IRI, Amount: c.Amount})
	}
	d.Claims = append(d.Claims, c.settled())
	d.Tell = append(d.Tell, Message{TellClaimAnswer, c.IRI})
	return d
}

// settled confirms an accepted claim once all of it but a fraction of a cent is paid.
func (c Claim) settled() Claim {
	if c.State == Accepted && c.Amount-c.Paid < cent {
		c.State = Confirmed
	}
	return c
}

// offeredAgain: the same content gets its answer again; a claim that was superseded before it was seen is
// acknowledged without effect; other content under the same id freezes the peer, and the first stands.
func offeredAgain(known Claim, o Offer) Decision {
	switch {
	case known.Content == "":
		return Decision{}
	case known.Content != o.Content && !planted("content-unseen"):
		d := conflict(fmt.Sprintf("%s is known with other content: %s", o.IRI, known.Digest))
		d.Freeze = "same id, other content: " + o.IRI
		return d
	}
	d := Decision{Tell: []Message{{TellClaimAnswer, o.IRI}}}
	if planted("book-twice") && known.Answer == Accept {
		d.Post = []Posting{{Kind: Announce, Key: o.IRI, Amount: o.Amount}}
	}
	return d
}

// Plausible holds a new claim to what this peer can owe for a month that this instance has had.
func Plausible(p Peer, t Terms, o Offer) Decision {
	switch {
	case p.waits():
		return waiting()
	case p.Frozen != "":
		return fault("frozen", p.Frozen)
	case o.Period >= t.Open:
		return fault("period-not-closed", o.Period+" isn't over here")
	case o.Period < t.Since:
		return fault("period-unknown", o.Period+" was before this instance")
	case o.Amount > t.Room:
		return fault("over-limit", "more than this instance takes from you before operators have compared keys")
	}
	return Decision{}
}

// fault holds the lines to the offer: number, order, total, digest.
func (o Offer) fault() *Fault {
	sum := int64(0)
	for i, line := range o.Lines {
		switch {
		case line.Amount <= 0 || line.Amount > maxAmount-sum:
			return &Fault{"total-mismatch", "a line's amount is out of range"}
		case i > 0 && line.Payee == o.Lines[i-1].Payee:
			return &Fault{"malformed", "payee twice: " + line.Payee}
		case i > 0 && line.Payee < o.Lines[i-1].Payee: // the digest is of the order, which isn't stored
			return &Fault{"malformed", "lines aren't sorted by payee"}
		}
		sum += line.Amount
	}
	switch {
	case o.LineCount != len(o.Lines):
		return &Fault{"malformed", fmt.Sprintf("%d lines of %d", len(o.Lines), o.LineCount)}
	case sum != o.Amount && !planted("total-ignored"):
		return &Fault{"total-mismatch", fmt.Sprintf("lines add up to %d", sum)}
	case o.LineDigest != o.Digest && !planted("digest-ignored"):
		return &Fault{"digest-mismatch", "lines have " + o.LineDigest}
	}
	return nil
}

const maxAmount = 999_999_999_999_999_999 // protocol §8: at most 18 digits

// supersede puts a tombstone on the refused claim that o replaces, even if it was never seen. An accepted claim
// can't be superseded: its answer is told again. Not ok: the offer isn't taken.
func supersede(old *Claim, o Offer) (d Decision, ok bool) {
	switch {
	case o.Supersedes == "":
		return d, true
	case old == nil:
		n, ok := o.supersededN()
		if !ok {
			return fault("malformed", "supersedes names no earlier claim"), false
		}
		if !planted("tombstone-forgotten") {
			d.Claims = []Claim{{IRI: o.Supersedes, Incoming: true, Period: o.Period, N: n, State: Superseded}}
		}
		return d, true
	case !old.Incoming || old.Period != o.Period:
		return fault("malformed", "supersedes another key's claim"), false
	case old.Binding() && !planted("accepted-superseded"):
		d = conflict(old.IRI + " was accepted")
		d.Tell = []Message{{TellClaimAnswer, old.IRI}}
		return d, false
	}
	dead := *old
	dead.State = Superseded
	d.Claims = []Claim{dead}
	return d, true
}

// supersededN takes the number of the claim that this one replaces from its id, which must be of the same key:
// else one peer could bury what another is yet to send.
func (o Offer) supersededN() (int32, bool) {
	key, number := cutLast(o.Supersedes)
	own, _ := cutLast(o.IRI)
	n, err := strconv.ParseInt(number, 10, 32)
	return int32(n), err == nil && n >= 1 && int32(n) < o.N && key == own
}

// cutLast cuts an id at its last slash.
func cutLast(iri string) (before, after string) {
	at := strings.LastIndexByte(iri, '/')
	return iri[:at+1], iri[at+1:]
}
