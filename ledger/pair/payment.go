package pair

import (
	"fmt"
	"slices"
)

// cent is the smallest amount that a bank moves, in micro-units.
const cent = 10_000

// Claims finds claims by their ids; nil for one that isn't on record with this peer. What they say of Allocated
// and Paid is read once for a decision.
type Claims func(iri string) *Claim

// maxAllocations is how many claims a payment pays: its notice stays a small body (protocol §11). What is open of more
// is paid by the next.
const maxAllocations = 50

// Allocate divides what is open of claims, which are oldest first, into a payment of whole cents. The fraction
// of a cent that is left stays with the newest and is paid another month.
func Allocate(claims []Claim) (allocations []Allocation, amount int64) {
	claims = claims[:min(len(claims), maxAllocations)]
	for _, c := range claims {
		amount += c.Open()
	}
	amount -= amount % cent
	return allocate(claims, amount), amount
}

// allocate gives claims an amount, oldest first.
func allocate(claims []Claim, amount int64) (allocations []Allocation) {
	for _, c := range claims {
		if part := min(amount, c.Open()); part > 0 {
			allocations = append(allocations, Allocation{Claim: c.IRI, Incoming: c.Incoming, Amount: part})
			amount -= part
		}
	}
	return allocations
}

// Order prepares a payment by bank of what is open of the claims that the peer has accepted, oldest first: the
// money is reserved and the reference stands before any order is placed.
func Order(p Peer, claims []Claim, y Payment) Decision {
	switch {
	case p.waits():
		return waiting()
	case p.Frozen != "":
		return fault("frozen", p.Frozen)
	}
	y.Allocations, y.Amount = Allocate(claims)
	y.State = Ordered
	d := Decision{Payments: []Payment{y}, Post: []Posting{{Kind: Reserve, Key: y.IRI, Amount: y.Amount}}}
	if planted("allocation-unreserved") {
		d.Post = nil
	}
	return d
}

// Send tells the peer of an order that is placed.
func Send(p Peer, y Payment) Decision {
	if p.waits() {
		return waiting()
	}
	switch y.State {
	case Ordered:
	case Cancelled:
		return conflict("the payment was cancelled")
	default:
		return Decision{}
	}
	y.State = Sent
	return Decision{Payments: []Payment{y}, Tell: []Message{{TellPayment, y.IRI}}}
}

// Cancel gives an order back that was never placed; the bank's journal says so. It doesn't wait for statements: no
// word goes to the peer, and after a restore an order that was given up since then holds what a later payment, which
// the peer returns, was to pay.
func Cancel(y Payment) Decision {
	switch y.State {
	case Ordered:
	case Cancelled:
		return Decision{}
	default:
		return conflict("the payment is " + y.State)
	}
	y.State = Cancelled
	return Decision{Payments: []Payment{y}, Post: []Posting{{Kind: Void, Key: y.IRI, Amount: y.Amount}}}
}

// TakeNotice is what the payees' home does with a peer's word that it sent money. Its allocations must name
// binding claims of this peer, within what is open, and add up. me is our own host.
func TakeNotice(p Peer, me string, known *Payment, claims Claims, n Payment) Decision {
	if known != nil {
		return noticedAgain(*known, n)
	}
	if p.waits() {
		return waiting()
	}
	if p.Frozen != "" {
		return fault("frozen", p.Frozen)
	}
	if n.Method == Netting {
		return takeNetting(p, me, claims, n)
	}
	if _, f := n.fits(claims, true); f != nil {
		return Decision{Fault: f}
	}
	n.State = Announced
	return Decision{Payments: []Payment{n}}
}

func noticedAgain(known, n Payment) Decision {
	switch {
	case known.Content != n.Content:
		d := conflict(n.IRI + " is known with other content")
		d.Freeze = "same id, other content: " + n.IRI
		return d
	case known.Answered():
		return Decision{Tell: []Message{{TellPaymentAnswer, n.IRI}}}
	}
	return Decision{}
}

// fits holds allocations to the claims that they name: those of the incoming side are what the payer pays.
// inFlight: a claim has less open than it is to be paid, because another payment holds it.
func (y Payment) fits(claims Claims, incoming bool) (inFlight bool, f *Fault) {
	if f := y.names(claims, incoming); f != nil {
		return false, f
	}
	f = y.room(claims, incoming, y.Amount)
	return f != nil, f
}

// names holds allocations to binding claims of one side, each named once, and their sum to the amount.
func (y Payment) names(claims Claims, incoming bool) *Fault {
	left, seen := y.Amount, map[string]bool{}
	for _, a := range y.Allocations {
		if a.Incoming != incoming && y.Method == Netting {
			continue
		}
		if a.Amount <= 0 || a.Amount > left {
			return &Fault{"total-mismatch", "allocations don't add up to the amount"}
		}
		left -= a.Amount
		c := claims(a.Claim)
		if c == nil || c.Incoming != incoming || !c.Binding() || seen[a.Claim] {
			return &Fault{"unknown-claim", a.Claim}
		}
		seen[a.Claim] = true
	}
	if left != 0 {
		return &Fault{"total-mismatch", "allocations don't add up to the amount"}
	}
	return nil
}

// room tells whether the claims that names has found have as much open as the payment takes of them once so much
// has arrived.
func (y Payment) room(claims Claims, incoming bool, received int64) *Fault {
	for _, a := range y.spread(received) {
		if (a.Incoming == incoming || y.Method != Netting) && a.Confirmed > claims(a.Claim).Open() && !planted("overpaid") {
			return &Fault{"total-mismatch", "more than is open of " + a.Claim}
		}
	}
	return nil
}

// spread uses up what arrived over the allocations, oldest claim first, the same on both sides.
func (y Payment) spread(received int64) []Allocation {
	all, left := slices.Clone(y.Allocations), map[bool]int64{true: received, false: received}
	for i := range all {
		a := &all[i]
		a.Confirmed = min(left[a.Incoming], a.Amount)
		left[a.Incoming] -= a.Confirmed
	}
	return all
}

// Receive records what of an announced payment is on the payees' home's account: it becomes available, what is
// short stays owed, an excess is the peer's credit.
func Receive(p Peer, y Payment, claims Claims, received int64) Decision {
	if p.waits() {
		return waiting()
	}
	switch {
	case y.State == Paid && y.Received == received:
		return Decision{}
	case y.State != Announced:
		return conflict("the payment is " + y.State)
	}
	d := y.confirm(claims, received)
	d.Post = append([]Posting{{Kind: Arrive, Key: y.IRI, Amount: received}}, d.Post...)
	d.Tell = []Message{{TellPaymentAnswer, y.IRI}}
	return d
}

// Miss records that nothing arrived: everything that the payment was to pay is owed again.
func Miss(p Peer, y Payment) Decision {
	if p.waits() {
		return waiting()
	}
	switch y.State {
	case Announced:
	case NotReceived:
		return Decision{}
	default:
		return conflict("the payment is " + y.State)
	}
	y.State = NotReceived
	return Decision{Payments: []Payment{y}, Tell: []Message{{TellPaymentAnswer, y.IRI}}}
}

// TakeReceipt is what the payer does with the payees' home's answer: what arrived, 0 for nothing. The first
// stands; another freezes the pair. It doesn't wait for statements: we sign nothing by it, and a payment that comes
// back may pay what this one leaves open.
func TakeReceipt(y Payment, claims Claims, received int64) Decision {
	switch {
	case y.State == Paid && y.Received == received, y.State == NotReceived && received == 0:
		return Decision{}
	case y.State != Sent:
		d := conflict(fmt.Sprintf("payment %s is %s", y.IRI, y.State))
		d.Freeze = "two different answers to " + y.IRI
		return d
	case received == 0:
		y.State = NotReceived
		d := Decision{Payments: []Payment{y}, Post: []Posting{{Kind: Void, Key: y.IRI, Amount: y.Amount}}}
		if planted("missed-kept") {
			d.Post = nil
		}
		return d
	case y.Method == Netting && received != y.Amount:
		return fault("malformed", "a netting is accepted as a whole")
	case planted("short-forgiven"):
		received = y.Amount
	}
	d := y.confirm(claims, received)
	d.Post = append([]Posting{{Kind: Settle, Key: y.IRI, Amount: min(received, y.Amount)}}, d.Post...)
	return d
}

// confirm lets what arrived pay the claims, and what was paid of the peer's claims become available.
func (y Payment) confirm(claims Claims, received int64) (d Decision) {
	y.State, y.Received, y.Allocations = Paid, received, y.spread(received)
	for _, a := range y.Allocations {
		c := claims(a.Claim)
		if c == nil || a.Confirmed == 0 {
			continue
		}
		if c.Incoming {
			d.Post = append(d.Post, Posting{Kind: Available, Key: c.IRI, Amount: a.Confirmed})
		}
		paid := *c
		paid.Paid += a.Confirmed
		d.Claims = append(d.Claims, paid.settled())
	}
	d.Payments = []Payment{y}
	return d
}
