package pair

import "slices"

// After a restored backup a side has lost what it had signed, which binds it all the same. Whoever kept it
// returns it, with the answer to it, and the side adopts it as it is, instead of judging, settling or paying anew
// (protocol §9). Both documents are proven: what isn't one's own is only taken with one's own answer to it.

// AdoptOffer takes an offer of ours back that the peer returned, with its answer if there is one. k is what is
// on record of it.
func AdoptOffer(p Peer, k Known, o Offer, a *Answer, next func() (int32, string)) Decision {
	var d Decision
	c := k.Claim
	switch {
	case c != nil && c.Content != o.Content:
		return contradicted("we have signed two contents of " + o.IRI)
	case c == nil:
		if d = adoptedOffer(p, k.Superseded, o); d.Fault != nil || d.Freeze != "" {
			return d
		}
		c = &d.Claims[len(d.Claims)-1]
		p.Held = true // it is proof of a loss, and a successor may be lost as well
	}
	if a == nil {
		return d
	}
	return d.then(TakeAnswer(p, *c, next, *a))
}

// adoptedOffer is a lost offer of ours as it stands again. What it owes comes from recovery, because the givers'
// month may be settled otherwise by now; a successor takes over what is left of the claim that it replaces. If both
// sides have lost that one, nobody can say any more what was refused of it, and people must.
func adoptedOffer(p Peer, old *Claim, o Offer) Decision {
	if f := o.fault(); f != nil {
		return Decision{Fault: f}
	}
	c := Claim{IRI: o.IRI, Period: o.Period, N: o.N, Amount: o.Amount, Digest: o.Digest, Content: o.Content,
		State: Offered, Lines: o.Lines, Supersedes: o.Supersedes, Adopted: true}
	if o.Supersedes == "" {
		d := Decision{Restored: true, Claims: []Claim{c}, Post: []Posting{{Kind: Adopt, Key: c.IRI, Amount: c.Amount}}}
		if planted("adoption-unbooked") {
			d.Post = nil
		}
		return d
	}
	switch {
	case (old == nil || old.Answer != Reject) && p.Stuck:
		return contradicted(o.IRI + " came back, and nobody has the claim that it replaces, with its refusal")
	case old == nil || old.Answer != Reject:
		return fault(Reconciling, "its predecessor and the refusal come first")
	case old.State == Superseded:
		return contradicted("we have signed two successors of " + old.IRI)
	}
	before := *old
	rest, _, f := before.without(before.Refusals)
	if f != nil || sum(rest) != c.Amount {
		return fault("total-mismatch", "a successor is what its predecessor's refusal has left")
	}
	before.State, c.Adopted = Superseded, before.Adopted
	return Decision{Restored: true, Claims: []Claim{before, c}}
}

func sum(lines []Line) (amount int64) {
	for _, l := range lines {
		amount += l.Amount
	}
	return amount
}

// AdoptAnswer takes our own answer to an offer of the peer's back, with the offer: it stands, whatever we would
// answer now.
func AdoptAnswer(k Known, o Offer, ours Answer) Decision {
	if c := k.Claim; c != nil && c.Content != "" {
		if d := offeredAgain(*c, o); d.Conflict != "" {
			return d
		}
		return answeredAgain(*c, ours)
	}
	if f := o.fault(); f != nil {
		return Decision{Fault: f}
	}
	c := Claim{IRI: o.IRI, Incoming: true, Period: o.Period, N: o.N, Amount: o.Amount, Digest: o.Digest,
		Content: o.Content, State: Accepted, Answer: Accept, Lines: o.Lines, Supersedes: o.Supersedes, Adopted: true}
	d, ok := supersede(k.Superseded, o)
	if !ok {
		return d
	}
	d.Restored = true
	if !ours.Accepted {
		c.State, c.Answer, c.Refusals = Refused, Reject, ours.Refusals
	} else {
		d.Post = []Posting{{Kind: Announce, Key: c.IRI, Amount: c.Amount}}
	}
	if k.Claim != nil { // a tombstone: its successor is here, so we have refused it
		if ours.Accepted {
			return contradicted(o.IRI + " was accepted, and so was its successor")
		}
		c.Row, c.State = k.Claim.Row, Superseded
	}
	d.Claims = append(d.Claims, c.settled())
	return d
}

// then joins what follows to what is decided already; claims that stand otherwise afterwards are named again.
func (d Decision) then(next Decision) Decision {
	next.Restored = next.Restored || d.Restored
	next.Post = append(d.Post, next.Post...)
	next.Tell = append(d.Tell, next.Tell...)
	before := slices.DeleteFunc(slices.Clone(d.Claims), func(c Claim) bool { return names(next.Claims, c.IRI) })
	next.Claims = append(before, next.Claims...)
	return next
}

func names(claims []Claim, iri string) bool {
	for _, c := range claims {
		if c.IRI == iri {
			return true
		}
	}
	return false
}
