package pair

// AdoptPayment takes a payment of ours back that the peer returned, or a netting that we proposed, with the
// peer's answer: what arrived, 0 for nothing; nil for none yet.
func AdoptPayment(p Peer, known *Payment, claims Claims, n Payment, received *int64) Decision {
	var d Decision
	y := n
	switch {
	case known == nil, known.State == Ordered:
		if d = n.resent(p, known, claims, received); d.Fault != nil || d.Freeze != "" {
			return d
		}
		if y = d.Payments[0]; y.Answered() {
			return d
		}
	case known.Content != n.Content:
		return contradicted("we have signed two contents of " + n.IRI)
	default:
		y = *known
	}
	if received == nil {
		return d
	}
	answered := TakeReceipt(y, claims, *received)
	if len(answered.Payments) == 0 {
		answered.Payments = d.Payments
	}
	return d.then(answered)
}

// resent is a lost payment of ours as it stands again: sent, its money reserved. If it is known what arrived, no more
// than that is reserved, because what is short, or all if nothing came, may be paid already by another.
func (y Payment) resent(p Peer, known *Payment, claims Claims, received *int64) Decision {
	y.State = Sent
	if known != nil { // it was ordered, and is reserved
		y.Row = known.Row
		return Decision{Restored: true, Payments: []Payment{y}}
	}
	reserve, takes := Reserve, y.Amount
	if y.Method == Netting {
		reserve = NetHold
	}
	if received != nil {
		takes = min(*received, y.Amount)
	}
	if d := y.again(p, claims, false, takes); d.Fault != nil || d.Freeze != "" {
		return d
	}
	if takes == 0 {
		y.State = NotReceived
		return Decision{Restored: true, Payments: []Payment{y}}
	}
	return Decision{Restored: true, Payments: []Payment{y}, Post: []Posting{{Kind: reserve, Key: y.IRI, Amount: takes}}}
}

// again holds a payment that comes back to the claims that it names, on the payer's side or the payees', and for a
// netting on both. So much of it takes effect. If another payment has taken that meanwhile, it may still turn out that
// it never arrived; but in the end the same debt was paid twice, and operators must talk.
func (y Payment) again(p Peer, claims Claims, incoming bool, takes int64) Decision {
	for _, side := range []bool{incoming, !incoming} {
		if side != incoming && y.Method != Netting {
			continue
		}
		if f := y.names(claims, side); f != nil {
			return fault(Reconciling, "its claims come first: "+f.Detail)
		}
		switch f := y.room(claims, side, takes); {
		case f != nil && !p.Stuck:
			return fault(Reconciling, "what it pays must become open again: "+f.Detail)
		case f != nil:
			return contradicted(y.IRI + " came back, and another pays the same: " + f.Detail)
		}
	}
	return Decision{}
}

// AdoptReceipt takes our own answer to a payment of the peer's back, with the payment.
func AdoptReceipt(p Peer, known *Payment, claims Claims, n Payment, received int64) Decision {
	var d Decision
	switch {
	case known != nil && known.Content != n.Content:
		return noticedAgain(*known, n)
	case known != nil && known.Answered():
		return TakeReceipt(*known, claims, received) // the same, or it freezes
	case known != nil:
		n = *known
	default:
		if d := n.again(p, claims, true, received); d.Fault != nil || d.Freeze != "" {
			return d
		}
	}
	n.State = Announced
	switch {
	case received == 0:
		d = Miss(Peer{}, n)
	case n.Method == Netting:
		d = n.confirm(claims, received)
		d.Post = append([]Posting{{Kind: NetOut, Key: n.IRI, Amount: received}}, d.Post...)
	default:
		d = Receive(Peer{}, n, claims, received)
	}
	d.Restored, d.Tell = true, nil
	return d
}

// Release ends a hold: drafts are offered, or replaced where offers of ours for their month came back, and refused
// claims that were left without a successor get one. settled are all offers of ours for the drafts' months;
// left are the refused ones. next takes the next unused number of a month.
func Release(drafts, settled, left []Claim, next func(period string) (int32, string)) (d Decision) {
	back := map[string]bool{}
	for _, c := range settled {
		back[c.Period] = back[c.Period] || c.Adopted
	}
	for _, c := range drafts {
		if back[c.Period] && !planted("draft-offered") {
			c.State = Replaced
			d.Post = append(d.Post, Posting{Kind: Recover, Row: c.Row, Amount: c.Amount})
		} else {
			c.State = Offered
			c.N, c.IRI = next(c.Period)
			d.Tell = append(d.Tell, Message{TellClaim, c.IRI})
		}
		d.Claims = append(d.Claims, c)
	}
	for _, c := range left {
		d.Claims = append(d.Claims, c)
		d = d.succeed(func() (int32, string) { return next(c.Period) })
	}
	return d
}
