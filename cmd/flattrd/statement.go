package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/ledger"
)

// statement is what a demo month came to; amounts are micro-units of the currency.
type statement struct {
	Month      string        `json:"month"`
	Instances  []string      `json:"instances"`
	Givers     []giverMonth  `json:"givers"`
	Claims     []claimMonth  `json:"claims"`
	Payees     []payeeStands `json:"payees"`
	Invariants string        `json:"invariants"` // "ok", or what is broken
}

type giverMonth struct {
	Giver      string      `json:"giver"`
	Budget     int64       `json:"budget"`
	Shares     []shareLine `json:"shares"`
	RolledOver int64       `json:"rolledOver"`
	Returned   int64       `json:"returned"`
}

type shareLine struct {
	Thing  string `json:"thing"`
	Payee  string `json:"payee"`
	Amount int64  `json:"amount"`
}

type claimMonth struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount int64  `json:"amount"`
	State  string `json:"state"`
}

type payeeStands struct {
	Payee     string `json:"payee"`
	Announced int64  `json:"announced"`
	Available int64  `json:"available"`
	Withdrawn int64  `json:"withdrawn"`
}

// statement reads every instance's books and checks them: each by itself, and all together.
func (d *demo) statement(ctx context.Context) (statement, error) {
	s := statement{Month: d.month}
	for _, i := range d.instances {
		s.Instances = append(s.Instances, i.ledger.Instance().Host)
	}
	for _, c := range cast {
		if err := d.stateOne(ctx, c.name, c.letter, &s); err != nil {
			return s, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for _, i := range d.instances {
		claims, err := i.ledger.Claims(ctx)
		if err != nil {
			return s, err
		}
		for _, c := range claims {
			if c.Direction == "out" && c.Period == d.month {
				s.Claims = append(s.Claims, claimMonth{i.ledger.Instance().Host, c.Host, c.Amount, c.State})
			}
		}
	}
	broken, err := d.broken(ctx, s)
	s.Invariants = "ok"
	if len(broken) > 0 {
		s.Invariants = strings.Join(broken, "; ")
	}
	return s, err
}

// stateOne adds what a member gave and what it was given.
func (d *demo) stateOne(ctx context.Context, name, letter string, s *statement) error {
	l := d.instances[letter[0]-'a'].ledger
	m, err := l.MemberByName(ctx, name)
	if err != nil {
		return err
	}
	v, err := l.MyMonth(ctx, m.ID, d.month)
	if err != nil {
		return err
	}
	handle := name + "@" + l.Instance().Host
	g := giverMonth{Giver: handle, Budget: v.Reserved, Shares: []shareLine{}, RolledOver: v.Rolled, Returned: v.Returned}
	for _, line := range v.Lines {
		if line.Settled != nil {
			g.Shares = append(g.Shares, shareLine{line.IRI, handleOf(line.Payee), *line.Settled})
		}
	}
	s.Givers = append(s.Givers, g)
	e, err := l.Earned(ctx, m.ID)
	if e.Announced+e.Available+e.Withdrawn > 0 {
		s.Payees = append(s.Payees, payeeStands{handle, e.Announced, e.Available, e.Withdrawn})
	}
	return err
}

// handleOf writes http://b.localhost:8480/users/bob as bob@b.localhost:8480.
func handleOf(actor string) string {
	_, rest, _ := strings.Cut(actor, "://")
	host, name, _ := strings.Cut(rest, "/users/")
	return name + "@" + host
}

// broken names what doesn't hold: each instance's own invariants, what an audit of its books finds, and the invariants
// that need all of them (protocol §10.3, 4 and 6).
func (d *demo) broken(ctx context.Context, s statement) ([]string, error) {
	var found []string
	for _, i := range d.instances {
		own, err := i.ledger.Check(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range own {
			found = append(found, i.ledger.Instance().Host+": "+v.String())
		}
		audited, err := auditOf(ctx, i.pool, audit.Options{})
		if err != nil {
			return nil, err
		}
		for _, f := range audited.Findings {
			found = append(found, i.ledger.Instance().Host+": "+f.String())
		}
	}
	pairs, err := d.unequalPairs(ctx)
	if err != nil {
		return nil, err
	}
	unconserved, err := d.unconserved(ctx)
	if err != nil {
		return nil, err
	}
	return append(append(append(found, pairs...), unconserved...), s.unequal()...), nil
}

// unequalPairs: per pair, what A owes B is what B is owed by A.
func (d *demo) unequalPairs(ctx context.Context) ([]string, error) {
	payable, receivable := map[[2]string]int64{}, map[[2]string]int64{}
	for _, i := range d.instances {
		me := i.ledger.Instance().Host
		all, err := i.ledger.PeerPositions(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			payable[[2]string{me, p.Host}] = p.Payable
			receivable[[2]string{p.Host, me}] = p.Receivable
		}
	}
	var found []string
	for pair, owed := range payable {
		if owed != receivable[pair] {
			found = append(found, fmt.Sprintf("%s owes %s %d, which is owed %d", pair[0], pair[1], owed, receivable[pair]))
		}
	}
	return found, nil
}

// unconserved: over all instances, members' money is what came in less what was paid out.
func (d *demo) unconserved(ctx context.Context) ([]string, error) {
	var members, in, out int64
	for _, i := range d.instances {
		t, err := i.ledger.Totals(ctx)
		if err != nil {
			return nil, err
		}
		members, in, out = members+t.Accounted(), in+t.Deposited, out+t.Withdrawn
	}
	if members != in-out {
		return []string{fmt.Sprintf("members have %d, but %d came in and %d was paid out", members, in, out)}, nil
	}
	return nil, nil
}

// unequal: per giver Σ shares + rolled over is the budget; every claim is confirmed or superseded.
func (s statement) unequal() []string {
	var found []string
	for _, g := range s.Givers {
		sum := g.RolledOver
		for _, share := range g.Shares {
			sum += share.Amount
		}
		if sum != g.Budget {
			found = append(found, fmt.Sprintf("%s: shares and roll-over are %d of %d", g.Giver, sum, g.Budget))
		}
	}
	for _, c := range s.Claims {
		if c.State != ledger.Confirmed && c.State != ledger.Superseded {
			found = append(found, fmt.Sprintf("the claim of %s on %s is %s", c.To, c.From, c.State))
		}
	}
	return found
}
