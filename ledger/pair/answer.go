package pair

import (
	"cmp"
	"fmt"
	"slices"
)

// Answer is the payees' home's word on a claim of ours, its proof checked.
type Answer struct {
	Claim    string // IRI
	Accepted bool
	Refusals []Refusal // when not accepted; at least one
}

// TakeAnswer is what a home does with the answer to a claim of its own, whose lines and refusals c carries. The
// first answer stands; a different one freezes the pair. Refused: the refused lines' money goes back, and a
// successor offers the rest under the number next; while we reconcile it waits, since we may have signed one: Release
// offers it if none comes back. The answer itself doesn't wait: we sign nothing by it, and what comes back may need it.
func TakeAnswer(p Peer, c Claim, next func() (n int32, iri string), a Answer) Decision {
	switch {
	case c.Incoming || c.State == Draft || c.State == Replaced:
		return fault("malformed", "no offer of ours: "+a.Claim)
	case c.Answer != "" && !planted("second-answer"):
		return answeredAgain(c, a)
	case a.Accepted:
		c.State, c.Answer = Accepted, Accept
		return Decision{Claims: []Claim{c.settled()}}
	}
	d, f := c.refused(a.Refusals)
	switch {
	case f != nil:
		return Decision{Fault: f}
	case p.waits():
		return d
	}
	return d.succeed(next)
}

// refused gives the refused lines' money back.
func (c Claim) refused(refusals []Refusal) (d Decision, f *Fault) {
	_, back, f := c.without(refusals)
	c.State, c.Answer, c.Refusals = Refused, Reject, refusals
	d = Decision{Claims: []Claim{c}, Post: []Posting{{Kind: c.back(), Key: c.IRI, Amount: back}}}
	if planted("refusal-keeps") {
		d.Post = nil
	}
	return d, f
}

// succeed offers what is left of the refused claim that a decision ends with.
func (d Decision) succeed(next func() (int32, string)) Decision {
	c := &d.Claims[len(d.Claims)-1]
	rest, _, _ := c.without(c.Refusals)
	if len(rest) == 0 {
		return d
	}
	c.State = Superseded
	s := c.successor(rest, next)
	d.Claims, d.Tell = append(d.Claims, s), append(d.Tell, Message{TellClaim, s.IRI})
	return d
}

// back says where the money of refused lines goes: to its givers, or, where the offer came back after a restore
// and the books may know other givers, to recovery.
func (c Claim) back() Movement {
	if c.Adopted && !planted("adopted-to-givers") {
		return Recover
	}
	return GiveBack
}

func answeredAgain(c Claim, a Answer) Decision {
	if (c.Answer == Accept) == a.Accepted && (a.Accepted || sameRefusals(c.Refusals, a.Refusals)) {
		return Decision{}
	}
	d := conflict(fmt.Sprintf("a second answer to %s differs from the first", c.IRI))
	d.Freeze = "two different answers to " + c.IRI
	return d
}

func sameRefusals(a, b []Refusal) bool {
	by := func(x, y Refusal) int { return cmp.Compare(x.Payee, y.Payee) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), by), slices.SortedFunc(slices.Values(b), by))
}

// LineReasons are what a payee's home may refuse a line for (protocol §8).
var LineReasons = map[string]bool{"unknown-payee": true, "not-accepting": true, "blocked": true, "deleted": true}

// without returns the lines that refusals leave, and the sum of the others.
func (c Claim) without(refusals []Refusal) (rest []Line, back int64, f *Fault) {
	refused := map[string]bool{}
	for _, r := range refusals {
		if !LineReasons[r.Reason] {
			return nil, 0, &Fault{"malformed", "no reason to refuse a line: " + r.Reason}
		}
		refused[r.Payee] = true
	}
	for _, line := range c.Lines {
		if refused[line.Payee] {
			back += line.Amount
		} else {
			rest = append(rest, line)
		}
	}
	if len(refusals) == 0 || len(c.Lines)-len(rest) != len(refusals) {
		return nil, 0, &Fault{"malformed", "rejected lines must name payees of the claim, each once"}
	}
	if planted("successor-whole") {
		rest = c.Lines
	}
	return rest, back, nil
}

// successor offers what is left of a refused claim under the next number.
func (c Claim) successor(rest []Line, next func() (int32, string)) Claim {
	s := Claim{Period: c.Period, State: Offered, Lines: rest, Supersedes: c.IRI, Adopted: c.Adopted}
	s.N, s.IRI = next()
	for _, line := range rest {
		s.Amount += line.Amount
	}
	return s
}
