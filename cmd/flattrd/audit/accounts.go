package audit

import (
	"context"
	"fmt"
)

// account is a row of account, and what its transfers add up to.
type account struct {
	id, owner              int64
	kind, currency, normal string
	has, sum               totals
}

// totals are an account's four, in micro-units.
type totals struct{ debits, credits, debitsPending, creditsPending int64 }

// normals are the sides on which accounts of each kind stand, and whether a member, a peer or the instance owns
// them.
var normals = map[string][2]string{
	"bank": {"D", "instance"}, "receivable": {"D", "peer"}, "suspense": {"B", "instance"}, "clearing": {"C", "instance"},
	"means": {"C", "member"}, "earned": {"C", "member"}, "announced": {"C", "member"},
	"payable": {"C", "peer"}, "peer_credit": {"C", "peer"}, "recovery": {"B", "peer"},
	"advance": {"D", "peer"}, "loss": {"D", "instance"}, "cause": {"C", "instance"}, "fee": {"C", "instance"},
}

func (c *account) at() Finding {
	return Finding{Table: "account", Key: fmt.Sprint(c.id), Why: fmt.Sprintf("%s of %d", c.kind, c.owner)}
}

// posted is what an account holds in its normal direction, and what of that is reserved to leave.
func (c *account) posted() (posted, pending int64) {
	if c.normal == "D" {
		return c.has.debits - c.has.credits, c.has.creditsPending
	}
	return c.has.credits - c.has.debits, c.has.debitsPending
}

func (a *auditor) readAccounts(ctx context.Context) error {
	a.accounts = map[int64]*account{}
	all := open(ctx, a, "account", `
		select id, kind, owner, currency, normal, debits_posted, credits_posted, debits_pending, credits_pending from account order by id`,
		func(c *account) []any {
			return []any{&c.id, &c.kind, &c.owner, &c.currency, &c.normal,
				&c.has.debits, &c.has.credits, &c.has.debitsPending, &c.has.creditsPending}
		})
	return all.each(func(c account) {
		a.accounts[c.id] = &c
		same(a, c.at(), "currency", a.inst.currency, c.currency)
		same(a, c.at(), "normal", normals[c.kind][0], c.normal)
		a.checkOwner(&c)
	})
}

func (a *auditor) checkOwner(c *account) {
	owned := c.owner == 0
	switch normals[c.kind][1] {
	case "member":
		_, owned = a.members[c.owner]
	case "peer":
		owned = a.peers[c.owner] != nil
	}
	same(a, c.at(), "owner exists", true, owned)
}

// checkAccounts compares every account with its transfers, its sign rule, and all with each other.
func (a *auditor) checkAccounts() {
	zero, kinds := int64(0), map[string]*Balance{}
	for _, c := range a.accounts {
		at := c.at()
		at.Why += ", by its transfers"
		same(a, at, "debits_posted", c.sum.debits, c.has.debits)
		same(a, at, "credits_posted", c.sum.credits, c.has.credits)
		same(a, at, "debits_pending", c.sum.debitsPending, c.has.debitsPending)
		same(a, at, "credits_pending", c.sum.creditsPending, c.has.creditsPending)
		posted, pending := c.posted()
		same(a, at, "is overdrawn", false, c.normal != "B" && posted < pending)
		zero += c.has.debits - c.has.credits
		if c.kind == "clearing" {
			same(a, at, "balance between months", 0, posted)
		}
		b := kinds[c.kind]
		if b == nil {
			b = &Balance{Kind: c.kind}
			kinds[c.kind] = b
		}
		b.Accounts, b.Posted, b.Pending = b.Accounts+1, b.Posted+posted, b.Pending+pending
	}
	same(a, Finding{Table: "account", Why: "all accounts of the currency together"}, "debits less credits", 0, zero)
	for _, kind := range []string{"bank", "receivable", "means", "announced", "earned", "payable", "peer_credit", "recovery", "clearing", "suspense",
		"advance", "cause", "fee", "loss"} {
		if kinds[kind] != nil {
			a.report.Balances = append(a.report.Balances, *kinds[kind])
		}
	}
	a.verified("accounts: sums of their transfers, sign rules, zero in all", int64(len(a.accounts)))
}

// checkOwedPeers: what accounts say is owed between us and each peer is what the open claims say (protocol §10.4).
func (a *auditor) checkOwedPeers() {
	type pair struct{ out, in, advanced int64 }
	claims, books := map[int64]pair{}, map[int64]pair{}
	for _, c := range a.claims {
		p := claims[c.peer]
		switch {
		case c.direction == "out" && (c.state == "draft" || c.state == "offered" || c.live()):
			p.out += c.amount - c.paid
		case c.direction == "out" && c.state == "refused":
			p.out += c.waiting
		case c.direction == "in" && c.live():
			p.in += c.amount - c.paid
		}
		claims[c.peer] = p
	}
	for _, c := range a.accounts {
		p := books[c.owner]
		switch posted, _ := c.posted(); c.kind {
		case "payable":
			p.out += posted
		case "receivable":
			p.in += posted
		case "advance":
			p.advanced += posted
		default:
			continue
		}
		books[c.owner] = p
	}
	for id, peer := range a.peers {
		at := Finding{Table: "peer", Key: fmt.Sprint(id), Why: peer.host + ": open claims against accounts"}
		same(a, at, "owed to it", claims[id].out, books[id].out)
		same(a, at, "owed by it and not written off", claims[id].in-a.written[id], books[id].in)
		same(a, at, "advanced of that", a.advanced[id], books[id].advanced)
	}
}
