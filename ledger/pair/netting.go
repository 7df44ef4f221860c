package pair

// Net proposes that claims of both sides pay each other, as far as they go: oldest first, each amount once. Only
// the host that sorts lower proposes, so that two proposals don't cross. nil: there is nothing to net.
func Net(p Peer, me string, ours, theirs []Claim, y Payment) (d Decision) {
	if p.waits() || p.Frozen != "" || me >= p.Host {
		return d
	}
	ours, theirs = ours[:min(len(ours), maxAllocations/2)], theirs[:min(len(theirs), maxAllocations/2)]
	y.Amount = min(open(ours), open(theirs))
	if y.Amount == 0 {
		return d
	}
	y.Method, y.State = Netting, Sent
	y.Allocations = append(allocate(ours, y.Amount), allocate(theirs, y.Amount)...)
	d = Decision{Payments: []Payment{y}, Post: []Posting{{Kind: NetHold, Key: y.IRI, Amount: y.Amount}},
		Tell: []Message{{TellPayment, y.IRI}}}
	if planted("netting-one-sided") {
		d.Post = append(d.Post, Posting{Kind: Settle, Key: y.IRI, Amount: y.Amount})
	}
	return d
}

func open(claims []Claim) (sum int64) {
	for _, c := range claims {
		sum += c.Open()
	}
	return sum
}

// takeNetting answers a proposal: it is booked if all that it names is open on both sides, and refused if
// something is in an unanswered payment. One of the host that sorts higher is none: it would cross ours.
func takeNetting(p Peer, me string, claims Claims, n Payment) Decision {
	if p.Host >= me {
		return fault("malformed", "the host that sorts lower proposes nettings")
	}
	flight := false
	for _, incoming := range []bool{true, false} {
		held, f := n.fits(claims, incoming)
		if f != nil && !held {
			return Decision{Fault: f}
		}
		flight = flight || held
	}
	tell := []Message{{TellPaymentAnswer, n.IRI}}
	if flight && !planted("netting-in-flight") {
		n.State = NotReceived
		return Decision{Payments: []Payment{n}, Tell: tell}
	}
	d := n.confirm(claims, n.Amount)
	d.Post = append([]Posting{{Kind: NetOut, Key: n.IRI, Amount: n.Amount}}, d.Post...)
	d.Tell = tell
	return d
}
