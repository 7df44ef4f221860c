package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// ClaimAnswer is a peer's answer to a claim of ours, its proof checked.
type ClaimAnswer struct {
	IRI      string // the claim
	Host     string // who answers
	Accepted bool
	Payto    string    // of an Accept: where to pay; may be ""
	Refusals []Refusal // when not accepted; at least one
	Document []byte    // as it came; kept if it is the first
}

// ClaimAnswered records the first answer to a claim. Accepted: it waits for payment. Refused: the
// money of the refused lines goes back to its givers and the rest is offered again under the next n.
// The same answer again changes nothing. ErrConflict: a different one; the first stands and the peer
// is frozen. ErrRefused: not that peer's claim.
func (l *Ledger) ClaimAnswered(ctx context.Context, a ClaimAnswer) error {
	a.Refusals = knownReasons(a.Refusals)
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	if err := tx.lockID(ctx, claimsFor+a.Host); err != nil {
		return err
	}
	p, err := tx.peerKnown(ctx, a.Host) // behind the lock: a hold may just have ended
	if err != nil {
		return err
	}
	c, lines, err := tx.answeredClaim(ctx, p, a.IRI)
	if err != nil {
		return err
	}
	next, err := tx.next(ctx, p, c.Period)
	if err != nil {
		return err
	}
	if err := tx.keepPayto(ctx, p, a); err != nil {
		return err
	}
	w := &decided{Tx: tx, step: "answer", peer: p, open: open, lines: lines}
	d := pair.TakeAnswer(p.decided(tx.at), c, next, pair.Answer{Claim: a.IRI, Accepted: a.Accepted, Refusals: a.Refusals})
	conflict, err := result(d)
	if err == nil {
		err = w.digest(d.Claims)
	}
	if err == nil {
		err = w.store(ctx, d)
	}
	if err == nil {
		err = w.post(ctx, d)
	}
	if err == nil {
		err = tx.topUp(ctx, open, w.givers...) // what came back fills the open month's budgets
	}
	if err == nil && len(w.givers) > 0 {
		_, err = tx.sweepLeft(ctx, open, w.givers...) // or goes where those who left have said
	}
	if err == nil && c.Answer == "" {
		tx.keep(a.IRI+"#answer", a.Document, false)
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("answer.committed")
	if !a.Accepted {
		failpoint("answer.refused")
	}
	return errors.Join(err, conflict)
}

// knownReasons files a reason that we don't know under "blocked", which says that the other side
// won't take it: it is honoured all the same, and the signed answer is kept with the word it used
// (protocol §8).
func knownReasons(all []Refusal) []Refusal {
	known := slices.Clone(all)
	for i, r := range known {
		switch r.Reason {
		case "", "unknown-payee", "not-accepting", "blocked", "deleted": // "" is malformed, and found so later
		default:
			known[i].Reason = "blocked"
		}
	}
	return known
}

// keepPayto notes where a peer wants to be paid.
func (tx *Tx) keepPayto(ctx context.Context, p Peer, a ClaimAnswer) error {
	_, err := tx.Exec(ctx, `update peer set payto = $2 where id = $1 and $2 <> ''`, p.ID, a.Payto)
	return err
}

// answeredClaim reads and locks a claim of ours on this peer, with its lines. ErrRefused: it is another's.
func (tx *Tx) answeredClaim(ctx context.Context, p Peer, iri string) (pair.Claim, []ClaimLine, error) {
	c, err := row[Claim](tx.Query(ctx, claimQuery+` where c.iri = $1 and c.direction = 'out' for no key update of c`, iri))
	switch {
	case err != nil:
		return pair.Claim{}, nil, err
	case c.Peer != p.ID:
		return pair.Claim{}, nil, fmt.Errorf("%w: %s doesn't answer %s", ErrRefused, p.Host, iri)
	}
	return tx.withLines(ctx, c)
}

// withLines is a claim as package pair decides about it, with its lines and refusals.
func (tx *Tx) withLines(ctx context.Context, c Claim) (pair.Claim, []ClaimLine, error) {
	d := c.decided()
	lines, err := rows[ClaimLine](tx.Query(ctx, `select `+lineColumns+` from claim_line where claim = $1 order by payee`, c.ID))
	for _, l := range lines {
		d.Lines = append(d.Lines, pair.Line{Payee: l.Payee, Amount: l.Amount})
	}
	d.Refusals = refusalsIn(lines)
	return d, lines, err
}

// next gives the next unused numbers of a month's claims, one after the other, and their ids. Who asks has locked
// the claims for the peer.
func (tx *Tx) next(ctx context.Context, p Peer, period string) (func() (int32, string), error) {
	var n int32
	err := tx.QueryRow(ctx, `
		select coalesce(max(n), 0) from claim
		where direction = 'out' and peer = $1 and period = $2 and currency = $3`, p.ID, period, tx.l.inst.Currency).Scan(&n)
	return func() (int32, string) {
		n++
		return n, tx.l.inst.ClaimIRI(p.Host, period, tx.l.inst.Currency, n)
	}, err
}

// lineShares are the shares behind a claim's lines: those of the things that a line names.
const lineShares = `
	select l.id as line, l.claim, s.giver, s.thing, s.period, s.amount
	from claim_line l join claim c on c.id = l.claim and c.direction = 'out' and not c.adopted
	cross join lateral jsonb_array_elements(l.things) as x
	join thing t on t.iri = x->>'object'
	join flattr f on f.thing = t.id and f.period = c.period and f.state = 'accepted'
	join share s on s.giver = f.giver and s.thing = f.thing and s.period = c.period
	  and c.part = coalesce((select q.part from pledge q where q.period = s.period and q.member = s.giver), 0)`

// returnShares marks the shares of a claim's refused lines as returned, each once. It returns what is to
// be booked for that, and whose means grow.
func (tx *Tx) returnShares(ctx context.Context, claim, peer int64) (entries []journal.Entry, givers []int64, err error) {
	if _, err := tx.Exec(ctx, `
		select from member where id in (
		  select s.giver from (`+lineShares+` where l.claim = $1 and l.refused is not null) s)
		order by id for no key update`, claim); err != nil {
		return nil, nil, err
	}
	type back struct{ ID, Giver, Amount int64 }
	all, err := rows[back](tx.Query(ctx, `
		insert into share_return (giver, thing, period, claim, amount, created_at)
		select s.giver, s.thing, s.period, $1, s.amount, $2
		from (`+lineShares+` where l.claim = $1 and l.refused is not null and s.amount > 0) s
		order by s.giver, s.thing
		returning id, giver, amount`, claim, tx.at))
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		entries = append(entries, journal.Entry{Kind: kindReturn, Ref: b.ID, Phase: journal.Single, Amount: b.Amount,
			Debit: of(journal.Payable, peer), Credit: of(journal.Means, b.Giver)})
		givers = append(givers, b.Giver)
	}
	return entries, slices.Compact(givers), nil
}
